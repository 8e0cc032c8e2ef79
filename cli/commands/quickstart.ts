/** `arte quickstart`: two rounds of the loop on the embedded models, then what came of it in files, and what to type next. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { packageRoot } from '../../drivers/package-root';
import { asTyped } from '../called-as';
import { exportRun, type ExportForm, type ModelFormat } from '../export/export-run';
import { colorsFor, exitCodes, printLine, printNote, progress } from '../output';
import { readReport } from '../report/read-report';
import { writeReportPage } from '../report/write-report';
import { openSession } from '../session';
import { runConfig } from './run';

/** What the quickstart leaves in files, and the name of each. */
const quickstartFiles: readonly { what: ExportForm; name: string; format?: ModelFormat; says: string }[] = [
  { what: 'dataset', name: 'tailored-set', says: 'the tailored training set (JSONL, Parquet) and its card' },
  { what: 'pairs', name: 'preference-pairs', says: "the student's preferences, as pairs" },
  {
    what: 'teacher',
    name: 'teacher-adapter',
    format: 'adapter',
    says: "the aligned teacher's adapter (PEFT, safetensors)",
  },
  { what: 'student', name: 'student', format: 'safetensors', says: 'the tuned student (safetensors)' },
  { what: 'student', name: 'student.gguf', format: 'gguf', says: 'the tuned student for the edge (GGUF, Q8_0)' },
];

export function register(program: Command): void {
  program
    .command('quickstart')
    .description('two rounds of the whole loop on small real models, here and now')
    .option('--to <folder>', 'where to put what comes of it', 'arte-quickstart')
    .option(
      '--id <run>',
      'id of the run; another one begins anew where the config has changed, as by an upgrade',
      'quickstart',
    )
    .action(async ({ to, id }: { to: string; id: string }) => {
      process.exitCode = await quickstart(id, to);
    });
}

async function quickstart(runId: string, folder: string): Promise<number> {
  const config = join(packageRoot(), 'examples', 'quickstart.yaml');
  const code = await runConfig(config, { id: runId });
  if (code !== exitCodes.done) return code;
  await writeFiles(runId, folder);
  const color = colorsFor(process.stdout);
  printLine();
  printLine(color.bold('Next'));
  for (const [command, says] of [
    [`arte report ${runId} --full`, 'all tables of the report'],
    [`arte report ${runId} --json`, 'every number with the key of the stage it came from'],
    [`arte run ${join('examples', 'quickstart.yaml')} --id again`, 'the same again: all of it comes from the store'],
    [`arte plan ${join('examples', 'paper-bbh.yaml')}`, "what the paper's own set-up takes"],
    ['arte init my-task.jsonl', 'a config for a task of your own'],
    ['arte down', 'stop the background services (arte up brings them back)'],
  ] as const) {
    printLine(`  ${asTyped(command).padEnd(52)} ${color.dim(says)}`);
  }
  return code;
}

/** The report as a page: the first thing to open. */
const pageFile = { name: 'report.html', says: 'the report as a page with plots: open it in a browser' } as const;

async function writeFiles(runId: string, folder: string): Promise<void> {
  const session = await openSession({ start: true });
  const line = progress('writing files');
  try {
    const report = await readReport(session.store, runId);
    const lines: string[] = [];
    const left: string[] = [];
    const write = async (name: string, says: string, make: (target: string) => Promise<unknown>): Promise<void> => {
      const target = join(folder, name);
      const isThere = existsSync(target);
      if (!isThere) await make(target);
      lines.push(`  ${target.padEnd(44)} ${isThere ? 'left as it was' : says}`);
      if (isThere) left.push(target);
    };
    for (const { what, name, format, says } of quickstartFiles)
      await write(name, says, (target) =>
        exportRun(session.store, report, {
          ...{ what, target },
          ...(format ? { format } : {}),
          onProgress: (text) => line.update(`${name}: ${text}`),
        }),
      );
    // Last, for the others make the folder; and it is named first, for it is what to open first.
    await write(pageFile.name, pageFile.says, (target) => writeReportPage(session.store, runId, target));
    lines.unshift(...lines.splice(-1));
    line.done(left.length === lines.length ? 'no file was written: all are there' : 'files written');
    for (const text of lines) printLine(text);
    if (left.length > 0)
      printNote(
        `note    what was there already may be of an earlier run: move ${folder} away, or name another folder with --to`,
      );
  } catch (error) {
    line.fail();
    throw error;
  } finally {
    await session.close();
  }
}
