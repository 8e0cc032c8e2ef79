/**
 * Goal: drivers/trainer/trl.ts keeps the promises of a trainer with the real TRL, and copes with every way in which its child can fail.
 * Method: the conformance suite on a random model of two layers; then children with one vice each (test/fixtures/faulty-trainer); then a
 * real training whose parent is killed with -9.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { packageRoot } from '../../drivers/package-root';
import type { TrainingProgress } from '../../drivers/trainer/trainer';
import { createTrlTrainer, type TrlTrainerOptions } from '../../drivers/trainer/trl';
import type { ModelRef } from '../../schemas/model-ref';
import { makeTinyModel } from '../support/loop-config';
import { smallJob, trainerConformance } from './trainer.conformance';

const never = new AbortController().signal;
const folder = mkdtempSync(join(tmpdir(), 'arte-trl-'));
const sha256 = '0'.repeat(64);
const model: ModelRef = {
  name: 'tiny',
  source: { kind: 'folder', path: join(folder, 'model') },
  baseSha256: sha256,
  layers: [],
  contentSha256: sha256,
};
let python: string;

function options(changes: Partial<TrlTrainerOptions> = {}): TrlTrainerOptions {
  return {
    python,
    scriptDir: join(packageRoot(), 'python'),
    materializeFolder: () => Promise.resolve(join(folder, 'model')),
    deviceLockPath: join(folder, 'device.lock'),
    logDir: join(folder, 'logs'),
    ...changes,
  };
}

beforeAll(async () => {
  python = (await ensurePythonEnv({})).python;
  await makeTinyModel(join(folder, 'model'));
}, 180_000);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

trainerConformance('TRL', () => Promise.resolve({ trainer: createTrlTrainer(options()), model, folder }));

/** What the silent child wrote down before it fell silent; 0 before that. */
function pidIn(workDir: string): number {
  return readdirSync(workDir).includes('pid') ? Number(readFileSync(join(workDir, 'pid'), 'utf8')) : 0;
}

/** Living processes with this path in their command line. */
function pidsOf(path: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8').includes(path); // empty for one that has ended
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe('a child with a vice', () => {
  /** Train with the faulty train.py; the rows' file name says which vice. */
  function train(
    vice: string,
    changes: Partial<TrlTrainerOptions> = {},
    signal = never,
  ): { workDir: string; seen: TrainingProgress[]; outcome: Promise<unknown> } {
    const job = smallJob({ model, folder }, 'dpo');
    const dataPath = join(job.workDir, `${vice}.jsonl`);
    cpSync(job.dataPath, dataPath);
    const seen: TrainingProgress[] = [];
    const trainer = createTrlTrainer(
      options({ scriptDir: join(packageRoot(), 'test', 'fixtures', 'faulty-trainer'), ...changes }),
    );
    return {
      workDir: job.workDir,
      seen,
      outcome: trainer.train({ ...job, dataPath }, (progress) => seen.push(progress), signal),
    };
  }

  // Of two rows a batch: half as many, twice as often before a step.
  const smaller = 'arte retry RUN --set align.batch_size=1 --set align.gradient_accumulation=2';
  it.each([
    ['out-of-memory', { code: 'TrainerOutOfMemory', retryable: false, next: `${smaller}   Lower batch_size.` }],
    ['disk-full', { code: 'DiskFull', retryable: false }],
    ['unknown-code', { code: 'TrainerFailed', retryable: true, what: 'Odd.' }],
    [
      'killed',
      {
        code: 'TrainerFailed',
        why: expect.stringContaining('memory') as string,
        next: expect.stringContaining(smaller) as string,
      },
    ],
    ['wordless', { code: 'TrainerFailed', why: expect.stringContaining('status 0') as string }],
    ['liar', { code: 'TrainerFailed', why: expect.stringContaining('status 3') as string }],
  ])('%s: the error says so and carries the end of the log', async (vice, data) => {
    await expect(train(vice).outcome).rejects.toMatchObject({ data: { ...data, details: ['this is the log'] } });
  });

  it('rubbish: what is no word of a trainer is passed over', async () => {
    const { seen, outcome } = train('rubbish');
    await expect(outcome).resolves.toEqual({
      outputDir: 'out',
      steps: 1,
      rows: 1,
      seconds: 1.5,
      waitedSeconds: 0,
      metrics: { loss: 0.5 },
      tokens: 9,
      device: 'cpu',
      dtype: 'float32',
      resumedFromSteps: [],
      curve: { steps: [1], metrics: { loss: [0.5] } },
    });
    expect(seen.at(-1)).toEqual({ phase: 'step', step: 3, maxSteps: 8, metrics: { loss: 0.7 } });
  });

  it('silent: it is ended, with all of its group, and reported as stalled in its phase', async () => {
    const { workDir, outcome } = train('silent', { stallMs: { step: 1_000 } });
    await expect(outcome).rejects.toMatchObject({
      data: {
        code: 'TrainerStalled',
        retryable: true,
        what: expect.stringContaining('phase step, at step 3') as string,
      },
    });
    expect(pidsOf(workDir)).toEqual([]);
  });

  it('waits: a wait for the device that is said is no silence', async () => {
    const { seen, outcome } = train('waits', { stallMs: { step: 600 } });
    await expect(outcome).resolves.toMatchObject({ steps: 1 });
    expect(seen.some(({ waitsForDevice }) => waitsForDevice === true)).toBe(true);
  });

  it('silent and aborted: its group is gone before the promise rejects with the reason', async () => {
    const stop = new AbortController();
    const reason = new Error('cancelled');
    const { workDir, seen, outcome } = train('silent', {}, stop.signal);
    const rejected = expect(outcome).rejects.toBe(reason);
    while (!(pidIn(workDir) > 0) || seen.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    stop.abort(reason);
    await rejected;
    expect(pidsOf(workDir)).toEqual([]);
  });

  it('a program that is not there is an error, not a crash', async () => {
    await expect(train('killed', { python: join(folder, 'no-python') }).outcome).rejects.toMatchObject({
      data: { why: expect.stringContaining('is not there') as string },
    });
  });
});

it('a training dies with its parent, killed with -9', async () => {
  const job = smallJob({ model, folder }, 'dpo', { epochs: 100 });
  const { materializeFolder: _, ...plain } = options();
  const parent = spawn(
    process.execPath,
    [
      '-r',
      join(packageRoot(), 'test', 'fixtures', 'run-typescript.cjs'),
      join(packageRoot(), 'test', 'fixtures', 'train-once.ts'),
    ],
    {
      env: { ...process.env, TRAIN_ONCE: JSON.stringify({ options: plain, folder: join(folder, 'model'), job }) },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const trainers = (): number[] => pidsOf(job.workDir);
  for await (const line of createInterface({ input: parent.stdout })) {
    if ((JSON.parse(line) as TrainingProgress).step >= 1) break;
  }
  expect(trainers()).toHaveLength(1);
  parent.kill('SIGKILL');
  await once(parent, 'exit');
  const until = Date.now() + 5_000;
  while (trainers().length > 0 && Date.now() < until) await new Promise((resolve) => setTimeout(resolve, 20));
  expect(trainers()).toEqual([]);
}, 180_000);
