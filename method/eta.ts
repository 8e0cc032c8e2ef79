/**
 * When a run will be done: what is left of its plan, corrected by what its finished and running stages took.
 *
 * Owns the arithmetic. The plan is method/price-plan.ts, what has happened is the caller's. Converges: what is left shrinks to nothing, and the
 * share of it that is guessed shrinks with every kind of stage that was seen. Pure.
 */
import type { PlannedStage, PricedPlan, StagePrice } from '../schemas/plan';
import { stageLabel, type StageName } from '../schemas/stage-names';

/** A stage that is done, and how long it worked. */
export interface FinishedStage {
  readonly round: number;
  readonly stage: StageName;
  readonly arm: string;
  /** Without what it waited for its model or the device. */
  readonly seconds: number;
  /** Found in the store: it took nothing, and says nothing of how fast this run is. */
  readonly reused: boolean;
}

/** A stage at work: `done` of `total`, where it says so (total 0: it does not). */
export interface RunningStage {
  /** stageLabel of it. */
  readonly label: string;
  /** Since it works: 0 while it waits for its model or the device. */
  readonly elapsedSeconds: number;
  readonly done: number;
  /** Of those: found by what runs now. They took it no time. */
  readonly found: number;
  readonly total: number;
  /** Since somebody saw it make something. Left out: since it works where it has made nothing, else 0. */
  readonly idleSeconds?: number;
}

export interface RunSoFar {
  /** The round under way: what belongs to earlier ones is over, whatever was planned. */
  readonly round: number;
  readonly finished: readonly FinishedStage[];
  readonly running: readonly RunningStage[];
}

/** How strongly a kind's own correction holds: so much of its planned work, seen, weighs as much as all other kinds together. */
const ownWorkShare = 0.1;
/**
 * Branches whose models are served elsewhere run side by side, and slow each other down: where the plan's seconds are not measured beside each
 * other, by this share of the shorter. What needs the workers' own device takes turns.
 */
const contentionAssumed = 0.5;

/** A stage of which little is expected may make nothing for so long, in seconds, before that says something: a cold cache, a busy machine. */
const idleSecondsMin = 15;

/**
 * Seconds until the run is done, if nobody pauses it; undefined where the plan has nothing of it, while most of that would be guessed, and while a stage makes
 * nothing for longer than all of it was to take: what holds it up is not in the plan.
 */
export function secondsLeft(
  { stages, prices }: Pick<PricedPlan, 'stages' | 'prices'>,
  so: RunSoFar,
): number | undefined {
  const planned = stages.map((stage, at) => itemOf(stage, prices.stages[at] as StagePrice));
  // Also of a round that the plan does not know: it is of another config, and nothing left of it is no end.
  if (planned.every(({ round }) => round < so.round)) return undefined;
  const finished = new Map(so.finished.map((each) => [placeOf(each.round, stageLabel(each.stage, each.arm)), each]));
  const running = new Map(so.running.map((each) => [placeOf(so.round, each.label), each]));
  const corrections = correctionsOf(planned, finished, running);
  let left = 0;
  const work = { all: 0, guessed: 0 };
  for (const round of new Set(planned.map((each) => each.round))) {
    if (round < so.round) continue;
    const branches = { shared: 0, arte: 0, beside: 0 };
    const onDevice = { shared: 0, arte: 0, beside: 0 };
    let measured = true;
    for (const item of planned) {
      if (item.round !== round || finished.has(item.place) || item.reused) continue;
      const live = running.get(item.place);
      const correction = corrections.of(item);
      if (live && isIdle(item, live, correction)) return undefined;
      const seconds = leftOf(item, live, correction);
      branches[item.branch ?? 'shared'] += seconds;
      if (item.needsDevice) onDevice[item.branch ?? 'shared'] += seconds;
      measured &&= item.measured;
      work.all += seconds;
      if (!item.measured && !corrections.saw(item)) work.guessed += seconds;
    }
    const { shared, arte, beside } = branches;
    const elsewhere = Math.min(arte - onDevice.arte, beside - onDevice.beside);
    left += shared + Math.max(arte, beside, onDevice.arte + onDevice.beside);
    if (!measured) left += contentionAssumed * elsewhere;
  }
  return work.guessed > guessedShareMax * work.all ? undefined : left;
}

interface Item {
  readonly place: string;
  readonly round: number;
  readonly branch: PlannedStage['branch'];
  /** What is alike in speed: one model asked, one kind of training. */
  readonly kind: string;
  /** Kinds whose plan is off by the same factor (StagePrice.kin): one that was not seen goes by another one that was. */
  readonly kin: string | undefined;
  readonly seconds: number;
  readonly reused: boolean;
  readonly measured: boolean;
  /** The workers' own device serves its model, or trains it. */
  readonly needsDevice: boolean;
}

/** The kind of what asks no model and trains none. */
const noModel = 'no model';

function itemOf(
  { round, name, arm, branch, model, steps, calls, reused }: PlannedStage,
  { seconds, deviceSeconds, from, kin }: StagePrice,
): Item {
  return {
    place: placeOf(round, stageLabel(name, arm)),
    round,
    branch,
    kind: steps > 0 ? name : calls > 0 ? `${model} asked` : noModel,
    kin,
    // The middle of a range whose ends are factors apart.
    seconds: Math.sqrt(Math.max(seconds.low, secondsMin) * Math.max(seconds.high, secondsMin)),
    reused: reused === true,
    measured: from.seconds.kind === 'measured' || (calls === 0 && steps === 0),
    needsDevice: deviceSeconds.high > 0,
  };
}

/**
 * More of what is left than this by speeds that nobody has measured, here or before, and nothing is said: such a speed is a guess of two orders of
 * magnitude, and one kind of work says little of another.
 */
const guessedShareMax = 1 / 3;

/** No stage takes less, in seconds. */
const secondsMin = 0.05;

function placeOf(round: number, label: string): string {
  return `${round} ${label}`;
}

/** Actual over planned seconds by kind; kinds of which nothing was seen go by their kin, and without one by all of them together. */
function correctionsOf(
  planned: readonly Item[],
  finished: ReadonlyMap<string, FinishedStage>,
  running: ReadonlyMap<string, RunningStage>,
): { readonly of: (item: Item) => number; readonly saw: (item: Item) => boolean } {
  const [byKind, byKin] = [new Seen(), new Seen()];
  const total = new Map<string, number>();
  const all = new Seen();
  for (const { place, kind, kin, seconds } of planned) {
    total.set(kind, (total.get(kind) ?? 0) + seconds);
    const work = workOf(seconds, finished.get(place), running.get(place));
    if (!work) continue;
    byKind.add(kind, work);
    if (kin !== undefined) byKin.add(kin, work);
    // What asks and trains nothing takes no time, and says nothing of what does.
    if (kind !== noModel) all.add('', work);
  }
  const overall = all.ratio('') ?? 1;
  const ofKin = ({ kin }: Item): number | undefined => (kin === undefined ? undefined : byKin.ratio(kin));
  return {
    saw: (item) => byKind.ratio(item.kind) !== undefined || ofKin(item) !== undefined,
    of(item) {
      const others = ofKin(item) ?? overall;
      const prior = ownWorkShare * (total.get(item.kind) ?? 0);
      return byKind.ratio(item.kind, { planned: prior, actual: prior * others }) ?? others;
    },
  };
}

interface Work {
  readonly planned: number;
  readonly actual: number;
}

/** Work that was seen, by what it has in common. */
class Seen {
  private readonly sums = new Map<string, Work>();

  add(key: string, { planned, actual }: Work): void {
    const sum = this.sums.get(key) ?? { planned: 0, actual: 0 };
    this.sums.set(key, { planned: sum.planned + planned, actual: sum.actual + actual });
  }

  /** Actual over planned, with so much expected work on top; undefined: nothing was seen. */
  ratio(key: string, { planned, actual }: Work = { planned: 0, actual: 0 }): number | undefined {
    const sum = this.sums.get(key);
    return sum && sum.planned > 0 ? (sum.actual + actual) / (sum.planned + planned) : undefined;
  }
}

/** How much of a stage's planned work was seen, and how long that took. */
function workOf(
  seconds: number,
  finished: FinishedStage | undefined,
  running: RunningStage | undefined,
): Work | undefined {
  if (finished) return finished.reused ? undefined : { planned: seconds, actual: finished.seconds };
  if (!running || running.total === 0 || running.done <= running.found) return undefined;
  return { planned: seconds * ((running.done - running.found) / running.total), actual: running.elapsedSeconds };
}

/** Whether a stage that asks a model or trains one has made nothing for longer than all of it was to take: by the plan, or by its own speed until then. */
function isIdle(
  { kind, seconds }: Item,
  { elapsedSeconds, done, found, total, idleSeconds = 0 }: RunningStage,
  correction: number,
): boolean {
  if (kind === noModel) return false;
  if (done <= found) return elapsedSeconds > Math.max(seconds * correction, idleSecondsMin);
  // It cannot have been idle for longer than it works.
  const idle = Math.min(idleSeconds, elapsedSeconds);
  const inAll = ((elapsedSeconds - idle) * (total - found)) / (done - found);
  return done < total && idle > Math.max(inAll, idleSecondsMin);
}

/** A stage that has done a part goes the more by its own speed, the larger that part is. */
function leftOf({ seconds }: Item, running: RunningStage | undefined, correction: number): number {
  if (!running) return seconds * correction;
  const { elapsedSeconds, found } = running;
  // What was found is not to be made: the stage is as much smaller.
  const [done, total] = [running.done - found, running.total - found];
  const expected = seconds * correction * (running.total > 0 ? total / running.total : 1);
  const byPlan = Math.max(0, expected - elapsedSeconds);
  const share = total > 0 ? Math.min(1, done / total) : running.total > 0 ? 1 : 0;
  if (share === 0) return byPlan;
  return share * ((elapsedSeconds * (1 - share)) / share) + (1 - share) * byPlan;
}
