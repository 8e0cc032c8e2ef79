/**
 * What a person may do to a running alignWorkflow: pause, resume, approve, reject, retry with or without another config.
 * Owns which order fits which state, what an order does to the walk, and that every accepted one is recorded. The walk itself is run-state.ts.
 *
 * Invariants: 1. An order that does not fit the state is refused with the reason, and leaves nothing behind.
 * 2. A pause breaks off what runs; the activities keep what they have. A resume walks the round again: finished stages and rows are in the store.
 * 3. An order that was accepted is not lost between two rounds: the workflow continues as new only when nothing is left to be heeded.
 * 4. Of two orders one decides: while the config is changed nothing begins under the old one, and a run that comes to its end takes no order.
 */
import type { UpdateDefinition } from '@temporalio/common';
import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  setHandler,
  uuid4,
  workflowInfo,
} from '@temporalio/workflow';
import type { ErrorData } from '../schemas/errors';
import { restPatienceMs } from '../schemas/limits';
import type { AlignInput, RetryOrder, RunProgress, RunStatus, Verdict } from '../schemas/messages';
import type { Order, RunActionKind, VerdictOrder } from '../schemas/run-action';
import { io } from './activity-options';
import type { Tell } from './notify';
import { approveUpdate, pauseUpdate, rejectUpdate, resumeUpdate, retryUpdate } from './messages';

/**
 * The workflow begins again: with another input (a changed config; its first round, to make again what an earlier one has lost), or as it is with an empty
 * history, because this one has grown long. Thrown out of a walk.
 */
export class BeginAgain extends Error {
  constructor(readonly input?: AlignInput) {
    super(input ? 'the run begins again with another input' : 'the history of the run has grown long');
    this.name = 'BeginAgain';
  }
}

/** The run as steering sees it. */
export interface SteeredRun {
  readonly runId: string;
  readonly round: number;
  progress(): RunProgress;
  /** Another status, shown and left in the store. */
  become(status: RunStatus): Promise<void>;
  /** The walk was broken off: what it had begun to say of a failure is no longer so. */
  onStopped(): void;
  readonly tell: Tell;
}

export interface Steering {
  /**
   * Do work that a pause breaks off and a resume begins again. `again`: it was begun before, so it may as well begin in a new history.
   * Errors: BeginAgain, and what the work throws.
   */
  stoppable<T>(work: () => Promise<T>, again?: boolean): Promise<T>;
  /** Of a parked run: wait until a person says to go on. Errors: BeginAgain. */
  untilRetried(): Promise<void>;
  /** A person's word about the round, by the key of its decision; found in the store when it was said before. Errors: BeginAgain. */
  readonly verdict: (key: string) => Promise<Verdict>;
  /** Nothing is left to be heeded: the workflow may end or continue as new. Errors: BeginAgain. */
  readonly atRest: () => Promise<void>;
  /** Say the run's last word: no order fits any more, unless it could not be said. */
  ending(lastWord: () => Promise<void>): Promise<void>;
  /** What progress says of it. */
  readonly state: () => Pick<RunProgress, 'paused' | 'approval'>;
}

/** Registers the handlers. */
export function createSteering(run: SteeredRun): Steering {
  const { runId, round } = run;
  let paused: RunProgress['paused'];
  let approval: RunProgress['approval'];
  let working: CancellationScope | undefined;
  let retryAsked = false;
  let revising = false;
  let changed: AlignInput | undefined;
  let judging = false;
  let verdict: Verdict | undefined;
  let isEnding = false;
  const root = CancellationScope.current();
  /** No order changes how it ends any more. */
  const isOver = (): boolean => isEnding || root.consideredCancelled;

  const record = (action: RunActionKind, { by, reason }: Order, more: object = {}): Promise<void> => {
    const said = { runId, action, by, at: new Date().toISOString(), ...(reason === undefined ? {} : { reason }) };
    const id = uuid4();
    // Whatever becomes of the run meanwhile: it was done.
    return CancellationScope.nonCancellable(() => io.recordAction({ ...said, ...more, id }));
  };

  const handle = <Said extends Order>(
    update: UpdateDefinition<RunProgress, [Said]>,
    refusal: (said: Said) => Refusal | undefined,
    act: (said: Said) => Promise<unknown>,
  ): void => {
    setHandler(
      update,
      async (said) => {
        await act(said);
        return run.progress();
      },
      {
        validator: (said: Said) => {
          const refused = closing(update.name) ?? refusal(said);
          if (refused) throw conflict(refused);
        },
      },
    );
  };
  const status = (): RunStatus => run.progress().status;
  const shows = `arte status ${runId} shows it.`;
  /** What no order fits, whichever it is. */
  const closing = (verb: string): Refusal | undefined => {
    if (root.consideredCancelled) {
      const next = `arte retry ${runId} starts it again when it has ended; arte status ${runId} shows that.`;
      return { what: `The run ${runId} is being cancelled: there is nothing to ${verb}.`, why: 'It is ending.', next };
    }
    if (isEnding) {
      const what = `The run ${runId} has just come to its end: there is nothing to ${verb}.`;
      return { what, why: 'All of it is made.', next: `arte report ${runId} shows what came of it.` };
    }
    if (revising) {
      const why = 'Somebody has just changed its config.';
      return { what: `The run ${runId} is about to begin again: there is nothing to ${verb}.`, why, next: shows };
    }
    return undefined;
  };

  handle(
    pauseUpdate,
    () =>
      status() === 'RUNNING'
        ? undefined
        : { what: `The run ${runId} is ${status()}: there is nothing to pause.`, why: idle(status()), next: shows },
    async (order) => {
      const { by, reason } = order;
      paused = { by, since: new Date().toISOString(), ...(reason === undefined ? {} : { reason }) };
      working?.cancel();
      await run.become('PAUSED');
      await record('pause', order);
      await condition(() => working === undefined || paused === undefined, restPatienceMs);
    },
  );
  handle(
    resumeUpdate,
    () =>
      status() === 'PAUSED'
        ? undefined
        : {
            what: `The run ${runId} is ${status()}: there is nothing to resume.`,
            why: notPaused(status()),
            next: shows,
          },
    async (order) => {
      paused = undefined;
      await run.become('RUNNING');
      await record('resume', order);
    },
  );

  const judge = (approved: boolean): void =>
    handle(
      approved ? approveUpdate : rejectUpdate,
      (said: VerdictOrder) =>
        approval && !judging
          ? ofAnother(said, approval, runId)
          : {
              what: `The run ${runId} is ${status()}: no round of it waits for a word.`,
              why: approval
                ? 'Somebody else has just said it.'
                : 'A run asks after each round when its config says rounds.approval: every.',
              next: shows,
            },
      async (order) => {
        judging = true;
        const about = approval;
        const at = new Date().toISOString();
        try {
          await record(approved ? 'approve' : 'reject', order, { round, key: about?.key });
        } catch (error) {
          if (approval === about) judging = false;
          throw error;
        }
        // What is asked about by now may be another decision.
        if (approval !== about) return;
        verdict = { approved, at, by: order.by, ...(order.reason === undefined ? {} : { reason: order.reason }) };
      },
    );
  judge(true);
  judge(false);

  /** What a pause has broken off still writes its lines into the records of the rounds, which a changed config sets aside. */
  const untilStopped = async (): Promise<void> => {
    if (paused === undefined || (await condition(() => working === undefined, restPatienceMs))) return;
    throw conflict({
      what: `The config of the run ${runId} cannot be changed yet.`,
      why: 'It is paused, and some of what it made is still coming to rest.',
      next: `arte status ${runId} shows what; then the same command again.`,
    });
  };

  handle(
    retryUpdate,
    ({ change }: RetryOrder) => {
      if (status() === 'NEEDS_ATTENTION') return undefined;
      if (!change)
        return {
          what: `The run ${runId} is ${status()}: there is nothing to retry.`,
          why: 'retry is for a run that is parked as NEEDS_ATTENTION.',
          next: nextOf(status(), runId),
        };
      if (status() === 'PAUSED' || status() === 'NEEDS_APPROVAL') return undefined;
      return {
        what: `The config of the run ${runId} cannot be changed while it is ${status()}.`,
        why: 'What it makes now would be made under the old one.',
        next: `arte pause ${runId}, then the same command again.`,
      };
    },
    async (order: RetryOrder) => {
      const { change, by } = order;
      if (!change) {
        retryAsked = true;
        await record('retry', order);
        return;
      }
      revising = true;
      const { input, set, from } = change;
      try {
        await untilStopped();
        await CancellationScope.nonCancellable(() => io.reviseRun({ runId, bundle: input.bundle, by, set, from }));
      } catch (error) {
        revising = false;
        throw error;
      }
      if (!isOver()) {
        changed = input;
        // Nothing goes on under the old config.
        working?.cancel();
        // Said before the workflow begins again, so that nobody is told of what was before.
        paused = undefined;
        approval = undefined;
        await run.become('RUNNING');
      }
      await record('retry', order, { set });
    },
  );

  /** A word about an earlier decision is none about the next one. */
  const forgetWord = (): void => {
    verdict = undefined;
    judging = false;
  };
  const heedChange = (): void => {
    if (changed) throw new BeginAgain(changed);
  };
  const untilGoing = async (): Promise<void> => {
    await condition(() => changed !== undefined || (paused === undefined && !revising));
    heedChange();
  };
  const atRest = async (): Promise<void> => {
    do {
      await untilGoing();
      await condition(allHandlersFinished);
    } while (paused !== undefined);
    heedChange();
  };

  return {
    state: () => ({ ...(paused ? { paused } : {}), ...(approval ? { approval } : {}) }),
    async stoppable(work, again = false) {
      for (let isAgain = again; ; isAgain = true) {
        await untilGoing();
        if (isAgain && workflowInfo().continueAsNewSuggested) {
          await atRest();
          throw new BeginAgain();
        }
        const scope = new CancellationScope();
        working = scope;
        try {
          const made = await scope.run(work);
          working = undefined;
          // Paused in its last moment: what it made is kept, and nothing further begins.
          await untilGoing();
          return made;
        } catch (error) {
          working = undefined;
          approval = undefined;
          if (!scope.consideredCancelled || CancellationScope.current().consideredCancelled) throw error;
          heedChange();
          run.onStopped();
        }
      }
    },
    async untilRetried() {
      await condition(() => changed !== undefined || (retryAsked && !revising));
      retryAsked = false;
      heedChange();
    },
    async verdict(key) {
      const scope = CancellationScope.current();
      const before = await io.findVerdict({ runId, round, key });
      // A pause that came in that moment: the run is PAUSED, and asks when it is resumed.
      if (scope.consideredCancelled) await scope.cancelRequested;
      if (before) return before;
      forgetWord();
      approval = { round, key, since: new Date().toISOString() };
      await run.become('NEEDS_APPROVAL');
      await run.tell('needs_approval', {
        what: `Round ${round} of the run ${runId} waits for a word.`,
        // Read when it may be another round's turn.
        next: `arte approve ${runId} --round ${round} goes on, arte reject ${runId} --round ${round} --reason WHY ends it; arte status ${runId} shows the round.`,
      });
      await condition(() => changed !== undefined || (verdict !== undefined && !revising));
      approval = undefined;
      heedChange();
      await run.become('RUNNING');
      return verdict as Verdict;
    },
    atRest,
    async ending(lastWord) {
      isEnding = true;
      try {
        await lastWord();
      } catch (error) {
        isEnding = false;
        throw error;
      }
    },
  };
}

interface Refusal {
  readonly what: string;
  readonly why: string;
  readonly next: string;
}

/** A person had looked at another decision: that of an earlier round, or one that was made anew since. */
function ofAnother(
  said: VerdictOrder,
  waiting: NonNullable<RunProgress['approval']>,
  runId: string,
): Refusal | undefined {
  const next = `Look at round ${waiting.round} (arte status ${runId}), then give the order again.`;
  if (said.round !== undefined && said.round !== waiting.round)
    return {
      what: `The word was about round ${said.round} of ${runId}, and round ${waiting.round} waits for one now.`,
      why: `Nothing was said of round ${waiting.round}.`,
      next,
    };
  if (said.key !== undefined && said.key !== waiting.key)
    return {
      what: `The word was about an earlier decision on round ${waiting.round} of ${runId}.`,
      why: 'The round was decided anew since, and that decision waits for a word now.',
      next,
    };
  return undefined;
}

function conflict(refusal: Refusal): ApplicationFailure {
  const data: ErrorData = { code: 'RunStateConflict', retryable: false, ...refusal };
  return ApplicationFailure.nonRetryable(`${refusal.what} ${refusal.why}`, data.code, data);
}

function idle(status: RunStatus): string {
  return status === 'NEEDS_ATTENTION' || status === 'NEEDS_APPROVAL'
    ? 'It waits for a person, and nothing of it runs.'
    : 'Nothing of it runs.';
}

function notPaused(status: RunStatus): string {
  if (status === 'NEEDS_ATTENTION') return 'It waits because something failed; arte retry goes on.';
  if (status === 'NEEDS_APPROVAL') return 'It waits for a word about its round: arte approve, or arte reject.';
  return 'It is not paused.';
}

function nextOf(status: RunStatus, runId: string): string {
  if (status === 'PAUSED') return `arte resume ${runId} goes on.`;
  if (status === 'NEEDS_APPROVAL') return `arte approve ${runId} goes on.`;
  return `arte watch ${runId} shows what it does.`;
}
