/**
 * Goal: every example in examples/ is sound, and the paper's own set-up plans to the paper's numbers, with nothing else being there.
 * Method: each file through the commands' own code.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { register as registerPlan } from '../../cli/commands/plan';
import { register as registerValidate } from '../../cli/commands/validate';
import { loadConfig } from '../../cli/config/load-config';
import { packageRoot } from '../../drivers/package-root';
import type { Plan } from '../../schemas/plan';
import { runCommand } from '../support/command';

const folder = join(packageRoot(), 'examples');
const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.yaml'));

async function planOf(name: string): Promise<Plan> {
  const { stdout } = await runCommand(registerPlan, ['plan', join(folder, name), '--json']);
  return JSON.parse(stdout) as Plan;
}

it.each(files)('%s is sound and can be planned', async (name) => {
  const { exitCode, stdout } = await runCommand(registerValidate, ['validate', join(folder, name), '--json']);
  expect(JSON.parse(stdout)).toMatchObject({ valid: true, problems: [] });
  expect(exitCode).toBe(0);
  expect((await planOf(name)).totals.calls).toBeGreaterThan(0);
});

it.each(files.filter((name) => !name.startsWith('paper-')))('%s can be run: every task has its items', async (name) => {
  const { config, tasks } = await loadConfig(join(folder, name), { env: {}, purpose: 'run' });
  expect(tasks).toHaveLength(config.tasks.length);
});

describe('paper-bbh.yaml', () => {
  it("is the paper's set-up", async () => {
    const { config } = await loadConfig(join(folder, 'paper-bbh.yaml'), { env: {} });
    expect(config.tasks).toHaveLength(23);
    expect(config.models.teacher.source).toBe('hf:meta-llama/Meta-Llama-3-70B-Instruct');
    expect(config.models.student.source).toBe('hf:google/gemma-2b');
    expect(config.align).toMatchObject({
      adapter: 'full',
      learning_rate: 1e-7,
      batch_size: 16,
      epochs: 1,
      warmup_ratio: 0.1,
      schedule: 'cosine',
    });
    expect(config.sft).toMatchObject({
      adapter: 'full',
      learning_rate: 2e-5,
      epochs: 1,
      warmup_ratio: 0.03,
      schedule: 'linear',
    });
    expect(config.probe).toMatchObject({
      method: 'irt',
      size: 40,
      balance: false,
      respondents: { length: 5 },
      respondent_shots: [0, 1, 2, 3],
    });
    expect(config.evaluate.shots).toEqual([0, 3]);
  });

  it("plans to the paper's numbers", async () => {
    const { stages, tasks, totals } = await planOf('paper-bbh.yaml');
    const calls = (name: string, model?: string): number =>
      stages
        .filter((stage) => stage.name === name && (model === undefined || stage.model === model))
        .reduce((sum, stage) => sum + stage.calls, 0);
    expect(tasks.reduce((sum, { test }) => sum + test, 0)).toBe(6_261);
    expect(calls('score-drafts', 'student')).toBe(920_000);
    expect(calls('sample-rationales', 'teacher')).toBe(23_000);
    expect(calls('evaluate', 'respondent')).toBe(46_000);
    expect(stages.find(({ name }) => name === 'build-pairs')?.rows).toBe(6_900);
    expect(stages.find(({ name }) => name === 'train-dpo')?.steps).toBe(432);
    expect(stages.find(({ name }) => name === 'train-sft')?.rows).toBe(5_750);
    expect(totals.respondentCalls).toBe(46_000);
    for (const stage of stages)
      expect(Object.keys(stage)).toEqual(expect.arrayContaining(['name', 'round', 'calls', 'reused']));
  });

  it('has a variant with the 27 subtasks and 6,750 tailored examples', async () => {
    const { stages, tasks } = await planOf('paper-bbh-27.yaml');
    expect(tasks).toHaveLength(27);
    expect(stages.find(({ name }) => name === 'train-sft')?.rows).toBe(6_750);
  });

  it('names every task once, in both', () => {
    for (const name of ['paper-bbh.yaml', 'paper-bbh-27.yaml']) {
      const names = [...readFileSync(join(folder, name), 'utf8').matchAll(/^ {4}name: (.*)$/gm)].map(
        (match) => match[1],
      );
      expect(new Set(names).size).toBe(names.length);
    }
  });
});
