/**
 * Goal: `arte budget` reads amounts as people write them, and says what a ledger holds. Method: its own functions; the command against a
 * platform is the end-to-end tests' business.
 */
import { readActions } from '../../../activities/run-actions';
import { runKeys } from '../../../activities/run-records';
import type { Session } from '../../../cli/session';
import { budgetLine, budgetSummary } from '../../../cli/run/budget-view';
import { nothingToRetry, orderCap, parseAmount, register } from '../../../cli/commands/budget';
import { orderRetry, shortfall } from '../../../cli/commands/retry';
import { emptyLedger, reserve } from '../../../method/ledger';
import type { JsonValue } from '../../../schemas/json';
import type { Ledger } from '../../../schemas/ledger';
import type { AlignInput, RunProgress, RunStatus } from '../../../schemas/messages';
import { runConfigSchema, type RunConfig } from '../../../schemas/run-config';
import { MemoryStore } from '../../activities/row-engine/memory-store';
import { runCommand } from '../../support/command';

function configOf(price: object): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'priced',
    tasks: [{ source: 'declared', name: 't', test_items: 1 }],
    models: { teacher: { source: 'hosted:p/t', price }, student: { source: 'hosted:p/s' } },
    platform: { currency: 'EUR' },
  });
}

const ledger: Ledger = {
  schemaVersion: 1,
  cap: 10,
  settled: { evaluate: 0.25, 'score-drafts': 2 },
  open: { shard: { stage: 'score-drafts', attempt: '1', found: 7, spent: 1, reserved: 1.5 } },
};

it.each([
  ['12', 12],
  ['12.50', 12.5],
  ['0', 0],
  ['none', null],
  ['0.000001', 0.000_001],
  ['1000000000', 1_000_000_000],
])('reads %s', (text, cap) => {
  expect(parseAmount(text)).toBe(cap);
});

it.each(['', '-1', '1e3', '1,50', 'Infinity', '0x10', 'much', '1000000000000000000000000', '0.0000000001'])(
  'refuses %p',
  (text) => {
    expect(() => parseAmount(text)).toThrow(
      expect.objectContaining({ data: expect.objectContaining({ code: 'InvalidInput' }) as unknown }),
    );
  },
);

it('tells who leaves out what to do which words there are', async () => {
  await expect(runCommand(register, ['budget', 'some-run'])).rejects.toMatchObject({
    data: { code: 'InvalidInput', next: 'arte budget show some-run, or arte budget set some-run AMOUNT.' },
  });
});

describe('set', () => {
  const config = configOf({ input: 1 });
  /** A run that says so of itself, by the engine or, when that has closed it, by the store. */
  async function inState(engine: string, status: RunStatus): Promise<{ session: Session; store: MemoryStore }> {
    const store = new MemoryStore();
    const progress = { runId: 'run', status, round: 1, rounds: 1, current: [], startedAt: '' } as RunProgress;
    if (engine !== 'RUNNING') await store.putDocument(runKeys.progress('run'), progress as unknown as JsonValue);
    const handle = {
      describe: () => Promise.resolve({ status: { name: engine } }),
      query: () => Promise.resolve(progress),
    };
    const client = { workflow: { getHandle: () => handle } } as unknown as Session['client'];
    return { store, session: { client, store, embedded: false, close: () => Promise.resolve() } };
  }

  it('is refused of a run that is done, as every order is', async () => {
    const { session, store } = await inState('COMPLETED', 'DONE');
    await expect(orderCap(session, 'run', config, 7, {})).rejects.toMatchObject({
      data: { code: 'RunStateConflict', what: 'The run run is DONE: there is nothing to set a cap for.' },
    });
    expect(await readActions(store, 'run')).toEqual([]);
  });

  it.each([
    ['RUNNING', 'RUNNING', { parked: false, underWay: 'RUNNING' }],
    ['RUNNING', 'PAUSED', { parked: false, underWay: 'PAUSED' }],
    ['RUNNING', 'NEEDS_ATTENTION', { parked: true, underWay: undefined }],
    ['FAILED', 'FAILED', { parked: false, underWay: undefined }],
  ] as const)('holds of one that the engine calls %s and that is %s', async (engine, status, expected) => {
    const { session, store } = await inState(engine, status);
    const { ledger, parked, underWay } = await orderCap(session, 'run', config, 7, {});
    expect({ parked, underWay }).toEqual(expected);
    expect(ledger.cap).toBe(7);
    expect((await readActions(store, 'run')).map(({ action }) => action)).toEqual(['budget']);
  });

  it('says of a run under way that nothing had to be retried', () => {
    expect(nothingToRetry('run', 'RUNNING')).toContain('The cap is set. Nothing had to be retried');
    expect(nothingToRetry('run', 'PAUSED')).toContain('arte resume run');
  });
});

it('says what a refused piece of work needs, until the cap allows it', () => {
  const work = { key: 'shard', stage: 'score-drafts', attempt: '1' } as const;
  const { ledger: refused, outcome } = reserve({ ...emptyLedger(10), settled: { evaluate: 7 } }, work, 0, 5.5);
  expect(outcome).toBe('exhausted');
  expect(shortfall(refused)).toBe('The work that it waits with needs a cap of 12.50, and it is 10.00.');
  expect(shortfall({ ...refused, cap: 12.5 })).toBeUndefined();
  for (const needs of [12.5012, 1.1, 0.999_99, 0.12345, 0.000_012, 7.300_000_000_1]) {
    const [, amount = ''] = /needs a cap of (\S+),/.exec(shortfall({ ...refused, cap: 0, needs }) ?? '') ?? [];
    // What it says is enough: the same words again would send a person in circles.
    expect(shortfall({ ...refused, cap: parseAmount(amount), needs })).toBeUndefined();
    expect(Number(amount) - needs).toBeLessThan(0.01);
  }
  expect(shortfall({ ...refused, cap: null })).toBeUndefined();
  expect(shortfall(emptyLedger(0))).toBeUndefined();
});

it('a run that is parked for want of money is not retried as it is, but under a config that may need less', async () => {
  const store = new MemoryStore();
  const raw = { schemaVersion: 1, config: configOf({ input: 1 }) as unknown as JsonValue, files: {} };
  const bundle = await store.putBlob(JSON.stringify(raw), { mediaType: 'application/json', rows: 1 });
  const runId = 'run';
  await store.putDocument(runKeys.record(runId), { schemaVersion: 1, runId, bundle });
  await store.putDocument(runKeys.ledger(runId), { ...ledger, needs: 12.5 });
  const error = { code: 'BudgetExhausted', what: '', why: '', next: '', retryable: false } as const;
  const attention = { stage: 'score-drafts', error, since: '' } as const;
  const progress: RunProgress = {
    ...{ runId, status: 'NEEDS_ATTENTION', round: 1, rounds: 1, current: [], startedAt: '', attention },
  };
  const ordered: unknown[] = [];
  const handle = {
    describe: () => Promise.resolve({ status: { name: 'RUNNING' }, raw: {} }),
    query: () => Promise.resolve(progress),
    executeUpdate: (_: unknown, { args }: { args: readonly unknown[] }) => (
      ordered.push(...args),
      Promise.resolve(progress)
    ),
  };
  const pollers = [{ lastAccessTime: { seconds: Date.now() / 1000 } }];
  const client = {
    ...{ options: { namespace: 'default' }, workflow: { getHandle: () => handle } },
    workflowService: { describeTaskQueue: () => Promise.resolve({ pollers }) },
    withAbortSignal: (_: unknown, ask: () => unknown) => ask(),
    withDeadline: (_: unknown, ask: () => unknown) => ask(),
  } as unknown as Session['client'];
  const session: Session = { client, store, embedded: false, close: () => Promise.resolve() };
  await expect(orderRetry(session, runId, {})).rejects.toMatchObject({ data: { code: 'BudgetExhausted' } });
  expect(ordered).toEqual([]);
  const input = { runId, bundle } as unknown as AlignInput;
  await orderRetry(session, runId, { change: { input, set: ['tailor.per_task=10'] } });
  expect(ordered).toMatchObject([{ change: { set: ['tailor.per_task=10'] } }]);
});

it('sums up what is finished and what is under way, by stage', () => {
  expect(budgetSummary('run', configOf({ input: 1 }), ledger)).toEqual({
    ...{ runId: 'run', currency: 'EUR', cap: 10, spent: 3.25, reserved: 1.5, left: 5.25 },
    stages: { evaluate: 0.25, 'score-drafts': 3 },
  });
  expect(budgetSummary('run', configOf({ input: 1 }), { ...ledger, cap: 4 }).left).toBe(0);
});

it('says it in one line, and nothing where nothing has a price', () => {
  expect(budgetLine('run', configOf({ input: 1 }), ledger)).toBe(
    'budget: 3.25 of 10.00 EUR spent, up to 1.50 reserved by what is under way',
  );
  expect(budgetLine('run', configOf({ input: 1 }), emptyLedger(null))).toBe('budget: 0.00 EUR spent');
  expect(budgetLine('run', configOf({}), ledger)).toBeUndefined();
});
