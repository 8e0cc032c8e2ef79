/**
 * Goal: an alignment is the same one whatever its cost, its place and whoever is told of it.
 * Method: the key of one config, and of the same with one setting changed.
 */
import { alignmentKey } from '../../method/alignment';
import { sha256Hex } from '../../method/keys';
import { runConfigSchema } from '../../schemas/run-config';
import type { ModelRef } from '../../schemas/model-ref';

const model = (name: string): ModelRef => ({
  ...{ name, source: { kind: 'folder', path: '/m' }, baseSha256: sha256Hex(name), layers: [] },
  contentSha256: sha256Hex(name),
});
const keyOf = (change: object = {}): string =>
  alignmentKey(
    runConfigSchema.parse({
      ...{ version: 1, name: 'x', tasks: [{ source: 'builtin', family: 'larger-number' }] },
      models: { teacher: { source: 'embedded:t' }, student: { source: 'embedded:s' } },
      ...change,
    }),
    { teacher: model('t'), student: model('s'), respondents: [], others: [] },
    {},
  );

it.each([
  ['its name', { name: 'y' }],
  ['its cap', { budget: { cap: 1 } }],
  ['who is told', { notify: [{ kind: 'command', command: ['true'] }] }],
  ['where it runs', { platform: { currency: 'EUR' } }],
])('%s does not matter', (_, change) => {
  expect(keyOf(change)).toBe(keyOf());
});

it('a setting of a stage does', () => {
  expect(keyOf({ align: { beta: 0.3 } })).not.toBe(keyOf());
});
