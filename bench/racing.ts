/**
 * What racing saves and what it costs: simulated students by the 2PL model at several spreads between drafts, and matrices recorded from
 * a real student (a folder of what bench/record-matrix.ts writes). Beside every race stands exhaustive scoring of the same matrix, or of a
 * smaller one for as many calls. Everything follows from seeds: the figures are the same on every machine. Last line: one JSON object.
 *
 * Run: npm run bench:racing -- [--confidence 0.98] [--calls-max 0.55] [--spreads 0.25,0.5,0.75,1,1.5] [--difficulties 1.2] [--questions 100]
 *   [--seeds 24] [--pool-seeds 8] [--matrices bench/data] [--halves 40]
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { packageRoot } from '../drivers/package-root';
import { shuffled } from '../method/keys';
import type { RacingSettings } from '../method/racing';
import { scoreQuality } from '../method/score';
import { mean } from '../method/statistics';
import { runConfigSchema } from '../schemas/run-config';
import type { ScoreRow } from '../schemas/rows';
import { matrixFiles, readMatrix } from './matrix-file';
import {
  bestGap,
  cellsOf,
  exhaustiveScores,
  matrixOf,
  questionGap,
  race,
  rationaleGap,
  rationaleGaps,
  reliabilityWithin,
  scoreLookup,
  shareOf,
  simulatedStudent,
  type Share,
  type SimulatedStudent,
  type WholeMatrix,
} from './racing-simulation';

const { values: options } = parseArgs({
  options: {
    confidence: { type: 'string' },
    'calls-max': { type: 'string' },
    /** Standard deviations of ability between the drafts of a question; between questions it is always 0.5. */
    spreads: { type: 'string', default: '0.25,0.5,0.75,1,1.5' },
    /** Standard deviation of the items' difficulties, in the same unit. */
    difficulties: { type: 'string', default: '1.2' },
    /** Of a simulated task, with four drafts each; the paper has 250. What is known of the items grows with them. */
    questions: { type: 'string', default: '100' },
    seeds: { type: 'string', default: '24' },
    /** Fewer, because a larger pool takes its time. */
    'pool-seeds': { type: 'string', default: '8' },
    matrices: { type: 'string', default: join(packageRoot(), 'bench', 'data') },
    halves: { type: 'string', default: '40' },
  },
});

const model = { source: 'embedded:SmolLM2-135M-Instruct' };
const config = runConfigSchema.parse({
  version: 1,
  name: 'bench',
  tasks: [{ source: 'builtin', family: 'navigate' }],
  models: { teacher: model, student: model },
});
const settings: RacingSettings = {
  confidence: Number(options.confidence ?? config.score.confidence),
  firstBlock: config.score.first_block,
  block: config.score.block,
  callsMax: Number(options['calls-max'] ?? config.score.calls_max),
  pairs: config.pairs,
};

/** What the default settings must show: calls at most, share of the gap at least. */
const target = { calls: 0.55, kept: 0.97 };

const questions = Number(options.questions);
const questionSpread = 0.5;
const probes = 40;
const pool = 80;

const seedsUpTo = (count: string): number[] => Array.from({ length: Number(count) }, (_, at) => at + 1);

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;
const roundedShare = ({ share, stderr }: Share): Share => ({ share: rounded(share), stderr: rounded(stderr) });
const words = ({ share, stderr }: Share): string => `${share} (± ${stderr})`;

type Gap = typeof rationaleGap;

/** What the pairs of a race have of the gap that those of exhaustive scoring have, in the scores given. */
const gapParts = (
  gap: Gap,
  { task }: WholeMatrix,
  [raced, exhaustive]: readonly [readonly ScoreRow[], readonly ScoreRow[]],
  scoreOf: (draftId: string) => number,
): readonly [number, number] => [gap(task, raced, scoreOf, settings), gap(task, exhaustive, scoreOf, settings)];

const trueScores = ({ task }: WholeMatrix, scores: SimulatedStudent['truth']) =>
  scoreLookup(task.drafts.map(({ id }, row) => ({ draftId: id, score: scores[row] ?? 0 })));

/**
 * Races over simulated students, in what is observed (the exhaustive scores) and in truth. Points missed: the true best-worst gap that the pairs
 * chosen miss of the best possible, a question, in points of accuracy.
 */
function simulated(draftSpread: number) {
  const difficultySpread = Number(options.difficulties);
  const of = (seed: number) => ({ seed, questions, questionSpread, draftSpread, difficultySpread });
  const rows = seedsUpTo(options.seeds).map((seed) => {
    const student = simulatedStudent({ ...of(seed), probes });
    const exhaustive = exhaustiveScores(student);
    const { scores, calls, waves } = race(student, settings);
    const both = [scores, exhaustive] as const;
    const observedScore = scoreLookup(exhaustive);
    const trueScore = trueScores(student, student.judged);
    return {
      calls: calls / (student.task.drafts.length * probes),
      waves,
      true: gapParts(rationaleGap, student, both, trueScore),
      observed: gapParts(rationaleGap, student, both, observedScore),
      trueQuestion: gapParts(questionGap, student, both, trueScore),
      observedQuestion: gapParts(questionGap, student, both, observedScore),
      reliability: scoreQuality(exhaustive, cellsOf(student)).reliability ?? 0,
      within: reliabilityWithin(student),
    };
  });
  const pools = seedsUpTo(options['pool-seeds']).map((seed) => {
    const small = simulatedStudent({ ...of(seed), probes });
    const { task, truth } = small;
    const larger = race(simulatedStudent({ ...of(seed), probes: pool }), { ...settings, callsMax: probes / pool });
    const trueScore = trueScores(small, truth);
    const missed = (by: readonly ScoreRow[]) =>
      (100 * (bestGap(task, trueScore) - rationaleGap(task, by, trueScore, settings))) / questions;
    return {
      exhaustive: missed(exhaustiveScores(small)),
      raced: missed(larger.scores),
      calls: larger.calls / (task.drafts.length * probes),
    };
  });
  const kept = (of: 'true' | 'observed' | 'trueQuestion' | 'observedQuestion') =>
    roundedShare(
      shareOf(
        rows.map((row) => row[of]),
        1,
      ),
    );
  return {
    draftSpread,
    reliability: rounded(mean(rows.map((row) => row.reliability))),
    reliabilityWithinQuestions: rounded(mean(rows.map((row) => row.within))),
    calls: rounded(mean(rows.map((row) => row.calls))),
    waves: rounded(mean(rows.map((row) => row.waves))),
    trueGapKept: kept('true'),
    observedGapKept: kept('observed'),
    trueQuestionGapKept: kept('trueQuestion'),
    observedQuestionGapKept: kept('observedQuestion'),
    equalCalls: {
      calls: rounded(mean(pools.map(({ calls }) => calls))),
      pointsMissedByExhaustive: rounded(mean(pools.map(({ exhaustive }) => exhaustive))),
      pointsMissedByRacing: rounded(mean(pools.map(({ raced }) => raced))),
      missedOfExhaustive: roundedShare(
        shareOf(
          pools.map(({ raced, exhaustive }) => [raced, exhaustive] as const),
          1,
        ),
      ),
    },
  };
}

/**
 * A recorded matrix, whole; and half of its items raced over, whose pairs are judged by the answers to the other half: a gap without the luck
 * of the choice. Means over so many random halves; standard errors by resampling questions, each with its mean over the halves.
 */
function recorded(file: string) {
  const { task, answers } = readMatrix(file);
  const items = task.probes;
  const half = Math.floor(items.length / 2);
  const halves = Number(options.halves);
  const names = [...new Set(task.drafts.map(({ questionId }) => questionId))];
  const sums = { observed: sumsOf(names), heldOut: sumsOf(names) };
  let calls = 0;
  let halfCalls = 0;
  for (let seed = 0; seed < halves; seed += 1) {
    // Another order, another first block.
    const order = shuffled([...items.keys()], seed);
    const part = (from: number, to: number): WholeMatrix => matrixOf({ task, answers }, order.slice(from, to));
    const both = (matrix: WholeMatrix, judge: WholeMatrix, into: Sums): number => {
      const raced = race(matrix, settings);
      const scoreOf = scoreLookup(exhaustiveScores(judge));
      into.raced(rationaleGaps(task, raced.scores, scoreOf, settings));
      into.exhaustive(rationaleGaps(task, exhaustiveScores(matrix), scoreOf, settings));
      return raced.calls / (task.drafts.length * matrix.task.probes.length * halves);
    };
    const whole = part(0, items.length);
    calls += both(whole, whole, sums.observed);
    halfCalls += both(part(0, half), part(half, 2 * half), sums.heldOut);
  }
  const pointsOf = (at: 0 | 1): number => rounded((100 * mean(sums.heldOut.parts().map((gaps) => gaps[at]))) / halves);
  return {
    file: task.name,
    questions: names.length,
    drafts: task.drafts.length,
    probes: items.length,
    reliability: rounded(
      scoreQuality(exhaustiveScores({ task, answers }), cellsOf({ task, answers })).reliability ?? 0,
    ),
    reliabilityWithinQuestions: rounded(reliabilityWithin({ task, answers })),
    calls: rounded(calls),
    observedGapKept: roundedShare(shareOf(sums.observed.parts(), 1)),
    heldOut: {
      calls: rounded(halfCalls),
      pointsByExhaustive: pointsOf(1),
      pointsByRacing: pointsOf(0),
      gapKept: roundedShare(shareOf(sums.heldOut.parts(), 1)),
    },
  };
}

interface Sums {
  raced(gaps: ReadonlyMap<string, number>): void;
  exhaustive(gaps: ReadonlyMap<string, number>): void;
  /** A question a row: the gap of the raced pair and of the exhaustive one, summed. */
  parts(): (readonly [number, number])[];
}

function sumsOf(questionIds: readonly string[]): Sums {
  const sums = new Map(questionIds.map((id) => [id, [0, 0] as [number, number]]));
  const add = (at: 0 | 1) => (gaps: ReadonlyMap<string, number>) => {
    for (const [id, gap] of gaps) (sums.get(id) as [number, number])[at] += gap;
  };
  return { raced: add(0), exhaustive: add(1), parts: () => [...sums.values()] };
}

function main(): void {
  const students = options.spreads
    .split(',')
    .filter(Boolean)
    .map((spread) => {
      const figures = simulated(Number(spread));
      const { equalCalls } = figures;
      log(
        `spread ${spread} (reliability ${figures.reliability}, within questions ${figures.reliabilityWithinQuestions}): ` +
          `${figures.calls} of the calls keep ${words(figures.trueGapKept)} of the true gap of the rationale pairs, ` +
          `${words(figures.observedGapKept)} of the observed one, and ${words(figures.trueQuestionGapKept)} of the question pairs' true gap; ` +
          `points missed: exhaustive ${equalCalls.pointsMissedByExhaustive}, racing over ${pool} items for ${equalCalls.calls} of the calls ${equalCalls.pointsMissedByRacing}`,
      );
      return figures;
    });
  const matrices = matrixFiles(options.matrices).map((file) => {
    const figures = recorded(file);
    const { heldOut } = figures;
    log(
      `${figures.file} (reliability ${figures.reliability}, within questions ${figures.reliabilityWithinQuestions}): ` +
        `${figures.calls} of the calls keep ${words(figures.observedGapKept)} of the rationale pairs' observed gap; by the other half of the items, ` +
        `${heldOut.calls} keep ${words(heldOut.gapKept)} of ${heldOut.pointsByExhaustive} points`,
    );
    return figures;
  });
  const within = ({ calls }: { readonly calls: number }) => calls <= target.calls;
  const spreadsWhere = (test: (row: (typeof students)[number]) => boolean) =>
    students.filter((row) => within(row) && test(row)).map(({ draftSpread }) => draftSpread);
  const met = {
    trueGapAtSpreads: spreadsWhere((row) => row.trueGapKept.share >= target.kept),
    observedGapAtSpreads: spreadsWhere((row) => row.observedGapKept.share >= target.kept),
    trueQuestionGapAtSpreads: spreadsWhere((row) => row.trueQuestionGapKept.share >= target.kept),
    closerToTruthAtEqualCalls: students.every(
      ({ equalCalls: { calls, missedOfExhaustive } }) => calls <= 1 && missedOfExhaustive.share < 1,
    ),
    heldOutGapOfMatrices: matrices
      .filter(({ heldOut }) => within(heldOut) && heldOut.gapKept.share >= target.kept)
      .map(({ file }) => file),
  };
  const { trueGapAtSpreads, trueQuestionGapAtSpreads, closerToTruthAtEqualCalls } = met;
  const pass =
    closerToTruthAtEqualCalls &&
    [trueGapAtSpreads, trueQuestionGapAtSpreads].every((spreads) => spreads.length === students.length);
  const { confidence, callsMax } = settings;
  process.stdout.write(
    `${JSON.stringify({ bench: 'racing', pass, target, met, confidence, callsMax, questions, probes, pool, difficulties: options.difficulties, students, matrices })}\n`,
  );
}

main();
