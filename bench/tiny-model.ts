/** The model that benches train where what it says does not matter: a random two-layer Llama with a real tokenizer, which TRL trains in a second. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { packageRoot } from '../drivers/package-root';

/** Make it in a folder, if it is not there; the folder's path. */
export async function tinyModel(path: string): Promise<string> {
  if (existsSync(path)) return path;
  const { python } = await ensurePythonEnv({});
  const script = join(packageRoot(), 'test', 'fixtures', 'make_tiny_model.py');
  execFileSync(python, [script, path, '0'], { stdio: 'pipe' });
  return path;
}
