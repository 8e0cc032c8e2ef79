/**
 * alignWorkflow: one run of ARTE. One Temporal run per round; between rounds it continues as new, carrying refs and counters only.
 * Owns rounds, the run's end and its record; one round is round.ts, parking is run-state.ts.
 */
import { allHandlersFinished, CancellationScope, condition, continueAsNew, isCancellation } from '@temporalio/workflow';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { AlignCarry, AlignInput, RunProgress } from '../schemas/messages';
import { infer, io } from './activity-options';
import { runRound } from './round';
import { createRunState, type RunState } from './run-state';

export async function alignWorkflow(input: AlignInput): Promise<RunProgress> {
  const startedAt = input.carry?.startedAt ?? new Date().toISOString();
  const round = input.carry?.round ?? 1;
  const run = createRunState(input, round, startedAt);
  try {
    await run.save();
    const carry = await run.walk(async () => input.carry ?? (await firstRound(input, startedAt)));
    run.describeStudent(carry.models.student.name);
    const outcome = await run.walk(() => runRound(run, input, carry));
    const evaluations = [...carry.evaluations, ...outcome.evaluations];
    await io.saveRound({
      schemaVersion: 1,
      runId: input.runId,
      round,
      stages: run.records(),
      models: { teacher: outcome.teacher, student: outcome.student },
      evaluations,
      decision: outcome.decision,
    });
    if (round < input.rounds) {
      await condition(allHandlersFinished);
      const next: AlignCarry = {
        ...carry,
        round: round + 1,
        teacher: outcome.teacher,
        evaluations,
        bestRound: Number(outcome.decision['bestRound'] ?? round),
      };
      return await continueAsNew<typeof alignWorkflow>({ ...input, carry: next });
    }
    return await finish(run, input, 'DONE');
  } catch (error) {
    if (isCancellation(error)) await CancellationScope.nonCancellable(() => finish(run, input, 'CANCELLED'));
    throw error;
  }
}

async function firstRound(input: AlignInput, startedAt: string): Promise<AlignCarry> {
  const models = await infer.resolveModels({ bundle: input.bundle });
  return { round: 1, models, teacher: models.teacher, evaluations: [], bestRound: 0, startedAt };
}

/** Write the report of what there is, and the run's last word. */
async function finish(run: RunState, input: AlignInput, status: 'DONE' | 'CANCELLED'): Promise<RunProgress> {
  const { round } = run.progress();
  const rounds = status === 'DONE' ? round : round - 1;
  const write = (): Promise<ArtifactRef> =>
    io.writeReport({ runId: input.runId, bundle: input.bundle, rounds, status });
  // A cancelled run must end: its report is written if it can be, and it does not park over it.
  const report = status === 'DONE' ? await run.walk(write) : await write();
  run.set({ status, report });
  await run.save();
  await condition(allHandlersFinished);
  return run.progress();
}
