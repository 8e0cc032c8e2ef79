/**
 * realignWorkflow: one firing of a schedule. Every registered student without a finished alignment for its content under the schedule's config
 * gets one, so many at once as there are places; finished ones are judged. Ends when nothing is left that goes on by itself.
 *
 * Owns the order. Which student needs what is planned anew each time something has changed (activities/plan-firing.ts), so students that are
 * registered meanwhile are seen, and a firing that was lost is made good by the next one: all it knows is in the store and the engine.
 * Invariants: 1. A student that fails, or waits for a person, gives its place to the next one. 2. Runs are workflows of their own: ending a firing ends none.
 */
import { ApplicationFailure, continueAsNew, log, setWorkflowOptions, workflowInfo } from '@temporalio/workflow';
import type { FiringOutcome, RealignInput } from '../schemas/schedule';
import { io, models } from './activity-options';
import { errorDataOf } from './attention';

// A firing lasts as long as the runs that it follows: it moves on to a new version of this code, because after an upgrade of the embedded platform
// nobody works on the old one. Where the code has changed too much for that the firing fails (workers/roles.ts), and the next one goes on.
setWorkflowOptions({ versioningBehavior: 'AUTO_UPGRADE' }, realignWorkflow);

/** Longest reason that is carried along; the whole error is in the log. */
const reasonCharactersMax = 200;

export async function realignWorkflow(input: RealignInput): Promise<FiringOutcome> {
  const { schedule, bundle, parallel, preview = false, again = [] } = input;
  const touched: Record<string, string> = { ...input.touched };
  const attempt = async (runId: string, work: () => Promise<unknown>): Promise<void> => {
    touched[runId] ??= '';
    try {
      await work();
    } catch (error) {
      const data = errorDataOf(error);
      log.warn('a student could not be seen to', { runId, ...data });
      touched[runId] = data.what.slice(0, reasonCharactersMax);
    }
  };
  for (;;) {
    const { plan, start, judge, underWay, trouble, registry, over } = await models.planFiring({
      ...{ schedule, bundle, parallel, again, touched, preview },
    });
    const outcome: FiringOutcome = { schedule, plan, trouble };
    // Of a schedule that is no more, or another one by now, there is nothing to write down.
    if (preview || over) return outcome;
    for (const { student, runId } of judge)
      await attempt(runId, () => io.judgeAlignment({ schedule, bundle, student, runId }));
    for (const due of start) await attempt(due.runId, () => io.startAlignment(due));
    const followed = [...underWay, ...start.map(({ runId }) => runId)];
    for (const runId of followed) touched[runId] ??= '';
    if (followed.length > 0) await io.followAlignments({ runIds: followed, registry });
    else if (judge.length === 0) return finish(input, outcome);
    if (workflowInfo().continueAsNewSuggested) return continueAsNew<typeof realignWorkflow>({ ...input, touched });
  }
}

async function finish({ failOnTrouble }: RealignInput, outcome: FiringOutcome): Promise<FiringOutcome> {
  await io.saveFiring(outcome);
  if (failOnTrouble && outcome.trouble > 0) {
    throw ApplicationFailure.nonRetryable(
      `${outcome.trouble === 1 ? 'One student' : `${outcome.trouble} students`} could not be aligned: arte schedule list ${outcome.schedule} says which and why.`,
      'RunStateConflict',
    );
  }
  return outcome;
}
