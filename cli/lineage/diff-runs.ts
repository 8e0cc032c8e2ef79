/**
 * What differs between two runs: settings, stages and why, rows, and accuracies on the items that both answered.
 *
 * Owns the comparison; its look is diff-view.ts. Two stages are the same when their keys are: then version, settings and the content of every
 * input are equal, and so is what came out. Where they are not, the manifests say which of these it was.
 */
import type { LineageStage, RunLineage } from '../../activities/lineage';
import { readRows } from '../../activities/read-rows';
import type { ArtifactStore } from '../../drivers/store/store';
import { asFamily, compareAnswers } from '../../method/comparisons';
import { itemKey } from '../../method/evaluate';
import { canonicalJson } from '../../method/keys';
import type { PairedComparison } from '../../method/statistics';
import type { JsonValue } from '../../schemas/json';
import type { StageManifest } from '../../schemas/manifest';
import { predictionRowSchema, type PredictionRow } from '../../schemas/rows';
import type { StageName } from '../../schemas/stage-names';
import { taskRecordSchema } from '../../schemas/task';
import { roundIn, type ChosenRound } from '../report/report-round';

/** A value that differs; undefined on the side that does not have it. */
export interface Difference {
  readonly path: string;
  readonly a?: JsonValue;
  readonly b?: JsonValue;
}

export interface StageDifference {
  readonly round: number;
  readonly stage: StageName;
  readonly arm: string;
  readonly a?: { readonly key: string; readonly rows: Readonly<Record<string, number>> };
  readonly b?: { readonly key: string; readonly rows: Readonly<Record<string, number>> };
  /** unknown: a manifest has gone from the store, so that nothing says why the keys differ. */
  readonly verdict: 'same' | 'differs' | 'only in a' | 'only in b' | 'unknown';
  /** Its own settings and version that differ: where a difference begins. */
  readonly settings: readonly Difference[];
  /** Inputs with other content: what it has from stages before it. */
  readonly inputs: readonly string[];
}

export interface ArmDifference {
  /** As the stages are called: `arte-0shot`. */
  readonly arm: string;
  readonly roundA: number;
  readonly roundB: number;
  readonly accuracyA: number;
  readonly accuracyB: number;
  /** B less A on the items that both answered, p Holm-adjusted over the arms; none when they share no item. */
  readonly comparison?: PairedComparison;
  readonly itemsA: number;
  readonly itemsB: number;
}

/** `arte diff --json` prints exactly this. */
export interface RunDiff {
  readonly a: string;
  readonly b: string;
  readonly config: readonly Difference[];
  readonly stages: readonly StageDifference[];
  /** Whose accuracies are compared. An arm that is made in the first round alone stands for all. */
  readonly rounds: { readonly a: ChosenRound; readonly b: ChosenRound };
  readonly arms: readonly ArmDifference[];
}

/** `wanted`: compare this round of both; else the best of each. Errors: RoundNotFound. */
export async function diffRuns(store: ArtifactStore, a: RunLineage, b: RunLineage, wanted?: number): Promise<RunDiff> {
  const rounds = { a: roundIn(a, wanted), b: roundIn(b, wanted) };
  return {
    a: a.runId,
    b: b.runId,
    config: differences(
      { ...a.bundle.config, files: fileHashes(a) } as unknown as JsonValue,
      { ...b.bundle.config, files: fileHashes(b) } as unknown as JsonValue,
    ),
    stages: diffStages(a, b),
    rounds,
    arms: await diffArms(store, a, b, rounds),
  };
}

function fileHashes({ bundle }: RunLineage): Record<string, string> {
  return Object.fromEntries(Object.entries(bundle.files).map(([path, { sha256 }]) => [path, sha256]));
}

/** Leaves that differ, by their path: `models.teacher.source`, `tasks[0].family`. */
export function differences(a: JsonValue | undefined, b: JsonValue | undefined, path = ''): Difference[] {
  if (a !== undefined && b !== undefined && canonicalJson(a) === canonicalJson(b)) return [];
  const [membersA, membersB] = [membersOf(a), membersOf(b)];
  const names = [...new Set([...(membersA?.keys() ?? []), ...(membersB?.keys() ?? [])])];
  // A leaf is shown whole, and so is a list against an object; an object against nothing by its members.
  const comparable =
    (membersA ?? a === undefined) && (membersB ?? b === undefined) && Array.isArray(a ?? b) === Array.isArray(b ?? a);
  if (!comparable || names.length === 0)
    return [{ path, ...(a === undefined ? {} : { a }), ...(b === undefined ? {} : { b }) }];
  const inList = Array.isArray(a ?? b);
  return names.flatMap((name) =>
    differences(
      membersA?.get(name),
      membersB?.get(name),
      inList ? `${path}[${name}]` : path === '' ? name : `${path}.${name}`,
    ),
  );
}

/** Members of an object or list; undefined for a leaf. */
function membersOf(value: JsonValue | undefined): Map<string, JsonValue | undefined> | undefined {
  return typeof value === 'object' && value !== null
    ? new Map<string, JsonValue | undefined>(Object.entries(value))
    : undefined;
}

// ---- stages ------------------------------------------------------------------------------------------------------

function diffStages(a: RunLineage, b: RunLineage): StageDifference[] {
  const nameOf = ({ record: { round, stage, arm } }: LineageStage): string => JSON.stringify([round, stage, arm]);
  const others = new Map(b.stages.map((stage) => [nameOf(stage), stage]));
  const mine = new Map(a.stages.map((stage) => [nameOf(stage), stage]));
  const rounds = (name: string): number => (JSON.parse(name) as [number])[0];
  return [...new Set([...mine.keys(), ...others.keys()])]
    .sort((one, other) => rounds(one) - rounds(other))
    .map((name) => diffStage(mine.get(name), others.get(name)));
}

function diffStage(a: LineageStage | undefined, b: LineageStage | undefined): StageDifference {
  const { round, stage, arm } = (a ?? b ?? never()).record;
  const side = (of: LineageStage | undefined) => of && { key: of.record.key, rows: rowsOf(of.manifest) };
  const [sideA, sideB] = [side(a), side(b)];
  const base = { round, stage, arm, ...(sideA ? { a: sideA } : {}), ...(sideB ? { b: sideB } : {}) };
  const nothing = { settings: [], inputs: [] };
  if (!a || !b) return { ...base, ...nothing, verdict: a ? 'only in a' : 'only in b' };
  if (a.record.key === b.record.key) return { ...base, ...nothing, verdict: 'same' };
  if (!a.manifest || !b.manifest) return { ...base, ...nothing, verdict: 'unknown' };
  const [inputsA, inputsB] = [a.manifest.inputs, b.manifest.inputs];
  const names = [...new Set([...Object.keys(inputsA), ...Object.keys(inputsB)])];
  return {
    ...base,
    verdict: 'differs',
    settings: differences(ownOf(a.manifest), ownOf(b.manifest)),
    inputs: names.filter((name) => inputsA[name] !== inputsB[name]),
  };
}

/** What a stage's key has besides its inputs. The names of its settings are those of the config's section, as far as they can be. */
export function ownOf({ version, settings }: Pick<StageManifest, 'version' | 'settings'>): JsonValue {
  return { version, ...flatSettings(settings) };
}

/** A row stage keeps its settings beside how the model is served; one level less says the same. */
function flatSettings(settings: StageManifest['settings']): Record<string, JsonValue> {
  const { settings: own, ...extra } = settings as {
    settings: Record<string, JsonValue>;
    [name: string]: JsonValue;
  };
  const { served, stage, ...whole } = own;
  return {
    ...extra,
    ...(served === undefined ? {} : { served }),
    ...(stage !== undefined && typeof stage === 'object' && stage !== null ? (stage as Record<string, JsonValue>) : {}),
    ...(whole as Record<string, JsonValue>),
  };
}

function rowsOf(manifest: StageManifest | undefined): Record<string, number> {
  return Object.fromEntries(Object.entries(manifest?.outputs ?? {}).map(([name, { rows }]) => [name, rows]));
}

function never(): never {
  throw new Error('a stage of neither run');
}

// ---- accuracies --------------------------------------------------------------------------------------------------

/** Each arm on the held-out test items. */
async function diffArms(
  store: ArtifactStore,
  a: RunLineage,
  b: RunLineage,
  rounds: RunDiff['rounds'],
): Promise<ArmDifference[]> {
  const [armsA, armsB] = [evaluationsOf(a, rounds.a), evaluationsOf(b, rounds.b)];
  const found: ArmDifference[] = [];
  for (const [arm, mine] of armsA) {
    const other = armsB.get(arm);
    if (!other) continue;
    const [ours, theirs] = [await predictionsOf(store, mine), await predictionsOf(store, other)];
    if (!ours || !theirs) continue;
    const [itemsOurs, itemsTheirs] = [await itemsOf(store, a, mine), await itemsOf(store, b, other)];
    // The same id may name another item where the tasks differ: only equal questions with equal targets are the same.
    const shared = ours.filter((row) => {
      const item = itemsOurs.get(itemKey(row));
      return item !== undefined && item === itemsTheirs.get(itemKey(row));
    });
    found.push({
      arm,
      roundA: mine.record.round,
      roundB: other.record.round,
      accuracyA: accuracyOf(ours),
      accuracyB: accuracyOf(theirs),
      itemsA: ours.length,
      itemsB: theirs.length,
      ...(shared.length > 0
        ? {
            comparison: compareAnswers(
              { key: other.record.key, predictions: theirs, students: 1 },
              { key: mine.record.key, predictions: shared, students: 1 },
            ),
          }
        : {}),
    });
  }
  return adjusted(found);
}

/** Several arms are several looks at the data: p is Holm's over all of them, and the verdict follows it. */
function adjusted(arms: readonly ArmDifference[]): ArmDifference[] {
  const family = asFamily(arms.flatMap(({ comparison }) => comparison ?? []));
  return arms.map((arm) => {
    const comparison = arm.comparison && family.shift();
    return comparison ? { ...arm, comparison } : arm;
  });
}

type Evaluated = LineageStage & { readonly manifest: StageManifest };

/** Of the round, or, of what is not made in it again, of the last round before it that has it. */
function evaluationsOf({ stages }: RunLineage, { round }: ChosenRound): Map<string, Evaluated> {
  const last = new Map<string, Evaluated>();
  for (const { record, manifest } of stages) {
    if (record.stage !== 'evaluate' || record.round > round || !manifest) continue;
    if ((manifest.settings as { split?: string }).split === 'test') last.set(record.arm, { record, manifest });
  }
  return last;
}

async function predictionsOf(
  store: ArtifactStore,
  { manifest }: Evaluated,
): Promise<readonly PredictionRow[] | undefined> {
  const ref = manifest.outputs['predictions'];
  return ref && (await store.hasBlob(ref)) ? readRows(store, ref, predictionRowSchema) : undefined;
}

/** Question and target of every test item that an evaluation asked. */
async function itemsOf(
  store: ArtifactStore,
  { stages }: RunLineage,
  { manifest }: Evaluated,
): Promise<Map<string, string>> {
  const ref = stages
    .map((stage) => stage.manifest?.outputs['tasks'])
    .find((tasks) => tasks?.sha256 === manifest.inputs['tasks']);
  if (!ref || !(await store.hasBlob(ref))) return new Map();
  const tasks = await readRows(store, ref, taskRecordSchema);
  return new Map(
    tasks.flatMap(({ name, test }) =>
      test.map(({ id, question, target }) => [itemKey({ task: name, itemId: id }), JSON.stringify([question, target])]),
    ),
  );
}

function accuracyOf(predictions: readonly PredictionRow[]): number {
  return predictions.filter(({ correct }) => correct).length / Math.max(1, predictions.length);
}
