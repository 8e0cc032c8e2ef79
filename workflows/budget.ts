/**
 * Waiting for money: work that does not fit beside what other work of the run has reserved comes again, because that other work mostly turns
 * out to cost less (decision record 0008). Owns how long; who may start is decided by the ledger (activities/budget.ts).
 */
import { sleep } from '@temporalio/workflow';
import { budgetWaitMs, budgetWaitsMax } from '../schemas/limits';
import { errorDataOf } from './attention';

/** What is said of work that has to wait; undefined when the error is another one, or it has waited long enough. */
export function waitsForBudget(error: unknown, waits: number): string | undefined {
  const { code, what } = errorDataOf(error);
  return code === 'BudgetReserved' && waits < budgetWaitsMax ? what : undefined;
}

/** Do work that reserves money, as soon as there is room. `onWait` is told why not yet, and undefined when it is tried again. */
export async function whenAffordable<T>(work: () => Promise<T>, onWait: (why?: string) => void): Promise<T> {
  for (let waits = 0; ; waits += 1) {
    try {
      return await work();
    } catch (error) {
      const why = waitsForBudget(error, waits);
      if (why === undefined) throw error;
      onWait(why);
      await sleep(budgetWaitMs);
      onWait();
    }
  }
}
