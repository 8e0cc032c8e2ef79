/** `arte concurrency RUN CALLS`: a ceiling for the calls that a run has in flight, while it runs. */
import type { Command } from 'commander';
import { readCallCeiling, setCallCeiling } from '../../activities/call-ceiling';
import { recordAction } from '../../activities/run-actions';
import { ArteError } from '../../schemas/errors';
import { orderFor } from '../actor';
import { ceilingLine } from '../run/ceiling-line';
import { exitCodes, printJson, printLine } from '../output';
import { viewRun } from '../run/run-progress';
import { openSession, type Session } from '../session';
import { notUnderWay } from '../run/steer-run';

export function register(program: Command): void {
  program
    .command('concurrency')
    .argument('<run>', 'id of the run')
    .argument('[calls]', 'at most so many calls in flight in each worker process; "none" takes the ceiling away')
    .option('--reason <why>', 'kept with the action, for whoever asks later')
    .option('--json', 'as JSON: {runId, calls}')
    .description('show or set a ceiling for the calls that a run has in flight; it takes effect in seconds')
    .action(async (runId: string, calls: string | undefined, options: { reason?: string; json?: boolean }) => {
      const wanted = calls === undefined ? undefined : parseCalls(calls);
      const session = await openSession({ start: false });
      try {
        if (wanted !== undefined) await orderCeiling(session, runId, wanted, options);
        else await viewRun(session.client, session.store, runId);
        const standing = wanted === undefined ? await readCallCeiling(session.store, runId) : wanted;
        if (options.json === true) printJson({ runId, calls: standing });
        else printLine(ceilingLine(standing) ?? 'no ceiling is set: as many calls as the endpoints bear');
        process.exitCode = exitCodes.done;
      } finally {
        await session.close();
      }
    });
}

/** Set it. Errors: RunNotFound, RunStateConflict. */
export async function orderCeiling(
  { client, store }: Session,
  runId: string,
  calls: number | null,
  { reason }: { readonly reason?: string | undefined },
): Promise<void> {
  const { engine, progress } = await viewRun(client, store, runId);
  if (engine !== 'RUNNING') throw notUnderWay(runId, progress.status, 'slow down');
  await setCallCeiling(store, runId, calls);
  const set = [calls === null ? 'none' : String(calls)];
  await recordAction(store, {
    ...{ runId, action: 'concurrency', at: new Date().toISOString() },
    ...{ set, ...orderFor({ reason }) },
  });
}

/** Errors: InvalidInput. */
export function parseCalls(text: string): number | null {
  if (text === 'none') return null;
  const calls = Number(text);
  if (Number.isSafeInteger(calls) && calls > 0) return calls;
  throw new ArteError('InvalidInput', {
    what: `${JSON.stringify(text)} is no number of calls.`,
    why: 'A ceiling is a whole number of at least 1. Nothing at all is asked while a run is paused.',
    next: 'Write a number, or "none" to take the ceiling away; arte pause RUN stops it.',
  });
}
