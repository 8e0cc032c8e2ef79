/**
 * How many weights a model has, by its name, and what follows from that where nothing was measured: how fast it may be, and how large its forms are.
 *
 * Owns these rules of thumb. Which stages they are for is price-plan.ts. Pure. A name is no proof: what comes of it is called assumed.
 */
import type { Quantization } from '../schemas/model-ref';
import type { ModelForms, PlannedStage, Range } from '../schemas/plan';
import type { RunConfig } from '../schemas/run-config';
import { askedModelOf } from './ledger';
import type { AskedModel } from './served';

/** Weights in billions of a model whose name does not say: what people train on machines of their own. */
const unnamedBillions: Range = { low: 0.1, high: 10 };
/** A number outside of this, in billions, is not one of weights. */
const namedBillions: Range = { low: 0.005, high: 5_000 };

/** `…-135M…`, `…-0.5B…`, `…-1_6b…`, `…-8x7B…`, between anything but letters and digits; of several the last, which is nearest to the name itself. */
const sizeForm = /(?<![a-z0-9.])(?:(\d+)x)?((?<=-)\d+_\d+|\d+(?:\.\d+)?)([bm])(?![a-z0-9])/gi;

/** Weights in billions as the name of the source says them, or that of the model at a server of others; undefined where neither does. */
export function namedSize({ source, endpoint }: Pick<AskedModel, 'source' | 'endpoint'>): number | undefined {
  return sizeIn(source) ?? (endpoint.kind === 'static' ? sizeIn(endpoint.model) : undefined);
}

/** The same of one name. */
export function sizeIn(name: string): number | undefined {
  const last = [...name.matchAll(sizeForm)].at(-1);
  if (!last) return undefined;
  const [, experts = '1', count = '', unit = ''] = last;
  const billions = (Number(experts) * Number(count.replace('_', '.'))) / (unit.toLowerCase() === 'm' ? 1_000 : 1);
  return billions >= namedBillions.low && billions <= namedBillions.high ? billions : undefined;
}

/**
 * A rate that nobody measured, from a small machine to one large GPU. Of a model of a billion weights it is `low` to `high`. On the GPU it falls
 * with the number of weights, and a small model gains no more than `most`: then it is the calls that take time. On the small machine it falls with the
 * root of it: a machine that holds more weights has more cores and faster memory.
 */
export interface RateOfBillion extends Range {
  readonly most: number;
}

/** The rate of a model of so many billion weights; undefined: of any that people use. */
export function rateOfSize({ low, high, most }: RateOfBillion, billions: number | undefined): Range {
  const smallest = billions ?? unnamedBillions.low;
  const largest = billions ?? unnamedBillions.high;
  return { low: low / Math.sqrt(largest), high: Math.min(most, high / smallest) };
}

/** `a 135M model`, or the sizes that are assumed where the name says none. */
export function sizeWords(billions: number | undefined): string {
  if (billions !== undefined) return `a ${billions < 1 ? `${Math.round(billions * 1_000)}M` : `${billions}B`} model`;
  return `a model of ${unnamedBillions.low}B to ${unnamedBillions.high}B (its name says no size)`;
}

// ---- forms in the cache directory --------------------------------------------------------------------------------

/** Bytes of a weight in the merged folder, which is float32 (python/export.py). */
const folderBytesPerWeight = 4;
/** Bytes of a weight in a GGUF: quantized ones have a scale for every 32 weights. q5_0 and q4_0 are made from an f16 that stays beside them. */
const ggufBytesPerWeight: Readonly<Record<Quantization, number>> = {
  ...{ f32: 4, f16: 2, 'as-is': 2, q8_0: 1.0625 },
  ...{ q5_0: 2 + 0.6875, q4_0: 2 + 0.5625 },
};

/** What these trainings leave in the cache directory: of each model the folder of its weights, and the GGUF by which a worker serves it. */
export function modelForms(config: RunConfig, stages: readonly PlannedStage[]): ModelForms | undefined {
  let [models, bytes, uncounted] = [0, 0, 0];
  for (const { name, arm, steps, reused } of stages) {
    const model = steps > 0 && reused !== true ? askedModelOf(config, name, arm)?.model : undefined;
    if (model?.endpoint.kind !== 'managed') continue;
    const billions = namedSize(model);
    models += 1;
    if (billions === undefined) uncounted += 1;
    else bytes += billions * 1e9 * (folderBytesPerWeight + ggufBytesPerWeight[model.endpoint.quantization]);
  }
  return models === 0 ? undefined : { models, bytes: Math.round(bytes), uncounted };
}
