/**
 * Whether the models that a done run was made with are still those that its config names: by content, as task files are, where the bytes are on this machine.
 * Owns where a run has written down which bytes it had. What is not here is not looked at, and the caller says so.
 */
import { readManifest } from '../../activities/lineage';
import { openBundle } from '../../activities/bundle';
import { modelsOf } from '../../activities/resolve-models';
import { readRounds } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { ArteError } from '../../schemas/errors';
import type { RoundRecord, RunRecord } from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import { targetOfStudent, transferLabel } from '../../schemas/transfer';
import { settingOfModel, type ModelFinder } from '../plan/look-into-store';

/** The models that could not be compared, as the config writes them. Errors: ModelChanged, naming those that hold other bytes now. */
export async function requireSameModels(
  store: ArtifactStore,
  { runId, bundle, createdAt }: Pick<RunRecord, 'runId' | 'bundle' | 'createdAt'>,
  find: ModelFinder,
): Promise<string[]> {
  const { config } = await openBundle(store, bundle);
  const rounds = await readRounds(store, runId, config.rounds.count);
  const changed: string[] = [];
  const unseen: string[] = [];
  await modelsOf(config, async (name, model) => {
    const before = await baseIn(store, rounds, name);
    const now = await find(name, model);
    if (!before || !now) unseen.push(settingOfModel(name));
    else if (before !== now.baseSha256)
      changed.push(
        `${settingOfModel(name)}: ${model.source} was ${before.slice(0, 12)} and is ${now.baseSha256.slice(0, 12)} now`,
      );
    // Only the comparison is wanted; nobody looks at what stands for an absent model.
    return now ?? ({} as ModelRef);
  });
  if (changed.length === 0) return unseen;
  throw new ArteError('ModelChanged', {
    what: `The run ${runId} exists, and was made with other bytes of ${changed.length === 1 ? 'a model' : `${changed.length} models`} than are there now.`,
    why: `It was started on ${createdAt}, and is done. ${changed.join('. ')}.`,
    next: `Give this one an id of its own with --id; everything that has not changed is reused from the store. arte report ${runId} shows what the run came to.`,
  });
}

/** The content of a model's own bytes as the run had them. */
async function baseIn(store: ArtifactStore, rounds: readonly RoundRecord[], name: string): Promise<string | undefined> {
  if (name === 'teacher' || name === 'student')
    return rounds.find(({ models }) => models[name])?.models[name]?.baseSha256;
  // Respondents and other students are asked as they are; which bytes they had stands in the manifest of their evaluation.
  const [, kind, index] = /^(respondent|other)-(\d+)$/.exec(name) ?? [];
  const label = kind === 'other' ? transferLabel(targetOfStudent(Number(index)), 'untuned') : name;
  const stages = rounds.flatMap((round) => round.stages);
  const evaluation = stages.find(({ stage, arm }) => stage === 'evaluate' && arm.startsWith(`${label}-`));
  return evaluation && (await readManifest(store, evaluation.key))?.inputs['model'];
}
