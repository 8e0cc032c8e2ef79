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
  type Race,
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
  pairs: config.pairs,
};

/** Standard deviations of ability between the drafts of a question; between questions it is always 0.5. */
const draftSpreads = [0.25, 0.5, 0.75, 1, 1.5];
const seeds = [1, 2];
const questions = 100;
const probes = 40;
/** Numbers of probe items to race over for as many calls as exhaustive scoring makes with `probes`: the largest that costs no more. */
const pools = [120, 80, 60, 40];
/** Confidences to race at for half the calls of a recorded matrix: the highest that costs no more. */
const confidences = [0.99, 0.96, 0.93, 0.9, 0.8, 0.5];

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

/** The first race of some choices that costs no more calls than that. */
function firstWithin(
  calls: number,
  choices: readonly number[],
  raceOf: (choice: number) => Race,
): (Race & { readonly choice: number }) | undefined {
  for (const choice of choices) {
    const tried = raceOf(choice);
    if (tried.calls <= calls) return { ...tried, choice };
  }
  return undefined;
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

/** How far from the best possible pairs the chosen ones are: the true best-worst gap that they miss, a question, in points of accuracy. */
function simulated(draftSpread: number) {
  const rows = seeds.map((seed) => {
    const of = { seed, questions, questionSpread: 0.5, draftSpread };
    const small = simulatedStudent({ ...of, probes });
    const { raced, exhaustive, kept } = compared(small);
    const budget = small.task.drafts.length * probes;
    const larger = firstWithin(budget, pools, (pool) => race(simulatedStudent({ ...of, probes: pool }), settings));
    const { task, truth } = small;
    const trueScore = scoreLookup(task.drafts.map(({ id }, row) => ({ draftId: id, score: truth[row] ?? 0 })));
    const missed = (by: readonly ScoreRow[]) =>
      (100 * (bestGap(task, trueScore) - rationaleGap(task, by, trueScore, settings))) / questions;
    return {
      ...kept,
      // Of the gap that exhaustive scoring sees; the rest is its own noise.
      trueShareOfGap:
        rationaleGap(task, exhaustive, trueScore, settings) /
        rationaleGap(task, exhaustive, scoreLookup(exhaustive), settings),
      pointsMissedByExhaustive: missed(exhaustive),
      pointsMissedByRacing: missed(raced),
      pointsMissedAtEqualCalls: missed(larger?.scores ?? raced),
      equalCalls: (larger?.calls ?? 0) / budget,
      equalCallsPool: larger?.choice ?? 0,
    };
  });
  return { draftSpread, ...averaged(rows) };
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

/** Recorded matrices are small: their figures are means over so many orders of the probe items, by which the first blocks differ. */
const orders = 5;

/** A recorded matrix. For half the calls, half of its items, exhaustively, stand beside a race over all; all items are the truth. */
function recorded(file: string) {
  const whole = recordedMatrix(file);
  const { drafts, probes: items } = whole.task;
  const cells = drafts.length * items.length;
  const rows = Array.from({ length: orders }, (_, seed) => {
    const order = shuffled([...items.keys()], seed);
    const columns = (indexes: readonly number[]) =>
      whole.answers.map((row) => Int8Array.from(indexes, (index) => row[index] as number));
    const matrix = { task: whole.task, answers: columns(order) };
    const { exhaustive, kept } = compared(matrix);
    const gap = (by: readonly ScoreRow[]) => rationaleGap(matrix.task, by, scoreLookup(exhaustive), settings);
    const half = Math.floor(items.length / 2);
    const byHalf = exhaustiveScores({
      task: { ...matrix.task, probes: items.slice(0, half) },
      answers: columns(order.slice(0, half)),
    });
    const halfRace = firstWithin(cells / 2, confidences, (confidence) => race(matrix, { ...settings, confidence }));
    return {
      ...kept,
      halfOfItemsKept: gap(byHalf) / gap(exhaustive),
      raceWithinHalfCalls: (halfRace?.calls ?? 0) / cells,
      raceWithinHalfKept: halfRace === undefined ? 0 : gap(halfRace.scores) / gap(exhaustive),
    };
  });
  return { file, drafts: drafts.length, probes: items.length, ...averaged(rows) };
}

function main(): void {
  const students = draftSpreads.map((spread) => {
    const figures = simulated(spread);
    log(
      `spread ${spread}: ${figures.calls} of the calls keep ${figures.rationaleGapKept} of the rationale pairs' gap and ${figures.questionGapKept} of the question pairs'; ` +
        `points missed: exhaustive ${figures.pointsMissedByExhaustive}, racing ${figures.pointsMissedByRacing}, racing over ${figures.equalCallsPool} items for ${figures.equalCalls} of the calls ${figures.pointsMissedAtEqualCalls}`,
    );
    return figures;
  });
  const matrices = readdirSync(join(packageRoot(), 'bench', 'data'))
    .sort()
    .map((file) => {
      const figures = recorded(file);
      log(
        `${file}: ${figures.calls} of the calls keep ${figures.rationaleGapKept} of the rationale pairs' gap and ${figures.questionGapKept} of the question pairs'; ` +
          `for half the calls: half of the items, exhaustively, ${figures.halfOfItemsKept}, racing (${figures.raceWithinHalfCalls}) ${figures.raceWithinHalfKept}`,
      );
      return figures;
    });
  process.stdout.write(
    `${JSON.stringify({ bench: 'racing', confidence: settings.confidence, questions, probes, students, matrices })}\n`,
  );
}

main();
