/**
 * What no kept run needs, in the store: found. It is removed by remove-garbage.ts; the model cache of a machine is commands/gc.ts.
 *
 * Owns what a run needs (retention). Leaves what an artifact is to activities/, statuses to the engine's word.
 *
 * Documents are judged first (manifests, indexes of answers, shards, parts, waves, checkpoints, runs); then every blob that a remaining document names is
 * marked, and what is not marked goes. Whose a document is decides how careful to be:
 * - kept: a kept run's. Stays.
 * - dropped: known to belong to dropped runs only. Goes when it is older than the grace period.
 * - nobody's: no run that we know of names it. Goes when it is also older than the oldest kept run that has not come to its end, because such a
 *   run may be making it, or have found it. Answers of stages that never became whole stay while there is such a run: they are paid for.
 * Invariants
 * 1. Nothing younger than the grace period is garbage, whosever it is; nor is what was written since the clean-up began (`began`). Whoever puts or
 *    reuses something makes it young (activities/reuse.ts, drivers/store).
 * 2. Reads only.
 */
import { openBundle } from '../activities/bundle';
import { isGoneOrDamaged } from '../activities/damaged';
import { openLineage, shardsOf, type RunLineage } from '../activities/lineage';
import { endedMarks, lastEnded, readEndedRuns, runKeys } from '../activities/run-records';
import { listSchedules, scheduleKeys } from '../activities/schedules';
import { listStandings } from '../activities/students';
import type { ArtifactStore, StoredObject } from '../drivers/store/store';
import { directoryManifestSchema, mediaTypes, type ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import { clockSkewMaxMs, leaseExpiryMs } from '../schemas/limits';
import { stageManifestSchema, type StageManifest } from '../schemas/manifest';
import type { RunProgress, RunStatus, ShardOutput } from '../schemas/messages';
import type { FiringOutcome } from '../schemas/schedule';

/** A run as gc finds it. */
export interface KnownRun {
  readonly runId: string;
  readonly status: RunStatus;
  /** When it last left a word in the store. */
  readonly lastWordAt: Date;
}

/** whole: everything. best-and-last: its report, and what its best and last rounds need. dropped: nothing. */
export type Retention = 'whole' | 'best-and-last' | 'dropped';

export interface GarbagePolicy {
  readonly retention: ReadonlyMap<string, Retention>;
  readonly graceMs: number;
  readonly now: Date;
  /** When the clean-up began, by the store's clock: what was written from then on is in use. Left out: now. */
  readonly began?: Date;
  /** A second look: the keys that the first one found. What nobody needs now goes if it is one of them, and nothing else does. */
  readonly only?: ReadonlySet<string>;
}

/** In the order of removal. */
export const garbageKinds = [
  'runs',
  'stages',
  'answers',
  'shards',
  'parts',
  'waves',
  'checkpoints',
  'leases',
  'blobs',
  'damaged',
] as const;
export type GarbageKind = (typeof garbageKinds)[number];

export interface Garbage {
  readonly kind: GarbageKind;
  readonly key: string;
  readonly bytes: number;
}

export interface GarbagePlan {
  /** In the order in which it is to be removed. */
  readonly remove: readonly Garbage[];
  /** What is kept back, and why: for the person. */
  readonly notes: readonly string[];
  /** Models (content hashes) that kept runs may ask for again: their best and last, and all of runs under way. */
  readonly models: ReadonlySet<string>;
  /** By which it was made. */
  readonly policy: GarbagePolicy;
}

/** Find what may go. Reads only. */
export async function findGarbage(
  store: ArtifactStore,
  runs: readonly KnownRun[],
  policy: GarbagePolicy,
): Promise<GarbagePlan> {
  const kept = new Map<string, RunLineage>();
  const needed = new Needs();
  const dropped = new Needs();
  const notes: string[] = [];
  /** Dropped runs that cannot be read any more. */
  const lost = new Set<string>();
  for (const run of runs) {
    const retention = policy.retention.get(run.runId) ?? 'whole';
    let lineage: RunLineage;
    try {
      lineage = await openLineage(store, run.runId);
    } catch (error) {
      if (retention !== 'dropped') throw whatItNeedsIsUnknown(run.runId, error);
      if (!isGoneOrDamaged(error)) throw error;
      lost.add(run.runId);
      notes.push(
        `What ${run.runId} made cannot be told, because of damage in the store (${error.data.what}): its own documents go, and what else it left counts as nobody's.`,
      );
      continue;
    }
    if (retention !== 'dropped') kept.set(run.runId, lineage);
    takeRun(lineage, run, retention, needed, dropped);
    try {
      await takeDocuments(store, run.runId, retention === 'dropped' ? dropped : needed);
    } catch (error) {
      if (retention !== 'dropped') throw whatItNeedsIsUnknown(run.runId, error);
      if (!isGoneOrDamaged(error)) throw error;
    }
  }
  await takeStudents(store, needed);
  const unfinished = runs.filter(({ runId, status }) => kept.has(runId) && status !== 'DONE');
  const graceEnd = policy.now.getTime() - policy.graceMs;
  const oldestStart = Math.min(...unfinished.map(({ runId }) => Date.parse(kept.get(runId)?.record.createdAt ?? '')));
  // The run's clock is not the store's. A run whose start cannot be read holds everything back.
  const nobodysEnd = Number.isNaN(oldestStart) ? -Infinity : Math.min(graceEnd, oldestStart - clockSkewMaxMs);
  const { only } = policy;
  const beganMs = (policy.began ?? policy.now).getTime();
  const goes = (object: StoredObject, whose: Whose): boolean => {
    const age = object.modifiedAt.getTime();
    if (whose === 'kept' || age >= beganMs) return false;
    return only ? only.has(object.key) : age < (whose === 'dropped' ? graceEnd : nobodysEnd);
  };

  // ---- documents
  const remove: Garbage[] = [];
  const manifests = new Map<string, StageManifest>();
  for await (const object of store.list('stages/')) {
    const key = /^stages\/([0-9a-f]{64})\.json$/.exec(object.key)?.[1];
    if (key === undefined) continue;
    if (goes(object, whoseIs(key, needed.stages, dropped.stages))) remove.push(garbage('stages', object));
    else {
      const document = await store.getDocument(object.key);
      if (document !== undefined) manifests.set(key, stageManifestSchema.parse(document));
    }
  }
  const read = runs.filter(({ runId }) => !lost.has(runId));
  const shards = await ownersOfShards(store, read, kept, needed, policy);
  const holdAnswers = (unfinished.length > 0 && !only) || shards.unknown.length > 0;
  const shardRecords = new Map<string, ShardOutput>();
  let held = 0;
  for await (const object of store.list('shards/')) {
    const whose = whoseIs(object.key, shards.kept, shards.dropped);
    if (whose === 'nobody' && holdAnswers) held += 1;
    if (goes(object, whose) && !(whose === 'nobody' && holdAnswers)) remove.push(garbage('shards', object));
    else {
      const document = await store.getDocument(object.key);
      if (document !== undefined) shardRecords.set(object.key, document as unknown as ShardOutput);
    }
  }
  // An index of a shard's answers goes with the shard: without results it offers nothing.
  for await (const object of store.list('answers/')) {
    const recordKey = `shards/${object.key.split('/').at(-1) ?? ''}`;
    if (!shardRecords.has(recordKey) && goes(object, 'dropped')) remove.push(garbage('answers', object));
  }
  for await (const object of store.list('parts/')) {
    // Parts of a shard whose record stands are leftovers; without a record they are the answers themselves.
    const recordKey = `shards/${object.key.split('/')[1] ?? ''}.json`;
    const isLeftover = shardRecords.has(recordKey) || shards.dropped.has(recordKey);
    if (!isLeftover && holdAnswers) held += 1;
    if (goes(object, isLeftover ? 'dropped' : 'nobody') && (isLeftover || !holdAnswers))
      remove.push(garbage('parts', object));
  }
  // A wave's totals are asked for until its stage is whole.
  for await (const object of store.list('waves/'))
    if (goes(object, 'nobody') && !holdAnswers) remove.push(garbage('waves', object));
  // A lease that is held is written anew every few seconds. Whatever the grace, one that may still be held stays; the store's clock is not ours.
  const leaseEnd = policy.now.getTime() - Math.max(policy.graceMs, leaseExpiryMs + clockSkewMaxMs);
  for await (const object of store.list('leases/'))
    if (object.modifiedAt.getTime() < leaseEnd && goes(object, 'dropped')) remove.push(garbage('leases', object));
  const checkpoints: ArtifactRef[] = [];
  for await (const object of store.list('training/')) {
    const isLeftover = manifests.has(object.key.split('/')[1] ?? '');
    if (goes(object, isLeftover ? 'dropped' : 'nobody') && (isLeftover || !holdAnswers))
      remove.push(garbage('checkpoints', object));
    else {
      const document = (await store.getDocument(object.key)) as unknown as { ref: ArtifactRef } | undefined;
      if (document) checkpoints.push(document.ref);
    }
  }

  // ---- blobs
  const marked = new Set<string>();
  const roots = [
    ...needed.refs,
    ...[...manifests.values()].flatMap(({ outputs }) => Object.values(outputs)),
    ...[...shardRecords.values()].map(({ results }) => results),
    ...checkpoints,
  ];
  for (const ref of roots) await mark(store, ref, marked);
  const droppedBlobs = new Set<string>();
  for (const ref of dropped.refs) await mark(store, ref, droppedBlobs);
  for await (const object of store.list('blobs/'))
    if (goes(object, whoseIs(object.key, marked, droppedBlobs))) remove.push(garbage('blobs', object));
  for await (const object of store.list('quarantine/'))
    if (goes(object, 'dropped')) remove.push(garbage('damaged', object));
  for (const { runId } of runs)
    if (policy.retention.get(runId) === 'dropped')
      for (const object of await documentsOf(store, runId)) remove.push(garbage('runs', object));
  const recorded = new Set(runs.map(({ runId }) => runId));
  for (const runId of await remainsOfRuns(store, recorded)) {
    const left = await documentsOf(store, runId);
    // One whose record was lost in another way, and that is under way, has left a word lately.
    if (policy.retention.get(runId) === 'dropped' || left.every((object) => goes(object, 'dropped')))
      for (const object of left) remove.push(garbage('runs', object));
  }

  if (unfinished.length > 0) {
    const [first, ...others] = unfinished;
    notes.push(
      `${first?.runId ?? ''}${others.length > 0 ? ` and ${others.length} more ${others.length === 1 ? 'run' : 'runs'} have` : ' has'} not come to an end: what nobody else names is kept from its start on${held > 0 ? `, and ${held} objects with answers of stages that are not whole` : ''}. arte gc --drop RUN gives up a run that is not to go on.`,
    );
  }
  for (const label of shards.unknown)
    notes.push(
      `The shards of ${label} cannot be told apart, because an input of it has gone: no unclaimed shard is removed.`,
    );
  return { remove: inOrder(remove), notes, models: needed.models, policy };
}

// ---- what a run needs --------------------------------------------------------------------------------------------

class Needs {
  readonly stages = new Set<string>();
  readonly refs: ArtifactRef[] = [];
  readonly models = new Set<string>();
}

function takeRun(lineage: RunLineage, run: KnownRun, retention: Retention, needed: Needs, dropped: Needs): void {
  const { rounds, record, bundle, stages } = lineage;
  const into = retention === 'dropped' ? dropped : needed;
  into.refs.push(record.bundle, ...Object.values(bundle.files));
  // Any config that the run ever had names the run.
  into.refs.push(...(record.revisions ?? []).map((revision) => revision.bundle));
  // A round without stages stands for what it paid under another config; the run's own are those that it came to under this one.
  const last = rounds.findLast(({ stages: made }) => made.length > 0);
  const ended = lastEnded(rounds);
  const best = Number(ended?.decision['bestRound'] ?? last?.round ?? 0);
  const lasting = rounds.filter(({ round }) => [best, ended?.round, last?.round].includes(round));
  const keptRounds = retention === 'whole' ? rounds : lasting;
  const layers = keptRounds.flatMap(({ models }) => Object.values(models).flatMap((model) => model.layers));
  const keptStages = new Set([
    ...keptRounds.flatMap((round) => round.stages.map(({ key }) => key)),
    // The report compares with arms of the first round.
    ...(last?.evaluations.map(({ key }) => key) ?? []),
  ]);
  const keptLayers = new Set(layers.map(({ files }) => files.sha256));
  into.refs.push(...layers.map(({ files }) => files));
  for (const { record: stage, manifest } of stages) {
    const layer = manifest?.outputs['layer']?.sha256;
    const isKept = retention === 'whole' || keptStages.has(stage.key) || (layer !== undefined && keptLayers.has(layer));
    const to = isKept ? into : dropped;
    to.stages.add(stage.key);
    to.refs.push(...Object.values(manifest?.outputs ?? {}));
    // What it asks for next is not known before it has ended.
    if (run.status !== 'DONE' && manifest?.inputs['model'] !== undefined) into.models.add(manifest.inputs['model']);
  }
  for (const { models } of lasting)
    for (const { contentSha256, baseSha256 } of Object.values(models)) into.models.add(contentSha256).add(baseSha256);
}

/** A report is a blob of its own besides its document. */
async function takeDocuments(store: ArtifactStore, runId: string, into: Needs): Promise<void> {
  const progress = (await store.getDocument(runKeys.progress(runId))) as unknown as RunProgress | undefined;
  if (progress?.report) into.refs.push(progress.report);
}

/** What schedules start runs from, and all that comparing students' alignments and going back need, whatever becomes of their runs. */
async function takeStudents(store: ArtifactStore, into: Needs): Promise<void> {
  for (const { name, bundle } of await listSchedules(store)) {
    into.refs.push(bundle, ...Object.values((await openBundle(store, bundle)).files));
    const lastFiring = (await store.getDocument(scheduleKeys.lastFiring(name))) as unknown as FiringOutcome | undefined;
    if (lastFiring) into.refs.push(lastFiring.plan);
  }
  for (const { current, alignments } of await listStandings(store)) {
    for (const { runId, model, evaluations } of Object.values(alignments)) {
      into.refs.push(...model.layers.map(({ files }) => files), ...evaluations.map(({ predictions }) => predictions));
      if (runId === current) into.models.add(model.contentSha256).add(model.baseSha256);
    }
  }
}

type Whose = 'kept' | 'dropped' | 'nobody';

function whoseIs(key: string, kept: ReadonlySet<string>, dropped: ReadonlySet<string>): Whose {
  return kept.has(key) ? 'kept' : dropped.has(key) ? 'dropped' : 'nobody';
}

interface ShardOwners {
  readonly kept: ReadonlySet<string>;
  readonly dropped: ReadonlySet<string>;
  /** Kept stages whose shards cannot be listed. */
  readonly unknown: readonly string[];
}

/** Keys of shard records by who needs them: a shard's key follows from its stage and its rows, so they are listed as the stage would. */
async function ownersOfShards(
  store: ArtifactStore,
  runs: readonly KnownRun[],
  kept: ReadonlyMap<string, RunLineage>,
  needed: Needs,
  { retention }: GarbagePolicy,
): Promise<ShardOwners> {
  const owners = { kept: new Set<string>(), dropped: new Set<string>(), unknown: [] as string[] };
  const seen = new Set<string>();
  for (const run of runs) {
    const lineage = kept.get(run.runId) ?? (await openLineage(store, run.runId));
    for (const { record, manifest } of lineage.stages) {
      const isKept = needed.stages.has(record.key);
      // A stage of a dropped run that a kept one needs is listed by the kept one, whose inputs are there.
      if (!manifest || seen.has(record.key) || (isKept && retention.get(run.runId) === 'dropped')) continue;
      seen.add(record.key);
      try {
        for await (const { recordKey } of shardsOf(store, lineage, manifest))
          (isKept ? owners.kept : owners.dropped).add(recordKey);
      } catch (error) {
        if (!(error instanceof ArteError) || error.data.code !== 'BlobMissing') throw error;
        if (isKept) owners.unknown.push(`${record.stage} of ${run.runId}`);
      }
    }
  }
  return owners;
}

/** A blob, and the files of a directory. One that is gone or damaged names nothing. */
async function mark(store: ArtifactStore, ref: ArtifactRef, marked: Set<string>): Promise<void> {
  if (marked.has(ref.uri)) return;
  marked.add(ref.uri);
  if (ref.mediaType !== mediaTypes.directory) return;
  try {
    for (const { blob } of directoryManifestSchema.parse(await store.getJson(ref)).files) marked.add(blob.uri);
  } catch (error) {
    // One that is damaged and stays where it is may be readable again: what it names is not known to be of no use.
    if (!isGoneOrDamaged(error) || (await store.hasBlob(ref))) throw error;
  }
}

/** A run that is kept and cannot be read: nothing is removed, because nobody knows what it needs. */
function whatItNeedsIsUnknown(runId: string, error: unknown): unknown {
  if (!isGoneOrDamaged(error)) return error;
  const { code, what, why } = error.data;
  return new ArteError(
    code,
    {
      what: `Nothing is removed: what the run ${runId} needs cannot be told. ${what}`,
      why,
      next:
        // Of a run's artifacts the config alone has to be there for that.
        code === 'BlobMissing'
          ? `arte run CONFIG --id ${runId} with the config and task files that it was started with stores them again, and what is left of it is kept. arte gc --drop ${runId} gives the run up, and cleans up without it; with the same config under another id it is made anew from what is left.`
          : `arte doctor says what can be done about it. arte gc --drop ${runId} gives the run up, and cleans up without it.`,
    },
    { cause: error },
  );
}

function garbage(kind: GarbageKind, { key, bytes }: StoredObject): Garbage {
  return { kind, key, bytes };
}

/** Kinds in their order; a run's own record first: what is left of a clean-up that was broken off is then nobody's. */
function inOrder(remove: readonly Garbage[]): Garbage[] {
  const rank = ({ kind, key }: Garbage): number => (key.endsWith('/run.json') ? -1 : garbageKinds.indexOf(kind));
  return [...remove].sort((one, other) => rank(one) - rank(other));
}

/** Everything that is a run's alone: its records, and its mark among the ended. */
async function documentsOf(store: ArtifactStore, runId: string): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for (const prefix of [`runs/${runId}/`, endedMarks(runId)])
    for await (const object of store.list(prefix)) found.push(object);
  return found;
}

/**
 * Runs of which documents are there and no record: a clean-up that was to give them up was broken off behind the record, which goes first. The table of runs
 * still has them, and a new run of such an id would take up their account. `recorded`: those that are known to have one.
 */
export async function remainsOfRuns(store: ArtifactStore, recorded: ReadonlySet<string>): Promise<string[]> {
  const ids = new Set((await readEndedRuns(store)).keys());
  for await (const runId of store.folders('runs/')) ids.add(runId);
  const remains: string[] = [];
  // One that begins just now has its record before anything else.
  for (const runId of ids)
    if (!recorded.has(runId) && (await store.lookAt(runKeys.record(runId))) === undefined) remains.push(runId);
  return remains;
}

/** Every run that the store has a record of, with the time of its newest document. */
export async function recordedRuns(store: ArtifactStore): Promise<Map<string, Date>> {
  const runs = new Map<string, Date>();
  const records = new Set<string>();
  for await (const { key, modifiedAt } of store.list('runs/')) {
    const runId = key.split('/')[1] ?? '';
    if (key === runKeys.record(runId)) records.add(runId);
    const before = runs.get(runId);
    if (!before || before < modifiedAt) runs.set(runId, modifiedAt);
  }
  for (const runId of runs.keys()) if (!records.has(runId)) runs.delete(runId);
  return runs;
}
