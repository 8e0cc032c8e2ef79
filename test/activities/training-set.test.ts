/**
 * Goal: what is dropped is written anew where it can be, kept to be looked at, counted in the facts, and parks the run where that is asked.
 * Method: the stages' own functions on results as the row engine hands them over, with a store in memory.
 */
import { leakNotes } from '../../activities/report/training-notes';
import { sampleQuestions } from '../../activities/sample-questions';
import { selectDrafts } from '../../activities/select-drafts';
import type { StageContext } from '../../activities/stage';
import { tailorRationales } from '../../activities/tailor-rationales';
import { readRows } from '../../activities/read-rows';
import { answersPerExample } from '../../method/plan-counts';
import type { StageInput } from '../../schemas/messages';
import { droppedRowSchema, tailoredRowSchema, type DraftRow, type RowResult } from '../../schemas/rows';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';
import { MemoryStore } from './row-engine/memory-store';

const task: TaskRecord = {
  name: 'sums',
  category: 'numbers',
  description: 'Add.',
  answer: { type: 'number', labels: [] },
  seeds: [{ id: 's', question: 'What is 1 + 1?', target: '2' }],
  validation: [],
  test: [{ id: 't', question: 'What is 3 + 3?', target: '6' }],
  techniques: [{ name: 'plain', instruction: 'Think.' }],
};
const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };

function configOf(more: Record<string, unknown> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'one-digit-addition' }],
    models: { teacher: { source: 'embedded:tiny' }, student: { source: 'embedded:tiny' } },
    questions: { per_task: 3, per_call: 1, format: 'json' },
    ...more,
  });
}

const contextOf = (
  config: RunConfig,
  inputs: StageInput['inputs'] = {},
  extra: StageInput['extra'] = {},
): StageContext => ({
  store: new MemoryStore(),
  bundle: { config, files: {} },
  config,
  input: { stage: 'sample-questions', bundle: {} as never, inputs, extra },
  key: 'key',
});

async function* all(rows: readonly RowResult[]): AsyncGenerator<RowResult> {
  yield* rows;
}

describe('questions', () => {
  const written = (questions: readonly string[]): RowResult[] =>
    questions.map((question, index) => ({
      key: `call-${index}`,
      meta: { task: 'sums', index },
      outcome: 'ok',
      text: '',
      value: [{ question, target: '9' }],
      usage,
    }));
  const loaded = (config: RunConfig) => ({
    ...{ config, tasks: [task], settings: config.questions, name: 'sample-questions' as const, bootstrap: false },
  });
  const rows = written(['What is 4 + 5?', 'What is 3 + 3?', 'What is 2 + 7?', 'What is 6 + 3?']);
  const collect = (config: RunConfig, results: readonly RowResult[]) =>
    sampleQuestions.collect(contextOf(config), loaded(config), () => all(results), false, {
      results: () => all(results),
    });

  it('are asked for again in place of those that leak', async () => {
    const config = configOf();
    expect(await collect(config, rows.slice(0, 3))).toEqual({ more: true });
    expect(sampleQuestions.rows(loaded(config), rows.slice(0, 3)).length).toBeGreaterThan(0);
    const context = contextOf(config);
    const done = await sampleQuestions.collect(context, loaded(config), () => all(rows), false, {
      results: () => all(rows),
    });
    if (done.more) throw new Error('three of four are usable');
    expect(done.outcome.facts).toMatchObject({
      questions: 3,
      dropped: { 'in test': 1 },
      hygiene: {
        rows: 4,
        contaminatedTest: 1,
        contaminatedProbe: 0,
        exactDuplicates: 0,
        words: { question: { p50: 5 } },
      },
    });
    const dropped = await readRows(context.store, done.outcome.outputs['dropped']!, droppedRowSchema);
    expect(dropped).toEqual([
      { task: 'sums', question: 'What is 3 + 3?', target: '9', reason: 'in test', itemId: 't', from: 'call-1' },
    ]);
  });

  it('park the run where hygiene says so, with the row', async () => {
    const parked = collect(configOf({ hygiene: { contamination: { action: 'park' } } }), rows);
    await expect(parked).rejects.toMatchObject({
      data: { code: 'DataNotClean', retryable: false, details: ['sums, in test: What is 3 + 3?'] },
    });
  });

  it('change their key with the rules', () => {
    const key = (more: Record<string, unknown>): unknown =>
      sampleQuestions.settings({ config: configOf(more), files: {} }, { stage: 'sample-questions' } as StageInput);
    expect(key({ hygiene: { contamination: { ngram: 5 } } })).not.toEqual(key({}));
    expect(key({ tailor: { filter: 'target' } })).toEqual(key({}));
  });
});

describe('tailored examples', () => {
  const question = (id: string) => ({ id, task: 'sums', question: `What is 4 + ${id}?`, target: '9', from: `q-${id}` });
  const loadedOf = (config: RunConfig) => {
    const examples = ['5', '6'].map((id) => ({ task, question: question(id) }));
    return {
      ...{ config, tasks: new Map([['sums', task]]), examples },
      byId: new Map(examples.map((example) => [example.question.id, example])),
    };
  };
  const answered = (id: string, sample: number, answer: string | null): RowResult => ({
    key: `row-${id}-${sample}`,
    meta: { question: id, sample },
    outcome: answer === null ? 'truncated' : 'ok',
    text: 'It is',
    ...(answer !== null && { value: { rationale: `It is ${answer}.`, answer } }),
    usage,
  });

  it('are voted on by further answers, each a row of its own, only where that is asked', () => {
    const one = tailorRationales.rows(loadedOf(configOf()), []);
    expect(one.length).toBe(2);
    const config = configOf({ tailor: { filter: 'majority', majority: { samples: 3 } } });
    const many = tailorRationales.rows(loadedOf(config), []);
    expect(many.length).toBe(2 * answersPerExample(config.tailor));
    expect(many.row(4).request).toEqual(one.row(1).request);
    expect([0, 1, 2, 3].map((at) => many.row(at).request.sampling.temperature)).toEqual([0, 0.7, 0.7, 0.7]);
    expect(new Set([1, 2, 3].map((at) => many.row(at).request.sampling.seed)).size).toBe(3);
  });

  it('are answered from spare questions where one cannot be used, and no more than are needed', async () => {
    const config = configOf({ tailor: { per_task: 1, spare: 0.5, filter: 'target' } });
    const asked = (before: readonly RowResult[]): string[] => {
      const rows = tailorRationales.rows(loadedOf(config), before);
      return Array.from({ length: rows.length }, (_, at) => (rows.row(at).meta as { question: string }).question);
    };
    expect(asked([])).toEqual([question('5').id]);
    const wrong = [answered('5', 0, '8')];
    const collect = (rows: readonly RowResult[], last: boolean) =>
      tailorRationales.collect(contextOf(config), loadedOf(config), () => all(rows), last, {
        results: () => all(rows),
      });
    expect(await collect(wrong, false)).toEqual({ more: true });
    expect(asked(wrong)).toEqual([question('6').id]);
    const both = [...wrong, answered('6', 0, '9')];
    expect(asked(both)).toEqual([]);
    const done = await collect(both, false);
    expect(done.more ? undefined : done.outcome.facts).toMatchObject({ examples: 1, agreeing: 1 });
    // Nothing is left to take its place: it ends as it would without spare questions.
    await expect(collect([...wrong, answered('6', 0, '11')], false)).rejects.toMatchObject({
      data: { code: 'OutcomeThreshold' },
    });
  });

  it('are dropped when the votes go against them, and kept beside with the reason', async () => {
    const config = configOf({ tailor: { filter: 'majority', majority: { samples: 3 } } });
    const rows = [
      ...['9', '9', null, '9'].map((answer, sample) => answered('5', sample, answer)),
      ...['8', '10', '10', '8', '10'].slice(0, 4).map((answer, sample) => answered('6', sample, answer)),
    ];
    const context = contextOf(config);
    const done = await tailorRationales.collect(context, loadedOf(config), () => all(rows), true, {
      results: () => all(rows),
    });
    if (done.more) throw new Error('there is one wave');
    const { outputs, facts } = done.outcome;
    expect(facts).toMatchObject({
      examples: 1,
      agreeing: 1,
      dropped: { 'disagrees with the majority': 1 },
      hygiene: { rows: 2, words: { rationale: { p50: 3 } } },
    });
    const tailored = await readRows(context.store, outputs['tailored']!, tailoredRowSchema);
    expect(tailored).toEqual([{ ...question('5'), rationale: 'It is 9.', answer: '9', agrees: true, from: 'row-5-0' }]);
    const [dropped] = await readRows(context.store, outputs['dropped']!, droppedRowSchema);
    expect(dropped).toMatchObject({ rationale: 'It is 8.', answer: '8', reason: 'disagrees with the majority' });
  });
});

it('a set chosen from drafts takes another draft for one that is left out', async () => {
  const config = configOf({ tailor: { per_task: 2, filter: 'target' } });
  const draft = (id: string, questionId: string, answer: string): DraftRow => ({
    ...{ id, task: 'sums', questionId, question: `What is 4 + ${questionId}?`, target: '9', technique: id.slice(0, 1) },
    ...{ rationale: `It is ${answer}.`, answer, agrees: answer === '9', from: id },
  });
  const drafts = [draft('a5', '5', '8'), draft('b5', '5', '9'), draft('a6', '6', '9'), draft('b6', '6', '7')];
  const scores = drafts.map(({ id, questionId }) => ({
    ...{ draftId: id, task: 'sums', questionId, score: id.startsWith('a') ? 0.9 : 0.1, stderr: 0, n: 4 },
  }));
  const context = contextOf(config);
  const put = (rows: readonly unknown[]) => context.store.putLines(rows.map((row) => JSON.stringify(row)));
  const inputs = { tasks: await put([task]), drafts: await put(drafts), scores: await put(scores) };
  const extra = { questions: 'drawn', rationale: 'most-preferred' };
  const { outputs, facts } = await selectDrafts.run(
    { ...context, input: { ...context.input, inputs, extra } },
    context,
  );
  const rows = await readRows(context.store, outputs['tailored']!, tailoredRowSchema);
  expect(rows.map(({ from }) => from).sort()).toEqual(['a6', 'b5']);
  expect(facts).toMatchObject({ examples: 2, dropped: { 'disagrees with the target': 2 }, short: [] });
});

it('where leaks are kept counts those in the set, not those of all drafts that it was chosen from', async () => {
  const config = configOf({ tailor: { per_task: 1 }, hygiene: { contamination: { action: 'keep' } } });
  const draft = (technique: string, questionId: string, question: string): DraftRow => ({
    ...{ id: `${technique}${questionId}`, task: 'sums', questionId, question, target: '9', technique },
    ...{ rationale: 'It is 9.', answer: '9', agrees: true, from: `${technique}${questionId}` },
  });
  const drafts = ['a', 'b'].flatMap((technique) => [
    draft(technique, '1', 'What is 4 + 5?'),
    draft(technique, '2', task.test[0]!.question),
  ]);
  const hygieneWith = async (preferred: string): Promise<unknown> => {
    const scores = drafts.map(({ id, questionId }) => ({
      ...{ draftId: id, task: 'sums', questionId, score: questionId === preferred ? 0.9 : 0.1, stderr: 0, n: 4 },
    }));
    const context = contextOf(config);
    const put = (rows: readonly unknown[]) => context.store.putLines(rows.map((row) => JSON.stringify(row)));
    const inputs = { tasks: await put([task]), drafts: await put(drafts), scores: await put(scores) };
    const extra = { questions: 'preferred', rationale: 'most-preferred' };
    const input = { ...context.input, inputs, extra };
    return (await selectDrafts.run({ ...context, input }, context)).facts?.['hygiene'];
  };
  const [clean, leaking] = [await hygieneWith('1'), await hygieneWith('2')];
  expect(clean).toMatchObject({ contaminatedTest: 2, leaksKept: { test: 0, validation: 0 } });
  expect(leaking).toMatchObject({ contaminatedTest: 2, leaksKept: { test: 1, validation: 0 } });
  const notes = (hygiene: unknown): string[] =>
    leakNotes([{ name: 'select-drafts', round: 1, arm: 'most_preferred', facts: { hygiene } } as never], config);
  expect(notes(clean)).toEqual([]);
  expect(notes(leaking)).toEqual([expect.stringMatching(/^1 examples? of /)]);
});
