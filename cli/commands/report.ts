/** `arte report RUN`: what came of a run, from the store; the engine is not asked. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { printJson, printLine } from '../output';
import { readReport } from '../read-report';
import { readDetails } from '../report-details';
import { reportPage } from '../report-page';
import { printReport } from '../report-view';
import { openBundleOf } from '../run-config-of';
import { openSession } from '../session';
import { writeTextFile } from '../write-file';

export function register(program: Command): void {
  program
    .command('report')
    .argument('<run>', 'id of the run')
    .description('what came of a run: students, stages, costs')
    .option('--html <file>', 'as one HTML page that needs nothing else; replaces the file')
    .option('--json', 'as JSON')
    .action(async (runId: string, options: { html?: string; json?: boolean }) => {
      const session = await openSession({ start: false });
      try {
        const { store } = session;
        const report = await readReport(store, runId);
        if (options.html !== undefined) {
          const path = resolve(options.html);
          const config = await openBundleOf(store, runId);
          await writeTextFile(path, reportPage(report, await readDetails(store, report), config));
          if (options.json) printJson({ path });
          else printLine(path);
        } else if (options.json) printJson(report);
        else printReport(report);
      } finally {
        await session.close();
      }
    });
}
