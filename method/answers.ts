/**
 * Reading an answer: what a model concluded, in canonical form, and whether it is right.
 *
 * Owns the extraction and comparison rules per answer type, after lm-evaluation-harness 0.4.13 (tasks gsm8k, bbh/cot_fewshot and
 * bbh/cot_zeroshot). Leaves to prompts.ts how the answer is asked for, and to the stages what they do with no answer.
 *
 * Invariants
 * 1. "No answer", "malformed", "cut off" and "wrong" stay apart: a zero is never made by the parser.
 * 2. A value that comes out is canonical for its type; reading it again gives the same value.
 * 3. Pure and total: any text gives a verdict, none throws, time is linear in the text for every pattern used.
 *
 * Where this differs from the harness, and why: an answer that was cut off at max_tokens before its tag was closed is no answer (the
 * harness reads whatever number stands last: docs/decisions/0013), numbers are compared as numbers (18.00 is 18; the harness compares strings), a hyphen
 * between two digits is no minus sign ("3-4"), "1,2,3" is three numbers and not 123, the sentence after "The answer is" ends at
 * its full stop and not at the end of the line, and "The answer is not (A)" is no answer (the last letter or number of a text without a better phrase is one,
 * as there, whatever stands before it). test/golden/answers-lm-eval.json holds the harness's own verdicts beside ours.
 */
import type { AnswerSpec } from '../schemas/task';

export interface AnswerTags {
  /** What opens the final answer: `<ans>`, or plain words such as `The answer is `. */
  readonly open: string;
  /** What closes it: `</ans>`, or a full stop. */
  readonly close: string;
}

export interface ExtractionOptions extends AnswerTags {
  /** strict: only between the tags. flexible: else the phrases and last matches of lm-evaluation-harness. */
  readonly mode: 'strict' | 'flexible';
  /** The question, so that an option's text ("12/25/1937") can stand for its letter. */
  readonly question?: string;
  /** How the answer ended. `length`: it was cut off, and only a closed tag in it is believed. */
  readonly finish?: 'stop' | 'length' | 'refused';
}

export type ExtractedAnswer =
  | { readonly kind: 'tagged' | 'flexible'; readonly value: string }
  | { readonly kind: 'none' }
  | { readonly kind: 'malformed'; readonly why: string }
  | { readonly kind: 'truncated'; readonly why: string };

/** A place where the answer tag opens. Offsets are into the text that was searched. */
export interface TagMatch {
  readonly start: number;
  /** Just past the closing tag, or past the content where nothing closes it. */
  readonly end: number;
  /** The opening as it stands in the text, spaces after it included ("the answer is "). */
  readonly open: string;
  readonly content: string;
  readonly closed: boolean;
}

/**
 * Whether the closing tag can stop generation: it holds a letter or digit, so it does not occur by chance. A full stop would end
 * the rationale at its first sentence.
 */
export function closeIsUnmistakable(close: string): boolean {
  return /[\p{L}\p{N}]/u.test(close);
}

/** Text up to where a model goes on to invent the next question. The harness stops at "Question:" and "Q:". */
export function cutAtNextQuestion(text: string): string {
  const next = /\n[ \t]*(?:Question|Q):/.exec(text);
  return next === null ? text : text.slice(0, next.index);
}

/** All places where the answer tag opens, in order. Letters match in either case: "so the answer is" opens "The answer is". */
export function findTags(text: string, tags: AnswerTags): TagMatch[] {
  const open = tags.open.trim();
  const words = open.split(/\s+/).map(escapePattern).join('\\s+');
  // "The answer isn't" opens nothing.
  const boundary = /[\p{L}\p{N}]$/u.test(open) ? "(?![\\p{L}\\p{N}'’])" : '';
  const opening = new RegExp(`${words}${boundary}[ \\t]*`, 'giu');
  const starts = [...text.matchAll(opening)];
  return starts.map((match, index) => {
    const from = match.index + match[0].length;
    const to = starts[index + 1]?.index ?? text.length;
    const closing = findClose(text.slice(from, to), tags.close);
    return {
      start: match.index,
      end: from + (closing === null ? to - from : closing.end),
      open: match[0],
      content: text.slice(from, closing === null ? to : from + closing.start).trim(),
      closed: closing !== null,
    };
  });
}

function findClose(text: string, close: string): { start: number; end: number } | null {
  const mark = close.trim();
  if (closeIsUnmistakable(close) || mark.length > 1) {
    // Not in the lower-cased text: a letter may be longer there ("İ"), and all places behind it are others.
    const found = new RegExp(escapePattern(mark), 'iu').exec(text);
    return found === null ? null : { start: found.index, end: found.index + found[0].length };
  }
  // A mark such as "." closes where a sentence ends, not inside 3.5; so does the end of the line.
  const sentenceEnd = new RegExp(mark === '' ? '\\n' : `${escapePattern(mark)}(?=[\\s"')*]|$)|\\n`, 'u').exec(text);
  return sentenceEnd === null
    ? null
    : { start: sentenceEnd.index, end: sentenceEnd.index + sentenceEnd[0].trimEnd().length };
}

/**
 * The answer that a text concludes with. Of several tags the first that can be read counts, because generation stops at the first.
 * A text that was cut off has concluded nothing unless a closed tag stands in it: what stands last is then a step on the way ("63 is 2").
 * A model that went on to a question of its own had finished with ours: what was cut off there is not our answer.
 * Source: the paper's answer tags; lm-evaluation-harness for the flexible rules.
 */
export function extractAnswer(text: string, answer: AnswerSpec, options: ExtractionOptions): ExtractedAnswer {
  const own = cutAtNextQuestion(text);
  const cutOff = options.finish === 'length' && own.length === text.length;
  let malformed: string | null = null;
  for (const tag of findTags(own, options)) {
    if (tag.content === '') {
      malformed ??= 'the answer tag is empty';
    } else if (cutOff && !surelyClosed(tag, own, options)) {
      malformed ??= 'the text was cut off inside the answer tag';
    } else if (!tag.closed && tag.content.includes('\n')) {
      malformed ??= 'the answer tag is never closed';
    } else {
      const value = canonicalAnswer(tag.content, answer, options.question);
      if (value !== null) return { kind: 'tagged', value };
      malformed ??= `"${shorten(tag.content)}" is no answer of type ${describeSpec(answer)}`;
    }
  }
  if (cutOff) return { kind: 'truncated', why: malformed ?? 'the text was cut off before an answer' };
  if (options.mode === 'flexible') {
    const value = flexibleAnswer(own, answer, options.question);
    if (value !== null) return { kind: 'flexible', value };
  }
  return malformed === null ? { kind: 'none' } : { kind: 'malformed', why: malformed };
}

/** Whether a tag's end is its own in a text that was cut off: "The answer is 3." may have been about to say 3.5. */
export function surelyClosed(tag: TagMatch, text: string, { close }: Pick<AnswerTags, 'close'>): boolean {
  if (!tag.closed) return false;
  return closeIsUnmistakable(close) || tag.end < text.trimEnd().length || !/\d$/.test(tag.content);
}

/** Whether an extracted value is the target, by the rules of the answer type. */
export function isCorrect(value: string, target: string, answer: AnswerSpec, question?: string): boolean {
  const wanted = canonicalAnswer(target, answer, question) ?? target.trim();
  const given = canonicalAnswer(value, answer, question) ?? value.trim();
  return answer.type === 'text' ? normalizeText(given) === normalizeText(wanted) : given === wanted;
}

/**
 * The canonical form of an answer, or null when the text is none of this type: True, Yes, (B), 1000, the trimmed text.
 * Takes what people and models write around it: quotes, bold, $ and units, a final full stop, the option's text.
 */
export function canonicalAnswer(text: string, answer: AnswerSpec, question?: string): string | null {
  const content = unwrap(text);
  if (content === '') return null;
  switch (answer.type) {
    case 'boolean':
    case 'yes-no':
      return readLabel(content, labelsOf(answer));
    case 'choice':
      return readChoice(content, answer, question);
    case 'number':
      return readNumber(content);
    case 'text':
      return stripFinalDot(content);
    case 'exact':
      return text.trim();
  }
}

/** The closed set of answers of a task: its own labels, or those that the type implies. Empty for open types. */
export function labelsOf(answer: AnswerSpec): readonly string[] {
  if (answer.labels.length > 0) return answer.labels;
  if (answer.type === 'boolean') return ['True', 'False'];
  if (answer.type === 'yes-no') return ['Yes', 'No'];
  return [];
}

export interface Option {
  readonly label: string;
  readonly text: string;
}

/** Options listed in a question, BIG-Bench-Hard's way: "(A) text", a line each or one behind the other, or "- text" under "Options:". */
export function optionsOf(question: string): readonly Option[] {
  const lettered = letteredOptions(question);
  if (lettered.length > 1) return lettered;
  const list = /Options:[ \t]*\n((?:[ \t]*-[^\n]*\n?)+)/.exec(question)?.[1] ?? '';
  return list
    .split('\n')
    .map((line) => line.replace(/^\s*-\s*/, '').trim())
    .filter((text) => text !== '')
    .map((text) => ({ label: text, text }));
}

/**
 * A letter that begins a line is an option's. One within a line is where it is the next in turn, begins no line and has a text: "(B)" of "(A) 3 (B) 5", and
 * not "(C)" of "(A) 20 degrees (C)". A text goes to the end of its line or to the next option.
 */
function letteredOptions(question: string): Option[] {
  const marks = [...question.matchAll(/(?:^|\n)[ \t]*\(([A-Z])\)|\s\(([A-Z])\)/g)].map((match) => ({
    letter: match[1] ?? match[2] ?? '',
    beginsLine: match[1] !== undefined,
    from: match.index,
    to: match.index + match[0].length,
  }));
  const textBetween = (from: number, to: number | undefined): string =>
    (question.slice(from, to).split('\n', 1)[0] ?? '').trim().replace(/(?<![,;])[,;]+$/, '');
  const begun = new Set(marks.filter(({ beginsLine }) => beginsLine).map(({ letter }) => letter));
  const options: typeof marks = [];
  for (const [at, mark] of marks.entries()) {
    const last = options.at(-1)?.letter;
    const next = last === undefined ? 'A' : String.fromCharCode(last.charCodeAt(0) + 1);
    const hasText = textBetween(mark.to, marks[at + 1]?.from) !== '';
    if (mark.beginsLine || (mark.letter === next && !begun.has(mark.letter) && hasText)) options.push(mark);
  }
  return options.map(({ letter, to }, at) => ({ label: `(${letter})`, text: textBetween(to, options[at + 1]?.from) }));
}

// ---- flexible: lm-evaluation-harness ----------------------------------------------------------------------------------

/** `#### x` (GSM8K) and the phrases of bbh/cot_zeroshot, each with its sentence: the next one may stand on the same line. */
const conclusionPattern = /(?:####|\bthe (?:final )?answer(?: is\b:?|:))[ \t]*([^\n]*?)(?:\.(?=[^\S\n])|$)/gimu;

function flexibleAnswer(text: string, answer: AnswerSpec, question: string | undefined): string | null {
  for (const match of text.matchAll(conclusionPattern)) {
    const value = canonicalAnswer(match[1] ?? '', answer, question);
    if (value !== null) return value;
  }
  switch (answer.type) {
    case 'boolean':
      // The harness is case-sensitive here: "it is not true that" concludes nothing.
      return lastLabel(text, labelsOf(answer));
    case 'yes-no':
      return lastLabel(
        text,
        [...labelsOf(answer), ...labelsOf(answer).map((label) => label.toLowerCase())],
        labelsOf(answer),
      );
    case 'choice':
      return lastChoice(text, answer, question);
    case 'number':
      return lastNumber(text);
    case 'text':
    case 'exact':
      return null;
  }
}

function lastLabel(
  text: string,
  spellings: readonly string[],
  canonical: readonly string[] = spellings,
): string | null {
  const found = [...text.matchAll(wordsPattern(spellings, 'gu'))].at(-1)?.[0];
  if (found === undefined) return null;
  return canonical.find((label) => label === found) ?? canonical.find((label) => sameWord(label, found)) ?? null;
}

/** bbh `(\([A-Z]\))`, last; else the last option text; else `:\s*([A-E])`. */
function lastChoice(text: string, answer: AnswerSpec, question: string | undefined): string | null {
  const labels = choiceLabels(answer, question);
  if (!areLetters(labels)) {
    const named = lastLabel(text, labels) ?? lastLabel(text.toLowerCase(), labels.map(lower), labels);
    if (named !== null || !labels.some(isLetter)) return named;
  }
  // "(H)" behind "hydrogen" is no option where there are four.
  const parenthesised = [...text.matchAll(/\(([A-Z])\)/g)].flatMap((match) => asLabel(match[1] ?? '', labels) ?? []);
  const last = parenthesised.at(-1);
  if (last !== undefined) return last;
  const names = question === undefined ? [] : optionNames(optionsOf(question));
  const pattern = wordsPattern(
    names.map(({ text: name }) => name),
    'giu',
  );
  const byText = [...text.matchAll(pattern)].at(-1)?.[0];
  const named = byText === undefined ? undefined : names.find(({ text: name }) => sameWord(name, byText));
  if (named !== undefined) return asLabel(letterOf(named.label), labels);
  const afterColon = [...text.matchAll(/:\s*([A-Z])(?![\p{L}\p{N}])/gu)].at(-1)?.[1];
  return afterColon === undefined ? null : asLabel(afterColon, labels);
}

// ---- labels and choices ----------------------------------------------------------------------------------------------

/** The one label that a text names. `meant`: what several labels stand for, where they do. */
function readLabel(
  content: string,
  labels: readonly string[],
  meant: (label: string) => string = (label) => label,
): string | null {
  const whole = labels.find((label) => sameWord(label, stripFinalDot(content)));
  if (whole !== undefined) return meant(whole);
  const found = new Set<string>();
  for (const match of content.matchAll(wordsPattern(labels, 'giu'))) {
    // "not True" says something else than the label it holds.
    if (endsInDenial(content.slice(0, match.index))) return null;
    const label = labels.find((candidate) => sameWord(candidate, match[0]));
    if (label !== undefined) found.add(meant(label));
  }
  return found.size === 1 ? ([...found][0] ?? null) : null;
}

/** Looks at the last word alone: one look at all that stands before, for every label, is quadratic. */
function endsInDenial(text: string): boolean {
  const words = text.trimEnd();
  return words.length < text.length && /(?:\bnot|n['’]t)$/iu.test(words.slice(-4));
}

function choiceLabels(answer: AnswerSpec, question: string | undefined): readonly string[] {
  if (answer.labels.length > 0) return answer.labels;
  return question === undefined ? [] : optionsOf(question).map(({ label }) => label);
}

/** An empty set means: any letter. */
function areLetters(labels: readonly string[]): boolean {
  return labels.every(isLetter);
}

function isLetter(label: string): boolean {
  return /^\(?[A-Za-z]\)?$/.test(label);
}

function letterOf(label: string): string {
  return label.replace(/[()]/g, '').toUpperCase();
}

function asLabel(letter: string, labels: readonly string[]): string | null {
  if (labels.length === 0) return `(${letter.toUpperCase()})`;
  return labels.find((label) => letterOf(label) === letter.toUpperCase()) ?? null;
}

/** A letter in brackets that is not denied: "not (A)" and "not option (A)" say something else than the letter they hold. */
const givenLetter = /\(([a-z])\)(?<!(?:\bnot|n['’]t)\s+(?:(?:option|choice|answer)\s+)?\([a-z]\))/gi;

function readChoice(content: string, answer: AnswerSpec, question: string | undefined): string | null {
  const labels = choiceLabels(answer, question);
  if (!areLetters(labels)) {
    const named = readLabel(content, labels);
    // Letters with something else among them, as two files of BIG-Bench-Hard have it ("Monsters, Inc"): a letter is read as where all are letters.
    if (named !== null || !labels.some(isLetter)) return named;
  }
  const names = question === undefined ? [] : optionNames(optionsOf(question));
  // All of an option first: what it has in brackets may look like the letter of another one ("20 degrees (C)").
  const exact = /^\(?[A-Za-z]\)?[.:,]?$/.test(content)
    ? undefined
    : names.find(({ label, text }) =>
        [text, `${label} ${text}`].some((name) => normalizeText(name) === normalizeText(content)),
      );
  if (exact !== undefined) return asLabel(letterOf(exact.label), labels);
  const letters = [...content.matchAll(givenLetter)].map((match) => (match[1] ?? '').toUpperCase());
  const parenthesised = new Set(letters.filter((letter) => asLabel(letter, labels) !== null));
  const startsWithOther = content.startsWith('(') && letters[0] !== undefined && !parenthesised.has(letters[0]);
  if (parenthesised.size > 1 || startsWithOther) return null;
  const alone =
    [...parenthesised][0] ??
    /^([A-Za-z])[).:,]?$/.exec(content)?.[1] ??
    // "B. 12/25" and "B) 12/25" start with their letter, "A falcon" does not.
    /^([A-Z])[).:]\s/.exec(content)?.[1] ??
    /\b(?<!(?:\b[Nn]ot|n['’]t)\s+)(?:option|choice|answer)\s+([A-Z])\b/.exec(content)?.[1];
  if (alone !== undefined) return asLabel(alone, labels);
  const byText = readLabel(
    content,
    names.map(({ text }) => text),
    (name) => names.find(({ text }) => text === name)?.label ?? name,
  );
  return byText === null ? null : asLabel(letterOf(byText), labels);
}

/**
 * What options may be called by: their texts, and what stands before the brackets of one ("Paris" of "Paris (France)") where no other begins so:
 * "20 N (to the left)" and "20 N (to the right)" are told apart by all of it only.
 */
function optionNames(options: readonly Option[]): Option[] {
  const beginnings = options.map(({ label, text }) => ({ label, text: (text.split('(')[0] ?? '').trim() }));
  const counts = new Map<string, number>();
  for (const { text } of beginnings) counts.set(normalizeText(text), (counts.get(normalizeText(text)) ?? 0) + 1);
  const short = beginnings.filter(({ text }) => counts.get(normalizeText(text)) === 1);
  return [...options, ...short].filter(({ text }) => text !== '');
}

// ---- numbers ---------------------------------------------------------------------------------------------------------

/** 1,000 and 1000.5 and .5; a minus counts as a sign where no digit or letter stands right before it, or after a $. */
const numberPattern =
  /(?:(?<![\p{L}\p{N}])[-−])?(?:\$[-−]?)?(?:(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|(?<![\d.])\.\d+)/gu;

/** Canonical decimal: no $ and no commas, no leading zeros, no trailing zeros after the point; -0 is 0. Any size, no rounding. */
function canonicalNumber(text: string): string | null {
  const plain = text.replace(/[$,]/g, '').replace(/−/g, '-');
  const parts = /^(-?)(\d*)(?:\.(\d*))?$/.exec(plain);
  if (parts === null || !/\d/.test(plain)) return null;
  const whole = (parts[2] ?? '').replace(/^0+(?=\d)/, '') || '0';
  const decimals = (parts[3] ?? '').replace(/(?<!0)0+$/, '');
  const size = decimals === '' ? whole : `${whole}.${decimals}`;
  return parts[1] === '-' && size !== '0' ? `-${size}` : size;
}

/** A number with whatever unit stands around it, the result of an equation, or a number in words; null where it is not clear which. */
function readNumber(content: string): string | null {
  const result = content.slice(content.lastIndexOf('=') + 1);
  const found = result.match(numberPattern) ?? [];
  const first = found[0];
  if (first === undefined) {
    const words = numberWords(result);
    return words.length === 1 ? (words[0] ?? null) : null;
  }
  // "not 7" says something else than the number it holds.
  if (/(?:\bnot|n['’]t)\s+$/iu.test(result.slice(0, result.indexOf(first)))) return null;
  // "42 of 50" gives its first number, as the harness's strict pattern does; "between 3 and 4" gives none.
  return found.length === 1 || result.trimStart().startsWith(first) ? canonicalNumber(first) : null;
}

/** GSM8K flexible-extract: the last number; bbh falls back on English number words. */
function lastNumber(text: string): string | null {
  const last = text.match(numberPattern)?.at(-1);
  if (last !== undefined) return canonicalNumber(last);
  return numberWords(text).at(-1) ?? null;
}

const units =
  'zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen'.split(
    ' ',
  );
const tens = 'twenty thirty forty fifty sixty seventy eighty ninety'.split(' ');
const numberWordPattern = new RegExp(
  `\\b(?:${[...units, ...tens, 'hundred', 'thousand', 'million'].join('|')})\\b`,
  'giu',
);

/** Runs of English number words ("twenty-one", "two hundred and five") as canonical numbers, in order. */
function numberWords(text: string): string[] {
  const numbers: string[] = [];
  let run: string[] = [];
  let runEnd = -1;
  const finish = (): void => {
    if (run.length > 0) numbers.push(String(valueOfWords(run)));
    run = [];
  };
  for (const match of text.matchAll(numberWordPattern)) {
    if (!/^(?:[ \t]+|-|[ \t]+and[ \t]+)$/iu.test(text.slice(Math.max(runEnd, 0), match.index))) finish();
    run.push(match[0].toLowerCase());
    runEnd = match.index + match[0].length;
  }
  finish();
  return numbers;
}

function valueOfWords(words: readonly string[]): number {
  let total = 0;
  let current = 0;
  for (const word of words) {
    if (word === 'hundred') current = Math.max(current, 1) * 100;
    else if (word === 'thousand' || word === 'million') {
      total += Math.max(current, 1) * (word === 'thousand' ? 1_000 : 1_000_000);
      current = 0;
    } else current += units.includes(word) ? units.indexOf(word) : (tens.indexOf(word) + 2) * 10;
  }
  return total + current;
}

// ---- text ------------------------------------------------------------------------------------------------------------

/** bbh/cot_zeroshot compares without case, commas, quotes, backslashes, line ends and a final full stop; runs of spaces are one. */
function normalizeText(text: string): string {
  return stripFinalDot(
    text
      .replace(/[,"\\]/g, '')
      .replace(/\s+/g, ' ')
      .trim(),
  ).toLowerCase();
}

function stripFinalDot(text: string): string {
  return text.replace(/\.$/, '').trimEnd();
}

/** Without the quotes, bold and code marks, dollar-math and \boxed{} that models like to put around an answer. */
function unwrap(text: string): string {
  let content = text.trim();
  for (;;) {
    const inner =
      /^(\*\*|\*|__|`+|"|'|“|\$)([^*_`"'“”$]+)(?:\1|”)\.?$/u.exec(content)?.[2] ??
      /^\\?boxed\{([^{}]*)\}\.?$/u.exec(content)?.[1];
    if (inner === undefined) return content;
    content = inner.trim();
  }
}

function describeSpec(answer: AnswerSpec): string {
  const labels = labelsOf(answer);
  return labels.length > 0 && labels.length <= 8 ? `${answer.type} (${labels.join(', ')})` : answer.type;
}

/** Characters of a model's text that a message quotes. */
const quotedCharsMax = 40;

function shorten(text: string): string {
  const line = text.replace(/\s+/g, ' ');
  return line.length <= quotedCharsMax ? line : `${line.slice(0, quotedCharsMax)}…`;
}

function lower(text: string): string {
  return text.toLowerCase();
}

function sameWord(left: string, right: string): boolean {
  return left.toLowerCase() === right.toLowerCase();
}

/** Whole words, the longest first, so that "plausible" does not shadow "not plausible". Matches nothing for an empty set. */
function wordsPattern(words: readonly string[], flags: string): RegExp {
  const longestFirst = [...words].sort((left, right) => right.length - left.length).map(escapePattern);
  if (longestFirst.length === 0) return new RegExp('(?!)', flags);
  return new RegExp(`(?<![\\p{L}\\p{N}])(?:${longestFirst.join('|')})(?![\\p{L}\\p{N}])`, flags);
}

function escapePattern(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}
