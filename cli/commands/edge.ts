/** `arte edge RUN`: the edge card of a run's student: size, accuracy, speed and memory by quantization, beside the teacher's. */
import { Option, type Command } from 'commander';
import { runKeys } from '../../activities/run-records';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { ArteError } from '../../schemas/errors';
import type { EdgeCard, EdgeForm } from '../../schemas/edge';
import type { JsonValue } from '../../schemas/json';
import { quantizations, type Quantization } from '../../schemas/model-ref';
import { measureEdge } from '../measure-edge';
import { colorsFor, exitCodes, printJson, printLine, progress, table } from '../output';
import { readReport } from '../report/read-report';
import { openBundleOf } from '../run/run-config-of';
import { openSession } from '../session';

interface Options {
  readonly round?: string;
  readonly forms: readonly Quantization[];
  readonly items: number;
  readonly shots: number;
  readonly threads: number;
  readonly hourPrice?: number;
  readonly last?: boolean;
  readonly json?: boolean;
}

/** From whole to small: what a device is usually given. */
const formsDefault: readonly Quantization[] = ['f16', 'q8_0', 'q5_0', 'q4_0'];
/** Enough for a p95 of five answers beyond it; an accuracy's standard error is then at most 5 points. */
const itemsDefault = 100;

export function register(program: Command): void {
  program
    .command('edge')
    .argument('<run>', 'id of the run')
    .description("measure the run's student as a device would use it, in several quantizations, beside the teacher")
    .option('--round <n>', 'the student of this round (default: the best)')
    .addOption(
      new Option('--forms <forms>', `of ${quantizations.filter((form) => form !== 'as-is').join(', ')}`)
        .argParser(formsOf)
        .default(formsDefault, formsDefault.join(',')),
    )
    .addOption(new Option('--items <n>', 'test items asked of each form').argParser(atLeast(1)).default(itemsDefault))
    .addOption(new Option('--shots <n>', 'demonstrations in a prompt').argParser(atLeast(0)).default(0))
    .addOption(
      new Option('--threads <n>', 'of the server; 0 = as many as there are cores').argParser(atLeast(0)).default(0),
    )
    .addOption(new Option('--hour-price <amount>', 'price of an hour of this machine, for the cost').argParser(amount))
    .option('--last', 'print the card that was measured last, and measure nothing')
    .option('--json', 'as JSON')
    .action(async (runId: string, options: Options) => {
      const card = options.last ? await lastCard(runId) : await newCard(runId, options);
      if (options.json) printJson(card);
      else printCard(card);
    });
}

async function lastCard(runId: string): Promise<EdgeCard> {
  const session = await openSession({ start: false });
  try {
    await readReport(session.store, runId);
    const card = await session.store.getDocument(runKeys.edge(runId));
    if (card !== undefined) return card as unknown as EdgeCard;
    throw new ArteError('InvalidInput', {
      what: `The student of ${runId} was not measured yet.`,
      why: 'A card is measured when you ask for it: it is of this machine.',
      next: `arte edge ${runId}`,
    });
  } finally {
    await session.close();
  }
}

async function newCard(runId: string, options: Options): Promise<EdgeCard> {
  const session = await openSession({ start: false });
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort(new Error('interrupted'));
  const line = progress(`measuring the student of ${runId}`);
  try {
    const report = await readReport(session.store, runId);
    const config = await openBundleOf(session.store, runId);
    if (config === undefined) throw new Error(`the run ${runId} has a report and no record`);
    const round = options.round === undefined ? {} : { round: atLeast(1)(options.round) };
    // Setting Python up knows no signal: until it is done Ctrl-C ends this process, as it does by default, and pip with it.
    await ensurePythonEnv({ onProgress: ({ what }) => line.update(`setting up Python: ${what}`) });
    process.once('SIGINT', stop);
    const card = await measureEdge(session.store, config, report, {
      ...round,
      forms: options.forms,
      items: options.items,
      shots: options.shots,
      threads: options.threads,
      hourPrice: options.hourPrice ?? null,
      onProgress: (text) => line.update(text),
      signal: interrupted.signal,
    });
    await session.store.putDocument(runKeys.edge(runId), card as unknown as JsonValue);
    line.done(`the student of ${runId} measured`);
    return card;
  } catch (error) {
    line.fail();
    if (!interrupted.signal.aborted) throw error;
    // The server has ended; an interruption is no fault of anybody.
    process.exit(exitCodes.interrupted);
  } finally {
    process.removeListener('SIGINT', stop);
    await session.close();
  }
}

// ---- printing ----------------------------------------------------------------------------------------------------

function printCard(card: EdgeCard): void {
  const color = colorsFor(process.stdout);
  const { machine } = card;
  const items = Object.values(card.items).reduce((sum, count) => sum + count, 0);
  printLine(color.bold(`Edge card of ${card.runId}, round ${card.round}`));
  printLine(
    color.dim(
      `${machine.processor}, ${card.threads} threads; ${items} test items, ${card.shots}-shot, one at a time, through llama.cpp`,
    ),
  );
  printLine();
  const columns = ['model', 'form', 'size', 'accuracy', 'of teacher', 'tok/s', 'p50', 'p95', 'memory'] as const;
  printLine(
    table(
      columns.map((title, index) => ({ title, align: index < 2 ? ('left' as const) : ('right' as const) })),
      card.forms.map(cells),
    ),
  );
  printLine();
  const [student] = card.forms.filter(({ role }) => role === 'student');
  if (student) printLine(`${(student.parameters / 1e6).toFixed(1)} million parameters.`);
  for (const { role, form, costPerMillionOutputTokens: cost } of card.forms) {
    if (cost !== null) printLine(`${role} as ${form}: ${cost.toFixed(2)} ${card.currency} per million answer tokens`);
  }
  printLine(
    color.dim(
      'accuracy with its 95 % interval; tok/s: answer tokens by the whole time of a call, the reading of the prompt too, so short answers have few; memory is the most it held',
    ),
  );
}

function cells(form: EdgeForm): string[] {
  const percent = (share: number): string => (100 * share).toFixed(1);
  return [
    form.role,
    form.form,
    megabytes(form.bytes),
    `${percent(form.accuracy)} (${percent(form.low)}–${percent(form.high)})`,
    form.ofTeacher === null ? '' : `${percent(form.ofTeacher)} %`,
    form.outputTokensPerSecond.toFixed(1),
    milliseconds(form.latencyP50Ms),
    milliseconds(form.latencyP95Ms),
    form.peakMemoryBytes === null ? '?' : megabytes(form.peakMemoryBytes),
  ];
}

const megabytes = (bytes: number): string =>
  bytes < 1e9 ? `${Math.round(bytes / 1e6)} MB` : `${(bytes / 1e9).toFixed(1)} GB`;
const milliseconds = (ms: number): string => (ms < 1_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

// ---- options -----------------------------------------------------------------------------------------------------

function refuse(what: string, next: string): never {
  throw new ArteError('InvalidInput', { what, why: 'Nothing was measured.', next });
}

function formsOf(words: string): readonly Quantization[] {
  const known: readonly string[] = quantizations.filter((form) => form !== 'as-is');
  const forms = words.split(',').map((word) => word.trim());
  const strange = forms.find((form) => !known.includes(form));
  if (strange !== undefined) refuse(`"${strange}" is no form of weights.`, `Give some of ${known.join(', ')}.`);
  return [...new Set(forms)] as Quantization[];
}

function atLeast(least: number): (words: string) => number {
  return (words) =>
    /^\d{1,6}$/.test(words) && Number(words) >= least
      ? Number(words)
      : refuse(`"${words}" cannot be used here.`, `Give a whole number from ${least}.`);
}

function amount(words: string): number {
  return /^\d+(\.\d+)?$/.test(words) && Number(words) > 0
    ? Number(words)
    : refuse(`"${words}" is no price.`, 'Give an amount above 0, such as 0.08.');
}
