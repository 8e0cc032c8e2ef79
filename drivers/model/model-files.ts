/**
 * What a whole model is on disk, and what its content hash covers.
 *
 * Owns: telling a whole model from a cut or half one before hours are spent on it (ModelNotFound, ModelIncomplete, each with
 * what to do), and the sha256 of a folder and of a GGUF. Only headers are parsed; weights are hashed, never loaded.
 * Leaves to resolve.ts where models come from, to file-hash.ts how files are hashed.
 *
 * Content of a folder: sha256 of the JSON list of [name, sha256 of the file], sorted by name, over weights (*.safetensors and
 * their index), tokenizer, chat template, config.json and generation_config.json at the top level. A README may change.
 */
import { createHash } from 'node:crypto';
import { open, readdir, readFile, stat, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { ArteError, type ErrorCode } from '../../schemas/errors';
import type { FileHasher } from './file-hash';

/** Besides *.safetensors; export.py fetches and copies the same ones. */
const contentFiles = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'spiece.model',
  'sentencepiece.bpe.model',
  'chat_template.jinja',
  'chat_template.json',
  'model.safetensors.index.json',
]);
/** Any one set of these is a tokenizer. */
const tokenizers = [
  ['tokenizer.json'],
  ['tokenizer.model'],
  ['spiece.model'],
  ['sentencepiece.bpe.model'],
  ['vocab.json', 'merges.txt'],
  ['vocab.txt'],
];
/** A safetensors header is far smaller; a larger number is not a length but other bytes. */
const safetensorsHeaderBytesMax = 512 * 1024 * 1024;

/** Whether a file of a model folder belongs to the model's content. */
export function isContentFile(name: string): boolean {
  return name.endsWith('.safetensors') || contentFiles.has(name);
}

export interface ModelContent {
  readonly sha256: string;
  /** All bytes of the files that were hashed. */
  readonly bytes: number;
}

/** Hash a Hugging Face folder. Errors: ModelNotFound, ModelIncomplete. */
export async function folderContent(folder: string, hasher: FileHasher, signal?: AbortSignal): Promise<ModelContent> {
  const names = await listFolder(folder);
  await checkFolder(folder, names);
  const files: [string, string][] = [];
  let bytes = 0;
  for (const name of names.filter(isContentFile).sort()) {
    const path = join(folder, name);
    bytes += (await stat(path)).size;
    files.push([name, await hasher.sha256(path, signal)]);
  }
  return { sha256: createHash('sha256').update(JSON.stringify(files)).digest('hex'), bytes };
}

/** Hash a GGUF file. Errors: ModelNotFound, ModelIncomplete. */
export async function ggufContent(path: string, hasher: FileHasher, signal?: AbortSignal): Promise<ModelContent> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) {
    throw notFound(path);
  }
  const seen = [path, found.ino, found.size, found.mtimeMs].join(':');
  if (!wholeGgufs.has(seen)) {
    await checkGguf(path, found.size);
    wholeGgufs.add(seen);
  }
  return { sha256: await hasher.sha256(path, signal), bytes: found.size };
}

// ---- folders -----------------------------------------------------------------------------------------------------

async function listFolder(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT') {
      throw notFound(folder);
    }
    if (code === 'ENOTDIR') {
      throw modelError(
        'ModelNotFound',
        `${folder} is a file.`,
        'A model is a folder or a .gguf file.',
        'Give the folder that holds config.json, or a file whose name ends in .gguf.',
      );
    }
    throw modelError('ModelNotFound', `${folder} cannot be read.`, String(error), 'Let the workers read the folder.');
  }
}

async function checkFolder(folder: string, names: readonly string[]): Promise<void> {
  const there = new Set(names);
  const incomplete = (what: string, why: string, next: string): ArteError =>
    modelError('ModelIncomplete', `${folder} ${what}.`, why, next);
  if (there.has('adapter_config.json') && !there.has('config.json')) {
    throw incomplete(
      'is an adapter, not a model',
      'It changes the weights of another model and has none of its own.',
      'Merge it into its base first, or give the base.',
    );
  }
  if (!there.has('config.json')) {
    throw incomplete(
      'has no config.json',
      'Without it nothing says what kind of model the weights are.',
      'Give the folder that was made by save_pretrained, or downloaded whole.',
    );
  }
  await readJson(join(folder, 'config.json'));
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  if (weights.length === 0) {
    const pickles = names.filter((name) => /\.(bin|pt|pth|ckpt)$/.test(name));
    throw pickles.length > 0
      ? incomplete(
          'has pickled weights only',
          `Loading ${pickles.slice(0, 3).join(', ')} could run programs; only safetensors are read.`,
          'Save the model again with save_pretrained (it writes safetensors), or choose a revision that has them.',
        )
      : incomplete('has no weights', 'No *.safetensors file is in it.', 'Download or copy the model again, whole.');
  }
  if (!tokenizers.some((set) => set.every((name) => there.has(name)))) {
    throw incomplete(
      'has no tokenizer',
      'Neither tokenizer.json nor tokenizer.model nor another vocabulary is in it.',
      'Copy the tokenizer files of the base model into the folder (tokenizer.save_pretrained), then try again.',
    );
  }
  if (there.has('model.safetensors.index.json')) {
    const index = (await readJson(join(folder, 'model.safetensors.index.json'))) as {
      weight_map?: Record<string, unknown>;
    } | null;
    const missing = [...new Set(Object.values(index?.weight_map ?? {}))].filter((name) => !there.has(String(name)));
    if (missing.length > 0) {
      throw incomplete(
        'lacks some of its weights',
        `The index names files that are not there: ${missing.slice(0, 5).map(String).join(', ')}.`,
        'Download or copy the model again, whole.',
      );
    }
  }
  for (const name of weights) {
    await checkSafetensors(join(folder, name));
  }
}

async function readJson(path: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    throw modelError(
      'ModelIncomplete',
      `${path} cannot be read as JSON.`,
      error instanceof Error ? error.message : String(error),
      'Download or copy the model again, whole.',
    );
  }
}

/** How many parameters the weights of a whole folder hold; tied ones are stored, and counted, once. */
export async function parametersOf(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.safetensors'));
  let parameters = 0;
  for (const name of names) {
    const { tensors } = await safetensorsHeader(join(folder, name));
    for (const { shape } of tensors) parameters += (shape ?? []).reduce((product, size) => product * size, 1);
  }
  return parameters;
}

interface SafetensorsHeader {
  readonly tensors: readonly { readonly shape?: readonly number[]; readonly data_offsets?: readonly number[] }[];
  /** Bytes of the file, and where its last tensor ends by the header; -1 where that cannot be read. */
  readonly size: number;
  readonly end: number;
}

async function safetensorsHeader(path: string): Promise<SafetensorsHeader> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    const length = size < 8 ? -1 : Number((await readAt(file, 0, 8)).readBigUInt64LE());
    if (length <= 0 || length > Math.min(size - 8, safetensorsHeaderBytesMax)) return { tensors: [], size, end: -1 };
    const { __metadata__: _, ...header } = JSON.parse((await readAt(file, 8, length)).toString('utf8')) as Record<
      string,
      SafetensorsHeader['tensors'][number]
    >;
    const tensors = Object.values(header);
    const end = tensors.reduce(
      (most, tensor) => Math.max(most, 8 + length + (tensor.data_offsets?.[1] ?? 0)),
      8 + length,
    );
    return { tensors, size, end };
  } finally {
    await file.close();
  }
}

/** The header says where the last tensor ends; a download that was cut ends before. */
async function checkSafetensors(path: string): Promise<void> {
  const { size, end } = await safetensorsHeader(path).catch(async () => ({ size: (await stat(path)).size, end: -1 }));
  if (end === size) return;
  throw modelError(
    'ModelIncomplete',
    `${path} is not a whole safetensors file.`,
    end === -1 ? 'Its header cannot be read.' : `It has ${size} bytes, and its header speaks of ${end}.`,
    'Download or copy the model again, whole.',
  );
}

// ---- GGUF --------------------------------------------------------------------------------------------------------

/** Bytes of the fixed-size value types of a GGUF header, by type number; 8 is a string, 9 an array. */
const ggufValueBytes: { readonly [type: number]: number } = {
  0: 1,
  1: 1,
  2: 2,
  3: 2,
  4: 4,
  5: 4,
  6: 4,
  7: 1,
  10: 8,
  11: 8,
  12: 8,
};
/** Weights in a block and bytes of the block, by ggml type; a type that is not listed is checked by its offset alone. */
const ggmlBlocks: { readonly [type: number]: readonly [weights: number, bytes: number] } = {
  0: [1, 4],
  1: [1, 2],
  2: [32, 18],
  3: [32, 20],
  6: [32, 22],
  7: [32, 24],
  8: [32, 34],
  10: [256, 84],
  11: [256, 110],
  12: [256, 144],
  13: [256, 176],
  14: [256, 210],
  30: [1, 2],
};

/** Headers that were walked: with a vocabulary of 256,000 that takes half a second, and a pool asks again and again. */
const wholeGgufs = new Set<string>();

/** Walks the header: the file must have a tokenizer and reach to the end of its last tensor. */
async function checkGguf(path: string, size: number): Promise<void> {
  const broken = (why: string): ArteError =>
    modelError(
      'ModelIncomplete',
      `${path} is not a whole GGUF model.`,
      why,
      'Download or copy the file again; llama.cpp reads GGUF version 2 and 3.',
    );
  const file = await open(path, 'r');
  try {
    const reader = new HeaderReader(file, size);
    if ((await reader.bytes(4)).toString('latin1') !== 'GGUF') {
      throw broken('It does not begin as one.');
    }
    const version = (await reader.bytes(4)).readUInt32LE();
    if (version !== 2 && version !== 3) {
      throw broken(`It says version ${version}.`);
    }
    const tensors = await reader.uint64();
    const pairs = await reader.uint64();
    let alignment = 32;
    let tokenizer = false;
    for (let pair = 0; pair < pairs; pair += 1) {
      const key = await reader.text();
      const type = await reader.uint32();
      tokenizer ||= key === 'tokenizer.ggml.model';
      if (key === 'general.alignment' && type === 4) {
        alignment = await reader.uint32();
      } else {
        await reader.skipValue(type);
      }
    }
    let end = 0;
    for (let tensor = 0; tensor < tensors; tensor += 1) {
      await reader.text();
      const dimensions = await reader.uint32();
      let weights = 1;
      for (let dimension = 0; dimension < dimensions; dimension += 1) {
        weights *= await reader.uint64();
      }
      const block = ggmlBlocks[await reader.uint32()] ?? [Infinity, 0];
      const offset = await reader.uint64();
      end = Math.max(end, offset + Math.ceil(weights / block[0]) * block[1]);
    }
    const data = Math.ceil(reader.position / alignment) * alignment;
    if (data + end > size) {
      throw broken(`It has ${size} bytes, and its header speaks of ${data + end}.`);
    }
    if (!tokenizer) {
      throw modelError(
        'ModelIncomplete',
        `${path} has no tokenizer.`,
        'Its header lacks tokenizer.ggml.model; it may be an adapter or a part of a model.',
        'Convert the whole model, tokenizer files included, to GGUF.',
      );
    }
  } catch (error) {
    throw error instanceof RangeError ? broken('It ends in the middle of its header.') : error;
  } finally {
    await file.close();
  }
}

/** Reads a header front to back through a buffer; throws RangeError at the end of the file. */
class HeaderReader {
  position = 0;
  private window: Buffer = Buffer.alloc(0);
  private windowAt = 0;

  constructor(
    private readonly file: FileHandle,
    private readonly size: number,
  ) {}

  async bytes(count: number): Promise<Buffer> {
    if (count > this.size - this.position) {
      throw new RangeError('beyond the end');
    }
    if (this.position + count > this.windowAt + this.window.length) {
      const length = Math.min(Math.max(count, 1024 * 1024), this.size - this.position);
      this.window = await readAt(this.file, this.position, length);
      this.windowAt = this.position;
    }
    const from = this.position - this.windowAt;
    this.position += count;
    return this.window.subarray(from, from + count);
  }

  async uint32(): Promise<number> {
    return (await this.bytes(4)).readUInt32LE();
  }

  async uint64(): Promise<number> {
    return Number((await this.bytes(8)).readBigUInt64LE());
  }

  async text(): Promise<string> {
    return (await this.bytes(await this.uint64())).toString('utf8');
  }

  async skipValue(type: number): Promise<void> {
    if (type === 8) {
      await this.bytes(await this.uint64());
      return;
    }
    if (type === 9) {
      const of = await this.uint32();
      const count = await this.uint64();
      const each = ggufValueBytes[of];
      if (each !== undefined) {
        await this.bytes(count * each);
        return;
      }
      for (let item = 0; item < count; item += 1) {
        await this.skipValue(of);
      }
      return;
    }
    const length = ggufValueBytes[type];
    if (length === undefined) {
      throw new RangeError(`value type ${type}`);
    }
    await this.bytes(length);
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  let done = 0;
  while (done < length) {
    const { bytesRead } = await file.read(buffer, done, length - done, position + done);
    if (bytesRead === 0) {
      throw new RangeError('beyond the end');
    }
    done += bytesRead;
  }
  return buffer;
}

function notFound(path: string): ArteError {
  return modelError(
    'ModelNotFound',
    `The model ${basename(path)} is not there.`,
    `${path} does not exist on this machine.`,
    'Check the path in models.*.source; it must be readable where the workers run.',
  );
}

function modelError(code: ErrorCode, what: string, why: string, next: string): ArteError {
  return new ArteError(code, { what, why, next });
}
