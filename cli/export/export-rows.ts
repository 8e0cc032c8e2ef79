/**
 * Training rows as files that others read: conversations as JSONL and Parquet, alone or as a folder with a card.
 * Owns the forms. Where a run's rows are comes from its report (export-run.ts); what a card says from method/cards.ts.
 */
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ArtifactStore } from '../../drivers/store/store';
import { conversation, type ConversationSource } from '../../method/training-rows';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { madeWhole } from './made-whole';

type SchemaElement = import('hyparquet-writer').SchemaElement;

/** A row as it is written: columns that are texts or lists of messages. */
type ExportedRow = Readonly<Record<string, unknown>>;

/** Which rows, and what else is known of each: rows of `beside` stand in the same order, and give its `columns`. */
export interface RowsToExport {
  readonly rows: ArtifactRef;
  readonly beside?: { readonly rows: ArtifactRef; readonly columns: readonly string[] };
}

/** Rows as one JSON object a line. */
export async function exportJsonl(store: ArtifactStore, from: RowsToExport, target: string): Promise<void> {
  await writeLines(target, exportedLines(store, from));
}

async function* exportedLines(store: ArtifactStore, from: RowsToExport): AsyncGenerator<string> {
  for await (const row of exportedRows(store, from)) yield JSON.stringify(row);
}

/** Rows as Parquet. All of them are held in memory: sets have thousands of rows, not millions. */
export async function exportParquet(store: ArtifactStore, from: RowsToExport, target: string): Promise<void> {
  const rows: ExportedRow[] = [];
  for await (const row of exportedRows(store, from)) rows.push(row);
  // Loaded only here: few commands write Parquet.
  const { parquetWriteBuffer } = await import('hyparquet-writer');
  const names = Object.keys(rows[0] ?? { messages: [] });
  const bytes = parquetWriteBuffer({
    schema: parquetSchema(names),
    columnData: names.map((name) => ({ name, data: rows.map((row) => row[name]) })),
  });
  await madeWhole(target, (part) => writeFile(part, Buffer.from(bytes)));
}

/** A folder as the hub has data sets: the rows in both forms, the card, and what other tools want beside. */
export async function exportFolder(
  store: ArtifactStore,
  from: RowsToExport,
  { card, files }: { readonly card: string; readonly files: Readonly<Record<string, object>> },
  target: string,
): Promise<void> {
  await madeWhole(target, async (part) => {
    await mkdir(part);
    await exportJsonl(store, from, join(part, 'train.jsonl'));
    await exportParquet(store, from, join(part, 'train.parquet'));
    await writeFile(join(part, 'README.md'), card);
    for (const [name, content] of Object.entries(files))
      await writeFile(join(part, name), `${JSON.stringify(content, null, 2)}\n`);
  });
}

/** Rows as they are in the store, one JSON object a line: for those that are no conversations. */
export async function exportPlain(store: ArtifactStore, refs: readonly ArtifactRef[], target: string): Promise<void> {
  await writeLines(target, storedLines(store, refs));
}

async function* storedLines(store: ArtifactStore, refs: readonly ArtifactRef[]): AsyncGenerator<string> {
  for (const ref of refs) yield* store.getLines(ref);
}

/** A file of lines, whole or not there at all. */
async function writeLines(target: string, lines: AsyncIterable<string>): Promise<void> {
  await madeWhole(target, (part) =>
    pipeline(
      lines,
      async function* (source: AsyncIterable<string>) {
        for await (const line of source) yield `${line}\n`;
      },
      createWriteStream(part),
    ),
  );
}

async function* exportedRows(store: ArtifactStore, { rows, beside }: RowsToExport): AsyncGenerator<ExportedRow> {
  const others = beside && store.getLines(beside.rows)[Symbol.asyncIterator]();
  for await (const line of store.getLines(rows)) {
    const next = await others?.next();
    const known = next?.done === false ? (JSON.parse(next.value) as Record<string, unknown>) : {};
    const columns = (beside?.columns ?? []).map((column) => [column, known[column]] as const);
    yield { ...Object.fromEntries(columns), ...conversation(JSON.parse(line) as ConversationSource) };
  }
}

/** Columns of messages are lists of {role, content}; the others are texts. Nothing is ever null. */
function parquetSchema(names: readonly string[]): SchemaElement[] {
  const text = (name: string): SchemaElement => ({
    name,
    type: 'BYTE_ARRAY',
    converted_type: 'UTF8',
    repetition_type: 'REQUIRED',
  });
  const messages = (name: string): SchemaElement[] => [
    { name, repetition_type: 'REQUIRED', converted_type: 'LIST', logical_type: { type: 'LIST' }, num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'REQUIRED', num_children: 2 },
    text('role'),
    text('content'),
  ];
  const texts = ['id', 'task'];
  return [
    { name: 'root', num_children: names.length },
    ...names.flatMap((name) => (texts.includes(name) ? [text(name)] : messages(name))),
  ];
}
