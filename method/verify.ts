/**
 * Telling a right answer from a wrong one without a label, for questions whose answer follows from their own text.
 *
 * Owns the built-in verifiers (arithmetic, boolean, counting, comparison).
 *
 * Invariants
 * 1. Only what was understood is judged: a question that could mean two things is `unknown`, never guessed.
 * 2. Nothing is evaluated as code, and every input ends: expressions longer than `expressionCharsMax` are unknown.
 * 3. Arithmetic is exact: fractions of big integers, so 0.1 + 0.2 is 0.3.
 */
import type { Verifier } from '../schemas/task';

export type Verdict = 'right' | 'wrong' | 'unknown';

/** Bumped by hand when a verdict changes: the keys of stages that filter by a verifier hold it (tailor.filter). */
export const verifierVersion = 3;

/** Longer than any task's expression; bounds the size of powers and products too. */
export const expressionCharsMax = 400;

/** Whether `answer` answers `question`. An answer that is none at all ("I do not know") is wrong where the question was understood. */
export function verify(verifier: Verifier, question: string, answer: string): Verdict {
  switch (verifier.kind) {
    case 'arithmetic':
      return verdictOfNumber(arithmeticValue(question), answer);
    case 'counting':
      return verdictOfNumber(countedItems(question), answer);
    case 'boolean':
      return verdictOfTruth(booleanValue(question), answer);
    case 'comparison': {
      const wanted = comparisonValue(question);
      return typeof wanted === 'boolean' ? verdictOfTruth(wanted, answer) : verdictOfNumber(wanted, answer);
    }
  }
}

function verdictOfNumber(wanted: Fraction | undefined, answer: string): Verdict {
  if (wanted === undefined) return 'unknown';
  const given = numberIn(answer);
  return given !== undefined && equal(given, wanted) ? 'right' : 'wrong';
}

function verdictOfTruth(wanted: boolean | undefined, answer: string): Verdict {
  if (wanted === undefined) return 'unknown';
  const given = /^\W*(true|yes|false|no)\W*$/i.exec(answer)?.[1]?.toLowerCase();
  if (given === undefined) return 'wrong';
  return (given === 'true' || given === 'yes') === wanted ? 'right' : 'wrong';
}

/**
 * Whether a question says nothing but these words (and numbers and signs). Any other word may change what is asked: "how many of these
 * items are fruits", "which is larger, 5 cm or 3 m".
 */
function saysOnly(text: string, known: ReadonlySet<string>): boolean {
  return (text.toLowerCase().match(/\p{L}+/gu) ?? []).every((word) => known.has(word));
}

const wordSet = (...texts: readonly string[]): ReadonlySet<string> => new Set(texts.join(' ').split(' '));

const askingWords =
  'what which is are the a of to this these that following given here below please can you tell me find give name say work out answer question it';

// ---- exact numbers -----------------------------------------------------------------------------------------------

/** numerator / denominator, denominator positive; not necessarily reduced. */
interface Fraction {
  readonly numerator: bigint;
  readonly denominator: bigint;
}

const whole = (value: number | bigint): Fraction => ({ numerator: BigInt(value), denominator: 1n });
const equal = (a: Fraction, b: Fraction): boolean => a.numerator * b.denominator === b.numerator * a.denominator;
const less = (a: Fraction, b: Fraction): boolean => a.numerator * b.denominator < b.numerator * a.denominator;

const numberWords = [
  ...[
    'zero',
    'one',
    'two',
    'three',
    'four',
    'five',
    'six',
    'seven',
    'eight',
    'nine',
    'ten',
    'eleven',
    'twelve',
    'thirteen',
  ],
  ...['fourteen', 'fifteen', 'sixteen', 'seventeen', 'eighteen', 'nineteen', 'twenty'],
];

/** 12, 1,000, 3.5, $4, -7. */
const numberPattern = /(?<![\p{L}\p{N}.])[-−]?\$?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\p{L}\p{N}])/gu;

function parseNumber(text: string): Fraction {
  const plain = text.replace(/[$,]/g, '').replace('−', '-');
  const [integer = '0', decimals = ''] = plain.split('.');
  return { numerator: BigInt(integer + decimals), denominator: 10n ** BigInt(decimals.length) };
}

/** The one number that an answer names, in digits or words up to twenty. */
function numberIn(answer: string): Fraction | undefined {
  if (answer.length > expressionCharsMax) return undefined;
  // "3 + 4 = 7" answers 7.
  const result = answer.slice(answer.lastIndexOf('=') + 1);
  const [found, ...others] = result.match(numberPattern) ?? [];
  if (others.length > 0) return undefined;
  if (found !== undefined) return parseNumber(found);
  const words = (result.toLowerCase().match(/[a-z]+/g) ?? [])
    .map((word) => numberWords.indexOf(word))
    .filter((at) => at >= 0);
  return words.length === 1 ? whole(words[0] ?? 0) : undefined;
}

// ---- arithmetic --------------------------------------------------------------------------------------------------

/** Signs that change what a number or an expression is, and that no expression here has: a question with one was not understood. */
const otherSigns = /[|√∛∜%‰±∓~⌊⌋⌈⌉\p{No}]|[\d)]\s*!/u;

/** Words for operations become signs; "add 3 and 4", "the sum of 3 and 4" and their like become expressions in brackets first. */
function withSigns(question: string): string {
  const number = '(-?\\d+(?:\\.\\d+)?)';
  // "The sum of 3 and 4 times 2" is 14 to some and 11 to others: where another operation follows, the words stay, and it was not understood.
  const last = `${number}(?!\\d|\\.\\d|\\s*[-+*/^])`;
  const named = (words: string, sign: string): [RegExp, string] => [
    new RegExp(`(?:${words})\\s+${number}\\s+(?:and|by|with|to)\\s+${last}`, 'gi'),
    `($1 ${sign} $2)`,
  ];
  const replacements: readonly (readonly [RegExp, string])[] = [
    [/(?<=\d),(?=\d{3}(?!\d))/g, ''],
    [/−|–/g, '-'],
    [/×|·|(?<=\d\s*)x(?=\s*\d)|\btimes\b|\bmultiplied by\b/gi, '*'],
    [/÷|\bdivided by\b/gi, '/'],
    [/\bplus\b/gi, '+'],
    [/\bminus\b/gi, '-'],
    [/\*\*/g, '^'],
    named('add|the sum of|sum of|sum', '+'),
    named('multiply|the product of|product of', '*'),
    named('divide|the quotient of', '/'),
    [new RegExp(`subtract\\s+${number}\\s+from\\s+${last}`, 'gi'), '($2 - $1)'],
  ];
  const signed = replacements.reduce((text, [pattern, sign]) => text.replace(pattern, sign), question);
  // "The difference between 3 and 10" is 7 to most and -7 to some: with the smaller number first it was not understood.
  const difference = new RegExp(`the difference (?:between|of)\\s+${number}\\s+and\\s+${last}`, 'gi');
  return signed.replace(difference, (words, first: string, second: string) =>
    Number(first) >= Number(second) ? `(${first} - ${second})` : `${words} (either way)`,
  );
}

const arithmeticWords = wordSet(
  askingWords,
  'value result calculate compute evaluate solve determine simplify expression calculation arithmetic math problem',
  'how much does equal equals do sum difference product quotient total number and step by',
);

/** The value of the one arithmetic expression of a question; undefined where there is none or more than one. */
function arithmeticValue(question: string): Fraction | undefined {
  if (question.length > expressionCharsMax || otherSigns.test(question)) return undefined;
  const text = withSigns(question).replace(/=\s*(?:\?|_+)?/g, ' ; ');
  const runs = (text.match(/[-+*/^().\d\s]+/g) ?? [])
    // The full stop of a sentence before it, and not that of ".5".
    .map((run) => run.replace(/[\s.]+$/, '').replace(/^(?:[\s)]|\.(?!\d))+/, ''))
    .filter((run) => /\d/.test(run));
  if (!saysOnly(text, arithmeticWords)) return undefined;
  const [run, ...others] = runs;
  // A number that stands apart may change the question ("round it to 2 places"): then it was not understood.
  if (run === undefined || others.length > 0 || !/\d[\s)]*[-+*/^]/.test(run)) return undefined;
  return parseWhole(tokensOf(run, /\d+(?:\.\d+)?|[-+*/^()]/g), sumOf);
}

/** A token list that is read from the left. `undefined` anywhere means: not an expression. */
interface Tokens {
  readonly list: readonly string[];
  at: number;
}

function tokensOf(text: string, pattern: RegExp): Tokens | undefined {
  const list = text.match(pattern) ?? [];
  // Something between the tokens that is no token: not an expression.
  return list.join('') === text.replace(/\s+/g, '') ? { list, at: 0 } : undefined;
}

function parseWhole<T>(tokens: Tokens | undefined, rule: (tokens: Tokens) => T | undefined): T | undefined {
  if (tokens === undefined || tokens.list.length === 0) return undefined;
  const value = rule(tokens);
  return tokens.at === tokens.list.length ? value : undefined;
}

function take(tokens: Tokens, ...wanted: readonly string[]): string | undefined {
  const token = tokens.list[tokens.at];
  if (token === undefined || !wanted.includes(token)) return undefined;
  tokens.at += 1;
  return token;
}

function sumOf(tokens: Tokens): Fraction | undefined {
  let value = productOf(tokens);
  for (let sign = take(tokens, '+', '-'); sign !== undefined && value !== undefined; sign = take(tokens, '+', '-')) {
    const next = productOf(tokens);
    if (next === undefined) return undefined;
    const scaled = next.numerator * value.denominator;
    value = {
      numerator: value.numerator * next.denominator + (sign === '+' ? scaled : -scaled),
      denominator: value.denominator * next.denominator,
    };
  }
  return value;
}

function productOf(tokens: Tokens): Fraction | undefined {
  let value = signedOf(tokens);
  for (let sign = take(tokens, '*', '/'); sign !== undefined && value !== undefined; sign = take(tokens, '*', '/')) {
    const next = signedOf(tokens);
    if (next === undefined) return undefined;
    if (sign === '*') {
      value = { numerator: value.numerator * next.numerator, denominator: value.denominator * next.denominator };
    } else {
      if (next.numerator === 0n) return undefined;
      const turned = next.numerator < 0n ? -1n : 1n;
      value = {
        numerator: value.numerator * next.denominator * turned,
        denominator: value.denominator * next.numerator * turned,
      };
    }
  }
  return value;
}

/** A sign binds less tightly than a power: -2^2 is -4. */
function signedOf(tokens: Tokens): Fraction | undefined {
  if (take(tokens, '-') !== undefined) {
    const value = signedOf(tokens);
    return value && { ...value, numerator: -value.numerator };
  }
  return powerOf(tokens);
}

/** Larger exponents belong to no task and would fill the memory. */
const exponentMax = 64n;

function powerOf(tokens: Tokens): Fraction | undefined {
  const base = atomOf(tokens);
  if (base === undefined || take(tokens, '^') === undefined) return base;
  const exponent = signedOf(tokens);
  if (exponent === undefined || exponent.denominator !== 1n) return undefined;
  if (exponent.numerator < 0n || exponent.numerator > exponentMax || digitsOf(base) > 40) return undefined;
  return { numerator: base.numerator ** exponent.numerator, denominator: base.denominator ** exponent.numerator };
}

const digitsOf = ({ numerator, denominator }: Fraction): number =>
  String(numerator).length + String(denominator).length;

function atomOf(tokens: Tokens): Fraction | undefined {
  if (take(tokens, '(') !== undefined) {
    const value = sumOf(tokens);
    return take(tokens, ')') === undefined ? undefined : value;
  }
  const token = tokens.list[tokens.at];
  if (token === undefined || !/^\d/.test(token)) return undefined;
  tokens.at += 1;
  return parseNumber(token);
}

// ---- boolean -----------------------------------------------------------------------------------------------------

const booleanWords = wordSet(
  askingWords,
  'true false and or not value truth boolean logical logic expression statement evaluate evaluates evaluated compute calculate determine decide',
  'whether if does equal equals result simplify do yes no either with one reply respond write followed by',
);

/** The value of the one expression of True, False, and, or, not and brackets; precedence as in Python. */
function booleanValue(question: string): boolean | undefined {
  // "!True", "! True" and "¬True" say the opposite of what the words alone do.
  if (question.length > expressionCharsMax || /[¬~]|!\s*(?:\(|true|false|not)/i.test(question)) return undefined;
  if (!saysOnly(question, booleanWords)) return undefined;
  const word = /\(|\)|\b(?:true|false|and|or|not)\b/i;
  const runs = question.match(new RegExp(`(?:(?:${word.source})\\s*)+`, 'gi')) ?? [];
  // A lone "or" or "not" of the sentence around it is no expression.
  const expressions = runs.filter((run) => /true|false/i.test(run));
  const [run, ...others] = expressions;
  if (run === undefined || others.length > 0) return undefined;
  const trimmed = run
    .trim()
    .toLowerCase()
    .replace(/^(?:and|or)\s+/, '');
  return parseWhole(tokensOf(trimmed, /\(|\)|true|false|and|or|not/g), orOf);
}

function orOf(tokens: Tokens): boolean | undefined {
  let value = andOf(tokens);
  while (value !== undefined && take(tokens, 'or') !== undefined) {
    const next = andOf(tokens);
    value = next === undefined ? undefined : value || next;
  }
  return value;
}

function andOf(tokens: Tokens): boolean | undefined {
  let value = notOf(tokens);
  while (value !== undefined && take(tokens, 'and') !== undefined) {
    const next = notOf(tokens);
    value = next === undefined ? undefined : value && next;
  }
  return value;
}

function notOf(tokens: Tokens): boolean | undefined {
  if (take(tokens, 'not') !== undefined) {
    const value = notOf(tokens);
    return value === undefined ? undefined : !value;
  }
  if (take(tokens, '(') !== undefined) {
    const value = orOf(tokens);
    return take(tokens, ')') === undefined ? undefined : value;
  }
  const token = take(tokens, 'true', 'false');
  return token === undefined ? undefined : token === 'true';
}

// ---- counting ----------------------------------------------------------------------------------------------------

const thingsCounted = 'items? things? objects? words? entries elements? names? numbers?'.split(' ').join('|');

const countingWords = wordSet(
  askingWords,
  'how many count number do does there have has see we i in on at all total altogether contain contains list listed my shopping',
  'item items thing things object objects word words entry entries element elements name names numbers',
);

/** "I have a flute, two lamps and a cup. How many objects do I have?", as in BIG-Bench-Hard's object_counting. */
const ownedPattern = new RegExp(
  `^I (?:have|see|own|bought) (.+?)\\. How many (?:${thingsCounted}) (?:do|did) I (?:have|see|own|buy)(?: in total| in all| altogether)?\\?$`,
  'is',
);

/**
 * How many entries the one list of a question has: after a colon, or owned. Only where everything in the list is counted, so that no
 * knowledge of kinds is needed.
 */
function countedItems(question: string): Fraction | undefined {
  if (question.length > expressionCharsMax * 2) return undefined;
  const owned = ownedPattern.exec(question.trim())?.[1];
  // A second sentence may give more, or take some away.
  if (owned !== undefined) return /[.?!]\s/.test(owned) ? undefined : sumOfEntries(entriesOf(owned));
  const [head = '', list = '', ...others] = question.split(':');
  if (others.length > 0 || !saysOnly(head, countingWords)) return undefined;
  if (!new RegExp(`\\b(?:how many|count|number of)\\b.*\\b(?:${thingsCounted})\\b`, 'is').test(head)) return undefined;
  const entries = entriesOf(list.replace(/[?.!\s]+$/, ''));
  // Text that goes on after the list, or one entry of several words: what separates the entries cannot be known.
  if (entries.length === 0 || entries.some((entry) => entry === '' || /[.?!]\s/.test(entry))) return undefined;
  if (entries.length === 1 && /\s/.test(entries[0] ?? '')) return undefined;
  return whole(entries.length);
}

function entriesOf(list: string): string[] {
  return list
    .replace(/^[\s[(]+|[\s\])]+$/g, '')
    .replace(/,?\s+and\s+/gi, ', ')
    .split(/[,;]/)
    .map((entry) => entry.trim());
}

/** "A pair of shoes", "a dozen eggs", "three hundred beads": how many are meant is not said by the first word. */
const severalWords = /^\S+\s+(?:pairs?|dozens?|couples?|half|halves|few|score|hundreds?|thousands?|million)\b/i;

/** "a flute", "two lamps", "3 cups": the amounts added up. An entry without an amount, or with two ("a box of 12 pens"), makes it unknown. */
function sumOfEntries(entries: readonly string[]): Fraction | undefined {
  let sum = 0n;
  for (const entry of entries) {
    if (severalWords.test(entry)) return undefined;
    const [first = '', ...others] = entry.toLowerCase().split(/\s+/);
    if (others.some((other) => /^\d+$/.test(other) || numberWords.includes(other))) return undefined;
    const word = numberWords.indexOf(first);
    if (first === 'a' || first === 'an') sum += 1n;
    else if (word >= 0) sum += BigInt(word);
    else if (/^\d+$/.test(first)) sum += BigInt(first);
    else return undefined;
  }
  return whole(sum);
}

// ---- comparison --------------------------------------------------------------------------------------------------

const largerWords = 'larger largest greater greatest bigger biggest higher highest maximum';
const smallerWords = 'smaller smallest less lesser least lower lowest minimum';
const anyOf = (words: string): RegExp => new RegExp(`\\b(?:${words.replaceAll(' ', '|')})\\b`, 'i');

const comparisonWords = wordSet(
  askingWords,
  largerWords,
  smallerWords,
  'number numbers value values one ones two three four five or and between among than in from list pick choose select identify has',
  'true false yes no',
);

/** The number that is asked for ("which is larger, 3 or 5"), or the truth of a comparison ("is 3 larger than 5", "3 < 5"). */
function comparisonValue(question: string): Fraction | boolean | undefined {
  if (question.length > expressionCharsMax) return undefined;
  // "3/4" and "2 + 2" are other numbers than those they are written with.
  if (!saysOnly(question, comparisonWords) || otherSigns.test(question)) return undefined;
  if (/\d\s*[/*^+×÷·⋅∙]|\d\(|\d\s*-\s*\d/.test(question)) return undefined;
  const listed = question.includes(':') ? question.slice(question.indexOf(':')) : question;
  const numbers = [...listed.matchAll(numberPattern)].map((match) => parseNumber(match[0]));
  const upward = anyOf(largerWords).test(question);
  const downward = anyOf(smallerWords).test(question);
  const sign = /[\d)]\s*(<=|>=|<|>|≤|≥)\s*[-−$\d(]/.exec(question)?.[1];
  const [first, second] = numbers;
  if (first === undefined || second === undefined) return undefined;
  if (sign !== undefined) {
    if (numbers.length !== 2 || upward || downward) return undefined;
    if (sign === '<' || sign === '>') return sign === '<' ? less(first, second) : less(second, first);
    return sign === '<=' || sign === '≤' ? !less(second, first) : !less(first, second);
  }
  // Both directions at once ask for something else.
  if (upward === downward || /\bthan\b.*\bthan\b/is.test(question)) return undefined;
  if (/\bthan\b/i.test(question)) {
    if (numbers.length !== 2 || !/^\W*(?:is|are)\b/i.test(question)) return undefined;
    return upward ? less(second, first) : less(first, second);
  }
  return numbers.reduce((best, number) => ((upward ? less(best, number) : less(number, best)) ? number : best));
}
