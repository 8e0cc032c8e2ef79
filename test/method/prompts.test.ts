/**
 * Goal: every prompt says what the method's table says, byte for byte the same until somebody means to change it; a config can
 * replace every wording; a raw rationale becomes one that can be shown.
 * Method: a golden file of all prompts in both styles and both formats (ARTE_UPDATE_GOLDEN=1 writes it anew: raise wordingVersion in
 * the same commit), then the rules one by one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { closeIsUnmistakable } from '../../method/answers';
import {
  answerReminder,
  defaultTechniques,
  demonstrationOf,
  finishRationale,
  naivePrompt,
  promptProblems,
  questionPrompt,
  questionResponse,
  rationalePrompt,
  reminderProblem,
  studentPrompt,
  wordingVersion,
  type BuiltPrompt,
} from '../../method/prompts';
import { ArteError } from '../../schemas/errors';
import { runConfigSchema, type RunConfig, type RunConfigInput } from '../../schemas/run-config';
import { answerTypes, type TaskRecord, type Technique } from '../../schemas/task';

const task: TaskRecord = {
  name: 'larger-number',
  category: 'numbers',
  description: 'Say which of two numbers is larger.',
  answer: { type: 'number', labels: [] },
  seeds: [
    { id: 's1', question: 'Which is larger, 3 or 8?', target: '8', rationale: '8 is larger than 3.' },
    { id: 's2', question: 'Which is larger, "17" or 9?', target: '17' },
    { id: 's3', question: 'Which is larger, 40 or 41?', target: '41' },
  ],
  validation: [],
  test: [],
  techniques: [...defaultTechniques],
};
const shown: Technique = {
  name: 'by-rule',
  instruction: 'Recall the rule first.',
  demonstration: { question: 'Which is larger, 58 or 85?', rationale: '8 tens are more than 5 tens.', answer: '85' },
};
const bare = { source: 'embedded:tiny' };

function configOf(over: Partial<RunConfigInput> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: bare, student: bare },
    ...over,
  });
}
const tagged = configOf();
const words = configOf({
  prompts: { answer_open: 'The answer is ', answer_close: '.' },
  questions: { format: 'json' },
});

function textOf({ prompt }: BuiltPrompt): string {
  return prompt.kind === 'completion' ? prompt.text : prompt.messages.map(({ content }) => content).join('\n');
}

describe('the golden file', () => {
  const path = join(__dirname, '..', 'golden', 'prompts.txt');

  function everyPrompt(): string {
    const parts: string[] = [`wordingVersion ${String(wordingVersion)}`];
    const add = (title: string, built: BuiltPrompt) => {
      const extras = [
        `style ${built.prompt.kind}`,
        `stop ${JSON.stringify(built.stop)}`,
        `prefix ${JSON.stringify(built.assistantPrefix)}`,
        ...(built.jsonSchema === undefined ? [] : [`schema ${JSON.stringify(built.jsonSchema)}`]),
      ];
      parts.push(`==== ${title}\n---- ${extras.join('\n---- ')}\n${textOf(built)}|`);
    };
    for (const [name, config] of [
      ['<ans> tags, tagged questions', tagged],
      ['words as tags, JSON questions', words],
    ] as const) {
      for (const style of ['chat', 'completion'] as const) {
        add(`question, one, ${name}`, questionPrompt(task, config, style, 1, 0));
        add(`question, five, ${name}`, questionPrompt(task, config, style, 5, 0));
        add(
          `rationale, no demonstration, ${name}`,
          rationalePrompt(task, defaultTechniques[1] as Technique, 'Q?', config, style),
        );
        add(`rationale, demonstration, ${name}`, rationalePrompt(task, shown, 'Q?', config, style));
        add(`naive, ${name}`, naivePrompt(task, 'Q?', config, style));
        const demonstrations = task.seeds.slice(0, 2).map((seed) => demonstrationOf(seed, task, config));
        add(`student, no shot, ${name}`, studentPrompt(task, [], 'Q?', config, style));
        add(`student, two shots, ${name}`, studentPrompt(task, demonstrations, 'Q?', config, style));
      }
    }
    for (const type of answerTypes)
      parts.push(`==== reminder, ${type}\n${answerReminder({ answer: { type, labels: [] } }, tagged)}`);
    parts.push(
      `==== techniques\n${defaultTechniques.map(({ name, instruction }) => `${name}: ${instruction}`).join('\n')}`,
    );
    return `${parts.join('\n\n')}\n`;
  }

  it('holds every prompt as it is built', () => {
    if (process.env['ARTE_UPDATE_GOLDEN'] === '1') writeFileSync(path, everyPrompt());
    expect(everyPrompt()).toBe(readFileSync(path, 'utf8'));
  });
});

describe('questionPrompt', () => {
  it('gives equal samples equal prompts, and at most six prompts in all', () => {
    const texts = Array.from({ length: 60 }, (_, variation) =>
      textOf(questionPrompt(task, tagged, 'completion', 5, variation)),
    );
    expect(new Set(texts).size).toBeLessThanOrEqual(6);
    expect(new Set(texts).size).toBeGreaterThan(1);
    expect(texts[6]).toBe(texts[0]);
    // Only the order of the seeds differs: the description before them is the shared prefix.
    const prefix = 'Task: Say which of two numbers is larger.';
    expect(
      texts.every((text) => text.startsWith(prefix) && task.seeds.every((seed) => text.includes(seed.question))),
    ).toBe(true);
  });

  it('asks for JSON that fits the labels', () => {
    const labelled = { ...task, answer: { type: 'boolean' as const, labels: ['True', 'False'] } };
    const built = questionPrompt(labelled, words, 'completion', 3, 0);
    const item = { type: 'object', required: ['question', 'target'], additionalProperties: false };
    const target = { type: 'string', enum: ['True', 'False'] };
    expect(built.jsonSchema).toMatchObject({
      properties: { questions: { items: { ...item, properties: { target } }, minItems: 3, maxItems: 3 } },
    });
  });

  it('shows seeds in the format that it asks for, quotes escaped', () => {
    expect(questionResponse(task.seeds.slice(1, 2), 'json', 1)).toBe(
      '{"question": "Which is larger, \\"17\\" or 9?", "target": "17"}',
    );
    expect(questionResponse(task.seeds.slice(2), 'tagged', 5)).toBe(
      '<question>Which is larger, 40 or 41?</question>\n<target>41</target>',
    );
  });
});

describe('prompts for completion', () => {
  it('never end in a space, and what is constant comes first', () => {
    for (const config of [tagged, words]) {
      const built = [
        questionPrompt(task, config, 'completion', 1, 0),
        rationalePrompt(task, shown, 'Q?', config, 'completion'),
        naivePrompt(task, 'Q?', config, 'completion'),
        studentPrompt(
          task,
          [demonstrationOf(task.seeds[0] as (typeof task.seeds)[number], task, config)],
          'Q?',
          config,
          'completion',
        ),
      ];
      for (const one of built) expect(textOf(one)).not.toMatch(/[ \t]$/);
      for (const one of built.slice(1))
        expect(textOf(one).indexOf('Q?')).toBeGreaterThan(textOf(one).indexOf(task.description));
    }
  });

  it('stop at the closing tag where that is one, and before the next question', () => {
    expect(naivePrompt(task, 'Q?', tagged, 'completion').stop).toEqual(['\nQuestion:', '</ans>']);
    expect(naivePrompt(task, 'Q?', tagged, 'chat').stop).toEqual(['</ans>']);
    expect(naivePrompt(task, 'Q?', words, 'completion').stop).toEqual(['\nQuestion:']);
    expect([
      closeIsUnmistakable('</ans>'),
      closeIsUnmistakable('[/A]'),
      closeIsUnmistakable('.'),
      closeIsUnmistakable('}'),
    ]).toEqual([true, true, false, false]);
  });
});

describe('demonstrations', () => {
  const [withRationale, without] = task.seeds as [TaskRecord['seeds'][number], TaskRecord['seeds'][number]];

  it('end in the answer tag, once', () => {
    expect(demonstrationOf(withRationale, task, tagged).rationale).toBe('8 is larger than 3. <ans>8</ans>');
    expect(demonstrationOf(without, task, words).rationale).toBe('The answer is 17.');
    expect(demonstrationOf({ ...withRationale, rationale: 'So <ans>8</ans>' }, task, tagged).rationale).toBe(
      'So <ans>8</ans>',
    );
  });
});

describe('templates', () => {
  const own = configOf({
    prompts: {
      naive: 'D {description} R {reminder} Q {question} {{kept}} {"json": {"a": 1}}',
      rationale: 'T {technique} Q {question}',
      student_one_shot: '{demonstrations}Q {question}',
      question: '{task}|{description}|{targets}|{count}\n{seeds}',
      answer_reminder: Object.fromEntries(answerTypes.map((type) => [type, `write {open}{labels}{close}`])),
    },
  });

  it('replace every wording; slots are filled once, other braces stay', () => {
    expect(textOf(naivePrompt(task, 'what is {reminder}?', own, 'completion'))).toBe(
      'D Say which of two numbers is larger. R write <ans></ans> Q what is {reminder}? {kept} {"json": {"a": 1}}',
    );
    expect(textOf(rationalePrompt(task, shown, 'Q?', own, 'chat'))).toBe('T Recall the rule first. Q Q?');
    expect(textOf(studentPrompt(task, [{ question: 'a', rationale: 'b' }], 'Q?', own, 'chat'))).toBe(
      "Question: a\nAnswer: Let's think step by step. b\n\nQ Q?",
    );
    expect(textOf(questionPrompt(task, own, 'chat', 2, 0)).split('\n')[0]).toBe(
      'larger-number|Say which of two numbers is larger.|Every target is a number.|2',
    );
  });

  it('with a slot that does not exist are refused, with its name and the ones that do', () => {
    const broken = configOf({ prompts: { naive: '{question} {targe}' } });
    expect(() => naivePrompt(task, 'Q?', broken, 'chat')).toThrow(ArteError);
    try {
      naivePrompt(task, 'Q?', broken, 'chat');
    } catch (error) {
      expect((error as ArteError).data).toMatchObject({
        code: 'InvalidConfig',
        what: expect.stringContaining('{targe}') as string,
      });
      expect((error as ArteError).data.why).toContain('{question}');
    }
  });

  it('are judged all at once', () => {
    const problems = promptProblems({
      ...tagged.prompts,
      naive: '{nonsense}',
      question: 'write some',
      answer_close: ' ',
    });
    expect(problems.map(({ segments, what }) => [segments.join('.'), what])).toEqual([
      ['prompts.question', 'prompts.question lacks the slot {seeds}.'],
      ['prompts.naive', 'prompts.naive has a slot {nonsense} that does not exist.'],
      ['prompts.naive', 'prompts.naive lacks the slot {question}.'],
      ['prompts.answer_close', 'prompts.answer_close is only white space.'],
    ]);
    expect(promptProblems(own.prompts)).toEqual([]);
  });

  it('a reminder that does not fit the labels is noticed', () => {
    const wrong = {
      ...own.prompts,
      answer_reminder: { ...own.prompts.answer_reminder, boolean: 'Say Yes or No in {open}X{close}' },
    };
    expect(reminderProblem({ type: 'boolean', labels: [] }, wrong as RunConfig['prompts'])).toContain('True, False');
    expect(reminderProblem({ type: 'choice', labels: ['(A)', '(B)'] }, own.prompts)).toBeNull();
    expect(reminderProblem({ type: 'boolean', labels: [] }, tagged.prompts)).toBeNull();
    const tagless = { ...own.prompts, answer_reminder: { ...own.prompts.answer_reminder, number: 'Say a number.' } };
    expect(reminderProblem({ type: 'number', labels: [] }, tagless as RunConfig['prompts'])).toContain('answer tag');
  });
});

describe('finishRationale', () => {
  const finish = (raw: string, mode: 'free' | 'given' = 'free', config = tagged) =>
    finishRationale(raw, task, config, mode, { question: '3 or 8?', target: '8' });

  it.each([
    // [raw, finished, answer]
    [' 8 is more. <ans>8', '8 is more. <ans>8</ans>', '8'],
    ['8 is more. <ans>8</ans> And so on.', '8 is more. <ans>8</ans>', '8'],
    ['8 is more. <ans> 8 apples </ans>', '8 is more. <ans>8 apples</ans>', '8'],
    ['8 is more.', '8 is more.', null],
    ['8 is more. <ans>that</ans>', '8 is more. <ans>that</ans>', null],
    ['8 is more.\n\nQuestion: 1 or 2?\nAnswer: <ans>2</ans>', '8 is more.', null],
    ['  ', '', null],
  ])('free: %j', (raw, rationale, answer) => {
    expect(finish(raw)).toEqual({ rationale, answer });
  });

  it.each([
    ['8 is more. The answer is 8. The answer is 9.', '8 is more. The answer is 8.', '8'],
    ['8 is more, so the answer is 8', '8 is more, so the answer is 8.', '8'],
    ['so the answer is  3.5 apples.', 'so the answer is 3.5 apples.', '3.5'],
  ])('free, words as tags: %j', (raw, rationale, answer) => {
    expect(finish(raw, 'free', words)).toEqual({ rationale, answer });
  });

  it.each([
    ['3 is more. <ans>3</ans>', '3 is more. <ans>8</ans>'],
    ['3 is more.', '3 is more. <ans>8</ans>'],
    ['', '<ans>8</ans>'],
    ['3 is more.\nQuestion: 1 or 2?', '3 is more. <ans>8</ans>'],
  ])('given: %j', (raw, rationale) => {
    expect(finish(raw, 'given')).toEqual({ rationale, answer: '8' });
  });

  it('free: a choice that is given by its text is an answer, and its tag is closed', () => {
    const choice = { ...task, answer: { type: 'choice' as const, labels: ['(A)', '(B)'] } };
    const item = { question: 'Which day?\nOptions:\n(A) 12/24/1937\n(B) 12/25/1937', target: '(B)' };
    expect(finishRationale('A day later. <ans>12/25/1937', choice, tagged, 'free', item)).toEqual({
      rationale: 'A day later. <ans>12/25/1937</ans>',
      answer: '(B)',
    });
  });

  it.each([
    ['6 times 12 is <ans>7', tagged, null],
    ['6 times 12 is <ans>72</ans> as', tagged, '72'],
    ['so the answer is 7', words, null],
    ['so the answer is 7. That', words, '7'],
    ['8 is more. <ans>8</ans>\nQuestion: 1 or', tagged, '8'],
  ])('of a text that was cut off believes closed tags only: %j', (raw, config, answer) => {
    expect(finishRationale(raw, task, config, 'free', { question: '6 x 12?', target: '8' }, 'length').answer).toBe(
      answer,
    );
  });

  it.each([
    ['3 is more, since', 'length', true],
    ['3 is more, so <ans>3', 'length', false],
    ['3 is more.\nQuestion: 1 or', 'length', false],
    ['3 is more, since', 'stop', false],
  ] as const)('given says which were cut off before an answer: %j, %s', (raw, ended, cut) => {
    const finished = finishRationale(raw, task, tagged, 'given', { question: '3 or 8?', target: '8' }, ended);
    expect(finished.answer).toBe('8');
    expect(finished.cut).toBe(cut ? true : undefined);
  });

  it('given keeps the words that lead up to the answer', () => {
    expect(finish('3 is more, so the answer is 3. Or 4.', 'given', words).rationale).toBe(
      '3 is more, so the answer is 8.',
    );
  });
});
