/** `arte export WHAT RUN`: the tailored set, the pairs, the student, the teacher, in the forms others read. */
import { Argument, Option, type Command } from 'commander';
import { armNames, recipeOf, type ArmName } from '../../schemas/arms';
import { ArteError } from '../../schemas/errors';
import { exportForms, exportRun, modelFormats, type ExportForm, type ModelFormat } from '../export-run';
import { printJson, printLine, progress } from '../output';
import { readReport } from '../read-report';
import { openSession } from '../session';

interface Options {
  readonly to?: string;
  readonly round?: string;
  readonly format?: ModelFormat;
  readonly arm?: ArmName;
  readonly json?: boolean;
}

const endings: Readonly<Record<ExportForm, string>> = { dataset: '.jsonl', pairs: '.jsonl', student: '', teacher: '' };

export function register(program: Command): void {
  program
    .command('export')
    .addArgument(new Argument('<what>').choices([...exportForms]))
    .argument('<run>', 'id of the run')
    .description("take a run's data set, pairs, student or teacher out of the store")
    .option('--to <path>', 'where to write (default: RUN-WHAT in the current folder)')
    .option('--round <n>', 'of this round (default: the best)')
    .addOption(
      new Option(
        '--format <format>',
        'of a model: the adapter alone, merged safetensors, or a GGUF for the edge',
      ).choices([...modelFormats]),
    )
    .addOption(
      new Option('--arm <arm>', "of a data set: whose (default: arte, the aligned teacher's)").choices(
        armNames.filter((arm) => recipeOf(arm, 'dpo').kind !== 'asked'),
      ),
    )
    .option('--json', 'print the path as JSON')
    .action(async (what: ExportForm, runId: string, options: Options) => {
      checkOptions(what, options);
      const session = await openSession({ start: false });
      const line = progress(`exporting ${what}`);
      try {
        const report = await readReport(session.store, runId);
        const ending = options.format === 'gguf' ? '.gguf' : endings[what];
        const path = await exportRun(session.store, report, {
          what,
          target: options.to ?? `${runId}-${what}${ending}`,
          ...(options.round === undefined ? {} : { round: Number(options.round) }),
          ...(options.format === undefined ? {} : { format: options.format }),
          ...(options.arm === undefined ? {} : { arm: options.arm }),
          onProgress: (text) => line.update(text),
        });
        line.done(`${what} of ${runId} written`);
        if (options.json) printJson({ path });
        else printLine(path);
      } catch (error) {
        line.fail();
        throw error;
      } finally {
        await session.close();
      }
    });
}

/** An option that means nothing here is refused: it would label one thing with the name of another. */
function checkOptions(what: ExportForm, { arm, format, round }: Options): void {
  const refuse = (option: string, why: string, next: string): never => {
    throw new ArteError('InvalidInput', { what: `${option} cannot be used here.`, why, next });
  };
  if (arm !== undefined && what !== 'dataset')
    refuse('--arm', `It chooses a data set, and this is the ${what}.`, 'Leave it out.');
  if (format !== undefined && (what === 'dataset' || what === 'pairs'))
    refuse('--format', `It chooses the form of a model; ${what} are JSONL.`, 'Leave it out.');
  if (round !== undefined && !/^[1-9]\d*$/.test(round))
    refuse(`--round ${round}`, 'A round is a whole number from 1.', 'arte report RUN shows the rounds.');
}
