/**
 * Goal: the documents say what is true of the tree: errors, commands, links, and nothing about one person's machine.
 * Method: Markdown files read as text against the code they speak of.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { exitCodes } from '../cli/output';
import { errorCodes } from '../schemas/errors';

const root = dirname(__dirname);
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const markdownIn = (folder: string): string[] =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name));
const pages = [
  'README.md',
  'ARCHITECTURE.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...markdownIn('docs'),
  ...markdownIn('docs/decisions'),
];

it('errors.md has every code once, with whether it is retried', () => {
  const rows = [...read('docs/errors.md').matchAll(/^\| `(\w+)` \| (retried|final) \|/gm)].map(([, code, by]) => [
    code,
    by === 'retried',
  ]);
  expect(rows).toEqual(Object.entries(errorCodes).map(([code, { retryable }]) => [code, retryable]));
});

it('README.md names every command and every exit code', () => {
  const readme = read('README.md');
  const commands = readdirSync(join(root, 'cli', 'commands')).map((name) => name.replace(/\.ts$/, ''));
  for (const command of commands) expect(readme).toMatch(new RegExp(`\`${command}\\b`));
  for (const code of Object.values(exitCodes)) expect(readme).toContain(`| ${code} |`);
});

it('environment.md names every variable of ours that is read, and no other', () => {
  const namesIn = (text: string): string[] => text.match(/\bARTE_[A-Z0-9_]*[A-Z0-9]\b/g) ?? [];
  const rooms = ['activities', 'bench', 'cli', 'drivers', 'method', 'python', 'schemas', 'workers', 'workflows'];
  const sources = rooms.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => /\.(ts|js|cjs|py)$/.test(name))
      .map((name) => join(room, name)),
  );
  const named = new Set(namesIn(read('docs/environment.md')));
  expect([...named].sort()).toEqual([...new Set(sources.flatMap((source) => namesIn(read(source))))].sort());
});

it('README.md names every example', () => {
  const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.yaml'));
  for (const example of examples) expect(read('README.md')).toContain(`\`${example}\``);
});

it.each(pages)('%s: its links lead somewhere', (page) => {
  const links = [...read(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map((match) => match[1] ?? '');
  expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
});

it('scripts that a page names exist', () => {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const named = pages.flatMap((page) => [...read(page).matchAll(/npm run ([a-z:-]+)/g)].map((match) => match[1] ?? ''));
  expect(named.filter((name) => !(name in scripts))).toEqual([]);
});

it('decisions are numbered without gaps', () => {
  const numbers = readdirSync(join(root, 'docs', 'decisions'))
    .sort()
    .map((name) => Number(name.slice(0, 4)));
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
});

it('the licence is the one that package.json names', () => {
  expect(read('LICENSE')).toContain('Apache License');
  expect(read('package.json')).toContain('"license": "Apache-2.0"');
});
