/**
 * Goal: what a selftest reads of a finished run is the same for two runs of one config in two stores, whose account adds up, and not the same
 * for a run of another seed.
 * Method: whole runs made in this process (test/support/made-run.ts), the second with a price, as the selftest gives one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compareRuns } from '../../../cli/selftest/compare';
import { takeSnapshot, type RunSnapshot } from '../../../cli/selftest/snapshot';
import { loadConfig } from '../../../cli/config/load-config';
import { startTestS3, type TestS3 } from '../../support/s3';
import { makeRun } from '../../support/made-run';

jest.setTimeout(2 * 60_000);

let s3: TestS3;
let folder: string;
beforeAll(async () => {
  s3 = await startTestS3();
  folder = mkdtempSync(join(tmpdir(), 'arte-snapshot-'));
});
afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

async function snapshotOf(name: string, seed: number): Promise<RunSnapshot> {
  const store = s3.fresh();
  const of = mkdtempSync(join(folder, `${name}-`));
  try {
    await makeRun(store, of, {
      runId: 'run',
      seed,
      change: (config) => {
        for (const model of Object.values(config['models'] as Record<string, Record<string, unknown>>))
          model['price'] = { input: 1, cached_input: 1, output: 2 };
      },
    });
    const { config } = await loadConfig(join(of, 'run.yaml'), { env: {} });
    return await takeSnapshot(store, 'run', config);
  } finally {
    store.close();
  }
}

it('tells runs of one config from runs of another', async () => {
  const [one, same, other] = [await snapshotOf('one', 1), await snapshotOf('same', 1), await snapshotOf('other', 2)];
  const equal = compareRuns(one, same, true);
  expect(equal).toMatchObject({ differing: [], lostRows: 0, duplicatedRows: 0 });
  expect(equal.equal).toBe(equal.stagesCompared);
  expect(equal.stagesCompared).toBeGreaterThan(15);
  expect(one.account.spent).toBeGreaterThan(0);
  expect(one.account).toMatchObject({ open: 0, lost: 0 });
  // Rows are told apart where it matters: cells, and test items.
  const evaluated = one.stages.find(({ stage }) => stage === 'evaluate');
  expect(new Set(evaluated?.outputs['predictions']?.ids).size).toBe(10);
  expect(
    one.stages.some(({ stage, outputs }) => stage === 'score-drafts' && (outputs['cells']?.ids?.length ?? 0) > 100),
  ).toBe(true);
  expect(compareRuns(one, other, true).differing.length).toBeGreaterThan(5);
});
