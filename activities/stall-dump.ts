/**
 * Writes down what was found when work stood still (schemas/stall-dump.ts): a file on this machine, and the same in the store under the run's
 * records, where another machine finds it. Owns both places, their bounds and what is taken out; when work stands still is decided by the row
 * engine, the trainer and the model servers.
 *
 * Invariants:
 * 1. What went wrong is thrown on, with the place of the dump in its words; a dump that cannot be written changes nothing.
 * 2. No secret and no prompt: known secrets and whatever looks like one are taken out of every word of it.
 * 3. A dump has at most stallDumpBytesMax, and old ones make room for new ones.
 */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { ArtifactStore } from '../drivers/store/store';
import { redacted } from '../method/config/written-secrets';
import { ArteError } from '../schemas/errors';
import type { JsonValue } from '../schemas/json';
import {
  stallDumpBytesMax,
  stallDumpsOfMachineMax,
  stallDumpsOfRunMax,
  stallLogLineCharactersMax,
} from '../schemas/limits';
import { stallDumpSchema, type StallDump } from '../schemas/stall-dump';
import { StallError } from '../schemas/stall-error';
import { asIfGone } from './damaged';
import type { StallDumps } from './dependencies';
import { runKeys } from './run-records';

export interface StalledWork {
  readonly runId: string;
  readonly stage: string;
  readonly key: string;
  readonly attempt: string;
}

/** Do the work; where it stands still, write down what was found and throw an error that says where. */
export async function withStallDump<T>(
  store: ArtifactStore,
  dumps: StallDumps,
  work: StalledWork,
  run: () => Promise<T>,
): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof StallError)) throw error;
    const dump = dumpOf(error, dumps, work);
    const isWritten = await Promise.allSettled([toFile(dump, dumps), toStore(store, dump)]);
    if (isWritten.every(({ status }) => status === 'rejected')) throw error;
    const { code, what, why, next, details } = error.data;
    const { file, host, runId } = dump;
    throw new ArteError(
      code,
      {
        what,
        why: `${why} What it waited for is written down in ${file} on ${host}.`,
        next: `${next} arte status ${runId} --stalls prints what it waited for.`,
        ...(details ? { details } : {}),
      },
      { cause: error },
    );
  }
}

/** The newest dumps of a run, oldest first. One that another version of arte wrote, or that is damaged, is passed over. */
export async function readStalls(store: ArtifactStore, runId: string, most: number): Promise<StallDump[]> {
  const found: StallDump[] = [];
  for (const key of (await keysOf(store, runId)).slice(-most)) {
    const { data } = stallDumpSchema.safeParse(await asIfGone(store, key));
    if (data) found.push(data);
  }
  return found;
}

function dumpOf(error: StallError, { dir, secrets }: StallDumps, work: StalledWork): StallDump {
  const at = new Date().toISOString();
  const { code, what, why } = error.data;
  const file = join(dir, `${fileTime(at)}-${work.runId}-${work.stage}.json`);
  const dump: StallDump = { schemaVersion: 1, ...work, at, host: hostname(), file, code, what, why, ...error.facts };
  return bounded(withoutSecrets(dump, secrets) as StallDump);
}

/** The time first, so that a listing is in the order of events. */
function fileTime(at: string): string {
  return at.replaceAll(/[:.]/g, '-');
}

/** Every text of a value without what is secret or looks so. */
function withoutSecrets(value: unknown, secrets: readonly string[]): unknown {
  if (typeof value === 'string') {
    let text = value;
    for (const secret of secrets) text = text.replaceAll(secret, '<removed>');
    return redacted(text);
  }
  if (Array.isArray(value)) return value.map((each) => withoutSecrets(each, secrets));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, withoutSecrets(each, secrets)]));
}

/** Long lines are cut, and the oldest ones left out, until it fits. */
function bounded(dump: StallDump): StallDump {
  if (!dump.log) return dump;
  const lines = dump.log.lines.map((line) => line.slice(0, stallLogLineCharactersMax));
  const others = Buffer.byteLength(textOf({ ...dump, log: { ...dump.log, lines: [] } }));
  let left = stallDumpBytesMax - others;
  const kept: string[] = [];
  for (const line of lines.reverse()) {
    // In JSON: its quotes, a comma, the indentation, and what is escaped.
    left -= Buffer.byteLength(JSON.stringify(line)) + 8;
    if (left < 0) break;
    kept.unshift(line);
  }
  return { ...dump, log: { ...dump.log, lines: kept } };
}

function textOf(dump: StallDump): string {
  return `${JSON.stringify(dump, null, 2)}\n`;
}

async function toFile(dump: StallDump, { dir }: StallDumps): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(dump.file, textOf(dump), { mode: 0o600 });
  const old = (await readdir(dir)).filter((name) => name.endsWith('.json')).sort();
  for (const name of old.slice(0, -stallDumpsOfMachineMax)) await rm(join(dir, name), { force: true });
}

async function toStore(store: ArtifactStore, dump: StallDump): Promise<void> {
  const { runId, at, stage, key } = dump;
  await store.putOnce(`${runKeys.stalls(runId)}${fileTime(at)}-${stage}-${key.slice(0, 12)}.json`, {
    ...dump,
  } as unknown as JsonValue);
  for (const old of (await keysOf(store, runId)).slice(0, -stallDumpsOfRunMax)) await store.remove(old);
}

async function keysOf(store: ArtifactStore, runId: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(runKeys.stalls(runId))) keys.push(key);
  return keys.sort();
}
