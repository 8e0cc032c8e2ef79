/**
 * Goal: a shard as activities run it: asked by one of two runs that want it, paid for once and by the right one, refused before its first call
 * when it could pass the cap. Method: runShardOf with a stage of simple rows, a scripted endpoint that counts, and a store in memory.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ActivityCancellationDetails, CancelledFailure } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { DefaultLogger } from '@temporalio/worker';
import type { ActivityProgress, CommittedWave, ShardInput, ShardOutput, WaveInput } from '../../schemas/messages';
import type { InferDependencies } from '../../activities/dependencies';
import { readLedger, setCap } from '../../activities/budget';
import { servedShape, type RowStage } from '../../activities/row-stage';
import { runShardOf } from '../../activities/row-stage-shard';
import { commitWave, openRowStage } from '../../activities/row-stage-wave';
import { secondsOf, totalsOfWaves } from '../../activities/wave-totals';
import { keyOf, manifestKey, noCounts } from '../../activities/stage';
import { rowsDoneAt } from '../../activities/rows-done';
import { shardKeyOf, shardRecordKey } from '../../activities/row-engine/shard-record';
import { CallFailure } from '../../drivers/model/model';
import type { ArtifactStore } from '../../drivers/store/store';
import { costOfCalls, ledgerTotals } from '../../method/ledger';
import type { JsonValue } from '../../schemas/json';
import { noUsage } from '../../schemas/manifest';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { ModelRequest } from '../../schemas/rows';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { startTestS3, type TestS3 } from '../support/s3';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf } from './stage-input';
import {
  lenient,
  readAnswer,
  rightAnswer,
  rowsOf,
  scriptedEndpoint,
  sleep,
  type Script,
  type ScriptedEndpoint,
} from './row-engine/shards';

const length = 60;
const price = { input: 1_000, output: 2_000 };

const stage: RowStage<null> = {
  name: 'score-drafts',
  version: 1,
  settings: () => null,
  model: ({ config }) => config.models.student,
  load: () => Promise.resolve(null),
  rows: () => ({
    length,
    row: (index) => {
      const { request, meta } = rowsOf(length).row(index);
      return { request, sample: 0, meta };
    },
  }),
  read: (_loaded, row, answer) => readAnswer(row, answer),
  repairs: () => 0,
  thresholds: () => lenient,
  collect: () => Promise.reject(new Error('no test collects')),
};

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-row-stage-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

interface Place {
  readonly store: ArtifactStore;
  readonly config: RunConfig;
  readonly shard: ShardInput;
}

async function place(store: ArtifactStore, budget: { cap: number | null }, prices: object = price): Promise<Place> {
  const raw = {
    version: 1,
    name: 'shards',
    tasks: [{ source: 'declared', name: 't', test_items: 1 }],
    models: {
      teacher: { source: 'hosted:p/t' },
      student: { source: 'hosted:p/s', price: prices, endpoint: { kind: 'scripted', script: 'echo' } },
    },
    budget,
  };
  const bundle = await bundleOf(store, raw);
  const model = {
    name: 'student',
    source: { kind: 'hosted' as const, provider: 'p', id: 's', revision: '1' },
    baseSha256: '0'.repeat(64),
    layers: [],
    contentSha256: '0'.repeat(64),
  };
  return {
    store,
    config: runConfigSchema.parse(raw),
    shard: {
      stage: { stage: 'score-drafts', bundle, inputs: {}, model },
      ...{ key: 'a'.repeat(64), wave: 0, waves: [], rows: length, startedAtMs: 0, offset: 0, length },
    },
  };
}

/** Of the shard's model. */
interface Leases {
  taken: number;
  released: number;
}

/** The activity as a worker of its own machine runs it for a run; with the notes of its heartbeats. */
function runIn(
  { store, shard }: Place,
  runId: string,
  endpoint: ScriptedEndpoint,
  { attempt = 1, machine = runId, of = stage }: { attempt?: number; machine?: string; of?: RowStage<null> } = {},
): { output: Promise<ShardOutput>; phases: Set<string>; leases: Leases; breakOff: () => void; callOff: () => void } {
  const environment = new MockActivityEnvironment(
    { attempt, workflowExecution: { workflowId: `${runId}/r1/score-drafts`, runId: 'x' } },
    // Failures are what these tests are about.
    { logger: new DefaultLogger('ERROR') },
  );
  const phases = new Set<string>();
  const leases: Leases = { taken: 0, released: 0 };
  environment.on('heartbeat', (progress: ActivityProgress) => phases.add(progress.phase));
  const dependencies: InferDependencies = {
    store,
    journalDir: join(folder, machine),
    stallDumps: { dir: join(folder, 'stalls'), secrets: [] },
    environment: {},
    resolveModel: () => Promise.reject(new Error('no test resolves')),
    pool: {
      lease: () => {
        leases.taken += 1;
        const release = (): Promise<void> => {
          leases.released += 1;
          return Promise.resolve();
        };
        return Promise.resolve({ endpoint, release });
      },
      reserve: () => Promise.reject(new Error('no test trains')),
    },
  };
  const output: Promise<ShardOutput> = environment.run(runShardOf, of, dependencies, shard);
  // With its worker, so that no answers are waited for.
  const breakOff = (): void =>
    environment.cancel('WORKER_SHUTDOWN', new ActivityCancellationDetails({ workerShutdown: true }));
  const callOff = (): void => environment.cancel();
  return { output, phases, leases, breakOff, callOff };
}

const right = (): ScriptedEndpoint => scriptedEndpoint(rightAnswer);
/** Answers the first `rows`, then says that the account is empty. */
const untilEmpty = (rows: number): ScriptedEndpoint => {
  let asked = 0;
  const script: Script = (request: ModelRequest) =>
    (asked += 1) > rows ? new CallFailure('out-of-money', 'empty') : rightAnswer(request);
  return scriptedEndpoint(script, { start: 1, max: 1 });
};

async function spentBy({ store, config }: Place, runId: string): Promise<{ spent: number; reserved: number }> {
  return ledgerTotals(await readLedger(store, runId, config));
}

const prices = { ...price, cached_input: 0, training_hour: 0 };
const costOfAll = costOfCalls(
  Array.from({ length }, (_, index) => rightAnswer(rowsOf(length).row(index).request).usage).reduce((sum, usage) => ({
    inputTokens: sum.inputTokens + usage.inputTokens,
    cachedInputTokens: sum.cachedInputTokens + usage.cachedInputTokens,
    outputTokens: sum.outputTokens + usage.outputTokens,
  })),
  prices,
);

describe('two runs that want one shard', () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await startTestS3();
  }, 900_000);
  afterAll(() => s3.stop());

  it('at the same time: one asks and pays, the other says that it waits and takes the result', async () => {
    const here = await place(s3.fresh(), { cap: null });
    const slow = scriptedEndpoint(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return rightAnswer(request);
    });
    const one = runIn(here, 'one', slow);
    while (slow.total.calls === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const idle = right();
    const other = runIn(here, 'other', idle);
    const [made, taken] = await Promise.all([one.output, other.output]);
    expect(made).toMatchObject({ madeBy: 'one' });
    expect(taken).toEqual(made);
    expect(slow.total.calls).toBe(length);
    expect(idle.total.calls).toBe(0);
    expect([...other.phases].join()).toContain('waiting for run one');
    expect((await spentBy(here, 'one')).spent).toBeCloseTo(costOfAll, 9);
    expect(await spentBy(here, 'other')).toEqual({ spent: 0, reserved: 0 });
    here.store.close();
  });

  // The second name is one that every object has.
  it.each(['one', 'constructor'])(
    'one after another: the second goes on where the first (%s) stopped, and each pays for its own',
    async (first) => {
      const here = await place(s3.fresh(), { cap: null });
      await expect(runIn(here, first, untilEmpty(20)).output).rejects.toMatchObject({
        data: { code: 'EndpointOutOfMoney' },
      });
      const rest = right();
      const { usage, paidBy } = await runIn(here, 'other', rest).output;
      expect(rest.total.calls).toBe(length - 20);
      const [one, other] = [await spentBy(here, first), await spentBy(here, 'other')];
      expect(one.spent).toBeGreaterThan(0);
      expect(one.spent + other.spent).toBeCloseTo(costOfAll, 9);
      expect(one.reserved + other.reserved).toBe(0);
      // What the record says of each is what its ledger says.
      expect(usage.calls).toBe(length);
      expect(Object.keys(paidBy).sort()).toEqual([first, 'other'].sort());
      expect([paidBy[first]?.calls, paidBy['other']?.calls]).toEqual([20, length - 20]);
      const costOf = (runId: string): number => costOfCalls(paidBy[runId] ?? noUsage, prices);
      expect([costOf(first), costOf('other')]).toEqual(
        [one.spent, other.spent].map((spent) => expect.closeTo(spent, 9)),
      );
      here.store.close();
    },
  );

  it('turn by turn: nobody pays for the answers of the other, though both were at it', async () => {
    const here = await place(s3.fresh(), { cap: null });
    await expect(runIn(here, 'one', untilEmpty(20)).output).rejects.toThrow();
    await expect(runIn(here, 'other', untilEmpty(10)).output).rejects.toThrow();
    const rest = right();
    const { paidBy } = await runIn(here, 'one', rest, { attempt: 2 }).output;
    expect(rest.total.calls).toBe(length - 30);
    expect([paidBy['one']?.calls, paidBy['other']?.calls]).toEqual([length - 10, 10]);
    for (const runId of ['one', 'other'])
      expect((await spentBy(here, runId)).spent).toBeCloseTo(costOfCalls(paidBy[runId] ?? noUsage, prices), 9);
    here.store.close();
  });
});

describe('a shard under a cap', () => {
  it('is refused before its first call, and made when the cap is raised', async () => {
    const here = await place(new MemoryStore(), { cap: 1 });
    const endpoint = right();
    await expect(runIn(here, 'run', endpoint).output).rejects.toMatchObject({
      data: { code: 'BudgetExhausted', next: expect.stringContaining('arte budget set run AMOUNT --retry') as string },
    });
    expect(endpoint.total.calls).toBe(0);
    expect(await spentBy(here, 'run')).toEqual({ spent: 0, reserved: 0 });
    await setCap(here.store, 'run', here.config, 1_000);
    await runIn(here, 'run', endpoint, { attempt: 2 }).output;
    const { spent, reserved } = await spentBy(here, 'run');
    expect(spent).toBeCloseTo(costOfAll, 9);
    expect(reserved).toBe(0);
  });

  it('carries over what an attempt that failed has paid, and reserves only the open rows', async () => {
    // The whole shard's ceiling is 3.00. With half of it done and paid, another 3.00 would not fit; the rest does.
    const cap = 3.2;
    const here = await place(new MemoryStore(), { cap });
    await expect(runIn(here, 'run', untilEmpty(30)).output).rejects.toThrow();
    const half = await spentBy(here, 'run');
    expect(half.reserved).toBe(0);
    expect(half.spent).toBeLessThan(costOfAll);
    expect(half.spent).toBeGreaterThan(cap - 3);
    const rest = right();
    await runIn(here, 'run', rest, { attempt: 2 }).output;
    expect(rest.total.calls).toBe(length - 30);
    expect((await spentBy(here, 'run')).spent).toBeCloseTo(costOfAll, 9);
  });

  it('that is in the store already costs nothing, whatever is left', async () => {
    const here = await place(new MemoryStore(), { cap: 4 });
    await runIn(here, 'run', right()).output;
    await setCap(here.store, 'run', here.config, 0);
    const idle = right();
    expect(await runIn(here, 'run', idle, { attempt: 2 }).output).toMatchObject({ madeBy: 'run' });
    expect(await runIn(here, 'other', idle).output).toMatchObject({ madeBy: 'run' });
    expect(idle.total.calls).toBe(0);
    expect((await spentBy(here, 'run')).spent).toBeCloseTo(costOfAll, 9);
  });
});

describe('the model of a shard', () => {
  /** Another stage of the kind, with `rows` rows. */
  const labelled = (rows: number): RowStage<null> => ({
    ...{ ...stage, settings: () => 'labelled' },
    rows: () => ({
      length: rows,
      row: (index) => {
        const { request, meta } = rowsOf(rows).row(index);
        return { request, sample: 0, meta };
      },
    }),
  });
  const shardOf = (here: Place, rows: number): Place => ({
    ...here,
    shard: { ...here.shard, key: 'b'.repeat(64), rows, length: rows },
  });

  it('is not leased where every row is answered already', async () => {
    const here = await place(new MemoryStore(), { cap: null });
    await runIn(here, 'run', right()).output;
    const idle = right();
    const { output, leases } = runIn(shardOf(here, length), 'other', idle, { of: labelled(length) });
    expect(await output).toMatchObject({
      counts: { ok: length },
      usage: { calls: 0 },
      paidBy: { other: { calls: 0 } },
    });
    expect([idle.total.calls, leases]).toEqual([0, { taken: 0, released: 0 }]);
    expect(await spentBy(here, 'other')).toEqual({ spent: 0, reserved: 0 });
  });

  it('is leased once where a row is left, and held until the last one is answered', async () => {
    const here = await place(new MemoryStore(), { cap: null });
    await runIn(here, 'run', right()).output;
    const held: Leases[] = [];
    const endpoint = scriptedEndpoint((request) => {
      held.push({ ...leases });
      return rightAnswer(request);
    });
    const { output, leases } = runIn(shardOf(here, length + 5), 'other', endpoint, { of: labelled(length + 5) });
    expect(await output).toMatchObject({ counts: { ok: length + 5 }, usage: { calls: 5 } });
    expect(held).toEqual(Array.from({ length: 5 }, () => ({ taken: 1, released: 0 })));
    expect(leases).toEqual({ taken: 1, released: 1 });
  });

  it('is given back when the shard fails', async () => {
    const here = await place(new MemoryStore(), { cap: 1 });
    const { output, leases } = runIn(here, 'run', right());
    await expect(output).rejects.toMatchObject({ data: { code: 'BudgetExhausted' } });
    expect(leases).toEqual({ taken: 1, released: 1 });
  });
});

it('that is found in the store is let in by the thresholds of who finds it, not of who made it', async () => {
  const { store, shard } = await place(new MemoryStore(), { cap: null });
  const { key } = await keyOf(store, servedShape(stage), shard.stage);
  await store.putOnce(manifestKey(key), {
    ...{ schemaVersion: 1, stage: 'score-drafts', version: 1, key, inputs: {}, settings: null, outputs: {}, facts: {} },
    ...{ counts: { ...noCounts, ok: 300, malformed: 700 }, usage: noUsage, seconds: 1, finishedAt: 'then' },
  });
  const found = (malformed: number) =>
    openRowStage({ ...stage, thresholds: () => ({ ...lenient, malformed }) }, { store }, shard.stage);
  expect(await found(0.7)).toMatchObject({ done: true, result: { reused: true } });
  await expect(found(0.6)).rejects.toMatchObject({
    data: { code: 'OutcomeThreshold', what: expect.stringContaining('700 of the 1000 rows of score-drafts') as string },
  });
});

it('of few rows, at the end of a stage or in a later wave, is not refused for what chance makes of them', async () => {
  const here = await place(new MemoryStore(), { cap: null });
  const strict: RowStage<null> = { ...stage, thresholds: () => ({ ...lenient, failed: 0.02 }) };
  // As many rows as its ref says: this stage lists its own without a look at those before.
  const wave = { ...(await here.store.putLines([])), rows: 6_000 };
  const one = { ...here.shard, wave: 1, waves: [wave], rows: 1, length: 1 };
  const fails = (): ScriptedEndpoint => scriptedEndpoint(() => new CallFailure('context-too-long', 'too long'));
  const { output } = runIn({ ...here, shard: one }, 'run', fails(), { of: strict });
  expect((await output).counts.failed).toBe(1);
  const ten = runIn({ ...here, shard: { ...one, rows: 10, length: 10 } }, 'run', fails(), { of: strict });
  // 2 % of 10 rows are none, and two are let in: what is said is what holds.
  await expect(ten.output).rejects.toMatchObject({
    data: { what: expect.stringContaining("of the shard's 10 rows no more than 2 may be") as string },
  });
  const whole = runIn({ ...here, shard: { ...here.shard, rows: 1, length: 1 } }, 'run', fails(), { of: strict });
  await expect(whole.output).rejects.toMatchObject({ data: { code: 'OutcomeThreshold' } });
});

it('a shard whose model has no price asks nothing of a ledger', async () => {
  class Watched extends MemoryStore {
    readonly touched: string[] = [];
    override getVersion(key: string): Promise<{ document: JsonValue; version: string } | undefined> {
      this.touched.push(key);
      return super.getVersion(key);
    }
  }
  const store = new Watched();
  await runIn(await place(store, { cap: null }, {}), 'run', right()).output;
  expect(store.touched.filter((key) => key.includes('ledger'))).toEqual([]);
  expect(store.keys('runs/')).toEqual([]);
});

it('a shard that fails or is broken off leaves word of how many rows are done, those of the attempt before too', async () => {
  const here = await place(new MemoryStore(), { cap: null }, {});
  const wordOf = async ({ output }: ReturnType<typeof runIn>): Promise<unknown> =>
    rowsDoneAt(await output.catch((error: unknown) => error));
  expect(await wordOf(runIn(here, 'run', untilEmpty(20)))).toBe(20);
  let asked = 0;
  const hanging = scriptedEndpoint(
    async (request, _, signal) => {
      if ((asked += 1) <= 5) return rightAnswer(request);
      setImmediate(second.breakOff);
      await sleep(60_000, signal);
      return rightAnswer(request);
    },
    { start: 1, max: 1 },
  );
  const second = runIn(here, 'run', hanging, { attempt: 2 });
  expect(await wordOf(second)).toBe(25);
});

it.each([
  ['called off waits for the answers on their way, which are paid for', 'callOff', 12],
  ['broken off with its worker does not', 'breakOff', 8],
] as const)('a shard that is %s', async (_, how, answered) => {
  const here = await place(new MemoryStore(), { cap: null }, {});
  let asked = 0;
  const endpoint = scriptedEndpoint(
    async (request, _call, signal) => {
      // Of the third four.
      if ((asked += 1) === 12) setImmediate(() => shard[how]());
      await sleep(200, signal);
      return rightAnswer(request);
    },
    { start: 4, max: 4 },
  );
  const shard = runIn(here, 'run', endpoint);
  const error: unknown = await shard.output.catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(CancelledFailure);
  expect([endpoint.total.calls, endpoint.total.answered, rowsDoneAt(error)]).toEqual([12, answered, answered]);
});

it('waves of two stages that end alike keep each its own account, and how long they waited', async () => {
  const { store, shard } = await place(new MemoryStore(), { cap: null });
  const row = { key: 'k', meta: null, outcome: 'ok', text: 't', usage: rightAnswer(rowsOf(1).row(0).request).usage };
  const results = await store.putLines([JSON.stringify(row)]);
  let more = true;
  const waved: RowStage<null> = {
    ...stage,
    collect: () => Promise.resolve(more ? { more } : { more: false, outcome: { outputs: {} } }),
  };
  // The stage began two hours ago, and has asked its model for 30 and for 10 minutes.
  const startedAtMs = Date.now() - 120 * 60_000;
  const commit = async (key: string, calls: number, waves: readonly ArtifactRef[]): Promise<CommittedWave> => {
    const usage = { ...noUsage, calls };
    const counts = { ok: 1, malformed: 0, refused: 0, truncated: 0, failed: 0 };
    const askedMs = [0, (waves.length === 0 ? 30 : 10) * 60_000];
    const output = { results, counts, usage, madeBy: 'run', paidBy: { run: usage }, askedMs };
    await store.putDocument(shardRecordKey(shardKeyOf({ key, waves }, 0, 1)), output);
    const wave: WaveInput = { stage: shard.stage, key, wave: waves.length, waves, rows: 1, startedAtMs };
    const environment = new MockActivityEnvironment();
    return environment.run<Parameters<typeof commitWave>, CommittedWave, typeof commitWave>(
      commitWave,
      waved,
      { store },
      wave,
    );
  };
  const first = await commit('a'.repeat(64), 5, []);
  await commit('b'.repeat(64), 7, []);
  if (first.done) throw new Error('it asked for another wave');
  more = false;
  const last = await commit('a'.repeat(64), 1, [first.wave]);
  expect(last).toMatchObject({ done: true, result: { usage: { calls: 6 } } });
  if (!last.done) throw new Error('it is not over');
  expect(Number(last.result.facts['waitedSeconds']) / 60).toBeCloseTo(80, 1);
});

it('counts what a run has paid by its name, also where that is one that every object has', async () => {
  const usage = { ...noUsage, calls: 3 };
  const shard = {
    counts: noCounts,
    usage,
    paidBy: Object.fromEntries([['constructor', usage]]),
  } as unknown as ShardOutput;
  const totals = await totalsOfWaves(new MemoryStore(), { key: 'a'.repeat(64), waves: [] }, [shard, shard]);
  expect(Object.entries(totals.paidBy)).toEqual([['constructor', { ...noUsage, calls: 6 }]]);
});

it('counts time in which several shards are asked once', () => {
  const spans = [
    [5_000, 9_000],
    [0, 4_000],
    [1_000, 2_000],
    [8_000, 10_000],
  ] as const;
  expect(secondsOf(spans)).toBe(9);
  expect(secondsOf([])).toBe(0);
});
