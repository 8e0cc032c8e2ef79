/**
 * alignWorkflow: one run of ARTE. One Temporal run per round; between rounds it continues as new, carrying refs and counters only.
 * Owns rounds, the run's end and its record; one round is round.ts, parking is run-state.ts, what a person may tell it steering.ts.
 */
import {
  allHandlersFinished,
  CancellationScope,
  condition,
  continueAsNew,
  isCancellation,
  TemporalFailure,
} from '@temporalio/workflow';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignCarry, AlignInput, RunProgress, Verdict } from '../schemas/messages';
import { infer, io } from './activity-options';
import { errorDataOf } from './attention';
import { saidOf } from './notify';
import { carryOn, firstCarry, runRound, type RoundOutcome } from './round';
import { createRunState, type RunState } from './run-state';
import { BeginAgain } from './steering';
import { runTransfer } from './transfer';

export async function alignWorkflow(input: AlignInput): Promise<RunProgress> {
  const startedAt = input.startedAt ?? input.carry?.startedAt ?? new Date().toISOString();
  const round = input.carry?.round ?? 1;
  const run = createRunState(input, round, startedAt);
  let { carry } = input;
  let saved: RoundOutcome | undefined;
  const save = async (made: RoundOutcome): Promise<void> => {
    const { teacher, student, decision } = made;
    await io.saveRound({ runId: input.runId, round, models: { teacher, student }, decision });
    saved = made;
  };
  try {
    await run.save();
    const from = await run.walk(
      async () => input.carry ?? firstCarry(await infer.resolveModels({ bundle: input.bundle }), startedAt),
    );
    carry = from;
    run.describeStudent(from.models.student.name);
    const makeRound = async (): Promise<AlignCarry | undefined> => {
      let made = await runRound(run, input, from);
      // Saved before anyone is asked: it is what the answer is about.
      await save(made);
      if (input.approval === 'every') {
        made = judged(made, await run.verdict(made.decided), from);
        await save(made);
      }
      const next = carryOn(from, made, input);
      if (made.decision['decision'] !== 'rejected' && round < input.rounds && !next.stop) return next;
      if (input.transfer) {
        await runTransfer(run, input, next, made.tasks);
        // Once more, with the stages that were made since.
        await save(made);
      }
      return undefined;
    };
    const next = await run.walk(makeRound);
    if (next) {
      await run.atRest();
      return await continueAsNew<typeof alignWorkflow>({ ...input, carry: next });
    }
    return await finish(run, input, makeRound);
  } catch (error) {
    if (error instanceof BeginAgain) {
      await condition(allHandlersFinished);
      const anew = error.changed ?? { ...input, ...(carry && { carry }) };
      return await continueAsNew<typeof alignWorkflow>({ ...anew, startedAt });
    }
    if (isCancellation(error)) {
      // What the broken-off round made is paid for: its stages are recorded as they are finished, and stand in the report too.
      const kept = saved;
      await CancellationScope.nonCancellable(async () => {
        if (kept) await save(kept);
        await finish(run, input);
      });
    } else if (error instanceof TemporalFailure) {
      // What ends the workflow. An error of its code does not: the engine tries that again.
      await run.tell('failed', saidOf(errorDataOf(error), input.runId));
    }
    throw error;
  }
}

/** A person's word goes with the decision. A round that is rejected is not the best one, and the run ends with it. */
function judged(outcome: RoundOutcome, { approved, by, at, reason }: Verdict, { bestRound }: AlignCarry): RoundOutcome {
  const approval = { by, at, approved, ...(reason === undefined ? {} : { reason }) };
  const decision = { ...outcome.decision, approval };
  return { ...outcome, decision: approved ? decision : { ...decision, decision: 'rejected', bestRound } };
}

/**
 * Write the report of what there is, and the run's last word. A report that cannot be written because something has gone from the store
 * is tried again after the round was walked again, which makes that anew. Without a round to walk the run was cancelled.
 */
async function finish(run: RunState, input: AlignInput, makeRound?: () => Promise<unknown>): Promise<RunProgress> {
  const status = makeRound ? 'DONE' : 'CANCELLED';
  const { round: rounds } = run.progress();
  const write = (): Promise<ArtifactRef> =>
    io.writeReport({ runId: input.runId, bundle: input.bundle, rounds, status });
  // A cancelled run must end: its report is written if it can be, and it does not park over it.
  let failed = false;
  const report = await (makeRound
    ? run.walk(async () => {
        if (failed) await makeRound();
        failed = true;
        return write();
      }, 'report')
    : write());
  run.set({ status, report });
  await run.save();
  await run.tell(makeRound ? 'finished' : 'cancelled', {
    what: makeRound ? `The run ${input.runId} is done.` : `The run ${input.runId} was cancelled.`,
    next: makeRound
      ? `arte report ${input.runId} shows what came of it.`
      : `Nothing that was paid for is lost: arte retry ${input.runId} starts it again.`,
  });
  await condition(allHandlersFinished);
  return run.progress();
}
