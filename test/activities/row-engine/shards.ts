/**
 * Shards to test the engine with: rows whose right answers follow from their keys, and an endpoint that answers by script.
 * Owns what a row looks like and what the right bytes of a shard are; faults are each test's own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LimiterRegistry } from '../../../activities/row-engine/limiters';
import type { EngineLimits, RowSource, ShardProgress, ShardRun } from '../../../activities/row-engine/types';
import { llamaCppCapabilities } from '../../../drivers/model/llama-cpp';
import type { CallFailure, ModelEndpoint } from '../../../drivers/model/model';
import { canonicalJson, sha256Hex } from '../../../method/keys';
import type { ModelAnswer, ModelRequest, RowReading, RowRequest } from '../../../schemas/rows';
import { MemoryStore } from './memory-store';

/** Waits that suit tests: everything that takes seconds in life takes milliseconds. */
export const quickLimits: EngineLimits = {
  journalCommitIntervalMs: 2,
  partFlushIntervalMs: 10,
  progressIntervalMs: 5,
  rowAttemptsMax: 4,
  retryBackoffBaseMs: 1,
  waitsSaidMs: 60_000,
  waitingRowsMax: 1024,
  endpointDownMs: 60_000,
  rowsStallFloorMs: 60_000,
  rowsStallFirstMs: 60_000,
  rowsStallFactor: 8,
  refusalDrainMs: 500,
  abortFlushMs: 1_000,
};

export const lenient = { malformed: 1, truncated: 1, refused: 1, failed: 1 };

export function rowsOf(length: number, salt = ''): RowSource {
  return {
    length,
    row: (index) => ({
      key: sha256Hex(`row ${index}${salt}`),
      request: {
        prompt: { kind: 'completion', text: `question ${index} äöü "quoted" \n` },
        sampling: { temperature: 1, topP: 1, topK: 0, minP: 0, maxTokens: 16, stop: [], seed: index },
      },
      meta: { index, task: 'test' },
    }),
  };
}

/** The row's number, out of its request. */
export function indexOf(request: ModelRequest): number {
  return Number(/question (\d+)/.exec(request.prompt.kind === 'completion' ? request.prompt.text : '')?.[1]);
}

/** The right answer: a function of prompt and seed, as of a model that is asked the same. */
export function rightAnswer(request: ModelRequest): ModelAnswer {
  const index = indexOf(request);
  return {
    text: `answer ${index} seed ${request.sampling.seed} ${'x'.repeat(index % 50)} ü`,
    finish: 'stop',
    usage: { inputTokens: 10 + (index % 7), cachedInputTokens: index % 5, outputTokens: 1 + (index % 3) },
  };
}

/** ok unless the text says otherwise. */
export function readAnswer(_row: RowRequest, answer: ModelAnswer): RowReading {
  if (answer.text.startsWith('malformed')) return { outcome: 'malformed', why: 'no tag' };
  if (answer.text.startsWith('refused')) return { outcome: 'refused', why: 'filter' };
  if (answer.text.startsWith('truncated')) return { outcome: 'truncated', why: 'length', value: 'half' };
  return { outcome: 'ok', value: { length: answer.text.length } };
}

export type Script = (
  request: ModelRequest,
  callNumber: number,
  signal: AbortSignal,
) => Promise<ModelAnswer> | ModelAnswer | CallFailure;

export interface ScriptedEndpoint extends ModelEndpoint {
  /** Calls made, by row index. */
  readonly asked: Map<number, number>;
  readonly total: { calls: number; answered: number; mostInFlight: number };
}

let endpointNumber = 0;

/** Answers by script; a returned CallFailure is thrown. Every call takes at least one turn of the event loop. */
export function scriptedEndpoint(script: Script, concurrency = { start: 8, max: 8 }): ScriptedEndpoint {
  const asked = new Map<number, number>();
  const total = { calls: 0, answered: 0, mostInFlight: 0 };
  let inFlight = 0;
  return {
    id: `scripted-${(endpointNumber += 1)}`,
    capabilities: llamaCppCapabilities,
    concurrency,
    asked,
    total,
    complete: async (request, signal) => {
      const index = indexOf(request);
      asked.set(index, (asked.get(index) ?? 0) + 1);
      total.calls += 1;
      inFlight += 1;
      total.mostInFlight = Math.max(total.mostInFlight, inFlight);
      try {
        await new Promise<void>((resolve) => setImmediate(resolve));
        signal.throwIfAborted();
        const answer = await script(request, asked.get(index) ?? 1, signal);
        signal.throwIfAborted();
        if (answer instanceof Error) throw answer;
        total.answered += 1;
        return answer;
      } finally {
        inFlight -= 1;
      }
    },
  };
}

/** Resolves after `ms`, rejects when aborted. */
export function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** A place for journals and parts, and shards that run there. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), 'arte-rows-'));
  readonly store = new MemoryStore();
  private attempt = 0;

  get journalDir(): string {
    return join(this.folder, 'journals');
  }

  /** A run of the shard `key`; every call is a new attempt. */
  shard(
    rows: RowSource,
    endpoint: ModelEndpoint,
    more: Partial<ShardRun> = {},
  ): ShardRun & { progress: ShardProgress[] } {
    const progress: ShardProgress[] = [];
    this.attempt += 1;
    return {
      shardKey: sha256Hex('shard'),
      rows,
      openEndpoint: () => Promise.resolve({ endpoint }),
      read: readAnswer,
      thresholds: lenient,
      repairs: 0,
      store: this.store,
      journalDir: this.journalDir,
      madeBy: 'run',
      attemptId: `attempt-${this.attempt}`,
      onProgress: (entry) => progress.push(entry),
      signal: new AbortController().signal,
      limiters: new LimiterRegistry(),
      limits: quickLimits,
      progress,
      ...more,
    };
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The bytes that a shard of right answers must have. */
export function rightBytes(rows: RowSource): string {
  let bytes = '';
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows.row(index);
    const answer = rightAnswer(row.request);
    const result = {
      key: row.key,
      meta: row.meta,
      outcome: 'ok',
      text: answer.text,
      value: { length: answer.text.length },
      usage: answer.usage,
    };
    bytes += `${canonicalJson(result)}\n`;
  }
  return bytes;
}
