/** `arte export WHAT RUN`: the tailored set, the pairs, the student, the teacher, in the forms others read. */
import { Argument, Option, type Command } from 'commander';
import { armNames, recipeOf, type ArmName } from '../../schemas/arms';
import { ArteError } from '../../schemas/errors';
import {
  adapterNote,
  exportForms,
  exportRun,
  modelFormats,
  type ExportForm,
  type ModelFormat,
} from '../export/export-run';
import { printJson, printLine, printNote, progress } from '../output';
import { readReport } from '../report/read-report';
import { openSession } from '../session';

interface Options {
  readonly to?: string;
  readonly round?: string;
  readonly format?: ModelFormat;
  readonly arm?: ArmName;
  readonly json?: boolean;
}

/** Of the default target: a data set is a folder with its card; one file where --to ends in .jsonl or .parquet. */
const endings: Readonly<Record<ExportForm, string>> = {
  dataset: '',
  pairs: '',
  dropped: '.jsonl',
  student: '',
  teacher: '',
};

export function register(program: Command): void {
  program
    .command('export')
    .addArgument(new Argument('<what>').choices([...exportForms]))
    .argument('<run>', 'id of the run')
    .description(
      "take a run's data set, pairs, student or teacher out of the store, with its card; or what was dropped",
    )
    .option('--to <path>', 'where to write (default: RUN-WHAT here); data ending in .jsonl or .parquet is one file')
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
        const isAdapter = (what === 'teacher' && options.format === undefined) || options.format === 'adapter';
        const round = options.round === undefined ? undefined : Number(options.round);
        const note =
          isAdapter && (what === 'teacher' || what === 'student') ? adapterNote(report, what, round) : undefined;
        if (note !== undefined) printNote(note);
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
  if (arm !== undefined && what !== 'dataset' && what !== 'dropped')
    refuse('--arm', `It chooses a data set, and this is the ${what}.`, 'Leave it out.');
  if (format !== undefined && what !== 'student' && what !== 'teacher')
    refuse(
      '--format',
      `It chooses the form of a model; ${what} are rows.`,
      'Leave it out: the ending of --to says it.',
    );
  if (round !== undefined && !/^[1-9]\d*$/.test(round))
    refuse(`--round ${round}`, 'A round is a whole number from 1.', 'arte report RUN shows the rounds.');
}
