/** `arte schedule`: new students are aligned without a hand, by a config, at set times. */
import { WorkflowFailedError } from '@temporalio/client';
import { Option, type Command } from 'commander';
import { readRegistryActions } from '../../activities/registry-actions';
import { listSchedules, readLastFiring, readSchedule } from '../../activities/schedules';
import { listStudents } from '../../activities/students';
import { alignmentConfig } from '../../method/alignment';
import { judgeConfig } from '../../method/config/check-config';
import { ArteError } from '../../schemas/errors';
import { alignmentsAtOnceMax } from '../../schemas/limits';
import {
  studentActions,
  type FiringPlan,
  type StudentAction,
  type ScheduleRecord,
  type ScheduleTiming,
} from '../../schemas/schedule';
import type { RegistryAction } from '../../schemas/registry-action';
import type { Order } from '../../schemas/run-action';
import type { RunConfig } from '../../schemas/run-config';
import type { Student } from '../../schemas/student';
import { loadConfig } from '../config/load-config';
import { checkRegistryName } from '../config/load-student';
import { colorsFor, exitCodes, printJson, printLine, printNote, progress, table, wrapped } from '../output';
import { textWidthMax } from '../report/report-words';
import {
  checkTiming,
  createSchedule,
  deleteSchedule,
  describeSchedule,
  firesByRecord,
  pauseSchedule,
  previewFiring,
  requireSchedule,
  resumeSchedule,
  triggerAgain,
  triggerSchedule,
} from '../schedules';
import { earlierReason, orderWith, type ReasonOptions } from '../reason-option';
import { openSession, type Session } from '../session';
import { actionLines } from '../run/run-view';
import { storeBundle } from '../run/start-run';

interface CreateOptions extends ReasonOptions {
  readonly name?: string;
  readonly every?: string;
  readonly cron?: string;
  readonly overlap: ScheduleTiming['overlap'];
  readonly catchUp: string;
  readonly jitter?: string;
  readonly pauseOnFailure?: boolean;
  readonly parallel: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const schedule = program.command('schedule').description('align registered students by a config, at set times');
  schedule
    .command('create')
    .argument('<config>', 'YAML file of a run; each registered student takes the place of its student')
    .description('at each firing every student without a finished alignment under this config gets one')
    .option('--every <time>', 'fire so often: 1h, 30m, 1d')
    .option('--cron <fields>', 'fire at these times, UTC: "0 3 * * *" is every night at three')
    .option('--name <name>', 'name of the schedule (default: of the config)')
    .addOption(
      new Option('--overlap <policy>', 'while a firing is under way the next is left out, or one waits')
        .choices(['skip', 'buffer-one'])
        .default('skip'),
    )
    .option('--catch-up <time>', 'fire late by at most so much, when the engine was down', '1d')
    .option('--jitter <time>', 'fire late by a random part of this')
    .option('--pause-on-failure', 'pause the schedule when a student fails or waits for a person')
    .option('--parallel <n>', 'alignments at once', '1')
    .option('--replace', 'change a schedule of this name')
    .option('--reason <why>', 'recorded with it')
    .option('--json', 'as JSON')
    .action(create);
  schedule
    .command('list')
    .argument(
      '[name]',
      'name of a schedule: also what its last firing said of each student, and who did what to it, deleted or not',
    )
    .description('schedules, when they fire next, and what the last firing came to')
    .option('--json', 'as JSON')
    .action(async (name: string | undefined, { json }: { json?: boolean }) =>
      withSession((session) => list(session, name, json === true)),
    );
  schedule
    .command('preview')
    .argument('<name>', 'name of the schedule')
    .description('what a firing would do now for each student, and why; nothing is started')
    .option('--json', 'as JSON')
    .action(async (name: string, { json }: { json?: boolean }) =>
      withSession((session) => preview(session, name, json === true)),
    );
  schedule
    .command('trigger')
    .argument('<name>', 'name of the schedule')
    .description('fire now')
    .option('--again <student...>', 'go on with the cancelled alignments of these students')
    .option('--reason <why>', 'recorded with it')
    .action(async (name: string, { again, ...options }: ReasonOptions & { again?: string[] }) =>
      withSession((session) => trigger(session, name, orderWith(options), again)),
    );
  for (const [command, description, act] of [
    ['pause', 'fire no more until it is resumed; a firing under way goes on', pause],
    ['resume', 'fire again; a schedule that the engine has lost is made again', resume],
  ] as const) {
    schedule
      .command(command)
      .argument('<name>', 'name of the schedule')
      .description(description)
      .option('--reason <why>', 'recorded with it')
      .addOption(earlierReason())
      .action(async (name: string, options: ReasonOptions) =>
        withSession((session) => act(session, name, orderWith(options))),
      );
  }
  schedule
    .command('delete')
    .argument('<name>', 'name of the schedule')
    .description('take a schedule away; its runs go on, its students keep what they have')
    .option('--reason <why>', 'recorded with it')
    .action(async (name: string, options: ReasonOptions) =>
      withSession(async (session) => {
        await deleteSchedule(session, name, orderWith(options));
        printLine(`schedule ${name} deleted; runs under way go on`);
      }),
    );
}

async function withSession(work: (session: Session) => Promise<void>): Promise<void> {
  const session = await openSession({ start: false });
  try {
    await work(session);
  } finally {
    await session.close();
  }
}

async function create(path: string, options: CreateOptions): Promise<void> {
  const { every, cron, jitter, overlap, catchUp } = options;
  const timing: ScheduleTiming = {
    ...(every === undefined ? {} : { every }),
    ...(cron === undefined ? {} : { cron }),
    ...(jitter === undefined ? {} : { jitter }),
    ...{ overlap, catchUp, pauseOnFailure: options.pauseOnFailure === true },
  };
  checkTiming(timing);
  const order = orderWith(options);
  const parallel = placesOf(options.parallel);
  const loaded = await loadConfig(path, { env: process.env, purpose: 'run' });
  const name = options.name ?? loaded.config.name;
  checkRegistryName(name);
  const line = progress('connecting');
  const session = await openSession({
    platform: loaded.config.platform,
    start: true,
    onProgress: (text) => line.update(text),
  }).catch((error: unknown) => {
    line.fail();
    throw error;
  });
  try {
    const students = await listStudents(session.store);
    const unfit = students.flatMap((student) => unfitness(loaded.config, student));
    const record: ScheduleRecord = {
      ...{ schemaVersion: 1, name, bundle: await storeBundle(session.store, loaded), config: path, timing, parallel },
      ...{ at: new Date().toISOString(), by: order.by },
    };
    const how = await createSchedule(session, record, { replace: options.replace === true, reason: order.reason });
    line.done(`schedule ${name} ${how}`);
    for (const note of unfit) printNote(`note    ${note}`);
    const engine = await describeSchedule(session.client, name);
    const next = nextOf(engine);
    if (options.json) printJson({ name, how, students: students.length, next: next?.toISOString() ?? null });
    else {
      const of = students.length === 1 ? 'one student' : `${students.length} students`;
      printLine(`${of} registered; ${firesWords(name, engine)}. arte schedule preview ${name} says what it would do.`);
    }
  } catch (error) {
    line.fail();
    throw error;
  } finally {
    await session.close();
  }
}

function placesOf(text: string): number {
  const places = Number(text);
  if (/^\d+$/.test(text) && places >= 1 && places <= alignmentsAtOnceMax) return places;
  throw new ArteError('InvalidInput', {
    what: `--parallel ${text} cannot be used.`,
    why: `So many alignments are under way at once: 1 to ${alignmentsAtOnceMax}.`,
    next: 'Give a whole number; on one device 1, because trainings take turns on it.',
  });
}

/** What a firing would say of a student whose settings do not fit the config. */
function unfitness(config: RunConfig, { name, model }: Student): string[] {
  const { problems } = judgeConfig(alignmentConfig(config, model, config.name), { purpose: 'plan', environment: {} });
  return problems
    .slice(0, 1)
    .map(({ path, what }) => `the student ${name} cannot be aligned by this config: ${path} ${what}`);
}

interface ListedSchedule extends ScheduleRecord {
  readonly state: string;
  readonly next: string | null;
  readonly lastFiring: FiringPlan | null;
}

async function list({ client, store }: Session, name: string | undefined, json: boolean): Promise<void> {
  const actions = name === undefined ? [] : await readRegistryActions(store, { kind: 'schedule', name });
  if (name !== undefined && actions.length > 0 && !(await readSchedule(store, name))) {
    sayDeleted(name, actions, json);
    return;
  }
  const records = name === undefined ? await listSchedules(store) : [await requireSchedule(store, name)];
  const listed: ListedSchedule[] = [];
  for (const record of records) {
    const engine = await describeSchedule(client, record.name);
    const next = nextOf(engine);
    const lastFiring = (await readLastFiring(store, record.name)) ?? null;
    const state = await stateOf(client, engine, record);
    listed.push({ ...record, state, next: next?.toISOString() ?? null, lastFiring });
  }
  if (json) printJson(name === undefined ? listed : { ...listed[0], actions });
  else if (listed.length === 0) printLine('There is no schedule. arte schedule create CONFIG --every 1h makes one.');
  else {
    const columns = ['schedule', 'fires', 'next', 'state', 'last firing'].map((title) => ({ title }));
    printLine(
      table(
        columns,
        listed.map(({ name: own, timing, next, state, lastFiring }) => [
          own,
          timing.every === undefined ? `at ${timing.cron ?? ''}` : `every ${timing.every}`,
          next === null ? '-' : time(new Date(next)),
          state,
          lastFiring ? tally(lastFiring) : 'none has ended yet',
        ]),
      ),
    );
    const [only] = listed;
    if (name !== undefined && only?.lastFiring) {
      printLine();
      printEntries(only.lastFiring);
    }
    printActions(actions);
  }
}

/** Of a schedule that was taken away, what people did to it is left. */
function sayDeleted(name: string, actions: readonly RegistryAction[], json: boolean): void {
  if (json) printJson({ name, state: 'deleted', actions });
  else {
    printLine(`The schedule ${name} was deleted.`);
    printActions(actions);
  }
}

function printActions(actions: readonly RegistryAction[]): void {
  const lines = actionLines(actions, colorsFor(process.stdout));
  if (lines.length > 0) printLine(`\n${lines.join('\n')}`);
}

type Described = Awaited<ReturnType<typeof describeSchedule>>;

/** When it fires next; a paused one does not, whatever times the engine has for it. */
function nextOf(engine: Described): Date | undefined {
  return engine?.state.paused === true ? undefined : engine?.info.nextActionTimes[0];
}

/** `it fires next at 2026-…`; one that was replaced while it was paused stays so. */
export function firesWords(name: string, engine: Described): string {
  return engine?.state.paused === true
    ? `it is paused (${engine.state.note ?? ''}), and fires again after arte schedule resume ${name}`
    : `it fires next at ${time(nextOf(engine))}`;
}

async function stateOf(client: Session['client'], engine: Described, record: ScheduleRecord): Promise<string> {
  if (!engine) return 'lost by the engine: arte schedule resume makes it again';
  if (!firesByRecord(engine, record))
    return 'its last change was broken off, it goes by what was before: arte schedule resume ends that';
  if (engine.state.paused) return `paused (${engine.state.note ?? ''})`;
  if (engine.info.runningActions.length > 0) return 'firing';
  const failure = await failureOf(client, engine.info.recentActions.at(-1)?.action.workflow.workflowId);
  return failure === undefined ? 'waits' : `waits; its last firing failed: ${failure}`;
}

/** Why a firing failed, if it did and the engine still knows of it. */
async function failureOf(client: Session['client'], firing: string | undefined): Promise<string | undefined> {
  if (firing === undefined) return undefined;
  try {
    const handle = client.workflow.getHandle(firing);
    if ((await handle.describe()).status.name === 'FAILED') await handle.result();
    return undefined;
  } catch (error) {
    if (!(error instanceof WorkflowFailedError)) return undefined;
    let cause = error.cause;
    while (cause?.cause instanceof Error) cause = cause.cause;
    return cause?.message ?? error.message;
  }
}

async function preview(session: Session, name: string, json: boolean): Promise<void> {
  const line = progress('a worker looks at the students');
  const plan = await previewFiring(session, name).catch((error: unknown) => {
    line.fail();
    throw error;
  });
  line.done(`what a firing of ${name} would do now`);
  const record = await readSchedule(session.store, name);
  if (json) printJson(plan);
  else {
    printEntries(plan);
    const due = plan.entries.filter(({ action }) => action === 'align' || action === 'go on').length;
    if (due > (record?.parallel ?? due)) printLine(`\n${record?.parallel ?? 1} at once, one after another.`);
  }
}

async function trigger(session: Session, name: string, order: Order, again?: readonly string[]): Promise<void> {
  if (again !== undefined) {
    await triggerAgain(session, name, again, order);
    printLine(`schedule ${name} fires, and goes on with ${again.join(', ')}`);
    return;
  }
  const words = {
    fired: 'fires now',
    'left out': 'is firing already: this one is left out. New students are seen by the firing under way.',
    'comes after': 'is firing already: this one comes after it',
  };
  const how = await triggerSchedule(session, name, order);
  printLine(`schedule ${name} ${words[how]}`);
  if (how === 'left out') process.exitCode = exitCodes.badInput;
}

async function pause(session: Session, name: string, order: Order): Promise<void> {
  await pauseSchedule(session, name, order);
  printLine(`schedule ${name} paused; a firing under way goes on`);
}

async function resume(session: Session, name: string, order: Order): Promise<void> {
  const how = await resumeSchedule(session, name, order);
  printLine(`schedule ${name} ${how}`);
}

/** Of one student and of several. */
const tallyWords: Partial<Record<StudentAction, string>> = {
  nothing: 'aligned',
  judge: 'to be judged',
  align: 'to be aligned',
  'go on': 'to go on',
  waits: 'waiting for a person',
  cannot: 'not possible',
};

/** `2 aligned, 1 waiting for a person`: how many of each action, in their order. */
function tally({ entries }: FiringPlan): string {
  const words = studentActions.flatMap((action) => {
    const count = entries.filter((entry) => entry.action === action).length;
    return count === 0 ? [] : [`${count} ${tallyWords[action] ?? action}`];
  });
  return words.length === 0 ? 'no students' : words.join(', ');
}

function printEntries({ entries }: FiringPlan): void {
  if (entries.length === 0) {
    printLine('No student is registered. arte students add NAME --source MODEL registers one.');
    return;
  }
  const color = colorsFor(process.stdout);
  const width = Math.max(...entries.map(({ student }) => student.length));
  for (const { student, action, why, runId, error } of entries) {
    printLine(`${color.bold(student.padEnd(width))}  ${action}${runId === undefined ? '' : `  ${color.dim(runId)}`}`);
    const said = [why, ...(error ? [`${error.why} ${error.next}`] : [])];
    for (const text of said)
      for (const line of wrapped(text, textWidthMax - width - 2)) printLine(`${' '.repeat(width)}  ${line}`);
  }
}

/** To the second, UTC. */
function time(at: Date | undefined): string {
  return at ? `${at.toISOString().slice(0, 19)}Z` : '-';
}
