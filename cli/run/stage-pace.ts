/**
 * How fast a stage at work goes, and when it ends. Owns when enough was seen to say so: a stage's end is told in one way, wherever it is shown. When the
 * run ends is run-eta.ts.
 */
import { formatCount, formatSeconds } from '../output';
import type { LiveStage } from './run-progress';

/** Speed of a live stage, measured between two looks at it. */
export interface Rate {
  readonly perSecond: number;
  readonly tokensPerSecond: number;
  /** At which the stage had made more than at the look before. */
  readonly looks: number;
}

/** Looks back this far for a rate: long enough to be calm, short enough to follow. */
const rateWindowMs = 20_000;
/**
 * And over so many times that something was made, however long ago: a step of a large training takes a minute, and one step in the last 20 s would be
 * three times its speed.
 */
const timesMin = 4;

/** Less of a stage's rows than this, and nothing is said of its end: the first to come back are the short ones, or have waited for a cold server. */
const rowsShareMin = 0.05;
/** The same of a training's steps: the first one warms up. */
const stepsMin = 2;
/** Looks that saw something made: one alone may have met a whole batch, or none. */
const looksMin = 2;

/** A look that saw more than the one before, or the first. */
interface Sample {
  readonly at: number;
  /** Made by what runs now: what it has found says nothing of its speed. */
  readonly made: number;
  readonly tokens: number;
}

/** Remembers what live stages had done, and says how fast they go. One per watch. */
export class RateMeter {
  private readonly seen = new Map<string, { samples: Sample[]; looks: number }>();

  /** Undefined until something was made. What then makes nothing gets slower with every look. */
  observe(stage: LiveStage, at: number): Rate | undefined {
    // A wave counts from nothing again.
    const key = `${stage.label} ${stage.since} ${stage.wave?.number ?? 1}`;
    const seen = this.seen.get(key) ?? { samples: [], looks: 0 };
    this.seen.set(key, seen);
    const tokens = stage.usage.inputTokens + stage.usage.outputTokens;
    const sample = { at, made: stage.done - stage.found, tokens };
    const before = seen.samples.at(-1);
    // Resumed at a checkpoint: what it had made after that did not last.
    if (!before || sample.made < before.made) seen.samples = [sample];
    else if (sample.made > before.made) {
      seen.looks += 1;
      // How long it has waited for its model, or loaded, says nothing of its speed.
      if (seen.looks === 1 && at - before.at >= rateWindowMs) seen.samples = [];
      seen.samples.push(sample);
    }
    const { samples } = seen;
    while (samples.length > timesMin + 1 && at - (samples[1] as Sample).at >= rateWindowMs) samples.shift();
    const [first, last] = [samples[0] as Sample, samples.at(-1) as Sample];
    if (last.made <= first.made || at - first.at < 1_000) return undefined;
    // Between two of them nothing is late before it takes longer than they did.
    const usual = (last.at - first.at) / (samples.length - 1);
    const seconds = Math.max(last.at - first.at, at - first.at - usual) / 1000;
    return {
      perSecond: (last.made - first.made) / seconds,
      tokensPerSecond: Math.max(0, last.tokens - first.tokens) / seconds,
      looks: seen.looks,
    };
  }
}

/**
 * Seconds until a stage ends; undefined while too little of it was seen, where it makes nothing, and where the run is known to end sooner: of two ends that
 * contradict each other the one that knows the plan is told.
 */
export function stageSecondsLeft(
  stage: LiveStage,
  rate: Rate | undefined,
  runSecondsLeft?: number,
): number | undefined {
  if (!rate || stage.total === 0 || stage.held || rate.looks < looksMin) return undefined;
  const [made, toMake] = [stage.done - stage.found, stage.total - stage.found];
  // As many rows as are asked at a time: before that only the fastest of the first calls have come back.
  const enough = stage.unit === 'steps' ? stepsMin : Math.max(rowsShareMin * toMake, stage.inFlight);
  if (made < enough) return undefined;
  const left = (toMake - made) / rate.perSecond;
  return runSecondsLeft !== undefined && left > runSecondsLeft ? undefined : left;
}

/** 12.34 -> "12.3", 0.0166 -> "0.017": a training makes a step in a minute, and "0.0" would say that it stands. */
export function formatRate(perSecond: number): string {
  return perSecond === 0 || perSecond >= 1 ? perSecond.toFixed(1) : String(Number(perSecond.toPrecision(2)));
}

/** How fast a stage goes and when it ends, in words that can stand apart; none where nothing is counted or seen yet. */
export function paceOf(stage: LiveStage, rate: Rate | undefined, runSecondsLeft?: number): string[] {
  if (!rate || stage.total === 0) return [];
  const left = stageSecondsLeft(stage, rate, runSecondsLeft);
  return [
    `${formatRate(rate.perSecond)}/s`,
    ...(rate.tokensPerSecond > 0 ? [`${formatCount(rate.tokensPerSecond)} tok/s`] : []),
    ...(left === undefined ? [] : [`this stage ends in ${formatSeconds(left)}`]),
  ];
}
