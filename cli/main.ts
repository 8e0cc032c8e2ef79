#!/usr/bin/env node
/**
 * `arte`: the command line. One file per command in commands/; each is loaded only when it is called, because the engine's and the
 * store's clients take longer to load than most commands take to run.
 *
 * Owns the global options, the exit code, and what becomes of an error that nobody caught. Leaves the words of an error to output.ts.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { usableDataDirectory } from '../drivers/local/directories';
import { packageRoot } from '../drivers/package-root';
import { ArteError, type ErrorData } from '../schemas/errors';
import { commandNames, type CommandName } from './called-as';
import { commandMistake } from './command-mistake';
import { engineLost } from './run/engine-lost';
import { exitCodeOf, exitCodes, forbidColor, printError, printJson } from './output';

const commands: Readonly<Record<CommandName, () => Promise<{ register(program: Command): void }>>> = {
  smoke: () => import('./commands/smoke.js'),
  quickstart: () => import('./commands/quickstart.js'),
  init: () => import('./commands/init.js'),
  validate: () => import('./commands/validate.js'),
  plan: () => import('./commands/plan.js'),
  preview: () => import('./commands/preview.js'),
  families: () => import('./commands/families.js'),
  schema: () => import('./commands/schema.js'),
  run: () => import('./commands/run.js'),
  status: () => import('./commands/status.js'),
  watch: () => import('./commands/watch.js'),
  ui: () => import('./commands/ui.js'),
  pause: () => import('./commands/pause.js'),
  resume: () => import('./commands/resume.js'),
  approve: () => import('./commands/approve.js'),
  reject: () => import('./commands/reject.js'),
  cancel: () => import('./commands/cancel.js'),
  retry: () => import('./commands/retry.js'),
  clone: () => import('./commands/clone.js'),
  concurrency: () => import('./commands/concurrency.js'),
  budget: () => import('./commands/budget.js'),
  notify: () => import('./commands/notify.js'),
  students: () => import('./commands/students.js'),
  schedule: () => import('./commands/schedule.js'),
  report: () => import('./commands/report.js'),
  export: () => import('./commands/export.js'),
  mlflow: () => import('./commands/mlflow.js'),
  edge: () => import('./commands/edge.js'),
  trace: () => import('./commands/trace.js'),
  diff: () => import('./commands/diff.js'),
  gc: () => import('./commands/gc.js'),
  up: () => import('./commands/up.js'),
  down: () => import('./commands/down.js'),
  doctor: () => import('./commands/doctor.js'),
  selftest: () => import('./commands/selftest.js'),
  setup: () => import('./commands/setup.js'),
  worker: () => import('./commands/worker.js'),
};

interface GlobalOptions {
  readonly verbose?: boolean;
  readonly color: boolean;
  readonly dataDir?: string;
}

/** The program with the commands that this call needs: the one that is named, or all of them for help and for a misspelt name. */
async function buildProgram(words: readonly string[]): Promise<Command> {
  const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
  const program = new Command('arte')
    .description('Aligns a teacher model with the preferences of a student model (ARTE, arXiv 2406.19227), durably.')
    .version(version, '--version', 'print the version')
    .option('--verbose', 'print the stack and the causes of an error')
    .option('--no-color', 'no colours; also the environment variable NO_COLOR')
    .option('--data-dir <folder>', 'where the embedded platform keeps its files (default: $ARTE_DATA_DIR or ./.arte)')
    .helpOption('-h, --help', 'print this help')
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 failed, 2 bad input, 3 a run waits for a person, 130 interrupted.\nEvery command has its own help: arte COMMAND --help',
    )
    .exitOverride()
    // What it says of a mistake is said in our form (command-mistake.ts).
    .showSuggestionAfterError(false)
    .configureOutput({ outputError: () => undefined })
    .hook('preAction', (_, action) => {
      const { color, dataDir } = action.optsWithGlobals<GlobalOptions>();
      if (!color) forbidColor();
      if (dataDir !== undefined) process.env.ARTE_DATA_DIR = usableDataDirectory(dataDir);
    });
  const word = commandWord(words);
  const named = word && commands[word];
  // The version is asked for by scripts, and needs none of them.
  const wanted = named !== undefined ? [named] : words[0] === '--version' ? [] : Object.values(commands);
  for (const load of wanted) (await load()).register(program);
  return program;
}

/** The first word that is no option of the program itself. */
function commandWord(words: readonly string[]): CommandName | undefined {
  for (let index = 0; index < words.length; index += 1) {
    const word = words[index] ?? '';
    if (word === '--data-dir') index += 1;
    else if (!word.startsWith('-')) return commandNames.find((name) => name === word);
  }
  return undefined;
}

/** With --json an error is the one JSON document on stdout, besides its words on stderr. */
function errorDocument(error: unknown): { error: ErrorData } {
  if (error instanceof ArteError) return { error: error.data };
  const what = error instanceof Error ? error.message : String(error);
  return { error: { code: 'Unexpected', what, why: '', next: 'Run it again with --verbose.', retryable: false } };
}

function withoutCommand(): ArteError {
  return new ArteError('InvalidInput', {
    what: 'No command was given.',
    why: 'Nothing was started.',
    next: 'arte --help lists all commands.',
  });
}

/** With a full disk named where the platform is down because of it, loaded only then: most errors have nothing to do with it. And a lost folder named. */
async function explained(error: unknown): Promise<unknown> {
  if ((error as NodeJS.ErrnoException | undefined)?.syscall === 'uv_cwd')
    return new ArteError(
      'InvalidInput',
      {
        what: 'The folder that you are in is not there any more.',
        why: 'It was removed or moved while your shell was in it, so no file can be found from it.',
        next: 'Go to a folder that is there (cd), and give the command again.',
      },
      { cause: error },
    );
  if (!(error instanceof ArteError) || error.data.code !== 'PlatformDown') return error;
  return (await import('./doctor/full-disk.js')).namingFullDisk(error);
}

async function main(words: readonly string[]): Promise<void> {
  // The reader of a pipe may leave early (`arte plan … | head`): that is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(exitCodes.done);
    throw error;
  });
  // Words that nobody reads are lost; what the command does goes on.
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
  let program: Command | undefined;
  try {
    program = await buildProgram(words);
    await program.parseAsync([...words], { from: 'user' });
  } catch (thrown) {
    // Help and version, which were asked for, and printed.
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return;
    const isJson = words.includes('--json');
    if (thrown instanceof CommanderError && thrown.code === 'commander.help') {
      // The help was printed in the place of a message.
      if (isJson) printJson(errorDocument(withoutCommand()));
      process.exitCode = exitCodes.badInput;
      return;
    }
    const error =
      program && thrown instanceof CommanderError
        ? commandMistake(thrown, program, words)
        : await explained(engineLost(thrown) ?? thrown);
    if (isJson) printJson(errorDocument(error));
    printError(error, { verbose: words.includes('--verbose') });
    process.exitCode = exitCodeOf(error);
  }
}

void main(process.argv.slice(2));
