/**
 * Goal: a record is read back by its place whatever was asked for before it, of a journal that is longer than the window, too, and of one that grows; and
 * rows that finished out of order do not have the file read over and over.
 * Method: journals of random records, read in any order; what the process has read from files, by the system's own count.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { JournalWriter, RecordReader } from '../../../activities/row-engine/journal';
import type { RecordPlace } from '../../../activities/row-engine/records';
import { seededRandom, shuffled } from '../../../method/keys';
import { noUsage } from '../../../activities/row-engine/shard-usage';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'arte-journal-'))));
afterEach(() => rmSync(folder, { recursive: true }));

async function journalOf(lines: readonly string[]): Promise<{ journal: JournalWriter; places: RecordPlace[] }> {
  const journal = await JournalWriter.create(folder, 'one', 1_000, (error) => {
    throw error;
  });
  return { journal, places: lines.map((line, row) => add(journal, row, line)) };
}

function add(journal: JournalWriter, row: number, line: string): RecordPlace {
  const base = journal.readable;
  const record = { final: true, row, ask: 0, outcome: 'ok', answered: true, usage: noUsage } as const;
  const { offset, bytes } = journal.records.answer(record, line);
  journal.write();
  return { offset: base + offset, bytes };
}

it('yields every record of a journal longer than its window, in any order', async () => {
  const random = seededRandom(1);
  // 12 MB, a few records longer than any window among them.
  const lines = Array.from({ length: 400 }, (_, row) =>
    `${row}:`.padEnd(row % 150 === 7 ? 5_000_000 : Math.floor(random() * 20_000), '€'),
  );
  const { journal, places } = await journalOf(lines);
  for (const reader of [RecordReader.open(journal.path), RecordReader.over(journal.path, journal.fd)]) {
    for (const row of [...shuffled([...lines.keys()], 2), ...lines.keys(), ...[...lines.keys()].reverse()])
      expect(reader.line(places[row] as RecordPlace) === lines[row]).toBe(true);
    reader.close();
  }
  journal.close();
});

it('sees what is written after it looked', async () => {
  const { journal, places } = await journalOf(['first']);
  const reader = RecordReader.over(journal.path, journal.fd);
  expect(reader.line(places[0] as RecordPlace)).toBe('first');
  for (let row = 1; row < 50; row += 1) {
    const place = add(journal, row, `later ${row}`);
    expect(reader.line(place)).toBe(`later ${row}`);
  }
  const beyond = { offset: journal.readable, bytes: 100 };
  expect(() => reader.line(beyond)).toThrow(/was damaged/);
  journal.close();
});

const counted = '/proc/self/io';
(existsSync(counted) ? it : it.skip)('reads a shard whose rows finished far out of order about once', async () => {
  const read = (): number => Number(/rchar: (\d+)/.exec(readFileSync(counted, 'utf8'))?.[1]);
  const random = seededRandom(3);
  // As with 256 calls in flight: a row's record stands up to 256 rows from its place.
  const order = Array.from({ length: 2_000 }, (_, row) => ({ row, at: row + random() * 256 }));
  order.sort((one, other) => one.at - other.at);
  const { journal, places } = await journalOf(order.map(({ row }) => `${row}:`.padEnd(1_800, 'x')));
  const placeOf = new Map(order.map(({ row }, at) => [row, places[at] as RecordPlace]));
  const before = read();
  const reader = RecordReader.over(journal.path, journal.fd);
  for (let row = 0; row < order.length; row += 1)
    expect(reader.line(placeOf.get(row) as RecordPlace).startsWith(`${row}:`)).toBe(true);
  expect(read() - before).toBeLessThan(2 * journal.readable);
  journal.close();
});
