/**
 * Racing: which cells of the draft x probe matrix are worth asking for, when only the ends of its rankings are used.
 *
 * A pair needs the best and the worst draft of a question, and which questions are in the top and the bottom quarter; nobody asks who came
 * second of four. Cells come in waves. After each one answer-model.ts predicts the rest of the matrix from all answers of the task, and a draft
 * goes on only where the rest may still change a place that counts.
 *
 * Owns the waves' cells, what counts as decided, and the scores of a matrix with gaps. Leaves what a draft or question must be to enter a
 * pair to pairs.ts, and the asking to the score-drafts stage.
 *
 * **What counts.** A draft's strength: its share of right answers on items like these, not its luck with the ones it was asked. Of the gap that
 * exhaustive scoring sees, a part is that luck; it can be kept only by asking nearly everything, and is worth nothing to a student.
 *
 * **What is decided.** The place of the best draft is open for a challenger while going on is expected to win more than half of
 * (1 - confidence) of the task's mean best-worst gap; the other half is for the place of the worst. The expected win is the expected
 * opportunity cost of stopping, E[max(0, challenger - leader)], of the strengths as a whole matrix would show them. Cost and not the
 * probability of a wrong choice decides, because between equals any choice is right and none is ever certain (Chick and Inoue 2001, Operations
 * Research 49; Branke, Chick and Schmidt 2007, Management Science 53, find it the best stopping rule of those they compare). The set is
 * finite: what was asked is known, so a race is over at the latest when the matrix is whole. Hoeffding races (Maron and Moore 1994), which
 * know neither the items' difficulty nor that the set is finite, stop hardly anything within 40 items.
 *
 * **What is asked.** First a block of items for every draft: the same for the drafts of a question, so that they are compared like with like, and
 * another one for the next question, so that every item is known a little for few calls. Then, per question, the items that take most off
 * the variance of the strengths still in the race: an item that all get right says nothing.
 *
 * **Who is asked.** A race has a ceiling of calls, and what is left of it goes, wave by wave, to the drafts with most at stake: the expected wins of
 * their contests, each shared between its two drafts by what asking them can still settle.
 *
 * Invariants
 * 1. Pure, and independent of the order of drafts and probe items: ids order what is equal, and sums run in the order of ids.
 * 2. A cell is asked once; every step asks for a cell or ends the race.
 * 3. Confidence 1 asks for every cell, else no race is above its ceiling, but for one item a draft. A whole matrix has the scores of exhaustive scoring, bit by bit.
 */
import type { DraftRow, ScoreRow } from '../schemas/rows';
import { racingWavesMax } from '../schemas/limits';
import { predictRows, type Answers, type Kin, type Prediction } from './answer-model';
import { questionsOnASide, rationaleCandidates, type PairSettings } from './pairs';
import { mean, normalDistribution, standardErrorOfProportion } from './statistics';

/** Bumped by hand when what is asked or how it is scored changes: keys of races hold it, those of exhaustive scoring do not. */
export const racingVersion = 3;

/** Of the calls that are left under the ceiling, so many a wave: the later waves know better where they count. */
const waveShare = 0.3;

/** A wave asks about so many drafts at least, if there are calls for it: a wave of a few calls is not worth waiting for. */
const draftsOfAWaveMin = 4;

export type RacingDraft = Pick<DraftRow, 'id' | 'questionId' | 'technique' | 'rationale' | 'agrees'>;

/** One task's drafts and probe items: rows and columns of its matrix. */
export interface RacingTask {
  readonly name: string;
  readonly drafts: readonly RacingDraft[];
  /** Ids of the probe items. */
  readonly probes: readonly string[];
}

export interface RacingSettings {
  /** Share of the best-worst gap that the pairs of exhaustive scoring have, beyond luck, that those of the race are expected to keep. */
  readonly confidence: number;
  /** Probe items that every draft gets in the first wave. */
  readonly firstBlock: number;
  /** Probe items more for a draft that is still in a race, each wave. */
  readonly block: number;
  /** Share of exhaustive scoring's calls that the race may make. */
  readonly callsMax: number;
  readonly pairs: PairSettings;
}

/** Where a draft stands: in a race, or why it is not. */
export type Place =
  /** Some place depends on it. At the end of a race: the ceiling of calls, or the last wave, came before that was settled. */
  | 'racing'
  /** Best, or worst, of its question, and no longer challenged. */
  | 'best'
  | 'worst'
  /** Neither, and out of both races. */
  | 'between'
  /** No rationale pair can be made of it, and its question's quarter is settled. */
  | 'unpaired'
  /** Every probe item answered. */
  | 'whole';

export interface RacingStep {
  /** Per draft: indexes of the probe items to ask next, ascending. All empty: the race is over, or out of calls. */
  readonly asks: readonly (readonly number[])[];
  readonly places: readonly Place[];
}

/** The first wave of a task. */
export function firstCells(task: RacingTask, settings: RacingSettings): (readonly number[])[] {
  const { probes } = task;
  const block = settings.confidence >= 1 ? probes.length : firstBlockOf(probes.length, settings);
  const columns = orderOf(probes);
  const asks: (readonly number[])[] = task.drafts.map(() => []);
  questionsOf(task).forEach((rows, question) => {
    const items = Array.from(
      { length: block },
      (_, step) => columns[(question * block + step) % probes.length] as number,
    ).sort(ascending);
    for (const row of rows) asks[row] = items;
  });
  return asks;
}

/** What to ask after some waves. */
export function nextCells(task: RacingTask, answers: readonly Answers[], settings: RacingSettings): RacingStep {
  const open = answers.map((row) => row.reduce((count, answer) => count + (answer < 0 ? 1 : 0), 0));
  const certain = settings.confidence >= 1;
  const matrix = certain || open.every((count) => count === 0) ? undefined : predicted(task, answers);
  const questions = questionsOf(task);
  const contests = matrix === undefined ? undefined : contestsOf(task, questions, matrix, settings);
  const stakes = contests?.stakes;
  const racing = (row: number): boolean => open[row] !== 0 && (certain || stakes?.has(row) === true);
  const columns = orderOf(task.probes);
  const counts = certain ? open : countsOf(task, open, stakes ?? new Map(), settings);
  const asks: (readonly number[])[] = answers.map(() => []);
  for (const rows of questions) {
    const asked = rows.filter((row) => (counts[row] as number) > 0);
    const ranked = matrix === undefined ? columns : byGain(columns, asked, matrix);
    for (const row of asked) {
      const own = answers[row] as Answers;
      asks[row] = ranked
        .filter((item) => own[item] === -1)
        .slice(0, counts[row])
        .sort(ascending);
    }
  }
  const places = answers.map((_, row): Place => {
    if (open[row] === 0) return 'whole';
    return racing(row) ? 'racing' : (contests?.places.get(row) ?? 'unpaired');
  });
  return { asks, places };
}

/** Probe items of the first wave. It takes at most half of the calls, and one item in any case. */
export function firstBlockOf(
  probes: number,
  { firstBlock, callsMax }: Pick<RacingSettings, 'firstBlock' | 'callsMax'>,
): number {
  return Math.min(firstBlock, probes, Math.max(1, Math.floor((callsMax * probes) / 2)));
}

/** How many items each draft is asked next: where most is at stake first, for as long as the calls of this wave last. */
function countsOf(
  task: RacingTask,
  open: readonly number[],
  stakes: ReadonlyMap<number, number>,
  settings: RacingSettings,
): number[] {
  const block = blockOf(task, settings);
  const cells = task.drafts.length * task.probes.length;
  const asked = cells - open.reduce((sum, count) => sum + count, 0);
  const left = Math.floor(settings.callsMax * cells) - asked;
  let rest =
    settings.callsMax >= 1 ? left : Math.min(left, Math.max(draftsOfAWaveMin * block, Math.ceil(left * waveShare)));
  const counts = open.map(() => 0);
  const ranked = questionsOf(task)
    .flat()
    .filter((row) => stakes.has(row))
    .sort((one, other) => (stakes.get(other) as number) - (stakes.get(one) as number));
  for (const row of ranked) {
    const count = Math.max(0, Math.min(block, open[row] as number, rest));
    counts[row] = count;
    rest -= count;
  }
  return counts;
}

/**
 * Scores after a race. Of a matrix with gaps: the share of right answers that a draft is expected to give on items like these (its strength), for
 * all drafts alike, so that those with different items compare. The standard error is that of exhaustive scoring, with what the answers
 * not asked may come to; n is how many were asked.
 */
export function racedScores(task: RacingTask, answers: readonly Answers[]): ScoreRow[] {
  const items = task.probes.length;
  if (items === 0) return [];
  const predictions = predicted(task, answers);
  const whole = predictions.every(({ countedVariance }) => countedVariance === 0);
  return task.drafts.map(({ id, questionId }, row) => {
    const { counted, countedVariance, strength } = predictions[row] as Prediction;
    const n = (answers[row] as Answers).reduce((count, answer) => count + (answer < 0 ? 0 : 1), 0);
    const ofExhaustive = standardErrorOfProportion(counted, items);
    const stderr = whole ? ofExhaustive : Math.hypot(ofExhaustive, Math.sqrt(countedVariance) / items);
    return { draftId: id, task: task.name, questionId, score: (whole ? counted : strength) / items, stderr, n };
  });
}

// ---- contests ----------------------------------------------------------------------------------------------------

interface Contests {
  /** Rows that some place still depends on, and what is expected to be won by going on, in right answers. */
  readonly stakes: ReadonlyMap<number, number>;
  /** Where the rows stand that may enter a rationale pair. */
  readonly places: ReadonlyMap<number, Place>;
}

function contestsOf(
  task: RacingTask,
  questions: readonly (readonly number[])[],
  matrix: readonly Prediction[],
  settings: RacingSettings,
): Contests {
  const stakes = new Map<number, number>();
  const places = new Map<number, Place>();
  if (settings.pairs.rationale.per_task > 0) raceRationales(task, questions, matrix, settings, stakes, places);
  if (settings.pairs.question.per_task > 0) raceQuestions(questions, matrix, settings, stakes);
  return { stakes, places };
}

/** Best and worst draft of every question. A race keeps the challenger in it, and the one that is challenged. */
function raceRationales(
  task: RacingTask,
  questions: readonly (readonly number[])[],
  matrix: readonly Prediction[],
  { pairs, confidence }: RacingSettings,
  stakes: Map<number, number>,
  places: Map<number, Place>,
): void {
  const meanOf = (row: number): number => (matrix[row] as Prediction).strength;
  const ends = questions.flatMap((rows) => {
    const group = rows.map((row) => {
      const { id, rationale, agrees } = task.drafts[row] as RacingDraft;
      return { id, text: rationale.trim(), agrees, row };
    });
    const { distinct, eligible } = rationaleCandidates(group, pairs.rationale.wrong_chosen);
    const rowsOf = (list: typeof group): number[] => list.map(({ row }) => row);
    const [best] = rowsOf(eligible).sort((one, other) => meanOf(other) - meanOf(one));
    const [worst] = rowsOf(distinct)
      .filter((row) => row !== best)
      .sort((one, other) => meanOf(one) - meanOf(other));
    return best === undefined || worst === undefined
      ? []
      : [{ best, worst, distinct: rowsOf(distinct), eligible: rowsOf(eligible) }];
  });
  const tolerance =
    ((1 - confidence) / 2) * Math.max(0, mean(ends.map(({ best, worst }) => meanOf(best) - meanOf(worst))));
  for (const { best, worst, distinct, eligible } of ends) {
    for (const row of distinct) places.set(row, row === best ? 'best' : row === worst ? 'worst' : 'between');
    for (const row of eligible) {
      if (row !== best) stakeContest(stakes, matrix, [row, best], tolerance);
    }
    for (const row of distinct) {
      if (row !== worst) stakeContest(stakes, matrix, [worst, row], tolerance);
    }
  }
}

/** Which questions are on the sides that pairs are drawn from: the border to the next one, at either end. */
function raceQuestions(
  questions: readonly (readonly number[])[],
  matrix: readonly Prediction[],
  { pairs, confidence }: RacingSettings,
  stakes: Map<number, number>,
): void {
  const scored = questions.map((rows) => ({
    rows,
    strength: mean(rows.map((row) => (matrix[row] as Prediction).strength)),
    resolvable: mean(rows.map((row) => (matrix[row] as Prediction).resolvable)) / rows.length,
  }));
  const ranked = [...scored].sort((one, other) => other.strength - one.strength);
  const side = questionsOnASide(ranked.length, pairs);
  if (side === 0) return;
  const last = ranked.length - 1;
  const means = ranked.map(({ strength }) => strength);
  const tolerance = (1 - confidence) * (mean(means.slice(0, side)) - mean(means.slice(-side)));
  const borders = [side - 1, last - side].map(
    (at) => ((means[at] as number) + (means[Math.min(last, at + 1)] as number)) / 2,
  );
  for (const question of ranked) {
    const { rows, strength } = question;
    for (const border of borders) {
      const across = { strength: border, resolvable: 0 };
      const win = strength > border ? expectedWin(across, question) : expectedWin(question, across);
      if (win > tolerance) for (const row of rows) addStake(stakes, row, win);
    }
  }
}

/** Where a contest is open, each of the two has the part of it that asking this one would settle. */
function stakeContest(
  stakes: Map<number, number>,
  matrix: readonly Prediction[],
  [challenger, leader]: readonly [number, number],
  tolerance: number,
): void {
  const win = expectedWin(matrix[challenger], matrix[leader]);
  if (win <= tolerance) return;
  const resolvableOf = (row: number): number => (matrix[row] as Prediction).resolvable;
  const both = resolvableOf(challenger) + resolvableOf(leader);
  for (const row of [challenger, leader]) addStake(stakes, row, (2 * win * resolvableOf(row)) / both);
}

function addStake(stakes: Map<number, number>, row: number, win: number): void {
  if (win > 0) stakes.set(row, (stakes.get(row) ?? 0) + win);
}

type Estimate = Pick<Prediction, 'strength' | 'resolvable'>;

/**
 * E[max(0, challenger - leader)] of two strengths as they will be seen when everything is asked: what is lost on average by staying with
 * the leader. In right answers.
 */
function expectedWin(challenger: Estimate | undefined, leader: Estimate | undefined): number {
  if (challenger === undefined || leader === undefined) return 0;
  const lead = leader.strength - challenger.strength;
  const deviation = Math.sqrt(leader.resolvable + challenger.resolvable);
  if (deviation === 0) return Math.max(0, -lead);
  const z = lead / deviation;
  const density = Math.exp(-0.5 * z * z) / Math.sqrt(2 * Math.PI);
  return Math.max(0, deviation * density - lead * normalDistribution(-z));
}

// ---- the matrix --------------------------------------------------------------------------------------------------

/** Predictions by row; their gains by column. The model sees rows and columns in the order of their ids. */
function predicted(task: RacingTask, answers: readonly Answers[]): Prediction[] {
  const questions = questionsOf(task);
  const rows = questions.flat();
  const columns = orderOf(task.probes);
  const ordered = rows.map((row) => Int8Array.from(columns, (column) => (answers[row] as Answers)[column] as number));
  const techniqueOf = (row: number): string => (task.drafts[row] as RacingDraft).technique;
  const techniques = [...new Set(rows.map(techniqueOf))].sort();
  const kin = questions.flatMap((own, question) =>
    own.map((row): Kin => ({ question, technique: techniques.indexOf(techniqueOf(row)) })),
  );
  const predictions: Prediction[] = [];
  predictRows(ordered, kin).forEach((prediction, at) => {
    const gain = new Float64Array(columns.length);
    columns.forEach((column, place) => (gain[column] = prediction.gain[place] as number));
    predictions[rows[at] as number] = { ...prediction, gain };
  });
  return predictions;
}

/** Items by what asking them tells about the drafts in the race, summed over them; of equal ones in the order of ids. */
function byGain(columns: readonly number[], rows: readonly number[], matrix: readonly Prediction[]): number[] {
  const gains = columns.map(() => 0);
  for (const row of rows) {
    for (const column of columns)
      gains[column] = (gains[column] as number) + ((matrix[row] as Prediction).gain[column] as number);
  }
  return [...columns].sort((one, other) => (gains[other] as number) - (gains[one] as number));
}

/** As many items a wave that the largest probe set is through in racingWavesMax waves. */
function blockOf({ probes }: RacingTask, { firstBlock, block }: RacingSettings): number {
  return Math.max(block, Math.ceil((probes.length - firstBlock) / (racingWavesMax - 1)));
}

/** Rows of each question, both in the order of their ids. */
function questionsOf({ drafts }: RacingTask): number[][] {
  const questions = new Map<string, number[]>();
  for (const row of orderOf(drafts.map(({ id }) => id))) {
    const { questionId } = drafts[row] as RacingDraft;
    const rows = questions.get(questionId) ?? [];
    questions.set(questionId, rows);
    rows.push(row);
  }
  const ids = [...questions.keys()];
  return orderOf(ids).map((at) => questions.get(ids[at] as string) as number[]);
}

/** Indexes in the order of the ids they stand for. */
function orderOf(ids: readonly string[]): number[] {
  return ids
    .map((_, index) => index)
    .sort((one, other) =>
      (ids[one] as string) < (ids[other] as string)
        ? -1
        : (ids[one] as string) > (ids[other] as string)
          ? 1
          : one - other,
    );
}

const ascending = (one: number, other: number): number => one - other;
