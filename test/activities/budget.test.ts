/**
 * Goal: a run's ledger in the store adds up whatever workers write to it at once, and a training is metered against the cap while it runs.
 * Method: two copies of the module, as two workers would have, on the real S3 server; trainings that last as long as a test can wait.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type * as budgetModule from '../../activities/budget';
import {
  openShardAccount,
  readLedger,
  releaseReservations,
  setCap,
  withMeter,
  type TrainingAccount,
} from '../../activities/budget';
import { runShard } from '../../activities/row-engine/engine';
import { reviseRun } from '../../activities/run-actions';
import { recordRun } from '../../activities/start-run';
import { CallFailure } from '../../drivers/model/model';
import type { ArtifactStore } from '../../drivers/store/store';
import { ledgerTotals, usageOfCallMax } from '../../method/ledger';
import { budgetWaitMs, budgetWaitsMax, trainingMeterMs, trainingReserveMs } from '../../schemas/limits';
import { noUsage } from '../../schemas/manifest';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { startTestS3, type TestS3 } from '../support/s3';
import { MemoryStore } from './row-engine/memory-store';
import { rightAnswer, rowsOf, scriptedEndpoint, sleep as quiet, Workplace } from './row-engine/shards';

function configOf(cap: number | null, price: object): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'priced',
    tasks: [{ source: 'declared', name: 't', test_items: 1 }],
    models: { teacher: { source: 'hosted:p/t', price }, student: { source: 'hosted:p/s', price } },
    budget: { cap },
  });
}

it('has limits that fit each other', () => {
  // A training that has just begun must not be stopped by its first look at the cap.
  expect(trainingReserveMs).toBeGreaterThan(2 * trainingMeterMs);
  expect(budgetWaitMs * budgetWaitsMax).toBeGreaterThan(60 * 60_000);
});

describe('the ledger on the real S3 server', () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await startTestS3();
  }, 900_000);
  afterAll(() => s3.stop());

  /** A worker's own copy of the module: nothing in memory is shared between two. */
  function worker(): typeof budgetModule {
    let loaded: typeof budgetModule | undefined;
    jest.isolateModules(() => {
      loaded = jest.requireActual<typeof budgetModule>('../../activities/budget');
    });
    if (!loaded) throw new Error('not loaded');
    return loaded;
  }

  it('holds every settlement of workers that write at once, and its reservations never pass the cap', async () => {
    const store = s3.fresh();
    const config = configOf(100, { input: 1e6 });
    const usage = { ...noUsage, calls: 1, inputTokens: 3 };
    const shard = async (of: typeof budgetModule, index: number): Promise<string> => {
      const work = { key: `shard-${index}`, stage: 'score-drafts', attempt: randomUUID() } as const;
      const openMax = usageOfCallMax(rowsOf(1).row(0).request);
      const account = of.openShardAccount(store, 'run', config, config.models.student.price, work);
      try {
        await account?.settleWith(
          (async () => {
            await account.admit({ paid: { ...usage, inputTokens: 0 }, openMax });
            const { cap, ...ledger } = await readLedger(store, 'run', config);
            const { spent, reserved } = ledgerTotals({ cap, ...ledger });
            expect(spent + reserved).toBeLessThanOrEqual(100);
            account.observe({ paid: usage, done: 1, found: 0, total: 1 });
            return { results: {} as never, counts: {} as never, usage, madeBy: 'run', paidBy: { run: usage } };
          })(),
        );
        return 'done';
      } catch (error) {
        return (error as { data?: { code: string } }).data?.code ?? String(error);
      }
    };
    const workers = [worker(), worker(), worker()];
    const ends = await Promise.all(
      Array.from({ length: 24 }, (_, index) => shard(workers[index % 3] as typeof budgetModule, index)),
    );
    const done = ends.filter((end) => end === 'done').length;
    // One call of such a row reserves some twenty: not all fit at once, and what did not was told to come again.
    expect(done).toBeGreaterThan(0);
    expect(ends.filter((end) => end !== 'done').every((end) => end.startsWith('Budget'))).toBe(true);
    const ledger = await readLedger(store, 'run', config);
    expect(ledgerTotals(ledger)).toEqual({ spent: 3 * done, reserved: 0 });
    expect(ledger).toMatchObject({ open: {}, settled: { 'score-drafts': 3 * done } });
    store.close();
  });

  it('takes a new cap while workers write', async () => {
    const store = s3.fresh();
    const config = configOf(1, { training_hour: 3_600_000 });
    const account = (key: string): TrainingAccount => ({
      ...{ store, runId: 'run', config, price: config.models.student.price },
      work: { key, stage: 'train-sft', attempt: '1' },
    });
    const limits = { reserveMs: 0.001, meterMs: 10_000 };
    await Promise.all([
      worker().setCap(store, 'run', config, 50_000),
      ...[1, 2, 3].map((n) => worker().withMeter(account(`t${n}`), AbortSignal.timeout(5_000), async () => n, limits)),
    ]);
    const ledger = await readLedger(store, 'run', config);
    expect(ledger.cap).toBe(50_000);
    expect(ledger.open).toEqual({});
    store.close();
  });
});

describe('a training under a cap', () => {
  // One unit of money a second.
  const price = { training_hour: 3_600 };
  const limits = { reserveMs: 100, meterMs: 20 };
  const account = (store: ArtifactStore, config: RunConfig, attempt = '1'): TrainingAccount => ({
    ...{ store, runId: 'run', config, price: config.models.teacher.price },
    work: { key: 'training', stage: 'train-dpo', attempt },
  });
  const never = new AbortController().signal;
  const lasting =
    (ms: number) =>
    async (signal: AbortSignal, begins: () => void): Promise<string> => {
      begins();
      await sleep(ms, undefined, { signal }).catch(() => {
        throw signal.reason;
      });
      return 'trained';
    };

  it('is not started with less than the first minutes left', async () => {
    const store = new MemoryStore();
    let started = false;
    const training = withMeter(
      account(store, configOf(0.05, price)),
      never,
      async () => {
        started = true;
      },
      limits,
    );
    await expect(training).rejects.toMatchObject({ data: { code: 'BudgetExhausted' } });
    expect(started).toBe(false);
  });

  it('is stopped before it passes the cap, and goes on when the cap is raised', async () => {
    const store = new MemoryStore();
    const config = configOf(2, price);
    // Longer than a busy machine's timers are late.
    const metered = { reserveMs: 400, meterMs: 80 };
    await expect(withMeter(account(store, config), never, lasting(30_000), metered)).rejects.toMatchObject({
      data: { code: 'BudgetExhausted' },
    });
    const { spent, reserved } = ledgerTotals(await readLedger(store, 'run', config));
    expect(spent).toBeGreaterThan(1.2);
    expect(spent).toBeLessThan(2.5);
    expect(reserved).toBe(0);
    await setCap(store, 'run', config, 20);
    expect(await withMeter(account(store, config, '2'), never, lasting(100), metered)).toMatchObject({
      made: 'trained',
    });
    expect(ledgerTotals(await readLedger(store, 'run', config)).spent).toBeGreaterThan(spent + 0.09);
  });

  it('costs nothing while it waits for its device, and keeps the money for its beginning', async () => {
    const store = new MemoryStore();
    const config = configOf(1, price);
    const { paidSeconds } = await withMeter(
      account(store, config),
      never,
      async (signal, begins) => {
        await sleep(1_000);
        expect(ledgerTotals(await readLedger(store, 'run', config))).toEqual({ spent: 0, reserved: 0.1 });
        await lasting(50)(signal, begins);
      },
      limits,
    );
    expect(paidSeconds).toBeGreaterThan(0.04);
    // The wait alone took longer.
    expect(paidSeconds).toBeLessThan(0.9);
    expect(ledgerTotals(await readLedger(store, 'run', config)).spent).toBeCloseTo(paidSeconds, 9);
  });

  it('keeps what an attempt that was killed had written down', async () => {
    const store = new MemoryStore();
    const config = configOf(null, price);
    // The killed one settles in a store that nobody reads any more.
    const end = new AbortController();
    const killed = withMeter(account(store, config), end.signal, lasting(60_000), { reserveMs: 100, meterMs: 50 });
    await sleep(130);
    const document = await store.getDocument('runs/run/ledger.json');
    const other = new MemoryStore();
    await other.putDocument('runs/run/ledger.json', document ?? null);
    const { spent: before } = ledgerTotals(await readLedger(other, 'run', config));
    expect(before).toBeGreaterThan(0.04);
    await withMeter(account(other, config, '2'), never, lasting(50), limits);
    const { spent, reserved } = ledgerTotals(await readLedger(other, 'run', config));
    expect(spent).toBeGreaterThan(before + 0.04);
    expect(reserved).toBe(0);
    end.abort(new Error('killed'));
    await expect(killed).rejects.toThrow('killed');
  });

  it('counts two attempts at once each for itself, and keeps the reservation of the later one', async () => {
    const store = new MemoryStore();
    const config = configOf(null, price);
    const slow = { reserveMs: 1_000, meterMs: 10 };
    const one = withMeter(account(store, config), never, lasting(120), slow);
    await sleep(50);
    const other = withMeter(account(store, config, '2'), never, lasting(200), { reserveMs: 1_000, meterMs: 10_000 });
    const { paidSeconds: first } = await one;
    expect(ledgerTotals(await readLedger(store, 'run', config)).reserved).toBeCloseTo(1, 9);
    const { paidSeconds: second } = await other;
    const ledger = await readLedger(store, 'run', config);
    expect(ledger.open).toEqual({});
    expect(ledgerTotals(ledger).spent).toBeCloseTo(first + second, 9);
  });

  it('without a price keeps no account', async () => {
    const store = new MemoryStore();
    const free = withMeter(account(store, configOf(1, { input: 1 })), never, lasting(0), limits);
    expect(await free).toMatchObject({ made: 'trained' });
    expect([...store.objects]).toEqual([]);
  });
});

it('stops a shard whose lost calls have outspent its reservation and the cap, and has them in the ledger', async () => {
  const store = new MemoryStore();
  const place = new Workplace();
  // A unit of money for each token of output: 10 rows reserve 160.
  const price = configOf(200, { output: 1e6 }).models.student.price;
  const config = configOf(200, { output: 1e6 });
  const work = { key: 'shard', stage: 'score-drafts', attempt: '1' } as const;
  const account = openShardAccount(store, 'run', config, price, work);
  if (!account) throw new Error('no account');
  // The first three answers of every row break off in mid-body: 640 in all.
  const endpoint = scriptedEndpoint(
    async (request, call, signal) => {
      await quiet(20, signal);
      if (call < 4) throw new CallFailure('reset', 'cut off', undefined, 200, 'untold');
      return { ...rightAnswer(request), usage: { inputTokens: 1, cachedInputTokens: 0, outputTokens: 16 } };
    },
    { start: 1, max: 1 },
  );
  const run = place.shard(rowsOf(10), endpoint, {
    ...{ admit: account.admit, signal: account.over, drainMs: () => 1_000 },
    onProgress: (progress) => account.observe(progress),
  });
  await expect(account.settleWith(runShard(run))).rejects.toMatchObject({ data: { code: 'BudgetExhausted' } });
  const { spent, reserved } = ledgerTotals(await readLedger(store, 'run', config));
  expect(reserved).toBe(0);
  // Every call that the server has seen is paid for at its most.
  expect(spent).toBe(16 * endpoint.total.calls);
  // Past its reservation by what is asked between two looks: a call or two here, more where the machine is slow.
  expect(spent).toBeGreaterThan(160);
  expect(spent).toBeLessThan(320);
  place.remove();
});

it('what killed work had reserved is free when a run goes on under another config', async () => {
  const store = new MemoryStore();
  const config = configOf(100, { input: 1e6 });
  await releaseReservations(store, 'run');
  expect(store.keys('runs/')).toEqual([]);
  const work = { key: 'shard', stage: 'score-drafts', attempt: '1' } as const;
  const openMax = { inputTokens: 60, cachedInputTokens: 0, outputTokens: 0 };
  await openShardAccount(store, 'run', config, config.models.student.price, work)?.admit({ paid: noUsage, openMax });
  expect(ledgerTotals(await readLedger(store, 'run', config)).reserved).toBe(60);
  const bundle = (text: string) => store.putBlob(text, { mediaType: 'application/json', rows: 1 });
  await recordRun(store, { runId: 'run', name: 'priced', bundle: await bundle('one') });
  await reviseRun(store, { runId: 'run', bundle: await bundle('other'), by: 'test', set: ['a=b'] });
  expect(ledgerTotals(await readLedger(store, 'run', config))).toEqual({ spent: 0, reserved: 0 });
});
