/** Figures that are not known exactly: how they are added, scaled and made of what was seen. Pure. */
import type { Range } from '../schemas/plan';

export function plus(one: Range, other: Range): Range {
  return { low: one.low + other.low, high: one.high + other.high };
}

export function times({ low, high }: Range, factor: number): Range {
  return { low: low * factor, high: high * factor };
}

export function whole({ low, high }: Range): Range {
  return { low: Math.round(low), high: Math.round(high) };
}

export function around(value: number, factor: number): Range {
  return { low: value / factor, high: value * factor };
}

/** From the least to the most of what was seen, wider by a factor that depends on how often it was seen. */
export function spread(values: readonly number[], ofOne: number, ofSeveral: number): Range {
  const factor = values.length === 1 ? ofOne : ofSeveral;
  return { low: Math.min(...values) / factor, high: Math.max(...values) * factor };
}
