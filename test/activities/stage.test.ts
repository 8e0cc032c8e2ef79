/**
 * Goal: what a stage leaves can be read again, whatever the clock of its machine does meanwhile.
 * Method: stages of both kinds over a store in memory, with a clock that is set back by a minute while they are made.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { runLeasedStage } from '../../activities/leased-stage';
import { runWholeStage } from '../../activities/stage';
import type { StageInput, StageResult } from '../../schemas/messages';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf, folderModel } from './stage-input';

let clockMs = Date.now();

beforeEach(() => {
  jest.spyOn(Date, 'now').mockImplementation(() => clockMs);
});
afterEach(() => {
  jest.restoreAllMocks();
});

const settings = (): null => null;
const setBack = (): Promise<{ outputs: Record<string, never> }> => {
  clockMs -= 60_000;
  return Promise.resolve({ outputs: {} });
};

type Activity = (input: StageInput) => Promise<StageResult>;
const shape = { version: 1, settings, run: setBack };

it.each([
  ['combine-scores', (store) => runWholeStage({ name: 'combine-scores', ...shape }, { store })],
  ['train-sft', (store) => runLeasedStage({ name: 'train-sft', ...shape }, { store })],
] as const satisfies readonly (readonly [string, (store: MemoryStore) => Activity])[])(
  '%s is found again',
  async (name, open) => {
    const store = new MemoryStore();
    const config = {
      ...{ version: 1, name: 'clocks', tasks: [{ source: 'declared', name: 't', test_items: 1 }] },
      models: { teacher: { source: 'hosted:p/t' }, student: { source: 'hosted:p/s' } },
    };
    const make = open(store);
    const input: StageInput = { stage: name, bundle: await bundleOf(store, config), inputs: {}, model: folderModel };
    const result = (): Promise<StageResult> =>
      new MockActivityEnvironment({ workflowExecution: { workflowId: 'run', runId: 'x' } }).run(make, input);
    expect(await result()).toMatchObject({ reused: false });
    expect(await result()).toMatchObject({ reused: true });
  },
);
