/**
 * What a person may order from the page: the same orders as on the command line, by the same code, kept with the same who, when and why. Owns the
 * shape of an order as the page sends it, and its words; what is allowed is decided where the run is (workflows/steering.ts).
 */
import { z } from 'zod';
import { noSuchRunIn } from '../../activities/run-records';
import { ArteError } from '../../schemas/errors';
import { approveOrder } from '../commands/approve';
import { budgetLine } from '../run/budget-view';
import { nothingToRetry, orderCap, parseAmount } from '../commands/budget';
import { cancelRun } from '../commands/cancel';
import { ceilingLine } from '../run/ceiling-line';
import { orderCeiling, parseCalls } from '../commands/concurrency';
import { pauseOrder } from '../commands/pause';
import { rejectOrder } from '../commands/reject';
import { resumeOrder } from '../commands/resume';
import { judgeChange, keepChange, orderRetry, shortfall } from '../commands/retry';
import { openBundleOf } from '../run/run-config-of';
import { viewRun } from '../run/run-progress';
import type { VerdictOrder } from '../../schemas/run-action';
import type { Session } from '../session';
import { orderOf, steer, type SteeringCommand } from '../run/steer-run';

/** Settings that one retry may set, and characters of one: far above what anybody types. */
const settingsMax = 50;
const settingCharactersMax = 2_000;

/** Why; cut where it is kept. */
const reason = z.string().max(10_000).optional();

const pageOrderSchema = z.discriminatedUnion('order', [
  z.strictObject({ order: z.enum(['pause', 'resume', 'cancel']), reason }),
  z.strictObject({
    order: z.enum(['approve', 'reject']),
    reason,
    /** The round that was asked about when the form was opened. */
    round: z.number().int().positive().optional(),
  }),
  z.strictObject({
    order: z.literal('retry'),
    reason,
    /** `align.batch_size=4`, as after --set. */
    set: z.array(z.string().max(settingCharactersMax)).max(settingsMax).optional(),
    /** Only say what it would change. */
    dryRun: z.boolean().optional(),
  }),
  z.strictObject({
    order: z.literal('budget'),
    reason,
    amount: z.string().max(100),
    /** Go on at once, if it is parked. */
    retry: z.boolean().optional(),
  }),
  z.strictObject({ order: z.literal('concurrency'), reason, calls: z.string().max(100) }),
]);
export type PageOrder = z.infer<typeof pageOrderSchema>;

const single: Readonly<Record<'pause' | 'resume' | 'approve' | 'reject', SteeringCommand>> = {
  pause: pauseOrder,
  resume: resumeOrder,
  approve: approveOrder,
  reject: rejectOrder,
};

/** Errors: InvalidInput. */
export function parseOrder(body: unknown): PageOrder {
  const parsed = pageOrderSchema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new ArteError('InvalidInput', {
    what: 'That is no order.',
    why: parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
    next: 'Load the page again; if it stays so, arte and its page are not of one version.',
  });
}

/** Carry an order out; what came of it in words, a line each. Errors: those of the command. */
export async function carryOut(session: Session, runId: string, order: PageOrder): Promise<readonly string[]> {
  const { store } = session;
  const why = { reason: order.reason === '' ? undefined : order.reason };
  switch (order.order) {
    case 'pause':
    case 'resume':
    case 'approve':
    case 'reject': {
      const command = single[order.order];
      const { update, name, done } = command;
      const about = 'round' in order && order.round !== undefined ? { round: order.round } : {};
      const said: VerdictOrder = { ...orderOf(command, runId, why.reason), ...about };
      if (about.round !== undefined) await requireAsked(session, runId, about.round);
      const began = Date.now();
      const progress = await steer(session, runId, update, said, name);
      return done(progress, (Date.now() - began) / 1000);
    }
    case 'cancel':
      // The page sees the end of it: nobody waits here.
      await cancelRun(session, runId, why);
      return [`run ${runId} is being cancelled; its rows are kept, and its report is written`];
    case 'concurrency': {
      const calls = parseCalls(order.calls);
      await orderCeiling(session, runId, calls, why);
      return [ceilingLine(calls) ?? 'no ceiling is set: as many calls as the endpoints bear'];
    }
    case 'budget': {
      const cap = parseAmount(order.amount);
      const config = await openBundleOf(store, runId);
      if (!config) throw await noSuchRunIn(store, runId);
      const { retry = false } = order;
      const { ledger, parked, underWay } = await orderCap(session, runId, config, cap, why);
      const more = parked ? shortfall(ledger) : undefined;
      const lines = [budgetLine(runId, config, ledger) ?? ''];
      if (retry && underWay !== undefined) return [...lines, nothingToRetry(runId, underWay)];
      if (retry) {
        await orderRetry(session, runId, why);
        return [...lines, `run ${runId} goes on`];
      }
      if (more !== undefined) return [...lines, `That is not enough to go on: ${more} Set it to at least that.`];
      return parked ? [...lines, `The run waits: retry goes on.`] : lines;
    }
    case 'retry': {
      const set = (order.set ?? []).map((each) => each.trim()).filter((each) => each !== '');
      if (set.length === 0) {
        if (order.dryRun === true) return ['No setting is changed: nothing that is finished is made again.'];
        await orderRetry(session, runId, why);
        return [`run ${runId} goes on`];
      }
      const { loaded, changes } = await judgeChange(store, runId, set);
      const lines = changes.map(({ path, a, b }) => `${path}: ${JSON.stringify(a)} -> ${JSON.stringify(b)}`);
      if (order.dryRun === true) return [...lines, 'Nothing was changed: you asked only what it would be.'];
      await orderRetry(session, runId, { ...why, change: await keepChange(store, runId, set, loaded) });
      return [...lines, `run ${runId} goes on under the changed config`];
    }
  }
}

/**
 * A form may lie open while somebody else judges the round that it is about, and the next one asks. The run itself looks at the round that an order
 * names; one that began under an earlier version of arte does not. Errors: RunStateConflict.
 */
async function requireAsked({ client, store }: Session, runId: string, round: number): Promise<void> {
  const { approval } = (await viewRun(client, store, runId)).progress;
  // Where none asks the run itself says so.
  if (approval === undefined || approval.round === round) return;
  throw new ArteError('RunStateConflict', {
    what: `The word was about round ${round} of ${runId}, and round ${approval.round} waits for one now.`,
    why: `Somebody has judged round ${round} since the form was opened; nothing was said of round ${approval.round}.`,
    next: `Look at round ${approval.round}, then give the order again.`,
  });
}
