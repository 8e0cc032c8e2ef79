/**
 * What a shard says whose rows wait instead of being asked: how many, how much longer, what was said to them, and what a server asked for.
 * Owns the words, and whether anything is asked meanwhile; how long a row waits is outcomes.ts. Pure.
 */
import { retryAfterMaxMs } from '../../schemas/limits';
import { clipped } from './outcomes';

/** Where a shard's rows are. */
export interface Standstill {
  /** Rows that are not done, in flight or not. */
  readonly open: number;
  readonly inFlight: number;
  /** Rows that are to come back later, and how much later the first of them. */
  readonly resting: number;
  readonly firstForMs: number;
  /** They are so many that no fresh row is asked beside them. */
  readonly isFull: boolean;
  /** The endpoint is left alone for so long. */
  readonly closedForMs: number;
  /** Of the last call that failed, with the wait that the server asked for. */
  readonly last: { readonly message: string; readonly toldMs?: number | undefined } | undefined;
}

export interface Waits {
  readonly words: string;
  /** Nothing is in flight, and nothing is asked until then. */
  readonly held: boolean;
}

const messageCharactersMax = 200;

/** Undefined where no row waits. */
export function waitsOf(at: Standstill): Waits | undefined {
  const { open, inFlight, resting, firstForMs, isFull, closedForMs, last } = at;
  const allRest = resting > 0 && (resting >= open || isFull);
  const held = open > 0 && inFlight === 0 && (allRest || closedForMs > 0);
  if (!held && resting === 0) return undefined;
  const forMs = Math.max(closedForMs, allRest || !held ? firstForMs : 0);
  const rows = held ? open : resting;
  const seconds = Math.max(1, Math.ceil(forMs / 1000));
  const said = last === undefined ? '' : `: ${clipped(last.message, messageCharactersMax)}`;
  const words = `${rows === 1 ? '1 row waits' : `${rows} rows wait`} ${seconds} s more to be asked again${said}${askedWords(last?.toldMs)}`;
  return { words, held };
}

function askedWords(toldMs: number | undefined): string {
  if (toldMs === undefined) return '';
  const capped = toldMs > retryAfterMaxMs ? `; ${durationWords(retryAfterMaxMs)} is the most that is waited` : '';
  return ` (it says to come back in ${durationWords(toldMs)}${capped})`;
}

const unitsMs: readonly (readonly [unit: string, ms: number])[] = [
  ['years', 365.25 * 86_400_000],
  ['days', 86_400_000],
  ['hours', 3_600_000],
  ['minutes', 60_000],
];

/** In the greatest unit of which there are two: "31 years", "10 minutes", "45 s". */
function durationWords(ms: number): string {
  for (const [unit, each] of unitsMs) if (ms >= 2 * each) return `${Math.floor(ms / each)} ${unit}`;
  return `${Math.ceil(ms / 1000)} s`;
}
