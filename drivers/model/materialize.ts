/**
 * Forms of a model on this machine: a Hugging Face folder to train from, a GGUF to serve.
 *
 * Owns: which form is made from which, where derived forms are kept (`cacheDir/models/<contentSha256>/<form>/`), and that a
 * kept form is whole. Leaves to python/export.py the making, to resolve.ts the base's bytes, to the store the layers.
 *
 * Invariants:
 * 1. A form under a content hash was made from exactly that content: the base's bytes are compared with the ref before
 *    anything is derived from them (ModelChanged). Once made, a form no longer depends on where the base lies.
 * 2. A form appears by one rename, with READY.json in it: names, sizes and hashes of its files. A form that does not fit its
 *    READY.json (cut, corrupted) is removed and made again.
 * 3. A form is made once: callers in this process share the work, other processes wait under a lock that dies with its holder.
 * 4. A source that is already in the asked form is used where it lies; nothing is copied.
 */
import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join, relative, sep } from 'node:path';
import { ArteError } from '../../schemas/errors';
import type { ModelRef, Quantization } from '../../schemas/model-ref';
import { freeDiskBytes } from '../local/directories';
import type { ArtifactStore } from '../store/store';
import { runExport, underLock } from './export-form';
import { createFileHasher, type FileHasher } from './file-hash';
import { bytesOfForms, filesUnder, makeRoom } from './model-cache';
import { folderContent } from './model-files';
import { contentSha256, localSource, type LocalSource, type SourceContext } from './resolve';

export interface Materializer {
  /**
   * A Hugging Face folder of the model, adapters merged. Read-only: it may be the user's own folder.
   * Errors: ModelChanged, ModelNotFound, ModelIncomplete, DiskFull, BlobMissing, BlobCorrupt; the signal's reason.
   */
  folder(model: ModelRef, signal: AbortSignal): Promise<string>;
  /**
   * A GGUF file of the model. `as-is`: the file that the source is; where there is none (a folder, or layers on top), f16.
   * Errors: as folder.
   */
  gguf(model: ModelRef, quantization: Quantization, signal: AbortSignal): Promise<string>;
}

export interface MaterializerOptions {
  /** Derived forms, fetched sources and remembered hashes live here. */
  readonly cacheDir: string;
  /** Interpreter of the Python environment. */
  readonly python: string;
  /** Folder of export.py. */
  readonly scriptDir: string;
  /** Where layers come from. */
  readonly store: Pick<ArtifactStore, 'getDirectory'>;
  readonly logDir: string;
  /** For s3:// sources; default: AWS's own settings from the environment. */
  readonly s3?: SourceContext['s3'];
}

const readyName = 'READY.json';
/** Forms of an older version were made otherwise, and are made again. 2: adapters are merged in float32; nothing but data is shown to the converter. */
const formVersion = 2;
/** Bytes of float32 weights for one byte of the smallest common GGUF quantization (4.5 bits a weight). */
const dequantizedGrowth = 7.2;
/** A little room for the rest of the machine when a form is made. */
const spareDiskBytes = 256 * 1024 * 1024;

/** Materialises models into `cacheDir`; one for a process, so that its callers share the work. */
export function createMaterializer(options: MaterializerOptions): Materializer {
  return new CachingMaterializer(options);
}

class CachingMaterializer implements Materializer {
  private readonly hasher: FileHasher;
  private readonly making = new Map<string, SharedWork>();

  constructor(private readonly options: MaterializerOptions) {
    this.hasher = createFileHasher(options.cacheDir);
  }

  folder(model: ModelRef, signal: AbortSignal): Promise<string> {
    return this.mergedFolder(model, signal);
  }

  /** `alsoGguf`: where a merge that is needed leaves its GGUF too, without starting Python anew. A folder that is there already has none. */
  private async mergedFolder(model: ModelRef, signal: AbortSignal, alsoGguf?: GgufWanted): Promise<string> {
    signal.throwIfAborted();
    const { layers } = model;
    const top = layers.at(-1);
    if (top === undefined) {
      return this.baseFolder(model, signal);
    }
    if (top.kind === 'full') {
      const path = await this.form(model.contentSha256, 'folder', signal, async ({ part }) => {
        await this.options.store.getDirectory(top.files, part);
      });
      await folderContent(path, this.hasher, signal);
      return path;
    }
    return this.form(model.contentSha256, 'folder', signal, async ({ part, lockFd, signal: making }) => {
      const below = await this.mergedSoFar(model, making);
      const adapters: string[] = [];
      for (const [index, { files }] of layers.slice(below.layers).entries()) {
        const adapter = `${part}.adapter-${index}`;
        await rm(adapter, { recursive: true, force: true });
        await this.options.store.getDirectory(files, adapter);
        adapters.push(adapter);
      }
      try {
        const forms = ['folder', ...(alsoGguf ? [alsoGguf.type] : [])];
        await this.needDisk(part, await bytesOfForms(below.path, ...forms), 'merge an adapter');
        const list = adapters.flatMap((path) => ['--adapter', path]);
        const gguf = alsoGguf ? ['--gguf', alsoGguf.out, '--outtype', alsoGguf.type] : [];
        const lockFds = alsoGguf ? [lockFd, alsoGguf.lockFd] : [lockFd];
        await this.export('merge', ['--base', below.path, ...list, '--out', part, ...gguf], lockFds, making);
      } finally {
        await Promise.all(adapters.map((path) => rm(path, { recursive: true, force: true })));
      }
    });
  }

  async gguf(model: ModelRef, quantization: Quantization, signal: AbortSignal): Promise<string> {
    signal.throwIfAborted();
    if (quantization === 'as-is' && model.layers.length === 0) {
      const base = await this.base(model, signal);
      if (base.form === 'gguf') {
        return base.path;
      }
    }
    const type = quantization === 'as-is' ? 'f16' : quantization;
    const form = await this.form(model.contentSha256, type, signal, async ({ part, lockFd, signal: making }) => {
      const out = join(part, 'model.gguf');
      await mkdir(part, { recursive: true });
      if (type === 'q5_0' || type === 'q4_0') {
        // The converter writes floats and q8_0 only.
        const floats = await this.gguf(model, 'f16', making);
        await this.needDisk(part, (await stat(floats)).size, `quantize to ${type}`);
        await this.export('quantize', ['--gguf', floats, '--outtype', type, '--out', out], [lockFd], making);
        return;
      }
      const folder = await this.mergedFolder(model, making, { out, type, lockFd });
      if (existsSync(out)) return;
      await this.needDisk(part, await bytesOfForms(folder, type), `convert to ${type}`);
      await this.export('to-gguf', ['--folder', folder, '--outtype', type, '--out', out], [lockFd], making);
    });
    return join(form, 'model.gguf');
  }

  /** The folder of a base without layers. */
  private async baseFolder(model: ModelRef, signal: AbortSignal): Promise<string> {
    if (isFolderSource(model)) {
      return (await this.base(model, signal)).path;
    }
    return this.form(model.contentSha256, 'folder', signal, async ({ part, lockFd, signal: making }) => {
      const base = await this.base(model, making);
      await this.needDisk(part, base.content.bytes * dequantizedGrowth, 'turn a GGUF into trainable weights');
      await this.export('from-gguf', ['--gguf', base.path, '--out', part], [lockFd], making);
    });
  }

  /** The base's bytes on this machine, which must be those that the ref names. */
  private async base(model: ModelRef, signal: AbortSignal): Promise<LocalSource> {
    const { cacheDir, python, scriptDir, logDir, s3 } = this.options;
    const base = await localSource(model.source, {
      cacheDir,
      env: { python, root: dirname(dirname(python)) },
      scriptDir,
      logDir,
      ...(s3 ? { s3 } : {}),
      signal,
    });
    if (base.content.sha256 !== model.baseSha256) {
      throw new ArteError('ModelChanged', {
        what: `The weights of ${model.name} are not those that this run began with.`,
        why: `${base.path} now hashes to ${base.content.sha256.slice(0, 12)}…, the run means ${model.baseSha256.slice(0, 12)}….`,
        next:
          model.source.kind === 'huggingface'
            ? // A commit has the same bytes for ever: it is our copy that changed.
              `Remove ${base.path}, the copy that was fetched, and type arte retry RUN: it is fetched again.`
            : 'Put the old weights back and type arte retry RUN, or start a new run with the new ones.',
      });
    }
    return base;
  }

  /** The folder to merge into: of as many layers below the top as are merged already, else of the base or the last full layer. */
  private async mergedSoFar(model: ModelRef, signal: AbortSignal): Promise<{ path: string; layers: number }> {
    for (let count = model.layers.length - 1; ; count -= 1) {
      const layers = model.layers.slice(0, count);
      const below: ModelRef = { ...model, layers, contentSha256: contentSha256(model.baseSha256, layers) };
      const start = count === 0 || layers.at(-1)?.kind === 'full';
      if (start || (await this.whole(this.place(below.contentSha256, 'folder')))) {
        return { path: await this.folder(below, signal), layers: count };
      }
    }
  }

  private place(sha256: string, form: string): string {
    return join(this.options.cacheDir, 'models', sha256, form);
  }

  /** The form's folder: as it is kept, or made now. `make` fills `part`. */
  private async form(
    sha256: string,
    form: string,
    signal: AbortSignal,
    make: (job: FormJob) => Promise<void>,
  ): Promise<string> {
    const place = this.place(sha256, form);
    if (await this.whole(place)) {
      // So that a clean-up can tell what is in use. A cache that may only be read is in order.
      const now = new Date();
      await utimes(join(place, readyName), now, now).catch(() => undefined);
      return formPath(place, form);
    }
    let work = this.making.get(place);
    if (work === undefined) {
      const fresh = new SharedWork((making) => this.make(place, form, make, making));
      work = fresh;
      this.making.set(place, fresh);
      void fresh.settled.then(() => {
        if (this.making.get(place) === fresh) {
          this.making.delete(place);
        }
      });
    }
    await work.join(signal, () => {
      this.making.delete(place);
    });
    return formPath(place, form);
  }

  private async make(
    place: string,
    form: string,
    make: (job: FormJob) => Promise<void>,
    signal: AbortSignal,
  ): Promise<void> {
    await mkdir(dirname(place), { recursive: true });
    await underLock(`${place}.lock`, this.options.python, signal, async (lockFd) => {
      if (await this.whole(place)) {
        return;
      }
      const staging = join(dirname(place), `.${form}.part`);
      await rm(staging, { recursive: true, force: true });
      await rm(place, { recursive: true, force: true });
      await mkdir(staging, { recursive: true });
      try {
        await make({ part: formPath(staging, form), lockFd, signal });
        await this.seal(staging, form, signal);
        await rename(staging, place);
      } catch (error) {
        throw diskError(error, place);
      } finally {
        await rm(staging, { recursive: true, force: true });
      }
    });
  }

  private async seal(staging: string, form: string, signal: AbortSignal): Promise<void> {
    const files: ReadyFile[] = [];
    for (const path of await filesUnder(formPath(staging, form))) {
      const { size } = await stat(path);
      const name = relative(staging, path).split(sep).join('/');
      files.push({ path: name, bytes: size, sha256: await this.hasher.sha256(path, signal) });
    }
    await writeFile(join(staging, readyName), JSON.stringify({ schemaVersion: formVersion, files } satisfies Ready));
  }

  /** Whether a kept form is there and has the bytes it was made with. */
  private async whole(place: string): Promise<boolean> {
    try {
      const ready = JSON.parse(await readFile(join(place, readyName), 'utf8')) as Ready;
      if (ready.schemaVersion !== formVersion) return false;
      for (const { path, bytes, sha256 } of ready.files) {
        const file = join(place, path);
        if ((await stat(file)).size !== bytes || (await this.hasher.sha256(file)) !== sha256) {
          return false;
        }
      }
      return true;
    } catch {
      return false;
    }
  }

  private async export(
    command: string,
    args: readonly string[],
    lockFds: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    const { python, scriptDir, logDir } = this.options;
    await runExport({ python, scriptDir, logDir, name: command, args: [command, ...args], inherit: lockFds, signal });
  }

  /** Room for a form: where it is short, models that nobody has used for a while make way. */
  private async needDisk(path: string, bytes: number, purpose: string): Promise<void> {
    const { cacheDir, python } = this.options;
    await makeRoom(cacheDir, bytes + spareDiskBytes, python);
    const free = await freeDiskBytes(path);
    if (free < bytes + spareDiskBytes) {
      throw new ArteError('DiskFull', {
        what: `There is too little disk space to ${purpose}.`,
        why: `About ${megabytes(bytes + spareDiskBytes)} are needed in ${this.options.cacheDir}, and ${megabytes(free)} are free.`,
        next: 'Free some space or point ARTE_CACHE_DIR to a larger disk, then try again.',
      });
    }
  }
}

/** A GGUF to be made on the way to a merged folder. */
interface GgufWanted {
  readonly out: string;
  readonly type: string;
  /** Of the GGUF's own form. */
  readonly lockFd: number;
}

interface FormJob {
  /** Path to make: the folder of the form, not there yet. */
  readonly part: string;
  readonly lockFd: number;
  readonly signal: AbortSignal;
}

interface ReadyFile {
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
}

interface Ready {
  readonly schemaVersion: number;
  readonly files: readonly ReadyFile[];
}

/** Work that several callers wait for: each may give up for itself, and the work is given up when all have. */
class SharedWork {
  /** Resolves when the work has ended, well or not. */
  readonly settled: Promise<void>;
  private readonly result: Promise<void>;
  private readonly abort = new AbortController();
  private waiting = 0;

  constructor(start: (signal: AbortSignal) => Promise<void>) {
    this.result = start(this.abort.signal);
    this.settled = this.result.catch(() => undefined);
  }

  /** `abandon` is called when the last one gives up, before the work is told: a newcomer must begin anew. */
  async join(signal: AbortSignal, abandon: () => void): Promise<void> {
    this.waiting += 1;
    let onAbort: (() => void) | undefined;
    const aborted = new Promise<never>((_resolve, reject) => {
      onAbort = () => {
        reject(signal.reason as Error);
      };
      if (signal.aborted) {
        onAbort();
      } else {
        signal.addEventListener('abort', onAbort, { once: true });
      }
    });
    try {
      await Promise.race([this.result, aborted]);
    } catch (error) {
      if (signal.aborted && this.waiting === 1) {
        abandon();
        this.abort.abort(signal.reason);
        await this.settled;
      }
      throw error;
    } finally {
      this.waiting -= 1;
      if (onAbort) {
        signal.removeEventListener('abort', onAbort);
      }
    }
  }
}

function isFolderSource({ source }: ModelRef): boolean {
  return source.kind === 'folder' || source.kind === 'huggingface' || source.kind === 's3';
}

/** READY.json stands beside the model, not in it: the folder may be handed on as it is. */
function formPath(place: string, form: string): string {
  return join(place, form === 'folder' ? 'model' : 'gguf');
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6).toLocaleString('en')} MB`;
}

function diskError(error: unknown, place: string): unknown {
  if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') {
    return error;
  }
  return new ArteError(
    'DiskFull',
    {
      what: `The disk became full while ${place} was made.`,
      why: 'Forms of a model take as much space as the model, and more when they are not quantized.',
      next: 'Free some space or point ARTE_CACHE_DIR to a larger disk, then try again.',
    },
    { cause: error },
  );
}
