/** `arte report RUN`: what came of a run, from the store; the engine is not asked. */
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { ArteError } from '../../schemas/errors';
import { printJson, printLine, printVerbatim } from '../output';
import { readReport } from '../report/read-report';
import { standingOf } from '../report/report-standing';
import { printReport } from '../report/screen/report-view';
import { openSession } from '../session';
import { readReportPage, writeReportPage } from '../report/write-report';

export function register(program: Command): void {
  program
    .command('report')
    .argument('<run>', 'id of the run')
    .description('what came of a run: the verdict, arms, rounds, cost and time')
    .option(
      '--full',
      'all tables: how answers were read, tasks, training sets, gates, every stage, plan against actual',
    )
    .option(
      '--html <file>',
      'as one HTML page that needs nothing else; replaces such a page, no other file; - is stdout',
    )
    .option('--json', 'as JSON')
    .action(async (runId: string, options: { full?: boolean; html?: string; json?: boolean }) => {
      if (options.html === '-' && options.json)
        throw new ArteError('InvalidInput', {
          what: '--html - and --json cannot both be printed.',
          why: 'Each is all of what stdout gets.',
          next: 'Leave one out, or name a file: --html FILE.',
        });
      const session = await openSession({ start: false });
      try {
        const { store } = session;
        if (options.html === '-') {
          printVerbatim((await readReportPage(store, runId)).trimEnd());
          return;
        }
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
