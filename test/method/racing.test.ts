/**
 * Goal: a race asks each cell at most once, ends, does not depend on the order of its rows, and keeps what exhaustive scoring would find for
 * about half the calls.
 * Method: properties over random matrices (any answers, ragged questions, rationales that may not win); a matrix worked out by hand; a
 * seeded simulation and a recorded matrix, by the measures that bench/racing.ts prints.
 */
import { join } from 'node:path';
import fc from 'fast-check';
import {
  exhaustiveScores,
  matrixOf,
  race,
  rationaleGap,
  scoreLookup,
  simulatedStudent,
  type WholeMatrix,
} from '../../bench/racing-simulation';
import { readMatrix } from '../../bench/matrix-file';
import { packageRoot } from '../../drivers/package-root';
import { shuffled } from '../../method/keys';
import { buildRationalePairs } from '../../method/pairs';
import { firstCells, nextCells, racedScores, type RacingSettings } from '../../method/racing';
import { runConfigSchema } from '../../schemas/run-config';
import { racingWavesMax } from '../../schemas/limits';

const model = { source: 'embedded:SmolLM2-135M-Instruct' };
const config = runConfigSchema.parse({
  version: 1,
  name: 'trial',
  tasks: [{ source: 'builtin', family: 'navigate' }],
  models: { teacher: model, student: model },
});
const settings: RacingSettings = {
  confidence: config.score.confidence,
  firstBlock: config.score.first_block,
  block: config.score.block,
  callsMax: config.score.calls_max,
  pairs: config.pairs,
};

/** Any matrix: some rationales are blank, some say the same, some conclude wrongly. */
const matrices: fc.Arbitrary<WholeMatrix> = fc
  .record({
    probes: fc.integer({ min: 1, max: 12 }),
    drafts: fc.array(
      fc.record({
        questionId: fc.constantFrom('a', 'b', 'c'),
        technique: fc.constantFrom('x', 'y'),
        rationale: fc.constantFrom('', 'one', 'two', 'three', 'four'),
        agrees: fc.boolean(),
        bits: fc.array(fc.constantFrom(0, 1), { minLength: 12, maxLength: 12 }),
      }),
      { minLength: 1, maxLength: 12 },
    ),
  })
  .map(({ probes, drafts }) => ({
    task: {
      name: 't',
      drafts: drafts.map(({ bits: _, ...draft }, at) => ({ id: `d${at}`, ...draft })),
      probes: Array.from({ length: probes }, (_, at) => `p${at}`),
    },
    answers: drafts.map(({ bits }) => Int8Array.from(bits.slice(0, probes))),
  }));

const confidences = fc.constantFrom(0.5, 0.8, 0.96, 0.999);

describe('any race', () => {
  it('asks no cell twice, and every draft something', () => {
    fc.assert(
      fc.property(matrices, confidences, fc.integer({ min: 1, max: 5 }), (matrix, confidence, block) => {
        // race() throws on a cell that is asked again.
        const { answers, waves, calls } = race(matrix, { ...settings, confidence, firstBlock: block, block });
        expect(waves).toBeLessThanOrEqual(racingWavesMax);
        expect(calls).toBe(answers.reduce((sum, row) => sum + row.filter((answer) => answer >= 0).length, 0));
        for (const row of answers) expect(row.some((answer) => answer >= 0)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('ends by itself: every step asks for a cell that is open, or for none', () => {
    fc.assert(
      fc.property(matrices, confidences, ({ task, answers: all }, confidence) => {
        const answers = all.map((row) => new Int8Array(row.length).fill(-1));
        const step = nextCells(task, answers, { ...settings, confidence, callsMax: 1 });
        step.asks.forEach((items, row) => {
          expect(items.length > 0).toBe(step.places[row] === 'racing');
          for (const item of items) expect(answers[row]?.[item]).toBe(-1);
        });
        const over = nextCells(task, all, { ...settings, confidence });
        expect(over.asks.flat()).toEqual([]);
        expect(new Set(over.places)).toEqual(new Set(['whole']));
      }),
      { numRuns: 60 },
    );
  });

  it('stays under its ceiling of calls, but for one item a draft', () => {
    fc.assert(
      fc.property(
        matrices,
        confidences,
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        (matrix, confidence, callsMax) => {
          const { drafts, probes } = matrix.task;
          const { calls } = race(matrix, { ...settings, confidence, callsMax });
          expect(calls).toBeLessThanOrEqual(Math.max(drafts.length, callsMax * drafts.length * probes.length));
        },
      ),
      { numRuns: 60 },
    );
  });

  it('takes the same decisions whatever the order of drafts and probe items', () => {
    fc.assert(
      fc.property(matrices, fc.integer(), ({ task, answers }, seed) => {
        const rows = shuffled([...task.drafts.keys()], seed);
        const columns = shuffled([...task.probes.keys()], seed + 1);
        const known = answers.map((row, at) => row.map((answer, item) => ((at + item) % 3 === 0 ? -1 : answer)));
        const mixed = {
          name: task.name,
          drafts: rows.map((row) => task.drafts[row] as (typeof task.drafts)[number]),
          probes: columns.map((column) => task.probes[column] as string),
        };
        const mixedKnown = rows.map((row) => Int8Array.from(columns, (column) => known[row]?.[column] as number));
        const named = (of: typeof task, asks: readonly (readonly number[])[]) =>
          Object.fromEntries(
            of.drafts.map(({ id }, row) => [id, (asks[row] ?? []).map((item) => of.probes[item]).sort()]),
          );
        expect(named(mixed, firstCells(mixed, settings))).toEqual(named(task, firstCells(task, settings)));
        expect(named(mixed, nextCells(mixed, mixedKnown, settings).asks)).toEqual(
          named(task, nextCells(task, known, settings).asks),
        );
        const byId = (scores: ReturnType<typeof racedScores>) =>
          [...scores].sort((one, other) => (one.draftId < other.draftId ? -1 : 1));
        expect(byId(racedScores(mixed, mixedKnown))).toEqual(byId(racedScores(task, known)));
      }),
      { numRuns: 60 },
    );
  });

  it('is exhaustive scoring at confidence 1: the same cells, scores and pairs', () => {
    fc.assert(
      fc.property(matrices, (matrix) => {
        const { task } = matrix;
        const raced = race(matrix, { ...settings, confidence: 1 });
        const exhaustive = exhaustiveScores(matrix);
        expect(raced.waves).toBe(1);
        expect(raced.calls).toBe(task.drafts.length * task.probes.length);
        expect(raced.scores).toEqual(exhaustive);
        const drafts = task.drafts.map((draft) => ({ ...draft, task: task.name }));
        expect(buildRationalePairs(drafts, raced.scores, settings.pairs)).toEqual(
          buildRationalePairs(drafts, exhaustive, settings.pairs),
        );
      }),
      { numRuns: 40 },
    );
  });
});

describe('what is decided', () => {
  const drafts = ['a', 'b', 'c', 'd'].flatMap((questionId) =>
    [0, 1, 2, 3].map((at) => ({
      id: `${questionId}${at}`,
      questionId,
      technique: `t${at}`,
      rationale: `says ${at}`,
      agrees: true,
    })),
  );
  const task = { name: 't', drafts, probes: Array.from({ length: 30 }, (_, at) => `p${String(at).padStart(2, '0')}`) };
  // Draft 0 is right everywhere and draft 3 nowhere; 1 and 2 are right every other time.
  const answers = drafts.map(({ id }) =>
    Int8Array.from({ length: 30 }, (_, at) => (id.endsWith('0') ? 1 : id.endsWith('3') ? 0 : at % 2)),
  );
  const rationalesOnly = {
    ...settings,
    pairs: { ...config.pairs, question: { ...config.pairs.question, per_task: 0 } },
  };

  it('stops a draft that is best, worst or in between beyond doubt, and says so', () => {
    const known = answers.map((row) => row.map((answer, at) => (at < 12 ? answer : -1)));
    const { asks, places } = nextCells(task, known, { ...rationalesOnly, confidence: 0.9 });
    expect(asks.flat()).toEqual([]);
    expect(places.slice(0, 4)).toEqual(['best', 'between', 'between', 'worst']);
  });

  it('asks nothing more of drafts that no pair can be made of', () => {
    const none = { ...config.pairs.rationale, per_task: 0 };
    const known = answers.map((row) => row.map((answer, at) => (at < 6 ? answer : -1)));
    const { asks, places } = nextCells(task, known, {
      ...rationalesOnly,
      pairs: { ...rationalesOnly.pairs, rationale: none },
    });
    expect(asks.flat()).toEqual([]);
    expect(new Set(places)).toEqual(new Set(['unpaired']));
  });

  it('asks the drafts of a question the same items first, and covers all of them with the next questions', () => {
    const asks = firstCells(task, settings);
    expect(asks[0]).toEqual(asks[3]);
    expect(asks[0]).not.toEqual(asks[4]);
    expect(new Set(asks.flat()).size).toBe(Math.min(30, 4 * settings.firstBlock));
  });

  it('predicts what was not asked, with a wider error', () => {
    const known = answers.map((row) => row.map((answer, at) => (at < 12 ? answer : -1)));
    const scores = scoreLookup(racedScores(task, known));
    expect(scores('a0')).toBeGreaterThan(0.85);
    expect(scores('a3')).toBeLessThan(0.15);
    expect(scores('a1')).toBeCloseTo(0.5, 1);
    const [, half] = racedScores(task, known);
    const [, whole] = racedScores(task, answers);
    expect(half).toMatchObject({ n: 12 });
    expect(half?.stderr).toBeGreaterThan(whole?.stderr ?? 1);
  });
});

describe('a simulated student', () => {
  it('keeps 97 % of the best-worst gap for 0.55 of the calls', () => {
    const student = simulatedStudent({ seed: 3, questions: 40, probes: 40, questionSpread: 0.5, draftSpread: 1 });
    const raced = race(student, settings);
    const exhaustive = exhaustiveScores(student);
    const gap = (by: typeof raced.scores) => rationaleGap(student.task, by, scoreLookup(exhaustive), settings);
    expect(raced.calls / (160 * 40)).toBeLessThanOrEqual(0.55);
    expect(gap(raced.scores) / gap(exhaustive)).toBeGreaterThanOrEqual(0.97);
  });
});

describe('a recorded student', () => {
  it('keeps the gap that the other half of its items sees, for 0.55 of the calls', () => {
    const recorded = readMatrix(join(packageRoot(), 'bench', 'data', 'count-items.jsonl'));
    const { task } = recorded;
    const half = task.probes.length / 2;
    const gaps = { raced: 0, exhaustive: 0 };
    for (const seed of [0, 1, 2, 3]) {
      const order = shuffled([...task.probes.keys()], seed);
      const matrix = matrixOf(recorded, order.slice(0, half));
      const raced = race(matrix, settings);
      expect(raced.calls / (task.drafts.length * half)).toBeLessThanOrEqual(0.55);
      const judged = scoreLookup(exhaustiveScores(matrixOf(recorded, order.slice(half))));
      gaps.raced += rationaleGap(task, raced.scores, judged, settings);
      gaps.exhaustive += rationaleGap(task, exhaustiveScores(matrix), judged, settings);
    }
    expect(gaps.raced / gaps.exhaustive).toBeGreaterThanOrEqual(0.97);
  });
});
