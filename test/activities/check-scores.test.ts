/**
 * Goal: whoever is stopped because scores are unreliable is told what would help: more probe items where a score is a mean over them, and not where it is none.
 * Method: the stage over the manifest of a score-drafts in a store in memory.
 */
import { checkScores } from '../../activities/check-scores';
import { manifestKey, noCounts } from '../../activities/stage';
import type { JsonObject } from '../../schemas/json';
import { noUsage } from '../../schemas/manifest';
import type { ArteError } from '../../schemas/errors';
import { runConfigSchema } from '../../schemas/run-config';
import { MemoryStore } from './row-engine/memory-store';

const config = runConfigSchema.parse({
  version: 1,
  name: 'scored',
  tasks: [{ source: 'declared', name: 't', test_items: 1 }],
  models: { teacher: { source: 'hosted:p/t' }, student: { source: 'hosted:p/s' } },
  score: { reliability_min: 0.8 },
});

async function refused(signal: JsonObject, cells: number): Promise<ArteError['data']> {
  const store = new MemoryStore();
  const key = 'd'.repeat(64);
  const quality = { drafts: 10, cells, meanStderr: 0.1, spread: 0.1, tiedShare: null, reliability: 0.5 };
  await store.putDocument(manifestKey(key), {
    ...{ schemaVersion: 1, stage: 'score-drafts', version: 1, key, inputs: {}, settings: null, outputs: {} },
    ...{ counts: noCounts, usage: noUsage, facts: { ...signal, quality }, seconds: 1, finishedAt: 'then' },
  });
  const bundle = { uri: 'b', sha256: key, bytes: 1, rows: 1, mediaType: 'application/json', schemaVersion: 1 };
  const input = { stage: 'check-scores', bundle, inputs: {}, extra: { scores: key } } as const;
  const made = checkScores.run({ store, config, input, bundle: { config, files: {} }, key }, { store });
  return made.then(
    () => Promise.reject(new Error('it was let through')),
    (error: unknown) => (error as ArteError).data,
  );
}

it.each([
  ['of right answers', {}],
  ['by a text for every item', { signal: 'icl_loglik' }],
])('%s: so many probe items as Spearman and Brown say', async (_, signal) => {
  expect(await refused(signal, 60)).toMatchObject({
    code: 'ScoresUnreliable',
    why: expect.stringMatching(/^With 6 probe items .* 24 would reach it/) as string,
    next: expect.stringContaining('probe.size to 24') as string,
  });
});

it.each([
  ['once a draft', { signal: 'student_prob' }, 10],
  ['a combination', { signal: 'combined' }, 0],
])('%s: no number of probe items', async (_, signal, cells) => {
  const { why, next } = await refused(signal, cells);
  expect(why).toContain('50 % of the variance between drafts is noise');
  expect(`${why} ${next}`).not.toMatch(/probe/);
});
