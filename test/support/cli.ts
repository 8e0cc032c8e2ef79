/** Runs the built command line as a user does: a process of its own, a data directory of its own, everything it prints. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { packageRoot } from '../../drivers/package-root';

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Workspace {
  readonly dir: string;
  readonly dataDir: string;
  readonly env: NodeJS.ProcessEnv;
  /** Run `arte ARGS` to its end. */
  arte(...args: string[]): Promise<CliResult>;
  /** Start `arte ARGS` and come back at once. */
  start(...args: string[]): { child: ChildProcess; result: Promise<CliResult> };
  /** `arte down`, and the folder removed. */
  close(): Promise<void>;
}

/** A folder with a platform of its own; `extra` is added to the environment of every command. */
export function openWorkspace(extra: NodeJS.ProcessEnv = {}): Workspace {
  const dir = mkdtempSync(join(tmpdir(), 'arte-test-'));
  const dataDir = join(dir, 'data');
  const env = { ...process.env, ARTE_DATA_DIR: dataDir, NO_COLOR: '1', ...extra };
  const start: Workspace['start'] = (...args) => {
    const child = spawn(process.execPath, [join(packageRoot(), 'dist', 'cli', 'main.js'), ...args], {
      cwd: dir,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const result = new Promise<CliResult>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, stdout, stderr }));
    });
    return { child, result };
  };
  const arte: Workspace['arte'] = (...args) => start(...args).result;
  return {
    dir,
    dataDir,
    env,
    arte,
    start,
    async close() {
      await arte('down');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Run a command that must succeed; its output is the error when it does not. */
export async function succeed(workspace: Workspace, ...args: string[]): Promise<CliResult> {
  const result = await workspace.arte(...args);
  if (result.code !== 0)
    throw new Error(`arte ${args.join(' ')} ended with ${String(result.code)}\n${result.stdout}\n${result.stderr}`);
  return result;
}

export interface RunningProcess {
  readonly pid: number;
  readonly command: string;
}

/** Processes of this workspace: whatever has its data directory in its environment or its arguments. */
export function processesOf(workspace: Workspace): RunningProcess[] {
  const found: RunningProcess[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const environment = readFileSync(`/proc/${name}/environ`, 'latin1');
      const command = readFileSync(`/proc/${name}/cmdline`, 'latin1').replaceAll('\u0000', ' ').trim();
      const state = readFileSync(`/proc/${name}/stat`, 'latin1');
      if (/^\d+ \(.*\) Z/.test(state)) continue;
      if (environment.includes(workspace.dataDir) || command.includes(workspace.dataDir))
        found.push({ pid: Number(name), command });
    } catch {
      // It ended while we looked, or it is not ours to read.
    }
  }
  return found;
}

/** Wait until `look` gives something, or fail after `withinMs` with what it was for. */
export async function waitFor<T>(
  what: string,
  withinMs: number,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const until = Date.now() + withinMs;
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    if (Date.now() > until) throw new Error(`waited ${withinMs} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
