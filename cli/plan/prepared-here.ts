/**
 * What prepare-tasks would put out, for a plan that finds it not made: it asks no model and costs nothing, so what follows from it is looked for by
 * content. Owns the refs of what is not in the store; what they hold is method/prepared-tasks.ts.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { ArtifactStore } from '../../drivers/store/store';
import { taskFilesOf } from '../../method/config/named-parts';
import { preparedTasks } from '../../method/prepared-tasks';
import { mediaTypes, type ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { RunConfig } from '../../schemas/run-config';

type Outputs = Readonly<Record<string, ArtifactRef>>;

/** The outputs of prepare-tasks for a config; undefined where they cannot be known (a task that is only declared, a file that has gone). */
export type PrepareHere = (config: RunConfig) => Promise<Outputs | undefined>;

/** `stored`: files that are in the store, and need not be here. Every round asks for the same: it is made once. */
export function prepareHere(
  store: ArtifactStore,
  configDir: string,
  stored: Readonly<Record<string, ArtifactRef>> = {},
): PrepareHere {
  const made = new Map<string, Promise<Outputs | undefined>>();
  const read = async (path: string): Promise<string> => {
    const ref = stored[path];
    return (await (ref ? store.getBlob(ref) : readFile(resolve(configDir, path)))).toString('utf8');
  };
  return (config) => {
    const about = JSON.stringify([config.tasks, config.prompts]);
    const known = made.get(about) ?? outputsOf(config, read);
    made.set(about, known);
    return known;
  };
}

async function outputsOf(config: RunConfig, read: (path: string) => Promise<string>): Promise<Outputs | undefined> {
  try {
    const texts = new Map<string, string>();
    for (const { path } of config.tasks.flatMap(taskFilesOf)) texts.set(path, await read(path));
    const { tasks, gold } = preparedTasks(config, texts);
    return { tasks: refOfLines(tasks), ...(gold.length > 0 && { gold: refOfLines(gold) }) };
  } catch (error) {
    // What is wrong with them is said by those who judge the config.
    if (error instanceof ArteError) return undefined;
    throw error;
  }
}

/** As putLines of the store names it. */
function refOfLines(lines: readonly string[]): ArtifactRef {
  const content = lines.map((line) => `${line}\n`).join('');
  const sha256 = createHash('sha256').update(content).digest('hex');
  const uri = `blobs/sha256/${sha256.slice(0, 2)}/${sha256}`;
  const bytes = Buffer.byteLength(content);
  return { uri, sha256, bytes, rows: lines.length, mediaType: mediaTypes.jsonl, schemaVersion: 1 };
}
