/** `arte report RUN`: what came of a run, from the store; the engine is not asked. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { printJson, printLine } from '../output';
import { readReport } from '../report/read-report';
import { standingOf } from '../report/report-standing';
import { printReport } from '../report/screen/report-view';
import { openSession } from '../session';
import { writeReportPage } from '../report/write-report';

export function register(program: Command): void {
  program
    .command('report')
    .argument('<run>', 'id of the run')
    .description('what came of a run: the verdict, arms, rounds, cost and time')
    .option(
      '--full',
      'all tables: how answers were read, tasks, training sets, gates, every stage, plan against actual',
    )
    .option('--html <file>', 'as one HTML page that needs nothing else; replaces the file')
    .option('--json', 'as JSON')
    .action(async (runId: string, options: { full?: boolean; html?: string; json?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        const { store } = session;
        if (options.html !== undefined) {
          const path = resolve(options.html);
          await writeReportPage(store, runId, path);
          if (options.json) printJson({ path });
          else printLine(path);
          return;
        }
        const report = await readReport(store, runId);
        if (options.json) printJson(report);
        else printReport(report, { full: options.full === true, standing: await standingOf(store, report) });
      } finally {
        await session.close();
      }
    });
}
