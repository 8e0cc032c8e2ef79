/**
 * A task from its config and its files: one record with disjoint seeds, validation and test items.
 *
 * Owns where items come from, the split, and the refusal when there are too few. Leaves reading files to the caller, bad lines to
 * readers/, and whether targets fit a configured answer type to judgeTask in config/task-findings.ts.
 *
 * Invariants
 * 1. No question stands in two splits, compared after normalisation (hygiene.ts). None of the validation and test sets stands in a
 *    demonstration of a technique prompt.
 * 2. The same source, counts and seed give the same record on every machine; the order of a file's lines matters, its duplicates do not.
 * 3. A larger test count extends a smaller one of the same seed: seeds and validation items stay what they were.
 */
import { ArteError } from '../schemas/errors';
import type { TaskConfig } from '../schemas/config/tasks';
import type { AnswerSpec, TaskItem, TaskRecord, Technique } from '../schemas/task';
import { taskNameOf } from './config/named-parts';
import type { SourceRemarks } from './check-items';
import { nearestName } from './config/explain-shape';
import { families } from './families/index';
import type { Family } from './families/index';
import { normaliseQuestion } from './hygiene';
import { seedFrom, shuffled } from './keys';
import { readBbhJson } from './readers/bbh';
import { readGsm8k } from './readers/gsm8k';
import { guessAnswer } from './readers/guess-answer';
import { problemsShownMax, type LoadedItems } from './readers/items';
import { readJsonl, type JsonlFields } from './readers/jsonl';
import { readMultipleChoice, readPiqa } from './readers/multiple-choice';

/** Test items that `test: rest` means for a family, which has no end: as many as a BIG-Bench-Hard file has. */
export const familyTestItems = 250;

export interface TaskSource {
  /** Content of the task's one file of items. */
  readonly text?: string;
  /** Content of the labels file beside it (piqa-jsonl). */
  readonly labels?: string;
  /** Contents of the three files of source `files`. */
  readonly texts?: { readonly seeds: string; readonly validation: string; readonly test: string };
}

/** What a task's files hold, from their contents by the setting that names each (taskFilesOf). */
export function taskSource(task: TaskConfig, contents: ReadonlyMap<string, string>): TaskSource {
  const of = (setting: string): string => contents.get(setting) ?? '';
  if (task.source === 'files') return { texts: { seeds: of('seeds'), validation: of('validation'), test: of('test') } };
  return { text: of('path'), ...(contents.has('labels') && { labels: of('labels') }) };
}

type Splits = Pick<TaskRecord, 'seeds' | 'validation' | 'test'>;

/** What a source says about a task, its config's own words not yet applied. */
interface SourcedTask {
  readonly splits: Splits;
  readonly answer: AnswerSpec;
  readonly description: string;
  readonly category?: string;
  readonly family?: Family;
  readonly remarks: SourceRemarks;
}

/**
 * The record of a task. Techniques: the task's own, else the family's (they carry demonstrations), else `defaultTechniques`. A caller
 * whose config replaces the techniques for all tasks puts them into `task.techniques`.
 * @throws ArteError FamilyTooSmall, InvalidTaskFile (bad lines, too few items, splits that overlap, a question with two answers) or
 *   InvalidConfig (unknown family, no description, a task that is only declared).
 */
export function buildTaskRecord(
  task: TaskConfig,
  source: TaskSource,
  defaultTechniques: readonly Technique[],
): TaskRecord {
  return buildTask(task, source, defaultTechniques).record;
}

/** The same, with what a person who judges the config should know of how it came to be. */
export function buildTask(
  task: TaskConfig,
  source: TaskSource,
  defaultTechniques: readonly Technique[],
): { record: TaskRecord; remarks: SourceRemarks } {
  const name = taskNameOf(task);
  const { splits, answer, description, category, family, remarks } = sourced(task, source, name, defaultTechniques);
  const described = task.description ?? description;
  if (described.trim() === '') {
    throw new ArteError('InvalidConfig', {
      what: `The task "${name}" has no description.`,
      why: 'It opens every prompt: the teacher writes questions from it and the student is told what to do by it.',
      next: 'Write one or two sentences, such as "description: Decide which of two numbers is larger."',
    });
  }
  const verifier = task.verifier ?? family?.verifier;
  const record = {
    name,
    // The config's default category says nothing; what the source knows is better.
    category: task.category === 'general' ? (category ?? 'general') : task.category,
    description: described,
    answer: answerOf(task, answer),
    ...splits,
    techniques: [...(task.techniques ?? family?.techniques ?? defaultTechniques)],
    ...(verifier && { verifier }),
  };
  return {
    record,
    remarks: { ...remarks, describedByGuess: remarks.describedByGuess && task.description === undefined },
  };
}

/** The config's answer goes first; where it names the type only, labels that the source shows are kept. */
function answerOf(task: TaskConfig, found: AnswerSpec): AnswerSpec {
  if (task.answer === undefined) return found;
  const { type, labels } = task.answer;
  if (labels.length === 0 && type === found.type) return { type, labels: [...found.labels] };
  return { type, labels: [...labels] };
}

function sourced(
  task: TaskConfig,
  source: TaskSource,
  name: string,
  defaultTechniques: readonly Technique[],
): SourcedTask {
  const techniques = task.techniques ?? defaultTechniques;
  switch (task.source) {
    case 'builtin':
      return fromFamily(task, name);
    case 'files':
      return fromThreeFiles(task, textsOf(source, name), name, techniques);
    case 'jsonl': {
      const fields = jsonlFields(task);
      return fromOneFile(task, readJsonl(textOf(source, name), fields, fileOf(task.path)), name, techniques);
    }
    case 'bbh-json':
      return fromOneFile(task, readBbhJson(textOf(source, name), task.path, fileOf(task.path)), name, techniques);
    case 'gsm8k-jsonl':
      return fromOneFile(task, readGsm8k(textOf(source, name), fileOf(task.path)), name, techniques);
    case 'arc-jsonl':
      return fromOneFile(task, readMultipleChoice(textOf(source, name), 'arc', fileOf(task.path)), name, techniques);
    case 'commonsenseqa-jsonl': {
      const read = readMultipleChoice(textOf(source, name), 'commonsenseqa', fileOf(task.path));
      return fromOneFile(task, read, name, techniques);
    }
    case 'piqa-jsonl':
      return fromOneFile(task, readPiqa(textOf(source, name), source.labels, fileOf(task.path)), name, techniques);
    case 'declared':
      throw new ArteError('InvalidConfig', {
        what: `The task "${name}" is only declared: it says how many items it has, not which.`,
        why: 'Counts are enough to plan; a run needs the questions.',
        next: 'Name its items: source: jsonl with a path, bbh-json, gsm8k-jsonl, arc-jsonl, commonsenseqa-jsonl, piqa-jsonl, files, or builtin.',
      });
  }
}

function jsonlFields(task: Extract<TaskConfig, { source: 'jsonl' }>): JsonlFields {
  const { question_field: question, target_field: target, choices_field: choices } = task;
  return { question, target, ...(choices !== undefined && { choices }) };
}

const fileOf = (path: string): string => `The task file ${path}`;

function textOf({ text }: TaskSource, name: string): string {
  if (text === undefined) throw new Error(`the task ${name} was built without the text of its file`);
  return text;
}

function textsOf({ texts }: TaskSource, name: string): NonNullable<TaskSource['texts']> {
  if (texts === undefined) throw new Error(`the task ${name} was built without the texts of its three files`);
  return texts;
}

// ---- families ----------------------------------------------------------------------------------------------------

function fromFamily(task: Extract<TaskConfig, { source: 'builtin' }>, name: string): SourcedTask {
  const family = families.get(task.family);
  if (!family) {
    const near = nearestName(task.family, [...families.keys()]);
    throw new ArteError('InvalidConfig', {
      what: `The task "${name}" names the family "${task.family}", which does not exist.`,
      why: near === undefined ? 'No family has a name like it.' : `The nearest is "${near}".`,
      next: `Choose one of: ${[...families.keys()].join(', ')}.`,
    });
  }
  const { seeds, validation, test } = task.split;
  const demonstrated = demonstratedQuestions(task.techniques ?? family.techniques ?? []);
  // An item may be a technique's own demonstration: as many spare ones are drawn.
  const spare = demonstrated.size;
  const left = family.distinct - seeds - validation;
  const wanted = test === 'rest' ? Math.max(1, Math.min(familyTestItems, left - spare)) : test;
  const count = seeds + validation + wanted;
  if (count > family.distinct) throw familyTooSmall(family, task.split, count, family.distinct);
  const items = family
    .generate(Math.min(count + spare, family.distinct), seedFrom('split', task.split_seed))
    .filter((item) => !demonstrated.has(normaliseQuestion(item.question)));
  if (items.length < count) throw familyTooSmall(family, task.split, count, items.length);
  const { answer, description, category } = family;
  const remarks = { repeated: 0, describedByGuess: false };
  return { splits: cut(items, seeds, validation, wanted), answer, description, category, family, remarks };
}

function familyTooSmall(family: Family, split: TaskConfig['split'], count: number, has: number): ArteError {
  const { seeds, validation, test } = split;
  return new ArteError('FamilyTooSmall', {
    what: `The family ${family.name} has ${has} distinct items that can be used, ${count} were asked for.`,
    why: `The split asks for ${seeds} seeds, ${validation} validation items and ${test === 'rest' ? 'at least 1 test item' : `${test} test items`}, and no item is used twice.`,
    next: `Lower split.validation or split.test so that all three together are at most ${has}, or choose another family.`,
  });
}

// ---- files -------------------------------------------------------------------------------------------------------

function fromOneFile(
  task: TaskConfig,
  loaded: LoadedItems,
  name: string,
  techniques: readonly Technique[],
): SourcedTask {
  const demonstrated = demonstratedQuestions(techniques);
  const first = withoutDuplicates(loaded.items, name);
  const unique = first.filter((item) => !demonstrated.has(normaliseQuestion(item.question)));
  const { seeds, validation, test } = task.split;
  const left = unique.length - seeds - validation;
  const wanted = test === 'rest' ? left : test;
  if (left < 1 || wanted > left) {
    const repeated = loaded.items.length - unique.length;
    throw new ArteError('InvalidTaskFile', {
      what: `The task "${name}" has ${unique.length} distinct items, but its split needs ${seeds + validation + Math.max(1, test === 'rest' ? 1 : test)}.`,
      why: `The split asks for ${seeds} seeds, ${validation} validation items and ${test === 'rest' ? 'at least 1 test item' : `${test} test items`}${repeated > 0 ? `; ${repeated} more lines repeat a question` : ''}.`,
      next: 'Lower split.seeds, split.validation or split.test of this task, or give it a file with more items.',
    });
  }
  const mixed = shuffled(unique, seedFrom('split', task.split_seed));
  const { answer, description, category } = loaded;
  return {
    splits: cut(mixed, seeds, validation, wanted),
    answer,
    description,
    ...(category !== undefined && { category }),
    remarks: {
      repeated: loaded.items.length - first.length,
      describedByGuess: loaded.describedByGuess ?? false,
      ...(loaded.unreadOptions !== undefined && { unreadOptions: loaded.unreadOptions }),
    },
  };
}

/** Files that are already split are taken whole, but for what a technique prompt shows: `split` does not apply to them. */
function fromThreeFiles(
  task: Extract<TaskConfig, { source: 'files' }>,
  texts: NonNullable<TaskSource['texts']>,
  name: string,
  techniques: readonly Technique[],
): SourcedTask {
  let repeated = 0;
  const read = (part: keyof Splits): TaskItem[] => {
    const { items } = readJsonl(texts[part], undefined, `The ${part} file ${task[part]} of "${name}"`);
    const first = withoutDuplicates(items, name);
    repeated += items.length - first.length;
    return first;
  };
  const splits = { seeds: read('seeds'), validation: read('validation'), test: read('test') };
  refuseOverlap(task, splits, name);
  const all = [...splits.seeds, ...splits.validation, ...splits.test];
  // The guess is made over all three, so that a label which only one file happens to hold is known.
  const answer = guessAnswer(all);
  const demonstrated = demonstratedQuestions(techniques);
  const unseen = (items: readonly TaskItem[]) =>
    items.filter((item) => !demonstrated.has(normaliseQuestion(item.question)));
  return {
    splits: { seeds: splits.seeds, validation: unseen(splits.validation), test: unseen(splits.test) },
    answer,
    description: '',
    remarks: { repeated, describedByGuess: false },
  };
}

function refuseOverlap(task: Extract<TaskConfig, { source: 'files' }>, splits: Splits, name: string): void {
  const parts = ['seeds', 'validation', 'test'] as const;
  const first = new Map<string, (typeof parts)[number]>();
  const overlaps: string[] = [];
  for (const part of parts) {
    for (const { question } of splits[part]) {
      const key = normaliseQuestion(question);
      const earlier = first.get(key);
      if (earlier !== undefined)
        overlaps.push(`${task[earlier]} and ${task[part]}: ${JSON.stringify(question.slice(0, 80))}`);
      else first.set(key, part);
    }
  }
  if (overlaps.length === 0) return;
  const rest = overlaps.length - problemsShownMax;
  throw new ArteError('InvalidTaskFile', {
    what: `${overlaps.length} ${overlaps.length === 1 ? 'question' : 'questions'} of the task "${name}" ${overlaps.length === 1 ? 'stands' : 'stand'} in two of its files.`,
    why: 'The held-out set would be seen while the training data is made, and the reported accuracy would mean nothing.',
    next: 'Take each of them out of one of the two files.',
    details: rest > 0 ? [...overlaps.slice(0, problemsShownMax), `and ${rest} more`] : overlaps,
  });
}

// ---- items -------------------------------------------------------------------------------------------------------

/** Seeds first, so that a longer test set moves no item between splits. */
function cut(items: readonly TaskItem[], seeds: number, validation: number, test: number): Splits {
  return {
    seeds: items.slice(0, seeds),
    validation: items.slice(seeds, seeds + validation),
    test: items.slice(seeds + validation, seeds + validation + test),
  };
}

/**
 * The first of each question. A question written twice with two answers is refused: one of them must be wrong. Questions that differ
 * in case only are kept once but may differ in their answer.
 */
function withoutDuplicates(items: readonly TaskItem[], name: string): TaskItem[] {
  const kept = new Map<string, TaskItem>();
  const contradictions: string[] = [];
  for (const item of items) {
    const key = normaliseQuestion(item.question);
    const earlier = kept.get(key);
    if (earlier === undefined) kept.set(key, item);
    else if (earlier.question === item.question && earlier.target !== item.target) {
      contradictions.push(
        `${JSON.stringify(item.question.slice(0, 80))}: ${JSON.stringify(earlier.target)} and ${JSON.stringify(item.target)}`,
      );
    }
  }
  if (contradictions.length > 0) {
    const rest = contradictions.length - problemsShownMax;
    throw new ArteError('InvalidTaskFile', {
      what: `${contradictions.length} ${contradictions.length === 1 ? 'question' : 'questions'} of the task "${name}" ${contradictions.length === 1 ? 'has' : 'have'} two different answers.`,
      why: 'The same question is written twice with different targets, and one of them must be wrong.',
      next: 'Keep the right line of each.',
      details: rest > 0 ? [...contradictions.slice(0, problemsShownMax), `and ${rest} more`] : contradictions,
    });
  }
  return [...kept.values()];
}

function demonstratedQuestions(techniques: readonly Technique[]): Set<string> {
  return new Set(
    techniques.flatMap(({ demonstration }) => (demonstration ? [normaliseQuestion(demonstration.question)] : [])),
  );
}
