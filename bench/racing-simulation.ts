/**
 * Races over matrices that are known in full, and what came of them beside exhaustive scoring; simulated students to make such matrices.
 * Owns the measures of bench/racing.ts, which test/method/racing.test.ts holds racing to on a small scale. Everything follows from seeds.
 */
import { seededRandom, shuffled } from '../method/keys';
import { buildQuestionPairs, buildRationalePairs, type PreferencePair } from '../method/pairs';
import type { Answers } from '../method/answer-model';
import {
  firstCells,
  nextCells,
  racedScores,
  type Place,
  type RacingSettings,
  type RacingStep,
  type RacingTask,
} from '../method/racing';
import { questionScores, scoreDrafts } from '../method/score';
import { correlation, mean, sampleVariance } from '../method/statistics';
import { racingWavesMax } from '../schemas/limits';
import type { CellRow, ScoreRow } from '../schemas/rows';

/** A task whose every cell is known. */
export interface WholeMatrix {
  readonly task: RacingTask;
  readonly answers: readonly Answers[];
}

/** The matrix of some of its items, by their indexes. Their ids say where they stand, so that another order is another race. */
export function matrixOf({ task, answers }: WholeMatrix, items: readonly number[]): WholeMatrix {
  return {
    task: { ...task, probes: task.probes.slice(0, items.length) },
    answers: answers.map((row) => Int8Array.from(items, (item) => row[item] as number)),
  };
}

export interface SimulatedStudent extends WholeMatrix {
  /** What each draft would score on endlessly many items. */
  readonly truth: readonly number[];
  /**
   * The same as one would guess it who knows the student and the items, from all answers: equal to the truth on average over drafts, whatever
   * pairs are chosen by the answers, and with far less of the luck of one simulation.
   */
  readonly judged: readonly number[];
}

export interface SimulationSettings {
  readonly seed: number;
  readonly questions: number;
  readonly probes: number;
  /** Standard deviations of ability between questions, and between the drafts of one. */
  readonly questionSpread: number;
  readonly draftSpread: number;
  /** Standard deviation of the items' difficulties. Default 1.2. */
  readonly difficultySpread?: number;
}

const draftsPerQuestion = 4;
const itemsOfTruth = 400;

/**
 * A student by the 2PL model: drafts are the respondents, log discrimination N(0, 0.4), difficulty N(0, 1.2): one item in fourteen is answered by
 * the middling draft alike nine times in ten or more. With N(0, 2.5) it is four in ten. Items are drawn first, and drafts next, so that another
 * number of probe items leaves the drafts as they are.
 */
export function simulatedStudent({
  seed,
  questions,
  probes,
  questionSpread,
  draftSpread,
  difficultySpread = 1.2,
}: SimulationSettings): SimulatedStudent {
  const item = normals(seed * 2 + 1);
  const draft = normals(seed * 2);
  const uniform = seededRandom(seed);
  const itemsOf = (count: number) =>
    Array.from({ length: count }, () => ({ a: Math.exp(0.4 * item()), b: difficultySpread * item() }));
  const population = itemsOf(itemsOfTruth);
  const asked = itemsOf(probes);
  const abilities = Array.from({ length: questions }, () => {
    const ofQuestion = questionSpread * draft();
    return Array.from({ length: draftsPerQuestion }, () => ofQuestion + draftSpread * draft());
  });
  const answers = abilities
    .flat()
    .map((ability) => Int8Array.from(asked, (of) => (uniform() < right(ability, of) ? 1 : 0)));
  const truthOf = (ability: number): number => mean(population.map((of) => right(ability, of)));
  const spreads = { questionSpread, draftSpread };
  return {
    task: {
      name: 'simulated',
      drafts: abilities.flatMap((drafts, question) => drafts.map((_, at) => draftOf(question, at))),
      probes: asked.map((_, at) => `p${padded(at)}`),
    },
    answers,
    truth: abilities.flat().map(truthOf),
    judged: abilities.flatMap((_, question) =>
      judgedQuestion(
        answers.slice(question * draftsPerQuestion, (question + 1) * draftsPerQuestion),
        asked,
        truthOf,
        spreads,
      ),
    ),
  };
}

interface Item {
  readonly a: number;
  readonly b: number;
}

const right = (ability: number, { a, b }: Item): number => 1 / (1 + Math.exp(-a * (ability - b)));

/** Points from -3 to 3 standard deviations: integrals over a normal distribution, as sums. */
const deviations = Array.from({ length: 25 }, (_, at) => -3 + at / 4);

/** Posterior means of a function of the abilities of one question's drafts, which share the question's own. */
function judgedQuestion(
  answers: readonly Answers[],
  items: readonly Item[],
  of: (ability: number) => number,
  { questionSpread, draftSpread }: Pick<SimulationSettings, 'questionSpread' | 'draftSpread'>,
): number[] {
  const weight = (deviation: number): number => Math.exp(-0.5 * deviation ** 2);
  let total = 0;
  const sums = answers.map(() => 0);
  for (const ofQuestion of deviations) {
    const abilities = deviations.map((deviation) => ofQuestion * questionSpread + deviation * draftSpread);
    const values = abilities.map(of);
    const chances = abilities.map((ability) => items.map((item) => right(ability, item)));
    let likelihood = weight(ofQuestion);
    const means = answers.map((row) => {
      const weights = deviations.map((deviation, at) =>
        // Times 1.6 an answer, lest forty chances multiply to next to nothing.
        row.reduce((product, answer, item) => {
          const chance = chances[at]?.[item] ?? 0;
          return product * 1.6 * (answer === 1 ? chance : 1 - chance);
        }, weight(deviation)),
      );
      const sum = weights.reduce((one, other) => one + other, 0);
      likelihood *= sum;
      return weights.reduce((one, other, at) => one + other * (values[at] ?? 0), 0) / sum;
    });
    total += likelihood;
    means.forEach((value, at) => (sums[at] = (sums[at] ?? 0) + likelihood * value));
  }
  return sums.map((sum) => sum / total);
}

const padded = (index: number): string => String(index).padStart(4, '0');

function draftOf(question: number, at: number): RacingTask['drafts'][number] {
  const id = `q${padded(question)}-${at}`;
  return { id, questionId: `q${padded(question)}`, technique: `t${at}`, rationale: id, agrees: true };
}

/** Standard normals by Box and Muller. */
function normals(seed: number): () => number {
  const random = seededRandom(seed);
  return () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export interface Race {
  readonly scores: readonly ScoreRow[];
  readonly answers: readonly Answers[];
  readonly calls: number;
  readonly waves: number;
  readonly places: readonly Place[];
}

/** Run a race to its end. @throws when a cell is asked twice: the race would never be over. */
export function race({ task, answers: all }: WholeMatrix, settings: RacingSettings): Race {
  const answers = all.map((row) => new Int8Array(row.length).fill(-1));
  let calls = 0;
  let waves = 0;
  let places: readonly Place[] = [];
  for (
    let asks: RacingStep['asks'] = firstCells(task, settings);
    waves < racingWavesMax && asks.some((items) => items.length > 0);
  ) {
    waves += 1;
    asks.forEach((items, row) => {
      for (const item of items) {
        const own = answers[row] as Answers;
        if (own[item] !== -1) throw new Error(`cell ${row}/${item} was asked twice`);
        own[item] = (all[row] as Answers)[item] as number;
        calls += 1;
      }
    });
    ({ asks, places } = nextCells(task, answers, settings));
  }
  return { scores: racedScores(task, answers), answers, calls, waves, places };
}

/** A matrix as cells. */
export function cellsOf({ task, answers }: WholeMatrix): CellRow[] {
  return task.drafts.flatMap(({ id: draftId }, row) =>
    task.probes.map((probeId, item) => ({
      draftId,
      probeId,
      correct: answers[row]?.[item] === 1,
      tagged: true,
      outcome: 'ok' as const,
    })),
  );
}

/** Exhaustive scores of a matrix. */
export function exhaustiveScores(matrix: WholeMatrix): ScoreRow[] {
  const { task } = matrix;
  return scoreDrafts(
    cellsOf(matrix),
    task.drafts.map((draft) => ({ ...draft, task: task.name })),
  );
}

/** Gap by question, in the scores given, of the rationale pairs that some scores lead to; 0 where a question has none. */
export function rationaleGaps(
  task: RacingTask,
  by: readonly ScoreRow[],
  scoreOf: (draftId: string) => number,
  settings: RacingSettings,
): Map<string, number> {
  const drafts = task.drafts.map((draft) => ({ ...draft, task: task.name }));
  const questionOf = new Map(task.drafts.map(({ id, questionId }) => [id, questionId]));
  const gaps = new Map(task.drafts.map(({ questionId }) => [questionId, 0]));
  for (const pair of buildRationalePairs(drafts, by, settings.pairs).pairs)
    gaps.set(questionOf.get(pair.chosenId) as string, gapOf([pair], scoreOf));
  return gaps;
}

/** Their sum. */
export function rationaleGap(...of: Parameters<typeof rationaleGaps>): number {
  return [...rationaleGaps(...of).values()].reduce((sum, gap) => sum + gap, 0);
}

/** A ratio of two sums over things drawn independently (simulations, questions), and its standard error by resampling them. */
export interface Share {
  readonly share: number;
  readonly stderr: number;
}

/** Resamples of a bootstrap: its own error is then a twentieth of the standard error. */
const resamples = 400;

/** A mean of ratios would be ruled by what has hardly anything to divide by. */
export function shareOf(parts: readonly (readonly [kept: number, of: number])[], seed: number): Share {
  const random = seededRandom(seed);
  const ratio = (drawn: typeof parts): number => {
    const of = drawn.reduce((sum, part) => sum + part[1], 0);
    return of === 0 ? 0 : drawn.reduce((sum, part) => sum + part[0], 0) / of;
  };
  const drawn = Array.from({ length: resamples }, () =>
    ratio(parts.map(() => parts[Math.floor(random() * parts.length)] as (typeof parts)[number])),
  );
  return { share: ratio(parts), stderr: Math.sqrt(sampleVariance(drawn)) };
}

/** Random halves that the reliability within questions is averaged over. */
const reliabilityHalves = 50;

/**
 * How far half of the items tells a question's drafts apart as the other half does: correlation of the halves' scores less the question's mean,
 * stepped up to all items by Spearman and Brown. What racing has to find; `score.reliability_min` looks at all drafts of a task, which questions
 * tell apart too. 0 where the halves do not agree.
 */
export function reliabilityWithin({ task, answers }: WholeMatrix): number {
  const items = [...task.probes.keys()];
  const correlations = Array.from({ length: reliabilityHalves }, (_, seed) => {
    const order = shuffled(items, seed);
    const half = Math.floor(items.length / 2);
    const [one, other] = [order.slice(0, half), order.slice(half, 2 * half)].map((part) => {
      const scores = answers.map((row) => mean(part.map((item) => row[item] as number)));
      const ofQuestion = new Map<string, number[]>();
      task.drafts.forEach(({ questionId }, at) =>
        ofQuestion.set(questionId, [...(ofQuestion.get(questionId) ?? []), scores[at] as number]),
      );
      return task.drafts.map(({ questionId }, at) => (scores[at] as number) - mean(ofQuestion.get(questionId) ?? []));
    });
    return correlation(one ?? [], other ?? []) ?? 0;
  });
  const r = Math.max(0, mean(correlations));
  return (2 * r) / (1 + r);
}

/** The same of the question pairs, per pair, so that a pair more or less does not count. */
export function questionGap(
  task: RacingTask,
  by: readonly ScoreRow[],
  scoreOf: (draftId: string) => number,
  settings: RacingSettings,
): number {
  const questions = [...new Set(task.drafts.map(({ questionId }) => questionId))].map((id) => ({
    id,
    task: task.name,
    question: id,
    target: '',
  }));
  const { pairs } = buildQuestionPairs(questions, questionScores(by), settings.pairs, 0);
  const scoreOfQuestion = new Map(
    questionScores(by.map((row) => ({ ...row, score: scoreOf(row.draftId) }))).map((row) => [
      row.questionId,
      row.score,
    ]),
  );
  return gapOf(pairs, (id) => scoreOfQuestion.get(id) ?? 0) / Math.max(1, pairs.length);
}

function gapOf(pairs: readonly PreferencePair[], scoreOf: (id: string) => number): number {
  return pairs.reduce((sum, { chosenId, rejectedId }) => sum + scoreOf(chosenId) - scoreOf(rejectedId), 0);
}

/** Lookup of a draft's score. */
export function scoreLookup(scores: readonly Pick<ScoreRow, 'draftId' | 'score'>[]): (draftId: string) => number {
  const byId = new Map(scores.map(({ draftId, score }) => [draftId, score]));
  return (draftId) => byId.get(draftId) ?? 0;
}

/** The largest gap that rationale pairs could have: best against worst draft of every question. */
export function bestGap({ drafts }: RacingTask, scoreOf: (draftId: string) => number): number {
  const questions = new Map<string, number[]>();
  for (const { id, questionId } of drafts)
    questions.set(questionId, [...(questions.get(questionId) ?? []), scoreOf(id)]);
  return [...questions.values()].reduce((sum, scores) => sum + Math.max(...scores) - Math.min(...scores), 0);
}
