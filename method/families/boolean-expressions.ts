/** The value of an expression of True, False, and, or, not and brackets. Answer: boolean, as in BIG-Bench-Hard's boolean_expressions. */
import { defineFamily, digits, fourTechniques, pick, product, wordingOf } from './family';
import type { Stratum } from './family';

/** Operands in a row, and at most one bracket around some of them, which a `not` may stand before. */
interface Shape {
  readonly operands: number;
  readonly bracket?: { readonly from: number; readonly to: number; readonly negated: boolean };
}

const nots = 3;
const operandCounts = [2, 3, 4] as const;

function shapesOf(operands: number): Shape[] {
  const shapes: Shape[] = [{ operands }];
  for (let from = 0; from < operands; from += 1) {
    for (let to = from + 1; to < operands; to += 1) {
      if (to - from + 1 === operands) continue;
      shapes.push(
        { operands, bracket: { from, to, negated: false } },
        { operands, bracket: { from, to, negated: true } },
      );
    }
  }
  return shapes;
}

/** The parts of an expression, read off its number. `and` at place i stands between operands i and i + 1; else it is `or`. */
interface Parts {
  readonly plain: readonly boolean[];
  readonly negations: readonly number[];
  readonly and: readonly boolean[];
}

const shown = (value: boolean): string => (value ? 'True' : 'False');

function radixesOf({ operands }: Shape): number[] {
  return [...Array.from({ length: operands }, () => 2 * nots), ...Array.from({ length: operands - 1 }, () => 2)];
}

function partsAt(shape: Shape, index: number): Parts {
  const parts = digits(index, radixesOf(shape));
  const operands = parts.slice(0, shape.operands);
  return {
    plain: operands.map((part) => part % 2 === 1),
    negations: operands.map((part) => Math.floor(part / 2)),
    and: parts.slice(shape.operands).map((part) => part === 1),
  };
}

/** "and" binds tighter than "or": a row is an "or" of runs joined by "and". */
function valueOf(values: readonly boolean[], and: readonly boolean[]): boolean {
  let any = false;
  let run = true;
  for (const [place, value] of values.entries()) {
    if (place > 0 && and[place - 1] === false) {
      any ||= run;
      run = true;
    }
    run &&= value;
  }
  return any || run;
}

/** The row that is left when every `not` and the bracket are worked out. */
function reducedRow(
  { bracket }: Shape,
  { plain, negations, and }: Parts,
): { values: boolean[]; and: readonly boolean[] } {
  const values = plain.map((value, place) => value !== ((negations[place] ?? 0) % 2 === 1));
  if (bracket === undefined) return { values, and };
  const { from, to, negated } = bracket;
  const inside = valueOf(values.slice(from, to + 1), and.slice(from, to)) !== negated;
  return {
    values: [...values.slice(0, from), inside, ...values.slice(to + 1)],
    and: [...and.slice(0, from), ...and.slice(to)],
  };
}

function rowText(terms: readonly string[], and: readonly boolean[]): string {
  return terms.map((term, place) => (place === 0 ? '' : and[place - 1] ? ' and ' : ' or ') + term).join('');
}

function textOf({ bracket }: Shape, { plain, negations, and }: Parts): string {
  const terms = plain.map((value, place) => 'not '.repeat(negations[place] ?? 0) + shown(value));
  if (bracket === undefined) return rowText(terms, and);
  const { from, to, negated } = bracket;
  const inside = `${negated ? 'not ' : ''}( ${rowText(terms.slice(from, to + 1), and.slice(from, to))} )`;
  return rowText([...terms.slice(0, from), inside, ...terms.slice(to + 1)], [...and.slice(0, from), ...and.slice(to)]);
}

interface Numbered {
  readonly shape: Shape;
  readonly index: number;
}

/** Every expression of one length, by its value: [False, True]. Made at the first draw, it takes a moment. */
function byValue(operands: number): [Numbered[], Numbered[]] {
  const found: [Numbered[], Numbered[]] = [[], []];
  for (const shape of shapesOf(operands)) {
    const count = product(radixesOf(shape));
    for (let index = 0; index < count; index += 1) {
      const row = reducedRow(shape, partsAt(shape, index));
      found[valueOf(row.values, row.and) ? 1 : 0].push({ shape, index });
    }
  }
  return found;
}

const wordings: readonly ((text: string) => string)[] = [
  (text) => `${text} is`,
  (text) => `What is the value of this expression: ${text}`,
  (text) => `Evaluate: ${text}`,
];

function stratum(places: readonly Numbered[]): Stratum {
  return {
    size: places.length,
    at(place) {
      const { shape, index } = places[place] as Numbered;
      const parts = partsAt(shape, index);
      const row = reducedRow(shape, parts);
      const value = valueOf(row.values, row.and);
      const reduced = rowText(row.values.map(shown), row.and);
      const mixed = reduced.includes('and') && reduced.includes('or');
      return {
        question: pick(wordings, wordingOf(index))(textOf(shape, parts)),
        target: shown(value),
        rationale: `Without not and brackets: ${reduced}.${mixed ? ' "and" goes before "or".' : ''} It is ${shown(value)}.`,
      };
    },
  };
}

export const booleanExpressions = defineFamily({
  name: 'boolean-expressions',
  category: 'reasoning',
  description: 'Evaluate an expression of True, False, and, or, not and brackets.',
  answer: { type: 'boolean', labels: ['True', 'False'] },
  verifier: { kind: 'boolean' },
  strata: () => operandCounts.flatMap((operands) => byValue(operands).map(stratum)),
  distinct: operandCounts.flatMap(shapesOf).reduce((sum, shape) => sum + product(radixesOf(shape)), 0),
  techniques: fourTechniques({
    question: 'not not not False and ( not False ) is',
    answer: 'True',
    expert: 'an engineer who designs logic circuits',
    asExpert:
      'As a circuit engineer I trace the signals: three inverters turn False into True, one inverter gives True, and the gate passes True.',
    byRule:
      'Rule: not comes first, then and, then or. not not not False is True, not False is True, so the result is True.',
    stepByStep: 'True and True is True.',
    byElimination:
      'It would be False only if one side were False; the left is True and the right is True, so True is left.',
  }),
});
