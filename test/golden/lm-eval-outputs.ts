/**
 * Writes lm-eval-outputs.json: what SmolLM2-135M answered to items of the built-in families, as GSM8K and BIG-Bench-Hard are asked with few
 * shots. Real outputs, with all that a small model does to an answer; judge_with_lm_eval.py has them judged by lm-evaluation-harness.
 *
 * Run by hand when they are to be made anew:  node -r ./test/fixtures/run-typescript.cjs test/golden/lm-eval-outputs.ts
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { startLlamaServer } from '../../drivers/model/llama-cpp';
import { localSource } from '../../drivers/model/resolve';
import { packageRoot } from '../../drivers/package-root';
import { families } from '../../method/families';

/** The harness's task whose rules an output is judged by, and the family whose items stand in for its own. */
const asked = [
  { task: 'gsm8k', family: 'word-problems', end: (answer: string) => `#### ${answer}` },
  { task: 'gsm8k_cot', family: 'word-problems', end: (answer: string) => `The answer is ${answer}.` },
  { task: 'boolean_expressions', family: 'boolean-expressions', end: (answer: string) => `The answer is ${answer}.` },
  { task: 'navigate', family: 'navigate', end: (answer: string) => `So the answer is ${answer}.` },
  { task: 'object_counting', family: 'count-items', end: (answer: string) => `So the answer is ${answer}.` },
  { task: 'date_understanding', family: 'date-arithmetic', end: (answer: string) => `So the answer is ${answer}.` },
];
const itemsOfTask = 50;
const shots = 3;
/** Every fifth item is asked without shots: answers that keep to no form are judged too. */
const bareEvery = 5;

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'arte-outputs-'));
  const env = await ensurePythonEnv({});
  const never = new AbortController().signal;
  const source = { kind: 'embedded', name: 'SmolLM2-135M-Instruct' } as const;
  const { path } = await localSource(source, { cacheDir: join(root, 'cache'), env });
  const server = await startLlamaServer({
    id: 'llama.cpp/outputs',
    python: env.python,
    scriptDir: join(packageRoot(), 'python'),
    logDir: join(root, 'logs'),
    ggufPath: path,
    settings: { kind: 'managed', server: 'llama.cpp', quantization: 'as-is', slots: 8, contextTokens: 1024, threads: 0 },
    deviceLockPath: join(root, 'device.lock'),
    signal: never,
  });
  try {
    const rows = asked.flatMap(({ task, family: name, end }) => {
      const family = families.get(name);
      if (family === undefined) throw new Error(`no family ${name}`);
      const items = family.generate(shots + itemsOfTask, 17);
      const shown = items
        .slice(0, shots)
        .map((one) => `Q: ${one.question}\nA: Let's think step by step. ${one.rationale ?? ''} ${end(one.target)}\n\n`);
      return items.slice(shots).map(({ question, target }, at) => ({
        task,
        question,
        target,
        prompt: `${at % bareEvery === 0 ? '' : shown.join('')}Q: ${question}\nA: Let's think step by step.`,
      }));
    });
    const texts = new Array<string>(rows.length);
    let next = 0;
    const work = async (): Promise<void> => {
      for (let at = next++; at < rows.length; at = next++) {
        const { text } = await server.endpoint.complete(
          {
            prompt: { kind: 'completion', text: rows[at]?.prompt ?? '' },
            sampling: { temperature: 0, topP: 1, topK: 0, minP: 0, maxTokens: 80, stop: ['Q:', '\n\n\n'], seed: 0 },
          },
          never,
        );
        texts[at] = text;
      }
    };
    await Promise.all(Array.from({ length: 8 }, work));
    const outputs = rows.map(({ task, question, target }, at) => ({ task, question, target, text: texts[at] }));
    const about = 'SmolLM2-135M-Instruct Q4_1, greedy, on items of the built-in families: made by lm-eval-outputs.ts';
    const lines = outputs.map((one) => `  ${JSON.stringify(one)}`).join(',\n');
    writeFileSync(
      join(__dirname, 'lm-eval-outputs.json'),
      `{"about": ${JSON.stringify(about)}, "outputs": [\n${lines}\n]}\n`,
    );
  } finally {
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

void main();
