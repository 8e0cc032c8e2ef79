/**
 * `npm run lint:python`: ruff over python/, with the settings of python/pyproject.toml. Takes ruff from the project's environment where
 * that is made (the tests make it), else from PATH; on a machine with neither it says so, because lint must not download two gigabytes.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

async function ruff() {
  const built = join(root, 'dist', 'drivers', 'local', 'python-env.js');
  if (existsSync(built)) {
    const { findPythonEnv } = await import(built);
    const path = (await findPythonEnv())?.bin('ruff');
    if (path !== undefined && existsSync(path)) return path;
  }
  return spawnSync('ruff', ['--version']).status === 0 ? 'ruff' : undefined;
}

const program = await ruff();
if (program === undefined) {
  console.error('python/ was not linted: ruff is not here yet. `npm test` makes the environment that has it.');
} else {
  const { status } = spawnSync(program, ['check', '--no-cache', 'python'], { cwd: root, stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
