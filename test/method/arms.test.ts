/**
 * Goal: a chosen training set takes what its rule says, as many examples as the others, and nothing that the order of rows or names decides.
 * Method: small tables worked out by hand, and properties over random scores against a plain reading of each rule.
 */
import fc from 'fast-check';
import { chooseDrafts, type ChoiceSettings } from '../../method/arms';
import { shuffled } from '../../method/keys';
import { armNames, armsOf, pairKindsOf, recipeOf, standingArms } from '../../schemas/arms';
import type { DraftRow, ScoreRow } from '../../schemas/rows';

const draft = (questionId: string, technique: string, change: Partial<DraftRow> = {}): DraftRow => ({
  id: `${questionId}/${technique}`,
  task: 't',
  questionId,
  question: `question ${questionId}`,
  target: '1',
  technique,
  rationale: `${technique} of ${questionId}`,
  answer: '1',
  agrees: true,
  from: 'key',
  ...change,
});
const scored = ({ id, task, questionId }: DraftRow, score: number): ScoreRow => ({
  draftId: id,
  task,
  questionId,
  score,
  stderr: 0,
  n: 10,
});
const settings = (change: Partial<ChoiceSettings>): ChoiceSettings => ({
  questions: 'drawn',
  rationale: 'random',
  perTask: 3,
  requireTag: false,
  seed: 5,
  ...change,
});

/** Three questions under three techniques; by question a different best, over the task `b`. */
const table: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  q1: { a: 0.9, b: 0.8, c: 0.1 },
  q2: { a: 0.1, b: 0.7, c: 0.8 },
  q3: { a: 0.2, b: 0.3, c: 0.2 },
};
const drafts = Object.entries(table).flatMap(([question, row]) =>
  Object.keys(row).map((technique) => draft(question, technique)),
);
const scores = drafts.map((row) => scored(row, table[row.questionId]?.[row.technique] ?? 0));
const ids = (chosen: { readonly drafts: readonly DraftRow[] }): string[] => chosen.drafts.map(({ id }) => id).sort();

describe('choosing a rationale', () => {
  it('most preferred: the highest s_r of each question', () => {
    expect(ids(chooseDrafts(drafts, scores, settings({ rationale: 'most-preferred' })))).toEqual([
      'q1/a',
      'q2/c',
      'q3/b',
    ]);
  });

  it('task consistent: one technique a task, the one with the highest mean', () => {
    const chosen = chooseDrafts(drafts, scores, settings({ rationale: 'task-consistent' }));
    expect(ids(chosen)).toEqual(['q1/b', 'q2/b', 'q3/b']);
    expect(chosen.techniques['t']).toEqual({ technique: 'b', score: expect.closeTo(0.6, 12) as number });
  });

  it('task consistent: a technique with too few drafts to fill the set does not win by them', () => {
    const lucky = [...drafts, draft('q1', 'rare')];
    const with1 = [...scores, scored(draft('q1', 'rare'), 1)];
    expect(ids(chooseDrafts(lucky, with1, settings({ rationale: 'task-consistent' })))).toEqual([
      'q1/b',
      'q2/b',
      'q3/b',
    ]);
    const one = chooseDrafts(lucky, with1, settings({ rationale: 'task-consistent', perTask: 1 }));
    expect(one.techniques['t']?.technique).toBe('rare');
  });

  it('random: every technique comes up, about equally often, whatever its score', () => {
    const many = Array.from({ length: 600 }, (_, at) => ['a', 'b', 'c'].map((name) => draft(`q${at}`, name))).flat();
    const all = many.map((row) => scored(row, row.technique === 'a' ? 1 : 0));
    const chosen = chooseDrafts(many, all, settings({ perTask: 600 })).drafts;
    const counts = ['a', 'b', 'c'].map((name) => chosen.filter(({ technique }) => technique === name).length);
    // Binomial(600, 1/3): standard deviation 11.5; four of them.
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(46);
  });

  it('of equal scores it is the seed that decides, not the name', () => {
    const many = Array.from({ length: 300 }, (_, at) => ['a', 'b'].map((name) => draft(`q${at}`, name))).flat();
    const all = many.map((row) => scored(row, 0.5));
    const chosen = chooseDrafts(many, all, settings({ rationale: 'most-preferred', perTask: 300 })).drafts;
    const first = chosen.filter(({ technique }) => technique === 'a').length;
    expect(Math.abs(first - 150)).toBeLessThan(35);
    const tasks = Array.from({ length: 40 }, (_, at) =>
      many.slice(0, 2).map((row) => ({ ...row, task: `t${at}`, id: `${at}${row.id}` })),
    ).flat();
    const techniques = chooseDrafts(
      tasks,
      tasks.map((row) => scored(row, 0.5)),
      settings({ rationale: 'task-consistent' }),
    ).techniques;
    expect(new Set(Object.values(techniques).map(({ technique }) => technique))).toEqual(new Set(['a', 'b']));
  });
});

describe('choosing questions', () => {
  it('preferred: those with the highest s_q', () => {
    const chosen = chooseDrafts(
      drafts,
      scores,
      settings({ questions: 'preferred', rationale: 'task-consistent', perTask: 2 }),
    );
    // s_q: 0.6, 0.533, 0.233.
    expect(ids(chosen)).toEqual(['q1/b', 'q2/b']);
  });

  it('drawn: the same questions whatever the rationale, and others with another seed', () => {
    const many = Array.from({ length: 40 }, (_, at) => ['a', 'b'].map((name) => draft(`q${at}`, name))).flat();
    const all = many.map((row, at) => scored(row, (at % 7) / 7));
    const questions = (change: Partial<ChoiceSettings>): string =>
      chooseDrafts(many, all, settings({ perTask: 10, ...change }))
        .drafts.map(({ questionId }) => questionId)
        .join();
    expect(questions({ rationale: 'most-preferred' })).toBe(questions({}));
    expect(questions({ rationale: 'task-consistent' })).toBe(questions({}));
    expect(questions({ seed: 6 })).not.toBe(questions({}));
  });

  it('goes on to the next question where one has nothing to take, and says what is missing', () => {
    const rows = [
      draft('q1', 'a', { rationale: '  ' }),
      draft('q2', 'a', { answer: null }),
      draft('q3', 'a'),
      draft('q4', 'a'),
    ];
    const all = rows.slice(0, 3).map((row) => scored(row, 0.5));
    expect(chooseDrafts(rows, all, settings({}))).toMatchObject({ short: ['t: 2 of 3'] });
    expect(ids(chooseDrafts(rows, all, settings({ perTask: 2 })))).toEqual(['q2/a', 'q3/a']);
    expect(ids(chooseDrafts(rows, all, settings({ requireTag: true })))).toEqual(['q3/a']);
    expect(chooseDrafts([], [], settings({}))).toEqual({ drafts: [], techniques: {}, short: [] });
  });
});

it('sets are the same for rows in any order, one draft a question, per_task a task', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 4 }), {
        minLength: 1,
        maxLength: 15,
      }),
      fc.integer({ min: 1, max: 20 }),
      fc.constantFrom('random', 'most-preferred', 'task-consistent'),
      fc.constantFrom('drawn', 'preferred'),
      fc.integer({ min: 0, max: 99 }),
      (values, perTask, rationale, questions, seed) => {
        const rows = values.flatMap((row, at) =>
          row.map((_, technique) => draft(`q${at}`, `m${technique}`, { task: `t${at % 2}` })),
        );
        const all = rows.map((row, at) => scored(row, (values.flat()[at] ?? 0) / 4));
        const choice = settings({ perTask, rationale, questions, seed });
        const chosen = chooseDrafts(rows, all, choice);
        expect(chooseDrafts(shuffled(rows, seed), shuffled(all, seed + 1), choice)).toEqual(chosen);
        for (const task of ['t0', 't1']) {
          const own = chosen.drafts.filter((row) => row.task === task);
          expect(new Set(own.map(({ questionId }) => questionId)).size).toBe(own.length);
          expect(own.length).toBeLessThanOrEqual(perTask);
        }
        const scoreOf = (row: DraftRow): number => all.find(({ draftId }) => draftId === row.id)?.score ?? NaN;
        if (rationale !== 'most-preferred') return;
        for (const row of chosen.drafts)
          expect(scoreOf(row)).toBe(
            Math.max(...rows.filter(({ questionId }) => questionId === row.questionId).map(scoreOf)),
          );
      },
    ),
  );
});

describe('the arms', () => {
  it('always hold those without which no figure means anything, in the order of the report', () => {
    expect(armsOf([])).toEqual(['untuned', 'original_teacher', 'arte']);
    expect(armsOf(['task_consistent', 'arte', 'teacher'])).toEqual([
      'teacher',
      'untuned',
      'original_teacher',
      'task_consistent',
      'arte',
    ]);
    expect(armsOf([...armNames])).toEqual(armNames);
    expect(standingArms.every((arm) => armNames.includes(arm))).toBe(true);
  });

  it('have a recipe each, and no two the same', () => {
    for (const align of ['dpo', 'none'] as const) {
      const recipes = armNames.map((arm) => JSON.stringify(recipeOf(arm, align)));
      expect(new Set(recipes).size).toBe(armNames.length);
    }
  });

  it('need only the pairs that a teacher is aligned with', () => {
    expect(pairKindsOf(standingArms, 'dpo')).toEqual(['both']);
    expect(pairKindsOf(armNames, 'dpo')).toEqual(['both', 'question', 'rationale']);
    expect(pairKindsOf(standingArms, 'none')).toEqual([]);
  });
});
