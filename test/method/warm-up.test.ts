/**
 * Goal: gold examples teach the teacher what it will be asked, word by word, and nothing that is measured.
 * Method: a built-in task with its techniques; rows compared with the prompts that the loop builds; files with one vice each.
 */
import { naivePrompt, questionPrompt, rationalePrompt, defaultTechniques } from '../../method/prompts';
import { buildTaskRecord } from '../../method/split';
import { goldExamples, warmUpRows } from '../../method/warm-up';
import { ArteError } from '../../schemas/errors';
import { taskConfigSchema } from '../../schemas/config/tasks';
import { runConfigSchema } from '../../schemas/run-config';

const taskConfig = {
  source: 'builtin' as const,
  family: 'larger-number',
  split: { seeds: 3, validation: 8, test: 8 },
  gold: 'gold.jsonl',
};
const task = buildTaskRecord(taskConfigSchema.parse(taskConfig), {}, defaultTechniques);
const config = (change: Record<string, unknown> = {}) =>
  runConfigSchema.parse({
    version: 1,
    name: 'warm',
    tasks: [taskConfig],
    models: {
      teacher: { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' },
      student: { source: 'embedded:SmolLM2-135M-Instruct' },
    },
    ...change,
  });
const [technique] = task.techniques;
const line = (change: Record<string, unknown> = {}): string =>
  JSON.stringify({ question: 'Which is larger, 123 or 321?', target: '321', rationale: '321 is.', ...change });
const read = (...lines: string[]) => goldExamples(task, lines.join('\n'), 'gold.jsonl');
const refused = (...lines: string[]): string => {
  try {
    read(...lines);
  } catch (error) {
    if (error instanceof ArteError) return [error.data.code, error.data.what, error.data.why].join(' ');
    throw error;
  }
  throw new Error('it was taken');
};

it('teaches the technique prompt, the naive prompt and the question prompt, as they will be asked', () => {
  const examples = read(
    line({ technique: technique?.name }),
    line({ question: 'Which is larger, 5 or 777?', target: '777' }),
  );
  const rows = warmUpRows(examples, new Map([[task.name, task]]), config()) as { prompt: string; completion: string }[];
  const asked = (built: { prompt: unknown }): string => (built.prompt as { text: string }).text;
  const byPrompt = new Map(rows.map(({ prompt, completion }) => [prompt, completion]));
  const [first, second] = examples;
  expect(rows).toHaveLength(4);
  expect(byPrompt.get(asked(rationalePrompt(task, technique!, first!.question, config(), 'completion')))).toBe(
    ' 321 is. <ans>321</ans>',
  );
  expect(byPrompt.get(asked(naivePrompt(task, second!.question, config(), 'completion')))).toBe(
    ' 321 is. <ans>777</ans>',
  );
  const request = questionPrompt(task, config(), 'completion', 1, 1);
  expect(byPrompt.get(asked(request))).toBe('Which is larger, 5 or 777?</question>\n<target>777</target>');
});

it('teaches answers alone where the config says so', () => {
  const rows = warmUpRows(read(line()), new Map([[task.name, task]]), config({ warm_up: { questions: false } }));
  expect(rows).toHaveLength(1);
});

it('refuses an example that anything is measured against, whatever its case', () => {
  for (const part of ['seeds', 'validation', 'test'] as const) {
    const question = task[part][0]?.question.toUpperCase();
    expect(refused(line(), line({ question }))).toMatch(/InvalidTaskFile 1 gold question .* stands in its/);
  }
});

it('refuses lines that teach nothing, and techniques that the task does not have', () => {
  expect(refused(line({ rationale: ' ' }))).toContain('"rationale" is empty');
  expect(refused(line(), line({ target: null }))).toContain('line 2: "target" is null');
  expect(refused(line({ technique: 'by-magic' }))).toContain('"technique" is "by-magic", and the task\'s are');
});
