/**
 * What date it is some days, weeks, months or years from a given date. Answer: choice (A) to (D), as in BIG-Bench-Hard's date_understanding.
 * Calendar arithmetic is done here with whole numbers, without the platform's Date and time zones.
 */
import { defineFamily, digits, fourTechniques, pick, product, wordingOf } from './family';
import type { Stratum } from './family';

interface CalendarDate {
  readonly year: number;
  readonly month: number;
  readonly day: number;
}

/** Days since 1970-01-01 in the Gregorian calendar. Years are counted from March, so that the leap day is the last one. */
export function daysFromDate({ year, month, day }: CalendarDate): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** The inverse of daysFromDate. */
export function dateFromDays(days: number): CalendarDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1,
  };
}

interface Shift {
  /** "10 days from today". */
  readonly phrase: string;
  /** "10 days after", for the rationale. */
  readonly relation: string;
  readonly days: number;
  readonly months: number;
}

const shifts: readonly Shift[] = [
  { phrase: 'tomorrow', relation: 'The day after', days: 1, months: 0 },
  { phrase: 'yesterday', relation: 'The day before', days: -1, months: 0 },
  { phrase: 'one week from today', relation: '7 days after', days: 7, months: 0 },
  { phrase: 'one week ago', relation: '7 days before', days: -7, months: 0 },
  { phrase: 'two weeks from today', relation: '14 days after', days: 14, months: 0 },
  { phrase: 'two weeks ago', relation: '14 days before', days: -14, months: 0 },
  { phrase: 'one month from today', relation: 'One month after', days: 0, months: 1 },
  { phrase: 'one month ago', relation: 'One month before', days: 0, months: -1 },
  { phrase: 'one year from today', relation: 'One year after', days: 0, months: 12 },
  { phrase: 'one year ago', relation: 'One year before', days: 0, months: -12 },
  ...[2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13, 15, 16, 17, 18, 19, 20].flatMap((days) => [
    { phrase: `${days} days from today`, relation: `${days} days after`, days, months: 0 },
    { phrase: `${days} days ago`, relation: `${days} days before`, days: -days, months: 0 },
  ]),
];

/** Months first: today's day is at most 28, so every month has it. */
function shifted(date: CalendarDate, days: number, months: number): CalendarDate {
  const monthsFromZero = date.year * 12 + date.month - 1 + months;
  const moved = { year: Math.floor(monthsFromZero / 12), month: (monthsFromZero % 12) + 1, day: date.day };
  return dateFromDays(daysFromDate(moved) + days);
}

const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
] as const;

const two = (value: number): string => String(value).padStart(2, '0');
const asOption = ({ year, month, day }: CalendarDate): string => `${two(month)}/${two(day)}/${String(year)}`;
const inWords = ({ year, month, day }: CalendarDate): string => `${monthNames[month - 1] ?? ''} ${day}, ${year}`;

const wordings: readonly ((today: CalendarDate, phrase: string) => string)[] = [
  (today, phrase) => `Today is ${inWords(today)}. What is the date ${phrase} in MM/DD/YYYY?`,
  (today, phrase) => `It is ${inWords(today)} today. What is the date ${phrase} in MM/DD/YYYY?`,
  (today, phrase) => `The current date is ${asOption(today)} (MM/DD/YYYY). What is the date ${phrase} in MM/DD/YYYY?`,
];

const labels = ['(A)', '(B)', '(C)', '(D)'] as const;
const firstYear = 1990;
const radixes = [shifts.length, 28, 12, 40];

/** The slips that people and models make: a day or month beside, the wrong direction, the wrong year, nothing done at all. */
const slips: readonly { days: number; months: number }[] = [
  { days: 1, months: 0 },
  { days: -1, months: 0 },
  { days: 0, months: 1 },
  { days: 0, months: -1 },
  { days: 0, months: 12 },
  { days: 10, months: 0 },
  { days: -7, months: 0 },
];

/** Every problem stands in exactly one stratum: the right option's place follows from its number. */
function stratum(place: number): Stratum {
  return {
    size: Math.ceil((product(radixes) - place) / labels.length),
    at(stratumIndex) {
      const index = stratumIndex * labels.length + place;
      const [shiftIndex = 0, dayIndex = 0, monthIndex = 0, yearIndex = 0] = digits(index, radixes);
      const random = wordingOf(index);
      const today = { year: firstYear + yearIndex, month: monthIndex + 1, day: dayIndex + 1 };
      const shift = shifts[shiftIndex] as Shift;
      const answer = shifted(today, shift.days, shift.months);
      const right = asOption(answer);
      const question = pick(wordings, random)(today, shift.phrase);
      const wrong = new Set<string>();
      while (wrong.size < labels.length - 1) {
        const slip = pick(slips, random);
        // A slip of months is made on today's date, whose day every month has.
        const option = asOption(shifted(today, shift.days + slip.days, shift.months + slip.months));
        if (option !== right) wrong.add(option);
      }
      const options = [...wrong];
      options.splice(place, 0, right);
      const target = labels[place] as string;
      return {
        question: `${question}\nOptions:\n${options.map((option, at) => `${labels[at] ?? ''} ${option}`).join('\n')}`,
        target,
        rationale: `${shift.relation} ${asOption(today)} is ${right}. That is option ${target}.`,
      };
    },
  };
}

export const dateArithmetic = defineFamily({
  name: 'date-arithmetic',
  category: 'reasoning',
  description: 'Work out a date from another date and choose the right option.',
  answer: { type: 'choice', labels: [...labels] },
  strata: labels.map((_, place) => stratum(place)),
  techniques: fourTechniques({
    question:
      'Today is April 29, 1988. What is the date 3 days from today in MM/DD/YYYY?\nOptions:\n(A) 05/03/1988\n(B) 04/02/1988\n(C) 05/02/1988\n(D) 05/01/1988',
    answer: '(C)',
    expert: 'a clerk who keeps the calendar of a busy office',
    asExpert:
      'As a calendar clerk I know that April ends on the 30th: one day to April 30, two more to May 2, which is option (C).',
    byRule: 'Rule: April has 30 days. 29 + 3 is 32, and 32 - 30 is 2, so it is May 2, 05/02/1988, option (C).',
    stepByStep: 'April 30, May 1, May 2. That is option (C).',
    byElimination: '(B) lies in the past, (A) is 4 days away, (D) is 2 days away. Only (C) is left.',
  }),
});
