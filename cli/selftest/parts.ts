/**
 * The processes of one data directory, by what they do: whom `arte selftest` can kill. Read from /proc; where a system has none, there is nobody
 * to be found, and the command says so.
 *
 * A process belongs to the directory when its environment or its arguments name it: the supervisor's children inherit ARTE_DATA_DIR. The guard
 * that foreign programs run under is no victim of its own: what matters is that the program under it dies without a word.
 */
import { readdirSync, readFileSync } from 'node:fs';

export type Part =
  | 'supervisor'
  | 'temporal'
  | 's3'
  | 'worker'
  | 'worker-orchestrator'
  | 'worker-io'
  | 'worker-infer'
  | 'worker-train'
  | 'model-server'
  | 'scorer'
  | 'trainer';

export interface PartProcess {
  readonly part: Part;
  readonly pid: number;
}

const programs: readonly (readonly [Part, RegExp])[] = [
  ['supervisor', /workers\/supervisor\.js /],
  ['temporal', /server start-dev/],
  ['s3', /weed\S* .*\bmini\b/],
  ['model-server', /serve\.py/],
  ['scorer', /score\.py/],
  ['trainer', /train\.py/],
];

/** What a command line (words separated by spaces) is of the platform; undefined for what is never killed by itself. */
export function partOf(command: string): Part | undefined {
  if (command.includes('guard.py')) return undefined;
  const role = /\.js (?:worker )?--role ([a-z]+)/.exec(command)?.[1];
  if (role !== undefined) return role === 'all' ? 'worker' : (`worker-${role}` as Part);
  return programs.find(([, form]) => form.test(command))?.[0];
}

/** Who of the platform in this data directory is alive now. */
export function partsOf(dataDir: string): PartProcess[] {
  return processesNaming(dataDir).flatMap(({ pid, command }) => {
    const part = partOf(command);
    return part === undefined ? [] : [{ part, pid }];
  });
}

export function canSeeProcesses(): boolean {
  try {
    readFileSync('/proc/self/environ');
    return true;
  } catch {
    return false;
  }
}

function processesNaming(dataDir: string): { pid: number; command: string }[] {
  const found: { pid: number; command: string }[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\u0000', ' ');
      const ours = command.includes(dataDir) || readFileSync(`/proc/${name}/environ`, 'latin1').includes(dataDir);
      if (ours && command !== '') found.push({ pid, command });
    } catch {
      // It ended while we looked, or it is somebody else's.
    }
  }
  return found;
}
