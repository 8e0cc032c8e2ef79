/**
 * The ledger of a run in the store (docs/decisions/0008): reservations before work starts, settlements when it ends, the cap that a person
 * sets. Owns the document and its conditional writes; the arithmetic is method/ledger.ts.
 *
 * Invariants: 1. A change is made to what stands there, or not at all: of two workers that write at once one begins again.
 * 2. Work without a price is in no ledger: no request is made for it.
 */
import type { ArtifactStore } from '../drivers/store/store';
import {
  beginTraining,
  close,
  closeTraining,
  costOfCalls,
  costOfLostCalls,
  emptyLedger,
  ledgerTotals,
  meterTraining,
  releaseAll,
  reserve,
  settle,
  trainingCost,
  type LedgerWork,
  type Reservation,
} from '../method/ledger';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { ledgerSchema, type Ledger } from '../schemas/ledger';
import { trainingMeterMs, trainingReserveMs } from '../schemas/limits';
import { noUsage, paidByRun, type StageUsage } from '../schemas/manifest';
import type { ShardOutput } from '../schemas/messages';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import type { ShardProgress, ShardStanding } from './row-engine/types';
import { changeDocument } from './change-document';
import { runKeys } from './run-records';

/** Ask the ledger for money. Errors: BudgetExhausted, BudgetReserved. */
async function admit(
  store: ArtifactStore,
  runId: string,
  config: RunConfig,
  work: LedgerWork,
  ceiling: number,
  ask: (ledger: Ledger) => Reservation,
): Promise<void> {
  const { outcome, ledger } = await changeLedger(store, runId, config.budget.cap, ask);
  if (outcome !== 'granted') throw refusal(outcome, ledger, work, ceiling, runId, config.platform.currency);
}

/** The run's ledger as it stands; an empty one under the config's cap when nothing was spent yet. */
export async function readLedger(store: ArtifactStore, runId: string, config: RunConfig): Promise<Ledger> {
  const document = await store.getDocument(runKeys.ledger(runId));
  return document === undefined ? emptyLedger(config.budget.cap) : ledgerSchema.parse(document);
}

/** Set the cap of a run, whatever state it is in; null takes it away. */
export async function setCap(
  store: ArtifactStore,
  runId: string,
  config: RunConfig,
  cap: number | null,
): Promise<Ledger> {
  const { ledger } = await changeLedger(store, runId, config.budget.cap, (standing) => ({
    ledger: { ...standing, cap },
  }));
  return ledger;
}

/**
 * Free what the run's killed attempts had reserved: theirs is work that may never be asked for again, or that another run makes. For a moment in
 * which nothing of the run is under way; a ledger without reservations, or none at all, is left as it is. `isAtRest` is asked after the ledger was read,
 * and again when it has changed since: what begins meanwhile and reserves keeps what it has.
 */
export async function releaseReservations(
  store: ArtifactStore,
  runId: string,
  isAtRest: () => Promise<boolean> = () => Promise.resolve(true),
): Promise<void> {
  await changeLedger(store, runId, null, async (ledger) => {
    const released = releaseAll(ledger);
    return { ledger: released !== ledger && (await isAtRest()) ? released : ledger };
  });
}

/** The account of a shard, by the price of the model that it asks. */
export interface ShardAccount {
  /** Reserves what the open rows may cost. Errors: BudgetExhausted, BudgetReserved. */
  readonly admit: (standing: ShardStanding) => Promise<void>;
  /**
   * How far the shard is, and what the run has paid for of it by now. Calls that are lost, and malformed answers, are asked again and paid twice: past
   * its reservation the shard asks for what its open rows may take, and is stopped where the cap does not allow that.
   */
  observe(progress: Pick<ShardProgress, 'paid' | 'done' | 'found' | 'total'>): void;
  /** Aborts when the shard has to stop, with BudgetExhausted or BudgetReserved. */
  readonly over: AbortSignal;
  /** Waits for the shard and writes down what it has cost, however it ends. */
  settleWith(shard: Promise<ShardOutput>): Promise<ShardOutput>;
}

/** Undefined when the model's tokens have no price. */
export function openShardAccount(
  store: ArtifactStore,
  runId: string,
  config: RunConfig,
  price: ModelConfig['price'],
  work: LedgerWork,
): ShardAccount | undefined {
  if (price.input === 0 && price.cached_input === 0 && price.output === 0) return undefined;
  const change = (to: (ledger: Ledger) => Ledger): Promise<unknown> =>
    changeLedger(store, runId, config.budget.cap, (ledger) => ({ ledger: to(ledger) }));
  // Recorded answers, and what was lost in flight at its highest.
  const totalOf = (usage: StageUsage): number => costOfCalls(usage, price) + costOfLostCalls(usage, price);
  let total = 0;
  let ceiling = 0;
  /** The total up to which its money is reserved. */
  let covered = Infinity;
  let asking: Promise<void> | undefined;
  const over = new AbortController();
  const ask = async (most: number): Promise<void> => {
    const by = total;
    await admit(store, runId, config, work, most, (ledger) => reserve(ledger, work, by, most));
    covered = by + most;
  };
  return {
    over: over.signal,
    admit: async ({ paid, openMax }) => {
      total = totalOf(paid);
      ceiling = costOfCalls(openMax, price);
      await ask(ceiling);
    },
    observe({ paid, done, found, total: rows }) {
      total = totalOf(paid);
      if (total <= covered || done >= rows || asking !== undefined || over.signal.aborted) return;
      asking = ask((ceiling * (rows - done)) / (rows - found))
        .catch((error: unknown) => {
          // A store that is away for a moment is asked again with the next progress.
          if (error instanceof ArteError && error.data.code.startsWith('Budget')) over.abort(error);
        })
        .finally(() => {
          asking = undefined;
        });
    },
    async settleWith(shard) {
      let output: ShardOutput;
      try {
        output = await shard;
        await asking;
      } catch (error) {
        await asking;
        // Where the store is away too, the reservation stays until the next attempt replaces it.
        await change((ledger) => settle(ledger, work, total)).catch(() => undefined);
        throw error;
      }
      const whole = Math.max(total, totalOf(paidByRun(output.paidBy, runId) ?? noUsage));
      await change((ledger) => close(ledger, work, whole));
      return output;
    },
  };
}

/** What a training made, and the seconds that the ledger has for it. */
export interface Metered<T> {
  readonly made: T;
  readonly paidSeconds: number;
}

export interface TrainingAccount {
  readonly store: ArtifactStore;
  readonly runId: string;
  readonly config: RunConfig;
  readonly price: ModelConfig['price'];
  readonly work: LedgerWork;
}

/**
 * Run a training by the hour, from when it says that it begins: what it waits before for a device costs nothing. Some minutes of it are
 * reserved ahead, and its cost is written down as it grows. Over the cap it is stopped, and goes on at its last checkpoint once the cap is raised.
 * Not known before: how many hours it will take; not written down: what a kill cuts off since the last minute.
 */
export async function withMeter<T>(
  { store, runId, config, price, work }: TrainingAccount,
  signal: AbortSignal,
  train: (signal: AbortSignal, begins: () => void) => Promise<T>,
  { reserveMs = trainingReserveMs, meterMs = trainingMeterMs } = {},
): Promise<Metered<T>> {
  let startedAt: number | undefined;
  const begins = (): void => {
    startedAt ??= performance.now();
  };
  const seconds = (): number => (startedAt === undefined ? 0 : (performance.now() - startedAt) / 1000);
  if (price.training_hour === 0) {
    const made = await train(signal, begins);
    return { made, paidSeconds: seconds() };
  }
  const reserved = trainingCost(reserveMs / 1000, price);
  await admit(store, runId, config, work, reserved, (ledger) => beginTraining(ledger, work, reserved));
  const cost = (): number => trainingCost(seconds(), price);
  // Enough until the time after next that it is written: a cap is not passed in between.
  const ahead = trainingCost((2 * meterMs) / 1000, price);
  const over = new AbortController();
  let writing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    // While it waits, what was reserved for its beginning stays reserved.
    if (startedAt === undefined) return;
    const by = cost();
    writing = admit(store, runId, config, work, ahead, (ledger) => meterTraining(ledger, work, by, ahead)).catch(
      (error: unknown) => {
        // A store that is away for a minute is no reason to stop a training.
        if (error instanceof ArteError && error.data.code.startsWith('Budget')) over.abort(error);
      },
    );
  }, meterMs);
  const stop = async (): Promise<number> => {
    clearInterval(timer);
    await writing;
    const paidSeconds = seconds();
    await changeLedger(store, runId, config.budget.cap, (ledger) => ({
      ledger: closeTraining(ledger, work, trainingCost(paidSeconds, price)),
    }));
    return paidSeconds;
  };
  let made: T;
  try {
    made = await train(AbortSignal.any([signal, over.signal]), begins);
  } catch (error) {
    await stop();
    throw error;
  }
  return { made, paidSeconds: await stop() };
}

/** A training was found made: what attempts of this run that were killed over it had written down is put away. Errors: the store's. */
export async function closeMeter({ store, runId, config, price, work }: TrainingAccount): Promise<void> {
  if (price.training_hour === 0) return;
  await changeLedger(store, runId, config.budget.cap, (ledger) => ({ ledger: closeTraining(ledger, work, 0) }));
}

/** Changes of one run's ledger in this process wait for each other; only those of other workers can collide. */
const turns = new Map<string, Promise<unknown>>();

interface LedgerChange {
  readonly ledger: Ledger;
}

async function changeLedger<Change extends LedgerChange>(
  store: ArtifactStore,
  runId: string,
  /** Of a ledger that is begun by this change. */
  cap: number | null,
  change: (ledger: Ledger) => Change | Promise<Change>,
): Promise<Change> {
  const before = turns.get(runId) ?? Promise.resolve();
  const mine = before.then(() => changeNow(store, runId, cap, change));
  const settled = mine.catch(() => undefined);
  turns.set(runId, settled);
  try {
    return await mine;
  } finally {
    if (turns.get(runId) === settled) turns.delete(runId);
  }
}

async function changeNow<Change extends LedgerChange>(
  store: ArtifactStore,
  runId: string,
  cap: number | null,
  change: (ledger: Ledger) => Change | Promise<Change>,
): Promise<Change> {
  let changed: Change | undefined;
  await changeDocument(store, runKeys.ledger(runId), `The ledger of ${runId}`, async (standing) => {
    const ledger = standing === undefined ? emptyLedger(cap) : ledgerSchema.parse(standing);
    changed = await change(ledger);
    return changed.ledger === ledger ? undefined : (changed.ledger as unknown as JsonValue);
  });
  if (!changed) throw new Error('a change of the ledger was not asked for');
  return changed;
}

function refusal(
  outcome: 'reserved' | 'exhausted',
  ledger: Ledger,
  { stage }: LedgerWork,
  ceiling: number,
  runId: string,
  currency: string,
): ArteError {
  const { spent, reserved } = ledgerTotals(ledger);
  const money = (amount: number): string => `${formatMoney(amount)} ${currency}`;
  const raise = `arte budget set ${runId} AMOUNT --retry`;
  return new ArteError(outcome === 'exhausted' ? 'BudgetExhausted' : 'BudgetReserved', {
    what: `The next piece of ${stage} may cost up to ${money(ceiling)}; ${money(spent)} of the cap of ${money(ledger.cap ?? 0)} are spent${
      outcome === 'reserved' ? ` and ${money(reserved)} reserved by other work` : ''
    }.`,
    why:
      outcome === 'exhausted'
        ? 'It was not started, because it could pass the cap. What was under way is kept.'
        : 'It fits under the cap once the other work turns out to cost less than it reserved; it was waited for.',
    next:
      outcome === 'exhausted'
        ? `${raise} raises the cap and goes on.`
        : `arte retry ${runId} when the other work has ended, or ${raise}.`,
  });
}

/** Enough digits to see an amount: cents, or four significant digits of less. */
export function formatMoney(amount: number): string {
  return amount === 0 || amount >= 1 ? amount.toFixed(2) : String(Number(amount.toPrecision(4)));
}
