/** Short stories with three or four steps of arithmetic. Answer: number, a whole one. */
import { defineFamily, digits, fourTechniques, pick, product, wordingOf } from './family';
import type { Stratum } from './family';
import { names } from './words';

/** Lowest and highest value of one number of a story. */
type Range = readonly [number, number];

interface Story {
  readonly ranges: readonly Range[];
  readonly tell: (
    numbers: readonly number[],
    name: string,
    random: () => number,
  ) => { readonly question: string; readonly target: number; readonly rationale: string };
}

const things = ['pencils', 'marbles', 'stickers', 'shells', 'buttons', 'coins', 'stamps', 'cards'] as const;
const treats = ['cookies', 'plums', 'muffins', 'walnuts'] as const;

const stories: readonly Story[] = [
  {
    ranges: [
      [5, 30],
      [2, 9],
      [2, 9],
      [2, 8],
    ],
    tell([had = 0, boxes = 0, each = 0, given = 0], name, random) {
      const what = pick(things, random);
      const bought = boxes * each;
      const target = had + bought - given;
      return {
        question: `${name} has ${had} ${what}. ${name} buys ${boxes} boxes with ${each} ${what} in each and then gives ${given} ${what} away. How many ${what} does ${name} have now?`,
        target,
        rationale: `${boxes} x ${each} = ${bought}, ${had} + ${bought} = ${had + bought}, ${had + bought} - ${given} = ${target}.`,
      };
    },
  },
  {
    ranges: [
      [5, 20],
      [2, 8],
      [2, 6],
      [3, 19],
    ],
    tell([wage = 0, hours = 0, days = 0, spent = 0], name) {
      const worked = hours * days;
      const earned = wage * worked;
      return {
        question: `${name} earns ${wage} dollars an hour and works ${hours} hours a day for ${days} days. Then ${name} spends ${spent} dollars. How many dollars are left?`,
        target: earned - spent,
        rationale: `${hours} x ${days} = ${worked} hours, ${worked} x ${wage} = ${earned}, ${earned} - ${spent} = ${earned - spent}.`,
      };
    },
  },
  {
    ranges: [
      [15, 40],
      [2, 12],
      [2, 12],
      [2, 12],
    ],
    tell([start = 0, off = 0, on = 0, later = 0], _name, random) {
      const vehicle = pick(['bus', 'train', 'tram', 'ferry'], random);
      const target = start - off + on + later;
      return {
        question: `A ${vehicle} starts with ${start} passengers. At the first stop ${off} passengers get off and ${on} get on. At the second stop ${later} more get on. How many passengers are on the ${vehicle} now?`,
        target,
        rationale: `${start} - ${off} = ${start - off}, ${start - off} + ${on} = ${start - off + on}, ${start - off + on} + ${later} = ${target}.`,
      };
    },
  },
  {
    ranges: [
      [5, 40],
      [2, 4],
      [2, 9],
      [3, 30],
    ],
    tell([monday = 0, times = 0, fewer = 0, thursday = 0], name) {
      const tuesday = monday * times;
      const wednesday = tuesday - fewer;
      const target = monday + tuesday + wednesday + thursday;
      return {
        question: `${name} reads ${monday} pages on Monday, ${times} times as many on Tuesday, ${fewer} pages fewer than on Tuesday on Wednesday, and ${thursday} pages on Thursday. How many pages does ${name} read in all?`,
        target,
        rationale: `Tuesday ${monday} x ${times} = ${tuesday}, Wednesday ${tuesday} - ${fewer} = ${wednesday}, ${monday} + ${tuesday} + ${wednesday} + ${thursday} = ${target}.`,
      };
    },
  },
  {
    ranges: [
      [3, 12],
      [2, 9],
      [1, 2],
      [2, 9],
    ],
    tell([share = 0, friends = 0, eaten = 0, more = 0], _name, random) {
      const what = pick(treats, random);
      const target = share - eaten + more;
      return {
        question: `${friends} friends share ${share * friends} ${what} equally. Each friend eats ${eaten} of them and then gets ${more} more. How many ${what} does each friend have now?`,
        target,
        rationale: `${share * friends} / ${friends} = ${share}, ${share} - ${eaten} = ${share - eaten}, ${share - eaten} + ${more} = ${target}.`,
      };
    },
  },
  {
    ranges: [
      [110, 150],
      [3, 12],
      [2, 6],
      [2, 6],
      [2, 6],
    ],
    tell([money = 0, notebook = 0, pen = 0, notebooks = 0, pens = 0], name) {
      const forNotebooks = notebook * notebooks;
      const forPens = pen * pens;
      const target = money - forNotebooks - forPens;
      return {
        question: `A notebook costs ${notebook} dollars and a pen costs ${pen} dollars. ${name} has ${money} dollars and buys ${notebooks} notebooks and ${pens} pens. How many dollars does ${name} have left?`,
        target,
        rationale: `${notebooks} x ${notebook} = ${forNotebooks}, ${pens} x ${pen} = ${forPens}, ${money} - ${forNotebooks} - ${forPens} = ${target}.`,
      };
    },
  },
];

function stratum({ ranges, tell }: Story): Stratum {
  const radixes = ranges.map(([low, high]) => high - low + 1);
  return {
    size: product(radixes),
    at(index) {
      const numbers = digits(index, radixes).map((digit, place) => digit + (ranges[place] as Range)[0]);
      const random = wordingOf(index);
      const { question, target, rationale } = tell(numbers, pick(names, random), random);
      return { question, target: String(target), rationale };
    },
  };
}

export const wordProblems = defineFamily({
  name: 'word-problems',
  category: 'numbers',
  description: 'Solve a short word problem with several steps. The answer is a whole number.',
  answer: { type: 'number', labels: [] },
  strata: stories.map(stratum),
  techniques: fourTechniques({
    question: 'A farmer has 4 hens. Each hen lays 3 eggs, and 2 eggs break. How many eggs are left?',
    answer: '10',
    expert: 'a bookkeeper who writes down every amount',
    asExpert:
      'As a bookkeeper I note what comes in, 4 hens with 3 eggs each, 12, and what goes out, 2 broken ones, so the balance is 10.',
    byRule: 'Rule: "each" means multiply and "break" means take away. 4 x 3 = 12, and 12 - 2 = 10.',
    stepByStep: '4 x 3 = 12, 12 - 2 = 10.',
    byElimination:
      'It is below 12, because 4 x 3 = 12 eggs were laid and some broke; with 2 gone neither 11 nor 9 fits, so 10.',
  }),
});
