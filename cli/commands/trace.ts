/** `arte trace RUN ROW`: from a row back to prompt, answer, model, sampling and the rows it was made of. */
import type { Command } from 'commander';
import { openLineage } from '../../activities/lineage';
import { printJson } from '../output';
import { roundNumber } from '../report/report-round';
import { openSession } from '../session';
import { traceRow } from '../lineage/trace-row';
import { printTrace } from '../lineage/trace-view';

export function register(program: Command): void {
  program
    .command('trace')
    .argument('<run>', 'id of the run')
    .argument(
      '<row>',
      'row key, id, or ARM:INDEX (also STAGE:INDEX), counted from 0: arte-0shot:3, arte:0, build-pairs:7',
    )
    .description('follow a row back to its prompt, answer, model and the rows behind it')
    .option('--round <n>', 'of this round (default: the best, where several rounds have a row of that name)')
    .option('--full', 'every text whole, and what two rows share as often as they do')
    .option('--json', 'as JSON')
    .action(async (runId: string, row: string, options: { round?: string; full?: boolean; json?: boolean }) => {
      const round = roundNumber(options.round);
      const session = await openSession({ start: false });
      try {
        const lineage = await openLineage(session.store, runId);
        const trace = await traceRow(session.store, lineage, row, round);
        if (options.json) printJson({ runId, ...trace });
        else printTrace(trace, { full: options.full === true });
      } finally {
        await session.close();
      }
    });
}
