/**
 * What can be set of a scripted endpoint.
 *
 * Owns the scripts by name, their options with defaults and explanations, and the refusal of any other. Leaves what a script says to scripted-student.ts
 * and scripted-teacher.ts, which calls fail to scripted-faults.ts.
 */
import { ArteError } from '../../schemas/errors';

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

/** Calls in flight to begin with. */
const startInFlight = 16;

export function concurrencyOf(options: ScriptOptions): { start: number; max: number } {
  const max = Math.max(1, Math.floor(Number(options.max_in_flight)));
  return { start: Math.min(startInFlight, max), max };
}

export function scriptName(script: string): ScriptName {
  if (!Object.hasOwn(scriptedScripts, script)) {
    throw invalid(`There is no script ${script}.`, `The scripts are ${Object.keys(scriptedScripts).join(', ')}.`);
  }
  return script as ScriptName;
}

/** Options with their defaults; refuses what a script does not know or what has another type. */
export function settle(script: ScriptName, docs: ScriptDoc['options'], options: ScriptOptions): ScriptOptions {
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

export function invalid(what: string, next: string): ArteError {
  return new ArteError('InvalidConfig', { what, why: 'A scripted endpoint does exactly what its script says.', next });
}
