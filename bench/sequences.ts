/**
 * bench:sequences: seeded sequences of kills and network faults over the whole platform. Each is a run of its own, on a platform of its own, of a
 * small loop with real Temporal, S3 and TRL (a tiny model), whose models answer by script behind a bad network: every run has to end, every
 * account to add up, every hash to be that of the run that nobody killed.
 *
 * The scripted endpoints stand in the worker, not behind a socket: a static endpoint could not serve what the run trains. What HTTP itself can do
 * is bench:faults and bench:kill.
 *
 * Sequences at once are lanes: a process each, for a run's platform is chosen by the environment. Every lane makes an undisturbed run of its own, beside
 * the others, which is also what its patience goes by.
 *
 * npm run bench:sequences [-- SEQUENCES SEED KILLS SECONDS_MAX AT_ONCE]   (20 1 6 0 1: no limit of time, one after another)
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { judgeInput } from '../cli/config/load-config';
import { disturbed, undisturbedRun, type SelftestResult } from '../cli/selftest/selftest';
import { smallConfig } from '../cli/selftest/small-config';
import { startChild } from '../drivers/process';
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
async function sequenceConfig(folder: string): Promise<RunConfig> {
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

/** What is counted, of a lane as of all of them. */
interface Figures {
  readonly sequences: number;
  readonly equal: number;
  readonly kills: number;
  readonly killedBy: Readonly<Record<string, number>>;
  readonly callsLostInFlight: number;
  readonly failures: readonly unknown[];
}

interface Order {
  readonly count: number;
  readonly firstSeed: number;
  /** From one sequence's seed to the next one's. */
  readonly step: number;
  readonly kills: number;
  /** No sequence is begun later than this; 0: no limit. */
  readonly secondsMax: number;
}

type Result = SelftestResult | { readonly ok: false; readonly seed: number; readonly error: string };

/** One sequence after another, against one undisturbed run. */
async function lane(order: Order, onProgress: (text: string) => void, signal: AbortSignal): Promise<Figures> {
  const folder = mkdtempSync(join(tmpdir(), 'arte-sequences-'));
  const until = order.secondsMax === 0 ? Infinity : Date.now() + order.secondsMax * 1000;
  try {
    const config = await sequenceConfig(folder);
    const run = { loaded: { configDir: folder }, config, keep: true, onProgress, signal };
    const undisturbed = await undisturbedRun(run);
    const results: Result[] = [];
    while (results.length < order.count && Date.now() < until && !signal.aborted) {
      const seed = order.firstSeed + results.length * order.step;
      const result = await disturbed({ ...run, seed, kills: order.kills }, undisturbed).catch((error: unknown) => {
        // One that was broken off by hand shows nothing, for or against.
        if (signal.aborted) return undefined;
        const why = error instanceof ArteError ? `${error.data.what} ${error.data.why}` : String(error);
        return { ok: false as const, seed, error: why };
      });
      if (result === undefined) break;
      results.push(result);
      onProgress(`sequence of seed ${seed}: ${JSON.stringify(result)}`);
    }
    return together(results.map(figuresOf));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function figuresOf(result: Result): Figures {
  const ended = 'kills' in result ? result : undefined;
  const killedBy: Record<string, number> = {};
  for (const { part } of ended?.killed ?? []) killedBy[part] = (killedBy[part] ?? 0) + 1;
  return {
    sequences: 1,
    equal: result.ok ? 1 : 0,
    kills: ended?.kills ?? 0,
    killedBy,
    callsLostInFlight: ended?.calls.lostInFlight ?? 0,
    failures: result.ok ? [] : [result],
  };
}

/** Of several sequences, or several lanes. */
function together(parts: readonly Figures[]): Figures {
  const killedBy: Record<string, number> = {};
  for (const each of parts)
    for (const [part, count] of Object.entries(each.killedBy)) killedBy[part] = (killedBy[part] ?? 0) + count;
  return {
    sequences: sum(parts.map(({ sequences }) => sequences)),
    equal: sum(parts.map(({ equal }) => equal)),
    kills: sum(parts.map(({ kills }) => kills)),
    killedBy,
    callsLostInFlight: sum(parts.map(({ callsLostInFlight }) => callsLostInFlight)),
    failures: parts.flatMap(({ failures }) => failures),
  };
}

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** How a lane's last line begins, which holds its figures; the lines before it are its progress. */
const figuresMark = 'figures ';
/** How long a lane may take to end its run and platform when it is told to, in milliseconds. */
const laneGraceMs = 60_000;

/** A lane in a process of its own. Never rejects: a lane that dies is a failure among the figures. */
async function laneProcess(name: string, order: Order, signal: AbortSignal): Promise<Figures> {
  let figures: Figures | undefined;
  const { count, firstSeed, step, kills, secondsMax } = order;
  const child = startChild({
    name,
    command: process.execPath,
    args: [__filename, 'lane', ...[count, firstSeed, step, kills, secondsMax].map(String)],
    onLine: (line) => {
      if (line.startsWith(figuresMark)) figures = JSON.parse(line.slice(figuresMark.length)) as Figures;
      else process.stderr.write(`${name}: ${line}\n`);
    },
  });
  const stop = (): void => void child.stop(laneGraceMs);
  signal.addEventListener('abort', stop);
  const { code } = await child.exited;
  signal.removeEventListener('abort', stop);
  if (figures) return figures;
  const error = `${name} ended with ${code}: ${child.tail().slice(-3).join(' ')}`;
  return { ...together([]), failures: [{ ok: false, error }] };
}

async function main(): Promise<void> {
  const ended = new AbortController();
  const end = (): void => ended.abort();
  process.once('SIGINT', end).once('SIGTERM', end);
  const [first, ...words] = process.argv.slice(2);
  if (first === 'lane') {
    const [count = 0, firstSeed = 1, step = 1, kills = 6, secondsMax = 0] = words.map(Number);
    process.stdin.once('end', end).resume();
    const say = (line: string): void => void process.stdout.write(`${line}\n`);
    const figures = await lane({ count, firstSeed, step, kills, secondsMax }, say, ended.signal);
    say(`${figuresMark}${JSON.stringify(figures)}`);
    // Its stdin, the lifeline, would keep it.
    process.stdin.destroy();
    return;
  }
  const [count = 20, firstSeed = 1, kills = 6, secondsMax = 0, atOnce = 1] = process.argv.slice(2).map(Number);
  const began = Date.now();
  // Most of a sequence is waiting: for leases of killed work, for heartbeats that do not come, for a bad network.
  const lanes = await Promise.all(
    Array.from({ length: Math.min(atOnce, count) }, (_, at) => {
      const share = Math.floor(count / atOnce) + (at < count % atOnce ? 1 : 0);
      const order = { count: share, firstSeed: firstSeed + at, step: atOnce, kills, secondsMax };
      return laneProcess(`lane ${at + 1}`, order, ended.signal);
    }),
  );
  const figures = together(lanes);
  const seconds = Math.round((Date.now() - began) / 1000);
  process.stdout.write(`${JSON.stringify({ bench: 'sequences', firstSeed, seconds, ...figures })}\n`);
  process.exitCode = figures.failures.length === 0 && figures.sequences > 0 ? 0 : 1;
}

if (require.main === module) void main();
