/**
 * Goal: what TRL trains on is what the loop asks at inference: x byte for byte (of a question, for as many as the response holds), the answer as a model
 * would begin it.
 * Method: pairs and examples of a small task in both prompt styles and both question formats, compared with the built prompts.
 */
import { naivePrompt, questionPrompt, studentPrompt } from '../../method/prompts';
import { parseQuestions } from '../../method/parse-questions';
import { dpoRow, pairRow, sftRow, type PairSources } from '../../method/training-rows';
import { ArteError } from '../../schemas/errors';
import { pairRowSchema, type DraftRow, type Prompt, type QuestionRow } from '../../schemas/rows';
import { runConfigSchema, type RunConfigInput } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';

const task: TaskRecord = {
  name: 'sums',
  category: 'numbers',
  description: 'Add two numbers.',
  answer: { type: 'number', labels: [] },
  seeds: [{ id: 's', question: '1 + 1?', target: '2' }],
  validation: [],
  test: [],
  techniques: [{ name: 'plain', instruction: 'Step by step.' }],
};
const questions: QuestionRow[] = ['2 + 2?', '3 + 3?', '4 + 4?', '5 + 5?'].map((question, index) => ({
  id: `q${String(index)}`,
  task: 'sums',
  question,
  target: String(2 * (index + 2)),
  from: 'k',
}));
const draft = (technique: string, rationale: string): DraftRow => ({
  id: `q0/${technique}`,
  task: 'sums',
  questionId: 'q0',
  question: '2 + 2?',
  target: '4',
  technique,
  rationale,
  answer: '4',
  agrees: true,
  from: 'k',
});
const drafts = [draft('rule', 'Count on. <ans>4</ans>'), draft('plain', '<ans>4</ans>')];
const sources: PairSources = {
  tasks: new Map([[task.name, task]]),
  questions: new Map(questions.map((row) => [row.id, row])),
  drafts: new Map(drafts.map((row) => [row.id, row])),
};

function configOf(style: 'chat' | 'completion', over: Partial<RunConfigInput> = {}) {
  const model = { source: 'embedded:tiny', prompt_style: style };
  return runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: model, student: model },
    ...over,
  });
}
const ofDrafts = { chosenId: 'q0/rule', rejectedId: 'q0/plain', chosenScore: 0.9, rejectedScore: 0.1 };
const ofQuestions = { chosenId: 'q0', rejectedId: 'q3', chosenScore: 0.9, rejectedScore: 0.1 };

describe('rationale pairs', () => {
  it('have the naive prompt as x, whatever technique wrote them', () => {
    for (const style of ['chat', 'completion'] as const) {
      const config = configOf(style);
      const row = pairRow('rationale', ofDrafts, sources, config);
      expect(row.prompt).toEqual(naivePrompt(task, '2 + 2?', config, style).prompt);
      expect(JSON.stringify(row.prompt)).not.toContain('Step by step.');
      expect(pairRowSchema.parse(row)).toEqual(row);
      expect(row).toMatchObject({
        kind: 'rationale',
        task: 'sums',
        chosen: 'Count on. <ans>4</ans>',
        rejected: '<ans>4</ans>',
      });
    }
  });

  it('are strings that go on with a space for completion, messages for chat', () => {
    const completion = configOf('completion');
    expect(dpoRow(pairRow('rationale', ofDrafts, sources, completion))).toEqual({
      prompt: (naivePrompt(task, '2 + 2?', completion, 'completion').prompt as Prompt & { kind: 'completion' }).text,
      chosen: ' Count on. <ans>4</ans>',
      rejected: ' <ans>4</ans>',
    });
    const chat = dpoRow(pairRow('rationale', ofDrafts, sources, configOf('chat')));
    expect(chat.prompt).toEqual([{ role: 'user', content: expect.stringContaining('2 + 2?') as string }]);
    expect(chat.chosen).toEqual([{ role: 'assistant', content: 'Count on. <ans>4</ans>' }]);
  });

  it('have an id that follows from both sides', () => {
    const config = configOf('chat');
    const turned = { ...ofDrafts, chosenId: ofDrafts.rejectedId, rejectedId: ofDrafts.chosenId };
    expect(pairRow('rationale', ofDrafts, sources, config).id).toBe(pairRow('rationale', ofDrafts, sources, config).id);
    expect(pairRow('rationale', ofDrafts, sources, config).id).not.toBe(
      pairRow('rationale', turned, sources, config).id,
    );
  });

  it('that name a draft which is not there are refused', () => {
    expect(() => pairRow('rationale', { ...ofDrafts, chosenId: 'nobody' }, sources, configOf('chat'))).toThrow(
      ArteError,
    );
  });
});

describe.each(['tagged', 'json'] as const)('question pairs, %s', (format) => {
  it.each(['chat', 'completion'] as const)('%s: the response continues the prompt and parses back', (style) => {
    for (const response of ['one', 'list'] as const) {
      const config = configOf(style, { questions: { format, per_call: 2 }, pairs: { question: { response } } });
      const lists = response === 'list' ? { chosenIds: ['q0', 'q1'], rejectedIds: ['q3', 'q2'] } : {};
      const row = pairRow('question', { ...ofQuestions, ...lists }, sources, config);
      const built = questionPrompt(task, config, style, response === 'list' ? 2 : 1, 0);
      expect(row.prompt).toEqual(built.prompt);
      const read = (text: string) =>
        parseQuestions(built.assistantPrefix + text, format, task).questions.map(({ target }) => target);
      expect(read(row.chosen)).toEqual(response === 'list' ? ['4', '6'] : ['4']);
      expect(read(row.rejected)).toEqual(response === 'list' ? ['10', '8'] : ['10']);
      const trained = dpoRow(row);
      if (style === 'completion') expect(trained).toMatchObject({ chosen: row.chosen, rejected: row.rejected });
      else expect(trained.chosen).toEqual([{ role: 'assistant', content: row.chosen }]);
    }
  });
});

describe('tailored examples', () => {
  it("have the student's own prompt without demonstrations", () => {
    const example = { question: '2 + 2?', rationale: 'Count on. <ans>4</ans>' };
    const completion = configOf('completion');
    expect(sftRow(example, task, completion)).toEqual({
      prompt: (studentPrompt(task, [], '2 + 2?', completion, 'completion').prompt as Prompt & { kind: 'completion' })
        .text,
      completion: ' Count on. <ans>4</ans>',
    });
    expect(sftRow(example, task, configOf('chat')).completion).toEqual([
      { role: 'assistant', content: example.rationale },
    ]);
  });
});
