/**
 * The state of one run inside its workflow: what runs, what it waits for; and the stage runner that keeps it true.
 * Owns parking: a stage that fails for good stops the walk, the run says NEEDS_ATTENTION, and goes on when it is told to.
 * Leaves to steering.ts what a person may tell it.
 */
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowCancellationType,
  executeChild,
  isCancellation,
  log,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { defineSearchAttributeKey, WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type {
  AlignInput,
  BrokenOffStage,
  RunProgress,
  RunStatus,
  StageFailure,
  StageInput,
  StagePlace,
  StageResult,
} from '../schemas/messages';
import type { ErrorData } from '../schemas/errors';
import { rowStageNames, stageLabel, type StageName } from '../schemas/stage-names';
import { io, train } from './activity-options';
import { errorDataOf } from './attention';
import { whenAffordable } from './budget';
import { brokenOffSignal, progressQuery } from './messages';
import { createTell, saidOf, type Tell } from './notify';
import { stageWorkflow } from './shards';
import { BeginAgain, createSteering, type Steering } from './steering';

const studentKey = defineSearchAttributeKey('ArteStudent', 'KEYWORD');
const roundKey = defineSearchAttributeKey('ArteRound', 'INT');
const stageKey = defineSearchAttributeKey('ArteStage', 'KEYWORD');
const statusKey = defineSearchAttributeKey('ArteStatus', 'KEYWORD');

/** An earlier start of the run, ended by force, leaves children that come to rest by themselves: so long they are waited for. */
const drainLookMs = 2_000;
const drainLooksMax = 30;

/** An artifact that is gone or damaged: its stage no longer counts as finished, so walking again makes it anew. */
const damage: ReadonlySet<string> = new Set(['BlobMissing', 'BlobCorrupt']);
/** So often a walk begins again by itself; a store that goes on losing things is for a person to look at. */
const healingWalksMax = 5;

type StageParts = Omit<StageInput, 'stage' | 'bundle' | 'inputs' | 'place'> & Partial<Omit<StagePlace, 'round'>>;
type Inputs = StageInput['inputs'];

/** What walks a round: the run itself makes the stages, `arte plan` only looks for them. */
export interface StageRunner {
  /** Make a stage, or get it from the store. Its name decides queue and shape. */
  stage(name: StageName, inputs: Inputs, parts?: StageParts): Promise<StageResult>;
  /**
   * Two walks side by side. When one fails, the other is let come to its end, because what it makes is paid for and kept; then the
   * first failure is thrown.
   */
  together<A, B>(one: () => Promise<A>, other: () => Promise<B>): Promise<[A, B]>;
  /** The evaluations of the run so far, those of earlier rounds too, as one artifact. */
  evaluations(): Promise<ArtifactRef>;
}

type Ended = { readonly status: 'DONE' | 'CANCELLED'; readonly report?: ArtifactRef };

export interface RunState extends StageRunner, Pick<Steering, 'verdict' | 'atRest'> {
  /**
   * Walk until it comes through; a failure parks the run until a retry, then the walk starts again. What has gone from the store is made anew
   * without a word from anyone; where no walk of this round makes it, the run parks too, and a retry begins at the first round. A pause breaks the
   * walk off until it is resumed. `about`: the stage that a failure outside of stages is shown with. Errors: BeginAgain.
   */
  walk<T>(work: () => Promise<T>, about?: StageName): Promise<T>;
  /** Work that comes before the first stage, and is shown as that one: whoever looks sees what the run waits for. */
  preparing<T>(work: () => Promise<T>): Promise<T>;
  progress(): RunProgress;
  /** Leave the progress in the store, for when the engine's history is gone. A store that does not take it is no reason to stop: that is logged. */
  save(): Promise<void>;
  /**
   * The run's last word, after which no order is taken. DONE holds once it stands in the store, and fails where that cannot be; a cancelled run
   * has ended whatever the store says.
   */
  end(last: Ended): Promise<void>;
  describeStudent(name: string): void;
  readonly tell: Tell;
}

export function createRunState(input: AlignInput, round: number, startedAt: string): RunState {
  const running = new Map<string, RunProgress['current'][number]>();
  /** By their labels, until they are whole: one that is ended again before it has come to its rows still has them. */
  const brokenOff = new Map<string, BrokenOffStage>();
  let status: RunProgress['status'] = 'RUNNING';
  let attention: RunProgress['attention'];
  let report: RunProgress['report'];
  /** An order may be waiting for its handler before there is a walk to steer. */
  let steered: Steering['state'] = () => ({});
  /** The first failure of a walk whose other branch is still on its way. */
  let failing: StageFailure | undefined;

  const stopped = (): BrokenOffStage[] => [...brokenOff].flatMap(([label, of]) => (running.has(label) ? [] : [of]));
  const progress = (): RunProgress => ({
    runId: input.runId,
    status,
    round,
    rounds: input.rounds,
    current: [...running.values()],
    ...(stopped().length > 0 ? { brokenOff: stopped() } : {}),
    ...(attention && status === 'NEEDS_ATTENTION' ? { attention } : {}),
    ...steered(),
    // What is healed by itself is nothing to tell anyone.
    ...(failing && !damage.has(failing.error.code) ? { failed: failing } : {}),
    startedAt,
    ...(report ? { report } : {}),
  });

  const show = (): void => {
    const { failed } = progress();
    const stages = [...running.values()].map((entry) => entry.stage).join(', ');
    const now = attention
      ? `${attention.stage}: ${attention.error.what}`
      : failed
        ? `${failed.stage} failed: ${failed.error.what} The run parks after ${stages}`
        : stages;
    setCurrentDetails(`**${status}** round ${round} of ${input.rounds}: ${now}`);
  };

  /** One after another, each with what is so by then: an older word never lands after a newer one. */
  let saving: Promise<void> = Promise.resolve();
  const saveStrictly = (last: Partial<Ended> = {}): Promise<void> => {
    const own = saving.then(() => io.saveProgress({ ...progress(), ...last }));
    saving = own.catch(() => undefined);
    return own;
  };
  const save = async (): Promise<void> => {
    try {
      await saveStrictly();
    } catch (error) {
      if (isCancellation(error)) throw error;
      // A run that parks because the store is broken must park all the same.
      log.warn('the store did not take where the run is', { status, ...errorDataOf(error) });
    }
  };
  const showAs = (next: RunStatus): void => {
    status = next;
    upsertSearchAttributes([{ key: statusKey, value: status }]);
    show();
  };
  const become = async (next: RunStatus): Promise<void> => {
    showAs(next);
    await CancellationScope.nonCancellable(save);
  };
  const onStopped = (): void => {
    failing = undefined;
  };
  const tell = createTell(input, progress);
  const steering = createSteering({ runId: input.runId, round, progress, become, onStopped, tell });
  steered = steering.state;
  setHandler(progressQuery, progress);
  setHandler(brokenOffSignal, (of) => {
    const label = stageLabel(of.stage, of.arm);
    const before = brokenOff.get(label);
    // Ended sooner than the time before: of what it has not come to again the rows are kept all the same.
    const wasFurther = before && (before.wave - of.wave || before.rowsDone - of.rowsDone) > 0;
    brokenOff.set(label, wasFurther ? { ...before, atLeast: true } : of);
  });
  upsertSearchAttributes([
    { key: roundKey, value: round },
    { key: statusKey, value: status },
  ]);

  /** By what is asked: two arms may come to the very same stage, and the second then finds it in the store. */
  const making = new Map<string, Promise<unknown>>();
  const stage: RunState['stage'] = async (name, inputs, parts = {}) => {
    const { arm: _, evaluates: __, ...asked } = parts;
    const same = JSON.stringify([name, inputs, asked]);
    const before = making.get(same);
    const made = (before ?? Promise.resolve()).then(() => makeStage(name, inputs, parts));
    // Who comes next waits for this one, however it ends.
    const settled = made.catch(() => undefined);
    making.set(same, settled);
    try {
      return await made;
    } finally {
      if (making.get(same) === settled) making.delete(same);
    }
  };
  const makeStage: RunState['stage'] = async (name, inputs, parts = {}) => {
    const { arm = '', evaluates, ...rest } = parts;
    const place = { round, arm, ...(evaluates ? { evaluates } : {}) };
    const stageInput: StageInput = { stage: name, bundle: input.bundle, inputs, ...rest, place };
    const label = stageLabel(name, arm);
    const workflowId = `${input.runId}/r${round}/${label}`;
    const row = (rowStageNames as readonly StageName[]).includes(name);
    const entry = { stage: name, arm, since: new Date().toISOString(), ...(row ? { workflowId } : {}) };
    running.set(label, entry);
    upsertSearchAttributes([{ key: stageKey, value: name }]);
    show();
    try {
      const made = row
        ? await asChild(workflowId, stageInput)
        : await whenAffordable(
            () => wholeStages[name as WholeStageName](stageInput),
            (waits) => running.set(label, { ...entry, ...(waits === undefined ? {} : { waits }) }),
          );
      brokenOff.delete(label);
      return made;
    } catch (error) {
      if (!isCancellation(error))
        failing ??= { stage: name, error: errorDataOf(error), since: new Date().toISOString() };
      throw error;
    } finally {
      running.delete(label);
      show();
    }
  };

  return {
    stage,
    tell,
    verdict: steering.verdict,
    atRest: steering.atRest,
    async together(one, other) {
      const branches = [one(), other()] as const;
      await Promise.allSettled(branches);
      return Promise.all(branches);
    },
    async preparing(work) {
      const stage = 'prepare-tasks';
      running.set(stage, { stage, arm: '', since: new Date().toISOString() });
      show();
      try {
        return await work();
      } finally {
        running.delete(stage);
        show();
      }
    },
    evaluations: () => io.collectEvaluations({ runId: input.runId, round }),
    progress,
    save,
    async end(last) {
      if (last.status === 'DONE') {
        await steering.atRest();
        await steering.ending(() => saveStrictly(last));
      }
      report = last.report;
      showAs(last.status);
      if (last.status === 'CANCELLED') await save();
    },
    describeStudent(name) {
      upsertSearchAttributes([{ key: studentKey, value: name }]);
    },
    async walk(work, about = 'prepare-tasks') {
      let healed = 0;
      let isAgain = false;
      for (;;) {
        try {
          return await steering.stoppable(work, isAgain);
        } catch (error) {
          if (isCancellation(error) || error instanceof BeginAgain) throw error;
          // Failed while it was being cancelled: it ends, and there is nothing to see to.
          const { consideredCancelled, cancelRequested } = CancellationScope.current();
          if (consideredCancelled) await cancelRequested;
          const { stage: at, error: data } = failing ?? { stage: about, error: errorDataOf(error) };
          failing = undefined;
          if (damage.has(data.code) && healed < healingWalksMax) {
            healed += 1;
            log.warn('something has gone from the store: the walk starts again and makes it anew', {
              stage: at,
              what: data.what,
            });
            continue;
          }
          attention = { stage: at, error: namingRun(data, input.runId), since: new Date().toISOString() };
          await become('NEEDS_ATTENTION');
          const event = data.code === 'BudgetExhausted' || data.code === 'BudgetReserved' ? 'budget' : 'parked';
          await tell(event, { stage: at, ...saidOf(attention.error, input.runId) });
          await steering.untilRetried();
          attention = undefined;
          await become('RUNNING');
          // What an earlier round has lost no walk of this one makes: told to go on, the run begins at the first, and finds in the store all but that.
          if (damage.has(data.code) && round > 1) {
            await steering.atRest();
            const { carry: _, ...atFirst } = input;
            throw new BeginAgain(atFirst);
          }
          isAgain = true;
        }
      }
    },
  };
}

/** Commands in an error say RUN where whoever wrote them did not know the run. */
function namingRun(data: ErrorData, runId: string): ErrorData {
  return { ...data, next: data.next.replace(/\bRUN\b/g, runId) };
}

async function asChild(workflowId: string, stageInput: StageInput): Promise<StageResult> {
  for (let looks = 0; ; looks += 1) {
    try {
      return await executeChild(stageWorkflow, {
        workflowId,
        args: [{ stage: stageInput }],
        parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
        cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
        staticSummary: stageInput.stage,
      });
    } catch (error) {
      if (!(error instanceof WorkflowExecutionAlreadyStartedError)) throw error;
      if (looks >= drainLooksMax) throw stillDraining(workflowId, stageInput.stage);
      await sleep(drainLookMs);
    }
  }
}

function stillDraining(workflowId: string, stage: StageName): ApplicationFailure {
  const data: ErrorData = {
    code: 'RunStateConflict',
    what: `The stage ${stage} of an earlier start of this run has not come to its end.`,
    why: `Its workflow ${workflowId} is still under way, and the same stage is not made twice at once.`,
    next: 'arte retry RUN goes on when it has.',
    retryable: false,
  };
  return ApplicationFailure.nonRetryable(`${data.what} ${data.why}`, data.code, data);
}

type WholeStageName = Exclude<StageName, (typeof rowStageNames)[number] | 'report'>;

const wholeStages: Record<WholeStageName, (input: StageInput) => Promise<StageResult>> = {
  'prepare-tasks': (input) => io.prepareTasks(input),
  'select-probes': (input) => io.selectProbes(input),
  'combine-scores': (input) => io.combineScores(input),
  'check-scores': (input) => io.checkScores(input),
  'build-pairs': (input) => io.buildPairs(input),
  'select-drafts': (input) => io.selectDrafts(input),
  'check-round': (input) => io.checkRound(input),
  'check-unseen': (input) => io.checkUnseen(input),
  'reword-set': (input) => io.rewordSet(input),
  decide: (input) => io.decide(input),
  'train-dpo': (input) => train.trainDpo(input),
  'train-sft': (input) => train.trainSft(input),
  'warm-up': (input) => train.warmUp(input),
};
