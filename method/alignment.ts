/**
 * A registered student under the config of a schedule: which run that is, and when it is the same one.
 *
 * Owns the identity of an alignment. Leaves what a run is made of to the config, reuse inside it to the keys of its stages.
 * Invariant: an alignment's key holds the content of its models and task files and the settings, and nothing that changes only where, how fast or
 * at what price it is made, or who is told: no address, secret, name, budget, notify or platform.
 */
import type { JsonValue } from '../schemas/json';
import type { ResolvedModels } from '../schemas/messages';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import { canonicalJson, sha256Hex } from './keys';
import { servedIdentity } from './served';
import { transferTargets } from './transfer';

/** Digits of the key in the id of a run: two of a million alignments of one student agree in them by chance in one case of 500. */
const keyDigits = 12;

/** The schedule's config for one student. */
export function alignmentConfig(config: RunConfig, student: ModelConfig, runId: string): RunConfig {
  return { ...config, name: runId, models: { ...config.models, student } };
}

/** @param files Content hashes of the task files, by path. */
export function alignmentKey(
  config: RunConfig,
  { teacher, student, respondents, others }: ResolvedModels,
  files: Readonly<Record<string, string>>,
): string {
  const {
    name: _,
    budget: __,
    platform: ___,
    promotion: ____,
    notify: _____,
    models,
    probe,
    transfer,
    ...settings
  } = config;
  const asked = (model: ModelConfig, contentSha256: string): JsonValue => ({
    content: contentSha256,
    served: servedIdentity(model.endpoint),
    prompt_style: model.prompt_style,
    add_bos: model.add_bos,
  });
  return sha256Hex(
    canonicalJson({
      ...(settings as unknown as Record<string, JsonValue>),
      probe: {
        ...(probe as unknown as Record<string, JsonValue>),
        respondents: respondents.map((ref, index) => asked(probe.respondents[index] as ModelConfig, ref.contentSha256)),
      },
      // Left out where nothing is asked for, so that a config from before there was such a setting has the key that it had.
      ...(transferTargets(config).length > 0 && {
        transfer: {
          students: others.map((ref, index) => asked(transfer.students[index] as ModelConfig, ref.contentSha256)),
          tasks: transfer.tasks as unknown as JsonValue,
        },
      }),
      models: {
        teacher: asked(models.teacher, teacher.contentSha256),
        student: asked(models.student, student.contentSha256),
      },
      files: { ...files },
    }),
  );
}

/** The same schedule, student and key: the same run. */
export function alignmentRunId(schedule: string, student: string, key: string): string {
  return `${schedule}-${student}-${key.slice(0, keyDigits)}`;
}
