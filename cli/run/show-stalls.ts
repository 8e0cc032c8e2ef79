/** What work of a run that stood still waited for, each time that it did, for `arte status RUN --stalls`. */
import { noSuchRunIn, runKeys } from '../../activities/run-records';
import { readStalls } from '../../activities/stall-dump';
import { ArteError } from '../../schemas/errors';
import { stallDumpsOfRunMax } from '../../schemas/limits';
import { colorsFor, exitCodes, forVerbatim, printJson, printLine, printVerbatim } from '../output';
import type { Session } from '../session';
import { stallDetails } from './stall-view';

/** All that is kept, oldest first. Exit code: 0. Errors: InvalidInput, RunNotFound. */
export async function showStalls({ store }: Session, runId: string | undefined, json: boolean): Promise<number> {
  if (runId === undefined) {
    throw new ArteError('InvalidInput', {
      what: 'arte status --stalls needs a run.',
      why: 'What stood still is kept with the run whose work it was.',
      next: 'arte status RUN --stalls; arte status lists the runs there are.',
    });
  }
  if ((await store.getDocument(runKeys.record(runId))) === undefined) throw await noSuchRunIn(store, runId);
  const dumps = await readStalls(store, runId, stallDumpsOfRunMax);
  if (json) printJson(dumps);
  else if (dumps.length === 0) printLine(`No work of ${runId} has stood still.`);
  else {
    const color = colorsFor(process.stdout);
    printVerbatim(
      forVerbatim(dumps)
        .map((dump) => stallDetails(dump, color).join('\n'))
        .join('\n\n'),
    );
  }
  return exitCodes.done;
}
