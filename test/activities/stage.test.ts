/**
 * Goal: what a stage leaves can be read again, whatever the clock of its machine does meanwhile.
 * Method: stages of both kinds over a store in memory, with a clock that is set back by a minute while they are made.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { runLeasedStage } from '../../activities/leased-stage';
import { runWholeStage } from '../../activities/stage';
import type { StageInput, StageResult } from '../../schemas/messages';
import { MemoryStore } from './row-engine/memory-store';

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
const model = {
  name: 'student',
  source: { kind: 'folder' as const, path: '/nowhere' },
  baseSha256: '0'.repeat(64),
  layers: [],
  contentSha256: '0'.repeat(64),
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
    const bundle = await store.putBlob(JSON.stringify({ schemaVersion: 1, config, files: {} }), {
      mediaType: 'application/json',
      rows: 1,
    });
    const make = open(store);
    const input: StageInput = { stage: name, bundle, inputs: {}, model };
    const result = (): Promise<StageResult> =>
      new MockActivityEnvironment({ workflowExecution: { workflowId: 'run', runId: 'x' } }).run(make, input);
    expect(await result()).toMatchObject({ reused: false });
    expect(await result()).toMatchObject({ reused: true });
  },
);
