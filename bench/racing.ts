/**
 * What racing saves and what it costs: simulated students by the 2PL model at several spreads between drafts, and matrices recorded from
 * a real student (bench/data/). Beside every race stands exhaustive scoring of the same matrix, or of a smaller one for as many calls.
 * Everything follows from seeds: the figures are the same on every machine. Last line: one JSON object.
 *
 * Run: npm run bench:racing -- [confidence]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../drivers/package-root';
import { shuffled } from '../method/keys';
import type { RacingDraft, RacingSettings } from '../method/racing';
import { mean } from '../method/statistics';
import { runConfigSchema } from '../schemas/run-config';
import type { ScoreRow } from '../schemas/rows';
import {
  bestGap,
  exhaustiveScores,
  race,
  questionGap,
  rationaleGap,
  scoreLookup,
  simulatedStudent,
  type WholeMatrix,
} from './racing-simulation';

const model = { source: 'embedded:SmolLM2-135M-Instruct' };
const config = runConfigSchema.parse({
  version: 1,
  name: 'bench',
  tasks: [{ source: 'builtin', family: 'navigate' }],
  models: { teacher: model, student: model },
});
const settings: RacingSettings = {
  confidence: Number(process.argv[2] ?? config.score.confidence),
  firstBlock: config.score.first_block,
  block: config.score.block,
  callsMax: config.score.calls_max,
  pairs: config.pairs,
};

/** What the default settings must show: calls at most, share of the gap at least. */
const target = { calls: 0.55, kept: 0.97 };

/** Standard deviations of ability between the drafts of a question; between questions it is always 0.5. */
const draftSpreads = [0.25, 0.5, 0.75, 1, 1.5];
const seeds = [1, 2, 3, 4, 5, 6];
/** For as many calls as exhaustive scoring with `probes`: racing over a larger pool. Fewer seeds, because it takes its time. */
const seedsOfPool = 2;
const questions = 100;
const probes = 40;
const pool = 80;

type Kept = Record<'calls' | 'rationaleGapKept' | 'questionGapKept' | 'waves', number>;

/** A race beside exhaustive scoring of the same matrix. */
function compared(matrix: WholeMatrix): {
  readonly kept: Kept;
  readonly raced: readonly ScoreRow[];
  readonly exhaustive: readonly ScoreRow[];
} {
  const { task } = matrix;
  const exhaustive = exhaustiveScores(matrix);
  const { scores: raced, calls, waves } = race(matrix, settings);
  const scoreOf = scoreLookup(exhaustive);
  const share = (gap: typeof rationaleGap) =>
    gap(task, raced, scoreOf, settings) / gap(task, exhaustive, scoreOf, settings);
  const kept = {
    calls: calls / (task.drafts.length * task.probes.length),
    rationaleGapKept: share(rationaleGap),
    questionGapKept: share(questionGap),
    waves,
  };
  return { kept, raced, exhaustive };
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

const rounded = (value: number): number => Math.round(value * 1000) / 1000;

function averaged<Row extends Readonly<Record<string, number>>>(rows: readonly Row[]): Record<keyof Row, number> {
  const names = Object.keys(rows[0] ?? {}) as (keyof Row)[];
  return Object.fromEntries(names.map((name) => [name, rounded(mean(rows.map((row) => row[name] ?? 0)))])) as Record<
    keyof Row,
    number
  >;
}

/**
 * A race over a simulated student, in what is observed (the exhaustive scores) and in truth. Points missed: the true best-worst gap that the pairs
 * chosen miss of the best possible, a question, in points of accuracy.
 */
function simulated(draftSpread: number) {
  const rows = seeds.map((seed) => {
    const student = simulatedStudent({ seed, questions, questionSpread: 0.5, draftSpread, probes });
    const { raced, exhaustive, kept } = compared(student);
    const { task, judged } = student;
    const judgedScore = scoreLookup(task.drafts.map(({ id }, row) => ({ draftId: id, score: judged[row] ?? 0 })));
    const share = (gap: typeof rationaleGap) =>
      gap(task, raced, judgedScore, settings) / gap(task, exhaustive, judgedScore, settings);
    return {
      ...kept,
      trueRationaleGapKept: share(rationaleGap),
      trueQuestionGapKept: share(questionGap),
      // Of the gap that exhaustive scoring sees; the rest is its own luck.
      trueShareOfGap:
        rationaleGap(task, exhaustive, judgedScore, settings) /
        rationaleGap(task, exhaustive, scoreLookup(exhaustive), settings),
    };
  });
  const pools = seeds.slice(0, seedsOfPool).map((seed) => {
    const of = { seed, questions, questionSpread: 0.5, draftSpread };
    const small = simulatedStudent({ ...of, probes });
    const { task, truth } = small;
    const larger = race(simulatedStudent({ ...of, probes: pool }), { ...settings, callsMax: probes / pool });
    const trueScore = scoreLookup(task.drafts.map(({ id }, row) => ({ draftId: id, score: truth[row] ?? 0 })));
    const missed = (by: readonly ScoreRow[]) =>
      (100 * (bestGap(task, trueScore) - rationaleGap(task, by, trueScore, settings))) / questions;
    return {
      pointsMissedByExhaustive: missed(exhaustiveScores(small)),
      pointsMissedAtEqualCalls: missed(larger.scores),
      equalCalls: larger.calls / (task.drafts.length * probes),
    };
  });
  return { draftSpread, ...averaged(rows), ...averaged(pools) };
}

/** After a line that says where it is from, a line a draft: its answers as digits, 1 right. */
function recordedMatrix(file: string): WholeMatrix {
  const [, ...lines] = readFileSync(join(packageRoot(), 'bench', 'data', file), 'utf8')
    .trimEnd()
    .split('\n');
  const drafts = lines.map((line) => JSON.parse(line) as RacingDraft & { readonly answers: string });
  const probes = Array.from(drafts[0]?.answers ?? '', (_, at) => `p${String(at).padStart(3, '0')}`);
  return {
    task: { name: file, drafts, probes },
    answers: drafts.map(({ answers }) => Int8Array.from(answers, Number)),
  };
}

/** Recorded matrices are small: their figures are means over so many orders of the probe items, by which halves and first blocks differ. */
const orders = 10;

/**
 * A recorded matrix, whole; and half of its items raced over, whose pairs are judged by the answers to the other half: a gap without the luck
 * of the choice. For half the calls, half of the items, exhaustively, stand beside a race over all.
 */
function recorded(file: string) {
  const whole = recordedMatrix(file);
  const { drafts, probes: items } = whole.task;
  const half = Math.floor(items.length / 2);
  const rows = Array.from({ length: orders }, (_, seed) => {
    const order = shuffled([...items.keys()], seed);
    const part = (from: number, to: number): WholeMatrix => ({
      task: { ...whole.task, probes: items.slice(0, to - from) },
      answers: whole.answers.map((row) => Int8Array.from(order.slice(from, to), (index) => row[index] as number)),
    });
    const all = part(0, items.length);
    const { exhaustive, kept } = compared(all);
    const first = compared(part(0, half));
    const other = scoreLookup(exhaustiveScores(part(half, 2 * half)));
    const byHalfCalls = race(all, { ...settings, callsMax: 0.5 });
    const gap = (by: readonly ScoreRow[], scoreOf = scoreLookup(exhaustive)) =>
      rationaleGap(all.task, by, scoreOf, settings);
    return {
      ...kept,
      halfCalls: first.kept.calls,
      heldOutByExhaustive: (100 * gap(first.exhaustive, other)) / drafts.length,
      heldOutByRacing: (100 * gap(first.raced, other)) / drafts.length,
      halfOfItemsKept: gap(first.exhaustive) / gap(exhaustive),
      raceForHalfTheCallsKept: gap(byHalfCalls.scores) / gap(exhaustive),
    };
  });
  const figures = averaged(rows);
  // A mean of ratios would be ruled by the orders in which there was hardly a gap.
  const heldOutGapKept = rounded(figures.heldOutByRacing / figures.heldOutByExhaustive);
  return { file, drafts: drafts.length, probes: items.length, ...figures, heldOutGapKept };
}

function main(): void {
  const students = draftSpreads.map((spread) => {
    const figures = simulated(spread);
    log(
      `spread ${spread}: ${figures.calls} of the calls keep ${figures.trueRationaleGapKept} of the true gap of the rationale pairs (observed ${figures.rationaleGapKept}) and ${figures.trueQuestionGapKept} of the question pairs' (observed ${figures.questionGapKept}); ` +
        `points missed: exhaustive ${figures.pointsMissedByExhaustive}, racing over ${pool} items for ${figures.equalCalls} of the calls ${figures.pointsMissedAtEqualCalls}`,
    );
    return figures;
  });
  const matrices = readdirSync(join(packageRoot(), 'bench', 'data'))
    .sort()
    .map((file) => {
      const figures = recorded(file);
      log(
        `${file}: ${figures.calls} of the calls keep ${figures.rationaleGapKept} of the rationale pairs' observed gap; ` +
          `by the other half of the items, ${figures.halfCalls} keep ${figures.heldOutGapKept}; ` +
          `for half the calls: half of the items, exhaustively, ${figures.halfOfItemsKept}, racing ${figures.raceForHalfTheCallsKept}`,
      );
      return figures;
    });
  const within = ({ calls }: { readonly calls: number }) => calls <= target.calls;
  const met = {
    trueGap: students.every((row) => within(row) && row.trueRationaleGapKept >= target.kept),
    trueQuestionGap: students.every((row) => within(row) && row.trueQuestionGapKept >= target.kept),
    observedGapAtSpreads: students
      .filter((row) => within(row) && row.rationaleGapKept >= target.kept)
      .map(({ draftSpread }) => draftSpread),
    closerToTruthAtEqualCalls: students.every(
      (row) => row.equalCalls <= 1 && row.pointsMissedAtEqualCalls < row.pointsMissedByExhaustive,
    ),
    heldOutGapOfMatrices: matrices.every((row) => row.halfCalls <= target.calls && row.heldOutGapKept >= target.kept),
  };
  const { trueGap, trueQuestionGap, closerToTruthAtEqualCalls } = met;
  const pass = trueGap && trueQuestionGap && closerToTruthAtEqualCalls;
  const { confidence, callsMax } = settings;
  process.stdout.write(
    `${JSON.stringify({ bench: 'racing', pass, target, met, confidence, callsMax, questions, probes, pool, students, matrices })}\n`,
  );
}

main();
