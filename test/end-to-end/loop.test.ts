/**
 * Goal: the whole loop runs from one command over two rounds; what is finished is reused by content, and nothing else is.
 * Method: the built command line, the real Temporal, S3 and TRL; the models' answers come from scripts and the trained model is a tiny
 * Llama, so that the loop takes seconds and can be run in several variations on one platform.
 */
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { runningPlatform } from '../../drivers/local/platform';
import { platformPaths } from '../../drivers/local/platform-state';
import { credentialsPath } from '../../drivers/local/s3-server';
import type { EdgeCard } from '../../schemas/edge';
import type { Plan } from '../../schemas/plan';
import type { RunReport } from '../../schemas/report';
import { openWorkspace, processesOf, succeed, type Workspace } from '../support/cli';
import { makeTinyModel, writeScriptedLoop, type ScriptedLoop } from '../support/loop-config';

jest.setTimeout(10 * 60_000);

describe('the loop', () => {
  let workspace: Workspace;
  let model: string;
  let first: RunReport;

  beforeAll(async () => {
    workspace = openWorkspace();
    model = await makeTinyModel(join(workspace.dir, 'model'));
    first = await run({ name: 'first', rounds: 2 });
  });
  afterAll(() => workspace.close());

  async function run(change: Partial<ScriptedLoop> & { name: string }): Promise<RunReport> {
    const path = writeScriptedLoop(workspace.dir, { model, ...change });
    return JSON.parse((await succeed(workspace, 'run', path, '--json')).stdout) as RunReport;
  }

  let damages = 0;
  /** Changes an object behind the back of everything that is ours. */
  async function inStore(key: string, change: (text: string) => string): Promise<void> {
    await withStore(async (client, bucket) => {
      const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const text = (await Body?.transformToString()) ?? '';
      const changed = change(text);
      expect(changed).not.toBe(text);
      await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: changed }));
    });
  }

  async function withStore(work: (client: S3Client, bucket: string) => Promise<unknown>): Promise<void> {
    const platform = await runningPlatform(workspace.dataDir);
    if (!platform) throw new Error('the platform is down');
    const { bucket, ...address } = platform.addresses.store;
    const client = new S3Client({ ...address, forcePathStyle: true });
    try {
      await work(client, bucket);
    } finally {
      client.destroy();
    }
  }

  const stage = (report: RunReport, name: string, round = 1) => {
    const found = report.stages.filter((candidate) => candidate.name === name && candidate.round === round);
    expect(found.length).toBeGreaterThan(0);
    return found;
  };

  it('reports arms with their uncertainty, stages with what they took, and rounds with their models', () => {
    expect(first).toMatchObject({ runId: 'first', status: 'DONE' });
    expect(first.rounds.map(({ round }) => round)).toEqual([1, 2]);
    expect(first.arms.map(({ name, round }) => `${name} ${round}`)).toEqual([
      'untuned 1',
      'original_teacher 1',
      'arte 1',
      'arte 2',
    ]);
    for (const arm of first.arms) {
      expect(arm.n).toBe(10);
      expect(arm.low).toBeLessThanOrEqual(arm.accuracy);
      expect(arm.high).toBeGreaterThanOrEqual(arm.accuracy);
      expect(arm).toMatchObject({ shots: expect.any(Number) as number, stderr: expect.any(Number) as number });
      expect(arm.tagRate).toBeCloseTo(arm.answers.tagged / 10, 10);
    }
    expect(stage(first, 'sample-questions')[0]).toMatchObject({ reused: false, calls: expect.any(Number) as number });
    expect(stage(first, 'score-drafts')[0]?.calls).toBeGreaterThan(100);
  });

  it('gives round 2 the teacher that DPO made in round 1', () => {
    const [one, two] = first.rounds;
    expect(one?.teacher.layers).toHaveLength(1);
    expect(two?.teacher.layers).toHaveLength(2);
    expect(two?.teacher.layers[0]).toEqual(one?.teacher.layers[0]);
    expect(one?.student.layers).toHaveLength(1);
    expect(two?.student.layers).toHaveLength(1);
  });

  it('reuses everything under another id', async () => {
    const again = await run({ name: 'again', rounds: 2 });
    expect(again.stages.filter(({ reused }) => !reused)).toEqual([]);
    expect(again.totals.calls).toBe(0);
    // By name: branches that run side by side finish in any order.
    const keys = ({ stages }: RunReport) =>
      stages.map(({ name, round, arm, key }) => [name, round, arm, key].join()).sort();
    expect(keys(again)).toEqual(keys(first));
    expect(again.arms.map(({ accuracy }) => accuracy)).toEqual(first.arms.map(({ accuracy }) => accuracy));
  });

  it('is planned as it is then reused', async () => {
    const path = writeScriptedLoop(workspace.dir, { model, name: 'planned', rounds: 2 });
    const plan = JSON.parse((await succeed(workspace, 'plan', path, '--json')).stdout) as Plan;
    expect(plan.stages.filter(({ reused }) => reused !== true).map(({ name }) => name)).toEqual(['report']);
    expect(plan.left.calls).toBe(0);
  });

  it("reuses the teacher's drafts for another student", async () => {
    const student = await makeTinyModel(join(workspace.dir, 'other-student'), 7);
    const other = await run({
      name: 'other-student',
      change: (config) => {
        (config['models'] as { student: { source: string } }).student.source = student;
      },
    });
    for (const name of ['prepare-tasks', 'select-probes', 'sample-questions', 'sample-rationales']) {
      expect(stage(other, name)[0]).toMatchObject({ reused: true });
    }
    expect(stage(other, 'score-drafts')[0]).toMatchObject({ reused: false });
  });

  it('exports conversations, the adapter, the merged student and its GGUF', async () => {
    const dataset = JSON.parse((await succeed(workspace, 'export', 'dataset', 'first', '--json')).stdout) as {
      path: string;
    };
    const rows = readFileSync(join(dataset.path, 'train.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { messages: { role: string }[] });
    expect(rows).toHaveLength(8);
    expect(rows[0]?.messages.map(({ role }) => role)).toEqual(['user', 'assistant']);
    // The baseline's set was made in the first round of two.
    const baseline = join(workspace.dir, 'baseline.jsonl');
    await succeed(workspace, 'export', 'dataset', 'first', '--arm', 'original_teacher', '--to', baseline);
    expect(readFileSync(baseline, 'utf8').trim().split('\n')).toHaveLength(8);
    const teacher = JSON.parse((await succeed(workspace, 'export', 'teacher', 'first', '--json')).stdout) as {
      path: string;
    };
    expect(statSync(join(teacher.path, 'adapter_model.safetensors')).size).toBeGreaterThan(1000);
    const student = JSON.parse((await succeed(workspace, 'export', 'student', 'first', '--json')).stdout) as {
      path: string;
    };
    expect(statSync(join(student.path, 'model.safetensors')).size).toBeGreaterThan(1000);
    const gguf = JSON.parse(
      (await succeed(workspace, 'export', 'student', 'first', '--format', 'gguf', '--json')).stdout,
    ) as { path: string };
    expect(readFileSync(gguf.path).subarray(0, 4).toString()).toBe('GGUF');
    expect((await workspace.arte('export', 'student', 'first')).code).toBe(2);
  });

  it('measures the student for the edge, in several forms, beside the teacher', async () => {
    const { stdout } = await succeed(
      workspace,
      ...['edge', 'first', '--forms', 'q8_0,q4_0', '--items', '3', '--hour-price', '0.1', '--json'],
    );
    const card = JSON.parse(stdout) as EdgeCard;
    expect(card.forms.map(({ role, form, n }) => [role, form, n])).toEqual([
      ['teacher', 'q8_0', 3],
      ['student', 'q8_0', 3],
      ['student', 'q4_0', 3],
    ]);
    const [teacher, student, small] = card.forms;
    expect(student?.contentSha256).not.toBe(teacher?.contentSha256);
    expect(small?.bytes).toBeLessThan(student?.bytes ?? 0);
    for (const form of card.forms) {
      expect(form.parameters).toBe(teacher?.parameters);
      expect(form.parameters).toBeGreaterThan(1_000);
      expect(form.peakMemoryBytes).toBeGreaterThan(form.bytes);
      expect(form.latencyP95Ms).toBeGreaterThanOrEqual(form.latencyP50Ms);
      expect(form.costPerMillionOutputTokens).toBeCloseTo((0.1 / 3_600 / form.outputTokensPerSecond) * 1e6, 9);
    }
    expect(JSON.parse((await succeed(workspace, 'edge', 'first', '--last', '--json')).stdout)).toEqual(card);
  });

  it('reuses nothing that depends on a model whose bytes changed behind the same path', async () => {
    const weights = join(model, 'model.safetensors');
    const bytes = readFileSync(weights);
    const { atime, mtime } = statSync(weights);
    bytes[bytes.length - 8] = (bytes[bytes.length - 8] ?? 0) ^ 1;
    writeFileSync(weights, bytes);
    // Even a file that pretends to be old is looked at: identity is content.
    utimesSync(weights, atime, mtime);
    const known = new Set(first.stages.map(({ key }) => key));
    const changed = await run({ name: 'changed-bytes' });
    expect(stage(changed, 'prepare-tasks')[0]).toMatchObject({ reused: true });
    for (const name of [
      'sample-questions',
      'sample-rationales',
      'score-drafts',
      'train-dpo',
      'tailor-questions',
      'train-sft',
      'evaluate',
    ]) {
      for (const made of stage(changed, name))
        expect({ name, known: known.has(made.key) }).toEqual({ name, known: false });
    }
  });

  it.each([
    ['one digit is another', (text: string) => text.replace(/\d/, (digit) => String((Number(digit) + 1) % 10))],
    ['a line reads no more', (text: string) => text.replace('{', '(')],
  ])('predictions that were damaged in the store (%s) are made again, and no arm is missing', async (_, damage) => {
    const before = await run({ name: 'before-damage', rounds: 2 });
    const ref = before.rounds.at(-1)?.artifacts['evaluate/arte-0shot/predictions'];
    await inStore(ref?.uri ?? '', damage);
    const healed = await run({ name: `healed-${String((damages += 1))}`, rounds: 2 });
    expect(healed.arms.map(({ name, round, accuracy }) => [name, round, accuracy])).toEqual(
      before.arms.map(({ name, round, accuracy }) => [name, round, accuracy]),
    );
    const remade = healed.stages.filter(({ reused }) => !reused);
    expect(remade.map(({ name, round, arm }) => [name, round, arm])).toEqual([['evaluate', 2, 'arte-0shot']]);
    // From the answers, which are still there: nobody is asked again.
    expect(remade[0]?.calls).toBe(0);
  });

  it('does not claim calls that an earlier run had made when only the manifest is made anew', async () => {
    const [scored] = stage(await run({ name: 'before-loss', rounds: 2 }), 'score-drafts');
    await withStore((client, bucket) =>
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: `stages/${scored?.key ?? ''}.json` })),
    );
    const after = await run({ name: 'after-loss', rounds: 2 });
    expect(stage(after, 'score-drafts')[0]).toMatchObject({ key: scored?.key, reused: false, calls: 0 });
    expect(after.totals.calls).toBe(0);
  });

  it('refuses the same id with another config, and says what to do', async () => {
    const path = writeScriptedLoop(workspace.dir, { model, name: 'first', rounds: 3 });
    const refused = await workspace.arte('run', path);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toContain('--id');
  });

  it('leaves no process behind after down, and nothing secret in what it wrote', async () => {
    const credentials = readFileSync(credentialsPath(platformPaths(workspace.dataDir).s3), 'utf8');
    const secret = (JSON.parse(credentials) as { secretAccessKey: string }).secretAccessKey;
    expect(statSync(credentialsPath(platformPaths(workspace.dataDir).s3)).mode & 0o077).toBe(0);
    await succeed(workspace, 'down');
    expect(processesOf(workspace)).toEqual([]);
    expect(JSON.stringify(first)).not.toContain(secret);
  });
});
