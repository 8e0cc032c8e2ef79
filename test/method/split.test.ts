/**
 * Goal: splits are disjoint, repeatable and refused when the items do not suffice.
 * Method: every source with small texts; properties over seeds and counts (fast-check); one vice per refusal.
 */
import fc from 'fast-check';
import { taskConfigSchema, type TaskConfig } from '../../schemas/config/tasks';
import { taskRecordSchema, type TaskRecord, type Technique } from '../../schemas/task';
import { normaliseQuestion } from '../../method/hygiene';
import { taskFilesOf } from '../../method/config/named-parts';
import { buildTaskRecord, familyTestItems, taskSource } from '../../method/split';
import { refusal } from '../support/refusal';

const defaults: Technique[] = [{ name: 'plain', instruction: 'Think.' }];
const task = (input: Record<string, unknown>): TaskConfig => taskConfigSchema.parse(input);
const build = (input: Record<string, unknown>, source: Parameters<typeof buildTaskRecord>[1] = {}): TaskRecord =>
  buildTaskRecord(task(input), source, defaults);

const lines = (count: number, from = 0): string =>
  Array.from({ length: count }, (_, at) =>
    JSON.stringify({ question: `Question ${from + at}?`, target: `answer ${from + at}` }),
  ).join('\n');
const jsonl = { source: 'jsonl', path: 'tasks.jsonl', name: 'mine', description: 'Answer.' };
const questionsOf = (record: TaskRecord): string[] =>
  [...record.seeds, ...record.validation, ...record.test].map((item) => normaliseQuestion(item.question));

describe('a family', () => {
  it('gives a whole record with its own answer, verifier and techniques', () => {
    const record = build({ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 20, test: 40 } });
    expect(taskRecordSchema.parse(record)).toEqual(record);
    expect(record).toMatchObject({ name: 'larger-number', category: 'numbers', verifier: { kind: 'comparison' } });
    expect([record.seeds.length, record.validation.length, record.test.length]).toEqual([3, 20, 40]);
    expect(record.techniques).toHaveLength(4);
    expect(new Set(questionsOf(record)).size).toBe(63);
    const shown = record.techniques.map((technique) => normaliseQuestion(technique.demonstration?.question ?? ''));
    expect(questionsOf(record).filter((question) => shown.includes(question))).toEqual([]);
  });

  it('lets the config speak first', () => {
    const record = build({
      source: 'builtin',
      family: 'count-items',
      name: 'counting',
      category: 'mine',
      description: 'Count!',
      techniques: defaults,
      verifier: { kind: 'arithmetic' },
      split: { validation: 5, test: 5 },
    });
    expect(record).toMatchObject({ name: 'counting', category: 'mine', description: 'Count!', techniques: defaults });
    expect(record.verifier).toEqual({ kind: 'arithmetic' });
  });

  it('reads `test: rest` as a set of BIG-Bench-Hard size, or what is left of a small family', () => {
    expect(build({ source: 'builtin', family: 'navigate' }).test).toHaveLength(familyTestItems);
    const small = build({ source: 'builtin', family: 'one-digit-addition', split: { validation: 20 } });
    // 100 sums, less 3 seeds, 20 validation items and the one that the techniques demonstrate.
    expect(small.test).toHaveLength(76);
    expect(new Set(questionsOf(small)).size).toBe(99);
  });

  it('refuses more items than there are, and a family that does not exist', () => {
    const small = refusal(() => build({ source: 'builtin', family: 'one-digit-addition' }));
    expect(small.code).toBe('FamilyTooSmall');
    expect(small.what).toBe(
      'The family one-digit-addition has 100 distinct items that can be used, 104 were asked for.',
    );
    expect(small.why).toContain('3 seeds, 100 validation items and at least 1 test item');
    const all = refusal(() =>
      build({ source: 'builtin', family: 'one-digit-addition', split: { validation: 50, test: 47 } }),
    );
    expect(all.what).toContain('has 99 distinct items that can be used, 100 were asked for');
    const unknown = refusal(() => build({ source: 'builtin', family: 'larger-nubmer' }));
    expect([unknown.code, unknown.why]).toEqual(['InvalidConfig', 'The nearest is "larger-number".']);
  });

  it('keeps seeds and validation items when more test items are asked for', () => {
    const sized = (test: number) =>
      build({ source: 'builtin', family: 'word-problems', split: { validation: 10, test } });
    expect(sized(50).validation).toEqual(sized(20).validation);
    expect(sized(50).test.slice(0, 20)).toEqual(sized(20).test);
  });
});

describe('a file', () => {
  it('is shuffled by split_seed and cut', () => {
    const config = { ...jsonl, split: { seeds: 2, validation: 5, test: 'rest' } };
    const record = build(config, { text: lines(20) });
    expect([record.seeds.length, record.validation.length, record.test.length]).toEqual([2, 5, 13]);
    expect(build(config, { text: lines(20) })).toEqual(record);
    expect(build({ ...config, split_seed: 1 }, { text: lines(20) })).not.toEqual(record);
    expect(record).toMatchObject({ answer: { type: 'text', labels: [] }, techniques: defaults, category: 'general' });
  });

  it('never shares an item between splits, whatever the counts, the seed and the duplicates', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 8 }),
        fc.integer({ min: 0, max: 1_000 }),
        fc.array(fc.integer({ min: 0, max: 29 }), { maxLength: 30 }),
        (seeds, validation, seed, repeated) => {
          const extra = repeated.map((at) =>
            JSON.stringify({ question: ` question  ${at}? `, target: `answer ${at}` }),
          );
          const text = [lines(30), ...extra].join('\n');
          const record = build({ ...jsonl, split: { seeds, validation }, split_seed: seed }, { text });
          const questions = questionsOf(record);
          expect(new Set(questions).size).toBe(questions.length);
          expect(questions).toHaveLength(30);
        },
      ),
      { numRuns: 50, seed: 1 },
    );
  });

  it('does not test what a technique demonstrates', () => {
    const demonstration = { question: 'question 3', rationale: 'r', answer: 'a' };
    const record = buildTaskRecord(task({ ...jsonl, split: { validation: 0 } }), { text: lines(10) }, [
      { name: 'shown', instruction: 'i', demonstration },
    ]);
    expect(questionsOf(record)).not.toContain('question 3');
    expect(questionsOf(record)).toHaveLength(9);
  });

  it('reads BIG-Bench-Hard and GSM8K', () => {
    const examples = Array.from({ length: 12 }, (_, at) => ({
      input: `not True and ${at} is`,
      target: at % 2 ? 'True' : 'False',
    }));
    const bbh = build(
      { source: 'bbh-json', path: 'bbh/boolean_expressions.json', split: { validation: 4 } },
      { text: JSON.stringify({ examples }) },
    );
    expect(bbh).toMatchObject({ name: 'boolean_expressions', category: 'algorithmic', answer: { type: 'boolean' } });
    expect(bbh.test).toHaveLength(5);
    const line = (at: number) => JSON.stringify({ question: `How many is ${at}?`, answer: `It is.\n#### ${at}` });
    const gsm8k = build(
      { source: 'gsm8k-jsonl', path: 'test.jsonl', split: { validation: 2, test: 3 } },
      { text: Array.from({ length: 10 }, (_, at) => line(at)).join('\n') },
    );
    expect(gsm8k).toMatchObject({ name: 'gsm8k', answer: { type: 'number' } });
    expect(gsm8k.seeds[0]?.rationale).toBe('It is.');
  });

  it('reads ARC, CommonsenseQA and PIQA, and calls each by its benchmark', () => {
    const choices = ['a', 'b'].map((text, at) => ({ label: 'AB'[at], text }));
    const line = (at: number) => JSON.stringify({ question: { stem: `Which ${at}?`, choices }, answerKey: 'B' });
    const text = Array.from({ length: 8 }, (_, at) => line(at)).join('\n');
    const split = { validation: 2 };
    expect(build({ source: 'arc-jsonl', path: 'ARC-Easy-Dev.jsonl', split }, { text })).toMatchObject({
      ...{ name: 'arc-easy-dev', category: 'science', test: { length: 3 } },
    });
    const commonsense = build({ source: 'commonsenseqa-jsonl', path: 'dev.jsonl', split }, { text });
    expect(commonsense).toMatchObject({ name: 'commonsenseqa', category: 'commonsense' });
    const piqa = taskConfigSchema.parse({ source: 'piqa-jsonl', path: 'valid.jsonl', labels: 'valid.lst', split });
    const goals = Array.from({ length: 8 }, (_, at) => JSON.stringify({ goal: `goal ${at}`, sol1: 'x', sol2: 'y' }));
    const contents = new Map([
      ['path', goals.join('\n')],
      ['labels', '1\n'.repeat(8)],
    ]);
    expect(taskFilesOf(piqa).map(({ setting }) => setting)).toEqual([...contents.keys()]);
    const record = buildTaskRecord(piqa, taskSource(piqa, contents), []);
    expect(record.name).toBe('piqa');
    expect(record.test.map(({ target }) => target)).toEqual(['(B)', '(B)', '(B)']);
  });

  it('uses the labels it finds where the config names the type only', () => {
    const text = Array.from({ length: 6 }, (_, at) =>
      JSON.stringify({ question: `Which ${at}?\n(A) x\n(B) y`, target: at % 2 ? '(A)' : '(B)' }),
    ).join('\n');
    const config = { ...jsonl, split: { validation: 1 } };
    expect(build({ ...config, answer: { type: 'choice' } }, { text }).answer.labels).toEqual(['(A)', '(B)']);
    expect(build({ ...config, answer: { type: 'exact' } }, { text }).answer).toEqual({ type: 'exact', labels: [] });
  });

  it('refuses too few items, a missing description, and a question with two answers', () => {
    const few = refusal(() => build({ ...jsonl }, { text: lines(50) }));
    expect([few.code, few.what]).toEqual([
      'InvalidTaskFile',
      'The task "mine" has 50 distinct items, but its split needs 104.',
    ]);
    expect(refusal(() => build({ ...jsonl, split: { validation: 5, test: 100 } }, { text: lines(50) })).what).toContain(
      'needs 108',
    );
    const { description: _, ...bare } = jsonl;
    expect(refusal(() => build({ ...bare, split: { validation: 5 } }, { text: lines(50) })).code).toBe('InvalidConfig');
    const two = `${lines(20)}\n{"question": "Question 3?", "target": "another"}`;
    const contradiction = refusal(() => build({ ...jsonl, split: { validation: 5 } }, { text: two }));
    expect(contradiction.details).toEqual(['"Question 3?": "answer 3" and "another"']);
  });
});

describe('three files', () => {
  const config = { source: 'files', name: 'mine', description: 'Answer.', seeds: 's', validation: 'v', test: 't' };

  it('are taken as they are', () => {
    const record = build(config, { texts: { seeds: lines(4), validation: lines(5, 10), test: lines(6, 20) } });
    expect([record.seeds.length, record.validation.length, record.test.length]).toEqual([4, 5, 6]);
    expect(record.seeds[0]?.question).toBe('Question 0?');
  });

  it('are refused when one question stands in two of them', () => {
    const data = refusal(() =>
      build(config, { texts: { seeds: lines(4), validation: lines(5, 10), test: lines(6, 3) } }),
    );
    expect(data.what).toBe('1 question of the task "mine" stands in two of its files.');
    expect(data.details).toEqual(['s and t: "Question 3?"']);
  });
});

it('a declared task can be planned, not built', () => {
  expect(refusal(() => build({ source: 'declared', name: 'far', description: 'd', test_items: 5 })).code).toBe(
    'InvalidConfig',
  );
});
