/**
 * The shape of every stage: settings and inputs make a key; a finished key is returned, not made again; a new one is run,
 * checked and committed once. Whole stages (one activity) live here; stages that ask a model row by row add row-stage.ts.
 *
 * Invariants:
 * 1. The key holds the content of every input and only the settings that matter.
 * 2. `stages/<key>.json` appears when, and only when, every output is in the store.
 * 3. A manifest whose output is gone is not a hit, nor is a damaged one: the stage is made again and the manifest replaced.
 * 4. A manifest that is a hit is made young before its outputs are looked at (reuse.ts): a clean-up that is under way keeps both.
 */
import { directoryManifestSchema, mediaTypes, type ArtifactRef } from '../schemas/artifact-ref';
import type { JsonObject, JsonValue } from '../schemas/json';
import { noUsage, stageManifestSchema, type StageManifest, type StageUsage } from '../schemas/manifest';
import type { StageInput, StageResult } from '../schemas/messages';
import type { ModelLayer, ModelRef } from '../schemas/model-ref';
import type { OutcomeCounts } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { StageName } from '../schemas/stage-names';
import type { ArtifactStore } from '../drivers/store/store';
import { withLayer } from '../drivers/model/layers';
import { stageKey } from '../method/keys';
import { transferConfig } from '../method/transfer';
import { openBundle, type OpenBundle } from './bundle';
import { isGoneOrDamaged, madeAgain } from './damaged';
import { reused } from './reuse';
import { currentRunId } from './run-of';
import { recordStage } from './run-records';

export const noCounts: OutcomeCounts = { ok: 0, malformed: 0, refused: 0, truncated: 0, failed: 0 };

/** A stage's name, version and the settings its key is made of. The version is bumped by hand when prompt, parsing or maths change. */
export interface StageShape {
  readonly name: StageName;
  readonly version: number;
  /** The settings that matter to the stage, and no others: what is not in here may change without making it stale. */
  settings(bundle: OpenBundle, input: StageInput): JsonValue;
}

export interface StageOutcome {
  readonly outputs: Readonly<Record<string, ArtifactRef>>;
  readonly counts?: OutcomeCounts;
  readonly usage?: StageUsage;
  /** By the run that paid for it; left out where the run that commits the stage has paid for all of it. */
  readonly paidBy?: Readonly<Record<string, StageUsage>>;
  readonly facts?: JsonObject;
}

export interface StageContext {
  readonly store: ArtifactStore;
  readonly bundle: OpenBundle;
  readonly config: RunConfig;
  readonly input: StageInput;
  readonly key: string;
}

/** A stage that one activity makes whole. */
export interface WholeStage<Dependencies extends { readonly store: ArtifactStore }> extends StageShape {
  run(context: StageContext, dependencies: Dependencies): Promise<StageOutcome>;
}

export interface KeyedStage {
  /** The bundle as the stage goes by it: of one that is made for a transfer, with the target in its config. */
  readonly bundle: OpenBundle;
  readonly key: string;
  readonly inputs: Readonly<Record<string, string>>;
  readonly settings: JsonValue;
}

/** Key of a stage input: content of inputs and models, settings that matter, and the input's own extra settings. */
export async function keyOf(store: ArtifactStore, shape: StageShape, input: StageInput): Promise<KeyedStage> {
  return keyIn(await openBundle(store, input.bundle), shape, input);
}

/** The same where the bundle is at hand; it need not be in the store. */
export function keyIn(given: OpenBundle, shape: StageShape, input: StageInput): KeyedStage {
  const { transfer } = input;
  const bundle = transfer === undefined ? given : { ...given, config: transferConfig(given.config, transfer) };
  const inputs: Record<string, string> = {};
  for (const [name, ref] of Object.entries(input.inputs)) inputs[name] = ref.sha256;
  if (input.model) inputs['model'] = input.model.contentSha256;
  if (input.reference) inputs['reference'] = input.reference.contentSha256;
  const settings: JsonValue = { ...(input.extra ?? {}), settings: shape.settings(bundle, input) };
  return { bundle, key: stageKey({ stage: shape.name, version: shape.version, inputs, settings }), inputs, settings };
}

export function manifestKey(key: string): string {
  return `stages/${key}.json`;
}

/** The manifest of a finished stage, if it is whole: manifest there and every output too, to the last file. A damaged manifest is none; `read` says what becomes of it. */
export async function finishedStage(
  store: ArtifactStore,
  key: string,
  read: typeof madeAgain = madeAgain,
): Promise<StageManifest | undefined> {
  const document = await read(store, manifestKey(key));
  if (document === undefined) return undefined;
  const manifest = stageManifestSchema.parse(document);
  for (const ref of Object.values(manifest.outputs)) {
    if (!(await isWhole(store, ref))) return undefined;
  }
  return manifest;
}

/** Whether an artifact is in the store: of a directory each of its files, too. What makes a model is in those, and the list outlives them. */
async function isWhole(store: ArtifactStore, ref: ArtifactRef): Promise<boolean> {
  if (!(await store.hasBlob(ref))) return false;
  if (ref.mediaType !== mediaTypes.directory) return true;
  try {
    const { files } = directoryManifestSchema.parse(await store.getJson(ref));
    for (const { blob } of files) if (!(await store.hasBlob(blob))) return false;
    return true;
  } catch (error) {
    if (isGoneOrDamaged(error)) return false;
    throw error;
  }
}

/** The manifest of a finished stage that is to be reused: whole, and young. */
export function reusedStage(store: ArtifactStore, key: string): Promise<StageManifest | undefined> {
  return finishedStage(store, key, reused);
}

/** Commit a stage: first whole manifest wins; one that points at lost outputs is replaced. */
export async function commitStage(
  store: ArtifactStore,
  shape: StageShape,
  keyed: KeyedStage,
  outcome: StageOutcome,
  seconds: number,
): Promise<StageManifest> {
  const runId = currentRunId();
  const usage = outcome.usage ?? noUsage;
  const manifest: StageManifest = {
    schemaVersion: 1,
    stage: shape.name,
    version: shape.version,
    key: keyed.key,
    inputs: { ...keyed.inputs },
    settings: keyed.settings as StageManifest['settings'],
    outputs: { ...outcome.outputs },
    counts: outcome.counts ?? noCounts,
    usage,
    paidBy: { [runId]: outcome.paidBy ? noUsage : usage, ...(outcome.paidBy ?? {}) },
    facts: { ...(outcome.facts ?? {}) } as StageManifest['facts'],
    seconds,
    finishedAt: new Date().toISOString(),
  };
  const document = manifest as unknown as JsonValue;
  const { won } = await store.putOnce(manifestKey(keyed.key), document);
  if (won) return manifest;
  const winner = await reusedStage(store, keyed.key);
  if (winner) return winner;
  await store.putDocument(manifestKey(keyed.key), document);
  return manifest;
}

/** A stage is finished, or `found` so: it gets its line in the run's records, and the engine is told. */
export async function tellFinished(
  store: ArtifactStore,
  manifest: StageManifest,
  input: StageInput,
  found: boolean,
): Promise<StageResult> {
  if (input.place) await recordStage(store, currentRunId(), input.place, manifest, found);
  return stageResult(manifest, input, found);
}

/** What the engine is told of a finished stage: refs and small facts. */
export function stageResult(manifest: StageManifest, input: StageInput, reused: boolean): StageResult {
  const model = trainedModel(manifest, input);
  return {
    stage: manifest.stage,
    key: manifest.key,
    reused,
    outputs: manifest.outputs,
    ...(model ? { model } : {}),
    counts: manifest.counts,
    usage: manifest.usage,
    seconds: manifest.seconds,
    facts: manifest.facts,
  };
}

/** A training leaves its layer as the output `layer`; the model it made is the input's with that layer on top. */
function trainedModel(manifest: StageManifest, input: StageInput): ModelRef | undefined {
  const files = manifest.outputs['layer'];
  if (!files || !input.model) return undefined;
  const kind: ModelLayer['kind'] = manifest.facts['adapter'] === 'full' ? 'full' : 'adapter';
  const made = input.stage.replace('train-', '');
  return withLayer(input.model, { kind, files }, `${input.model.name}+${made}`);
}

/** Make a whole stage an activity body: parse, key, reuse or run, commit. */
export function runWholeStage<Dependencies extends { readonly store: ArtifactStore }>(
  shape: WholeStage<Dependencies>,
  dependencies: Dependencies,
): (input: StageInput) => Promise<StageResult> {
  return async (input) => {
    const { store } = dependencies;
    const keyed = await keyOf(store, shape, input);
    const finished = await reusedStage(store, keyed.key);
    if (finished) return tellFinished(store, finished, input, true);
    // Not by the clock: one that is set back meanwhile would make a manifest that nobody can read.
    const started = performance.now();
    const context = { store, bundle: keyed.bundle, config: keyed.bundle.config, input, key: keyed.key };
    const outcome = await shape.run(context, dependencies);
    const manifest = await commitStage(store, shape, keyed, outcome, (performance.now() - started) / 1000);
    return tellFinished(store, manifest, input, false);
  };
}

/** An input by name; its absence is a mistake of ours. */
export function inputRef(input: StageInput, name: string): ArtifactRef {
  const ref = input.inputs[name];
  if (!ref) throw new Error(`stage ${input.stage} was started without its input ${name}`);
  return ref;
}
