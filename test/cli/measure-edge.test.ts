/** Goal: an edge card is called by the shots that its prompts had. Method: a store in memory with a task of three seeds; nothing is started. */
import { measureEdge } from '../../cli/measure-edge';
import { defaultTechniques } from '../../method/prompts';
import { buildTaskRecord } from '../../method/split';
import { taskConfigSchema } from '../../schemas/config/tasks';
import type { RunReport } from '../../schemas/report';
import { runConfigSchema } from '../../schemas/run-config';
import { MemoryStore } from '../activities/row-engine/memory-store';

it('more shots than there are seeds are refused before anything is measured', async () => {
  const source = { source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 8, test: 8 } } as const;
  const task = buildTaskRecord(taskConfigSchema.parse(source), {}, defaultTechniques);
  const model = { source: 'embedded:SmolLM2-135M-Instruct' };
  const config = runConfigSchema.parse({
    ...{ version: 1, name: 'edge', tasks: [source], models: { teacher: model, student: model } },
  });
  const store = new MemoryStore();
  const tasks = await store.putLines([JSON.stringify(task)]);
  const rounds = [{ round: 1, artifacts: { 'prepare-tasks/tasks': tasks } }];
  const report = { runId: 'run', bestRound: 1, rounds } as unknown as RunReport;
  const request = {
    ...{ forms: ['q8_0'] as const, items: 4, shots: 4, threads: 1, hourPrice: null },
    ...{ onProgress: () => undefined, signal: new AbortController().signal },
  };
  await expect(measureEdge(store, config, report, request)).rejects.toMatchObject({
    data: {
      code: 'InvalidInput',
      what: 'The task "larger-number" has 3 seed questions, but --shots asks for 4 shots.',
      next: 'Give --shots 3 at most.',
    },
  });
});
