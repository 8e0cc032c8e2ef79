/**
 * Goal: a plan's price is honest: measured where the very same model was measured, declared or assumed where not, never narrower than what is known.
 * Method: one small config priced with nothing, with settings, and with measurements made up for its own forms; figures counted by hand.
 */
import { planRun } from '../../method/plan';
import { sizeIn } from '../../method/model-size';
import { pricePlan } from '../../method/price-plan';
import { askForm, rowsPerStep, speedForm, speedKin, type Measurement } from '../../method/speed-form';
import type { PricedPlan, StagePrice } from '../../schemas/plan';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { StageName } from '../../schemas/stage-names';

const bases = { teacher: 'a'.repeat(64), student: 'b'.repeat(64) };
const tasks = [{ name: 't0', validation: 40, test: 100 }];

function configOf(models: object = {}, more: object = {}): RunConfig {
  const model = { source: 'embedded:SmolLM2-135M-Instruct' };
  return runConfigSchema.parse({
    ...{ version: 1, name: 'priced', tasks: [{ source: 'builtin', family: 'navigate' }], probe: { method: 'random' } },
    models: { teacher: { ...model, ...models }, student: { ...model, ...models } },
    ...more,
  });
}

function priced(config: RunConfig, measured: readonly Measurement[] = []): PricedPlan {
  return pricePlan(config, planRun(config, { tasks }), { measured, bases });
}

function stageOf(plan: PricedPlan, name: StageName, arm?: string): StagePrice {
  const at = plan.stages.findIndex((stage) => stage.name === name && (arm === undefined || stage.arm === arm));
  return plan.prices.stages[at]!;
}

function measurement(config: RunConfig, stage: StageName, more: Partial<Measurement>, of = bases): Measurement {
  return {
    ...{ runId: 'before', stage, arm: '', form: speedForm(config, stage, '', of)!, startSeconds: 0, bytes: 0 },
    ...{ kin: speedKin(config, stage, '', of), rowsPerStep: rowsPerStep(config, stage) },
    ...{ calls: 100, steps: 0, seconds: 50, inputTokens: 20_000, outputTokens: 8_000 },
    ...more,
  };
}

it('has ranges that are ranges, for every stage and everything it says', () => {
  const { prices, stages } = priced(configOf());
  expect(prices.stages).toHaveLength(stages.length);
  for (const price of prices.stages) {
    const { inputTokens, outputTokens, seconds, deviceSeconds, diskBytes, cost } = price;
    for (const { low, high } of [inputTokens, outputTokens, seconds, deviceSeconds, diskBytes, cost]) {
      expect(low).toBeGreaterThanOrEqual(0);
      expect(high).toBeGreaterThanOrEqual(low);
    }
    expect(price.from.seconds.words).not.toBe('');
  }
  expect(stageOf(priced(configOf()), 'score-drafts').from.seconds.kind).toBe('assumed');
  expect(prices.all.cost).toEqual({ low: 0, high: 0 });
});

it('assumes that a step of DPO takes what 8/3 of one of SFT do, and a larger batch as much more', () => {
  const stepOf = (name: 'train-dpo' | 'train-sft', batch: number): number => {
    const batches = { batch_size: batch, gradient_accumulation: 1, epochs: 1, max_steps: 1_000_000 };
    const plan = priced(configOf({}, { align: batches, sft: batches }));
    return stageOf(plan, name).seconds.high;
  };
  expect(stepOf('train-dpo', 8) / stepOf('train-sft', 8)).toBeCloseTo(8 / 3, 3);
  expect(stepOf('train-sft', 16) / stepOf('train-sft', 8)).toBeCloseTo(2, 3);
});

it("assumes a speed by the size in a model's name: on a large GPU in its proportion, on a small machine by its root", () => {
  const of = (source: string): StagePrice => stageOf(priced(configOf({ source })), 'score-drafts');
  const [small, large, unnamed] = ['hf:org/small-135M-Instruct', 'hf:org/large-70B', 'hf:org/model'].map(of);
  // Starting the stage apart, of which nobody knows the size either.
  expect(small!.deviceSeconds.low * 7).toBeCloseTo(large!.deviceSeconds.low, 3);
  expect(large!.deviceSeconds.high / small!.deviceSeconds.high).toBeCloseTo(Math.sqrt(70 / 0.135), 3);
  expect(unnamed!.deviceSeconds.low).toBe(small!.deviceSeconds.low);
  expect(unnamed!.deviceSeconds.high).toBeGreaterThan(small!.deviceSeconds.high);
  expect(large!.from.seconds.words).toBe('assumed: 2.4 to 290 tokens/s of a 70B model');
  expect(unnamed!.from.seconds.words).toContain('0.1B to 10B');
  // Kin are off by one factor: they go by the same size.
  const trained = priced(configOf({ source: 'hf:org/large-70B' }));
  const [dpo, sft] = (['train-dpo', 'train-sft'] as const).map((name) => stageOf(trained, name));
  expect([dpo!.from.seconds.words, sft!.from.seconds.words].every((said) => said.endsWith('of a 70B model'))).toBe(
    true,
  );
});

it.each([
  ['hf:Qwen/Qwen2.5-0.5B-Instruct', 0.5],
  ['hf:google/gemma-2-2b-it', 2],
  ['hf:stabilityai/stablelm-2-1_6b', 1.6],
  ['hf:mistralai/Mixtral-8x7B-v0.1', 56],
  ['hf:Qwen/Qwen3-30B-A3B', 30],
  ['/models/70b-runs/SmolLM2-360M.Q8_0.gguf', 0.36],
  ['hf:microsoft/phi-3-mini-128k', undefined],
  ['hf:org/model-v2b3', undefined],
])('reads the size in %s', (source, billions) => {
  expect(sizeIn(source)).toBe(billions);
});

it('counts what trained models take in the cache directory, by the sizes in their names', () => {
  const { stages, prices } = priced(configOf());
  const models = stages.filter(({ steps }) => steps > 0).length;
  // Float32 weights and q8_0 of the 135M model: 656 MB on a disk.
  expect(prices.cache).toEqual({ models, uncounted: 0, bytes: Math.round(models * 0.135e9 * 5.0625) });
  expect(priced(configOf({ source: 'hf:org/model' })).prices.cache).toEqual({ models, uncounted: models, bytes: 0 });
  expect(priced(configOf({ endpoint: { kind: 'scripted', script: 'echo' } })).prices.cache).toBeUndefined();
});

it('counts a moment for finding what the store holds', () => {
  const config = configOf();
  const found = pricePlan(config, planRun(config, { tasks, reuseOf: () => ({ reused: true }) }));
  const { length } = found.stages;
  expect(found.prices.left.seconds.low).toBeCloseTo(0.2 * length, 6);
  expect(found.prices.left.seconds.high).toBeCloseTo(length, 6);
});

it('takes a measured stage for the same model content and endpoint, and for no other', () => {
  const config = configOf();
  const own = measurement(config, 'score-drafts', {});
  const { seconds, outputTokens, from } = stageOf(priced(config, [own]), 'score-drafts');
  const calls = planRun(config, { tasks }).stages.find(({ name }) => name === 'score-drafts')!.calls;
  // 2 calls/s and 80 tokens a call: half as fast and as long again at most.
  expect(from.seconds).toMatchObject({ kind: 'measured', words: expect.stringContaining('before') as string });
  expect(seconds.low).toBeLessThan(calls / 2);
  expect(seconds.high).toBeGreaterThan(calls / 2);
  expect(seconds.high / seconds.low).toBeLessThan(2.5);
  expect(outputTokens.low).toBeLessThanOrEqual(calls * 80);
  expect(outputTokens.high).toBeGreaterThanOrEqual(calls * 80);

  const other = measurement(config, 'score-drafts', {}, { ...bases, student: 'c'.repeat(64) });
  expect(stageOf(priced(config, [other]), 'score-drafts').from.seconds.kind).toBe('assumed');
  const slots = configOf({ endpoint: { kind: 'managed', slots: 2 } });
  expect(stageOf(priced(slots, [own]), 'score-drafts').from.seconds.kind).toBe('similar');
});

it('takes what was measured on other tasks, prompts or with other room for an answer for no more than a hint', () => {
  const config = configOf();
  const asks = askForm(config, 'evaluate');
  const on = (of: RunConfig): StagePrice =>
    stageOf(priced(of, [measurement(of, 'evaluate', { asks, arm: 'untuned-0shot' })]), 'evaluate', 'untuned-0shot');
  const own = on(config);
  expect(own.from.tokens.kind).toBe('measured');
  // How many are asked changes no length.
  expect(on(configOf({}, { questions: { per_task: 7 }, tailor: { per_task: 9 } })).from.tokens.kind).toBe('measured');
  const others = [
    { tasks: [{ source: 'builtin', family: 'larger-number' }] },
    { prompts: { student_one_shot: '{description} {reminder} {demonstrations}Q: {question}\nA:' } },
    { evaluate: { max_tokens: 333 } },
  ];
  for (const change of others) {
    const { from, outputTokens, seconds } = on(configOf({}, change));
    for (const { kind, words } of [from.tokens, from.seconds]) {
      expect(kind).toBe('similar');
      expect(words).toContain('on other tasks or prompts');
    }
    expect(outputTokens.high).toBeGreaterThan(2.5 * own.outputTokens.high);
    expect(seconds.high / seconds.low).toBeGreaterThan(5);
  }
});

it('takes the same model under other settings where it has nothing better, with a wider range, and says so', () => {
  const before = configOf({ endpoint: { kind: 'managed', slots: 2, context_tokens: 1024 } });
  const other = measurement(before, 'score-drafts', {});
  const config = configOf();
  const { seconds, outputTokens, from } = stageOf(priced(config, [other]), 'score-drafts');
  expect(from.seconds).toMatchObject({
    kind: 'similar',
    words: 'measured with other settings: 53 to 480 tokens/s, 1 stage (score-drafts) of before',
  });
  // 160 tokens/s, three times up and down; how long answers are was measured under other settings, too.
  expect(seconds.high).toBeCloseTo((outputTokens.high * 3) / 160 + 3, 0);
  expect(from.tokens.kind).toBe('assumed');
  const own = measurement(config, 'score-drafts', {});
  expect(stageOf(priced(config, [other, own]), 'score-drafts').from.seconds.kind).toBe('measured');
  const declared = configOf({ throughput: { calls_per_second: 10 } });
  expect(stageOf(priced(declared, [other]), 'score-drafts').from.seconds.kind).toBe('declared');
  const scripted = configOf({ endpoint: { kind: 'scripted', script: 'echo' } });
  expect(stageOf(priced(scripted, [other]), 'score-drafts').from.seconds.kind).toBe('assumed');

  // Batches of half the size: twice as many steps in the same time.
  const batch = (size: number) => configOf({}, { align: { batch_size: size, gradient_accumulation: 1 } });
  const made = measurement(batch(8), 'train-dpo', { calls: 0, steps: 10, seconds: 20, startSeconds: 1 });
  const plan = priced(batch(4), [made]);
  const { steps } = plan.stages.find(({ name }) => name === 'train-dpo')!;
  const trained = stageOf(plan, 'train-dpo');
  expect(trained.from.seconds.kind).toBe('similar');
  expect(trained.seconds.high).toBeCloseTo(3 * steps + 3, 6);
});

it('is surer of several stages than of one, and less sure of another stage of the same model', () => {
  const config = configOf();
  const width = (measured: Measurement[], stage: StageName): number => {
    const { low, high } = stageOf(priced(config, measured), stage).seconds;
    return high / low;
  };
  const one = measurement(config, 'sample-rationales', {});
  const alike = measurement(config, 'sample-rationales', { runId: 'later', seconds: 52 });
  expect(width([one, alike], 'sample-rationales')).toBeLessThan(width([one], 'sample-rationales'));
  expect(width([one], 'tailor-rationales')).toBeGreaterThan(width([one], 'sample-rationales'));
  expect(stageOf(priced(config, [one]), 'tailor-rationales').from.seconds.words).toContain('sample-rationales');
});

it('does not take the start of a stage for its speed', () => {
  const config = configOf();
  const tiny = measurement(config, 'score-drafts', { calls: 2, seconds: 10 });
  expect(stageOf(priced(config, [tiny]), 'score-drafts').from.seconds.kind).toBe('assumed');
});

it('goes by what the config declares where nothing was measured', () => {
  const config = configOf({ throughput: { calls_per_second: 10, training_steps_per_second: 2 } });
  const plan = priced(config);
  const calls = plan.stages.find(({ name }) => name === 'score-drafts')!.calls;
  const { seconds, from } = stageOf(plan, 'score-drafts');
  expect(from.seconds).toEqual({ kind: 'declared', words: 'declared: throughput.calls_per_second' });
  expect([seconds.low, seconds.high].map((value) => Math.round(value / (calls / 10)))).toEqual([1, 1]);
  expect(stageOf(plan, 'train-sft', 'arte').from.seconds.kind).toBe('declared');
});

it('prices trainings by the hour, by the steps that were measured and what comes before them', () => {
  const config = configOf({ price: { training_hour: 36 } });
  const steps = planRun(config, { tasks }).stages.find(({ name }) => name === 'train-dpo')!.steps;
  const made = measurement(config, 'train-dpo', {
    calls: 0,
    steps: 10,
    seconds: 20,
    startSeconds: 30,
    bytes: 5_000_000,
  });
  const { cost, seconds, diskBytes } = stageOf(priced(config, [made]), 'train-dpo');
  const expected = 2 * steps + 30;
  expect(seconds.low).toBeLessThan(expected);
  expect(seconds.high).toBeGreaterThan(expected);
  // 36 an hour is a cent a second.
  expect(cost.high).toBeCloseTo(seconds.high / 100, 6);
  expect(diskBytes).toEqual({ low: 5_000_000, high: 5_000_000 });
});

it('costs no more than the ceiling of the plan but for the length of prompts, and less where answers were measured short', () => {
  const config = configOf({ price: { input: 1, output: 10 } });
  const plan = priced(config);
  const { cost } = plan.prices.all;
  expect(cost.high).toBeLessThan(plan.totals.cost * 1.3);
  expect(cost.low).toBeLessThan(plan.totals.cost / 2);
  const short = measurement(config, 'score-drafts', { outputTokens: 1_000 });
  expect(stageOf(priced(config, [short]), 'score-drafts').cost.high).toBeLessThan(
    stageOf(plan, 'score-drafts').cost.high,
  );
});

it('counts what is left without what the store holds, and at the least branches side by side that take turns on the device', () => {
  const config = configOf();
  const plan = pricePlan(
    config,
    planRun(config, { tasks, reuseOf: ({ name }) => ({ reused: name === 'score-drafts' }) }),
  );
  const { all, left } = plan.prices;
  const scored = plan.stages.find(({ name }) => name === 'score-drafts')!.calls;
  expect(all.calls - left.calls).toBe(scored);
  const inOrder = plan.prices.stages.reduce((total, { seconds }) => total + seconds.low, 0);
  expect(all.seconds.low).toBeLessThan(inOrder);
  // There is one device: who needs it takes turns.
  expect(all.deviceSeconds.low).toBeGreaterThan(0);
  expect(all.seconds.low).toBeGreaterThanOrEqual(all.deviceSeconds.low);
  expect(plan.stages.filter(({ branch }) => branch === 'beside').map(({ arm }) => arm)).toContain('original_teacher');
});
