/**
 * bench:sequences: seeded sequences of kills and network faults over the whole platform. Each is a run of its own, on a platform of its own, of a
 * small loop with real Temporal, S3 and TRL (a tiny model), whose models answer by script behind a bad network: every run has to end, every
 * account to add up, every hash to be that of the run that nobody killed.
 *
 * The scripted endpoints stand in the worker, not behind a socket: a static endpoint could not serve what the run trains. What HTTP itself can do
 * is bench:faults and bench:kill.
 *
 * npm run bench:sequences [-- SEQUENCES SEED KILLS SECONDS_MAX AT_ONCE]   (20 1 6 0 1: no limit of time, one after another)
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeInput } from '../cli/load-config';
import { disturbed, undisturbedRun, type SelftestResult } from '../cli/selftest/selftest';
import { smallConfig } from '../cli/selftest/small-config';
import type { SeenRun } from '../cli/selftest/disturbed-run';
import { ArteError } from '../schemas/errors';
import type { RunConfig } from '../schemas/run-config';
import { tinyModel } from './tiny-model';

/** Shares of calls that fail; what is tried again succeeds, so the answers are those of a good network. */
const badNetwork = {
  rate_429: 0.05,
  rate_500: 0.05,
  rate_reset: 0.04,
  rate_timeout: 0.02,
  rate_garbage: 0.02,
} as const;

/** The loop of a sequence: one round, everything in it, answers slow enough that there is a middle of every stage. */
export async function sequenceConfig(folder: string): Promise<RunConfig> {
  const source = await tinyModel(join(folder, 'model'));
  const behindBadNetwork = (script: string): unknown => ({
    kind: 'scripted',
    script: 'faulty',
    options: { script, latency_ms: 30, max_in_flight: 8, ...badNetwork },
  });
  const training = { learning_rate: 1e-3, batch_size: 4, max_steps: 3, max_length: 256, lora_rank: 4 };
  const { config, problems } = await judgeInput(
    {
      version: 1,
      name: 'sequence',
      seed: 1,
      tasks: [{ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 8, test: 10 } }],
      models: {
        teacher: { source, prompt_style: 'completion', endpoint: behindBadNetwork('teacher') },
        student: { source, prompt_style: 'completion', endpoint: behindBadNetwork('prefers-short') },
      },
      prompts: { answer_open: 'The answer is ', answer_close: '.' },
      probe: { method: 'random', size: 6 },
      questions: { per_task: 12, per_call: 1, format: 'json', max_tokens: 100 },
      rationales: { max_tokens: 60 },
      score: { max_tokens: 40 },
      pairs: { question: { per_task: 3 }, rationale: { per_task: 12 } },
      align: training,
      tailor: { per_task: 8 },
      sft: training,
      evaluate: { shots: [0], max_tokens: 40 },
      rounds: { count: 1 },
    },
    folder,
    { env: process.env, purpose: 'run' },
  );
  if (!config || problems.length > 0) throw new Error(JSON.stringify(problems));
  return smallConfig(config).config;
}

export interface Sequences {
  readonly undisturbed: SeenRun;
  /** One more sequence; never rejects. */
  next(
    seed: number,
    kills: number,
  ): Promise<SelftestResult | { readonly ok: false; readonly seed: number; readonly error: string }>;
}

/** The undisturbed run, and what runs sequences against it. */
export async function openSequences(folder: string, onProgress: (text: string) => void): Promise<Sequences> {
  const config = await sequenceConfig(folder);
  const order = { loaded: { configDir: folder }, config, keep: true, onProgress };
  const undisturbed = await undisturbedRun(order);
  return {
    undisturbed,
    async next(seed, kills) {
      try {
        return await disturbed({ ...order, seed, kills }, undisturbed);
      } catch (error) {
        const what = error instanceof ArteError ? `${error.data.what} ${error.data.why}` : String(error);
        return { ok: false, seed, error: what };
      }
    },
  };
}

async function main(): Promise<void> {
  const [count = 20, firstSeed = 1, kills = 6, secondsMax = 0, atOnce = 1] = process.argv.slice(2).map(Number);
  const folder = mkdtempSync(join(tmpdir(), 'arte-sequences-'));
  const began = Date.now();
  const onProgress = (text: string): void => void process.stderr.write(`${text}\n`);
  try {
    const sequences = await openSequences(folder, onProgress);
    let [begun, made, equal, killed, lost] = [0, 0, 0, 0, 0];
    const killedBy: Record<string, number> = {};
    const failures: unknown[] = [];
    // Most of a sequence is waiting: for leases of killed work, for heartbeats that do not come, for a bad network.
    const lane = async (): Promise<void> => {
      while (begun < count && (secondsMax === 0 || Date.now() - began < secondsMax * 1000)) {
        const seed = firstSeed + begun;
        begun += 1;
        const result = await sequences.next(seed, kills);
        made += 1;
        if ('error' in result || !result.ok) failures.push(result);
        else equal += 1;
        if ('kills' in result) {
          killed += result.kills;
          lost += result.calls.lostInFlight;
          for (const { part } of result.killed) killedBy[part] = (killedBy[part] ?? 0) + 1;
        }
        onProgress(`sequence ${made}: ${JSON.stringify(result)}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, lane));
    const seconds = Math.round((Date.now() - began) / 1000);
    const figures = { sequences: made, equal, kills: killed, killedBy, callsLostInFlight: lost, seconds, failures };
    process.stdout.write(`${JSON.stringify({ bench: 'sequences', firstSeed, ...figures })}\n`);
    process.exitCode = failures.length === 0 ? 0 : 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (require.main === module) void main();
