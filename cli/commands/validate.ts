/** `arte validate CONFIG`: everything that is wrong with a config, at once. Starts nothing. */
import type { Command } from 'commander';
import { ConfigError, problemText, type PlacedProblem } from '../config/config-error';
import { loadConfig, type LoadedConfig } from '../config/load-config';
import { colorsFor, exitCodes, formatCount, printJson, printLine } from '../output';

interface Options {
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('validate')
    .argument('<config>', "the run's YAML file")
    .description('check a config: every problem with its place, its reason and what to write instead')
    .option('--json', 'as JSON: {valid, problems, warnings, notes}')
    .action(async (path: string, { json }: Options) => {
      if (json === true) {
        const found = await judge(path);
        printJson(found);
        process.exitCode = found.valid ? exitCodes.done : exitCodes.badInput;
        return;
      }
      printSound(path, await loadConfig(path, { env: process.env }));
    });
}

type ShownProblem = Omit<PlacedProblem, 'segments' | 'at'>;

interface Verdict {
  readonly valid: boolean;
  readonly problems: readonly ShownProblem[];
  readonly warnings: readonly ShownProblem[];
  readonly notes: readonly string[];
}

async function judge(path: string): Promise<Verdict> {
  try {
    const { warnings, notes } = await loadConfig(path, { env: process.env });
    return { valid: true, problems: [], warnings: warnings.map(shown), notes };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { valid: false, problems: error.problems.map(shown), warnings: [], notes: [] };
  }
}

function shown({ segments: _segments, at: _at, ...problem }: PlacedProblem): ShownProblem {
  return problem;
}

function printSound(path: string, { config, tasks, unseen, warnings, notes }: LoadedConfig): void {
  const color = colorsFor(process.stdout);
  const rounds = config.rounds.count === 1 ? 'one round' : `${config.rounds.count} rounds`;
  printLine(
    `${color.green('sound')}  ${path}: ${config.tasks.length === 1 ? 'one task' : `${config.tasks.length} tasks`}, ${rounds}`,
  );
  for (const { name, answer, seeds, validation, test } of [...tasks, ...unseen]) {
    const what = unseen.some((task) => task.name === name) ? `${answer.type}, unseen` : answer.type;
    printLine(
      `       ${name} (${what}): ${formatCount(seeds.length)} seeds, ${formatCount(validation.length)} validation, ${formatCount(test.length)} test`,
    );
  }
  const declared = config.tasks.length + config.transfer.tasks.length - tasks.length - unseen.length;
  if (declared > 0) printLine(`       ${formatCount(declared)} only declared: enough to plan, not to run`);
  for (const warning of warnings) {
    const [first = '', ...rest] = problemText(path, warning).split('\n');
    printLine([`${color.yellow('warn')}   ${first}`, ...rest.map((line) => `       ${line}`)].join('\n'));
  }
  for (const note of notes) printLine(`${color.dim('note')}   ${note}`);
  printLine(`${color.dim('next')}   arte plan ${path}`);
}
