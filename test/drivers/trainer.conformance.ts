/**
 * What every trainer driver does. Goal: the promises of drivers/trainer/trainer.ts, seen from outside.
 * Method: small jobs on a model that trains in seconds; one is aborted in the middle and taken up again.
 */
import { existsSync, mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Trainer, TrainingJob, TrainingProgress, TrainingSettings } from '../../drivers/trainer/trainer';
import type { ModelRef } from '../../schemas/model-ref';

export interface TrainerUnderTest {
  readonly trainer: Trainer;
  readonly model: ModelRef;
  /** An empty folder for jobs. */
  readonly folder: string;
}

const never = new AbortController().signal;
/** A job of the suite: start-up of the training libraries and a few steps. */
const jobMs = 180_000;

/** Four steps of two rows, a checkpoint after each. */
export const smallTraining: TrainingSettings = {
  adapter: 'lora',
  loraRank: 4,
  loraAlpha: 8,
  loraDropout: 0,
  learningRate: 1e-3,
  batchSize: 2,
  gradientAccumulation: 1,
  epochs: 1,
  maxSteps: 0,
  warmupRatio: 0.1,
  schedule: 'cosine',
  optimizer: 'adamw_torch',
  weightDecay: 0,
  maxLength: 64,
  dtype: 'float32',
  seed: 1,
  checkpointSteps: 1,
};

/** A job with eight rows in a folder of its own. */
export function smallJob(
  under: Pick<TrainerUnderTest, 'model' | 'folder'>,
  kind: 'dpo' | 'sft',
  changes: Partial<TrainingSettings> = {},
): TrainingJob {
  const workDir = mkdtempSync(join(under.folder, `${kind}-`));
  const dataPath = join(workDir, 'rows.jsonl');
  const rows = Array.from({ length: 8 }, (_, i) => {
    const prompt = `Question: what is ${i} plus 2? Answer:`;
    const [short, long] = [` The answer is ${i + 2}.`, ` First we count on from ${i}, twice. The answer is ${i + 2}.`];
    return kind === 'dpo' ? { prompt, chosen: short, rejected: long } : { prompt, completion: short };
  });
  writeFileSync(dataPath, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const own = kind === 'dpo' ? { beta: 0.1, lossType: ['sigmoid'] } : { lossOn: 'completion' as const };
  return { kind, model: under.model, dataPath, workDir, settings: { ...smallTraining, ...own, ...changes } };
}

/** Run all promises of the interface against a trainer. Call it at the top of the driver's test file. */
export function trainerConformance(name: string, start: () => Promise<TrainerUnderTest>): void {
  describe(`${name} keeps the promises of a trainer`, () => {
    let under: TrainerUnderTest;

    beforeAll(async () => {
      under = await start();
    }, jobMs);

    it.each(['dpo', 'sft'] as const)(
      'trains an adapter by %s and says how it went',
      async (kind) => {
        const seen: TrainingProgress[] = [];
        const job = smallJob(under, kind);
        const outcome = await under.trainer.train(job, (progress) => seen.push(progress), never);

        expect(outcome).toMatchObject({ steps: 4, rows: 8, dtype: 'float32' });
        expect(outcome.tokens).toBeGreaterThan(0);
        expect(outcome.seconds).toBeGreaterThan(0);
        expect(outcome.metrics['loss']).toBeGreaterThan(0);
        expect(Object.values(outcome.metrics).every(Number.isFinite)).toBe(true);
        if (kind === 'dpo') {
          expect(outcome.metrics).toHaveProperty('rewards_margins');
        }
        expect(readdirSync(outcome.outputDir).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
        expect(readFileSync(join(outcome.outputDir, 'adapter_config.json'), 'utf8')).not.toContain(under.folder);

        expect(seen[0]).toMatchObject({ phase: 'load', step: 0 });
        const held = seen.findIndex(({ deviceHeld }) => deviceHeld === true);
        expect(held).toBeGreaterThan(0);
        expect(seen.slice(0, held).every(({ phase }) => phase === 'load')).toBe(true);
        const steps = seen.map(({ step }) => step);
        expect(steps).toEqual([...steps].sort((a, b) => a - b));
        expect(new Set(steps)).toEqual(new Set([0, 1, 2, 3, 4]));
        expect(seen.filter(({ step }) => step > 0).every(({ maxSteps }) => maxSteps === 4)).toBe(true);
        expect(seen.some(({ phase }) => phase === 'save')).toBe(true);
        const checkpoints = seen.flatMap(({ checkpoint }) => checkpoint ?? []);
        expect(checkpoints).toHaveLength(4);
        expect(existsSync(checkpoints.at(-1) ?? '')).toBe(true);
        // Checkpoints travel through the store: no pickled arguments, nothing that names this machine.
        expect(readdirSync(checkpoints.at(-1) ?? '')).not.toContain('training_args.bin');
      },
      jobMs,
    );

    it(
      'ends an aborted job, and takes it up again at its last whole checkpoint',
      async () => {
        const job = smallJob(under, 'dpo', { epochs: 2 });
        const stop = new AbortController();
        const reason = new Error('the worker is shutting down');
        const aborted = under.trainer.train(
          job,
          ({ checkpoint }) => {
            if (checkpoint?.endsWith('checkpoint-3')) stop.abort(reason);
          },
          stop.signal,
        );
        await expect(aborted).rejects.toBe(reason);

        const steps = new Set<number>();
        const outcome = await under.trainer.train(job, ({ phase, step }) => phase === 'step' && steps.add(step), never);
        expect(outcome.steps).toBe(8);
        expect(Math.min(...steps)).toBeGreaterThanOrEqual(3);
        expect(Math.max(...steps)).toBe(8);
      },
      2 * jobMs,
    );

    it('does not begin what was aborted before', async () => {
      const reason = new Error('too late');
      await expect(
        under.trainer.train(smallJob(under, 'sft'), () => undefined, AbortSignal.abort(reason)),
      ).rejects.toBe(reason);
    });

    it(
      'refuses rows of another kind',
      async () => {
        const job: TrainingJob = { ...smallJob(under, 'sft'), dataPath: smallJob(under, 'dpo').dataPath };
        await expect(under.trainer.train(job, () => undefined, never)).rejects.toMatchObject({
          data: { code: 'InvalidInput', retryable: false },
        });
      },
      jobMs,
    );
  });
}
