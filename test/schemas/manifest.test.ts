/**
 * Goal: what an older version wrote can still be read. Method: documents without the fields that were added since.
 */
import { stageManifestSchema } from '../../schemas/manifest';

it('a manifest from before lost calls were counted has none', () => {
  const usage = { calls: 3, inputTokens: 30, cachedInputTokens: 0, outputTokens: 9 };
  const manifest = stageManifestSchema.parse({
    schemaVersion: 1,
    stage: 'score-drafts',
    version: 1,
    key: 'a'.repeat(64),
    inputs: {},
    settings: null,
    outputs: {},
    counts: { ok: 3, malformed: 0, refused: 0, truncated: 0, failed: 0 },
    usage,
    facts: {},
    seconds: 1,
    finishedAt: '2026-01-01T00:00:00.000Z',
  });
  expect(manifest.usage).toEqual({
    ...usage,
    estimatedCalls: 0,
    lostCalls: 0,
    lostInputTokens: 0,
    lostOutputTokens: 0,
  });
});
