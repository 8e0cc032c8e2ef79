/** resolve-models: from the config's sources to ModelRefs by content. Never cached by key: the bytes behind a path are looked at every time. */
import type { ModelRef } from '../schemas/model-ref';
import type { ResolvedModels, ResolveInput } from '../schemas/messages';
import type { ModelConfig } from '../schemas/run-config';
import { openBundle } from './bundle';
import type { InferDependencies } from './dependencies';
import { withHeartbeat } from './heartbeat';
import { noUsage } from './stage';

/** The teacher, the student and the respondents of a run. Errors: ModelNotFound, ModelIncomplete. */
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
    const resolve = (name: string, model: ModelConfig): Promise<ModelRef> => resolveModel(name, model);
    const teacher = await resolve('teacher', config.models.teacher);
    const student = await resolve('student', config.models.student);
    const respondents: ModelRef[] = [];
    if (config.probe.method === 'irt') {
      for (const [index, model] of config.probe.respondents.entries())
        respondents.push(await resolve(`respondent-${index}`, model));
    }
    return { teacher, student, respondents };
  });
}
