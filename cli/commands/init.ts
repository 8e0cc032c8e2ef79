/** `arte init TASKFILE`: a commented config for a task file, with small counts on the embedded models. */
import { basename, dirname, extname, relative, resolve } from 'node:path';
import type { Command } from 'commander';
import { detectFormat, initialConfig, slug } from '../config/initial-config';
import { loadConfig, readTaskFile } from '../config/load-config';
import { textOrNearest } from '../config/nearest-path';
import { colorsFor, printLine } from '../output';
import { writeTextFile } from '../write-file';

interface Options {
  readonly output: string;
  readonly name?: string;
  readonly force?: boolean;
}

export function register(program: Command): void {
  program
    .command('init')
    .argument(
      '<taskfile>',
      'JSONL {"question", "target"}, a BIG-Bench-Hard JSON file, or JSONL of GSM8K, ARC, CommonsenseQA or PIQA',
    )
    .description('write a config for a task file: small counts, embedded models, every choice explained')
    .option('-o, --output <file>', 'where to write it', 'arte.yaml')
    .option('--name <task>', 'name of the task (default: the file name)')
    .option('--force', 'replace a file that is there')
    .action(init);
}

async function init(taskFile: string, { output, name, force }: Options): Promise<void> {
  const text = await taskFileText(taskFile);
  const format = detectFormat(taskFile, text);
  const path = relative(dirname(resolve(output)), resolve(taskFile)).replaceAll('\\', '/');
  const task = slug(name ?? basename(taskFile, extname(taskFile)));
  const config = initialConfig({ file: taskFile, path, name: task, format, text });
  await writeTextFile(output, config, force === true ? undefined : { unless: '--force' });
  // What was written must stand the same judgement as what a person writes.
  const { tasks } = await loadConfig(output, { env: process.env });
  const color = colorsFor(process.stdout);
  const [found] = tasks;
  printLine(
    `${color.green('wrote')}  ${output}: the task "${task}" from ${taskFile} (${format.source}${found ? `, answers of type ${found.answer.type}` : ''})`,
  );
  if (format.source === 'jsonl')
    printLine('       Its description is a guess: say in a sentence or two what the student is asked to do.');
  const named = asArgument(output);
  printLine(`${color.dim('next')}   arte preview ${named}     every prompt as the models will see it`);
  printLine(`       arte plan ${named}        what a run will do`);
  printLine(`       arte run ${named}`);
}

/** A path as it can be typed into a shell. */
function asArgument(path: string): string {
  return /^[\w./@%+=:,~-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}

/** Errors: InvalidTaskFile, with the file that was probably meant where the named one is missing. */
async function taskFileText(path: string): Promise<string> {
  return textOrNearest(path, await readTaskFile(path), {
    code: 'InvalidTaskFile',
    advice:
      'Name a task file: JSONL {"question", "target"}, a BIG-Bench-Hard JSON file, or JSONL of GSM8K, ARC, CommonsenseQA or PIQA.',
  });
}
