/** Where an export goes: what may be written there is settled before anything is fetched or merged. A target that exists is never overwritten. */
import { accessSync, constants, lstatSync, statSync } from 'node:fs';
import { basename, dirname, extname, resolve } from 'node:path';
import { makeFolder } from '../../drivers/local/directories';
import { ArteError } from '../../schemas/errors';
import { reasonOf } from '../write-file';
import type { ExportForm, ModelFormat } from './export-run';

/** Endings that a person gives to files: under one of them nobody looks for a folder, or for a file of another kind. */
const fileEndings = [
  ...['.jsonl', '.ndjson', '.json', '.parquet', '.arrow', '.csv', '.tsv', '.xlsx', '.txt', '.md', '.html', '.yaml'],
  ...['.yml', '.gguf', '.safetensors', '.bin', '.pt', '.zip', '.tar', '.gz', '.tgz', '.zst'],
];

/** Where the card of a model in one file goes: beside it. */
export function cardBeside(file: string): string {
  return `${file}.README.md`;
}

/** The absolute path of a target that may be written, with its card; the folders above it are made. Errors: InvalidInput. */
export function claimTarget(named: string, what: ExportForm, format: ModelFormat | undefined): string {
  const target = resolve(named);
  checkEnding(target, what, format);
  const refuse = (why: string, next: string, cause?: unknown): ArteError =>
    new ArteError('InvalidInput', { what: `${target} cannot be written.`, why, next }, { cause });
  try {
    // A card that is there already may be anybody's, or tell of another model.
    for (const path of format === 'gguf' ? [target, cardBeside(target)] : [target]) refuseStanding(path);
    makeFolder(dirname(target));
    accessSync(dirname(target), constants.W_OK);
  } catch (error) {
    if (error instanceof ArteError) throw error;
    // What is there already is the folder's name, and no folder.
    const reason = (error as NodeJS.ErrnoException).code === 'EEXIST' ? { code: 'ENOTDIR' } : error;
    throw refuse(
      reasonOf(reason),
      'Name a path with --to whose folder is there, or can be made, and can be written.',
      error,
    );
  }
  return target;
}

/** Errors: InvalidInput where there is something, the system's where that cannot be seen. */
function refuseStanding(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (!found) return;
  const leadsNowhere = found.isSymbolicLink() && statSync(path, { throwIfNoEntry: false }) === undefined;
  throw new ArteError(
    'InvalidInput',
    leadsNowhere
      ? {
          what: `${path} cannot be written.`,
          why: 'It is a symbolic link that leads nowhere, and an export never overwrites.',
          next: 'Give another path with --to, or remove the link.',
        }
      : {
          what: `${path} is there already.`,
          why: 'An export never overwrites.',
          next: 'Give another path with --to, or move the old one away.',
        },
  );
}

function checkEnding(target: string, what: ExportForm, format: ModelFormat | undefined): void {
  const ending = extname(target);
  const { endings, said } = formOf(what, format);
  if (!fileEndings.includes(ending.toLowerCase()) || endings.includes(ending)) return;
  throw new ArteError('InvalidInput', {
    what: `${basename(target)} is no name for this export.`,
    why: `${ending} is the ending of another kind of file. ${said}`,
    next:
      ending === '.gguf'
        ? 'Leave the ending out, or, for a model, add --format gguf.'
        : `Give --to a name ${endings.length > 0 ? `that ends in ${endings.join(' or ')}, or one ` : ''}without an ending.`,
  });
}

/** Endings under which it is a file of its own, and what it is otherwise. */
function formOf(
  what: ExportForm,
  format: ModelFormat | undefined,
): { readonly endings: readonly string[]; readonly said: string } {
  if (what === 'dropped') return { endings: ['.jsonl'], said: 'What was dropped is written as JSON lines.' };
  if (what === 'dataset' || what === 'pairs')
    return {
      endings: ['.jsonl', '.parquet'],
      said: 'Rows are written as .jsonl, as .parquet, or as a folder with both and a card.',
    };
  if (format === 'gguf') return { endings: ['.gguf'], said: 'This model is written as a GGUF file.' };
  return { endings: [], said: 'This model is written as a folder, with its card.' };
}
