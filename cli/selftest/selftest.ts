/**
 * `arte selftest`: a config in small, run twice on platforms of its own, once undisturbed and once with its processes killed; then compared.
 * Owns the order of these and the result; each step is a file beside this one. Also what bench/sequences.ts is made of.
 */
import type { RunConfig } from '../../schemas/run-config';
import type { LoadedConfig } from '../config/load-config';
import { compareRuns, type Comparison } from './compare';
import { runOnce, type DoneKill, type RunOrder, type SeenRun } from './disturbed-run';
import { planKills } from './kill-plan';
import type { Part } from './parts';
import { answersAreStable } from './small-config';
import type { Account } from './snapshot';

export interface SelftestOrder {
  readonly loaded: Pick<LoadedConfig, 'configDir' | 'files'>;
  /** In small already. */
  readonly config: RunConfig;
  readonly kills: number;
  readonly seed: number;
  readonly keep: boolean;
  readonly onProgress: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** The command's last line. */
export interface SelftestResult extends Comparison {
  readonly ok: boolean;
  readonly config: string;
  readonly seed: number;
  /** How many processes were killed; those planned whose part did not come again before the end are in `missed`. */
  readonly kills: number;
  readonly killed: readonly DoneKill[];
  readonly missed: readonly Part[];
  readonly ledger: { readonly undisturbed: Account; readonly killed: Account };
  readonly calls: { readonly undisturbed: number; readonly killed: number; readonly lostInFlight: number };
  readonly seconds: { readonly undisturbed: number; readonly killed: number };
}

/** A killed run may take so many times as long as an undisturbed one, and so many seconds for each kill (a restart of the whole platform). */
const patience = { times: 3, secondsPerKill: 60, seconds: 120 } as const;
/** An undisturbed run in small that takes longer than this is not small. */
const undisturbedSecondsMax = 3 * 3600;

export async function selftest(order: SelftestOrder): Promise<SelftestResult> {
  const undisturbed = await undisturbedRun(order);
  return disturbed(order, undisturbed);
}

export async function undisturbedRun(order: Omit<SelftestOrder, 'kills' | 'seed'>): Promise<SeenRun> {
  order.onProgress('undisturbed run');
  const seen = await runOnce({ ...partsFor(order), kills: [], secondsMax: undisturbedSecondsMax });
  order.onProgress(
    `undisturbed run ended after ${seen.seconds.toFixed(0)}s; seen: ${[...seen.presence.keys()].join(', ')}`,
  );
  return seen;
}

/** The second run, against the first. */
export async function disturbed(order: SelftestOrder, undisturbed: SeenRun): Promise<SelftestResult> {
  const { config, kills, seed, onProgress } = order;
  onProgress(`run with ${kills} kills, seed ${seed}`);
  const seen = await runOnce({
    ...partsFor(order),
    kills: planKills(undisturbed, kills, seed),
    secondsMax: undisturbed.seconds * patience.times + kills * patience.secondsPerKill + patience.seconds,
  });
  onProgress(`killed run ended after ${seen.seconds.toFixed(0)}s, ${seen.kills.length} kills`);
  const comparison = compareRuns(undisturbed.snapshot, seen.snapshot, answersAreStable(config));
  return {
    ok: comparison.differing.length === 0,
    config: config.name,
    seed,
    kills: seen.kills.length,
    killed: seen.kills,
    missed: seen.missed,
    ...comparison,
    ledger: { undisturbed: undisturbed.snapshot.account, killed: seen.snapshot.account },
    calls: {
      undisturbed: undisturbed.snapshot.calls,
      killed: seen.snapshot.calls,
      lostInFlight: seen.snapshot.lostCalls,
    },
    seconds: { undisturbed: Math.round(undisturbed.seconds), killed: Math.round(seen.seconds) },
  };
}

function partsFor({
  loaded,
  config,
  keep,
  onProgress,
  signal,
}: Omit<SelftestOrder, 'kills' | 'seed'>): Omit<RunOrder, 'kills' | 'secondsMax'> {
  return { loaded, config, keep, onProgress, processes: true, ...(signal ? { signal } : {}) };
}
