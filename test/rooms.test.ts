/**
 * Goal: the tree stays what ARCHITECTURE.md says it is: rooms with one-way doors, files that say what they own, no litter.
 * Method: the source itself, read as text: imports against test/rooms.json, first lines, and words that must not occur.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

const root = dirname(__dirname);
const rooms = JSON.parse(readFileSync(join(__dirname, 'rooms.json'), 'utf8')) as Record<
  string,
  { holds: string; mayImport: string[] }
>;

/** What is made, fetched, or private to a machine: never part of the tree. */
const notOurs = new Set([
  'node_modules',
  'dist',
  '.git',
  '.arte',
  'reports',
  'coverage',
  '__pycache__',
  '.pytest_cache',
  '.ruff_cache',
  'arte-quickstart',
]);
/** Tables and texts that are data, not source. */
const dataFolders = ['test/golden', 'docs', 'examples/tasks'];

function filesUnder(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (notOurs.has(entry.name) || entry.name.startsWith('.')) return [];
    return entry.isDirectory() ? filesUnder(path) : [path];
  });
}

const all = filesUnder('.').map((path) => path.replaceAll('\\', '/'));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const typescript = all.filter((path) => path.endsWith('.ts'));
const source = all.filter(
  (path) => /\.(ts|mjs|cjs|js|py|sh)$/.test(path) && !dataFolders.some((folder) => path.startsWith(`${folder}/`)),
);

interface Import {
  readonly from: string;
  /** `room/path/of/file`, without ending. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** Relative imports of a file, as rooms see them. */
function importsOf(path: string): Import[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s+(type\s)?[^'"\n;]*?(?:\n[^'"\n;]*?)*from\s+'(\.[^']*)'|import\('(\.[^']*)'\)/g;
  return [...read(path).matchAll(pattern)].map((match) => {
    const target = relative(root, resolve(root, dirname(path), match[2] ?? match[3] ?? '')).replaceAll('\\', '/');
    return { from: path, to: target.replace(/\.(js|ts)$/, ''), typeOnly: match[1] !== undefined };
  });
}

const roomOf = (path: string): string => path.split('/')[0] ?? '';

describe('the map', () => {
  it('names every room there is', () => {
    const folders = readdirSync(root).filter(
      (name) => !name.startsWith('.') && !notOurs.has(name) && statSync(join(root, name)).isDirectory(),
    );
    const others = ['python', 'test', 'deploy', 'examples', 'bench', 'docs'];
    expect(folders.filter((name) => !(name in rooms) && !others.includes(name))).toEqual([]);
    for (const room of Object.keys(rooms)) expect(folders).toContain(room);
  });

  it('is drawn in ARCHITECTURE.md', () => {
    const drawn = read('ARCHITECTURE.md');
    for (const room of Object.keys(rooms)) expect(drawn).toContain(`${room}/`);
  });

  it.each(Object.entries(rooms))('%s/ imports only what it may', (room, { mayImport }) => {
    const wrong = typescript
      .filter((path) => roomOf(path) === room)
      .flatMap(importsOf)
      .filter(({ to }) => roomOf(to) in rooms && roomOf(to) !== room)
      .filter(({ to }) => !mayImport.includes(roomOf(to)) && !mayImport.includes(to))
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
  });

  it('workflows take values only from zod-free schemas, pure method functions, and themselves', () => {
    const free = [
      'errors',
      'limits',
      'stage-names',
      'arms',
      'signals',
      'transfer',
      'messages',
      'notification',
      'json',
    ].map((name) => `schemas/${name}`);
    const wrong = typescript
      .filter((path) => roomOf(path) === 'workflows')
      .flatMap(importsOf)
      .filter(
        ({ typeOnly, to }) => !typeOnly && roomOf(to) !== 'workflows' && roomOf(to) !== 'method' && !free.includes(to),
      )
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(wrong).toEqual([]);
    for (const path of free) expect(read(`${path}.ts`)).not.toMatch(/from 'zod'/);
  });

  it('no room has a folder or file of leftovers', () => {
    expect(all.filter((path) => /(^|\/)(utils?|helpers?|misc|common)(\/|\.)/.test(path))).toEqual([]);
  });
});

describe('every file', () => {
  it.each(source)('%s opens with a comment that says what it is', (path) => {
    const [first = '', ...rest] = read(path).split('\n');
    const opening = first.startsWith('#!') ? (rest[0] ?? '') : first;
    expect(opening).toMatch(/^(\/\*\*|#|""")/);
  });

  it('has no words that must not occur', () => {
    // Put together here, so that this file does not find itself.
    const unfinished = ['TO' + 'DO', 'FIX' + 'ME'].map((word) => `\\b${word}\\b`);
    const switched = ['only', 'skip'].map((word) => `\\b(it|test|describe)\\.${word}\\(`);
    const forbidden = new RegExp([...unfinished, ...switched, '\\bx(it|describe)\\(', 'mark\\.sk' + 'ip'].join('|'));
    const found = source.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) => (forbidden.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 80)}`] : [])),
    );
    expect(found).toEqual([]);
  });
});
