/**
 * Judges a task's items for what is no fault of their form and yet makes a run say nothing: values in, problems and warnings out.
 *
 * Owns what only the items can show. Leaves whether targets fit the answer type to judgeTask (config/task-findings.ts), bad lines and overlaps to the
 * readers and split.ts.
 *
 * Invariant: a problem is what no run can make sense of; where one still can, it is a warning.
 */
import type { TaskRecord } from '../schemas/task';
import { canonicalAnswer } from './answers';
import { configProblem, type ConfigProblem, type Segment } from './config/config-problem';
import { normaliseQuestion } from './hygiene';

/** What stops a run, and what a person should look at before starting one. */
export interface Findings {
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

/** What came of reading a task's source beside its record. */
export interface SourceRemarks {
  /** Items that repeat a question which stands before them; they were left out. */
  readonly repeated: number;
  /** The description was made up, because neither the config nor the source has one. */
  readonly describedByGuess: boolean;
  /** A field that holds options in every line and is not read (LoadedItems). */
  readonly unreadOptions?: string;
}

/** A target is quoted up to this many characters. */
const quotedCharactersMax = 60;

/** Judge a task's items. `segments`: the task's place in the config. */
export function judgeItems(record: TaskRecord, remarks: SourceRemarks, segments: readonly Segment[]): Findings {
  return {
    problems: [...oneValueProblems(record, segments), ...labelFormProblems(record, segments)],
    warnings: [
      ...oneValueWarnings(record, segments),
      ...repeatedWarnings(record, remarks, segments),
      ...descriptionWarnings(record, remarks, segments),
      ...unreadOptionsWarnings(record, remarks, segments),
    ],
  };
}

/**
 * Unseen tasks whose test items stand in the run's own tasks: what the teacher is aligned on, or the rounds are chosen by, is not unseen.
 * @param places Where each unseen task stands in the config.
 */
export function judgeUnseen(
  unseen: readonly TaskRecord[],
  tasks: readonly TaskRecord[],
  places: readonly (readonly Segment[])[],
): ConfigProblem[] {
  const owners = new Map<string, string>();
  for (const { name, seeds, validation, test } of tasks)
    for (const { question } of [...seeds, ...validation, ...test]) owners.set(normaliseQuestion(question), name);
  return unseen.flatMap(({ name, test }, index) => {
    const seen = test.flatMap(({ question }) => {
      const owner = owners.get(normaliseQuestion(question));
      return owner === undefined ? [] : [{ question, owner }];
    });
    const [first] = seen;
    if (!first) return [];
    return [
      configProblem(places[index] ?? [], {
        what: `${seen.length} of ${test.length} test items of the unseen task "${name}" stand in the task "${first.owner}" of the run, the first is "${clipped(first.question)}".`,
        why: 'What the teacher is aligned on, or its rounds are chosen by, is not unseen: its accuracy could not be called transfer.',
        instead: 'Give it items of its own, or take it out.',
      }),
    ];
  });
}

// ---- targets that all are the same -------------------------------------------------------------------------------

function onlyValue({ answer }: TaskRecord, items: TaskRecord['test']): string | undefined {
  const values = new Set(
    items.map(({ question, target }) => canonicalAnswer(target, answer, question) ?? target.trim()),
  );
  return items.length > 1 && values.size === 1 ? [...values][0] : undefined;
}

function oneValueProblems(record: TaskRecord, segments: readonly Segment[]): ConfigProblem[] {
  const items = [...record.seeds, ...record.validation, ...record.test];
  const only = onlyValue(record, items);
  if (only === undefined) return [];
  return [
    configProblem(segments, {
      what: `All ${items.length} targets of "${record.name}" are "${clipped(only)}".`,
      why: 'Who always says so is always right: neither accuracies nor preferences could tell anything apart.',
      instead: 'Give it items with different targets, or name the right field with target_field.',
    }),
  ];
}

function oneValueWarnings(record: TaskRecord, segments: readonly Segment[]): ConfigProblem[] {
  // All of them is a problem, which says more.
  if (onlyValue(record, [...record.seeds, ...record.validation, ...record.test]) !== undefined) return [];
  return (['validation', 'test'] as const).flatMap((part) => {
    const only = onlyValue(record, record[part]);
    if (only === undefined) return [];
    return [
      configProblem(segments, {
        what: `All ${record[part].length} ${part} targets of "${record.name}" are "${clipped(only)}".`,
        why:
          part === 'test'
            ? 'Who always says so reaches 100 %: the accuracy says how often that is said.'
            : 'The drafts are scored by these items, and would be preferred for making the student say that.',
        instead: `Take more ${part} items, or another split_seed, so that different targets stand in it.`,
      }),
    ];
  });
}

// ---- labels in several forms -------------------------------------------------------------------------------------

const labelForms: readonly (readonly [form: string, pattern: RegExp])[] = [
  ['A', /^[A-Z]$/i],
  ['(A)', /^\([A-Z]\)$/i],
  ['A)', /^[A-Z]\)$/i],
  ['A.', /^[A-Z][.:]$/i],
];

/** The forms in which option letters are written, with the first of each; undefined where something else stands among them. */
function formsOf(texts: readonly string[]): Map<string, string> | undefined {
  const forms = new Map<string, string>();
  for (const text of texts) {
    const form = labelForms.find(([, pattern]) => pattern.test(text.trim()))?.[0];
    if (form === undefined) return undefined;
    if (!forms.has(form)) forms.set(form, text.trim());
  }
  return forms;
}

function labelFormProblems({ name, answer, ...record }: TaskRecord, segments: readonly Segment[]): ConfigProblem[] {
  const targets = [...record.seeds, ...record.validation, ...record.test].map(({ target }) => target);
  const places = [
    { what: `The targets of "${name}"`, texts: targets, at: segments },
    { what: `The labels of "${name}"`, texts: answer.labels, at: [...segments, 'answer', 'labels'] },
  ];
  for (const { what, texts, at } of places) {
    const forms = formsOf(texts);
    if (forms === undefined || forms.size < 2) continue;
    return [
      configProblem(at, {
        what: `${what} write the letter of an option in ${forms.size} forms: ${[...forms.values()].map((text) => `"${text}"`).join(' and ')}.`,
        why: 'Demonstrations, the answer-tag reminder and the training set would show the student several forms of one answer, and it would learn to mix them.',
        instead: 'Write all of them in one form, such as (A), (B), (C).',
      }),
    ];
  }
  return [];
}

// ---- repeated questions, a description that nobody wrote, options that are not shown -------------------------------

function repeatedWarnings(
  { name, seeds, validation, test }: TaskRecord,
  { repeated }: SourceRemarks,
  segments: readonly Segment[],
): ConfigProblem[] {
  if (repeated === 0) return [];
  const left = seeds.length + validation.length + test.length;
  return [
    configProblem(segments, {
      what: `${repeated === 1 ? 'One item' : `${repeated} items`} of "${name}" ${repeated === 1 ? 'repeats a question' : 'repeat questions'} that ${repeated === 1 ? 'stands' : 'stand'} there before; ${left} items are used.`,
      why: 'A question counts once: twice in one part it would weigh double, in two parts the held-out items would be seen. The first of each was kept.',
      instead: 'Take the repeated items out of the file, or leave it as it is if they are meant to count once.',
    }),
  ];
}

/** What `arte init` writes where a file says nothing about its task. */
export function placeholderDescription(name: string): string {
  return `Answer the questions of the task ${name.replaceAll(/[-_]/g, ' ')}.`;
}

function descriptionWarnings(
  { name, description }: TaskRecord,
  { describedByGuess }: SourceRemarks,
  segments: readonly Segment[],
): ConfigProblem[] {
  if (!describedByGuess && description !== placeholderDescription(name)) return [];
  return [
    configProblem([...segments, 'description'], {
      what: `The description of "${name}" was made up from its name: "${description}"`,
      why: 'It opens every prompt: the teacher writes questions from it and the student is told what to do by it.',
      instead: 'Write one or two sentences of your own, such as "description: Decide which of two numbers is larger."',
    }),
  ];
}

function unreadOptionsWarnings(
  { name }: TaskRecord,
  { unreadOptions }: SourceRemarks,
  segments: readonly Segment[],
): ConfigProblem[] {
  if (unreadOptions === undefined) return [];
  return [
    configProblem([...segments, 'choices_field'], {
      what: `Every line of "${name}" has a list of texts in "${unreadOptions}", which is not read.`,
      why: 'If those are the options, questions are asked without them, and their answers can only be guessed.',
      instead: `Write "choices_field: ${unreadOptions}", or take the field out of the file if the questions stand without it.`,
    }),
  ];
}

function clipped(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > quotedCharactersMax ? `${line.slice(0, quotedCharactersMax)}…` : line;
}
