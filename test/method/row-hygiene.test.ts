/**
 * Goal: written rows are kept or dropped for the right reason, counted whatever is done with them, and described by honest lengths.
 * Method: small tasks with planted duplicates, leaks and wrong answers, under each setting. Quantiles are NumPy's (statistics.test.ts).
 */
import { cleanExamples, cleanQuestions, lengthStatistics, rowHygiene, withDuplicates } from '../../method/row-hygiene';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';

const task: TaskRecord = {
  name: 'sums',
  category: 'numbers',
  description: 'Add.',
  answer: { type: 'number', labels: [] },
  verifier: { kind: 'arithmetic' },
  seeds: [{ id: 's', question: 'What is 1 + 1?', target: '2' }],
  validation: [{ id: 'v', question: 'What is 2 + 2?', target: '4' }],
  test: [
    { id: 't', question: 'What is 3 + 3?', target: '6' },
    {
      id: 't-long',
      question:
        'A ferry with 12 cars leaves the harbour at noon, meets the mail boat behind the lighthouse and is back before the rain starts. How many wheels?',
      target: '48',
    },
  ],
  techniques: [],
};
const tasks = new Map([[task.name, task]]);

function configOf(more: Record<string, unknown> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'one-digit-addition' }],
    models: { teacher: { source: 'embedded:tiny' }, student: { source: 'embedded:tiny' } },
    ...more,
  });
}

const exact = { dedupe: 'exact', rougeLMax: 0.9 } as const;
const questions = [
  'What is 4 + 4?',
  'what is 4 + 4',
  'What is 1 + 1?',
  'What is 2 + 2?',
  'What is 3 + 3?',
  'Tell me, please, what is the sum of 40 and 41?',
  'Tell me, please, what is the sum of 40 and 41!?!',
  'Tell me please what is the sum of 40 and 41?',
].map((question, at) => ({ question, target: '8', from: `call-${at}` }));

describe('questions', () => {
  const clean = (hygiene: unknown = {}, dedupe: 'none' | 'exact' = 'exact') =>
    cleanQuestions(questions, task, { ...exact, dedupe }, configOf({ hygiene }).hygiene);

  it('by default: copies and leaks are dropped, near duplicates counted', () => {
    const { kept, dropped, found } = clean({ near_duplicates: { jaccard: 0.5 } });
    expect(kept.map(({ from }) => from)).toEqual(['call-0', 'call-5', 'call-7']);
    expect(dropped.map(({ from, reason }) => [from, reason])).toEqual([
      ['call-1', 'duplicate'],
      ['call-2', 'in seeds'],
      ['call-3', 'in validation'],
      ['call-4', 'in test'],
      ['call-6', 'duplicate'],
    ]);
    expect(dropped[3]).toEqual({
      task: 'sums',
      question: 'What is 3 + 3?',
      target: '8',
      reason: 'in test',
      itemId: 't',
      from: 'call-4',
    });
    expect(found).toEqual({
      exactDuplicates: 2,
      nearDuplicates: 1,
      contaminatedTest: 1,
      contaminatedProbe: 1,
      unjudged: 0,
    });
  });

  it('keep: leaks stay and are counted, but a copied seed goes', () => {
    const { kept, found } = clean({ contamination: { action: 'keep' } }, 'none');
    expect(kept.map(({ from }) => from)).not.toContain('call-2');
    expect(kept).toHaveLength(7);
    expect(found).toMatchObject({ contaminatedTest: 1, contaminatedProbe: 1, exactDuplicates: 2 });
  });

  it('drops near duplicates where that is asked', () => {
    const { dropped } = clean({ near_duplicates: { action: 'drop', jaccard: 0.5 } });
    expect(dropped.at(-1)).toMatchObject({ from: 'call-7', reason: 'near duplicate' });
  });

  it('goes on in order: more rows behind change nothing before them', () => {
    const config = configOf().hygiene;
    const first = cleanQuestions(questions.slice(0, 5), task, exact, config).kept;
    expect(cleanQuestions(questions, task, exact, config).kept.slice(0, first.length)).toEqual(first);
  });
});

describe('examples', () => {
  const example = (id: string, answer: string | null, more: Record<string, unknown> = {}) => ({
    ...{ id, task: 'sums', question: `What is 5 + ${id}?`, target: '9', rationale: `It is ${answer ?? 'unclear'}.` },
    ...{ answer, agrees: answer === '9', from: id, ...more },
  });
  const written = [
    example('4', '9'),
    example('5', '10'),
    example('6', null),
    example('7', '12', { votes: ['12', '12', '9'] }),
    example('8', '9', { rationale: `Remember: ${task.test[1]?.question ?? ''} 48.` }),
  ];
  const reasons = (more: Record<string, unknown>): (string | undefined)[] => {
    const { kept, dropped } = cleanExamples(written, tasks, configOf(more));
    expect(kept.length + dropped.length).toBe(written.length);
    return written.map(({ from }) => dropped.find((row) => row.from === from)?.reason);
  };

  it.each<[Record<string, unknown>, (string | undefined)[]]>([
    [{}, [undefined, undefined, undefined, undefined, 'overlaps test']],
    [{ hygiene: { contamination: { action: 'keep' } } }, [undefined, undefined, undefined, undefined, undefined]],
    [{ tailor: { require_tag: true } }, [undefined, undefined, 'no answer tag', undefined, 'overlaps test']],
    [
      { tailor: { filter: 'target' } },
      [undefined, 'disagrees with the target', 'no answer to judge', 'disagrees with the target', 'overlaps test'],
    ],
    [{ tailor: { filter: 'verifier' } }, [undefined, undefined, 'no answer to judge', undefined, 'overlaps test']],
    [
      { tailor: { filter: 'majority' } },
      ['no majority', 'no majority', 'no answer to judge', undefined, 'overlaps test'],
    ],
  ])('%j', (more, expected) => {
    expect(reasons(more)).toEqual(expected);
  });

  it('is described by what is left of it', () => {
    const { kept, dropped, found } = cleanExamples(written, tasks, configOf({ tailor: { filter: 'target' } }));
    const again = [...kept, { ...kept[0]!, id: 'again' }];
    const near = configOf().hygiene.near_duplicates;
    expect(rowHygiene({ kept: again, found: withDuplicates(found, again, near) }, dropped)).toEqual({
      ...{ rows: 6, exactDuplicates: 1, nearDuplicates: 0, contaminatedTest: 1, contaminatedProbe: 0 },
      dropped: { 'disagrees with the target': 2, 'no answer to judge': 1, 'overlaps test': 1 },
      words: {
        question: { mean: 5, p10: 5, p25: 5, p50: 5, p75: 5, p90: 5, max: 5 },
        rationale: { mean: 3, p10: 3, p25: 3, p50: 3, p75: 3, p90: 3, max: 3 },
      },
    });
  });
});

it('measures lengths in words', () => {
  const texts = ['one', ' two  words ', 'a b c', 'a b c d', ''];
  expect(lengthStatistics(texts)).toEqual({ mean: 2, p10: 0.4, p25: 1, p50: 2, p75: 3, p90: 3.6, max: 4 });
  expect(lengthStatistics([])).toMatchObject({ mean: 0, max: 0 });
  // More than a call takes arguments.
  expect(lengthStatistics(Array.from({ length: 200_000 }, () => 'a b'))).toMatchObject({ mean: 2, max: 2 });
});
