/**
 * Goal: whatever is killed at whatever moment, a run ends with the hashes, rows and account of one that nobody disturbed.
 * Method: seeded sequences of `npm run bench:sequences` (kills of supervisor, Temporal, S3 server, workers and trainer under a bad network).
 * A few here, for minutes are dear; hundreds by the bench.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSequences } from '../../bench/sequences';

jest.setTimeout(10 * 60_000);

it('sequences of kills change nothing of what a run comes to', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'arte-test-'));
  try {
    const sequences = await openSequences(folder, () => undefined);
    const result = await sequences.next(1, 6);
    expect(result).toMatchObject({ ok: true, compared: 'exact', differing: [], lostRows: 0, duplicatedRows: 0 });
    expect('kills' in result && result.kills).toBeGreaterThanOrEqual(4);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
