/** Goal: pairs are made again where ties are kept beside a gap, and where nothing has changed they are found. Method: the stage's settings by config. */
import { buildPairs } from '../../activities/build-pairs';
import type { StageInput } from '../../schemas/messages';
import { runConfigSchema } from '../../schemas/run-config';

const settingsOf = (pairs: object): object => {
  const config = runConfigSchema.parse({
    ...{ version: 1, name: 'paired', tasks: [{ source: 'declared', name: 't', test_items: 1 }], pairs },
    models: { teacher: { source: 'hosted:p/t' }, student: { source: 'hosted:p/s' } },
  });
  return buildPairs.settings({ config, files: {} }, {} as StageInput) as object;
};

it('the rule that a gap holds for ties stands in the identity of those pairs alone that it makes others', () => {
  expect(settingsOf({ ties: 'keep-first', minimum_gap: 0.1 })).toMatchObject({ tiesKeepGap: true });
  for (const pairs of [{}, { ties: 'keep-first' }, { minimum_gap: 0.1 }])
    expect(settingsOf(pairs)).not.toHaveProperty('tiesKeepGap');
});
