/**
 * `arte preview --ask`: the prompts of a preview put to the models themselves, one call each, in this process. Nothing is kept.
 *
 * Owns the order of the calls (each model once, so that a managed server starts once) and that what one step answers is what later steps
 * ask with. Serving is drivers/model/pool.ts; the device is shared with running workers by its lock.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { endpointSettings } from '../activities/endpoint-settings';
import { cacheDirectory, dataDirectory } from '../drivers/local/directories';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { createMaterializer } from '../drivers/model/materialize';
import { CallFailure, type CallFailureCause } from '../drivers/model/model';
import { createModelPool } from '../drivers/model/pool';
import { resolveModel } from '../drivers/model/resolve';
import { createScriptedEndpoint } from '../drivers/model/scripted';
import { packageRoot } from '../drivers/package-root';
import { previewTask, readPreview, type PreviewStep, type PreviewWords } from '../method/preview';
import { ArteError, type ErrorCode } from '../schemas/errors';
import type { TaskRecord } from '../schemas/task';
import type { LoadedConfig } from './config/load-config';

export interface AskedStep extends PreviewStep {
  /** What the model wrote. */
  readonly answer?: string;
  /** What its stage reads in it. */
  readonly reading?: string;
}

export interface AskOptions {
  readonly onProgress: (text: string) => void;
  readonly signal: AbortSignal;
}

type Role = 'teacher' | 'student';

/** Stages by the model that answers them; within one model in the order of the loop. */
const stagesOf: Readonly<Record<Role, readonly string[]>> = {
  teacher: ['sample-questions', 'sample-rationales', 'tailor-questions', 'tailor-rationales'],
  student: ['score-drafts', 'evaluate'],
};

/** The steps with what the teacher and the student answer; steps of other respondents are shown unasked. Errors: those of the drivers. */
export async function askModels(
  { config, configDir }: LoadedConfig,
  task: TaskRecord,
  { onProgress, signal }: AskOptions,
): Promise<AskedStep[]> {
  const python = await ensurePythonEnv({ onProgress: ({ what }) => onProgress(`setting up Python: ${what}`) });
  const logDir = await mkdtemp(join(tmpdir(), 'arte-preview-'));
  const scriptDir = join(packageRoot(), 'python');
  // A base model has no layers, so nothing is ever fetched from a store.
  const store = { getDirectory: () => Promise.reject(new Error('a preview asks base models only')) };
  const materializer = createMaterializer({
    cacheDir: cacheDirectory(),
    python: python.python,
    scriptDir,
    store,
    logDir,
  });
  const deviceLockPath = join(dataDirectory(), 'device-0.lock');
  const pool = createModelPool({
    materializer,
    python: python.python,
    scriptDir,
    logDir,
    deviceLockPath,
    scripted: createScriptedEndpoint,
  });
  const said = new Map<number, { answer: string; reading: string }>();
  let words: PreviewWords = {};
  try {
    for (const role of ['teacher', 'student'] as const) {
      const model = config.models[role];
      onProgress(`starting the ${role}`);
      const ref = await resolveModel(role, model, { configDir, env: python, signal });
      const lease = await pool.lease(ref, endpointSettings(model, process.env), signal);
      try {
        for (let index = 0; ; index += 1) {
          // Built anew for every step: what was answered before is what this one asks with.
          const step = previewTask(task, config, words)[index];
          if (step === undefined) break;
          if (step.model !== role || step.request === undefined || !stagesOf[role].includes(step.stage)) continue;
          // How probable a text is, the scorer says, and that is a number nobody reads in a preview.
          if (step.request.given !== undefined) continue;
          onProgress(`asking the ${role}: ${step.stage}, ${step.title}`);
          const answer = await lease.endpoint.complete(step.request, signal).catch((error: unknown) => {
            throw error instanceof CallFailure ? callFailed(role, step, error) : error;
          });
          const reading = readPreview(step, answer, task, config, words);
          // The first draft that can be shown stands for all of them.
          words = { ...reading.words, ...words };
          said.set(index, { answer: answer.text, reading: reading.says });
        }
      } finally {
        await lease.release();
      }
    }
  } finally {
    await pool.shutdown();
    await rm(logDir, { recursive: true, force: true });
  }
  return previewTask(task, config, words).map((step, index) => ({ ...step, ...said.get(index) }));
}

const codeOf: { readonly [cause in CallFailureCause]?: ErrorCode } = {
  unauthorized: 'EndpointUnauthorized',
  'not-compatible': 'EndpointNotCompatible',
  'unsupported-parameter': 'EndpointRefusesParameter',
};

function callFailed(role: Role, { stage, title }: PreviewStep, failure: CallFailure): ArteError {
  return new ArteError(
    codeOf[failure.callCause] ?? 'EndpointUnreachable',
    {
      what: `The ${role} did not answer (${stage}, ${title}).`,
      why: failure.message,
      next:
        failure.callCause === 'unsupported-parameter'
          ? `Set in models.${role}.endpoint what is named there.`
          : `Check models.${role}.endpoint; arte doctor looks at each part.`,
    },
    { cause: failure },
  );
}
