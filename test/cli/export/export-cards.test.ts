/**
 * Goal: what is published is read by the tools it is meant for, and its card says what is true: figures of the report, licences, limits.
 * Method: a run on the real S3 server (support/made-run.ts), exported; read by huggingface_hub, datasets, pyarrow and TRL of the project's Python
 * environment (fixtures/read_export.py).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readRows } from '../../../activities/read-rows';
import { exportRun, type ExportForm, type ModelFormat } from '../../../cli/export/export-run';
import { openBundleOf } from '../../../cli/run/run-config-of';
import { readReport } from '../../../cli/report/read-report';
import { trainingSetRows } from '../../../cli/report/report-training-sets';
import { ensurePythonEnv } from '../../../drivers/local/python-env';
import { packageRoot } from '../../../drivers/package-root';
import type { ArtifactStore } from '../../../drivers/store/store';
import { promptForm } from '../../../method/card-prompt';
import { dataCard } from '../../../method/cards';
import { studentPrompt } from '../../../method/prompts';
import type { RunReport } from '../../../schemas/report';
import type { RunConfig } from '../../../schemas/run-config';
import { taskRecordSchema } from '../../../schemas/task';
import { makeRun } from '../../support/made-run';
import { startTestS3, type TestS3 } from '../../support/s3';

jest.setTimeout(10 * 60_000);

let s3: TestS3;
let store: ArtifactStore;
let folder: string;
let report: RunReport;
let all: Record<string, Read>;

interface Read {
  readonly card: Record<string, unknown>;
  readonly text: string;
  readonly results: readonly [string, string, string, number][];
  readonly rows: readonly Record<string, unknown>[];
  readonly same: boolean;
  readonly conversational: boolean;
  readonly nulls: number;
}

beforeAll(async () => {
  s3 = await startTestS3();
  store = s3.fresh();
  folder = mkdtempSync(join(tmpdir(), 'arte-cards-'));
  await makeRun(store, folder, {
    runId: 'published',
    teacher: { p_malformed: 0.2, p_right: 0.6 },
    change: (config) => {
      config['tailor'] = { ...(config['tailor'] as object), filter: 'target' };
      config['publish'] = { language: ['en', 'de'], data_license: 'cc-by-4.0' };
    },
  });
  report = await readReport(store, 'published');
  const folders: readonly (readonly [string, ExportForm, ModelFormat?])[] = [
    ['dataset', 'dataset'],
    ['pairs', 'pairs'],
    ['student', 'student', 'adapter'],
    ['teacher', 'teacher', 'adapter'],
  ];
  const named: string[] = [];
  for (const [name, what, format] of folders) {
    const path = await exported(what, name, format);
    named.push(`${format ? 'model' : name}=${path}`);
  }
  const { python } = await ensurePythonEnv({});
  const script = join(packageRoot(), 'test', 'fixtures', 'read_export.py');
  // Once for all of them: its imports take longer than its work.
  const output = execFileSync(python, [script, ...named], { stdio: ['ignore', 'pipe', 'pipe'] });
  all = JSON.parse(output.toString()) as Record<string, Read>;
});
afterAll(async () => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

async function exported(what: ExportForm, target: string, format?: ModelFormat): Promise<string> {
  const request = { what, target: join(folder, target), onProgress: () => undefined, ...(format && { format }) };
  return exportRun(store, report, request);
}

/** What the Python side found in an exported folder. */
const read = (name: string): Read => all[join(folder, name)]!;

it('a training set is a folder that the hub, TRL and LLaMA-Factory read, with a true card', () => {
  const path = join(folder, 'dataset');
  expect(readdirSync(path).sort()).toEqual(['README.md', 'dataset_info.json', 'train.jsonl', 'train.parquet']);
  const found = read('dataset');
  const [set] = trainingSetRows(report).filter(({ arm }) => arm === 'arte');
  expect(found.rows).toHaveLength(set!.examples);
  expect(found).toMatchObject({ same: true, conversational: true, nulls: 0 });
  expect(found.rows[0]).toEqual({
    id: expect.stringMatching(/^[0-9a-f]{16}$/),
    task: 'larger-number',
    messages: [
      { role: 'user', content: expect.stringContaining('Question:') },
      { role: 'assistant', content: expect.stringContaining('The answer is') },
    ],
  });
  expect(found.card).toMatchObject({
    license: 'cc-by-4.0',
    language: ['en', 'de'],
    task_categories: ['text-generation'],
    size_categories: ['n<1K'],
    tags: ['arte', 'synthetic', 'distillation', 'sft'],
  });
  expect(found.text).toContain('left out:');
  expect(found.text).toContain('filter: target');
  expect(found.text).toContain('field_messages: messages');
  for (const note of report.notes) expect(found.text).toContain(note);
  expect(JSON.parse(readFileSync(join(path, 'dataset_info.json'), 'utf8'))).toEqual({
    'published-arte': {
      file_name: 'train.jsonl',
      formatting: 'sharegpt',
      columns: { messages: 'messages' },
      tags: {
        ...{ role_tag: 'role', content_tag: 'content' },
        ...{ user_tag: 'user', assistant_tag: 'assistant', system_tag: 'system' },
      },
    },
  });
});

it("a student's card has the prompts that it was trained on, its tasks' own", async () => {
  const config = (await openBundleOf(store, 'published'))!;
  const [round] = report.rounds;
  const tasks = await readRows(store, round!.artifacts['prepare-tasks/tasks']!, taskRecordSchema);
  const [task] = tasks;
  const { prompt } = studentPrompt(task!, [], '{question}', config, config.models.student.prompt_style);
  expect(prompt.kind).toBe('completion');
  const { text } = read('student');
  expect(text).toContain(`\n${task!.name}:\n\n\`\`\`text\n${prompt.kind === 'completion' ? prompt.text : ''}\n\`\`\``);
  expect(text).toContain('without a chat template');
  expect(read('teacher').text).not.toContain('Prompt form');
  const many = Array.from({ length: 7 }, (_, index) => ({ ...task!, name: `task-${index}` }));
  const chat = {
    ...config,
    models: { ...config.models, student: { ...config.models.student, prompt_style: 'chat' as const } },
  };
  const blocks = promptForm(many, chat).join('\n');
  expect(blocks).toContain("One user message, through the model's chat template.");
  expect(blocks).toContain('descriptions and labels: task-5, task-6.');
});

it("pairs' cards say by what signal drafts were compared", async () => {
  expect(read('pairs').text).toMatch(/student's own accuracy with the draft .* \(`score\.signal: icl_accuracy`\)/);
  const config = (await openBundleOf(store, 'published'))!;
  const card = (score: Partial<RunConfig['score']>): string =>
    dataCard({
      ...{ report, round: report.rounds[0]!, config: { ...config, score: { ...config.score, ...score } } },
      ...{ version: '0', kind: 'pairs', arm: 'arte', rows: 2, sha256: 'a' },
    });
  const signals = ['icl_loglik', 'student_prob', 'rank_surprisal', 'combined'] as const;
  for (const signal of signals) {
    const said = card({ signal, combine: { student_prob: 1, icl_accuracy: 2 } });
    expect(said).toContain(`(\`score.signal: ${signal}\`).`);
    expect(said).not.toContain('accuracy with the draft');
  }
  expect(card({ signal: 'combined', combine: { student_prob: 1, icl_accuracy: 2 } })).toContain(
    'several signals give it (icl_accuracy, student_prob)',
  );
});

it('pairs are preferences to TRL', () => {
  const found = read('pairs');
  expect(found).toMatchObject({ same: true, conversational: true, nulls: 0 });
  expect(Object.keys(found.rows[0]!)).toEqual(['prompt', 'chosen', 'rejected']);
  expect(found.card).toMatchObject({ tags: expect.arrayContaining(['preference']) });
});

it("a student's card has the report's accuracy for the hub, a teacher's claims none", () => {
  const student = read('student');
  const [arm] = report.arms.filter(({ name }) => name === 'arte');
  expect(student.card).toMatchObject({
    license: 'apache-2.0',
    library_name: 'peft',
    pipeline_tag: 'text-generation',
    base_model: 'HuggingFaceTB/SmolLM2-135M-Instruct',
    base_model_relation: 'adapter',
  });
  expect(student.results).toContainEqual([
    'larger-number, held-out items of the run',
    'accuracy',
    `accuracy, ${arm!.shots}-shot`,
    Math.round(10_000 * arm!.accuracy) / 10_000,
  ]);
  expect(student.text).toContain(report.rounds[0]!.student.contentSha256);
  expect(student.text).toContain('original_teacher');
  const teacher = read('teacher');
  expect(teacher.results).toEqual([]);
  expect(teacher.text).toContain('The teacher itself was not evaluated.');
});

it('is one file where its name says so, and what was left out can be looked at', async () => {
  const lines = (path: string): Record<string, unknown>[] =>
    readFileSync(path, 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  const jsonl = lines(await exported('dataset', 'set.jsonl'));
  expect(jsonl).toEqual(lines(join(folder, 'dataset', 'train.jsonl')));
  const parquet = await exported('dataset', 'set.parquet');
  expect(readFileSync(parquet)).toEqual(readFileSync(join(folder, 'dataset', 'train.parquet')));
  const dropped = lines(await exported('dropped', 'dropped.jsonl'));
  const [set] = trainingSetRows(report).filter(({ arm }) => arm === 'arte');
  const counted = [...set!.leftOut.matchAll(/(\d+) /g)].reduce((sum, [, count]) => sum + Number(count), 0);
  expect(dropped.length).toBe(counted);
  expect(counted).toBeGreaterThan(0);
});
