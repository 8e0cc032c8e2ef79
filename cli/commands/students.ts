/** `arte students`: the registry of students that schedules align; what is current of each, how it came to be, and going back. */
import type { Command } from 'commander';
import { readRegistryActions } from '../../activities/registry-actions';
import {
  addStudent,
  listStandings,
  listStudents,
  readHistory,
  readStanding,
  removeStudent,
  setCurrent,
} from '../../activities/students';
import type { RegistryAction } from '../../schemas/registry-action';
import type { StudentEvent, StudentStanding } from '../../schemas/student';
import { checkRegistryName, loadStudent, type GivenStudent } from '../config/load-student';
import { colorsFor, printJson, printLine, table, wrapped, type Colors } from '../output';
import { earlierReason, orderWith, reasonOf, type ReasonOptions } from '../reason-option';
import { textWidthMax } from '../report/report-words';
import { openSession, type Session } from '../session';
import { actor } from '../actor';

interface AddOptions extends ReasonOptions {
  readonly configModel?: string;
  readonly source?: string;
  readonly revision?: string;
  readonly promptStyle?: string;
  readonly replace?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  const students = program.command('students').description('the registry of students that schedules align');
  students
    .command('add')
    .argument('<name>', 'name of the student: lower-case letters, digits and -')
    .description('register a student; the next firing of every schedule aligns it')
    .option('--config-model <file>', 'YAML: a model as under models.student, or a config whose student it is')
    .option('--source <model>', 'hf:ORG/NAME, embedded:NAME, a folder, a .gguf file, s3://BUCKET/PREFIX')
    .option('--revision <name>', 'hub revision')
    .option('--prompt-style <style>', 'chat or completion')
    .option('--reason <why>', 'recorded with it')
    .addOption(earlierReason())
    .option('--replace', 'when the name is taken by another model')
    .option('--json', 'as JSON')
    .action(async (name: string, options: AddOptions) => {
      checkRegistryName(name);
      const { configModel: file, source, revision, promptStyle } = options;
      const given: GivenStudent = {
        ...(file === undefined ? {} : { file }),
        ...(source === undefined ? {} : { source }),
        ...(revision === undefined ? {} : { revision }),
        ...(promptStyle === undefined ? {} : { promptStyle }),
      };
      const model = await loadStudent(given);
      const recorded = { at: new Date().toISOString(), by: actor(), why: reasonOf(options) };
      await withSession(async ({ store }) => {
        const student = { schemaVersion: 1 as const, name, model, ...recorded };
        const how = await addStudent(store, student, { replace: options.replace === true });
        if (options.json) printJson({ name, how, model });
        else printLine(`student ${name} ${how === 'there already' ? 'is registered already' : how}: ${model.source}`);
      });
    });
  students
    .command('list')
    .description('all students, with what is current of each')
    .option('--json', 'as JSON')
    .action(async ({ json }: { json?: boolean }) => withSession((session) => list(session, json === true)));
  students
    .command('remove')
    .argument('<name>', 'name of the student')
    .description('take a student off the registry; its runs and what was judged of it stay')
    .option('--reason <why>', 'recorded with it')
    .action(async (name: string, options: ReasonOptions) =>
      withSession(async ({ store }) => {
        await removeStudent(store, name, orderWith(options));
        printLine(
          `student ${name} removed; its history stays. A run of it that is under way goes on, and is not judged:`,
        );
        printLine(
          'arte report RUN shows what it came to; once the student is registered again the next firing judges it',
        );
      }),
    );
  students
    .command('history')
    .argument('<name>', 'name of the student')
    .description(
      'who registered and removed it, every alignment that was judged, what became current, who or what decided it, and why',
    )
    .option('--json', 'as JSON: the whole record, with every test')
    .action(async (name: string, { json }: { json?: boolean }) =>
      withSession(async ({ store }) => {
        const actions = await readRegistryActions(store, { kind: 'student', name });
        const standing = actions.length > 0 ? await readStanding(store, name) : await readHistory(store, name);
        if (json) printJson({ ...standing, actions });
        else for (const line of historyLines(standing, actions, colorsFor(process.stdout))) printLine(line);
      }),
    );
  students
    .command('rollback')
    .argument('<name>', 'name of the student')
    .description('make the alignment current that was so before, or any judged one')
    .option('--to <run>', 'the run whose student becomes current')
    .option('--reason <why>', 'recorded with it')
    .addOption(earlierReason())
    .option('--json', 'as JSON')
    .action(async (name: string, options: ReasonOptions & { to?: string; json?: boolean }) =>
      withSession(async ({ store }) => {
        const runId = options.to === undefined ? {} : { runId: options.to };
        const event = await setCurrent(store, name, { ...runId, by: actor(), why: reasonOf(options) });
        if (options.json) printJson(event);
        else
          printLine(
            `current of ${name} is now ${event.runId}${event.before === null ? '' : `, in place of ${event.before}`}`,
          );
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

async function list({ store }: Session, json: boolean): Promise<void> {
  const registered = await listStudents(store);
  const standings = new Map((await listStandings(store)).map((standing) => [standing.name, standing]));
  if (json) {
    const current = ({ name }: { name: string }): unknown => {
      const { current: runId, alignments } = standings.get(name) ?? { current: null, alignments: {} };
      return runId === null ? null : alignments[runId];
    };
    printJson(registered.map((student) => ({ ...student, current: current(student) })));
    return;
  }
  if (registered.length === 0) {
    printLine('No student is registered. arte students add NAME --source MODEL registers one.');
    return;
  }
  const rows = registered.map(({ name, model }) => {
    const standing = standings.get(name);
    return [name, model.source, standing?.current ?? 'none yet', standing ? accuracies(standing) : ''];
  });
  printLine(table([{ title: 'student' }, { title: 'source' }, { title: 'current' }, { title: 'accuracy' }], rows));
}

/** `0-shot 41.2 %, 3-shot 43.0 %` of the current alignment. */
function accuracies({ current, alignments }: StudentStanding): string {
  const evaluations = current === null ? [] : (alignments[current]?.evaluations ?? []);
  return evaluations.map(({ shots, accuracy }) => `${shots}-shot ${(100 * accuracy).toFixed(1)} %`).join(', ');
}

const actionWords: Readonly<Record<StudentEvent['action'], string>> = {
  promoted: 'became current',
  'kept-back': 'was kept back',
  'rolled-back': 'became current again',
  set: 'was made current by hand',
};

const registryWords: Partial<Record<RegistryAction['action'], string>> = {
  add: 'was registered',
  replace: 'was replaced by another model',
  remove: 'was taken off the registry',
};

/** What became of a student, and what people did to it, in the order of time; and how it stands now. */
export function historyLines(
  { name, history, current }: StudentStanding,
  actions: readonly RegistryAction[],
  color: Colors,
): string[] {
  const events = [
    ...history.map(({ at, by, action, runId, why }) => ({ at, by, of: runId, did: actionWords[action], why })),
    ...actions.map(({ at, by, action, set = [], reason = '' }) => {
      const did = [registryWords[action] ?? action, ...set].join(', ');
      return { at, by, of: name, did, why: reason };
    }),
  ];
  // Those of one moment stay as they are.
  events.sort((one, other) => (one.at < other.at ? -1 : one.at > other.at ? 1 : 0));
  const lines = events.flatMap(({ at, by, of, did, why }) => [
    `${at.slice(0, 19)}Z  ${color.bold(of)} ${did}  ${color.dim(`(${by})`)}`,
    ...(why === '' ? [] : wrapped(why, textWidthMax - 2).map((line) => `  ${line}`)),
  ]);
  return [...lines, ...(lines.length > 0 ? [''] : []), standsNow(history, actions, current)];
}

function standsNow(
  history: readonly StudentEvent[],
  actions: readonly RegistryAction[],
  current: string | null,
): string {
  if (current !== null) return `Current: ${current}. arte export student ${current} writes it out.`;
  if (history.length > 0) return 'Nothing is current.';
  return actions.at(-1)?.action === 'remove'
    ? 'No alignment of it was judged. One that ends after it was removed is judged once it is registered again.'
    : 'No alignment of it has been judged yet. arte schedule preview SCHEDULE says what the next firing does.';
}
