/**
 * An order to a running workflow, and what becomes of one that does not fit. Owns the way there and the words of a refusal; what is allowed is
 * decided where the run is (workflows/steering.ts).
 */
import type { UpdateDefinition } from '@temporalio/common';
import { ActivityFailure, ApplicationFailure } from '@temporalio/common';
import { WorkflowUpdateFailedError } from '@temporalio/client';
import { Option, type Command } from 'commander';
import { statusOf } from '../../activities/start-run';
import { endStrandedRun } from '../../activities/stranded-run';
import { ArteError, type ErrorData } from '../../schemas/errors';
import type { RunProgress } from '../../schemas/messages';
import type { Order, VerdictOrder } from '../../schemas/run-action';
import { orderFor } from '../actor';
import { exitCodes, printJson, printLine } from '../output';
import { attendanceOf, unlessGivenUp, untilLeftWaiting } from './run-pollers';
import { viewRun } from './run-progress';
import { openSession, type Session } from '../session';

/** Give an order. Errors: RunNotFound, RunStateConflict with the reason. `verb`: to pause, to resume. */
export async function steer<Said extends Order>(
  session: Session,
  runId: string,
  update: UpdateDefinition<RunProgress, [Said]>,
  said: Said,
  verb: string,
): Promise<RunProgress> {
  await requireWorker(session, runId, verb);
  const handle = session.client.workflow.getHandle(runId);
  try {
    return await unlessLeftWaiting(session, runId, verb, () => handle.executeUpdate(update, { args: [said] }));
  } catch (error) {
    if (!(error instanceof WorkflowUpdateFailedError)) throw error;
    throw refused(error) ?? error;
  }
}

/** The run is under way, and somebody works on it. Errors: RunNotFound, RunStateConflict, PlatformDown. */
export async function requireWorker(session: Session, runId: string, verb: string): Promise<void> {
  const { client, store, embedded } = session;
  // The engine's word is enough: an order needs nothing that the store has of the run.
  const engine = await statusOf(client.workflow.getHandle(runId));
  if (engine !== 'RUNNING') throw notUnderWay(runId, (await viewRun(client, store, runId)).progress.status, verb);
  // Nobody would ever answer.
  if (embedded && (await endStrandedRun(client, runId))) throw notUnderWay(runId, 'FAILED', verb);
  const attendance = await attendanceOf(client, runId);
  if (attendance === 'nobody') throw nobodyThere(session, runId, verb);
  if (attendance === 'other versions') throw onlyOthersThere(runId, verb);
}

/** What the run answers; PlatformDown when something of it waits, and no worker takes that up. */
export async function unlessLeftWaiting<Answer>(
  session: Session,
  runId: string,
  verb: string,
  ask: () => Promise<Answer>,
): Promise<Answer> {
  const { client } = session;
  return unlessGivenUp(client, ask, async (signal) => {
    await untilLeftWaiting(client, runId, signal);
    throw nobodyThere(session, runId, verb);
  });
}

function nobodyThere({ embedded }: Session, runId: string, verb: string): ArteError {
  return new ArteError('PlatformDown', {
    what: `Nobody is there to ${verb} the run ${runId}: no worker of the role orchestrator takes up its work.`,
    why: 'The worker has ended, hangs, or cannot reach the engine; nothing of the run goes on until there is one.',
    next: embedded
      ? 'arte doctor looks at each part; arte down, then arte up start them anew. Then give the order again.'
      : 'Start the worker (arte worker --role orchestrator) with the code that the run began with, or look at its log; then give the order again.',
  });
}

function onlyOthersThere(runId: string, verb: string): ArteError {
  return new ArteError('PlatformDown', {
    what: `Nobody is there to ${verb} the run ${runId}: no worker is left of the version of arte that it began with.`,
    why: 'A run is worked on by orchestrators of its own version only; those that are there have another one.',
    next: `Start an orchestrator of the old version, and give the order again. Or temporal workflow terminate --workflow-id ${runId}, then arte retry ${runId} starts it again on this version: what is finished comes from the store.`,
  });
}

function refused({ cause: said }: WorkflowUpdateFailedError): ArteError | undefined {
  // By the run itself, or by the activity that was to carry it out.
  const cause = said instanceof ActivityFailure ? said.cause : said;
  const data = cause instanceof ApplicationFailure ? (cause.details?.[0] as ErrorData | undefined) : undefined;
  return data?.code === undefined ? undefined : new ArteError(data.code, data);
}

export function notUnderWay(runId: string, status: RunProgress['status'], verb: string): ArteError {
  return new ArteError('RunStateConflict', {
    what: `The run ${runId} is ${status}: there is nothing to ${verb}.`,
    why: 'It is not under way.',
    next:
      status === 'DONE'
        ? `arte report ${runId} shows what it came to.`
        : `arte retry ${runId} starts it again; what is finished comes from the store.`,
  });
}

export interface SteeringCommand {
  readonly name: string;
  readonly description: string;
  /** Why a reason belongs to it, in a sentence; left out where it may be given without one. */
  readonly needsReason?: string;
  /** It is about a round, which a person may name. */
  readonly isVerdict?: true;
  readonly update: UpdateDefinition<RunProgress, [Order]>;
  /** What is said when it is done. */
  readonly done: (progress: RunProgress, seconds: number) => readonly string[];
}

/** The order of a command as a person gives it. Errors: InvalidInput where it needs a reason and has none. */
export function orderOf(
  { name, needsReason }: Pick<SteeringCommand, 'name' | 'needsReason'>,
  runId: string,
  reason: string | undefined,
): Order {
  if (needsReason !== undefined && (reason === undefined || reason.trim() === '')) {
    throw new ArteError('InvalidInput', {
      what: `arte ${name} needs a reason.`,
      why: needsReason,
      next: `arte ${name} ${runId} --reason WHY, in a few words.`,
    });
  }
  return orderFor({ reason });
}

/** The round that a verdict is about, as it is typed. Errors: InvalidInput. */
function roundOf(text: string | undefined): Pick<VerdictOrder, 'round'> {
  if (text === undefined) return {};
  if (/^[1-9]\d*$/.test(text)) return { round: Number(text) };
  throw new ArteError('InvalidInput', {
    what: `--round ${text} cannot be used.`,
    why: 'A round is a whole number from 1.',
    next: 'arte status RUN shows which one waits for a word.',
  });
}

/** A command that is one order: `arte NAME RUN [--reason WHY] [--json]`. */
export function registerOrder(program: Command, command: SteeringCommand): void {
  const { name, description, update, done, needsReason, isVerdict = false } = command;
  const steering = program.command(name);
  if (isVerdict)
    steering.option('--round <n>', 'only if this round waits (default: the one that does, whichever it is)');
  steering
    .argument('<run>', 'id of the run')
    .option(
      '--reason <why>',
      `${needsReason === undefined ? '' : 'needed; '}kept with the action, for whoever asks later`,
    )
    // Its earlier name.
    .addOption(new Option('--note <why>').hideHelp())
    .option('--json', 'print where the run is then, as JSON like arte status')
    .description(description)
    .action(async (runId: string, options: { reason?: string; note?: string; round?: string; json?: boolean }) => {
      const order: VerdictOrder = {
        ...orderOf(command, runId, options.reason ?? options.note),
        ...roundOf(options.round),
      };
      const session = await openSession({ start: false });
      try {
        const began = Date.now();
        const progress = await steer(session, runId, update, order, name);
        if (options.json === true) printJson(progress);
        else for (const line of done(progress, (Date.now() - began) / 1000)) printLine(line);
        process.exitCode = exitCodes.done;
      } finally {
        await session.close();
      }
    });
}
