/** resolve-models: from the config's sources to ModelRefs by content. Never cached by key: the bytes behind a path are looked at every time. */
import { noUsage } from '../schemas/manifest';
import type { ModelRef } from '../schemas/model-ref';
import type { ResolvedModels, ResolveInput } from '../schemas/messages';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import { openBundle } from './bundle';
import type { InferDependencies } from './dependencies';
import { withHeartbeat } from './heartbeat';

/** The teacher, the students and the respondents of a run. Errors: ModelNotFound, ModelIncomplete. */
export async function resolveModels(
  { store, resolveModel }: InferDependencies,
  { bundle }: ResolveInput,
): Promise<ResolvedModels> {
  const { config } = await openBundle(store, bundle);
  const progress = {
    stage: 'prepare-tasks' as const,
    unit: 'steps' as const,
    phase: 'models',
    done: 0,
    total: 2,
    usage: noUsage,
    inFlight: 0,
  };
  return withHeartbeat(progress, async () => {
    return modelsOf(config, resolveModel);
  });
}

/** The models that a run of this config asks or trains, each resolved under its name. */
export async function modelsOf(
  { models, probe, transfer }: Pick<RunConfig, 'models' | 'probe' | 'transfer'>,
  resolve: (name: string, model: ModelConfig) => Promise<ModelRef>,
): Promise<ResolvedModels> {
  const teacher = await resolve('teacher', models.teacher);
  const student = await resolve('student', models.student);
  const respondents: ModelRef[] = [];
  if (probe.method === 'irt') {
    for (const [index, model] of probe.respondents.entries())
      respondents.push(await resolve(`respondent-${index}`, model));
  }
  const others: ModelRef[] = [];
  for (const [index, model] of transfer.students.entries()) others.push(await resolve(`other-${index}`, model));
  return { teacher, student, respondents, others };
}
