/**
 * Goal: drafts in which an item of an unseen task stands are counted, the graver split first, over all rounds; and park a run that asks for it.
 * Method: the stage as an activity over a store in memory, with drafts of two rounds made for the purpose.
 */
import { MockActivityEnvironment } from '@temporalio/testing';
import { checkUnseen } from '../../activities/check-unseen';
import { runWholeStage } from '../../activities/stage';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { StageResult } from '../../schemas/messages';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf } from './stage-input';

const store = new MemoryStore();
const lines = (rows: readonly unknown[]): Promise<ArtifactRef> =>
  store.putLines(rows.map((row) => JSON.stringify(row)));

const tested =
  'A farmer has 17 sheep and buys 25 more at the market before he sells 9 of them to his neighbour; how many are left?';
const item = (id: string, question: string) => ({ id, question, target: '1' });
const task = (name: string, validation: string, test: string) => ({
  ...{ name, category: 'c', description: 'Solve.', answer: { type: 'number', labels: [] } },
  ...{ seeds: [item('s', 'What is 1 + 0?')], validation: [item('v', validation)], test: [item('t', test)] },
  techniques: [{ name: 'plain', instruction: 'Think.' }],
});
const draft = (id: string, question: string, rationale = 'One.') => ({
  ...{ id, task: 'known', questionId: id, question, target: '1', technique: 'plain', rationale },
  ...{ answer: '1', agrees: true, from: 'x' },
});

async function checked(action: 'drop' | 'park'): Promise<StageResult> {
  const model = { source: 'embedded:SmolLM2-135M-Instruct' };
  const unseen = { source: 'builtin', family: 'navigate' };
  const config = {
    version: 1,
    name: 'trial',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: model, student: model },
    hygiene: { contamination: { action } },
    transfer: { tasks: [unseen] },
  };
  const bundle = await bundleOf(store, config);
  const inputs = {
    tasks: await lines([task('one', 'What is 2 + 2?', tested), task('other', 'What is 3 + 3?', 'What is 4 + 4?')]),
    'drafts-1': await lines([
      draft('a', 'What is 9 + 9?'),
      draft('b', 'what is  2 + 2'),
      // A seed is shown to the teacher: no leak.
      draft('c', 'What is 1 + 0?'),
    ]),
    'drafts-2': await lines([
      draft('d', 'How many?', `We are told this: ${tested} So we count.`),
      draft('e', 'What is 4 + 4?'),
    ]),
  };
  return new MockActivityEnvironment().run<[], StageResult, () => Promise<StageResult>>(() =>
    runWholeStage(checkUnseen, { store })({ stage: 'check-unseen', bundle, inputs, transfer: 'tasks' }),
  );
}

it('counts them', async () => {
  expect((await checked('drop')).facts).toEqual({ drafts: 5, contaminatedTest: 2, contaminatedProbe: 1 });
});

it('parks where the config says so', async () => {
  await expect(checked('park')).rejects.toMatchObject({
    data: {
      code: 'DataNotClean',
      what: expect.stringContaining('2 repeat test items and 1 validation items') as string,
    },
  });
});
