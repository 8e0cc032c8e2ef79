/**
 * Goal: a training that two runs of one config want at once is made, and paid, by one of them. Method: runLeasedStage with a stand-in for a
 * training, two runs' activities side by side over a store in memory.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import { readLedger, withMeter } from '../../activities/budget';
import { runLeasedStage, type LeasedStage } from '../../activities/leased-stage';
import { ledgerTotals } from '../../method/ledger';
import type { ActivityProgress, StageInput, StageResult } from '../../schemas/messages';
import { runConfigSchema } from '../../schemas/run-config';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf, folderModel } from './stage-input';

let trained = 0;
const training: LeasedStage<{ readonly store: MemoryStore }> = {
  name: 'train-sft',
  version: 1,
  settings: () => null,
  async run({ account, signal, store }) {
    const { made: outputs } = await withMeter(account, signal, async (_, begins) => {
      begins();
      trained += 1;
      await sleep(500);
      return { layer: await store.putBlob('weights', { mediaType: 'application/octet-stream', rows: 1 }) };
    });
    return { outputs, facts: { adapter: 'lora' } };
  },
};

function run(
  store: MemoryStore,
  runId: string,
  input: StageInput,
): { done: Promise<StageResult>; phases: Set<string> } {
  const environment = new MockActivityEnvironment({ workflowExecution: { workflowId: runId, runId: 'x' } });
  const phases = new Set<string>();
  environment.on('heartbeat', ({ phase }: ActivityProgress) => phases.add(phase));
  const done: Promise<StageResult> = environment.run(runLeasedStage(training, { store }), input);
  return { done, phases };
}

it('one of two runs trains; the other says that it waits, takes the layer, and pays nothing', async () => {
  const store = new MemoryStore();
  const raw = {
    version: 1,
    name: 'trainings',
    tasks: [{ source: 'declared', name: 't', test_items: 1 }],
    models: {
      teacher: { source: 'hosted:p/t' },
      student: { source: 'hosted:p/s', price: { training_hour: 3_600 } },
    },
  };
  const bundle = await bundleOf(store, raw);
  const input: StageInput = { stage: 'train-sft', bundle, inputs: {}, model: folderModel };
  const one = run(store, 'one', input);
  await sleep(100);
  const other = run(store, 'other', input);
  const [made, taken] = await Promise.all([one.done, other.done]);
  expect(trained).toBe(1);
  expect(made.reused).toBe(false);
  expect(taken).toEqual({ ...made, reused: true });
  expect(taken.model?.layers).toHaveLength(1);
  expect([...other.phases].join()).toContain('waiting for run one');
  const config = runConfigSchema.parse(raw);
  expect(ledgerTotals(await readLedger(store, 'one', config)).spent).toBeGreaterThan(0.4);
  expect(ledgerTotals(await readLedger(store, 'other', config)).spent).toBe(0);
  expect(store.keys('leases/')).toEqual([]);
});
