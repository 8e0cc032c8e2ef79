/**
 * The state of one run inside its workflow: what is finished, what runs, what it waits for; and the stage runner that keeps it true.
 * Owns parking: a stage that fails for good stops the walk, the run says NEEDS_ATTENTION, and goes on when it is told to.
 */
import {
  ApplicationFailure,
  CancellationScope,
  ChildWorkflowCancellationType,
  condition,
  executeChild,
  isCancellation,
  log,
  ParentClosePolicy,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
} from '@temporalio/workflow';
import { defineSearchAttributeKey } from '@temporalio/common';
import type { AlignInput, RunProgress, StageFailure, StageInput, StageRecord, StageResult } from '../schemas/messages';
import { rowStageNames, stageLabel, type StageName } from '../schemas/stage-names';
import { io, train } from './activity-options';
import { errorDataOf } from './attention';
import { whenAffordable } from './budget';
import { progressQuery, retryUpdate } from './messages';
import { stageWorkflow } from './shards';

const studentKey = defineSearchAttributeKey('ArteStudent', 'KEYWORD');
const roundKey = defineSearchAttributeKey('ArteRound', 'INT');
const stageKey = defineSearchAttributeKey('ArteStage', 'KEYWORD');
const statusKey = defineSearchAttributeKey('ArteStatus', 'KEYWORD');

/** An artifact that is gone or damaged: its stage no longer counts as finished, so walking again makes it anew. */
const damage: ReadonlySet<string> = new Set(['BlobMissing', 'BlobCorrupt']);
/** So often a walk begins again by itself; a store that goes on losing things is for a person to look at. */
const healingWalksMax = 5;

type StageParts = Omit<StageInput, 'stage' | 'bundle' | 'inputs'> & { readonly arm?: string };
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
}

export interface RunState extends StageRunner {
  /**
   * Walk until it comes through; a failure parks the run until a retry, then the walk starts again. What has gone from the store is made anew
   * without a word from anyone. `about`: the stage that a failure outside of stages is shown with.
   */
  walk<T>(work: () => Promise<T>, about?: StageName): Promise<T>;
  records(): readonly StageRecord[];
  progress(): RunProgress;
  set(change: Partial<Pick<RunProgress, 'status' | 'report'>>): void;
  /** Leave the progress in the store, for when the engine's history is gone. */
  save(): Promise<void>;
  describeStudent(name: string): void;
}

export function createRunState(input: AlignInput, round: number, startedAt: string): RunState {
  const finished = new Map<string, StageRecord>();
  const running = new Map<string, RunProgress['current'][number]>();
  let status: RunProgress['status'] = 'RUNNING';
  let attention: RunProgress['attention'];
  let report: RunProgress['report'];
  let retryAsked = false;
  /** The first failure of a walk whose other branch is still on its way. */
  let failing: StageFailure | undefined;

  const progress = (): RunProgress => ({
    runId: input.runId,
    status,
    round,
    rounds: input.rounds,
    current: [...running.values()],
    finished: [...finished.values()],
    ...(attention ? { attention } : {}),
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

  setHandler(progressQuery, progress);
  setHandler(
    retryUpdate,
    () => {
      retryAsked = true;
      return progress();
    },
    {
      validator: () => {
        if (status !== 'NEEDS_ATTENTION') {
          throw ApplicationFailure.nonRetryable(`The run is ${status}: there is nothing to retry.`, 'RunStateConflict');
        }
      },
    },
  );
  upsertSearchAttributes([
    { key: roundKey, value: round },
    { key: statusKey, value: status },
  ]);

  /** By what is asked: two arms may come to the very same stage, and the second then finds it in the store. */
  const making = new Map<string, Promise<unknown>>();
  const stage: RunState['stage'] = async (name, inputs, parts = {}) => {
    const { arm: _, ...asked } = parts;
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
    const { arm = '', ...rest } = parts;
    const stageInput: StageInput = { stage: name, bundle: input.bundle, inputs, ...rest };
    const label = stageLabel(name, arm);
    const workflowId = `${input.runId}/r${round}/${label}`;
    const row = (rowStageNames as readonly StageName[]).includes(name);
    const entry = { stage: name, arm, since: new Date().toISOString(), ...(row ? { workflowId } : {}) };
    running.set(label, entry);
    upsertSearchAttributes([{ key: stageKey, value: name }]);
    show();
    try {
      const result = row
        ? await asChild(workflowId, stageInput)
        : await whenAffordable(
            () => wholeStages[name as WholeStageName](stageInput),
            (waits) => running.set(label, { ...entry, ...(waits === undefined ? {} : { waits }) }),
          );
      const record = {
        stage: name,
        round,
        arm,
        key: result.key,
        reused: result.reused,
        seconds: result.seconds,
        usage: result.usage,
      };
      // A second walk finds in the store what the first one made: that is not reuse.
      if (!result.reused || finished.get(label)?.key !== result.key) finished.set(label, record);
      return result;
    } catch (error) {
      if (!isCancellation(error))
        failing ??= { stage: name, error: errorDataOf(error), since: new Date().toISOString() };
      throw error;
    } finally {
      running.delete(label);
      show();
    }
  };
  const save = (): Promise<void> => io.saveProgress(progress());

  return {
    stage,
    async together(one, other) {
      const branches = [one(), other()] as const;
      await Promise.allSettled(branches);
      return Promise.all(branches);
    },
    records: () => [...finished.values()],
    progress,
    save,
    set(change) {
      if (change.status) {
        status = change.status;
        upsertSearchAttributes([{ key: statusKey, value: status }]);
      }
      if (change.report) report = change.report;
      show();
    },
    describeStudent(name) {
      upsertSearchAttributes([{ key: studentKey, value: name }]);
    },
    async walk(work, about = 'prepare-tasks') {
      let healed = 0;
      for (;;) {
        try {
          return await work();
        } catch (error) {
          if (isCancellation(error)) throw error;
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
          attention = { stage: at, error: data, since: new Date().toISOString() };
          status = 'NEEDS_ATTENTION';
          upsertSearchAttributes([{ key: statusKey, value: status }]);
          show();
          await CancellationScope.nonCancellable(save);
          await condition(() => retryAsked);
          retryAsked = false;
          attention = undefined;
          status = 'RUNNING';
          upsertSearchAttributes([{ key: statusKey, value: status }]);
          show();
          await save();
        }
      }
    },
  };
}

function asChild(workflowId: string, stageInput: StageInput): Promise<StageResult> {
  return executeChild(stageWorkflow, {
    workflowId,
    args: [{ stage: stageInput }],
    parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
    cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
    staticSummary: stageInput.stage,
  });
}

type WholeStageName = Exclude<StageName, (typeof rowStageNames)[number] | 'report'>;

const wholeStages: Record<WholeStageName, (input: StageInput) => Promise<StageResult>> = {
  'prepare-tasks': (input) => io.prepareTasks(input),
  'select-probes': (input) => io.selectProbes(input),
  'build-pairs': (input) => io.buildPairs(input),
  'select-drafts': (input) => io.selectDrafts(input),
  decide: (input) => io.decide(input),
  'train-dpo': (input) => train.trainDpo(input),
  'train-sft': (input) => train.trainSft(input),
  'warm-up': (input) => train.warmUp(input),
};
