/**
 * Goal: items of every family are right, distinct, balanced, and the same on every machine.
 * Method: each question is solved again here from its text alone, by other means than the family's (JavaScript's own operators,
 * Date in UTC, a walk on a set of coordinates); digests of seeded draws are golden (test/golden/families.json).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { seededRandom, sha256Hex } from '../../method/keys';
import { families } from '../../method/families/index';
import {
  arrangement,
  arrangements,
  combination,
  combinations,
  defineFamily,
  familyDistinctMax,
  randomBelow,
} from '../../method/families/family';
import { dateFromDays, daysFromDate } from '../../method/families/date-arithmetic';
import { countableWords, plainWords, wordCategories } from '../../method/families/words';
import { answerTypes } from '../../schemas/task';
import { ArteError } from '../../schemas/errors';

const all = [...families.values()];
const sampleSize = 400;
const sampleOf = (name: string, seed = 11) => {
  const family = families.get(name);
  if (!family) throw new Error(`no family ${name}`);
  return family.generate(Math.min(sampleSize, family.distinct), seed);
};

/** The target, from the text of the question alone. */
const solvers: Record<string, (question: string) => string> = {
  'larger-number': (question) => String(Math.max(...(question.match(/\d+/g) ?? []).map(Number))),
  'count-items': (question) => String((question.split(': ')[1] ?? '').split(',').length),
  'one-digit-addition': (question) =>
    String((question.match(/\d/g) ?? []).map(Number).reduce((sum, value) => sum + value, 0)),
  'last-letter': (question) => /(\w)"/.exec(question)?.[1] ?? '',
  'odd-one-out': (question) => {
    const words = (question.split(': ')[1] ?? '').replace(/[?.]$/, '').split(', ');
    const kinds = words.map((word) => wordCategories.findIndex((category) => category.words.includes(word)));
    return words.filter((_, at) => kinds.filter((kind) => kind === kinds[at]).length === 1).join();
  },
  'pick-category': (question) => {
    const wanted = wordCategories.filter((category) => question.split('\n')[0]?.includes(` is ${category.one}`));
    const options = [...question.matchAll(/(\([A-D]\)) (\w+)/g)];
    const right = options.filter(([, , word]) => wanted[0]?.words.includes(word ?? ''));
    return wanted.length === 1 && right.length === 1 ? (right[0]?.[1] ?? '') : 'ambiguous';
  },
  'boolean-expressions': (question) => {
    const expression = question.replace(/^[^:]*: /, '').replace(/ is$/, '');
    const script = expression
      .replaceAll('not', '!')
      .replaceAll('and', '&&')
      .replaceAll('or', '||')
      .replaceAll('True', 'true')
      .replaceAll('False', 'false');
    expect(script).toMatch(/^[!&|truefals() ]+$/);
    return runInNewContext(script) === true ? 'True' : 'False';
  },
  navigate: (question) => {
    let [x, y] = [0, 0];
    let angle = 90;
    for (const [, turn, steps, side] of question.matchAll(/(?:Turn (\w+)\. )?Take (\d+) steps?(?: (\w+))?\./g)) {
      angle += { left: 90, right: -90, around: 180 }[turn ?? ''] ?? 0;
      const towards = side === undefined ? angle : ({ forward: 90, backward: 270, right: 0, left: 180 }[side] ?? NaN);
      x += Math.round(Math.cos((towards * Math.PI) / 180)) * Number(steps);
      y += Math.round(Math.sin((towards * Math.PI) / 180)) * Number(steps);
    }
    return x === 0 && y === 0 ? 'Yes' : 'No';
  },
  'date-arithmetic': (question) => {
    const head = question.split('\n')[0] ?? '';
    const numeric = /is (\d\d\/\d\d\/\d{4})/.exec(head)?.[1];
    const today = new Date(`${numeric ?? /is (\w+ \d+, \d{4})/.exec(head)?.[1] ?? ''} UTC`);
    const sign = head.includes(' ago ') || head.includes('yesterday') ? -1 : 1;
    const asked = /date (.*) in MM/.exec(head)?.[1] ?? '';
    const days = /(\d+) days/.exec(asked)?.[1];
    if (days !== undefined) today.setUTCDate(today.getUTCDate() + sign * Number(days));
    else if (asked.includes('two weeks')) today.setUTCDate(today.getUTCDate() + sign * 14);
    else if (asked.includes('week')) today.setUTCDate(today.getUTCDate() + sign * 7);
    else if (asked.includes('month')) today.setUTCMonth(today.getUTCMonth() + sign);
    else if (asked.includes('year')) today.setUTCFullYear(today.getUTCFullYear() + sign);
    else if (/tomorrow|yesterday/.test(asked)) today.setUTCDate(today.getUTCDate() + sign);
    else throw new Error(`not understood: ${asked}`);
    const [year = '', month = '', day = ''] = today.toISOString().slice(0, 10).split('-');
    const found = [...question.matchAll(/(\([A-D]\)) (\S+)/g)].filter(
      ([, , date]) => date === `${month}/${day}/${year}`,
    );
    return found.length === 1 ? (found[0]?.[1] ?? '') : 'ambiguous';
  },
  'word-sorting': (question) =>
    (question.split('List: ')[1] ?? '').split(' ').sort(new Intl.Collator('en').compare).join(' '),
  'word-problems': (question) => {
    const numbers = (question.match(/\d+/g) ?? []).map(Number);
    const [a = 0, b = 0, c = 0, d = 0, e = 0] = numbers;
    if (question.includes('boxes with')) return String(a + b * c - d);
    if (question.includes('an hour')) return String(a * b * c - d);
    if (question.includes('passengers')) return String(a - b + c + d);
    if (question.includes('pages')) return String(a + a * b + (a * b - c) + d);
    if (question.includes('equally')) return String(b / a - c + d);
    if (question.includes('notebook')) return String(c - a * d - b * e);
    return 'unknown story';
  },
};

describe('families', () => {
  it('are at least eight, of every answer type, with a solver here for each', () => {
    expect(all.length).toBeGreaterThanOrEqual(8);
    expect(new Set(all.map((family) => family.answer.type))).toEqual(new Set(answerTypes));
    expect(Object.keys(solvers).sort()).toEqual([...families.keys()].sort());
  });

  it.each(all.map((family) => [family.name, family] as const))('%s: every target is right', (name) => {
    for (const item of sampleOf(name)) {
      expect({ question: item.question, target: solvers[name]?.(item.question) }).toEqual({
        question: item.question,
        target: item.target,
      });
    }
  });

  it.each(all.map((family) => [family.name, family] as const))(
    '%s: rationales are one short line that holds the target and no answer tag',
    (name) => {
      for (const { rationale = '', target } of sampleOf(name)) {
        expect(rationale).not.toMatch(/[\n<>]/);
        expect(rationale.split(' ').length).toBeLessThanOrEqual(30);
        const words = rationale.replaceAll(',', '');
        if (name !== 'navigate') expect(words).toContain(target);
      }
    },
  );

  it.each(all.map((family) => [family.name, family] as const))(
    '%s: distinct questions and ids, labels balanced, equal for equal seeds, extended by a larger count',
    (name, family) => {
      const items = sampleOf(name);
      expect(new Set(items.map((item) => item.question)).size).toBe(items.length);
      expect(new Set(items.map((item) => item.id)).size).toBe(items.length);
      expect(sampleOf(name)).toEqual(items);
      expect(family.generate(20, 11)).toEqual(items.slice(0, 20));
      expect(family.generate(20, 12)).not.toEqual(items.slice(0, 20));
      const { labels } = family.answer;
      if (labels.length > 0) {
        const counts = labels.map((label) => items.filter((item) => item.target === label).length);
        expect(counts.reduce((sum, count) => sum + count)).toBe(items.length);
        expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(labels.length);
      }
    },
  );

  it('draw the same items on every machine', () => {
    const golden = JSON.parse(readFileSync(join(__dirname, '../golden/families.json'), 'utf8')) as Record<
      string,
      string
    >;
    const digests = Object.fromEntries(
      all.map((family) => [family.name, sha256Hex(JSON.stringify(family.generate(60, 7)))]),
    );
    expect(digests).toEqual(golden);
  });

  it.each(all.filter((family) => family.distinct <= 5_000).map((family) => [family.name, family] as const))(
    '%s: has exactly as many items as it says',
    (_, family) => {
      const items = family.generate(family.distinct, 3);
      expect(new Set(items.map((item) => item.question)).size).toBe(family.distinct);
    },
  );

  it('reach far into a large family without a repeat', () => {
    const items = families.get('navigate')?.generate(30_000, 1) ?? [];
    expect(new Set(items.map((item) => item.question)).size).toBe(30_000);
  });

  it('refuse more items than there are, and say how many there are', () => {
    const addition = families.get('one-digit-addition');
    const ask = () => addition?.generate(101, 0);
    expect(ask).toThrow(ArteError);
    expect(ask).toThrow(/100 distinct items, 101 were asked for/);
    for (const family of all) {
      expect(() => family.generate(family.distinct + 1, 0)).toThrow(
        expect.objectContaining({ data: expect.objectContaining({ code: 'FamilyTooSmall' }) }) as Error,
      );
      expect(family.distinct).toBeLessThanOrEqual(familyDistinctMax);
    }
    expect(() => addition?.generate(1.5, 0)).toThrow(RangeError);
  });

  it('give technique demonstrations of one line, clearly different in length, that no item repeats', () => {
    for (const family of all) {
      const techniques = family.techniques ?? [];
      expect(techniques.length).toBeGreaterThanOrEqual(3);
      expect(new Set(techniques.map((technique) => technique.name)).size).toBe(techniques.length);
      const lengths = techniques.map(({ demonstration }) => {
        const rationale = demonstration?.rationale ?? '';
        expect(rationale).not.toMatch(/[\n<>]/);
        return rationale.split(' ').length;
      });
      expect([family.name, Math.max(...lengths) <= 30, Math.min(...lengths) <= 12]).toEqual([family.name, true, true]);
      expect(Math.max(...lengths) - Math.min(...lengths)).toBeGreaterThanOrEqual(8);
      const questions = new Set(techniques.map(({ demonstration }) => demonstration?.question));
      if (family.distinct <= 5_000 && family.name !== 'one-digit-addition' && family.name !== 'larger-number') {
        expect(family.generate(family.distinct, 0).some((item) => questions.has(item.question))).toBe(false);
      }
    }
  });

  it.each([
    'larger-number',
    'one-digit-addition',
    'count-items',
    'last-letter',
    'boolean-expressions',
    'navigate',
    'date-arithmetic',
  ])('%s: the demonstrated answer is right', (name) => {
    for (const { demonstration } of families.get(name)?.techniques ?? []) {
      expect(demonstration?.answer).toBe(solvers[name]?.(demonstration?.question ?? ''));
    }
  });
});

describe('words', () => {
  it('are distinct, plain a-z, and in one category only', () => {
    const categorised = wordCategories.flatMap((category) => category.words);
    expect(new Set(categorised).size).toBe(categorised.length);
    expect(new Set(plainWords).size).toBe(plainWords.length);
    expect(plainWords.filter((word) => categorised.includes(word))).toEqual([]);
    expect([...categorised, ...plainWords].filter((word) => !/^[a-z]+$/.test(word))).toEqual([]);
    expect(wordCategories.map((category) => category.words.length)).toEqual(wordCategories.map(() => 16));
    expect(countableWords).toHaveLength(60);
  });

  it('are no colors besides, where they stand for something else', () => {
    // Fruits, animals and other things that dictionaries have as names of colors, too.
    const alsoColors =
      'apricot camel champagne cherry chestnut chocolate coral cream eggplant fawn gold ivory khaki lavender lemon lime melon mint mulberry olive orange peach plum raspberry rose rust salmon sand silver slate tangerine teal violet';
    const others = wordCategories.filter(({ one }) => one !== 'a color').flatMap(({ words }) => words);
    expect(others.filter((word) => alsoColors.split(' ').includes(word))).toEqual([]);
  });
});

describe('drawing', () => {
  it('numbers every selection once', () => {
    const letters = Array.from('abcdef');
    const ordered = Array.from({ length: arrangements(6, 3) }, (_, index) => arrangement(letters, 3, index).join(''));
    expect(new Set(ordered).size).toBe(120);
    const unordered = Array.from({ length: combinations(6, 3) }, (_, index) => combination(letters, 3, index).join(''));
    expect(new Set(unordered).size).toBe(20);
    expect(unordered.every((word) => Array.from(word).sort().join('') === word)).toBe(true);
  });

  it('draws whole numbers evenly, also beyond 32 bits', () => {
    const random = seededRandom(5);
    const counts = [0, 0, 0, 0, 0];
    for (let draw = 0; draw < 20_000; draw += 1) {
      const drawn = randomBelow(random, 5);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    // Binomial(20,000, 1/5): two of them differ by 89 in a standard deviation; four and a half of that.
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThan(400);
    const large = Array.from({ length: 1_000 }, () => randomBelow(random, 2 ** 52));
    expect(large.filter((value) => value > 2 ** 51).length / 1_000).toBeCloseTo(0.5, 1);
    expect(large.some((value) => value % 2 === 1)).toBe(true);
    expect(() => randomBelow(random, 0)).toThrow(RangeError);
  });

  it('knows the calendar as UTC does, from 1900 to 2100', () => {
    for (let days = -25_567; days < 47_482; days += 13) {
      const date = dateFromDays(days);
      const utc = new Date(days * 86_400_000);
      expect([date.year, date.month, date.day]).toEqual([
        utc.getUTCFullYear(),
        utc.getUTCMonth() + 1,
        utc.getUTCDate(),
      ]);
      expect(daysFromDate(date)).toBe(days);
    }
  });

  it('keeps strata in turns until they are used up', () => {
    const family = defineFamily({
      name: 'uneven',
      category: 'test',
      description: 'two strata of different size',
      answer: { type: 'exact', labels: [] },
      techniques: [],
      strata: [
        { size: 3, at: (index) => ({ question: `few ${index}`, target: 'f', rationale: 'f' }) },
        { size: 10, at: (index) => ({ question: `many ${index}`, target: 'm', rationale: 'm' }) },
      ],
    });
    const items = family.generate(13, 1);
    expect(items.slice(0, 6).filter((item) => item.target === 'f')).toHaveLength(3);
    expect(new Set(items.map((item) => item.question)).size).toBe(13);
  });
});
