/**
 * Goal: the ledger's invariants (method/ledger.ts) under any interleaving of attempts at many pieces of work, and the arithmetic of prices.
 * Method: seeded sequences of events, in money of whole units so that sums are exact; a plain model of what each piece of work has cost.
 */
import fc from 'fast-check';
import {
  beginTraining,
  close,
  closeTraining,
  costOf,
  costOfCalls,
  costOfLostCalls,
  emptyLedger,
  hasPrices,
  ledgerTotals,
  meterTraining,
  promptTokensMax,
  releaseAll,
  usageOfCallMax,
  usageOfUntold,
  reserve,
  settle,
  type LedgerWork,
} from '../../method/ledger';
import type { Ledger } from '../../schemas/ledger';
import { noUsage } from '../../schemas/manifest';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { ModelRequest } from '../../schemas/rows';

const workOf = (piece: number, attempt = 1): LedgerWork => ({
  key: `piece-${piece}`,
  stage: piece % 2 === 0 ? 'score-drafts' : 'evaluate',
  attempt: `attempt-${String(attempt).padStart(4, '0')}`,
});

type Step =
  | { readonly kind: 'start'; readonly piece: number; readonly found: number; readonly ceiling: number }
  | { readonly kind: 'pay'; readonly piece: number; readonly amount: number }
  | { readonly kind: 'kill' | 'fail' | 'finish' | 'repeat'; readonly piece: number };

const piece = fc.integer({ min: 0, max: 5 });
const money = fc.integer({ min: 0, max: 40 });
const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant('start' as const), piece, found: money, ceiling: money }),
  fc.record({ kind: fc.constant('pay' as const), piece, amount: money }),
  fc.record({ kind: fc.constantFrom('kill' as const, 'fail' as const, 'finish' as const, 'repeat' as const), piece }),
);

/** What really happens to a piece of work, beside the ledger. */
interface Piece {
  attempt: number;
  running: boolean;
  /** Stands in it: others' and ours. */
  total: number;
  ours: number;
  ceiling: number;
  begun: boolean;
  finished: boolean;
}

/** Plays the steps as workers would; `look` sees the ledger after each. withinReservation: nobody pays more than was reserved. */
function play(
  steps: readonly Step[],
  cap: number | null,
  look: (ledger: Ledger, pieces: readonly Piece[]) => void,
  withinReservation = false,
): Ledger {
  let ledger = emptyLedger(cap);
  const pieces: Piece[] = Array.from({ length: 6 }, () => ({
    attempt: 0,
    running: false,
    total: 0,
    ours: 0,
    ceiling: 0,
    begun: false,
    finished: false,
  }));
  let last: ((ledger: Ledger) => Ledger) | undefined;
  for (const step of steps) {
    const at = pieces[step.piece] as Piece;
    if (at.finished && step.kind !== 'repeat') continue;
    const work = workOf(step.piece, at.attempt);
    switch (step.kind) {
      case 'start': {
        if (at.running) break;
        at.attempt += 1;
        // Only what was there before this run first came is another's.
        if (!at.begun) at.total = step.found;
        const asked = reserve(ledger, workOf(step.piece, at.attempt), at.total, step.ceiling);
        ledger = asked.ledger;
        if (asked.outcome !== 'granted') break;
        Object.assign(at, { running: true, begun: true, ceiling: step.ceiling });
        break;
      }
      case 'pay': {
        if (!at.running) break;
        const amount = withinReservation ? Math.min(step.amount, at.ceiling) : step.amount;
        at.total += amount;
        at.ours += amount;
        at.ceiling -= amount;
        break;
      }
      case 'kill':
        at.running = false;
        break;
      case 'fail':
      case 'finish': {
        if (!at.running) break;
        const { total } = at;
        last = (standing) => (step.kind === 'fail' ? settle : close)(standing, work, total);
        ledger = last(ledger);
        at.running = false;
        at.finished = step.kind === 'finish';
        break;
      }
      case 'repeat':
        // An event whose answer was lost is written again.
        if (last) ledger = last(ledger);
    }
    look(ledger, pieces);
  }
  return ledger;
}

describe('the ledger', () => {
  it('never says less than before, and reserves what open work has reserved', () => {
    fc.assert(
      fc.property(
        fc.array(stepArbitrary, { maxLength: 80 }),
        fc.option(fc.integer({ min: 0, max: 300 })),
        (steps, cap) => {
          let before = 0;
          play(steps, cap, (ledger) => {
            const { spent, reserved } = ledgerTotals(ledger);
            expect(spent).toBeGreaterThanOrEqual(before);
            expect(reserved).toBe(Object.values(ledger.open).reduce((sum, entry) => sum + entry.reserved, 0));
            before = spent;
          });
        },
      ),
      { seed: 1, numRuns: 500 },
    );
  });

  it('adds up to what was really paid by this run, once every piece has been looked at again', () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 80 }), (steps) => {
        let pieces: readonly Piece[] = [];
        let ledger = play(steps, null, (_, seen) => (pieces = seen));
        for (const [index, at] of pieces.entries()) {
          if (!at.begun || at.finished) continue;
          // What a kill left unsaid, the next attempt finds standing in the work.
          const work = workOf(index, at.attempt + 1);
          ledger = close(reserve(ledger, work, at.total, 0).ledger, work, at.total);
        }
        const { spent, reserved } = ledgerTotals(ledger);
        expect(spent).toBe(pieces.reduce((sum, { ours }) => sum + ours, 0));
        expect(reserved).toBe(0);
        expect(ledger.open).toEqual({});
      }),
      { seed: 2, numRuns: 500 },
    );
  });

  it('never passes the cap while no usage passes its reservation', () => {
    fc.assert(
      fc.property(fc.array(stepArbitrary, { maxLength: 80 }), fc.integer({ min: 0, max: 200 }), (steps, cap) => {
        play(
          steps,
          cap,
          (ledger) => {
            const { spent, reserved } = ledgerTotals(ledger);
            expect(spent + reserved).toBeLessThanOrEqual(cap);
          },
          true,
        );
      }),
      { seed: 3, numRuns: 500 },
    );
  });

  it('comes to the same sum in whatever order attempts end', () => {
    const ends = fc.uniqueArray(fc.record({ piece, total: money, whole: fc.boolean() }), {
      selector: (end) => end.piece,
      minLength: 1,
    });
    fc.assert(
      fc.property(
        ends.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([one, other]) => {
          const ended = (order: typeof one): Ledger =>
            order.reduce(
              (ledger, end) => (end.whole ? close : settle)(ledger, workOf(end.piece), end.total),
              one.reduce((ledger, end) => reserve(ledger, workOf(end.piece), 0, 40).ledger, emptyLedger(null)),
            );
          expect(ledgerTotals(ended(other))).toEqual(ledgerTotals(ended(one)));
          expect(ledgerTotals(ended(one))).toEqual({
            spent: one.reduce((sum, { total }) => sum + total, 0),
            reserved: 0,
          });
        },
      ),
      { seed: 4, numRuns: 300 },
    );
  });

  it('tells what fits later from what does not fit at all', () => {
    const first = reserve(emptyLedger(10), workOf(0), 0, 7);
    expect(first.outcome).toBe('granted');
    expect(reserve(first.ledger, workOf(1), 0, 5).outcome).toBe('reserved');
    expect(reserve(first.ledger, workOf(1), 0, 11).outcome).toBe('exhausted');
    const settled = close(first.ledger, workOf(0), 4);
    expect(reserve(settled, workOf(1), 0, 5).outcome).toBe('granted');
    expect(reserve(settled, workOf(1), 0, 7).outcome).toBe('exhausted');
    expect(reserve({ ...settled, cap: 11 }, workOf(1), 0, 7).outcome).toBe('granted');
  });

  it('lets in what only has to be put away, over the cap too, and charges nobody for what others paid', () => {
    const full = close(reserve(emptyLedger(1), workOf(0), 0, 1).ledger, workOf(0), 3);
    const found = reserve(full, workOf(1), 9, 0);
    expect(found.outcome).toBe('granted');
    expect(ledgerTotals(close(found.ledger, workOf(1), 9))).toEqual({ spent: 3, reserved: 0 });
  });

  it('leaves the reservation of a later attempt alone when an earlier one says its last', () => {
    const killed = reserve(emptyLedger(null), workOf(0, 1), 0, 8).ledger;
    const again = reserve(killed, workOf(0, 2), 2, 6).ledger;
    expect(ledgerTotals(settle(again, workOf(0, 1), 3))).toEqual({ spent: 3, reserved: 6 });
  });
});

/** What an attempt that may have been followed does, in whatever order: `start` of the first may come after all of the second. */
interface Deed {
  readonly of: 0 | 1;
  readonly kind: 'start' | 'pay' | 'say' | 'settle' | 'close' | 'kill';
  readonly amount: number;
}
const deeds: fc.Arbitrary<Deed[]> = fc.array(
  fc.record({
    of: fc.constantFrom(0 as const, 1 as const),
    kind: fc.constantFrom(
      'start' as const,
      'pay' as const,
      'say' as const,
      'settle' as const,
      'close' as const,
      'kill' as const,
    ),
    amount: fc.integer({ min: 1, max: 40 }),
  }),
  { maxLength: 40 },
);

describe('two attempts at once', () => {
  const ceiling = 50;

  it('at a shard: neither takes the other one out of the account, and nothing is counted twice', () => {
    fc.assert(
      fc.property(deeds, money, (all, others) => {
        let ledger = emptyLedger(null);
        let before = 0;
        /** Total in the shard's record, once one of them has written it. */
        let recorded: number | undefined;
        // seen: of the other one's answers, when it began; shown: of its own, to the other one. `say` puts a part into the store.
        const attempts = [0, 1].map(() => ({ state: 'new', own: 0, seen: 0, shown: 0 }));
        const [first, second] = attempts as [(typeof attempts)[0], (typeof attempts)[0]];
        for (const { of, kind, amount } of all) {
          const at = of === 0 ? first : second;
          const other = of === 0 ? second : first;
          const work = workOf(0, of + 1);
          if (kind === 'start' && at.state === 'new') {
            Object.assign(at, { state: 'running', seen: other.shown });
            ledger = reserve(ledger, work, others + at.seen, ceiling).ledger;
          }
          if (at.state !== 'running') continue;
          if (kind === 'pay') at.own += amount;
          if (kind === 'say' || kind === 'close') at.shown = at.own;
          if (kind === 'kill' || kind === 'settle' || kind === 'close') at.state = 'ended';
          const total = others + at.seen + at.own;
          if (kind === 'settle') ledger = settle(ledger, work, total);
          if (kind === 'close') {
            recorded ??= total;
            ledger = close(ledger, work, Math.max(total, recorded));
            if (of === 1) expect(ledgerTotals(ledger).spent).toBeGreaterThanOrEqual(second.own);
          }
          const { spent, reserved } = ledgerTotals(ledger);
          expect(spent).toBeLessThanOrEqual(first.own + second.own);
          expect(spent).toBeGreaterThanOrEqual(before);
          if (second.state === 'running') expect(reserved).toBe(ceiling);
          before = spent;
        }
        // A third one finds the shard finished: it reserves nothing, and puts it away.
        const truth = first.own + second.own;
        ledger = close(ledger, workOf(0, 3), recorded ?? others + truth);
        expect(ledger.open).toEqual({});
        const { spent, reserved } = ledgerTotals(ledger);
        expect(reserved).toBe(0);
        expect(spent).toBeLessThanOrEqual(truth);
        if (recorded === undefined) expect(spent).toBe(truth);
      }),
      { seed: 5, numRuns: 2_000 },
    );
  });

  it('at a training: what each has said is counted once, and only the last one reserves', () => {
    fc.assert(
      fc.property(deeds, (all) => {
        let ledger = emptyLedger(null);
        let ahead = 0;
        const attempts = [0, 1].map(() => ({ state: 'new', cost: 0, said: 0, open: false }));
        const [first, second] = attempts as [(typeof attempts)[0], (typeof attempts)[0]];
        for (const { of, kind, amount } of all) {
          const at = of === 0 ? first : second;
          const work = workOf(0, of + 1);
          if (kind === 'start' && at.state === 'new') {
            Object.assign(at, { state: 'running', open: true });
            ledger = beginTraining(ledger, work, ceiling).ledger;
            if (of === 1) ahead = ceiling;
          }
          if (at.state !== 'running') continue;
          if (kind === 'pay') at.cost += amount;
          if (kind === 'kill') at.state = 'ended';
          if (kind === 'say' || kind === 'close') {
            if (at.open) at.said = at.cost;
            if (kind === 'say') ledger = meterTraining(ledger, work, at.cost, amount).ledger;
            else ledger = closeTraining(ledger, work, at.cost);
            if (kind === 'say' && of === 1) ahead = amount;
            if (kind === 'close') {
              Object.assign(at, { state: 'ended', open: false });
              if (of === 1) first.open = false;
            }
          }
          const { spent, reserved } = ledgerTotals(ledger);
          expect(spent).toBe(first.said + second.said);
          if (second.open) expect(reserved).toBe(ahead);
          else if (!first.open) expect(reserved).toBe(0);
        }
        const { spent } = ledgerTotals(ledger);
        expect(spent).toBeLessThanOrEqual(first.cost + second.cost);
        expect(ledgerTotals(releaseAll(ledger))).toEqual({ spent, reserved: 0 });
        // A third one finds it trained.
        const found = closeTraining(ledger, workOf(0, 3), 0);
        expect(found.open).toEqual({});
        expect(ledgerTotals(found)).toEqual({ spent, reserved: 0 });
      }),
      { seed: 6, numRuns: 2_000 },
    );
  });

  it('of which nobody is left: their reservations are free, and whoever comes next begins with what they had said', () => {
    const killed = reserve(reserve(emptyLedger(10), workOf(0, 7), 0, 4).ledger, workOf(1, 7), 0, 6).ledger;
    const free = releaseAll(settle(killed, workOf(1, 7), 2));
    expect(ledgerTotals(free)).toEqual({ spent: 2, reserved: 0 });
    expect(releaseAll(free)).toBe(free);
    // By a clock that was set back.
    const next = reserve(free, workOf(1, 1), 2, 8);
    expect(next.outcome).toBe('granted');
    expect(ledgerTotals(close(next.ledger, workOf(1, 1), 9))).toEqual({ spent: 9, reserved: 0 });
  });

  it('at a training whose entry is of an older version: it is taken over as any other', () => {
    const old = reserve(emptyLedger(null), workOf(0), 0, 8).ledger;
    const metered = settle(old, workOf(0), 5);
    const begun = beginTraining(metered, workOf(0, 2), 3).ledger;
    expect(ledgerTotals(begun)).toEqual({ spent: 5, reserved: 3 });
    expect(closeTraining(begun, workOf(0, 2), 4)).toMatchObject({ open: {}, settled: { 'score-drafts': 9 } });
  });
});

describe('prices', () => {
  const config = (change: object = {}): RunConfig =>
    runConfigSchema.parse({
      version: 1,
      name: 'priced',
      tasks: [{ source: 'declared', name: 't', test_items: 1 }],
      models: {
        teacher: { source: 'hosted:p/t', price: { input: 2, cached_input: 1, output: 10, training_hour: 36 } },
        student: { source: 'hosted:p/s', price: { input: 0.5 } },
      },
      probe: { respondents: [{ source: 'hosted:p/r', price: { input: 4 } }] },
      transfer: { students: [{ source: 'a' }, { source: 'b', price: { input: 8, training_hour: 72 } }] },
      ...change,
    });
  const usage = {
    ...noUsage,
    calls: 1,
    inputTokens: 1_000_000,
    cachedInputTokens: 250_000,
    outputTokens: 100_000,
  };

  it.each([
    ['the teacher', { stage: 'sample-rationales', arm: '' }, 0, 1.5 + 0.25 + 1],
    ['the student', { stage: 'evaluate', arm: 'arte-0shot' }, 0, 0.375],
    ['the teacher where an arm asks it itself', { stage: 'evaluate', arm: 'teacher-0shot' }, 0, 2.75],
    ['a respondent, which answers under an arm of its own', { stage: 'evaluate', arm: 'respondent-0-3shot' }, 0, 3],
    ['a training, by the hour', { stage: 'train-dpo', arm: '' }, 100, 2.75 + 1],
    ['another student', { stage: 'evaluate', arm: 'transfer-student-2-arte-0shot' }, 0, 6],
    ['another student that is trained', { stage: 'train-sft', arm: 'transfer-student-2-arte-seed2' }, 100, 6 + 2],
    ['another student without a price', { stage: 'evaluate', arm: 'transfer-student-1-untuned-0shot' }, 0, 0],
    ['the teacher that writes for unseen tasks', { stage: 'tailor-questions', arm: 'transfer-tasks-arte' }, 0, 2.75],
    ['the student on unseen tasks', { stage: 'evaluate', arm: 'transfer-tasks-untuned-0shot' }, 0, 0.375],
    ['nobody', { stage: 'build-pairs', arm: '' }, 100, 0],
  ] as const)('are those of %s', (_, of, seconds, cost) => {
    expect(costOf(of, usage, seconds, config())).toBeCloseTo(cost, 10);
  });

  it('are the student for respondents where the config names none', () => {
    expect(costOf({ stage: 'evaluate', arm: 'respondent-0-0shot' }, usage, 0, config({ probe: {} }))).toBeCloseTo(
      0.375,
    );
  });

  it('are looked for in every model', () => {
    expect(hasPrices(config())).toBe(true);
    const free = {
      models: { teacher: { source: 'hosted:p/t' }, student: { source: 'hosted:p/s' } },
      transfer: {},
    };
    expect(hasPrices(config({ ...free, transfer: config().transfer, probe: {} }))).toBe(true);
    expect(hasPrices(config(free))).toBe(true);
    expect(hasPrices(config({ ...free, probe: {} }))).toBe(false);
  });

  it('of a call before it is made: its prompt in bytes, more than most tokenizers count, and all of max_tokens', () => {
    const request: ModelRequest = {
      prompt: { kind: 'chat', messages: [{ role: 'user', content: 'ü'.repeat(150) }] },
      sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, maxTokens: 100, stop: [], seed: 0 },
    };
    expect(promptTokensMax(request)).toBe(108);
    const most = usageOfCallMax(request);
    expect(most).toEqual({ inputTokens: 108, cachedInputTokens: 0, outputTokens: 100 });
    expect(costOfCalls(most, config().models.teacher.price)).toBeCloseTo((108 * 2 + 100 * 10) / 1e6, 12);
  });

  it('of calls that were lost: their prompts, and answers of max_tokens', () => {
    const { price } = config().models.teacher;
    const lost = { ...noUsage, lostCalls: 2, lostInputTokens: 3, lostOutputTokens: 5 };
    expect(costOfLostCalls(lost, price)).toBeCloseTo(56 / 1e6, 12);
  });

  it('of an answer whose counts are missing: what is missing is estimated from the texts, an answer at no more than max_tokens', () => {
    const request: ModelRequest = {
      prompt: { kind: 'completion', text: 'p'.repeat(30) },
      sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, maxTokens: 100, stop: [], seed: 0 },
    };
    const usage = { inputTokens: 7, cachedInputTokens: 2, outputTokens: 5 };
    const others = [
      { text: 'y'.repeat(3_000), finish: 'stop' as const },
      { text: '', finish: 'length' as const },
    ];
    const answer = { text: 'z'.repeat(30), finish: 'stop' as const, others, usage };
    expect(usageOfUntold(request, { ...answer, usageUntold: ['output'] })).toEqual({
      ...usage,
      outputTokens: 11 + 100 + 100,
    });
    expect(usageOfUntold(request, { ...answer, usageUntold: ['input'] })).toEqual({ ...usage, inputTokens: 18 });
    expect(usageOfUntold(request, { ...answer, usageUntold: ['cached'] })).toEqual(usage);
    fc.assert(
      fc.property(fc.string(), fc.integer({ min: 1, max: 200 }), (text, maxTokens) => {
        const asked = { ...request, sampling: { ...request.sampling, maxTokens } };
        const untold = { text, finish: 'stop', usage, usageUntold: ['input', 'output'] } as const;
        // What the budget reserved for the call covers it.
        const { inputTokens, outputTokens } = usageOfUntold(asked, untold);
        const most = usageOfCallMax(asked);
        expect(inputTokens).toBeLessThanOrEqual(most.inputTokens);
        expect(outputTokens).toBeLessThanOrEqual(most.outputTokens);
      }),
      { seed: 7 },
    );
  });

  it('of a call for several answers: all of them, from one prompt; of a given text: what is given, too', () => {
    const request: ModelRequest = {
      prompt: { kind: 'completion', text: 'p'.repeat(30) },
      sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, maxTokens: 100, stop: [], seed: 0 },
    };
    expect(usageOfCallMax({ ...request, answers: 8 })).toEqual({ ...usageOfCallMax(request), outputTokens: 800 });
    const given = { lead: 'l'.repeat(30), text: 't'.repeat(3_000) };
    expect(promptTokensMax({ ...request, given })).toBeGreaterThanOrEqual(promptTokensMax(request) + 1_010);
  });
});
