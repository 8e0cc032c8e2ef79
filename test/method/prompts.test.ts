/**
 * Goal: every prompt says what the method's table says, byte for byte the same until somebody means to change it; a config can
 * replace every wording.
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
  naivePrompt,
  questionPrompt,
  questionResponse,
  rationalePrompt,
  studentPrompt,
  wordingVersion,
  type BuiltPrompt,
} from '../../method/prompts';
import { ArteError } from '../../schemas/errors';
import { runConfigSchema, type RunConfig, type RunConfigInput } from '../../schemas/run-config';
import { answerTypes, type TaskRecord, type Technique } from '../../schemas/task';
import { ownWordings } from '../support/own-wordings';

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
  const own = configOf({ prompts: ownWordings });

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
});
