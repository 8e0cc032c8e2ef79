/**
 * What of a run the store holds already, for `arte plan`: the rounds are walked by the workflow's own code, with a runner that looks for
 * every stage and makes none. So plan and run cannot come to different stages, inputs or keys.
 *
 * Owns the looking runner and what stands for a thing that is not there yet. Leaves keys and manifests to activities/find-stage.ts, the
 * order to workflows/round.ts. Invariants: nothing is started, fetched or written; a model's bytes are hashed (once) if they are here; what
 * prepare-tasks would put out is worked out here (prepared-here.ts), so that what follows from the same tasks is found.
 */
import { noUsage } from '../../schemas/manifest';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { OpenBundle } from '../../activities/bundle';
import { findStage, keyOfAnyStage, type KeyedStage } from '../../activities/find-stage';
import { modelsOf } from '../../activities/resolve-models';
import { evaluationsText } from '../../activities/run-records';
import { dataDirectory } from '../../drivers/local/directories';
import { runningPlatform } from '../../drivers/local/platform';
import { findPythonEnv } from '../../drivers/local/python-env';
import { modelHere } from '../../drivers/model/resolve';
import { isEmbedded, storeAddressOf } from '../../drivers/open';
import { createS3Store } from '../../drivers/store/s3';
import type { ArtifactStore } from '../../drivers/store/store';
import { taskFilesOf } from '../../method/config/named-parts';
import { allTasks } from '../../method/transfer';
import { sha256Hex } from '../../method/keys';
import type { StageReuse } from '../../method/plan-stages';
import { mediaTypes, type ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { EvaluationRecord, StageInput, StageResult } from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import type { ModelConfig } from '../../schemas/config/models';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel, type StageName } from '../../schemas/stage-names';
import { carryOn, firstCarry, runRound } from '../../workflows/round';
import type { StageRunner } from '../../workflows/run-state';
import { runTransfer } from '../../workflows/transfer';
import type { LoadedConfig } from '../config/load-config';
import { alignInput } from '../../method/align-input';
import { progressIfSlow } from '../output';
import { prepareHere, type PrepareHere } from './prepared-here';

/** A store that does not answer in this time is not asked: a plan is for now. */
const answerMs = 5_000;

export type ReuseOf = (stage: { readonly name: string; readonly round: number; readonly arm: string }) => StageReuse;

/** A stage as it was looked for; without `keyed` its key cannot be known yet. */
export type LookedStage = StageReuse & {
  readonly name: StageName;
  readonly round: number;
  readonly arm: string;
  readonly keyed?: KeyedStage;
};
export type OnStage = (stage: LookedStage) => void;

/** The model that a config names, if its bytes are at hand. */
export type ModelFinder = (name: string, model: ModelConfig) => Promise<ModelRef | undefined>;

/**
 * Ask the store of the config's platform, or of the embedded platform if it runs: `ask` is given the store and who finds models. Undefined where there is
 * none; a note where it does not answer. Errors: RunNotFound of `ask`.
 */
export async function askStore<Answer>(
  loaded: LoadedConfig,
  ask: (store: ArtifactStore, find: ModelFinder) => Promise<Answer>,
): Promise<Answer | string | undefined> {
  const asked = progressIfSlow('asking the store what it holds');
  let store: ArtifactStore | undefined;
  try {
    store = await openStore(loaded.config.platform);
    if (store === undefined) return undefined;
    await answers(store);
    return await ask(store, await modelFinder(loaded.configDir));
  } catch (error) {
    return whyUnasked(error);
  } finally {
    asked();
    store?.close();
  }
}

/** The note of a store that could not be asked. Errors: RunNotFound, which is the store's answer: it has no such run. */
export function whyUnasked(error: unknown): string {
  if (error instanceof ArteError && error.data.code === 'RunNotFound') throw error;
  const what = error instanceof ArteError ? error.data.what : error instanceof Error ? error.message : String(error);
  return `The store was not asked what it holds: ${what}`;
}

/** Finds what is here already, and fetches nothing. */
export async function modelFinder(configDir: string): Promise<ModelFinder> {
  const env = await findPythonEnv();
  const context = { configDir, ...(env ? { env } : {}) };
  return (name, model) => modelHere(name, model, context);
}

async function openStore(platform: RunConfig['platform']): Promise<ArtifactStore | undefined> {
  const address = isEmbedded(platform, process.env)
    ? (await runningPlatform())?.addresses.store
    : storeAddressOf(platform, process.env);
  return (
    address && createS3Store({ ...address, spoolDir: join(dataDirectory(), 'spool'), attempts: 1, silenceMs: answerMs })
  );
}

async function answers(store: ArtifactStore): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${answerMs / 1000} seconds.`)), answerMs);
  });
  // Any key will do: that it is not there is an answer.
  const asked = store.getDocument('stages/none.json');
  asked.catch(() => undefined);
  await Promise.race([asked, late]).finally(() => clearTimeout(timer));
}

/** Walk all rounds of the config and look for every stage. */
export async function lookForStages(
  store: ArtifactStore,
  { config, configDir, files }: Pick<LoadedConfig, 'config' | 'configDir' | 'files'>,
  find: ModelFinder,
  onStage: OnStage = () => undefined,
): Promise<ReuseOf> {
  const bundle = { config, files: await taskFiles(config, configDir, files) };
  const seen = new Map<string, StageReuse>();
  const models = await modelsOf(
    config,
    async (name, model) => (await find(name, model)) ?? absentModel(settingOfModel(name)),
  );
  const input = alignInput('plan', absentRef('the bundle'), config);
  const evaluations: EvaluationRecord[] = [];
  let carry = firstCarry(models, '');
  const prepare = prepareHere(store, configDir, files);
  const looking = (round: number): StageRunner =>
    lookingRunner(store, bundle, prepare, round, seen, evaluations, onStage);
  let tasks: ArtifactRef | undefined;
  // A run that was made and stopped early has no further rounds to look for.
  while (carry.round <= config.rounds.count && !carry.stop) {
    const made = await runRound(looking(carry.round), input, carry);
    carry = carryOn(carry, made, input);
    ({ tasks } = made);
  }
  // Where the plan has it, also of a run that stopped early.
  if (tasks) await runTransfer(looking(config.rounds.count), input, carry, tasks);
  // Every run writes a report of its own.
  return ({ name, round, arm }) => seen.get(placeOf(name, round, arm)) ?? { reused: name === 'report' ? false : null };
}

function lookingRunner(
  store: ArtifactStore,
  bundle: OpenBundle,
  prepare: PrepareHere,
  round: number,
  seen: Map<string, StageReuse>,
  /** Those found so far, of all rounds. */
  evaluations: EvaluationRecord[],
  onStage: OnStage,
): StageRunner {
  return {
    async stage(name, inputs, { arm = '', evaluates, ...parts } = {}): Promise<StageResult> {
      const stageInput: StageInput = { stage: name, bundle: absentRef('the bundle'), inputs, ...parts };
      const dependsOn = absentIn([inputs, parts]);
      const found = dependsOn === undefined ? await findStage(store, bundle, stageInput) : undefined;
      const reuse = dependsOn === undefined ? { reused: found !== undefined } : { reused: null, dependsOn };
      seen.set(placeOf(name, round, arm), reuse);
      const keyed = dependsOn === undefined ? keyOfAnyStage(bundle, stageInput) : undefined;
      onStage({ name, round, arm, ...reuse, ...(keyed && { keyed }) });
      const result =
        found ??
        absentStage(
          stageInput,
          dependsOn ?? `${stageLabel(name, arm)} of round ${round}`,
          name === 'prepare-tasks' && keyed ? await prepare(keyed.bundle.config) : undefined,
        );
      if (evaluates && evaluates.to === undefined) evaluations.push({ ...evaluates, round, key: result.key });
      return result;
    },
    evaluations() {
      const missing = absentIn(evaluations);
      if (missing !== undefined) return Promise.resolve(absentRef(missing));
      const text = evaluationsText(evaluations);
      const known = { sha256: sha256Hex(text), bytes: Buffer.byteLength(text) };
      return Promise.resolve({ ...absentRef('evaluations'), ...known });
    },
    // Nothing is made, so there is no order to keep but that of the first stage that is not there.
    together: async (one, other) => [await one(), await other()],
  };
}

function placeOf(name: string, round: number, arm: string): string {
  return `${round} ${stageLabel(name, arm)}`;
}

/** `respondent-2` and `other-2` as the config writes them. */
export function settingOfModel(role: string): string {
  const [, kind, index] = /^(respondent|other)-(\d+)$/.exec(role) ?? [];
  if (index === undefined) return `models.${role}`;
  return kind === 'other' ? `transfer.students[${index}]` : `probe.respondents[${index}]`;
}

/** Task files by content, as `arte run` would put them into the bundle. */
export async function taskFiles(
  config: RunConfig,
  configDir: string,
  stored: LoadedConfig['files'] = {},
): Promise<Record<string, ArtifactRef>> {
  const files: Record<string, ArtifactRef> = {};
  for (const { path } of allTasks(config).flatMap(taskFilesOf)) {
    const known = stored[path];
    if (known) {
      files[path] = known;
      continue;
    }
    const bytes = await readFile(resolve(configDir, path));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    files[path] = { ...absentRef(path), sha256, bytes: bytes.length };
  }
  return files;
}

// ---- what is not there: a hash that no content has, and that says what it waits for ------------------------------

const absentMark = 'not there: ';

function absentRef(of: string): ArtifactRef {
  return { uri: '', sha256: `${absentMark}${of}`, bytes: 0, rows: 0, mediaType: mediaTypes.bytes, schemaVersion: 1 };
}

function absentModel(of: string): ModelRef {
  const contentSha256 = `${absentMark}${of}`;
  return { name: of, source: { kind: 'embedded', name: of }, baseSha256: contentSha256, layers: [], contentSha256 };
}

/** A stage with any output that is asked for, all of them absent unless it is known what they will be. */
function absentStage({ stage }: StageInput, of: string, known?: Readonly<Record<string, ArtifactRef>>): StageResult {
  return {
    stage,
    key: `${absentMark}${of}`,
    reused: false,
    outputs: new Proxy<Record<string, ArtifactRef>>(
      { ...known },
      { get: (outputs, name) => outputs[String(name)] ?? absentRef(of) },
    ),
    model: absentModel(of),
    counts: { ok: 0, malformed: 0, refused: 0, truncated: 0, failed: 0 },
    usage: noUsage,
    seconds: 0,
    facts: {},
  };
}

/** The first thing that is not there among what a stage is given. */
function absentIn(given: unknown): string | undefined {
  return new RegExp(`"${absentMark}([^"]*)"`).exec(JSON.stringify(given))?.[1];
}
