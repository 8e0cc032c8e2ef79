/** All runs without a terminal: a line when one begins, changes its state or its round, until none is under way. */
import { setTimeout as sleep } from 'node:timers/promises';
import { asTyped } from '../called-as';
import { listRuns, nowOf } from '../run/list-runs';
import { colorsFor, exitCodes, type ExitCode } from '../output';
import { Patience } from '../run/patience';
import type { Session } from '../session';
import { shown } from '../cells';

const lookMs = 2_000;

/** Resolves with the exit code: 0 when no run works any more, 3 when one of them waits for a person. */
export async function followList(session: Session, stream: NodeJS.WriteStream): Promise<ExitCode> {
  const color = colorsFor(stream);
  const said = new Map<string, string>();
  const say = (line: string): void => void stream.write(`${asTyped(line)}\n`);
  const patience = new Patience({ embedded: session.embedded, moved: session.moved, again: 'arte watch', say });
  for (;;) {
    const runs = await patience.look(() => listRuns(session));
    if (!runs) {
      await sleep(lookMs);
      continue;
    }
    for (const run of runs) {
      const state = `${run.status}  round ${run.round} of ${run.rounds}`;
      if (said.get(run.runId) === state) continue;
      said.set(run.runId, state);
      stream.write(`${color.bold(run.runId)}  ${state}  ${shown(asTyped(nowOf(run)))}`.trimEnd() + '\n');
    }
    if (runs.length === 0) stream.write(asTyped('There are no runs yet. arte quickstart makes one.\n'));
    if (!runs.some(({ status }) => status === 'RUNNING')) {
      const waits = runs.some(({ status }) => ['NEEDS_ATTENTION', 'NEEDS_APPROVAL', 'PAUSED'].includes(status));
      return waits ? exitCodes.waiting : exitCodes.done;
    }
    await sleep(lookMs);
  }
}
