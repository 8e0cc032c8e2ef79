/** Goal: a hint can be typed as it stands. Method: texts as commands print them, under the environments that npx and npm's scripts leave. */
import { asTyped, commandNames } from '../../cli/called-as';

const hint = 'arte retry RUN goes on, `arte status` shows it; npx arte down stops it, and arte does the rest.';

it.each([
  ['npx arte', 'arte report some-run'],
  ['the script of this package', 'npm run build && node dist/cli/main.js quickstart'],
])('under %s a command is npx arte, and prose is left alone', (_, script) => {
  expect(asTyped(hint, { npm_lifecycle_script: script })).toBe(
    'npx arte retry RUN goes on, `npx arte status` shows it; npx arte down stops it, and arte does the rest.',
  );
});

it.each([{}, { npm_lifecycle_script: 'jest test/cli' }, { npm_lifecycle_script: 'node test/run.mjs' }])(
  'under %j it is what all texts say',
  (environment) => {
    expect(asTyped(hint, environment)).toBe(hint);
  },
);

it('knows every command', () => {
  for (const name of commandNames)
    expect(asTyped(`arte ${name}`, { npm_lifecycle_script: 'arte' })).toBe(`npx arte ${name}`);
});
