/**
 * Goal: whatever is killed at whatever moment, a run ends with the hashes, rows and account of one that nobody disturbed.
 * Method: one seeded sequence of `npm run bench:sequences`, as the program it is: kills of supervisor, Temporal, S3 server, workers and trainer
 * under a bad network. One, for minutes are dear; hundreds by the bench.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { packageRoot } from '../../drivers/package-root';

jest.setTimeout(10 * 60_000);

it('a sequence of kills changes nothing of what a run comes to', async () => {
  const words = [join(packageRoot(), 'dist', 'bench', 'sequences.js'), '1', '1', '4'];
  // A sequence that differs ends the program with 1, and its last line says what differs.
  const { stdout, stderr } = await promisify(execFile)(process.execPath, words).catch(
    (error: unknown) => error as { stdout: string; stderr: string },
  );
  const result = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as { kills: number };
  expect(result).toMatchObject({ sequences: 1, equal: 1, failures: [] });
  // Moments lie within the time that the undisturbed run took: how many of them a run lives to see depends on what else the machine does.
  expect(result.kills).toBeGreaterThanOrEqual(1);
  // Whoever waits for it sees it go on, also while nothing is killed.
  expect(stderr).toMatch(/undisturbed run\n[^]*stages ended: \d+, last round \d+ \S+[^]*undisturbed run ended/);
});
