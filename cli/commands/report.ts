/** `arte report RUN`: what came of a run, from the store; the engine is not asked. */
import type { Command } from 'commander';
import { printJson } from '../output';
import { readReport } from '../read-report';
import { printReport } from '../report-view';
import { openSession } from '../session';

export function register(program: Command): void {
  program
    .command('report')
    .argument('<run>', 'id of the run')
    .description('what came of a run: students, stages, costs')
    .option('--json', 'as JSON')
    .action(async (runId: string, options: { json?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        const report = await readReport(session.store, runId);
        if (options.json) printJson(report);
        else printReport(report);
      } finally {
        await session.close();
      }
    });
}
