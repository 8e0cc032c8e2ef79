/**
 * What a plan is expected to take: tokens, money, seconds, device-hours and disk of every stage, each as a range with where it comes from.
 *
 * Owns the estimate. How often a thing is done is plan-counts.ts; reading what finished runs measured is the caller's. A figure comes, in this
 * order, from runs of the store that asked the very same model content through the same form of endpoint, from a setting (models.*.throughput),
 * from runs that asked it under other settings, or from an assumption, which is wide and goes by the size in the model's name (model-size.ts). What
 * counts as the same is speed-form.ts.
 *
 * Invariants
 * 1. Pure. Ranges have 0 <= low <= high; what is counted exactly is a range of no width.
 * 2. Tokens never pass the ceiling of the plan where nothing was measured: high is max_tokens for every call.
 * 3. What is measured is never taken for more than it is: one stage gives a wider range than several.
 */
import type { FigureSource, Plan, PlannedStage, PricedPlan, Range, StagePrice } from '../schemas/plan';
import type { RunConfig } from '../schemas/run-config';
import { stageLabel } from '../schemas/stage-names';
import { askedModelOf, costOfCalls, trainingCost } from './ledger';
import { charactersPerToken } from './plan-tokens';
import { modelForms, namedSize, rateOfSize, sizeIn, sizeWords, type RateOfBillion } from './model-size';
import { totalsOf } from './price-totals';
import { around, plus, spread, times, whole } from './ranges';
import type { AskedModel } from './served';
import {
  askForm,
  rowsPerStep,
  sectionOf,
  speedForm,
  speedKin,
  trainingKin,
  trainings,
  workPerStep,
  type BaseHashes,
  type Measurement,
} from './speed-form';

export interface PriceFacts {
  readonly measured?: readonly Measurement[];
  readonly bases?: BaseHashes;
}

/** Fewer calls than this, or less time than that, measure the start of a stage and not its speed. */
const callsMeasuredMin = 8;
const secondsMeasuredMin = 0.2;

/** A measured rate may be off by this factor: one stage knows nothing of its own spread. */
const spreadOfOne = 1.5;
/** Several stages: the slowest and fastest of them, a little wider. */
const spreadOfSeveral = 1.2;
/** A declared rate is a person's round number. */
const spreadDeclared = 1.3;
/** A rate by tokens that another stage of the same model measured: prompts and answers of other lengths. */
const spreadAcrossStages = 2;

/** Tokens and calls a second that the same stage had on other tasks, with other prompts or with other room for an answer. */
const spreadOtherTasks = 3;

/** A rate that the same model had under other settings: slots, a context or a batch of another size, another form of the weights. */
const spreadOtherSettings = 3;

/** Prompts are estimated by characters; tokenizers differ by this factor. */
const promptSpread = 1.3;
/** Answers end by themselves: at the least at so much of max_tokens. */
const answerShareMin = 0.1;
/** Tokens a call, where they were measured. */
const tokensSpread = 1.1;

/**
 * Output tokens in a second, of all calls together and with the reading of their prompts, where nobody knows: of a model of a billion weights.
 * managed: llama.cpp, from a few cores to a large GPU. static: a hosted endpoint, from a slow or rationed one to a good server. What a script
 * pretends has no size.
 */
const assumedOutputRate: Readonly<Record<Exclude<AskedModel['endpoint']['kind'], 'scripted'>, RateOfBillion>> = {
  managed: { low: 20, high: 20_000, most: 2_000 },
  static: { low: 500, high: 100_000, most: 10_000 },
  scorer: { low: 500, high: 200_000, most: 20_000 },
};
const assumedScriptedRate: Range = { low: 5_000, high: 500_000 };
/** Optimizer steps of SFT in a second where nobody knows, of a model of a billion weights: from a few cores to a large GPU. */
const assumedStepRate: RateOfBillion = { low: 0.02, high: 20, most: 5 };
/** Rows in such a step. */
const assumedRowsPerStep = 8;
/** Loading a model and its data before the first step, in seconds. */
const trainingStart: Range = { low: 5, high: 60 };
/** Starting and committing a stage of rows, or making one that asks nothing, in seconds. */
const stageStart: Range = { low: 0.2, high: 3 };
/** Finding that a stage is there, in seconds: a turn of the workflow, a task for a worker, and a look at the manifest and every output of it. */
const stageLook: Range = { low: 0.2, high: 1 };

/** A row is kept in the shard's results and in the stage's output; beside its text it has this many bytes of names and hashes. */
const rowCopies = 2;
const rowFrameBytes = 400;
/** Layer of a training that was never measured: an adapter of rank 16, or all weights, of a small and of a large model. */
const assumedLayerBytes: Readonly<Record<'lora' | 'full', Range>> = {
  lora: { low: 1e6, high: 4e8 },
  full: { low: 2e8, high: 1.5e11 },
};

/** The plan with its prices. */
export function pricePlan(config: RunConfig, plan: Plan, facts: PriceFacts = {}): PricedPlan {
  const stages = plan.stages.map((stage) => priceStage(config, stage, facts));
  const all = plan.stages.map((stage, at) => ({ stage, price: stages[at] as StagePrice }));
  const made = all.filter(({ stage }) => stage.reused !== true);
  const left = totalsOf(made);
  const looks = times(stageLook, all.length - made.length);
  const cache = modelForms(config, plan.stages);
  return {
    ...plan,
    prices: {
      stages,
      all: totalsOf(all),
      left: { ...left, seconds: plus(left.seconds, looks) },
      ...(cache && { cache }),
    },
  };
}

// ---- a stage -----------------------------------------------------------------------------------------------------

const nothing: Range = { low: 0, high: 0 };

function priceStage(config: RunConfig, stage: PlannedStage, { measured = [], bases = {} }: PriceFacts): StagePrice {
  const form = speedForm(config, stage.name, stage.arm, bases);
  const alike = form === undefined ? [] : measured.filter((one) => one.form === form);
  const kin = speedKin(config, stage.name, stage.arm, bases);
  const near = kin === undefined ? [] : measured.filter((one) => one.kin === kin && one.form !== form);
  if (trainings.includes(stage.name)) return priceTraining(config, stage, alike, near);
  if (stage.calls > 0) return priceCalls(config, stage, alike, near);
  const counted: FigureSource = { kind: 'counted', words: 'asks no model' };
  return {
    inputTokens: nothing,
    outputTokens: nothing,
    seconds: stageStart,
    deviceSeconds: nothing,
    diskBytes: rowsBytes(stage.rows, nothing),
    cost: nothing,
    from: { seconds: { kind: 'assumed', words: 'asks no model' }, tokens: counted },
  };
}

/** It measured a speed, and not the start of a stage. */
function isUsable({ calls, seconds }: Measurement): boolean {
  return calls >= callsMeasuredMin && seconds >= secondsMeasuredMin;
}

function priceCalls(
  config: RunConfig,
  stage: PlannedStage,
  alike: readonly Measurement[],
  near: readonly Measurement[],
): StagePrice {
  const asked = askedModelOf(config, stage.name, stage.arm);
  const usable = alike.filter(isUsable);
  const asks = askForm(config, stage.name);
  const ofThese = closest(
    usable.filter((one) => one.asks === undefined || one.asks === asks),
    stage,
  );
  const onOthers = ofThese.length === 0;
  const same = onOthers ? closest(usable, stage) : ofThese;
  const { calls } = stage;
  const ceiling = stage.outputTokens;
  const tokens = same.length > 0 ? measuredTokens(calls, { same, onOthers }, ceiling) : assumedTokens(stage);
  const { seconds, from } = secondsOfCalls(
    stage,
    tokens.outputTokens,
    { same, onOthers },
    usable,
    near.filter(isUsable),
    asked?.model,
  );
  const own = asked !== undefined && ['managed', 'scorer'].includes(asked.model.endpoint.kind);
  const price = asked?.model.price;
  const cost = (side: keyof Range): number =>
    price
      ? costOfCalls(
          { inputTokens: tokens.inputTokens[side], cachedInputTokens: 0, outputTokens: tokens.outputTokens[side] },
          price,
        )
      : 0;
  return {
    inputTokens: tokens.inputTokens,
    outputTokens: tokens.outputTokens,
    seconds: plus(seconds, stageStart),
    deviceSeconds: own ? seconds : nothing,
    diskBytes: rowsBytes(Math.max(stage.rows, calls), tokens.outputTokens),
    cost: { low: cost('low'), high: cost('high') },
    from: { seconds: from, tokens: tokens.from },
  };
}

/** Of the same stage those of the same arm, where there are some: shot counts and arms differ in the length of their prompts. */
function closest(measured: readonly Measurement[], { name, arm }: PlannedStage): readonly Measurement[] {
  const stage = measured.filter((one) => one.stage === name);
  const same = stage.filter((one) => one.arm === arm);
  return same.length > 0 ? same : stage;
}

/** Stages of the same kind by the same model, and whether all of them are on other tasks. */
interface Same {
  readonly same: readonly Measurement[];
  readonly onOthers: boolean;
}

function measuredTokens(calls: number, { same, onOthers }: Same, ceiling: number) {
  const factor = onOthers ? spreadOtherTasks : tokensSpread;
  const input = spread(
    same.map(({ inputTokens, calls: of }) => inputTokens / of),
    factor,
    factor,
  );
  const output = spread(
    same.map(({ outputTokens, calls: of }) => outputTokens / of),
    factor,
    factor,
  );
  const from = fromSame({ same, onOthers });
  const high = Math.min(ceiling, calls * output.high);
  return {
    inputTokens: whole(times(input, calls)),
    outputTokens: whole({ low: Math.min(high, calls * output.low), high }),
    from,
  };
}

function fromSame({ same, onOthers }: Same, rate = ''): FigureSource {
  const words = `${onOthers ? 'measured on other tasks or prompts' : 'measured'}: ${rate}${runsOf(same)}`;
  return { kind: onOthers ? 'similar' : 'measured', words, ...namesOf(same) };
}

function assumedTokens({ inputTokens, outputTokens }: PlannedStage) {
  const from: FigureSource = { kind: 'assumed', words: 'prompts by their length, answers up to max_tokens' };
  return {
    inputTokens: whole({ low: inputTokens / promptSpread, high: inputTokens * promptSpread }),
    outputTokens: whole({ low: outputTokens * answerShareMin, high: outputTokens }),
    from,
  };
}

function secondsOfCalls(
  stage: PlannedStage,
  output: Range,
  { same, onOthers }: Same,
  usable: readonly Measurement[],
  near: readonly Measurement[],
  model: AskedModel | undefined,
): { seconds: Range; from: FigureSource } {
  const { calls, name } = stage;
  const at = (rate: Range): Range => ({ low: calls / rate.high, high: calls / rate.low });
  const byTokens = (rate: Range): Range => ({ low: output.low / rate.high, high: output.high / rate.low });
  if (same.length > 0) {
    const rate = spread(
      same.map((one) => one.calls / one.seconds),
      onOthers ? spreadOtherTasks : spreadOfOne,
      onOthers ? spreadOtherTasks : spreadOfSeveral,
    );
    return { seconds: at(rate), from: fromSame({ same, onOthers }, `${words(rate)} calls/s, `) };
  }
  const writing = usable.filter(({ outputTokens }) => outputTokens > 0);
  if (writing.length > 0) {
    const rate = spread(
      writing.map((one) => one.outputTokens / one.seconds),
      spreadAcrossStages,
      spreadAcrossStages,
    );
    const other = [...new Set(writing.map(({ stage }) => stage))].filter((stage) => stage !== name).join(', ');
    return {
      seconds: byTokens(rate),
      from: {
        kind: 'measured',
        words: `measured: ${words(rate)} tokens/s in ${other}, ${runsOf(writing)}`,
        ...namesOf(writing),
      },
    };
  }
  const declared = model?.throughput;
  if (declared?.calls_per_second !== undefined) {
    const rate = around(declared.calls_per_second, spreadDeclared);
    return { seconds: at(rate), from: { kind: 'declared', words: 'declared: throughput.calls_per_second' } };
  }
  if (declared?.output_tokens_per_second !== undefined) {
    const rate = around(declared.output_tokens_per_second, spreadDeclared);
    return {
      seconds: byTokens(rate),
      from: { kind: 'declared', words: 'declared: throughput.output_tokens_per_second' },
    };
  }
  const nearest = closest(near, stage);
  const others = (nearest.length > 0 ? nearest : near).filter(({ outputTokens }) => outputTokens > 0);
  if (others.length > 0) {
    const rate = ofOthers(others.map((one) => one.outputTokens / one.seconds));
    return { seconds: byTokens(rate), from: similar(`${words(rate)} tokens/s`, others) };
  }
  // A scorer writes nothing: its calls are counted.
  if (nearest.length > 0) {
    const rate = ofOthers(nearest.map((one) => one.calls / one.seconds));
    return { seconds: at(rate), from: similar(`${words(rate)} calls/s`, nearest) };
  }
  if (model?.endpoint.kind === 'scripted')
    return {
      seconds: byTokens(assumedScriptedRate),
      from: assumed(`${words(assumedScriptedRate)} tokens/s of a script`),
    };
  const billions = model && namedSize(model);
  const rate = rateOfSize(assumedOutputRate[model?.endpoint.kind ?? 'managed'], billions);
  return { seconds: byTokens(rate), from: assumed(`${words(rate)} tokens/s of ${sizeWords(billions)}`) };
}

function ofOthers(values: readonly number[]): Range {
  return spread(values, spreadOtherSettings, spreadOtherSettings);
}

function assumed(what: string): FigureSource {
  return { kind: 'assumed', words: `assumed: ${what}` };
}

function similar(rate: string, measured: readonly Measurement[]): FigureSource {
  return { kind: 'similar', words: `measured with other settings: ${rate}, ${runsOf(measured)}`, ...namesOf(measured) };
}

function priceTraining(
  config: RunConfig,
  stage: PlannedStage,
  alike: readonly Measurement[],
  near: readonly Measurement[],
): StagePrice {
  const model = askedModelOf(config, stage.name, stage.arm)?.model;
  const isTraining = ({ steps, seconds }: Measurement): boolean => steps > 0 && seconds > 0;
  const measured = alike.filter(isTraining);
  const others = near.filter(isTraining);
  const declared = model?.throughput?.training_steps_per_second;
  // By the source alone, as kin are: stages that share the one share the other.
  const billions = model && sizeIn(model.source);
  const step = { rows: rowsPerStep(config, stage.name), work: workPerStep(config, stage.name) };
  const { rate, from } = rateOfSteps(measured, declared, others, { ...step, billions });
  const kin = from.kind === 'assumed' ? trainingKin(config, stage.name, stage.arm) : undefined;
  const steps: Range = { low: stage.steps / rate.high, high: stage.steps / rate.low };
  const start =
    measured.length > 0
      ? spread(
          measured.map(({ startSeconds }) => startSeconds),
          spreadOfOne,
          spreadOfSeveral,
        )
      : declared === undefined && others.length > 0
        ? ofOthers(others.map(({ startSeconds }) => startSeconds))
        : trainingStart;
  const seconds = plus(steps, start);
  const price = model?.price;
  const bytes = measured.map((one) => one.bytes).filter((size) => size > 0);
  return {
    inputTokens: nothing,
    outputTokens: nothing,
    seconds,
    deviceSeconds: seconds,
    diskBytes: bytes.length > 0 ? spread(bytes, 1, 1) : assumedLayerBytes[sectionOf(config, stage.name).adapter],
    cost: price ? { low: trainingCost(seconds.low, price), high: trainingCost(seconds.high, price) } : nothing,
    from: { seconds: from, tokens: { kind: 'counted', words: 'asks no model' } },
    ...(kin !== undefined && { kin }),
  };
}

/** Optimizer steps in a second. Of a training with batches of another size, by the examples that a step learns from. */
function rateOfSteps(
  measured: readonly Measurement[],
  declared: number | undefined,
  others: readonly Measurement[],
  step: { readonly rows: number; readonly work: number; readonly billions: number | undefined },
): { readonly rate: Range; readonly from: FigureSource } {
  if (measured.length > 0) {
    const rate = spread(
      measured.map(({ steps, seconds }) => steps / seconds),
      spreadOfOne,
      spreadOfSeveral,
    );
    const from = `measured: ${words(rate)} steps/s, ${runsOf(measured)}`;
    return { rate, from: { kind: 'measured', words: from, ...namesOf(measured) } };
  }
  if (declared !== undefined) {
    const from: FigureSource = { kind: 'declared', words: 'declared: throughput.training_steps_per_second' };
    return { rate: around(declared, spreadDeclared), from };
  }
  if (others.length > 0) {
    const rate = ofOthers(
      others.map((one) => (one.steps / one.seconds) * ((one.rowsPerStep ?? step.rows) / step.rows)),
    );
    return { rate, from: similar(`${words(rate)} steps/s`, others) };
  }
  const rate = times(rateOfSize(assumedStepRate, step.billions), assumedRowsPerStep / step.work);
  return { rate, from: assumed(`${words(rate)} steps/s of ${sizeWords(step.billions)}`) };
}

function rowsBytes(rows: number, output: Range): Range {
  const of = (tokens: number): number => Math.round(rowCopies * (tokens * charactersPerToken + rows * rowFrameBytes));
  return { low: Math.round(of(output.low) / 2), high: of(output.high) };
}

// ---- words -------------------------------------------------------------------------------------------------------

/** Two significant digits say all that is known. */
function words({ low, high }: Range): string {
  const short = (value: number): string => String(Number(value.toPrecision(2)));
  return `${short(low)} to ${short(high)}`;
}

/** The runs that measured. */
function namesOf(measured: readonly Measurement[]): Pick<FigureSource, 'runs'> {
  return { runs: [...new Set(measured.map(({ runId }) => runId))] };
}

/** Names of the runs that measured, the first few. */
function runsOf(measured: readonly Measurement[]): string {
  const runs = [...new Set(measured.map(({ runId }) => runId))];
  const labels = new Set(measured.map(({ stage, arm }) => stageLabel(stage, arm)));
  const named = runs.slice(0, 2).join(', ');
  return `${measured.length} ${measured.length === 1 ? 'stage' : 'stages'}${labels.size === 1 ? ` (${[...labels].join('')})` : ''} of ${named}${runs.length > 2 ? ` and ${runs.length - 2} more` : ''}`;
}
