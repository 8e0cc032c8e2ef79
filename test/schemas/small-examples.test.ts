/**
 * Goal: the two configs that a newcomer runs first stay valid, small, and free of the traps of a 135M model.
 * Method: parse them with the schema alone, then check what their comments promise.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';

function load(name: string): RunConfig {
  return runConfigSchema.parse(parse(readFileSync(join(__dirname, '..', '..', 'examples', name), 'utf8')));
}

const techniques = 4;

describe.each(['quickstart.yaml', 'smoke.yaml'])('%s', (name) => {
  const config = load(name);

  it('needs nothing from outside', () => {
    for (const model of Object.values(config.models)) {
      expect(model.source).toMatch(/^embedded:/);
      expect(model.endpoint.kind).toBe('managed');
    }
    expect(config.tasks.every(({ source }) => source === 'builtin')).toBe(true);
    expect(config.platform).toEqual(runConfigSchema.parse(parse(minimal)).platform);
  });

  it('asks and trains with the same text: raw, without a token in front', () => {
    for (const { prompt_style, add_bos } of Object.values(config.models)) {
      expect({ prompt_style, add_bos }).toEqual({ prompt_style: 'completion', add_bos: false });
    }
  });

  it('samples as a small model needs it', () => {
    for (const sampling of [config.questions, config.tailor.questions]) {
      expect(sampling).toMatchObject({ temperature: 1, top_k: 40, min_p: 0.1 });
    }
    expect(config.questions).toMatchObject({ format: 'json', per_call: 1 });
  });

  it('does not end an answer at its first line: without a shot answers begin with one', () => {
    for (const { stop } of [config.rationales, config.score, config.evaluate, config.tailor.rationales]) {
      expect(stop).toEqual([]);
    }
  });
});

const minimal = `
version: 1
name: minimal
tasks: [{ source: builtin, family: larger-number }]
models: { teacher: { source: 'embedded:x' }, student: { source: 'embedded:x' } }
`;

it('quickstart.yaml runs two rounds over two tasks, with the counts that its comments name', () => {
  const { rounds, tasks, questions, probe, pairs, align, tailor, sft, evaluate } = load('quickstart.yaml');
  expect([rounds.count, tasks.length]).toEqual([2, 2]);
  expect(tasks.length * questions.per_task * techniques * probe.size).toBe(240);
  const pairsMost = tasks.length * (pairs.question.per_task + Math.min(pairs.rationale.per_task, questions.per_task));
  expect(pairsMost).toBe(14);
  expect(Math.ceil(pairsMost / align.batch_size) * align.epochs).toBe(8);
  expect(((tasks.length * tailor.per_task) / sft.batch_size) * sft.epochs).toBe(8);
  expect(evaluate.shots).toEqual([0, 3]);
});

it('smoke.yaml cannot park on luck, and trains for one step at a rate above 0', () => {
  const { questions, rationales, score, tailor, evaluate, pairs, align, sft } = load('smoke.yaml');
  for (const { thresholds } of [questions, rationales, score, tailor, evaluate]) {
    expect(thresholds).toMatchObject({ malformed: 1, truncated: 1 });
  }
  expect(pairs).toMatchObject({ ties: 'keep-first', minimum: 1 });
  expect([align.max_steps, sft.max_steps]).toEqual([1, 1]);
  expect([align.warmup_ratio, sft.warmup_ratio]).toEqual([0, 0]);
});
