/**
 * Goal: a worker ends when whoever reads its log has gone; the flag that its heap grows by is one that this Node has.
 * Method: a process with the real logger, whose stdout nobody reads any more when it writes its last lines and exits; Node's own list of flags. What the flag
 * brings is measured by bench/engine.ts (docs/performance.md).
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { promisify } from 'node:util';

const root = join(__dirname, '..', '..');
/** Starting node and compiling one file takes a second or two. */
const patienceMs = 30_000;
jest.setTimeout(2 * patienceMs);

const program = `
  const { beginWorker } = require(${JSON.stringify(join(root, 'workers', 'begin-worker.ts'))});
  const logger = beginWorker(['io']);
  process.stdin.resume();
  process.stdin.on('end', () => {
    logger.info('the parent is gone');
    logger.info('once more');
    process.exit(7);
  });
  logger.info('up');
`;

it('a worker whose log has no reader any more writes on and exits', async () => {
  const child = spawn(process.execPath, ['-r', join(root, 'test', 'fixtures', 'run-typescript.cjs'), '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const killed = setTimeout(() => child.kill('SIGKILL'), patienceMs);
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  expect(JSON.parse(line.toString())).toMatchObject({ role: 'io', msg: 'up' });
  child.stdout.destroy();
  const exited = once(child, 'exit');
  child.stdin.end();
  expect(await exited).toEqual([7, null]);
  clearTimeout(killed);
});

it("V8 knows the flag that a worker's heap grows by: another one it passes over without a word", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ['--v8-options']);
  expect(stdout).toContain('--heap-growing-percent');
});
