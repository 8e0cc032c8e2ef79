/**
 * `npm test`: every test, on the real parts. Jest's in two goes (what runs whole platforms comes last, fewer at a time), pytest beside the first.
 *
 * Owns the order and the count, which is read from the runners' own reports (reports/): a suite that could not be loaded counts as
 * failed, and so does a test that was skipped, because a missing part must not look like a passing test.
 * Words after `--` go to Jest and leave the other parts out: npm test -- test/method
 */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pythonEnvironment } from './python-environment.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const reports = join(root, 'reports');
const jest = createRequire(import.meta.url).resolve('jest/bin/jest');
const endToEnd = 'test/end-to-end/';

/**
 * Test files at a time, pytest beside them. A file waits for a server, a clock or a disk half of the time, so that one more than there are cores keeps
 * these busy; with two a core and pytest, tests of time-outs failed on a slow day.
 */
const filesAtOnce = Math.min(8, availableParallelism() + 1);
/** Whole platforms at a time, each of a dozen processes. */
const platformsAtOnce = Math.min(4, availableParallelism());

/** Runs a program to its end; resolves to its exit code. Its output is this process's, or comes in one piece when it has ended. */
function run(program, args, { atTheEnd = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: root,
      stdio: ['inherit', ...(atTheEnd ? ['pipe', 'pipe'] : ['inherit', 'inherit'])],
    });
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => said.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(said));
      resolve(code ?? 1);
    });
  });
}

/** One go of Jest: {passed, failed} by its own report. */
async function runJest(name, args) {
  const file = join(reports, `${name}.json`);
  const code = await run(process.execPath, [jest, '--ci', '--json', '--outputFile', file, ...args]);
  const report = readReport(file, JSON.parse);
  if (report === undefined) return { passed: 0, failed: 1 };
  const { numFailedTests, numPendingTests, numTodoTests, numRuntimeErrorTestSuites } = report;
  const failed = numFailedTests + numPendingTests + numTodoTests + numRuntimeErrorTestSuites;
  return { passed: report.numPassedTests, failed: Math.max(failed, code === 0 ? 0 : 1) };
}

async function runPytest(python) {
  const file = join(reports, 'pytest.xml');
  const args = ['-m', 'pytest', '-c', 'python/pyproject.toml', '--junitxml', file, 'python/tests'];
  const code = await run(python, args, { atTheEnd: true });
  const xml = readReport(file, (text) => text);
  if (xml === undefined) return { passed: 0, failed: 1 };
  const count = (name) =>
    [...xml.matchAll(new RegExp(`<testsuite [^>]*\\b${name}="(\\d+)"`, 'g'))].reduce(
      (sum, match) => sum + Number(match[1]),
      0,
    );
  const failed = count('failures') + count('errors') + count('skipped');
  return { passed: count('tests') - failed, failed: Math.max(failed, code === 0 ? 0 : 1) };
}

function readReport(file, parse) {
  try {
    return parse(readFileSync(file, 'utf8'));
  } catch {
    console.error(`${file} was not written: the runner did not come to its end.`);
    return undefined;
  }
}

const words = process.argv.slice(2);
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });
const { python } = await pythonEnvironment();

const goes = [];
if (words.length > 0) {
  goes.push(await runJest('jest', words));
} else {
  goes.push(
    ...(await Promise.all([
      runJest('jest', [`--maxWorkers=${filesAtOnce}`, '--testPathIgnorePatterns', endToEnd]),
      runPytest(python),
    ])),
  );
  goes.push(await runJest('jest-end-to-end', [`--maxWorkers=${platformsAtOnce}`, '--testPathPatterns', endToEnd]));
}
const passed = goes.reduce((sum, go) => sum + go.passed, 0);
const failed = goes.reduce((sum, go) => sum + go.failed, 0);
writeFileSync(join(reports, 'summary.json'), `${JSON.stringify({ passed, failed })}\n`);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
