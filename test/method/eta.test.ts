/**
 * Goal: from one third of a run on, the hour at which it is said to end is within 25 % of the run's true length, and it comes closer.
 * Method: seeded simulated runs over the stages of a real plan. Machines are up to four times slower or faster than the plan, kinds of stages
 * differ among each other, every stage is noisy, branches take turns on the one device, or run side by side where models are served elsewhere; the
 * estimate is asked for at 60 moments of each.
 */
import { secondsLeft, type FinishedStage, type RunningStage } from '../../method/eta';
import { seededRandom } from '../../method/keys';
import { planRun } from '../../method/plan';
import { pricePlan } from '../../method/price-plan';
import type { PlannedStage, PricedPlan } from '../../schemas/plan';
import { runConfigSchema } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';

const model = { source: 'embedded:SmolLM2-135M-Instruct' };

function planOf(rounds: number, arms: string[] = [], elsewhere = false): PricedPlan {
  const config = runConfigSchema.parse({
    ...{
      version: 1,
      name: 'timed',
      tasks: [{ source: 'builtin', family: 'navigate' }],
      rounds: { count: rounds },
      arms,
    },
    models: { teacher: model, student: model },
  });
  const plan = pricePlan(config, planRun(config, { tasks: [{ name: 't0', validation: 60, test: 100 }] }));
  // As if measured: seconds by calls and steps, and no wider than what several runs leave.
  const stages = plan.prices.stages.map((price, at) => {
    const { calls, steps } = plan.stages[at]!;
    const seconds = calls / 20 + steps * 3 + 1;
    return {
      ...price,
      seconds: { low: seconds / 1.2, high: seconds * 1.2 },
      ...(elsewhere && { deviceSeconds: { low: 0, high: 0 } }),
      from: { ...price.from, seconds: { kind: 'measured' as const, words: 'before' } },
    };
  });
  return { ...plan, prices: { ...plan.prices, stages } };
}

interface Timed {
  readonly stage: PlannedStage;
  readonly from: number;
  /** From here on it works: before, others have the device. */
  readonly works: number;
  readonly to: number;
}

/** When each stage begins and ends: shared ones in order, the branches of a round side by side after build-pairs and before decide. */
function simulate({ stages, prices }: PricedPlan, seed: number): Timed[] {
  const random = seededRandom(seed);
  const within = (factor: number): number => factor ** (2 * random() - 1);
  const machine = within(4);
  const kinds = new Map<string, number>();
  const items = stages.map((stage, index) => {
    const kind = stage.steps > 0 ? stage.name : stage.model;
    if (!kinds.has(kind)) kinds.set(kind, within(1.25));
    const { seconds, deviceSeconds } = prices.stages[index]!;
    const took = Math.sqrt(seconds.low * seconds.high) * machine * kinds.get(kind)! * within(1.15);
    return { stage, took, needsDevice: deviceSeconds.high > 0 };
  });
  const timed: Timed[] = [];
  let [at, device] = [0, 0];
  const take = ({ stage, took, needsDevice }: (typeof items)[number], from: number): number => {
    const works = needsDevice ? Math.max(from, device) : from;
    const to = works + took;
    if (needsDevice) device = to;
    timed.push({ stage, from, works, to });
    return to;
  };
  while (items.length > 0) {
    if (!items[0]!.stage.branch) {
      at = take(items.shift()!, at);
      continue;
    }
    const end = items.findIndex(({ stage }) => !stage.branch);
    const round = items.splice(0, end < 0 ? items.length : end);
    const left = (['arte', 'beside'] as const).map((branch) => ({
      ready: at,
      items: round.filter(({ stage }) => stage.branch === branch),
    }));
    for (;;) {
      const [next] = left.filter((branch) => branch.items.length > 0).sort((a, b) => a.ready - b.ready);
      if (!next) break;
      next.ready = take(next.items.shift()!, next.ready);
    }
    at = Math.max(...left.map(({ ready }) => ready));
  }
  return timed;
}

function estimateAt(plan: PricedPlan, timed: readonly Timed[], now: number): number {
  const finished = timed
    .filter(({ to }) => to <= now)
    .map(({ stage: { name, round, arm }, works, to }): FinishedStage => ({
      ...{ round, stage: name, arm, seconds: to - works, reused: false },
    }));
  const live = timed.filter(({ from, to }) => from <= now && to > now);
  const running = live.map(({ stage: { name, arm, rows, calls, steps }, works, to }): RunningStage => {
    const counted = calls > 0 ? rows : steps;
    return {
      label: stageLabel(name, arm),
      elapsedSeconds: Math.max(0, now - works),
      done: Math.floor((counted * Math.max(0, now - works)) / (to - works)),
      found: 0,
      total: counted,
    };
  });
  const round = live[0]?.stage.round ?? timed.at(-1)!.stage.round;
  return secondsLeft(plan, { round, finished, running })!;
}

it.each([
  ['one round', planOf(1)],
  ['three rounds', planOf(3)],
  ['more arms', planOf(1, ['self_instruct', 'question_only'])],
  ['models served elsewhere', planOf(3, ['self_instruct'], true)],
])('%s: within 25 % from one third on, within 5 % at nine tenths', (_, plan) => {
  const off: { share: number; error: number }[] = [];
  for (let seed = 1; seed <= 40; seed += 1) {
    const timed = simulate(plan, seed);
    const end = Math.max(...timed.map(({ to }) => to));
    for (let step = 0; step < 60; step += 1) {
      const share = (step + 0.5) / 60;
      off.push({ share, error: Math.abs(share * end + estimateAt(plan, timed, share * end) - end) / end });
    }
  }
  const worst = (from: number): number =>
    Math.max(...off.filter(({ share }) => share >= from).map(({ error }) => error));
  expect(worst(1 / 3)).toBeLessThan(0.25);
  expect(worst(0.9)).toBeLessThan(0.05);
  // The plan alone would be off by far more: it is what was seen that puts it right.
  expect(worst(0)).toBeGreaterThan(0.25);
});

it('says nothing while most of what is left goes by speeds that nobody has measured', () => {
  const measured = planOf(1);
  const stages = measured.prices.stages.map((price) => ({
    ...price,
    from: { ...price.from, seconds: { kind: 'assumed' as const, words: 'a guess' } },
  }));
  const plan = { ...measured, prices: { ...measured.prices, stages } };
  const after = (made: (stage: PlannedStage) => boolean): number | undefined => {
    const finished = plan.stages
      .filter(made)
      .map(({ name, arm }) => ({ round: 1, stage: name, arm, seconds: 10, reused: false }));
    return secondsLeft(plan, { round: 1, finished, running: [] });
  };
  expect(after(() => false)).toBeUndefined();
  // What asks no model is over in no time, and says nothing of what does.
  expect(after(({ name }) => name === 'prepare-tasks')).toBeUndefined();
  expect(after(({ name }) => name === 'sample-questions')).toBeUndefined();
  const seen = new Set<string>();
  const oneOfEach = after(({ name, model: asked, steps, calls }) => {
    const kind = steps > 0 ? name : calls > 0 ? asked : 'none';
    return !seen.has(kind) && Boolean(seen.add(kind));
  });
  expect(oneOfEach).toBeGreaterThan(0);
});

it('takes one training for a word about another of the same model, and none of another model', () => {
  const afterDpo = (student: string): { left: number | undefined; trainings: number } => {
    const config = runConfigSchema.parse({
      ...{ version: 1, name: 'timed', tasks: [{ source: 'builtin', family: 'navigate' }], arms: [] },
      models: { teacher: model, student: { source: student } },
    });
    const plan = pricePlan(config, planRun(config, { tasks: [{ name: 't0', validation: 60, test: 100 }] }));
    // All but SFT is done as assumed, only DPO took twice as long.
    const stages = plan.stages.map(({ name, arm, round }, at) => {
      const { low, high } = plan.prices.stages[at]!.seconds;
      return { round, stage: name, arm, seconds: Math.sqrt(low * high), reused: false };
    });
    const finished = stages
      .filter(({ stage }) => stage !== 'train-sft')
      .map((each): FinishedStage => ({ ...each, seconds: each.seconds * (each.stage === 'train-dpo' ? 2 : 1) }));
    const trainings = stages
      .filter(({ stage }) => stage === 'train-sft')
      .reduce((sum, { seconds }) => sum + seconds, 0);
    return { left: secondsLeft(plan, { round: 1, finished, running: [] }), trainings };
  };
  expect(afterDpo('embedded:another-model').left).toBeUndefined();
  const { left, trainings } = afterDpo(model.source);
  expect(left! / trainings).toBeCloseTo(2, 6);
});

it('takes what was found in the store for done, and not for fast', () => {
  const plan = planOf(1);
  const [first, ...others] = plan.stages;
  const reused = (stage: PlannedStage): FinishedStage => ({
    ...{ round: 1, stage: stage.name, arm: stage.arm, seconds: 0, reused: true },
  });
  const none = secondsLeft(plan, { round: 1, finished: [], running: [] })!;
  const one = secondsLeft(plan, { round: 1, finished: [reused(first!)], running: [] })!;
  expect(none - one).toBeGreaterThan(0);
  expect(none - one).toBeLessThan(2);
  expect(secondsLeft(plan, { round: 1, finished: [first!, ...others].map(reused), running: [] })).toBe(0);
});

it('takes the rows that a stage has found for done, and not for fast', () => {
  const plan = planOf(1);
  const { name, arm } = plan.stages.find((stage) => stage.calls > 0)!;
  const at = (running: Partial<RunningStage>): number =>
    secondsLeft(plan, {
      round: 1,
      finished: [],
      running: [{ label: stageLabel(name, arm), elapsedSeconds: 10, done: 0, found: 0, total: 1_000, ...running }],
    })!;
  // 900 of 1,000 found, ten seconds for 10 of the others: as if the stage had a hundred rows.
  const resumed = at({ done: 910, found: 900 });
  expect(resumed).toBeGreaterThan(at({ done: 910 }));
  expect(at({ done: 1_000, found: 900 })).toBeLessThan(resumed);
  // All found: nothing of it is left, and nothing of the rest has become faster or slower by it.
  expect(at({ done: 1_000, found: 1_000 })).toBeLessThanOrEqual(at({}));
});

it('says nothing while a stage makes nothing for longer than all of it was to take', () => {
  const plan = planOf(1);
  const at = plan.stages.findIndex(({ calls }) => calls > 0);
  const { name, arm } = plan.stages[at]!;
  const { low, high } = plan.prices.stages[at]!.seconds;
  const expected = Math.max(15, Math.sqrt(low * high));
  const left = (running: Partial<RunningStage>): number | undefined =>
    secondsLeft(plan, {
      round: 1,
      finished: [],
      running: [{ label: stageLabel(name, arm), elapsedSeconds: 0, done: 0, found: 0, total: 100, ...running }],
    });
  expect(left({ elapsedSeconds: 0.9 * expected })).toBeGreaterThan(0);
  expect(left({ elapsedSeconds: 1.1 * expected })).toBeUndefined();
  // Found is not made; made a while ago, and nothing since.
  expect(left({ elapsedSeconds: 1.1 * expected, done: 50, found: 50 })).toBeUndefined();
  expect(left({ elapsedSeconds: 1.1 * expected, done: 50 })).toBeGreaterThan(0);
  expect(left({ elapsedSeconds: 4 * expected, done: 50, idleSeconds: 2 * expected })).toBeGreaterThan(0);
  expect(left({ elapsedSeconds: 4 * expected, done: 50, idleSeconds: 3 * expected })).toBeUndefined();
});
