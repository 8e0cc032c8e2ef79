/**
 * What a run leaves in the store besides its stages: progress, rounds, ledger, report, actions, notices, under `runs/<runId>/`. A run can be looked at, reported and
 * started again from these when the engine's history is gone. Owns the keys, and how the line of a stage gets into the record of its round.
 *
 * Invariants
 * 1. A stage's line is written by the activity that finished it, before the workflow knows: it never travels through the engine.
 * 2. What this run has paid for stays paid: a later walk that finds the stage in the store does not turn its line into "reused".
 * 3. A whole round's record is replaced by a whole one only, but for a change of the config (setRoundsAside): what was made before it was paid for,
 *    and stays in the account as `earlier`.
 */
import type { ArtifactStore } from '../drivers/store/store';
import { nearestName } from '../method/config/explain-shape';
import { canonicalJson } from '../method/keys';
import { stageWords } from '../method/stage-words';
import { armNames } from '../schemas/arms';
import { mediaTypes, type ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import { noUsage, paidByRun, type StageManifest } from '../schemas/manifest';
import type {
  EvaluationRecord,
  RoundEnd,
  RoundRecord,
  RunProgress,
  RunRecord,
  StagePlace,
  StageRecord,
} from '../schemas/messages';
import { changeDocument } from './change-document';
import { asIfGone, isDamage, putAway } from './damaged';

export const runKeys = {
  record: (runId: string) => `runs/${runId}/run.json`,
  progress: (runId: string) => `runs/${runId}/progress.json`,
  round: (runId: string, round: number) => `runs/${runId}/rounds/${nameOf(round)}.json`,
  /** The lines of a round's stages, one after another as they are finished. */
  stages: (runId: string, round: number) => `runs/${runId}/rounds/${nameOf(round)}.stages.json`,
  /** The plan with its price, as it was made when the run was started. */
  plan: (runId: string) => `runs/${runId}/plan.json`,
  /** The same for a config that the run was changed to, by the hash of its bundle. */
  changedPlan: (runId: string, bundle: string) => `runs/${runId}/plans/${bundle}.json`,
  ledger: (runId: string) => `runs/${runId}/ledger.json`,
  edge: (runId: string) => `runs/${runId}/edge.json`,
  report: (runId: string) => `runs/${runId}/report.json`,
  /** A folder of documents. */
  actions: (runId: string) => `runs/${runId}/actions/`,
  /** A folder of documents: what was found when work stood still. */
  stalls: (runId: string) => `runs/${runId}/stalls/`,
  /** A folder of documents: what was told to whom. */
  notices: (runId: string) => `runs/${runId}/notices/`,
  ceiling: (runId: string) => `runs/${runId}/ceiling.json`,
} as const;

function nameOf(round: number): string {
  return String(round).padStart(4, '0');
}

/**
 * Leave what a run says of itself. One that has ended also gets a mark, whose name says all that a table of runs tells of it: a thousand ended runs
 * are listed with one request. No mark is older than the progress that it stands for: a run that goes on loses it first.
 */
export async function saveProgress(store: ArtifactStore, progress: RunProgress): Promise<void> {
  const mark = endedMark(progress);
  for await (const { key } of store.list(endedMarks(progress.runId))) if (key !== mark) await store.remove(key);
  await store.putDocument(runKeys.progress(progress.runId), progress as unknown as JsonValue);
  if (mark !== undefined) await store.putOnce(mark, {});
}

/** What a table of runs says of one that has ended. */
export type EndedRun = Pick<RunProgress, 'runId' | 'status' | 'round' | 'rounds' | 'startedAt'>;

const endedFolder = 'runs-ended/';

/** The marks of a run: one, or none. A run id has no comma (cli/run/start-run.ts). */
export function endedMarks(runId: string): string {
  return `${endedFolder}${runId},`;
}

function endedMark({ runId, status, round, rounds, startedAt }: RunProgress): string | undefined {
  if (status !== 'DONE' && status !== 'CANCELLED') return undefined;
  return `${endedMarks(runId)}${[status, round, rounds, Date.parse(startedAt)].join(',')}`;
}

/** The runs that have ended, by their id. Those of older versions have no mark, and are missing. */
export async function readEndedRuns(store: ArtifactStore): Promise<Map<string, EndedRun>> {
  const runs = new Map<string, EndedRun>();
  for await (const { key } of store.list(endedFolder)) {
    const run = endedRun(key);
    runs.set(run.runId, run);
  }
  return runs;
}

function endedRun(mark: string): EndedRun {
  const [runId = '', status, round, rounds, started] = mark.slice(endedFolder.length).split(',');
  const startedAt = new Date(Number(started)).toISOString();
  return { runId, status: status as EndedRun['status'], round: Number(round), rounds: Number(rounds), startedAt };
}

/**
 * What can be said of a run whose own word cannot be read: its mark where it has ended; else how far it came, by the names of its documents, and that
 * it is not done.
 */
export async function progressByTraces(store: ArtifactStore, runId: string): Promise<RunProgress> {
  for await (const { key } of store.list(endedMarks(runId))) return { ...endedRun(key), current: [] };
  let round = 1;
  for await (const { key } of store.list(`runs/${runId}/rounds/`))
    round = Math.max(round, Number(/(\d+)(?:\.stages)?\.json$/.exec(key)?.[1] ?? 1));
  const record = (await asIfGone(store, runKeys.record(runId))) as unknown as RunRecord | undefined;
  return { runId, status: 'FAILED', round, rounds: round, current: [], startedAt: record?.createdAt ?? '' };
}

/** What the run last said of where it is, if it has ever said that; a word that cannot be read is told by what else the run left. */
export async function lastWord(store: ArtifactStore, runId: string): Promise<RunProgress | undefined> {
  try {
    return (await store.getDocument(runKeys.progress(runId))) as unknown as RunProgress | undefined;
  } catch (error) {
    if (isDamage(error)) return progressByTraces(store, runId);
    throw error;
  }
}

/** Runs that have ever said where they are, those that spoke last first; `modifiedAt` in epoch milliseconds. Goes through all documents of all runs. */
export async function runsByLastWord(store: ArtifactStore): Promise<{ runId: string; modifiedAt: number }[]> {
  const found: { runId: string; modifiedAt: number }[] = [];
  for await (const { key, modifiedAt } of store.list('runs/')) {
    const runId = /^runs\/([^/]+)\/progress\.json$/.exec(key)?.[1];
    if (runId !== undefined) found.push({ runId, modifiedAt: modifiedAt.getTime() });
  }
  return found.sort((one, other) => other.modifiedAt - one.modifiedAt);
}

/** What a command says of an id that neither the store nor the engine knows. `known`: the runs there are, of which one may have been meant. */
export function noSuchRun(runId: string, known: readonly string[] = []): ArteError {
  const nearest = nearestName(runId, known);
  const meant = nearest === undefined ? '' : `The nearest is ${nearest}, if that is what was meant. `;
  return new ArteError('RunNotFound', {
    what: `There is no run ${runId}.`,
    why: 'Neither the engine nor the store of this platform knows the id.',
    next: `${meant}arte status lists the runs there are. Each data directory has runs of its own.`,
  });
}

/** So many runs a misspelt id is compared with: a few requests. */
const comparedRunsMax = 5_000;

/** The same, with the nearest run of the store. Never fails: what cannot be listed is not named. */
export async function noSuchRunIn(store: Pick<ArtifactStore, 'folders'>, runId: string): Promise<ArteError> {
  const known: string[] = [];
  try {
    for await (const id of store.folders('runs/')) {
      known.push(id);
      if (known.length === comparedRunsMax) break;
    }
  } catch {
    // It is said without.
  }
  return noSuchRun(runId, known);
}

// ---- stages ------------------------------------------------------------------------------------------------------

interface RoundStages {
  readonly schemaVersion: 1;
  readonly stages: readonly StageRecord[];
  /** What this run made in the round under another config, and has not come by since. */
  readonly earlier?: readonly StageRecord[];
}

/** Put a finished stage among those of its round. `found`: it was in the store. */
export async function recordStage(
  store: ArtifactStore,
  runId: string,
  place: StagePlace | undefined,
  manifest: StageManifest,
  found: boolean,
): Promise<void> {
  if (!place) return;
  const { stage, key, seconds } = manifest;
  const paid = paidByRun(manifest.paidBy, runId);
  const reused = found && (paid === undefined || (await isRecorded(store, runId, place, key)));
  const usage = reused || paid === undefined ? noUsage : paid;
  const { paidSeconds, waitedSeconds } = manifest.facts;
  const training = typeof paidSeconds === 'number' ? { paidSeconds } : {};
  const waited = typeof waitedSeconds === 'number' ? { waitedSeconds } : {};
  const says = stageWords(stage, manifest.facts);
  const words = says === undefined ? {} : { says };
  await putStageRecord(store, runId, {
    ...{ stage, ...place, key, reused, seconds, usage },
    ...{ ...waited, ...training, ...words },
  });
}

/**
 * Whether what the run paid for the stage stands elsewhere in its account: two arms, and two rounds, may come to the very same one, which was paid for
 * once. What was set aside of this round is not asked: the line takes its place.
 */
async function isRecorded(
  store: ArtifactStore,
  runId: string,
  { round, arm }: StagePlace,
  key: string,
): Promise<boolean> {
  for (let each = 1; ; each += 1) {
    const lines = runKeys.stages(runId, each);
    const document =
      each > round
        ? await asIfGone(store, lines)
        : await (each === round ? orPutAway(store, lines, () => store.getDocument(lines)) : store.getDocument(lines));
    if (document === undefined && each >= round) return false;
    const { stages, earlier = [] } = linesIn(document);
    // Lines of later rounds are those of an earlier start: they are written anew when the walk comes to them.
    const paid =
      each > round ? [] : stages.filter((line) => !line.reused && (line.round !== round || line.arm !== arm));
    if ([...paid, ...(each === round ? [] : earlier)].some((line) => line.key === key)) return true;
  }
}

export async function putStageRecord(store: ArtifactStore, runId: string, record: StageRecord): Promise<void> {
  const { stage, round, arm } = record;
  const name = `The record of ${runId}'s round ${round}`;
  const key = runKeys.stages(runId, round);
  const change = (standing: JsonValue | undefined): JsonValue | undefined => {
    const { stages, earlier = [] } = linesIn(standing);
    const at = stages.findIndex((each) => each.stage === stage && each.arm === arm);
    const before = stages[at];
    if (before?.key === record.key && record.reused) return undefined;
    // Whatever its label was then: it was paid for once.
    const left = record.reused ? earlier : earlier.filter((line) => line.key !== record.key);
    const document: RoundStages = {
      schemaVersion: 1,
      stages: at < 0 ? [...stages, record] : stages.with(at, record),
      ...(left.length > 0 ? { earlier: left } : {}),
    };
    return document as unknown as JsonValue;
  };
  await orPutAway(store, key, () => changeDocument(store, key, name, change));
}

/**
 * Work on the lines of the round under way. They follow from the manifests of its stages: damaged ones are put out of the way, and the walk that begins
 * again because of the error writes them anew.
 */
async function orPutAway<T>(store: ArtifactStore, key: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    await putAway(store, key, error);
    throw error;
  }
}

/** The stages of a round that are finished so far, in the order in which they were. */
export async function readStages(store: ArtifactStore, runId: string, round: number): Promise<readonly StageRecord[]> {
  return (await readLines(store, runId, round)).stages;
}

async function readLines(
  store: ArtifactStore,
  runId: string,
  round: number,
): Promise<Omit<RoundStages, 'schemaVersion'>> {
  return linesIn(await store.getDocument(runKeys.stages(runId, round)));
}

function linesIn(document: JsonValue | undefined): Omit<RoundStages, 'schemaVersion'> {
  return document === undefined ? { stages: [] } : (document as unknown as RoundStages);
}

/**
 * What the run paid for under configs that it no longer goes by, and has not come by since. Of all rounds that it ever reached: under the new
 * config it may end before it comes to them.
 */
export async function readEarlier(store: ArtifactStore, runId: string): Promise<StageRecord[]> {
  const records: StageRecord[] = [];
  for (let round = 1; ; round += 1) {
    const document = await store.getDocument(runKeys.stages(runId, round));
    if (document === undefined) return records;
    records.push(...(linesIn(document).earlier ?? []));
  }
}

/** The run is walked again under another config: its rounds begin with no line, and what they paid for is kept apart. */
export async function setRoundsAside(store: ArtifactStore, runId: string): Promise<void> {
  for (let round = 1; (await store.getDocument(runKeys.stages(runId, round))) !== undefined; round += 1) {
    await changeDocument(store, runKeys.stages(runId, round), `The record of ${runId}'s round ${round}`, (standing) => {
      const { stages, earlier = [] } = linesIn(standing);
      const document: RoundStages = {
        schemaVersion: 1,
        stages: [],
        earlier: [...earlier, ...stages.filter(({ reused }) => !reused)],
      };
      return document as unknown as JsonValue;
    });
    await store.remove(runKeys.round(runId, round));
  }
}

// ---- evaluations -------------------------------------------------------------------------------------------------

/** A run's evaluations up to a round as one artifact: what decide reads, and what its key follows from. */
export async function collectEvaluations(store: ArtifactStore, runId: string, round: number): Promise<ArtifactRef> {
  const records: EvaluationRecord[] = [];
  for (let each = 1; each <= round; each += 1) records.push(...evaluationsIn(await readStages(store, runId, each)));
  return store.putBlob(evaluationsText(records), { mediaType: mediaTypes.json, rows: records.length });
}

/** The artifact's bytes: in one order, whichever evaluation was finished first. */
export function evaluationsText(records: readonly EvaluationRecord[]): string {
  return canonicalJson(inOrder(records) as unknown as JsonValue);
}

function evaluationsIn(stages: readonly StageRecord[]): EvaluationRecord[] {
  return allEvaluationsIn(stages).filter(({ to }) => to === undefined);
}

/** The evaluations of a transfer, target by target as they were made: they stand in the report, and decide nothing. */
export function transfersIn(stages: readonly StageRecord[]): EvaluationRecord[] {
  return allEvaluationsIn(stages).filter(({ to }) => to !== undefined);
}

function allEvaluationsIn(stages: readonly StageRecord[]): EvaluationRecord[] {
  return inOrder(stages.flatMap(({ evaluates, round, key }) => (evaluates ? [{ ...evaluates, round, key }] : [])));
}

/** By round, then as the arms stand in the report. */
function inOrder(records: readonly EvaluationRecord[]): EvaluationRecord[] {
  const rank = ({ arm }: EvaluationRecord): number => armNames.indexOf(arm);
  return [...records].sort(
    (one, other) =>
      one.round - other.round || rank(one) - rank(other) || one.student - other.student || one.shots - other.shots,
  );
}

// ---- rounds ------------------------------------------------------------------------------------------------------

/** The record of a round that has come to its end, with the stages that its activities recorded. */
export async function saveRound(store: ArtifactStore, { runId, round, models, decision }: RoundEnd): Promise<void> {
  const { stages, earlier } = await readLines(store, runId, round);
  const before = await readRounds(store, runId, round - 1);
  const evaluations = [...(before.at(-1)?.evaluations ?? []), ...evaluationsIn(stages)];
  const aside = earlier ? { earlier } : {};
  const record: RoundRecord = { schemaVersion: 1, runId, round, stages, ...aside, models, evaluations, decision };
  await store.putDocument(runKeys.round(runId, round), record as unknown as JsonValue);
}

/**
 * The last round that has come to its end. One after it is under way, or stands there for what it paid under another config: the run may end
 * without having come to it again.
 */
export function lastEnded(rounds: readonly RoundRecord[]): RoundRecord | undefined {
  return rounds.findLast(({ decision }) => Object.keys(decision).length > 0);
}

/** The rounds so far, in order. Of one that has not come to its end: its stages, no models, no decision. */
export async function readRounds(store: ArtifactStore, runId: string, rounds: number): Promise<RoundRecord[]> {
  const records: RoundRecord[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const document = await store.getDocument(runKeys.round(runId, round));
    if (document !== undefined) {
      records.push(document as unknown as RoundRecord);
      continue;
    }
    const { stages, earlier } = await readLines(store, runId, round);
    if (stages.length === 0 && !earlier) continue;
    const evaluations = [...(records.at(-1)?.evaluations ?? []), ...evaluationsIn(stages)];
    const aside = earlier ? { earlier } : {};
    records.push({ schemaVersion: 1, runId, round, stages, ...aside, models: {}, evaluations, decision: {} });
  }
  return records;
}
