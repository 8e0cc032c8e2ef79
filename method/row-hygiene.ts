/**
 * Cleaning written rows: which are left out and why, and what they look like in figures. The figures are facts of the stages that write questions
 * and training sets; reports show them, and a round is judged by them.
 *
 * Owns the order of the rules and the counts. The rules themselves are hygiene.ts, near-duplicates.ts, contamination.ts and answer-filter.ts.
 * Invariant: every row is kept or dropped for one reason, and both are handed back.
 */
import type { DroppedRow, TailoredRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { judgeAnswer } from './answer-filter';
import { contaminationCheck, type Contamination, type ContaminationCheck } from './contamination';
import { isDuplicateQuestion, normaliseQuestion, type DedupeSettings, type QuestionFilter } from './hygiene';
import { nearDuplicateSearch } from './near-duplicates';
import { quantile } from './statistics';

/** Of the stages that write questions and training sets: `facts.hygiene`. Small. */
export interface RowHygiene {
  /** Rows that were looked at: questions that could be read, or examples. Of a set chosen from drafts: the set, and the drafts left out. */
  readonly rows: number;
  /** Of them, whatever became of them: the same question as an earlier row of the task, after normalisation. */
  readonly exactDuplicates: number;
  /** As similar to an earlier row as hygiene.near_duplicates says, and not exactly the same. */
  readonly nearDuplicates: number;
  /** Repeat a test item, exactly or by overlap. */
  readonly contaminatedTest: number;
  /** Repeat a validation item: probes are chosen from those. */
  readonly contaminatedProbe: number;
  /** Of a training set: examples in it that do, where hygiene.contamination.action keeps them. Left out: it does not, or the stage is an older one. */
  readonly leaksKept?: LeaksKept;
  /** Rows that were left out, by reason. */
  readonly dropped: Readonly<Record<string, number>>;
  /** Rows that tailor.filter kept because its judge could not tell. Left out: there are none. */
  readonly unjudged?: number;
  /** Of the rows that were kept. */
  readonly words: { readonly question: LengthStatistics; readonly rationale?: LengthStatistics };
}

/** Examples that repeat labelled items and are taught all the same. */
export interface LeaksKept {
  readonly test: number;
  readonly validation: number;
}

/** Words (between white space) of texts; zeros where there are none. */
export interface LengthStatistics {
  readonly mean: number;
  readonly p10: number;
  readonly p25: number;
  readonly p50: number;
  readonly p75: number;
  readonly p90: number;
  readonly max: number;
}

/** Length statistics of texts, in words. Quantiles by linear interpolation (NumPy's default). */
export function lengthStatistics(texts: readonly string[]): LengthStatistics {
  const words = texts.map((text) => text.split(/\s+/u).filter((word) => word !== '').length);
  if (words.length === 0) return { mean: 0, p10: 0, p25: 0, p50: 0, p75: 0, p90: 0, max: 0 };
  const at = (share: number): number => round(quantile(words, share));
  const mean = round(words.reduce((sum, count) => sum + count, 0) / words.length);
  const max = words.reduce((most, count) => Math.max(most, count), 0);
  return { mean, p10: at(0.1), p25: at(0.25), p50: at(0.5), p75: at(0.75), p90: at(0.9), max };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Rows found to be something, whatever is done with them. */
interface Found {
  exactDuplicates: number;
  nearDuplicates: number;
  contaminatedTest: number;
  contaminatedProbe: number;
  unjudged: number;
}

export interface Cleaned<Row> {
  readonly kept: readonly Row[];
  readonly dropped: readonly DroppedRow[];
  /** Counts over all rows. `words` and `dropped` follow from the rows themselves: rowHygiene(). */
  readonly found: Readonly<Found>;
}

const nothingFound = (): Found => ({
  exactDuplicates: 0,
  nearDuplicates: 0,
  contaminatedTest: 0,
  contaminatedProbe: 0,
  unjudged: 0,
});

/** A question as it was read from an answer. */
export interface WrittenQuestion {
  readonly question: string;
  readonly target: string;
  readonly from: string;
}

/**
 * Questions of one task that may be used, in the order they were written: in none of the labelled sets, and new. Where `hygiene` says `park` they
 * are dropped here too; the stage parks by the counts.
 */
export function cleanQuestions<Row extends WrittenQuestion>(
  written: readonly Row[],
  task: TaskRecord,
  dedupe: DedupeSettings,
  { contamination, near_duplicates: near }: RunConfig['hygiene'],
): Cleaned<Row> {
  const check = contaminationCheck(task, contamination);
  const search = nearDuplicateSearch(
    written.map(({ question }) => question),
    near,
  );
  const filter: QuestionFilter = { seen: new Set(), kept: [] };
  const seen = new Set<string>();
  const found = nothingFound();
  const kept: Row[] = [];
  const dropped: DroppedRow[] = [];
  for (const [at, row] of written.entries()) {
    const repeated = check.question(row.question);
    countContamination(found, repeated);
    const normal = normaliseQuestion(row.question);
    const exact = seen.has(normal);
    seen.add(normal);
    const nearly = !exact && search.nearest(at) !== undefined;
    if (exact) found.exactDuplicates += 1;
    if (nearly) found.nearDuplicates += 1;
    const reason =
      leakReason(repeated, contamination.action) ??
      (isDuplicateQuestion(row.question, filter, dedupe)
        ? 'duplicate'
        : nearly && near.action !== 'keep'
          ? 'near duplicate'
          : undefined);
    if (reason === undefined) {
      search.keep(at);
      kept.push(row);
    } else {
      const { question, target, from } = row;
      const item = repeated && { itemId: repeated.itemId };
      dropped.push({ task: task.name, question, target, reason, ...item, from });
    }
  }
  return { kept, dropped, found };
}

/** An example before it is let into a training set; `votes` for the filter `majority`. */
export interface WrittenExample extends TailoredRow {
  readonly votes?: readonly (string | null)[];
}

/** Examples that may be taught: with an answer tag where one is required, believed by the filter, repeating no labelled item. */
export function cleanExamples<Row extends WrittenExample>(
  written: readonly Row[],
  tasks: ReadonlyMap<string, TaskRecord>,
  { tailor, hygiene }: Pick<RunConfig, 'tailor' | 'hygiene'>,
): Cleaned<Row> {
  const { contamination } = hygiene;
  const found = nothingFound();
  const kept: Row[] = [];
  const dropped: DroppedRow[] = [];
  const repeatedBy = repetitions(hygiene);
  for (const row of written) {
    const task = tasks.get(row.task);
    if (task === undefined) throw new Error(`an example of the unknown task ${row.task}`);
    const repeated = repeatedBy(row, task);
    countContamination(found, repeated);
    const verdict = judgeAnswer(row, task, tailor.filter);
    const reason =
      (tailor.require_tag && row.answer === null ? 'no answer tag' : undefined) ??
      leakReason(repeated, contamination.action) ??
      (verdict.keep ? undefined : verdict.reason);
    if (reason === undefined) {
      if (verdict.keep && verdict.unjudged === true) found.unjudged += 1;
      kept.push(row);
    } else {
      const { question, target, rationale, answer, from } = row;
      const item = repeated && { itemId: repeated.itemId };
      dropped.push({ task: row.task, question, target, rationale, answer, reason, ...item, from });
    }
  }
  return { kept, dropped, found };
}

/** What an example repeats, as its question or anywhere in its text. A task's items are gone through once, at its first example. */
function repetitions({ contamination }: Pick<RunConfig['hygiene'], 'contamination'>) {
  const checks = new Map<string, ContaminationCheck>();
  return (
    { question, rationale }: Pick<TailoredRow, 'question' | 'rationale'>,
    task: TaskRecord,
  ): Contamination | undefined => {
    const check = checks.get(task.name) ?? contaminationCheck(task, contamination);
    checks.set(task.name, check);
    return check.question(question) ?? check.text(`${question}\n${rationale}`);
  };
}

/**
 * Of the examples of a set those that repeat labelled items: what was found in writing counts examples that were left out for other reasons, and of
 * a chosen set all drafts. Undefined unless the config keeps them: else there are none.
 */
export function leaksKept(
  rows: readonly Pick<TailoredRow, 'task' | 'question' | 'rationale'>[],
  tasks: ReadonlyMap<string, TaskRecord>,
  hygiene: Pick<RunConfig['hygiene'], 'contamination'>,
): LeaksKept | undefined {
  if (hygiene.contamination.action !== 'keep') return undefined;
  const repeatedBy = repetitions(hygiene);
  const splits = rows.map((row) => repeatedBy(row, tasks.get(row.task) as TaskRecord)?.split);
  const count = (split: keyof LeaksKept): number => splits.filter((one) => one === split).length;
  return { test: count('test'), validation: count('validation') };
}

/** The figures of cleaned rows; `rows` counts what was looked at. */
export function rowHygiene(
  { kept, found }: Pick<Cleaned<{ readonly question: string; readonly rationale?: string }>, 'kept' | 'found'>,
  dropped: readonly Pick<DroppedRow, 'reason'>[],
): RowHygiene {
  const { unjudged, ...counts } = found;
  const rationales = kept.flatMap(({ rationale }) => (rationale === undefined ? [] : [rationale]));
  return {
    rows: kept.length + dropped.length,
    ...counts,
    dropped: countReasons(dropped),
    ...(unjudged > 0 && { unjudged }),
    words: {
      question: lengthStatistics(kept.map(({ question }) => question)),
      ...(rationales.length > 0 && { rationale: lengthStatistics(rationales) }),
    },
  };
}

/** How many rows were dropped for each reason. */
export function countReasons(dropped: readonly Pick<DroppedRow, 'reason'>[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { reason } of dropped) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

/** The sum of several tasks' counts. */
export function sumFound(parts: readonly Readonly<Found>[]): Readonly<Found> {
  const sum = nothingFound();
  for (const part of parts) for (const name of Object.keys(sum) as (keyof Found)[]) sum[name] += part[name];
  return sum;
}

function countContamination(found: Found, repeated: Contamination | undefined): void {
  if (repeated?.split === 'test') found.contaminatedTest += 1;
  if (repeated?.split === 'validation') found.contaminatedProbe += 1;
}

/** A seed that is copied is always left out: the teacher was shown it. */
function leakReason(
  repeated: Contamination | undefined,
  action: RunConfig['hygiene']['contamination']['action'],
): string | undefined {
  if (repeated === undefined) return undefined;
  if (repeated.split === 'seeds') return 'in seeds';
  if (action === 'keep') return undefined;
  return `${repeated.rule === 'exact' ? 'in' : 'overlaps'} ${repeated.split}`;
}

/** What was found in writing, and duplicates among the questions of the set that came of it. */
export function withDuplicates(
  before: Readonly<Found>,
  rows: readonly Pick<TailoredRow, 'task' | 'question'>[],
  near: RunConfig['hygiene']['near_duplicates'],
): Readonly<Found> {
  const found = { ...before };
  const byTask = new Map<string, string[]>();
  for (const { task, question } of rows) {
    const questions = byTask.get(task);
    if (questions) questions.push(question);
    else byTask.set(task, [question]);
  }
  for (const questions of byTask.values()) {
    const search = nearDuplicateSearch(questions, near);
    const seen = new Set<string>();
    for (const [at, question] of questions.entries()) {
      const normal = normaliseQuestion(question);
      if (seen.has(normal)) found.exactDuplicates += 1;
      else if (search.nearest(at) !== undefined) found.nearDuplicates += 1;
      seen.add(normal);
      search.keep(at);
    }
  }
  return found;
}
