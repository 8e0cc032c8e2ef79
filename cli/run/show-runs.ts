/** All runs as a table, for `arte status`. */
import { listRuns, nowOf } from './list-runs';
import { minute } from './minute';
import { exitCodes, printJson, printLine, printNote, table } from '../output';
import type { Session } from '../session';

/** Exit code: 0. */
export async function showRuns(session: Session, json: boolean): Promise<number> {
  const runs = await listRuns(session);
  if (json) printJson(runs);
  else if (runs.length === 0) printLine('There are no runs yet. arte quickstart makes one.');
  else {
    const columns = [{ title: 'run' }, { title: 'status' }, { title: 'round' }, { title: 'now' }, { title: 'started' }];
    printLine(
      table(
        columns,
        runs.map((run) => [run.runId, run.status, `${run.round}/${run.rounds}`, nowOf(run), minute(run.startedAt)]),
      ),
    );
    const damaged = runs.filter(({ unreadable }) => unreadable !== undefined).length;
    if (damaged > 0)
      printNote(
        `note    ${damaged === 1 ? 'One run has' : `${damaged} runs have`} documents that the store cannot read; what is said of them here is what can be told without. arte doctor names them, and what to do.`,
      );
  }
  return exitCodes.done;
}
