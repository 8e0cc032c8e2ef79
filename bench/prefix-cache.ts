/**
 * How much of a scoring shard's prompts comes from the model server's prefix cache. Real prompts (the project's own items and worked
 * rationales), the real row engine and order, a real llama.cpp server with the embedded model.
 *
 * Shareable are, of every row's prompt, the tokens at its beginning that some earlier row of the shard has as well, by the model's own
 * tokenizer; cached are those that the server says it did not compute again. A server with slots begins each slot with nothing, and computes
 * at least the last token anew, so one is out of reach.
 *
 * Last line: one JSON object. Run: npm run bench:prefix-cache -- [drafts] [probe items] [slots]
 */
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runShard } from '../activities/row-engine/engine';
import { scoreDrafts } from '../activities/score-drafts';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { startS3Server } from '../drivers/local/s3-server';
import { startLlamaServer } from '../drivers/model/llama-cpp';
import { localSource } from '../drivers/model/resolve';
import { packageRoot } from '../drivers/package-root';
import { createS3Store } from '../drivers/store/s3';
import { families } from '../method/families';
import { sha256Hex } from '../method/keys';
import { signals } from '../method/signals';
import type { DraftRow, ProbeRow, RowRequest } from '../schemas/rows';
import { runConfigSchema } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';

/** A task with longer questions, whose drafts are worth sharing. */
const familyName = 'navigate';
const contextTokens = 1024;
const apiKey = randomBytes(24).toString('hex');

const config = runConfigSchema.parse({
  version: 1,
  name: 'prefix-cache',
  tasks: [{ source: 'builtin', family: familyName }],
  models: {
    teacher: { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' },
    student: { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' },
  },
  prompts: { answer_open: 'The answer is ', answer_close: '.' },
  score: { max_tokens: 16, stop: ['\n'] },
});

function scoringRows(draftCount: number, probeCount: number) {
  const family = families.get(familyName);
  if (!family) throw new Error(`no family is called ${familyName}`);
  const items = family.generate(draftCount + probeCount, 0);
  const task: TaskRecord = {
    name: family.name,
    category: family.category,
    description: family.description,
    answer: family.answer,
    seeds: [],
    validation: [],
    test: [],
    techniques: [],
  };
  const drafts = items.slice(0, draftCount).map(({ id, question, target, rationale = '' }): DraftRow => ({
    id,
    task: task.name,
    questionId: id,
    question,
    target,
    technique: 'worked',
    rationale: `${rationale} The answer is ${target}.`,
    answer: target,
    agrees: true,
    from: id,
  }));
  const probes = items
    .slice(draftCount)
    .map(({ id, question, target }): ProbeRow => ({ id, task: task.name, question, target, discrimination: null }));
  const loaded = {
    config,
    signal: signals.icl_accuracy,
    tasks: new Map([[task.name, task]]),
    drafts,
    probes: new Map([[task.name, probes]]),
    probeById: new Map(probes.map((probe) => [`${task.name}/${probe.id}`, probe])),
    firstCell: drafts.map((_, index) => index * probeCount),
    cells: draftCount * probeCount,
  };
  return { loaded, rows: scoreDrafts.rows(loaded, []) };
}

type PrefixTree = Map<number, PrefixTree>;

/** Of all prompts, the tokens at their beginning that an earlier prompt has too. */
function shareableTokens(prompts: readonly (readonly number[])[]): number {
  const root: PrefixTree = new Map();
  let shareable = 0;
  for (const tokens of prompts) {
    let node = root;
    for (const token of tokens) {
      const next = node.get(token);
      if (next) shareable += 1;
      else node.set(token, new Map());
      node = node.get(token) as PrefixTree;
    }
  }
  return shareable;
}

/** Ask the server's own tokenizer. */
async function tokenize(port: number, content: string): Promise<number[]> {
  const answer = await fetch(`http://127.0.0.1:${port}/tokenize`, {
    method: 'POST',
    headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ content, add_special: true }),
  });
  if (!answer.ok) throw new Error(`/tokenize answers ${answer.status}`);
  return ((await answer.json()) as { tokens: number[] }).tokens;
}

async function main(): Promise<void> {
  const [drafts = 40, probes = 20, slots = 8] = process.argv.slice(2).map(Number);
  const env = await ensurePythonEnv();
  const folder = mkdtempSync(join(tmpdir(), 'arte-bench-'));
  const signal = new AbortController().signal;
  const s3 = await startS3Server({ env, dataDir: join(folder, 's3'), bucket: 'arte' });
  const embedded = { kind: 'embedded', name: 'SmolLM2-135M-Instruct' } as const;
  const { path } = await localSource(embedded, { cacheDir: join(folder, 'cache'), env });
  const server = await startLlamaServer({
    id: 'llama.cpp/bench',
    python: env.python,
    scriptDir: join(packageRoot(), 'python'),
    logDir: join(folder, 'logs'),
    ggufPath: path,
    settings: { kind: 'managed', server: 'llama.cpp', quantization: 'as-is', slots, contextTokens, threads: 0 },
    deviceLockPath: join(folder, 'device.lock'),
    apiKey,
    signal,
  });
  try {
    const { loaded, rows } = scoringRows(drafts, probes);
    const row = (index: number): RowRequest => {
      const { request, meta } = rows.row(index);
      return { key: sha256Hex(`${index}`), request, meta };
    };
    const startedAt = performance.now();
    const store = createS3Store({
      endpoint: s3.endpoint,
      bucket: s3.bucket,
      region: s3.region,
      forcePathStyle: true,
      credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
      spoolDir: join(folder, 'spool'),
    });
    const { usage } = await runShard({
      shardKey: sha256Hex(`prefix-cache ${drafts} ${probes} ${slots}`),
      rows: { length: rows.length, row, ...(rows.runEnd && { runEnd: rows.runEnd }) },
      openEndpoint: () => Promise.resolve({ endpoint: server.endpoint }),
      read: (asked, answer) => scoreDrafts.read(loaded, asked, answer),
      // What the answers say is not what is looked at.
      thresholds: { malformed: 1, truncated: 1, refused: 1, failed: 0 },
      repairs: 0,
      store,
      journalDir: join(folder, 'journals'),
      madeBy: 'bench',
      attemptId: 'bench',
      onProgress: ({ done, total }) => process.stderr.write(`\r${done} of ${total} rows`),
      signal,
    });
    const seconds = (performance.now() - startedAt) / 1000;
    process.stderr.write('\n');
    const prompts: number[][] = [];
    for (let index = 0; index < rows.length; index += 1) {
      const { prompt } = rows.row(index).request;
      if (prompt.kind !== 'completion') throw new Error('the bench asks in raw text');
      prompts.push(await tokenize(server.port, prompt.text));
    }
    const promptTokens = prompts.reduce((sum, tokens) => sum + tokens.length, 0);
    const shareable = shareableTokens(prompts);
    const { inputTokens, cachedInputTokens } = usage;
    process.stdout.write(
      `${JSON.stringify({
        bench: 'prefix-cache',
        drafts,
        probes,
        slots,
        rows: rows.length,
        seconds,
        promptTokens,
        inputTokens,
        shareableTokens: shareable,
        cachedTokens: cachedInputTokens,
        cachedOfShareable: cachedInputTokens / shareable,
        cachedOfPrompt: cachedInputTokens / inputTokens,
      })}\n`,
    );
    store.close();
  } finally {
    await server.stop();
    await s3.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
