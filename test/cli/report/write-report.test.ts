/** Goal: a report page takes the place of an earlier one, and of no other file. Method: a made report in a store in memory. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runKeys } from '../../../activities/run-records';
import { writeReportPage } from '../../../cli/report/write-report';
import type { JsonValue } from '../../../schemas/json';
import { MemoryStore } from '../../activities/row-engine/memory-store';
import { madeReport } from '../../support/made-report';

const store = new MemoryStore();
let folder: string;
let path: string;
beforeAll(() =>
  store.putDocument(
    runKeys.report('made'),
    madeReport({ arms: ['arte', 'untuned'], tasks: { animals: 'a' } }) as unknown as JsonValue,
  ),
);
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-write-report-'));
  path = join(folder, 'report.html');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('replaces an earlier page, and a file that is empty', async () => {
  writeFileSync(path, '');
  await writeReportPage(store, 'made', path);
  const page = readFileSync(path, 'utf8');
  expect(page).toMatch(/^<!doctype html>/);
  writeFileSync(path, page.slice(0, page.length / 2));
  await writeReportPage(store, 'made', path);
  expect(readFileSync(path, 'utf8')).toBe(page);
});

it.each([
  ['notes', 'my notes\n'],
  ['another page', '<!doctype html>\n<html lang="en">\n<head>\n<title>mine</title>\n'],
  ['a text that quotes one', `${'x'.repeat(2_000)}<meta name="generator" content="arte">`],
])('refuses to replace %s', async (_, text) => {
  writeFileSync(path, text);
  await expect(writeReportPage(store, 'made', path)).rejects.toMatchObject({
    data: { code: 'InvalidInput', next: 'Name another file, or move this one away.' },
  });
  expect(readFileSync(path, 'utf8')).toBe(text);
});
