/** The real MLflow server: installed once into a folder of its own in the cache, for it wants other versions than the project's environment has. */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { cacheDirectory } from '../../drivers/local/directories';
import { freePorts } from '../../drivers/local/ports';
import { waitFor } from './cli';

const run = promisify(execFile);

const version = '3.17.2';

export interface TestMlflow {
  readonly url: string;
  stop(): Promise<void>;
}

/** A server on loopback with an empty SQLite database and artifacts in `folder`. */
export async function startMlflow(folder: string): Promise<TestMlflow> {
  const python = await installed();
  const [port = 0] = await freePorts(1);
  const args = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1'];
  const store = ['--backend-store-uri', `sqlite:///${join(folder, 'mlflow.db')}`];
  const artifacts = ['--artifacts-destination', join(folder, 'artifacts')];
  const child = spawn(python, [...args, ...store, ...artifacts], {
    cwd: folder,
    detached: true,
    env: { ...process.env, MLFLOW_DISABLE_TELEMETRY: 'true', DO_NOT_TRACK: 'true' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-4_000)));
  const url = `http://127.0.0.1:${String(port)}`;
  await waitFor('MLflow to answer', 180_000, async () => {
    if (child.exitCode !== null) throw new Error(`mlflow server ended:\n${said}`);
    const answer = await fetch(`${url}/health`).catch(() => undefined);
    return answer?.ok === true ? true : undefined;
  });
  return {
    url,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
      await ended;
    },
  };
}

/** The interpreter of an environment that has MLflow and nothing else. */
async function installed(): Promise<string> {
  const root = join(cacheDirectory(), `mlflow-${version}`);
  const python = join(root, 'bin', 'python');
  if (existsSync(join(root, 'ready'))) return python;
  rmSync(root, { recursive: true, force: true });
  mkdirSync(cacheDirectory(), { recursive: true });
  await run('python3', ['-m', 'venv', root]);
  // Of its hundred packages a server imports a part, and compiles that part itself.
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-compile', '--disable-pip-version-check'];
  await run(python, [...pip, `mlflow==${version}`], { maxBuffer: 1 << 24 });
  writeFileSync(join(root, 'ready.part'), '');
  renameSync(join(root, 'ready.part'), join(root, 'ready'));
  return python;
}
