/**
 * Looks at all runs on the clock, once for everybody who has the page open. Owns the clock, what is looked at how often, and what is remembered;
 * figures come from run-progress.ts and from what runs leave in the store.
 *
 * Invariants: 1. One look at a time, and never more than one in lookMs, however many look at the page. 2. A look that fails leaves the last picture
 * standing, with the reason beside it: the page never shows an old picture as a new one. 3. What is remembered is bounded.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readLedger } from '../../activities/budget';
import { readCallCeiling } from '../../activities/call-ceiling';
import { isDamage } from '../../activities/damaged';
import { readManifest } from '../../activities/lineage';
import { readActions } from '../../activities/run-actions';
import { noSuchRunIn, readStages, runKeys, runsByLastWord } from '../../activities/run-records';
import { hasPrices } from '../../method/ledger';
import { ArteError, type ErrorData } from '../../schemas/errors';
import type { OutcomeCounts } from '../../schemas/rows';
import type { JsonValue } from '../../schemas/json';
import type { Ledger } from '../../schemas/ledger';
import type { StageManifest } from '../../schemas/manifest';
import type { RunProgress, StageRecord } from '../../schemas/messages';
import type { KeptPlan } from '../../schemas/plan';
import type { RunAction } from '../../schemas/run-action';
import type { RunConfig } from '../../schemas/run-config';
import type { Curve } from '../report/curve';
import { engineLost } from '../run/engine-lost';
import { PlanInForce } from '../run/kept-plan';
import { namingFullDisk } from '../doctor/full-disk';
import { openBundleOf } from '../run/run-config-of';
import { openEta, type Eta } from '../run/run-eta';
import { viewRun, type RunView } from '../run/run-progress';
import { isOver } from '../run/run-view';
import type { Rate } from '../run/stage-pace';
import type { Session } from '../session';
import { RunCurves } from './curves';
import { readResult, type RunResult } from './result';

/** Between two looks while somebody has the page open: each is a few requests to the engine for every run under way. */
export const lookMs = 2_000;
/** While nobody has: so that curves have no holes. */
const idleLookMs = 10_000;
/** Somebody who has not asked for so long has gone; the page asks every two seconds while it is in sight. */
const viewerGoneMs = 15_000;
/** Between two listings of the store, which goes through all documents of all runs; also for runs that nothing happens to. */
const listMs = 6_000;
/** Runs that are looked at at once. */
const looksAtOnce = 8;
/** Runs on the page, the newest first; older ones are counted. */
export const runsShownMax = 200;
/** Runs at rest whose curves are remembered: a run's may have a few megabytes. */
const runsRememberedMax = 40;
/** Older runs that are looked at because somebody has opened them. */
const wantedMax = 20;
/** Manifests of which something is remembered: they never change, and have a few hundred bytes each. */
const manifestsKeptMax = 5_000;

/** What a run said last of something that went wrong, and when that was seen. */
export interface Trouble {
  readonly at: string;
  readonly stage: string;
  readonly words: string;
}

/** What was seen of a run, and what of that is remembered. */
export interface SeenRun {
  readonly view: RunView;
  readonly rates: ReadonlyMap<string, Rate>;
  readonly curves: readonly Curve[];
  readonly secondsLeft?: number;
  readonly trouble?: Trouble;
  /** What came of it, once it is over. */
  readonly result?: RunResult;
}

/** Of a finished stage, from its manifest. */
export interface MadeStage {
  /** How its rows ended; all 0 where it has none. */
  readonly counts: OutcomeCounts;
  /** Of a training: last logged values and means. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly steps?: number;
  /** Of a training: how it went, as its record keeps it. */
  readonly curve?: JsonValue;
}

/** What is read only of runs that somebody looks at. */
export interface RunDetails {
  readonly config: RunConfig | undefined;
  readonly plan: KeptPlan | undefined;
  /** Of all rounds so far, in their order. */
  readonly stages: readonly StageRecord[];
  /** What the manifests of finished stages say, by their keys. */
  readonly made: ReadonlyMap<string, MadeStage>;
  /** Only of a run whose models have prices. */
  readonly ledger: Ledger | undefined;
  readonly actions: readonly RunAction[];
  readonly callCeiling: number | null;
}

export interface Picture {
  /** Epoch milliseconds of the last look that succeeded; 0 before the first. */
  readonly at: number;
  /** Counts looks: equal numbers, equal pictures. */
  readonly look: number;
  /** Newest first. */
  readonly runs: readonly SeenRun[];
  /** Runs that are older than those. */
  readonly older: number;
  /** Why the last look failed, and since when looks fail. */
  readonly problem?: { readonly error: ErrorData; readonly since: number };
}

export interface Gatherer {
  /** The picture as it is, for somebody who looks: made anew when it is too old. Waits for the first one. */
  picture(): Promise<Picture>;
  /** One run of the picture, also one that is older than those it shows. Errors: RunNotFound. */
  seen(runId: string): Promise<SeenRun>;
  /** What the store has of a run, read once a look. */
  details(runId: string): Promise<RunDetails>;
  /** Something was done to a run: look at once. */
  look(): Promise<void>;
  close(): Promise<void>;
}

/** What is remembered of one run. */
interface Memory {
  seen: SeenRun;
  readonly curves: RunCurves;
  eta?: Eta;
  /** When the run last wrote its progress, as of the last look. */
  modifiedAt: number;
  lookedAt: number;
}

export function startGathering({ client, store }: Pick<Session, 'client' | 'store'>, clock = Date.now): Gatherer {
  const memories = new Map<string, Memory>();
  const manifests = new Map<string, MadeStage>();
  const closing = new AbortController();
  let listed: { readonly runId: string; readonly modifiedAt: number }[] = [];
  let listedAt = 0;
  let askedAt = 0;
  let picture: Picture = { at: 0, look: 0, runs: [], older: 0 };
  /** Older runs that somebody has opened. */
  const wanted = new Set<string>();
  let looking: Promise<void> | undefined;
  let wake = new AbortController();

  async function list(now: number): Promise<void> {
    if (now - listedAt < listMs) return;
    // A run that is under way wrote last when its status changed; the newest of those that rest are those that somebody cares about.
    listed = await runsByLastWord(store);
    listedAt = now;
  }

  /** Nothing happens to a run that the engine does not have under way, until it writes or somebody starts it again. */
  function isDue({ runId, modifiedAt }: (typeof listed)[number], now: number): boolean {
    const memory = memories.get(runId);
    if (!memory || memory.modifiedAt !== modifiedAt) return true;
    return memory.seen.view.engine === 'RUNNING' || (memory.lookedAt < listedAt && now - memory.lookedAt > 5 * listMs);
  }

  async function lookAt(runId: string, modifiedAt: number): Promise<void> {
    const view = await endedOrViewed(runId);
    if (!view) return;
    const now = clock();
    const before = memories.get(runId);
    const curves = before?.curves ?? new RunCurves();
    const rates = new Map<string, Rate>();
    for (const stage of view.live) {
      const rate = curves.observe(view.progress.round, stage, now);
      if (rate) rates.set(stage.label, rate);
    }
    const eta = before?.eta ?? (view.live.length > 0 ? await openEta(store, runId) : undefined);
    const secondsLeft = await eta?.(view, now);
    const trouble = troubleOf(view, now) ?? before?.seen.trouble;
    // A run that is over writes no more before it is started again: its report is read once.
    const known = before?.modifiedAt === modifiedAt ? before.seen.result : undefined;
    const result = isOver(view.progress.status) ? (known ?? (await readResult(store, view, modifiedAt))) : undefined;
    const seen: SeenRun = {
      ...{ view, rates, curves: curves.all() },
      ...(secondsLeft === undefined ? {} : { secondsLeft }),
      ...(trouble === undefined ? {} : { trouble }),
      ...(result === undefined ? {} : { result }),
    };
    memories.set(runId, { seen, curves, ...(eta ? { eta } : {}), modifiedAt, lookedAt: now });
  }

  /** Of a run that had ended when it last wrote its own word is enough, and the engine is not asked. */
  async function endedOrViewed(runId: string): Promise<RunView | undefined> {
    let document: JsonValue | undefined;
    try {
      document = await store.getDocument(runKeys.progress(runId));
    } catch (error) {
      // The engine may know more of it, and it stays on the page.
      if (!isDamage(error)) throw error;
      return viewRun(client, store, runId);
    }
    if (document === undefined) return undefined;
    const progress = document as unknown as RunProgress;
    if (progress.status !== 'DONE' && progress.status !== 'CANCELLED') return viewRun(client, store, runId);
    return { progress, finished: await readStages(store, runId, progress.round), live: [], engine: undefined };
  }

  function forget(shown: typeof listed): void {
    const known = new Set(shown.map(({ runId }) => runId));
    for (const runId of memories.keys()) if (!known.has(runId)) memories.delete(runId);
    const atRest = [...memories.values()].filter(
      ({ seen }) => seen.view.engine !== 'RUNNING' && seen.curves.length > 0,
    );
    atRest.sort((one, other) => other.modifiedAt - one.modifiedAt);
    for (const memory of atRest.slice(runsRememberedMax)) {
      memory.curves.clear();
      memory.seen = { ...memory.seen, curves: [] };
    }
  }

  async function lookOnce(): Promise<void> {
    const now = clock();
    try {
      await list(now);
      const shown = listed.filter(({ runId }, index) => index < runsShownMax || wanted.has(runId));
      const due = shown.filter((each) => isDue(each, now));
      const failures: unknown[] = [];
      for (let from = 0; from < due.length; from += looksAtOnce) {
        const some = due.slice(from, from + looksAtOnce).map((each) => lookAt(each.runId, each.modifiedAt));
        for (const each of await Promise.allSettled(some)) if (each.status === 'rejected') failures.push(each.reason);
      }
      // One run that cannot be looked at hides no other.
      if (failures.length > 0 && failures.length === due.length) throw failures[0];
      forget(shown);
      const runs = shown.flatMap(({ runId }) => memories.get(runId)?.seen ?? []);
      runs.sort((one, other) => other.view.progress.startedAt.localeCompare(one.view.progress.startedAt));
      const problem =
        failures.length > 0 ? { error: await problemOf(failures[0]), since: picture.problem?.since ?? now } : undefined;
      const older = Math.max(0, listed.length - shown.length);
      picture = { at: clock(), look: picture.look + 1, runs, older, ...(problem ? { problem } : {}) };
    } catch (error) {
      const problem = { error: await problemOf(error), since: picture.problem?.since ?? now };
      picture = { ...picture, look: picture.look + 1, problem };
    }
  }

  function look(): Promise<void> {
    looking ??= lookOnce().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  /** One that is under way may have begun before what was done. */
  async function lookAgain(): Promise<void> {
    await looking;
    listedAt = 0;
    await look();
  }

  async function clockwork(): Promise<void> {
    while (!closing.signal.aborted) {
      await look();
      wake = new AbortController();
      const isWatched = clock() - askedAt < viewerGoneMs;
      const signal = AbortSignal.any([closing.signal, wake.signal]);
      await sleep(isWatched ? lookMs : idleLookMs, undefined, { signal }).catch(() => undefined);
    }
  }
  const running = clockwork();

  async function madeOf(stages: readonly StageRecord[]): Promise<ReadonlyMap<string, MadeStage>> {
    const found = new Map<string, MadeStage>();
    for (const { key } of stages) {
      const manifest = manifests.has(key) ? undefined : await readManifest(store, key);
      const made = manifests.get(key) ?? (manifest && madeBy(manifest));
      if (!made) continue;
      manifests.set(key, made);
      found.set(key, made);
    }
    while (manifests.size > manifestsKeptMax) manifests.delete(manifests.keys().next().value ?? '');
    return found;
  }

  async function readDetails(runId: string): Promise<RunDetails> {
    const config = await openBundleOf(store, runId);
    const rounds = memories.get(runId)?.seen.view.progress.round ?? 1;
    const [{ plan }, actions, callCeiling, ledger, ...stages] = await Promise.all([
      new PlanInForce(store, runId).read(),
      readActions(store, runId),
      readCallCeiling(store, runId),
      config && hasPrices(config) ? readLedger(store, runId, config) : undefined,
      ...Array.from({ length: rounds }, (_, index) => readStages(store, runId, index + 1)),
    ]);
    const all = stages.flat();
    return {
      ...{ config, plan, stages: all, made: await madeOf(all) },
      ...{ ledger, actions, callCeiling },
    };
  }
  /** Of the last look: whoever asks for the same run in between gets the same. */
  let read: { readonly look: number; readonly of: Map<string, Promise<RunDetails>> } = { look: -1, of: new Map() };

  return {
    async picture() {
      const now = clock();
      const wasIdle = now - askedAt > viewerGoneMs;
      askedAt = now;
      if (wasIdle && now - picture.at > lookMs) {
        wake.abort();
        await look();
      }
      while (picture.look === 0) await look();
      return picture;
    },
    async seen(runId) {
      const find = (): SeenRun | undefined => picture.runs.find(({ view }) => view.progress.runId === runId);
      const known = find();
      if (known) return known;
      // Started since the last listing, or older than what is shown.
      wanted.add(runId);
      if (wanted.size > wantedMax) wanted.delete(wanted.values().next().value ?? '');
      await lookAgain();
      const found = find();
      if (!found) wanted.delete(runId);
      if (!found) throw await noSuchRunIn(store, runId);
      return found;
    },
    details(runId) {
      if (read.look !== picture.look) read = { look: picture.look, of: new Map() };
      const known = read.of.get(runId) ?? readDetails(runId);
      read.of.set(runId, known);
      return known;
    },
    look: lookAgain,
    async close() {
      closing.abort();
      await running;
    },
  };
}

function madeBy({ counts, facts }: StageManifest): MadeStage {
  const { metrics = null, steps, curve } = facts;
  const logged = typeof metrics === 'object' && metrics !== null && !Array.isArray(metrics) ? metrics : {};
  const numbers = Object.entries(logged).filter((each): each is [string, number] => typeof each[1] === 'number');
  return {
    ...{ counts, metrics: Object.fromEntries(numbers) },
    ...(typeof steps === 'number' ? { steps } : {}),
    ...(curve === undefined ? {} : { curve }),
  };
}

function troubleOf({ live, progress, unreadable }: RunView, now: number): Trouble | undefined {
  if (unreadable?.[0] !== undefined)
    return { at: new Date(now).toISOString(), stage: 'store', words: `${unreadable[0]} arte doctor says what to do.` };
  const failure = progress.status === 'NEEDS_ATTENTION' ? progress.attention : progress.failed;
  if (failure) return { at: failure.since, stage: failure.stage, words: `${failure.error.what} ${failure.error.why}` };
  const troubled = live.find(({ trouble }) => trouble !== undefined);
  return troubled && { at: new Date(now).toISOString(), stage: troubled.label, words: troubled.trouble ?? '' };
}

/** The same of a look that failed, with a full disk named where that may be why. */
async function problemOf(thrown: unknown): Promise<ErrorData> {
  return dataOf(await namingFullDisk(engineLost(thrown) ?? thrown));
}

/** Any error as data, for people. */
export function dataOf(thrown: unknown): ErrorData {
  const error = engineLost(thrown) ?? thrown;
  if (error instanceof ArteError) return error.data;
  const what = error instanceof Error ? error.message : String(error);
  const why = 'This was not foreseen; it is a fault of arte, not of yours.';
  return { code: 'Unexpected', what, why, next: 'Try it again; arte doctor looks at each part.', retryable: true };
}
