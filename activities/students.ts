/**
 * The registry of students in the store, and each one's standing: which alignment is current, and how it came to be.
 *
 * Owns the documents under `students/` and their conditional writes. Leaves the rule of promotion to method/promotion.ts, the look to cli/.
 * Invariants: 1. A change is made to what stands there, or not at all. 2. A run is judged once: the first verdict stays.
 * 3. Nothing is forgotten: whatever becomes current, and whoever set it, is in the history; whoever adds, replaces or removes a student is in its actions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ArtifactStore } from '../drivers/store/store';
import { canonicalJson, sha256Hex } from '../method/keys';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { documentRacesMax } from '../schemas/limits';
import type { Order } from '../schemas/run-action';
import {
  studentSchema,
  studentStandingSchema,
  type Student,
  type StudentAlignment,
  type StudentEvent,
  type StudentStanding,
} from '../schemas/student';
import { recordRegistryAction } from './registry-actions';

export const studentKeys = {
  record: (name: string) => `students/${name}/student.json`,
  standing: (name: string) => `students/${name}/current.json`,
} as const;

// ---- the registry ------------------------------------------------------------------------------------------------

/** Put a student on the registry. Errors: RunStateConflict when another model has the name and `replace` is not set. */
export async function addStudent(
  store: ArtifactStore,
  student: Student,
  { replace = false } = {},
): Promise<'added' | 'replaced' | 'there already'> {
  const how = await putStudent(store, student, replace);
  if (how !== 'there already') {
    const { name, at, by, why: reason } = student;
    const set = [`source=${student.model.source}`];
    const action = how === 'added' ? 'add' : 'replace';
    await recordRegistryAction(store, { kind: 'student', name }, { action, at, by, reason, set });
  }
  return how;
}

async function putStudent(
  store: ArtifactStore,
  student: Student,
  replace: boolean,
): Promise<'added' | 'replaced' | 'there already'> {
  const key = studentKeys.record(student.name);
  const document = student as unknown as JsonValue;
  for (let race = 0; race < documentRacesMax; race += 1) {
    const standing = await store.getVersion(key);
    if (!standing) {
      if ((await store.putOnce(key, document)).won) return 'added';
      continue;
    }
    const { model } = studentSchema.parse(standing.document);
    if (canonicalJson(model as unknown as JsonValue) === canonicalJson(student.model as unknown as JsonValue))
      return 'there already';
    if (!replace) {
      throw new ArteError('RunStateConflict', {
        what: `There is a student ${student.name} already, and it is another model or is asked in another way.`,
        why: `It was registered from ${model.source}. Its history would go on with a model that it is not about.`,
        next: 'Give this one another name, or say --replace.',
      });
    }
    if ((await store.replaceDocument(key, document, standing.version)) !== undefined) return 'replaced';
  }
  throw tooManyRaces(student.name);
}

/** Take a student off the registry; its history and its runs stay. A run of it that ends afterwards is judged when it is registered again. Errors: InvalidInput when it is not there. */
export async function removeStudent(store: ArtifactStore, name: string, order: Order): Promise<void> {
  await requireStudent(store, name);
  await store.remove(studentKeys.record(name));
  await recordRegistryAction(store, { kind: 'student', name }, { action: 'remove', ...order });
}

/** All registered students, by name. */
export async function listStudents(store: ArtifactStore): Promise<Student[]> {
  const students: Student[] = [];
  for await (const { key } of store.list('students/')) {
    if (!key.endsWith('/student.json')) continue;
    const document = await store.getDocument(key);
    if (document !== undefined) students.push(studentSchema.parse(document));
  }
  return students;
}

/** Changes whenever a student is added, replaced or removed. */
export async function registryDigest(store: ArtifactStore): Promise<string> {
  const lines: string[] = [];
  for await (const { key, bytes, modifiedAt } of store.list('students/'))
    if (key.endsWith('/student.json')) lines.push(`${key} ${bytes} ${modifiedAt.getTime()}`);
  return sha256Hex(lines.sort().join('\n'));
}

/** Errors: InvalidInput when there is no such student. */
async function requireStudent(store: ArtifactStore, name: string): Promise<Student> {
  const document = await store.getDocument(studentKeys.record(name));
  if (document !== undefined) return studentSchema.parse(document);
  throw new ArteError('InvalidInput', {
    what: `There is no student ${name} on the registry.`,
    why: 'The store holds no record of it.',
    next: 'arte students list shows those there are.',
  });
}

// ---- what is current ---------------------------------------------------------------------------------------------

/** The standing of a student; an empty one when nothing of it was judged yet. */
export async function readStanding(store: ArtifactStore, name: string): Promise<StudentStanding> {
  const document = await store.getDocument(studentKeys.standing(name));
  return document === undefined ? emptyStanding(name) : studentStandingSchema.parse(document);
}

/** The standing of a student that was ever known. Errors: InvalidInput of a name that nobody has registered. */
export async function readHistory(store: ArtifactStore, name: string): Promise<StudentStanding> {
  const standing = await readStanding(store, name);
  if (standing.history.length > 0 || (await store.getDocument(studentKeys.record(name))) !== undefined) return standing;
  throw new ArteError('InvalidInput', {
    what: `There is no history of a student ${name}.`,
    why: 'None of that name is on the registry, and no alignment of one was judged. Of a student that was removed while its alignment ran, that one is not judged.',
    next: `arte students list shows those there are. Where ${name} was removed: arte students add registers it again, and the next firing judges what was finished.`,
  });
}

/** Every standing there is, also of students that are no longer registered. */
export async function listStandings(store: ArtifactStore): Promise<StudentStanding[]> {
  const standings: StudentStanding[] = [];
  for await (const { key } of store.list('students/')) {
    const document = key.endsWith('/current.json') ? await store.getDocument(key) : undefined;
    if (document !== undefined) standings.push(studentStandingSchema.parse(document));
  }
  return standings;
}

/** The verdict of a test on a run, if it has been given. */
export function verdictOn({ history }: StudentStanding, runId: string): StudentEvent | undefined {
  return history.find(
    (event) => event.runId === runId && (event.action === 'promoted' || event.action === 'kept-back'),
  );
}

/**
 * Write down the verdict on a finished alignment, and make it current if that is the verdict. The verdict is given against what is current at
 * that moment: `judge` is asked again when that has changed in between. Returns the event that stands.
 */
export async function recordVerdict(
  store: ArtifactStore,
  name: string,
  alignment: StudentAlignment,
  judge: (standing: StudentStanding) => Promise<StudentEvent>,
): Promise<StudentEvent> {
  return changeStanding(store, name, async (standing) => {
    const known = verdictOn(standing, alignment.runId);
    if (known) return { standing, event: known };
    const event = await judge(standing);
    return {
      event,
      standing: {
        ...standing,
        current: event.action === 'promoted' ? alignment.runId : standing.current,
        alignments: { ...standing.alignments, [alignment.runId]: alignment },
        history: [...standing.history, event],
      },
    };
  });
}

/**
 * Go back to the alignment that was current before, or to any judged one that is named: a person's word, whatever the tests say.
 * Errors: InvalidInput when there is nothing to go back to, or the run is no judged alignment of the student.
 */
export async function setCurrent(
  store: ArtifactStore,
  name: string,
  { runId, by, why }: { readonly runId?: string; readonly by: string; readonly why: string },
): Promise<StudentEvent> {
  return changeStanding(store, name, (standing) => {
    const { current, history, alignments } = standing;
    const wanted = runId ?? before(standing);
    if (wanted === undefined || !Object.hasOwn(alignments, wanted)) {
      const known = Object.keys(alignments);
      throw new ArteError('InvalidInput', {
        what:
          wanted === undefined
            ? `There is nothing before the current alignment of ${name} to go back to.`
            : `${wanted} is no finished alignment of ${name} that was judged.`,
        why: known.length === 0 ? 'No alignment of it was judged yet.' : `There are: ${known.join(', ')}.`,
        next: `arte students history ${name} shows what came of each; --to RUN names one.`,
      });
    }
    if (wanted === current) {
      throw new ArteError('InvalidInput', {
        what: `${wanted} is the current alignment of ${name} already.`,
        why: 'There is nothing to change.',
        next: `arte students history ${name} shows the others.`,
      });
    }
    const wasCurrent = history.some((event) => event.runId === wanted && event.action !== 'kept-back');
    const event: StudentEvent = {
      ...{ action: wasCurrent ? 'rolled-back' : 'set', runId: wanted, before: current, at: new Date().toISOString() },
      ...{ by, why, checks: [], fallen: [] },
    };
    return { event, standing: { ...standing, current: wanted, history: [...history, event] } };
  });
}

/** What the current one replaced when it first became current: going back twice does not come back again. */
function before({ current, history }: StudentStanding): string | undefined {
  const event = history.find(({ runId, action }) => runId === current && (action === 'promoted' || action === 'set'));
  return event?.before ?? undefined;
}

function emptyStanding(name: string): StudentStanding {
  return { schemaVersion: 1, name, current: null, alignments: {}, history: [] };
}

interface Changed {
  readonly standing: StudentStanding;
  readonly event: StudentEvent;
}

async function changeStanding(
  store: ArtifactStore,
  name: string,
  change: (standing: StudentStanding) => Changed | Promise<Changed>,
): Promise<StudentEvent> {
  const key = studentKeys.standing(name);
  for (let race = 0; race < documentRacesMax; race += 1) {
    const found = await store.getVersion(key);
    const standing = found ? studentStandingSchema.parse(found.document) : emptyStanding(name);
    const changed = await change(standing);
    if (changed.standing === standing) return changed.event;
    const document = changed.standing as unknown as JsonValue;
    const written = found
      ? (await store.replaceDocument(key, document, found.version)) !== undefined
      : (await store.putOnce(key, document)).won;
    if (written) return changed.event;
    await sleep(Math.random() * 10 * Math.min(race + 1, 50));
  }
  throw tooManyRaces(name);
}

function tooManyRaces(name: string): ArteError {
  return new ArteError('StoreUnreachable', {
    what: `The documents of the student ${name} could not be written.`,
    why: `They were changed by others ${documentRacesMax} times in the meantime.`,
    next: 'Try it again.',
  });
}
