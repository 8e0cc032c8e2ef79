/**
 * Configs of whole loops for end-to-end tests: every part real but, where a test says so, the answers of a model (scripted endpoints).
 * The trained model is then a tiny Llama, so that a loop takes seconds and still goes through TRL, the store and Temporal.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { packageRoot } from '../../drivers/package-root';

/** A folder with a random two-layer Llama and a real tokenizer; `seed` makes another one. Made once per path. */
export async function makeTinyModel(path: string, seed = 0): Promise<string> {
  if (existsSync(path)) return path;
  const { python } = await ensurePythonEnv({});
  execFileSync(python, [join(packageRoot(), 'test', 'fixtures', 'make_tiny_model.py'), path, String(seed)], {
    stdio: 'pipe',
  });
  return path;
}

export interface ScriptedLoop {
  readonly name: string;
  /** Folder of the tiny model that is trained. */
  readonly model: string;
  readonly rounds?: number;
  readonly seed?: number;
  readonly teacher?: Record<string, string | number | boolean>;
  readonly student?: Record<string, string | number | boolean>;
  readonly change?: (config: Record<string, unknown>) => void;
}

/** Writes the YAML of a loop whose models answer by script; returns its path. */
export function writeScriptedLoop(dir: string, loop: ScriptedLoop): string {
  const endpoint = (script: string, options: Record<string, string | number | boolean> = {}): unknown => ({
    kind: 'scripted',
    script,
    options,
  });
  const training = {
    learning_rate: 1e-3,
    batch_size: 4,
    max_steps: 2,
    checkpoint_steps: 1,
    max_length: 256,
    lora_rank: 4,
  };
  const config: Record<string, unknown> = {
    version: 1,
    name: loop.name,
    seed: loop.seed ?? 1,
    tasks: [{ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 8, test: 10 } }],
    models: {
      teacher: { source: loop.model, prompt_style: 'completion', endpoint: endpoint('teacher', loop.teacher) },
      student: { source: loop.model, prompt_style: 'completion', endpoint: endpoint('prefers-short', loop.student) },
    },
    prompts: { answer_open: 'The answer is ', answer_close: '.' },
    probe: { method: 'random', size: 6 },
    questions: { per_task: 12, per_call: 1, format: 'json', max_tokens: 100 },
    rationales: { max_tokens: 60 },
    score: { max_tokens: 40 },
    pairs: { question: { per_task: 3 }, rationale: { per_task: 12 }, minimum: 2 },
    align: training,
    tailor: { per_task: 8 },
    sft: training,
    evaluate: { shots: [0], max_tokens: 40 },
    rounds: { count: loop.rounds ?? 1 },
  };
  loop.change?.(config);
  const path = join(dir, `${loop.name}.yaml`);
  writeFileSync(path, stringify(config));
  return path;
}
