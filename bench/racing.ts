/**
 * What racing saves and what it costs: simulated students by the 2PL model at several spreads between drafts, and matrices recorded from
 * a real student (bench/data/). Beside every race stands exhaustive scoring of the same matrix, or of a smaller one for as many calls.
 * Everything follows from seeds: the figures are the same on every machine. Last line: one JSON object.
 *
 * Run: node -r ./test/fixtures/run-typescript.cjs bench/racing.ts [confidence]
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
  pairs: config.pairs,
};

/** Standard deviations of ability between the drafts of a question; between questions it is always 0.5. */
const draftSpreads = [0.25, 0.5, 0.75, 1, 1.5];
const seeds = [1, 2];
const questions = 100;
const probes = 40;
/** Numbers of probe items to race over for as many calls as exhaustive scoring makes with `probes`: the largest that costs no more. */
const pools = [160, 120, 100, 80, 60, 40];
/** Confidences to race at for half the calls of a recorded matrix: the highest that costs no more. */
const confidences = [0.99, 0.96, 0.94, 0.92, 0.9, 0.85, 0.8, 0.7, 0.5];

interface Kept {
  readonly calls: number;
  readonly rationaleGapKept: number;
  readonly questionGapKept: number;
  readonly waves: number;
}

/** A race beside exhaustive scoring of the same matrix. */
function keptOf(
  matrix: WholeMatrix,
): Kept & { readonly raced: readonly ScoreRow[]; readonly exhaustive: readonly ScoreRow[] } {
  const { task } = matrix;
  const exhaustive = exhaustiveScores(matrix);
  const { scores: raced, calls, waves } = race(matrix, settings);
  const scoreOf = scoreLookup(exhaustive);
  const share = (gap: typeof rationaleGap) =>
    gap(task, raced, scoreOf, settings) / gap(task, exhaustive, scoreOf, settings);
  return {
    calls: calls / (task.drafts.length * task.probes.length),
    rationaleGapKept: share(rationaleGap),
    questionGapKept: share(questionGap),
    waves,
    raced,
    exhaustive,
  };
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
    const { raced, exhaustive, ...kept } = keptOf(small);
    const budget = small.task.drafts.length * probes;
    const races = pools.map((pool) => ({ pool, ...race(simulatedStudent({ ...of, probes: pool }), settings) }));
    const larger = races.find(({ calls }) => calls <= budget);
    const { task, truth } = small;
    const trueScore = scoreLookup(task.drafts.map(({ id }, row) => ({ draftId: id, score: truth[row] ?? 0 })));
    const missed = (by: readonly ScoreRow[]) =>
      (100 * (bestGap(task, trueScore) - rationaleGap(task, by, trueScore, settings))) / questions;
    return {
      ...kept,
      pointsMissedByExhaustive: missed(exhaustive),
      pointsMissedByRacing: missed(raced),
      pointsMissedAtEqualCalls: missed(larger?.scores ?? raced),
      equalCalls: (larger?.calls ?? 0) / budget,
      equalCallsPool: larger?.pool ?? 0,
    };
  });
  return { draftSpread, ...averaged(rows) };
}

interface Recorded {
  readonly about: string;
  readonly probes: readonly string[];
  readonly drafts: readonly (RacingDraft & { readonly answers: string })[];
}

/** A recorded matrix. At equal calls the first half of its items, exhaustively, stands beside a race over all; all items are the truth. */
function recorded(file: string) {
  const { drafts, probes: items } = JSON.parse(readFileSync(join(__dirname, 'data', file), 'utf8')) as Recorded;
  const answers = drafts.map((draft) => Int8Array.from(draft.answers, Number));
  const matrix = { task: { name: file, drafts, probes: items }, answers };
  const { raced, exhaustive, ...kept } = keptOf(matrix);
  const half = Math.floor(items.length / 2);
  const halfTask = { ...matrix.task, probes: items.slice(0, half) };
  const halved = { task: halfTask, answers: answers.map((row) => row.slice(0, half)) };
  const scoreOf = scoreLookup(exhaustive);
  const gap = (by: readonly ScoreRow[]) => rationaleGap(matrix.task, by, scoreOf, settings);
  const { raced: _, exhaustive: byHalf, ...keptOfHalf } = keptOf(halved);
  const budget = drafts.length * half;
  const races = confidences.map((confidence) => ({ confidence, ...race(matrix, { ...settings, confidence }) }));
  const atEqualCalls = races.find(({ calls }) => calls <= budget);
  return {
    file,
    drafts: drafts.length,
    probes: items.length,
    ...averaged([kept]),
    halfExhaustive: { calls: 0.5, rationaleGapKept: rounded(gap(byHalf) / gap(exhaustive)) },
    equalCallsRaced: atEqualCalls && {
      confidence: atEqualCalls.confidence,
      calls: rounded(atEqualCalls.calls / (2 * budget)),
      rationaleGapKept: rounded(gap(atEqualCalls.scores) / gap(exhaustive)),
    },
    halfRaced: averaged([keptOfHalf]),
  };
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
  const matrices = readdirSync(join(__dirname, 'data'))
    .filter((name) => name.endsWith('-matrix.json'))
    .sort()
    .map((file) => {
      const figures = recorded(file);
      log(
        `${file}: ${figures.calls} of the calls keep ${figures.rationaleGapKept}; half of the items, exhaustively, ${figures.halfExhaustive.rationaleGapKept}; racing for ${figures.equalCallsRaced?.calls ?? 0} of the calls ${figures.equalCallsRaced?.rationaleGapKept ?? 0}`,
      );
      return figures;
    });
  process.stdout.write(
    `${JSON.stringify({ bench: 'racing', confidence: settings.confidence, questions, probes, students, matrices })}\n`,
  );
}

main();
