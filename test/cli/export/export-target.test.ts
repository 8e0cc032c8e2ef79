/** Goal: where an export cannot go, that is said before anything is fetched, and nothing is made there. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExportForm, ModelFormat } from '../../../cli/export/export-run';
import { claimTarget } from '../../../cli/export/export-target';
import { ArteError } from '../../../schemas/errors';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-target-'));
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
  mkdirSync(join(folder, 'there'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function refusal(name: string, what: ExportForm = 'pairs', format?: ModelFormat): string {
  try {
    claimTarget(join(folder, name), what, format);
  } catch (error) {
    if (error instanceof ArteError && error.data.code === 'InvalidInput') return `${error.data.what} ${error.data.why}`;
    throw error;
  }
  return 'none';
}

it.each<[string, RegExp]>([
  ['file', /is there already/],
  ['there', /is there already/],
  ['file/x.jsonl', /cannot be written\. Something on the way to it is no folder/],
  ['file/deep/x.jsonl', /cannot be written\. Something on the way to it is no folder/],
  ['link', /symbolic link that leads nowhere/],
  ['link/x.jsonl', /cannot be written\. Something on the way to it is no folder/],
  ['../../../../../proc/none/x.jsonl', /cannot be written/],
  [`${'x'.repeat(300)}.jsonl`, /longer than the file system takes/],
])('%s is refused', (name, said) => {
  expect(refusal(name)).toMatch(said);
  expect(readdirSync(folder).sort()).toEqual(['file', 'link', 'there']);
});

it.each<[string, ExportForm, ModelFormat | undefined]>([
  ['p.csv', 'pairs', undefined],
  ['p.JSONL', 'pairs', undefined],
  ['p.jsonl.gz', 'dataset', undefined],
  ['p.parquet', 'dropped', undefined],
  ['m.gguf', 'student', undefined],
  ['m.safetensors', 'student', 'safetensors'],
  ['m.jsonl', 'teacher', 'adapter'],
])('%s is no name for %s %s', (name, what, format) => {
  expect(refusal(name, what, format)).toContain('is the ending of another kind of file');
});

it.each<[string, ExportForm, ModelFormat | undefined]>([
  ['p.jsonl', 'pairs', undefined],
  ['new/folder/p.parquet', 'dataset', undefined],
  ['p.jsonl', 'dropped', undefined],
  ['v1.2', 'dataset', undefined],
  ['m.gguf', 'student', 'gguf'],
  ['m', 'teacher', undefined],
])('%s is one for %s %s', (name, what, format) => {
  expect(claimTarget(join(folder, name), what, format)).toBe(join(folder, name));
});

it('a GGUF is not written where somebody has a file in the place of its card', () => {
  writeFileSync(join(folder, 'm.gguf.README.md'), 'notes of mine');
  expect(refusal('m.gguf', 'student', 'gguf')).toMatch(
    /m\.gguf\.README\.md is there already\. An export never overwrites/,
  );
  // A folder has its card inside.
  writeFileSync(join(folder, 'm.README.md'), 'notes of mine');
  expect(refusal('m', 'student', 'safetensors')).toBe('none');
});
