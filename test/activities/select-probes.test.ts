/**
 * Goal: the preference set of a stage by IRT keeps the shares of right answers, says how large they are, and is chosen anew when the rule changes.
 * Method: the real stage over a store in memory; respondents that say yes more often the more demonstrations they see, who tell only the items
 * apart whose right answer is yes.
 */
import { selectProbes } from '../../activities/select-probes';
import { runConfigSchema } from '../../schemas/run-config';
import { probeRowSchema } from '../../schemas/rows';
import { readRows } from '../../activities/read-rows';
import { MemoryStore } from './row-engine/memory-store';

const size = 8;
const items = Array.from({ length: 40 }, (_, at) => ({
  id: `v${at}`,
  question: `question ${at}`,
  target: at % 2 === 0 ? 'Yes' : 'No',
}));
const task = {
  name: 'guess',
  category: 'test',
  description: 'Say yes or no.',
  answer: { type: 'yes-no', labels: [] },
  seeds: [{ id: 's', question: 'seed', target: 'Yes' }],
  validation: items,
  test: [{ id: 't', question: 'test', target: 'Yes' }],
  techniques: [{ name: 'plain', instruction: 'Think.' }],
};

async function chosenWith(probe: object) {
  const store = new MemoryStore();
  const tasks = await store.putLines([JSON.stringify(task)]);
  const inputs: Record<string, typeof tasks> = { tasks };
  for (const shots of [0, 1, 2, 3]) {
    const rows = items.map(({ id, target }, at) => {
      // Of the items that want yes, a quarter more come right with each demonstration; of the others a few, in no order.
      const correct = target === 'Yes' ? (at / 2) % 4 < shots : (at * 7 + shots * 3) % 5 === 0;
      return {
        task: 'guess',
        itemId: id,
        shots,
        answer: target,
        correct,
        tagged: true,
        target,
        outcome: 'ok',
        from: id,
      };
    });
    inputs[`responses-student-${shots}`] = await store.putLines(rows.map((row) => JSON.stringify(row)));
  }
  const model = { source: 'embedded:SmolLM2-135M-Instruct' };
  const config = runConfigSchema.parse({
    version: 1,
    name: 'probes',
    tasks: [{ source: 'builtin', family: 'navigate' }],
    models: { teacher: model, student: model },
    probe: { method: 'irt', size, ...probe },
  });
  const input = { runId: 'r', stage: 'select-probes', round: 1, arm: '', inputs, models: {} };
  const context = { store, config, input } as unknown as Parameters<typeof selectProbes.run>[0];
  const { outputs, facts } = await selectProbes.run(context, { store: context.store });
  const probes = await readRows(store as never, outputs['probes'] as never, probeRowSchema);
  return {
    yes: probes.filter(({ target }) => target === 'Yes').length,
    count: probes.length,
    facts: (facts as { tasks: { guess: { commonest: number; commonestOfAll: number } } }).tasks.guess,
    settings: selectProbes.settings({ config } as never, context.input),
  };
}

it('keeps half of the places for either answer; by discrimination alone nearly all want one', async () => {
  const [balanced, alone] = [await chosenWith({}), await chosenWith({ balance: false })];
  expect(balanced).toMatchObject({ yes: size / 2, count: size, facts: { commonest: 0.5, commonestOfAll: 0.5 } });
  expect(alone.count).toBe(size);
  expect(alone.yes).toBe(size);
  expect(alone.facts).toMatchObject({ commonest: 1, commonestOfAll: 0.5 });
  expect(balanced.settings).not.toEqual(alone.settings);
});

it('leaves a choice by chance as it is', async () => {
  const [one, other] = [await chosenWith({ method: 'random' }), await chosenWith({ method: 'random', balance: false })];
  expect(one).toEqual(other);
  expect(one.facts.commonestOfAll).toBe(0.5);
});
