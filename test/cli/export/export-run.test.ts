/**
 * Goal: an exported adapter says what it is loaded onto, wherever its base came from, and what the store holds stays as it is.
 * Method: an adapter's folder put into a real store, exported from reports that differ in the model's source and layers.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { adapterNote, exportRun } from '../../../cli/export/export-run';
import { ensurePythonEnv } from '../../../drivers/local/python-env';
import { packageRoot } from '../../../drivers/package-root';
import type { ArtifactStore } from '../../../drivers/store/store';
import type { ArtifactRef } from '../../../schemas/artifact-ref';
import type { ModelRef, ModelSource } from '../../../schemas/model-ref';
import type { ReportRound, RunReport } from '../../../schemas/report';
import { startTestS3, type TestS3 } from '../../support/s3';

const sha = 'a'.repeat(64);
/** As python/train.py leaves it. */
const stored = { base_model_name_or_path: 'base', lora_alpha: 8, peft_type: 'LORA', target_modules: ['q_proj'] };

let s3: TestS3;
let store: ArtifactStore;
let folder: string;
let files: ArtifactRef;

beforeAll(async () => {
  s3 = await startTestS3();
  store = s3.fresh();
  folder = mkdtempSync(join(tmpdir(), 'arte-export-'));
  const adapter = join(folder, 'adapter');
  mkdirSync(adapter);
  writeFileSync(join(adapter, 'adapter_config.json'), `${JSON.stringify(stored, null, 2)}\n`);
  writeFileSync(join(adapter, 'adapter_model.safetensors'), 'weights');
  files = await store.putDirectory(adapter);
}, 600_000);
afterAll(async () => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

function modelOf(source: ModelSource, layers: number): ModelRef {
  const layer = { kind: 'adapter' as const, files };
  return {
    name: 'teacher',
    source,
    baseSha256: sha,
    layers: Array<typeof layer>(layers).fill(layer),
    contentSha256: sha,
  };
}

/** A report of so many rounds, each with a layer more on the teacher. */
function reportOf(source: ModelSource, rounds: number): RunReport {
  const all = Array.from({ length: rounds }, (_, index): ReportRound => ({
    round: index + 1,
    decision: {},
    teacher: modelOf(source, index + 1),
    student: modelOf(source, 1),
    artifacts: {},
  }));
  const nothing = { arms: [], stages: [], notes: [] };
  return { runId: 'trial', name: 'trial', rounds: all, ...nothing } as unknown as RunReport;
}

let exports = 0;
async function exported(what: 'student' | 'teacher', report: RunReport): Promise<{ path: string; config: unknown }> {
  const target = join(folder, `export-${(exports += 1)}`);
  const path = await exportRun(store, report, { what, target, format: 'adapter', onProgress: () => undefined });
  return { path, config: JSON.parse(readFileSync(join(path, 'adapter_config.json'), 'utf8')) };
}

const hub: ModelSource = { kind: 'huggingface', id: 'org/model', revision: 'b'.repeat(40) };

it.each<[ModelSource, object]>([
  [hub, { base_model_name_or_path: 'org/model', revision: 'b'.repeat(40) }],
  [{ kind: 'folder', path: '/models/base' }, { base_model_name_or_path: '/models/base' }],
  [{ kind: 'gguf', path: '/models/base.gguf' }, { base_model_name_or_path: '/models/base.gguf' }],
  [{ kind: 's3', bucket: 'models', prefix: 'base' }, { base_model_name_or_path: 's3://models/base' }],
  [
    { kind: 'embedded', name: 'SmolLM2-135M-Instruct' },
    { base_model_name_or_path: 'HuggingFaceTB/SmolLM2-135M-Instruct' },
  ],
])('names the base by its source: %j', async (source, named) => {
  const { path, config } = await exported('teacher', reportOf(source, 1));
  expect(config).toEqual({ ...stored, ...named });
  expect(readdirSync(path).sort()).toEqual(['README.md', 'adapter_config.json', 'adapter_model.safetensors']);
  // A path is of one machine: no card has it.
  if ('path' in source) expect(readFileSync(join(path, 'README.md'), 'utf8')).not.toContain(source.path);
  expect(readdirSync(dirname(path)).filter((name) => name.startsWith('.arte-part-'))).toEqual([]);
});

it("is loaded by PEFT onto the hub's model where the base came with arte", async () => {
  const { python } = await ensurePythonEnv();
  // A machine that has fetched that model before, without a network: under its id stands a small one of the same kind.
  const hubCache = join(folder, 'hub', 'models--HuggingFaceTB--SmolLM2-135M-Instruct');
  const base = join(hubCache, 'snapshots', 'c'.repeat(40));
  mkdirSync(join(hubCache, 'refs'), { recursive: true });
  writeFileSync(join(hubCache, 'refs', 'main'), 'c'.repeat(40));
  const fixture = (name: string, ...args: string[]): string =>
    execFileSync(python, [join(packageRoot(), 'test', 'fixtures', name), ...args], {
      env: { ...process.env, HF_HUB_OFFLINE: '1', HF_HUB_CACHE: join(folder, 'hub') },
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString();
  fixture('make_tiny_model.py', base, '1');
  const adapter = join(folder, 'trained');
  fixture('make_adapter.py', base, adapter, '1');
  const report = reportOf({ kind: 'embedded', name: 'SmolLM2-135M-Instruct' }, 1);
  const layer = { kind: 'adapter' as const, files: await store.putDirectory(adapter) };
  const rounds = report.rounds.map((round) => ({ ...round, teacher: { ...round.teacher, layers: [layer] } }));
  const { path } = await exported('teacher', { ...report, rounds });
  expect(fixture('load_adapter.py', path).trim()).toBe('HuggingFaceTB/SmolLM2-135M-Instruct');
  expect(adapterNote(report, 'teacher', undefined)).toContain('4-bit weights');
}, 300_000);

it('says how the whole model of that round is written, where one was asked for', () => {
  const report = reportOf({ kind: 'embedded', name: 'SmolLM2-135M-Instruct' }, 1);
  expect(adapterNote(report, 'teacher', 1)).toContain(
    `${report.runId} --round 1 --format safetensors writes the model`,
  );
});

it('leaves the stored adapter as it was', async () => {
  await exported('teacher', reportOf(hub, 1));
  const again = join(folder, 'again');
  await store.getDirectory(files, again);
  expect(readdirSync(again)).not.toContain('README.md');
  expect(JSON.parse(readFileSync(join(again, 'adapter_config.json'), 'utf8'))).toEqual(stored);
  expect((await store.putDirectory(again)).sha256).toBe(files.sha256);
});

it('sends who loads an adapter of a later round to the model it was trained on, never to the first base', async () => {
  const { config } = await exported('teacher', reportOf(hub, 3));
  expect(config).toEqual({
    ...stored,
    base_model_name_or_path: 'what this writes: arte export teacher trial --round 2 --format safetensors',
  });
  // A student is trained from the base in every round.
  expect((await exported('student', reportOf(hub, 3))).config).toMatchObject({ base_model_name_or_path: 'org/model' });
});

it.each(['gguf', 'safetensors', 'adapter'] as const)(
  'has no %s of a hosted model, and says where it is',
  async (format) => {
    const teacher = modelOf({ kind: 'hosted', provider: 'somewhere', id: 'big', revision: '1' }, 0);
    const rounds: ReportRound[] = [{ round: 1, decision: {}, teacher, student: teacher, artifacts: {} }];
    const request = { what: 'teacher' as const, target: join(folder, format), format, onProgress: () => undefined };
    await expect(exportRun(store, { ...reportOf(hub, 1), rounds }, request)).rejects.toMatchObject({
      data: { code: 'InvalidInput' },
    });
  },
);
