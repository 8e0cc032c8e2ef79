/**
 * Goal: what a training has made is not lost between its last step and its manifest, and nothing of it stays behind afterwards.
 * Method: the real stage over a store in memory that fails at chosen moments, and a trainer that leaves a file in its work folder.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MockActivityEnvironment } from '@temporalio/testing';
import type { TrainDependencies } from '../../activities/dependencies';
import { runLeasedStage } from '../../activities/leased-stage';
import { trainSft } from '../../activities/train-sft';
import type { Trainer, TrainingOutcome } from '../../drivers/trainer/trainer';
import type { JsonValue } from '../../schemas/json';
import type { ActivityProgress, StageInput, StageResult } from '../../schemas/messages';
import { MemoryStore } from './row-engine/memory-store';
import { bundleOf } from './stage-input';

/** Takes folders and files as far as a training needs it, and fails as told. */
class TrainingStore extends MemoryStore {
  /** What the upload of a folder waits for. */
  slow: Promise<unknown> = Promise.resolve();
  failsOnce = '';
  failsToRemove = '';

  override async putDirectory(path?: string): Promise<never> {
    const folder = String(path);
    const files = (await readdir(folder)).sort();
    const texts = await Promise.all(files.map((file) => readFile(join(folder, file), 'utf8')));
    await this.slow;
    return (await this.putBlob(JSON.stringify(texts), { mediaType: 'application/json', rows: files.length })) as never;
  }

  /** A checkpoint as the trainer leaves it; a folder that is there is not unpacked into. */
  override async getDirectory(_?: unknown, path?: string): Promise<never> {
    await mkdir(String(path));
    for (const name of ['weights', 'COMPLETE']) await writeFile(join(String(path), name), 'from the store');
    return undefined as never;
  }

  override async getFile(ref?: { uri: string }, path?: string): Promise<never> {
    await writeFile(String(path), await this.getBlob({ uri: String(ref?.uri) }));
    return undefined as never;
  }

  override putOnce(key: string, document: JsonValue): Promise<{ won: boolean; document: JsonValue }> {
    if (this.failsOnce !== '' && key.startsWith(this.failsOnce)) {
      this.failsOnce = '';
      return Promise.reject(new Error('the store is away'));
    }
    return super.putOnce(key, document);
  }

  override remove(key: string): Promise<void> {
    if (this.failsToRemove !== '' && key.startsWith(this.failsToRemove)) return Promise.reject(new Error('away'));
    return super.remove(key);
  }
}

const folder = mkdtempSync(join(tmpdir(), 'arte-training-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let steps = 0;
/** As train.py: an outcome that stands in the work folder is said again, without a step. */
const trainer: Trainer = {
  async train({ workDir }, onProgress) {
    const outputDir = join(workDir, 'output');
    if (!existsSync(outputDir)) {
      steps += 1;
      const checkpoint = join(workDir, 'checkpoints', 'checkpoint-1');
      for (const made of [checkpoint, outputDir]) {
        await mkdir(made, { recursive: true });
        await writeFile(join(made, 'weights'), 'w');
      }
      onProgress({ phase: 'checkpoint', step: 1, maxSteps: 1, metrics: {}, checkpoint });
    }
    const outcome: TrainingOutcome = {
      ...{ outputDir, steps: 1, rows: 1, seconds: 1, metrics: {}, tokens: 1, device: 'cpu', dtype: 'float32' },
      resumedFromSteps: [],
      curve: { steps: [], metrics: {} },
    };
    return outcome;
  },
};

async function place(
  name: string,
  trains: Trainer = trainer,
): Promise<{
  store: TrainingStore;
  trainingDir: string;
  train: (onBeat?: (beat: ActivityProgress) => void, calledOff?: Promise<unknown>) => Promise<StageResult>;
}> {
  const store = new TrainingStore();
  const trainingDir = join(folder, name);
  const dependencies: TrainDependencies = {
    store,
    trainer: trains,
    trainingDir,
    reserveDevice: () => Promise.resolve(() => undefined),
    stallDumps: { dir: join(folder, 'stalls'), secrets: [] },
  };
  const raw = {
    version: 1,
    name: 'training',
    tasks: [{ source: 'declared', name: 't', test_items: 1 }],
    models: { teacher: { source: 'hosted:p/t' }, student: { source: 'hosted:p/s' } },
  };
  const bundle = await bundleOf(store, raw);
  const sft = await store.putLines(['{"prompt":"p","completion":"c"}']);
  const hash = '0'.repeat(64);
  const source = { kind: 'folder' as const, path: '/nowhere' };
  const model = { name: 'student', source, baseSha256: hash, layers: [], contentSha256: hash };
  const input: StageInput = { stage: 'train-sft', bundle, inputs: { sft }, model };
  const train = (onBeat?: (beat: ActivityProgress) => void, calledOff?: Promise<unknown>): Promise<StageResult> => {
    const environment = new MockActivityEnvironment({ workflowExecution: { workflowId: 'run', runId: 'x' } });
    environment.on('heartbeat', (beat: ActivityProgress) => onBeat?.(beat));
    void calledOff?.then(() => environment.cancel());
    return environment.run(runLeasedStage(trainSft, dependencies), input);
  };
  return { store, trainingDir, train };
}

it('is kept until its manifest stands, and then forgotten', async () => {
  const { store, trainingDir, train } = await place('kept');
  store.failsOnce = 'stages/';
  const before = steps;
  await expect(train()).rejects.toThrow('the store is away');
  expect(store.keys('training/')).toHaveLength(1);
  expect(await readdir(trainingDir)).toHaveLength(1);
  expect(await train()).toMatchObject({ reused: false });
  expect(steps).toBe(before + 1);
  expect(store.keys('training/')).toEqual([]);
  expect(await readdir(trainingDir)).toEqual([]);
});

it('stands although nothing can be cleaned up after it; whoever finds it does so', async () => {
  const { store, trainingDir, train } = await place('left');
  store.failsToRemove = 'training/';
  const { key } = await train();
  expect(store.keys('training/')).toHaveLength(1);
  store.failsToRemove = '';
  // As a kill between the manifest and the cleaning leaves it.
  await mkdir(join(trainingDir, key, 'output'), { recursive: true });
  expect(await train()).toMatchObject({ key, reused: true });
  expect(store.keys('training/')).toEqual([]);
  expect(await readdir(trainingDir)).toEqual([]);
});

it('counts the steps of the checkpoint it goes on from as found, not as made', async () => {
  const resumed: Trainer = {
    train(_, onProgress) {
      onProgress({ phase: 'load', step: 0, maxSteps: 0, metrics: {} });
      for (const step of [5, 6]) onProgress({ phase: 'step', step, maxSteps: 8, metrics: {} });
      // Its last words are what the last heartbeat carries.
      return Promise.reject(new Error('ends here'));
    },
  };
  const { train } = await place('resumed', resumed);
  const beats: ActivityProgress[] = [];
  await expect(train((beat) => beats.push(beat))).rejects.toThrow('ends here');
  expect(beats.at(-1)).toMatchObject({ phase: 'step', done: 6, found: 5, total: 8 });
});

describe('a training that fails while its last checkpoint is on the way to the store', () => {
  const fails: Trainer = {
    async train({ workDir }, onProgress) {
      const checkpoint = join(workDir, 'checkpoints', 'checkpoint-1');
      await mkdir(checkpoint, { recursive: true });
      onProgress({ phase: 'checkpoint', step: 1, maxSteps: 2, metrics: {}, checkpoint });
      throw new Error('ends here');
    },
  };

  it('is over when that is there: another machine goes on from it', async () => {
    const { store, train } = await place('uploading', fails);
    store.slow = sleep(200);
    await expect(train()).rejects.toThrow('ends here');
    expect(store.keys('training/')).toHaveLength(1);
  });

  it('waits no longer once it is called off', async () => {
    const { store, train } = await place('called-off', fails);
    store.slow = new Promise(() => undefined);
    await expect(train(undefined, sleep(100))).rejects.toThrow();
    expect(store.keys('training/')).toEqual([]);
  });

  it.each([
    [9, 9],
    [0, 1],
  ])('does not take the place of a further one when it comes late: step %i there, then %i', async (there, then) => {
    let workDir = '';
    const failsThere: Trainer = {
      train: (job, onProgress, stop) => {
        ({ workDir } = job);
        return fails.train(job, onProgress, stop);
      },
    };
    const { store, train } = await place(`late-${there}`, failsThere);
    let arrives: (value?: unknown) => void = () => undefined;
    store.slow = new Promise((resolve) => (arrives = resolve));
    await expect(train(undefined, sleep(100))).rejects.toThrow();
    const key = `training/${basename(workDir)}/checkpoint.json`;
    const ref = await store.putBlob('[]', { mediaType: 'application/json', rows: 0 });
    await store.putDocument(key, { name: `checkpoint-${there}`, ref: ref as unknown as JsonValue });
    arrives();
    await sleep(100);
    expect(await store.getDocument(key)).toMatchObject({ name: `checkpoint-${then}` });
  });
});

describe('a training that was begun elsewhere', () => {
  /** Whether each checkpoint in the work folder is whole, when the trainer is started over what a machine has. */
  async function startedWith(name: string, here: (checkpoints: string) => Promise<void>): Promise<unknown> {
    let workDir = '';
    let seen: unknown;
    const starts: Trainer = {
      async train(job) {
        ({ workDir } = job);
        const checkpoints = join(workDir, 'checkpoints');
        const names = (await readdir(checkpoints)).filter((each) => /^checkpoint-\d+$/.test(each)).sort();
        seen = names.map((each) => [each, existsSync(join(checkpoints, each, 'COMPLETE'))]);
        throw new Error('that is enough');
      },
    };
    const { store, train } = await place(name, starts);
    await expect(train()).rejects.toThrow('that is enough');
    const ref = await store.putBlob('[]', { mediaType: 'application/json', rows: 0 });
    await store.putDocument(`training/${basename(workDir)}/checkpoint.json`, {
      name: 'checkpoint-200',
      ref: ref as unknown as JsonValue,
    });
    await here(join(workDir, 'checkpoints'));
    await expect(train()).rejects.toThrow('that is enough');
    return seen;
  }
  const checkpoint = async (path: string, ...files: readonly string[]): Promise<void> => {
    await mkdir(path, { recursive: true });
    for (const file of files) await writeFile(join(path, file), 'from here');
  };
  const fromStore = ['checkpoint-200', true];

  it('goes on from the checkpoint in the store where a kill cut off its fetching', async () => {
    const half = (checkpoints: string) => checkpoint(join(checkpoints, 'checkpoint-200.partial-1-abc'), 'weights');
    expect(await startedWith('cut-off', half)).toEqual([fromStore]);
  });

  it('goes on from the newest, wherever that is', async () => {
    const older = (checkpoints: string) => checkpoint(join(checkpoints, 'checkpoint-100'), 'weights', 'COMPLETE');
    expect(await startedWith('older', older)).toEqual([['checkpoint-100', true], fromStore]);
    const newer = (checkpoints: string) => checkpoint(join(checkpoints, 'checkpoint-300'), 'weights', 'COMPLETE');
    expect(await startedWith('newer', newer)).toEqual([['checkpoint-300', true]]);
  });

  it('takes the one in the store for its own half of the same', async () => {
    const torn = (checkpoints: string) => checkpoint(join(checkpoints, 'checkpoint-200'), 'weights');
    expect(await startedWith('torn', torn)).toEqual([fromStore]);
  });
});
