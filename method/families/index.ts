/** The task families the project brings: `arte families` lists them, `source: builtin` names them. */
import type { Family } from './family';
import { booleanExpressions } from './boolean-expressions';
import { countItems } from './count-items';
import { dateArithmetic } from './date-arithmetic';
import { largerNumber } from './larger-number';
import { lastLetter } from './last-letter';
import { navigate } from './navigate';
import { oddOneOut } from './odd-one-out';
import { oneDigitAddition } from './one-digit-addition';
import { pickCategory } from './pick-category';
import { wordProblems } from './word-problems';
import { wordSorting } from './word-sorting';

export type { Family } from './family';

/** Easy ones first: a 135M model learns the first five. */
export const families: ReadonlyMap<string, Family> = new Map(
  [
    largerNumber,
    countItems,
    oneDigitAddition,
    lastLetter,
    oddOneOut,
    pickCategory,
    booleanExpressions,
    navigate,
    dateArithmetic,
    wordSorting,
    wordProblems,
  ].map((family) => [family.name, family]),
);
