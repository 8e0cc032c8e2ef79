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
  log,
  TemporalFailure,
} from '@temporalio/workflow';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignCarry, AlignInput, ResolvedModels, RunProgress, Verdict } from '../schemas/messages';
import { io, models } from './activity-options';
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
  const makeRound = async (from: AlignCarry): Promise<AlignCarry | undefined> => {
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
  /** What the workflow continues as new with; undefined when the run is done. */
  const walkRound = async (): Promise<AlignInput | undefined> => {
    try {
      await run.save();
      const resolve = (): Promise<ResolvedModels> => models.resolveModels({ bundle: input.bundle });
      const from = await run.walk(async () => input.carry ?? firstCarry(await run.preparing(resolve), startedAt));
      carry = from;
      run.describeStudent(from.models.student.name);
      const next = await run.walk(() => makeRound(from));
      if (next) {
        await run.atRest();
        return { ...input, carry: next };
      }
      await finish(run, input, () => makeRound(from));
      return undefined;
    } catch (error) {
      if (!(error instanceof BeginAgain)) throw error;
      await condition(allHandlersFinished);
      return { ...(error.input ?? { ...input, ...(carry && { carry }) }), startedAt };
    }
  };
  try {
    const next = await walkRound();
    return next ? await continueAsNew<typeof alignWorkflow>(next) : run.progress();
  } catch (error) {
    if (isCancellation(error)) await cleanUp(run, input, saved && (() => save(saved as RoundOutcome)));
    // What ends the workflow. An error of its code does not: the engine tries that again.
    else if (error instanceof TemporalFailure) await run.tell('failed', saidOf(errorDataOf(error), input.runId));
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
 * Write the report, and the run's last word. A report that cannot be written because something has gone from the store is tried again after the
 * round was walked again, which makes that anew.
 */
async function finish(run: RunState, input: AlignInput, makeRound: () => Promise<unknown>): Promise<void> {
  let failed = false;
  await run.walk(async () => {
    if (failed) await makeRound();
    failed = true;
    const report = await writeReport(run, input, 'DONE');
    failed = false;
    await run.end({ status: 'DONE', report });
  }, 'report');
  // It is done: a cancellation comes too late.
  await CancellationScope.nonCancellable(async () => {
    await run.tell('finished', {
      what: `The run ${input.runId} is done.`,
      next: `arte report ${input.runId} shows what came of it.`,
    });
    await condition(allHandlersFinished);
  });
}

/**
 * A cancelled run leaves what can be left, and ends whatever comes of that: it does not park or fail over it. What the broken-off round made is
 * paid for: its stages are recorded as they are finished, and stand in the report too.
 */
async function cleanUp(run: RunState, input: AlignInput, keepRound: (() => Promise<void>) | undefined): Promise<void> {
  const tried = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await work();
    } catch (error) {
      log.warn(`the run was cancelled, and ${what}`, { ...errorDataOf(error) });
      return undefined;
    }
  };
  await CancellationScope.nonCancellable(async () => {
    if (keepRound) await tried('its round could not be saved again', keepRound);
    const report = await tried('its report could not be written', () => writeReport(run, input, 'CANCELLED'));
    await run.end({ status: 'CANCELLED', ...(report && { report }) });
    await run.tell('cancelled', {
      what: `The run ${input.runId} was cancelled.`,
      next: `Nothing that was paid for is lost: arte retry ${input.runId} starts it again.`,
    });
    await condition(allHandlersFinished);
  });
}

function writeReport(run: RunState, { runId, bundle }: AlignInput, status: 'DONE' | 'CANCELLED'): Promise<ArtifactRef> {
  return io.writeReport({ runId, bundle, rounds: run.progress().round, status });
}
