/**
 * Endpoints that answer by rule, without a model: for planted preferences, faults, and loops that must take seconds.
 *
 * Owns the scripts, their options and what they say. They pass the same conformance suite as real endpoints and can be named in a
 * run config (`endpoint: {kind: scripted, script: NAME, options: {…}}`). Leaves the wording of prompts to method/prompts.ts: a
 * script reads what any wording of ours holds ("Question:", "Answer:", the reminder's answer form), nothing more.
 *
 * Invariants:
 * 1. The same request gets the same answer, on every machine; with temperature 0 whatever its seed.
 * 2. A given text is as probable as the script is likely to say it: a student with a preference finds right answers and rationales of the kind it
 *    prefers more probable, word by word; the others draw a probability for each word.
 * 3. Tokens are words: usage, maxTokens and the stop words are honoured as a server does.
 */
import { createHash } from 'node:crypto';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import type { GivenText, ModelAnswer, ModelRequest } from '../../schemas/rows';
import { CallFailure, type CallFailureCause, type Capabilities, type ModelEndpoint } from './model';
import { onAbort } from './shared-aborts';

export type ScriptOptions = { readonly [name: string]: string | number | boolean };

interface OptionDoc {
  /** Also says of which type the option is. '' of a tag means: as the prompt's own reminder says. */
  readonly default: string | number | boolean;
  readonly describe: string;
}

export interface ScriptDoc {
  readonly summary: string;
  readonly options: { readonly [name: string]: OptionDoc };
}

/** What a script is given: the prompt as one text, numbers in [0, 1) that follow from the request, and its options. */
interface ScriptCall {
  readonly prompt: string;
  readonly request: ModelRequest;
  readonly options: ScriptOptions;
  /** A number that follows from the request and the purpose, and from nothing else. */
  readonly draw: (purpose: string) => number;
}

type Script = (call: ScriptCall) => string;

const commonOptions = {
  latency_ms: { default: 0, describe: 'Every answer takes this long.' },
  max_in_flight: { default: 256, describe: 'Ceiling of the calls in flight.' },
} as const;

const tagOptions = {
  answer_open: {
    default: '',
    describe: 'What opens the final answer. Left out: as the reminder in the prompt says, else <ans>.',
  },
  answer_close: { default: '', describe: 'What closes it.' },
} as const;

/** Every script there is, with what it does and what can be set. */
export const scriptedScripts = {
  echo: {
    summary: 'Says the same text to everything.',
    options: { ...commonOptions, text: { default: 'This text is said to every prompt.', describe: 'What it says.' } },
  },
  'prefers-short': {
    summary:
      'A student with a planted preference. Asked which of two integers is larger, it is right more often when the demonstrations in its prompt have short rationales.',
    options: {
      ...commonOptions,
      ...tagOptions,
      max_words: {
        default: 15,
        describe: 'A rationale of at most so many words, its answer tag not counted, is short.',
      },
      invert: { default: false, describe: 'Prefer long rationales instead.' },
      p_with: { default: 0.9, describe: 'Share of right answers after demonstrations it prefers.' },
      p_without: { default: 0.2, describe: 'Share of right answers after others, or after none.' },
      tag_rate: { default: 1, describe: 'Share of answers that end in the answer tag.' },
    },
  },
  teacher: {
    summary:
      'A teacher of the built-in family larger-number: writes questions in the format it is asked for, and rationales of which some are short and some are long.',
    options: {
      ...commonOptions,
      ...tagOptions,
      p_short: {
        default: 0.5,
        describe: 'Share of rationales of at most ten words; the others have more than twenty.',
      },
      p_right: { default: 1, describe: 'Share of targets and conclusions that are right.' },
      p_malformed: { default: 0, describe: 'Share of question answers that hold no question.' },
      varied: {
        default: false,
        describe: 'Four words with a number that means nothing begin each rationale, so that hardly two are the same.',
      },
      numbers_up_to: { default: 99, describe: 'The largest number in a question: how many different ones there are.' },
      tag_rate: { default: 1, describe: 'Share of rationales that end in the answer tag.' },
    },
  },
  faulty: {
    summary:
      'Another script behind a bad network: some calls fail, by seeded chance. A call that is tried again has a new chance.',
    options: {
      ...commonOptions,
      script: { default: 'echo', describe: 'The script behind it; its own options are given here too.' },
      fault_seed: { default: 0, describe: 'Another seed, other calls that fail.' },
      rate_429: { default: 0, describe: 'Share of calls refused as too many.' },
      retry_after_ms: { default: 0, describe: 'What a 429 says about coming back; 0 = nothing.' },
      rate_500: { default: 0, describe: 'Share of calls that end as a server error.' },
      rate_reset: { default: 0, describe: 'Share of calls whose connection breaks.' },
      rate_timeout: { default: 0, describe: 'Share of calls that time out.' },
      rate_garbage: { default: 0, describe: 'Share of calls answered with something that is no answer.' },
      rate_malformed: { default: 0, describe: 'Share of calls answered with words that mean nothing.' },
      rate_refused: { default: 0, describe: 'Share of calls that a content filter refuses.' },
      fail_with: { default: '', describe: 'Every call fails with this cause (unauthorized, out-of-money, …).' },
    },
  },
} as const satisfies Record<string, ScriptDoc>;

export type ScriptName = keyof typeof scriptedScripts;

const scripts: Record<Exclude<ScriptName, 'faulty'>, Script> = { echo, 'prefers-short': prefersShort, teacher };

const capabilities: Capabilities = {
  n: true,
  promptLogprobs: true,
  structured: true,
  seed: true,
  perRequestSampling: true,
  completion: true,
  extendedSampling: true,
};

/** Calls in flight to begin with. */
const startInFlight = 16;

/**
 * An endpoint that answers by a script of `scriptedScripts`.
 * Errors: InvalidConfig for a script or an option that does not exist or has the wrong type, with those that do.
 */
export function createScriptedEndpoint(script: string, options: ScriptOptions = {}): ModelEndpoint {
  const name = scriptName(script);
  if (name === 'faulty') {
    return faultyEndpoint(options);
  }
  const settled = settle(name, scriptedScripts[name].options, options);
  const answerBy = scripts[name];
  return {
    id: `scripted/${name}`,
    capabilities,
    concurrency: concurrencyOf(settled),
    async complete(request, signal) {
      await pass(Number(settled.latency_ms), signal);
      const prompt = textOf(request);
      if (request.given !== undefined) {
        return scored(name, prompt, request.given, settled);
      }
      const answer = (index: number): ModelAnswer => {
        const identity = identityOf(request, prompt, index);
        const draw = (purpose: string): number => uniform(`${purpose}\u0000${identity}`);
        const text =
          request.jsonSchema !== undefined && name !== 'teacher'
            ? JSON.stringify(instanceOf(request.jsonSchema, draw, ''))
            : answerBy({ prompt, request, options: settled, draw });
        return asServed(text, prompt, request);
      };
      return together(Array.from({ length: request.answers ?? 1 }, (_, index) => answer(index)));
    },
  };
}

// ---- the scripts -------------------------------------------------------------------------------------------------

/** Log-probabilities and ranks of a given text. */
function scored(name: ScriptName, prompt: string, { lead, text }: GivenText, options: ScriptOptions): ModelAnswer {
  const words = wordsOf(text);
  const likely = name === 'prefers-short' ? likelihood(prompt, `${lead}${text}`, options) : 0.5;
  const tokens = words.map((word, at) => {
    // Some noise, so that no two texts are the same.
    const draw = uniform(`given\u0000${String(at)}\u0000${word}\u0000${prompt}`);
    const probability = Math.min(0.99, likely * (0.6 + 0.4 * draw));
    return { logprob: Math.log(probability), rank: Math.max(1, Math.round(1 / probability)) };
  });
  const inputTokens = wordsOf(prompt).length + wordsOf(lead).length + words.length;
  return { text: '', finish: 'stop', tokens, usage: { inputTokens, cachedInputTokens: 0, outputTokens: 0 } };
}

/** How likely prefers-short is to say a text: an answer after demonstrations by its preference, a rationale by its own length. */
function likelihood(prompt: string, text: string, options: ScriptOptions): number {
  const { open, close } = tagsOf(prompt, options);
  const { question, demonstrations } = readPrompt(prompt);
  const likes = (rationale: string): boolean =>
    rationaleWords(rationale, { open, close }) <= Number(options.max_words) !== (options.invert === true);
  const [p, q] = [Number(options.p_with), Number(options.p_without)];
  if (demonstrations.length === 0) return likes(text) ? p : q;
  const share = demonstrations.filter(likes).length / demonstrations.length;
  const right = share * p + (1 - share) * q;
  return text.includes(String(numbersIn(question)?.answer)) ? right : 1 - right;
}

function echo({ options }: ScriptCall): string {
  return String(options.text);
}

function prefersShort({ prompt, options, draw }: ScriptCall): string {
  const { open, close } = tagsOf(prompt, options);
  const { question, demonstrations } = readPrompt(prompt);
  const asked = numbersIn(question);
  if (asked === undefined) {
    return 'I cannot tell what is asked.';
  }
  const preferred = demonstrations.filter(
    (rationale) =>
      rationaleWords(rationale, { open, close }) <= Number(options.max_words) !== (options.invert === true),
  );
  const share = demonstrations.length === 0 ? 0 : preferred.length / demonstrations.length;
  const right = draw('right') < share * Number(options.p_with) + (1 - share) * Number(options.p_without);
  const said = right ? asked.answer : asked.other;
  const lead = ` ${String(said)} is the ${asked.word} number.`;
  return draw('tag') < Number(options.tag_rate) ? `${lead} ${open}${String(said)}${close}` : lead;
}

/**
 * Words of a rationale, without "Let's think step by step." in front and the answer tag at its end: the ruler of the planted preference.
 */
export function rationaleWords(rationale: string, { open, close }: { open: string; close: string }): number {
  const withoutLead = rationale.replace(/^\s*let['’]s think step by step\.?/i, '');
  const at = withoutLead.toLowerCase().lastIndexOf(open.trim().toLowerCase());
  const end = at === -1 ? -1 : withoutLead.indexOf(close.trim(), at + open.trim().length);
  const body =
    at === -1
      ? withoutLead
      : withoutLead.slice(0, at) + (end === -1 ? '' : withoutLead.slice(end + close.trim().length));
  return wordsOf(body).length;
}

function teacher(call: ScriptCall): string {
  // A prompt for a rationale ends where the answer begins; one for questions does not.
  const last = call.prompt.trimEnd().split('\n').at(-1) ?? '';
  return call.request.jsonSchema === undefined && /^\s*(answer|a):/i.test(last)
    ? teacherRationale(call)
    : teacherQuestions(call);
}

const largerWordings: readonly ((first: number, second: number) => string)[] = [
  (first, second) => `Which number is larger, ${String(first)} or ${String(second)}?`,
  (first, second) => `Which of these two numbers is larger: ${String(first)} or ${String(second)}?`,
  (first, second) => `Which is the larger number, ${String(first)} or ${String(second)}?`,
];

function teacherQuestions({ prompt, request, options, draw }: ScriptCall): string {
  if (draw('malformed') < Number(options.p_malformed)) {
    return request.jsonSchema === undefined ? 'I would rather talk about the weather.' : '{}';
  }
  const item = (index: number): { question: string; target: string } => {
    const largest = Number(options.numbers_up_to);
    const first = 1 + Math.floor(draw(`first ${String(index)}`) * largest);
    const other = 1 + Math.floor(draw(`second ${String(index)}`) * (largest - 1));
    const second = other < first ? other : other + 1;
    const wording = largerWordings[Math.floor(draw(`wording ${String(index)}`) * largerWordings.length)];
    const right = draw(`right ${String(index)}`) < Number(options.p_right);
    return {
      question: wording?.(first, second) ?? '',
      target: String(right ? Math.max(first, second) : Math.min(first, second)),
    };
  };
  if (request.jsonSchema !== undefined) {
    return JSON.stringify(instanceOf(request.jsonSchema, draw, '', item));
  }
  const count = Number(/write (\d+) more questions/i.exec(prompt)?.[1] ?? (/write one more/i.test(prompt) ? 1 : 5));
  const items = Array.from({ length: count }, (_, index) => item(index));
  if (!/<question>/i.test(prompt)) {
    return items.map((each) => JSON.stringify(each)).join('\n');
  }
  const text = items
    .map(({ question, target }) => `<question>${question}</question>\n<target>${target}</target>`)
    .join('\n\n');
  // A raw prompt that ends in the opening tag has said it already.
  return prompt.trimEnd().endsWith('<question>') ? text.slice('<question>'.length) : text;
}

function teacherRationale({ prompt, options, draw }: ScriptCall): string {
  const { open, close } = tagsOf(prompt, options);
  const { question } = readPrompt(prompt);
  const asked = numbersIn(question);
  if (asked === undefined) {
    return ' I cannot tell what is asked.';
  }
  const right = draw('right') < Number(options.p_right);
  const said = right ? asked.answer : asked.other;
  const against = right ? asked.other : asked.answer;
  const opening =
    options.varied === true ? ` Rationale ${String(Math.floor(draw('varied') * 1_000_000))} goes so:` : '';
  const lead =
    opening +
    (draw('short') < Number(options.p_short)
      ? ` ${String(said)} is ${asked.word} than ${String(against)}.`
      : ` Both numbers are on the number line, so I look where each of them stands. I begin with ${String(against)} and walk on until I come to ${String(said)}, which tells me that ${String(said)} is ${asked.word} than ${String(against)}.`);
  return draw('tag') < Number(options.tag_rate) ? `${lead} ${open}${String(said)}${close}` : lead;
}

// ---- faults ------------------------------------------------------------------------------------------------------

type Fault = CallFailureCause | 'malformed' | 'refused' | undefined;

function faultyEndpoint(options: ScriptOptions): ModelEndpoint {
  const own = scriptedScripts.faulty.options;
  const mine: Record<string, string | number | boolean> = {};
  const inner: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(options)) {
    (name in own ? mine : inner)[name] = value;
  }
  const settled = settle('faulty', own, mine);
  if (settled.script === 'faulty') {
    throw invalid(
      'faulty cannot stand behind itself.',
      `Name one of ${Object.keys(scripts).join(', ')} as its script.`,
    );
  }
  const endpoint = createScriptedEndpoint(String(settled.script), inner);
  const { retry_after_ms: retryAfterMs, fail_with: failWith, fault_seed: seed } = settled;
  const rates: readonly (readonly [Exclude<Fault, undefined>, number])[] = [
    [Number(retryAfterMs) > 0 ? 'rate-limited' : 'overloaded', Number(settled.rate_429)],
    ['server-error', Number(settled.rate_500)],
    ['reset', Number(settled.rate_reset)],
    ['timeout', Number(settled.rate_timeout)],
    ['garbage', Number(settled.rate_garbage)],
    ['malformed', Number(settled.rate_malformed)],
    ['refused', Number(settled.rate_refused)],
  ];
  // Tries of a request that has not succeeded yet: as many entries as there are such requests.
  const tries = new Map<string, number>();

  const faultOf = (identity: string): Fault => {
    if (failWith !== '') {
      return failWith as CallFailureCause;
    }
    const attempt = tries.get(identity) ?? 0;
    tries.set(identity, attempt + 1);
    let left = uniform(`${String(seed)}\u0000${String(attempt)}\u0000${identity}`);
    for (const [fault, rate] of rates) {
      if (left < rate) {
        return fault;
      }
      left -= rate;
    }
    return undefined;
  };
  return {
    ...endpoint,
    id: `scripted/faulty/${String(settled.script)}`,
    concurrency: concurrencyOf(settled),
    async complete(request, signal) {
      await pass(Number(settled.latency_ms), signal);
      const prompt = textOf(request);
      const identity = createHash('sha256').update(identityOf(request, prompt)).digest('base64');
      const fault = faultOf(identity);
      if (fault !== undefined && fault !== 'malformed' && fault !== 'refused') {
        const told = fault === 'rate-limited' ? Number(retryAfterMs) : undefined;
        throw new CallFailure(fault, `scripted/faulty: a planted fault (${fault})`, told);
      }
      tries.delete(identity);
      if (fault === 'refused') {
        return { ...asServed('', prompt, request), finish: 'refused' };
      }
      return fault === 'malformed' ? asServed('mumble mumble', prompt, request) : endpoint.complete(request, signal);
    },
  };
}

// ---- reading prompts ---------------------------------------------------------------------------------------------

function textOf({ prompt }: ModelRequest): string {
  return prompt.kind === 'chat' ? prompt.messages.map((message) => message.content).join('\n\n') : prompt.text;
}

/** What an answer may depend on: greedy sampling looks neither at its seed nor at which of several answers it is. */
function identityOf({ sampling }: ModelRequest, prompt: string, index = 0): string {
  if (sampling.temperature === 0) {
    return prompt;
  }
  return `${prompt}\u0000${String(sampling.seed)}${index === 0 ? '' : `\u0000${String(index)}`}`;
}

/** Answers of one call: the prompt counts once. */
function together(answers: readonly ModelAnswer[]): ModelAnswer {
  const [first, ...others] = answers as [ModelAnswer, ...ModelAnswer[]];
  if (others.length === 0) {
    return first;
  }
  const outputTokens = answers.reduce((sum, { usage }) => sum + usage.outputTokens, 0);
  return {
    ...first,
    others: others.map(({ text, finish }) => ({ text, finish })),
    usage: { ...first.usage, outputTokens },
  };
}

/** The answer form that the reminder shows: `"<ans>X</ans>"`, `"The answer is X."`; options come first. */
function tagsOf(prompt: string, options: ScriptOptions): { open: string; close: string } {
  const shown = /"([^"\n]*?)X([^"\n]*?)"/.exec(prompt);
  return {
    open: String(options.answer_open) || (shown?.[1] ?? '<ans>'),
    close: String(options.answer_close) || (shown?.[2] ?? '</ans>'),
  };
}

/** The last question of a prompt, and the rationales of the questions before it that have an answer. */
function readPrompt(prompt: string): { question: string; demonstrations: string[] } {
  const parts = prompt.split(/^[ \t]*(?:Question|Q):/im);
  const last = parts.at(-1) ?? '';
  const demonstrations = parts.slice(1, -1).flatMap((part) => {
    const answer = part.split(/^[ \t]*(?:Answer|A):/im)[1];
    return answer === undefined ? [] : [answer.trim()];
  });
  return { question: last.split(/^[ \t]*(?:Answer|A):/im)[0] ?? '', demonstrations };
}

/** The last two integers of a question, as its right and its wrong answer. */
function numbersIn(question: string): { answer: number; other: number; word: 'larger' | 'smaller' } | undefined {
  const [first, second] = (question.match(/-?\d+/g) ?? []).slice(-2).map(Number);
  if (first === undefined || second === undefined) {
    return undefined;
  }
  const smaller = /\b(smaller|smallest|less|lower|lesser|minimum)\b/i.test(question);
  const [low, high] = [Math.min(first, second), Math.max(first, second)];
  return smaller ? { answer: low, other: high, word: 'smaller' } : { answer: high, other: low, word: 'larger' };
}

// ---- answering ---------------------------------------------------------------------------------------------------

/** A text as a server gives it out: cut at maxTokens words and at the first stop word. */
function asServed(text: string, prompt: string, { sampling }: ModelRequest): ModelAnswer {
  let cut = text;
  let finish: ModelAnswer['finish'] = 'stop';
  const words = [...text.matchAll(/\S+/g)];
  const beyond = words[sampling.maxTokens];
  if (beyond !== undefined) {
    cut = text.slice(0, beyond.index).trimEnd();
    finish = 'length';
  }
  const stops = sampling.stop.map((stop) => cut.indexOf(stop)).filter((at) => at !== -1);
  if (stops.length > 0) {
    cut = cut.slice(0, Math.min(...stops));
    finish = 'stop';
  }
  const usage = { inputTokens: wordsOf(prompt).length, cachedInputTokens: 0, outputTokens: wordsOf(cut).length };
  return { text: cut, finish, usage };
}

function wordsOf(text: string): string[] {
  return text.match(/\S+/g) ?? [];
}

/** Texts that fit the patterns of our own schemas; a string with another pattern is left empty. */
const patternSamples = ['1', '(A)', 'True', 'a'];

type Item = { readonly question: string; readonly target: string };

/** A value that fits a JSON Schema, as far as our schemas go; `items` fills objects that ask for a question and its target. */
function instanceOf(
  schema: JsonValue,
  draw: (purpose: string) => number,
  path: string,
  items?: (index: number) => Item,
  index = 0,
): JsonValue {
  const {
    type,
    properties,
    items: each,
    minItems,
    pattern,
    ...rest
  } = (schema ?? {}) as {
    type?: string;
    properties?: { [name: string]: JsonValue };
    items?: JsonValue;
    minItems?: number;
    pattern?: string;
    enum?: readonly JsonValue[];
    const?: JsonValue;
  };
  if (rest.const !== undefined) {
    return rest.const;
  }
  if (rest.enum !== undefined) {
    return rest.enum[Math.floor(draw(`enum ${path}`) * rest.enum.length)] ?? null;
  }
  switch (type) {
    case 'object': {
      const item = items?.(index);
      const members = Object.entries(properties ?? {}).map(([name, member]): [string, JsonValue] => {
        const free = (member as { enum?: unknown }).enum === undefined;
        const written = free && (name === 'question' || name === 'target') ? item?.[name] : undefined;
        return [name, written ?? instanceOf(member, draw, `${path}.${name}`, items, index)];
      });
      return Object.fromEntries(members);
    }
    case 'array':
      return Array.from({ length: minItems ?? 1 }, (_, at) =>
        instanceOf(each ?? {}, draw, `${path}[${String(at)}]`, items, at),
      );
    case 'integer':
    case 'number':
      return Math.floor(draw(`number ${path}`) * 100);
    case 'boolean':
      return draw(`boolean ${path}`) < 0.5;
    default:
      return pattern === undefined
        ? 'words'
        : (patternSamples.find((sample) => new RegExp(pattern, 'u').test(sample)) ?? '');
  }
}

/** A number in [0, 1) that follows from a text: the first 48 bits of its hash. */
function uniform(text: string): number {
  return createHash('sha256').update(text).digest().readUIntBE(0, 6) / 2 ** 48;
}

/** Time goes by; ends at once when the signal aborts, with its reason. */
async function pass(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  if (ms <= 0) {
    // One turn of the loop, so that a million calls do not starve everything else.
    await new Promise<void>((resolve) => setImmediate(resolve));
    signal.throwIfAborted();
    return;
  }
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      forget();
      resolve();
    }, ms);
    const forget = onAbort(signal, () => {
      clearTimeout(timer);
      forget();
      reject(signal.reason as Error);
    });
  });
}

// ---- options -----------------------------------------------------------------------------------------------------

function concurrencyOf(options: ScriptOptions): { start: number; max: number } {
  const max = Math.max(1, Math.floor(Number(options.max_in_flight)));
  return { start: Math.min(startInFlight, max), max };
}

function scriptName(script: string): ScriptName {
  if (!Object.hasOwn(scriptedScripts, script)) {
    throw invalid(`There is no script ${script}.`, `The scripts are ${Object.keys(scriptedScripts).join(', ')}.`);
  }
  return script as ScriptName;
}

/** Options with their defaults; refuses what a script does not know or what has another type. */
function settle(script: ScriptName, docs: ScriptDoc['options'], options: ScriptOptions): ScriptOptions {
  for (const [name, value] of Object.entries(options)) {
    const doc = Object.hasOwn(docs, name) ? docs[name] : undefined;
    if (doc === undefined) {
      throw invalid(`The script ${script} has no option ${name}.`, `Its options are ${Object.keys(docs).join(', ')}.`);
    }
    if (typeof value !== typeof doc.default) {
      throw invalid(
        `The option ${name} of the script ${script} is a ${typeof doc.default}, not a ${typeof value}.`,
        `${doc.describe} Default: ${String(doc.default)}.`,
      );
    }
  }
  const defaults = Object.fromEntries(Object.entries(docs).map(([name, doc]) => [name, doc.default]));
  return { ...defaults, ...options };
}

function invalid(what: string, next: string): ArteError {
  return new ArteError('InvalidConfig', { what, why: 'A scripted endpoint does exactly what its script says.', next });
}
