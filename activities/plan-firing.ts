/**
 * What a firing of a schedule would do now, student by student, and why. Looks at the bytes of every student's model, so a change behind a name
 * or a path is seen. Owns the decision; starting, following and judging are activities/alignments.ts.
 *
 * Invariants: 1. A student that cannot be aligned is an entry of the plan, never the end of the firing. 2. A run that exists is never replaced: it is
 * gone on with, from its own bundle. 3. A firing whose schedule was deleted, or goes by another config by now, does nothing more.
 */
import { getClient } from '@temporalio/activity';
import { alignmentConfig, alignmentKey, alignmentRunId } from '../method/alignment';
import { judgeConfig } from '../method/config/check-config';
import { canonicalJson } from '../method/keys';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError, type ErrorData } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { judgementsAtOnceMax } from '../schemas/limits';
import type { RunBundle, RunRecord } from '../schemas/messages';
import type { ModelRef } from '../schemas/model-ref';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import type {
  DueAlignment,
  FiringEntry,
  FiringPlan,
  PlanFiringInput,
  PlannedFiring,
  StudentAction,
} from '../schemas/schedule';
import type { Student } from '../schemas/student';
import { openBundle, type OpenBundle } from './bundle';
import type { InferDependencies } from './dependencies';
import { errorData } from './failures';
import { modelsOf } from './resolve-models';
import { runKeys } from './run-records';
import { runState } from './run-state';
import { readSchedule } from './schedules';
import { endStrandedRun } from './stranded-run';
import { listStudents, readStanding, registryDigest, verdictOn } from './students';

export async function planFiring(dependencies: InferDependencies, input: PlanFiringInput): Promise<PlannedFiring> {
  const { store, environment } = dependencies;
  const registry = await registryDigest(store);
  const standing = input.preview ? undefined : await readSchedule(store, input.schedule);
  if (!input.preview && standing?.bundle.sha256 !== input.bundle.sha256) {
    const nothing = await putPlan(store, input.schedule, []);
    return { plan: nothing, start: [], judge: [], underWay: [], trouble: 0, registry, over: true };
  }
  const bundle = await openBundle(store, input.bundle);
  const resolve = onceEach(dependencies.resolveModel);
  const entries: FiringEntry[] = [];
  const due: { student: Student; runId: string }[] = [];
  for (const student of await listStudents(store)) {
    try {
      const runId = await runIdOf(bundle, student, input.schedule, resolve, environment);
      const entry = await entryOf(dependencies, input, student, runId);
      entries.push(entry);
      if (entry.action === 'align' || entry.action === 'go on') due.push({ student, runId });
    } catch (error) {
      const data = errorData(error);
      entries.push({ student: student.name, action: 'cannot', why: data.what, error: shortened(data) });
    }
  }
  const of = (action: StudentAction): { student: string; runId: string }[] =>
    entries.flatMap(({ student, runId, action: own }) =>
      own === action && runId !== undefined ? [{ student, runId }] : [],
    );
  const underWay = of('under way').map(({ runId }) => runId);
  const places = Math.max(0, input.parallel - underWay.length);
  const start: DueAlignment[] = [];
  for (const { student, runId } of due.slice(0, places))
    start.push({ student: student.name, runId, bundle: await bundleOf(dependencies, bundle, student, runId) });
  return {
    plan: await putPlan(store, input.schedule, entries),
    start,
    judge: of('judge').slice(0, judgementsAtOnceMax),
    underWay: underWay.slice(0, input.parallel),
    trouble: entries.filter(({ action, runId }) => isTrouble(action, runId !== undefined && runId in input.touched))
      .length,
    registry,
  };
}

function putPlan(
  store: InferDependencies['store'],
  schedule: string,
  entries: readonly FiringEntry[],
): Promise<ArtifactRef> {
  const plan: FiringPlan = { schemaVersion: 1, schedule, entries, at: new Date().toISOString() };
  return store.putBlob(JSON.stringify(plan), { mediaType: 'application/json', rows: 1 });
}

/** What this firing leaves for a person. A run that was parked before it began was told of by an earlier one. */
function isTrouble(action: StudentAction, touched: boolean): boolean {
  return action === 'failed' || action === 'cannot' || (action === 'waits' && touched);
}

/** The run of a student: its models are resolved, the config is judged with it. Errors: InvalidConfig, and those of a model that is not there. */
async function runIdOf(
  { config, files }: OpenBundle,
  student: Student,
  schedule: string,
  resolve: InferDependencies['resolveModel'],
  environment: InferDependencies['environment'],
): Promise<string> {
  const own = alignmentConfig(config, student.model, config.name);
  refuseUnfit(own, student.name, environment);
  const models = await modelsOf(own, resolve);
  const contents = Object.fromEntries(Object.entries(files).map(([path, { sha256 }]) => [path, sha256]));
  return alignmentRunId(schedule, student.name, alignmentKey(own, models, contents));
}

/** The config was judged with another student in its place. */
function refuseUnfit(config: RunConfig, student: string, environment: InferDependencies['environment']): void {
  const { problems } = judgeConfig(config, { purpose: 'run', environment });
  const [first] = problems;
  if (!first) return;
  throw new ArteError('InvalidConfig', {
    what: `The schedule's config cannot be used with the student ${student}: ${first.path} ${first.what}`,
    why: first.why,
    next: `${first.instead} Then register the student, or create the schedule, with --replace.`,
    details: problems.slice(1, 4).map(({ path, what }) => `${path}: ${what}`),
  });
}

async function entryOf(
  { store, environment }: InferDependencies,
  { touched, again }: PlanFiringInput,
  { name }: Student,
  runId: string,
): Promise<FiringEntry> {
  const client = getClient();
  const standing = await readStanding(store, name);
  let run = await runState(client, store, runId);
  // Only the embedded platform loses the workers of an older version for good.
  if (run.state === 'running' && environment['ARTE_PLATFORM'] !== undefined && (await endStrandedRun(client, runId)))
    run = { state: 'broken-off' };
  const entry = (action: StudentAction, why: string): FiringEntry => ({ student: name, action, why, runId });
  const trouble = touched[runId];
  switch (run.state) {
    case 'done':
      return finishedEntry(entry, trouble, standing.current === runId, verdictOn(standing, runId)?.why);
    case 'running':
      return entry('under way', 'Its alignment is being made.');
    case 'parked':
      return entry('waits', [run.waitsFor, run.goesOn].join(' '));
    case 'cancelled':
      return again.includes(name) && trouble === undefined
        ? entry('go on', 'A person cancelled it, and asks for it again.')
        : entry('cancelled', 'A person cancelled it. arte schedule trigger --again STUDENT goes on with it.');
    case 'broken-off':
      return trouble === undefined
        ? entry('go on', 'Its alignment was broken off; what is finished comes from the store.')
        : entry('failed', trouble === '' ? 'It was broken off once more.' : trouble);
    case 'none':
      return trouble === undefined
        ? entry('align', newWork(Object.keys(standing.alignments).length))
        : entry('failed', trouble === '' ? 'It was not started.' : trouble);
  }
}

function finishedEntry(
  entry: (action: StudentAction, why: string) => FiringEntry,
  trouble: string | undefined,
  isCurrent: boolean,
  verdict: string | undefined,
): FiringEntry {
  if (verdict !== undefined)
    return entry('nothing', isCurrent ? 'Aligned, and current.' : `Aligned, and not current. ${verdict}`);
  return trouble === undefined || trouble === ''
    ? entry('judge', 'Its alignment is finished; whether it becomes current is to be tested.')
    : entry('failed', trouble);
}

function newWork(before: number): string {
  return before === 0
    ? 'It has never been aligned.'
    : 'Its content, the teacher or the config is not what it was aligned with before.';
}

/** The bundle of the run: its own, where it has begun before. */
async function bundleOf(
  { store }: InferDependencies,
  { config, files }: OpenBundle,
  student: Student,
  runId: string,
): Promise<DueAlignment['bundle']> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  if (record) return record.bundle;
  const own = alignmentConfig(config, student.model, runId);
  const bundle: RunBundle = { schemaVersion: 1, config: own as unknown as JsonValue, files };
  return store.putBlob(canonicalJson(bundle as unknown as JsonValue), { mediaType: 'application/json', rows: 1 });
}

/** Teacher and respondents are the same for every student: looked at once a plan. */
function onceEach(resolve: InferDependencies['resolveModel']): InferDependencies['resolveModel'] {
  const known = new Map<string, Promise<ModelRef>>();
  return (name, model: ModelConfig) => {
    const key = canonicalJson([name, model as unknown as JsonValue]);
    const resolving = known.get(key) ?? resolve(name, model);
    known.set(key, resolving);
    return resolving;
  };
}

/** Stack traces are for logs. */
function shortened({ details: _, ...data }: ErrorData): ErrorData {
  return data;
}
