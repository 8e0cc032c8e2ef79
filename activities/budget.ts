/**
 * The ledger of a run in the store (docs/decisions/0008): reservations before work starts, settlements when it ends, the cap that a person
 * sets. Owns the document and its conditional writes; the arithmetic is method/ledger.ts.
 *
 * Invariants: 1. A change is made to what stands there, or not at all: of two workers that write at once one begins again.
 * 2. Work without a price is in no ledger: no request is made for it.
 */
import type { ArtifactStore } from '../drivers/store/store';
import {
  close,
  costOfCalls,
  costOfLostCalls,
  emptyLedger,
  ledgerTotals,
  reserve,
  settle,
  trainingCost,
  type LedgerWork,
} from '../method/ledger';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { ledgerSchema, type Ledger } from '../schemas/ledger';
import { trainingMeterMs, trainingReserveMs } from '../schemas/limits';
import { noUsage, type StageUsage } from '../schemas/manifest';
import type { ShardOutput } from '../schemas/messages';
import type { ModelConfig, RunConfig } from '../schemas/run-config';
import type { ShardStanding } from './row-engine/types';
import { changeDocument } from './change-document';
import { runKeys } from './run-records';

/** The account of one piece of work. */
interface WorkBudget {
  /** Before anything is asked. Errors: BudgetExhausted, BudgetReserved. */
  reserve(total: number, ceiling: number): Promise<void>;
  /** The attempt is over, the work is not. */
  settle(total: number): Promise<void>;
  /** The work is whole. */
  close(total: number): Promise<void>;
}

/** The account of a piece of work in a run. */
function openWork(store: ArtifactStore, runId: string, config: RunConfig, work: LedgerWork): WorkBudget {
  const change = <Change extends LedgerChange>(to: (ledger: Ledger) => Change): Promise<Change> =>
    changeLedger(store, runId, config, to);
  return {
    async reserve(total, ceiling) {
      const { outcome, ledger } = await change((standing) => reserve(standing, work, total, ceiling));
      if (outcome === 'granted') return;
      throw refusal(outcome, ledger, work, ceiling, runId, config.platform.currency);
    },
    async settle(total) {
      await change((ledger) => ({ ledger: settle(ledger, work, total) }));
    },
    async close(total) {
      await change((ledger) => ({ ledger: close(ledger, work, total) }));
    },
  };
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
  const { ledger } = await changeLedger(store, runId, config, (standing) => ({ ledger: { ...standing, cap } }));
  return ledger;
}

/** The account of a shard, by the price of the model that it asks. */
export interface ShardAccount {
  /** Reserves what the open rows may cost. Errors: BudgetExhausted, BudgetReserved. */
  readonly admit: (standing: ShardStanding) => Promise<void>;
  /** What the run has paid for of the shard by now. */
  observe(paid: StageUsage): void;
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
  const budget = openWork(store, runId, config, work);
  // Recorded answers, and what was lost in flight at its highest.
  const totalOf = (usage: StageUsage): number => costOfCalls(usage, price) + costOfLostCalls(usage, price);
  let total = 0;
  return {
    admit: async ({ paid, openMax }) => {
      total = totalOf(paid);
      await budget.reserve(total, costOfCalls(openMax, price));
    },
    observe(paid) {
      total = totalOf(paid);
    },
    async settleWith(shard) {
      let output: ShardOutput;
      try {
        output = await shard;
      } catch (error) {
        // Where the store is away too, the reservation stays until the next attempt replaces it.
        await budget.settle(total).catch(() => undefined);
        throw error;
      }
      await budget.close(Math.max(total, totalOf(output.paidBy[runId] ?? noUsage)));
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
 * Run a training by the hour: some minutes of it are reserved ahead, and its cost is written down as it grows. Over the cap it is stopped, and
 * goes on at its last checkpoint once the cap is raised. Not known before: how many hours it will take; not written down: what a kill cuts off
 * since the last minute.
 */
export async function withMeter<T>(
  { store, runId, config, price, work }: TrainingAccount,
  signal: AbortSignal,
  train: (signal: AbortSignal) => Promise<T>,
  { reserveMs = trainingReserveMs, meterMs = trainingMeterMs } = {},
): Promise<Metered<T>> {
  if (price.training_hour === 0) {
    const startedAt = performance.now();
    return { made: await train(signal), paidSeconds: (performance.now() - startedAt) / 1000 };
  }
  const budget = openWork(store, runId, config, work);
  // What an attempt that was killed had written down: this one counts from nothing again.
  await budget.close(0);
  await budget.reserve(0, trainingCost(reserveMs / 1000, price));
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  const cost = (): number => trainingCost(seconds(), price);
  // Enough until the time after next that it is written: a cap is not passed in between.
  const ahead = trainingCost((2 * meterMs) / 1000, price);
  const over = new AbortController();
  let writing: Promise<void> = Promise.resolve();
  const timer = setInterval(() => {
    writing = budget.reserve(cost(), ahead).catch((error: unknown) => {
      // A store that is away for a minute is no reason to stop a training.
      if (error instanceof ArteError && error.data.code.startsWith('Budget')) over.abort(error);
    });
  }, meterMs);
  const stop = async (): Promise<number> => {
    clearInterval(timer);
    await writing;
    const paidSeconds = seconds();
    await budget.close(trainingCost(paidSeconds, price));
    return paidSeconds;
  };
  let made: T;
  try {
    made = await train(AbortSignal.any([signal, over.signal]));
  } catch (error) {
    await stop();
    throw error;
  }
  return { made, paidSeconds: await stop() };
}

/** Changes of one run's ledger in this process wait for each other; only those of other workers can collide. */
const turns = new Map<string, Promise<unknown>>();

interface LedgerChange {
  readonly ledger: Ledger;
}

async function changeLedger<Change extends LedgerChange>(
  store: ArtifactStore,
  runId: string,
  config: RunConfig,
  change: (ledger: Ledger) => Change,
): Promise<Change> {
  const before = turns.get(runId) ?? Promise.resolve();
  const mine = before.then(() => changeNow(store, runId, config, change));
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
  config: RunConfig,
  change: (ledger: Ledger) => Change,
): Promise<Change> {
  let changed: Change | undefined;
  await changeDocument(store, runKeys.ledger(runId), `The ledger of ${runId}`, (standing) => {
    const ledger = standing === undefined ? emptyLedger(config.budget.cap) : ledgerSchema.parse(standing);
    changed = change(ledger);
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
