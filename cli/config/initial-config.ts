/**
 * The config that `arte init` writes for a task file: small counts on the embedded models, every choice with its reason.
 *
 * Owns the guess of a file's format and fields, counts that fit the file, and the text. Leaves reading the file's items to
 * method/readers/ and the file system to commands/init.ts. Pure: the same file gives the same config.
 */
import { basename } from 'node:path';
import { taskConfigSchema } from '../../schemas/config/tasks';
import { ArteError } from '../../schemas/errors';
import type { TaskItem } from '../../schemas/task';
import { optionsOf } from '../../method/answers';
import { placeholderDescription } from '../../method/check-items';
import { buildTaskRecord } from '../../method/split';
import { defaultTechniques } from '../../method/prompts';
import { readBbhJson } from '../../method/readers/bbh';
import { readGsm8k } from '../../method/readers/gsm8k';
import type { LoadedItems } from '../../method/readers/items';
import { readJsonl, type JsonlFields } from '../../method/readers/jsonl';
import { readMultipleChoice, readPiqa } from '../../method/readers/multiple-choice';

/** What a task file was found to be. */
export type TaskFileFormat =
  | { readonly source: 'bbh-json' }
  | { readonly source: 'gsm8k-jsonl' }
  | { readonly source: 'arc-jsonl' | 'commonsenseqa-jsonl' }
  | { readonly source: 'piqa-jsonl' }
  | {
      readonly source: 'jsonl';
      readonly questionField: string;
      readonly targetField: string;
      /** Where options stand in a list of their own. */
      readonly choicesField?: string;
    };

type JsonlFormat = Extract<TaskFileFormat, { source: 'jsonl' }>;

/** Names under which people keep questions and answers, the likeliest first. */
const questionFields = ['question', 'input', 'prompt', 'query', 'problem', 'text', 'instruction'];
const targetFields = ['target', 'answer', 'output', 'label', 'gold', 'solution', 'response', 'completion'];
const choicesFields = ['choices', 'options', 'endings'];

/** A run needs three seeds, and at least this many items to choose probes from and to test on. */
const seedItems = 3;
const probeItems = 6;
const testItemsMin = 3;
/** As many as a first look needs; the comments say what the paper takes. */
const validationItemsMax = 30;
const testItemsMax = 40;

/** English and JSON under small models' tokenizers: about three characters a token, to be on the safe side. */
const charactersPerToken = 3;
/** The embedded model was trained with this many tokens of context. */
const contextTokensMax = 8192;
/** That of examples/quickstart.yaml: where it suffices, what quickstart has measured is measured for this config, too. */
const contextTokensMin = 1024;

/**
 * Find out what a task file is. Throws InvalidTaskFile, with what was looked for, when it is none of the known forms.
 * @param path Only for messages and for the ending.
 */
export function detectFormat(path: string, text: string): TaskFileFormat {
  const trimmed = text.replace(/^\uFEFF/, '').trimStart();
  const whole = parsed(trimmed);
  if (typeof whole === 'object' && whole !== null && 'examples' in whole) return { source: 'bbh-json' };
  const firstLine = trimmed.split(/\r?\n/).find((line) => line.trim() !== '') ?? '';
  const record = parsed(firstLine);
  if (typeof record === 'object' && record !== null && !Array.isArray(record)) {
    const fields = record as Record<string, unknown>;
    if (typeof fields.answer === 'string' && typeof fields.question === 'string' && fields.answer.includes('####')) {
      return { source: 'gsm8k-jsonl' };
    }
    if ('answerKey' in fields && 'question' in fields) {
      // CommonsenseQA names the concept that a question was made from; the form is ARC's.
      return { source: firstLine.includes('"question_concept"') ? 'commonsenseqa-jsonl' : 'arc-jsonl' };
    }
    if ('goal' in fields && 'sol1' in fields && 'label' in fields) return { source: 'piqa-jsonl' };
    const names = Object.keys(fields);
    const questionField = questionFields.find((name) => typeof fields[name] === 'string');
    const targetField = targetFields.find((name) => name in fields && name !== questionField);
    if (questionField !== undefined && targetField !== undefined) {
      const choicesField = choicesFields.find((name) => isListOfTexts(fields[name]));
      // A question that shows its options already is asked as it is.
      const shown = choicesField === undefined || optionsOf(String(fields[questionField])).length > 0;
      return { source: 'jsonl', questionField, targetField, ...(!shown && { choicesField }) };
    }
    throw unknownForm(
      path,
      `Its first line has the fields ${names.map((name) => `"${name}"`).join(', ')}, and it is not clear which hold the question and the answer.`,
    );
  }
  throw unknownForm(
    path,
    firstLine === ''
      ? 'It is empty.'
      : Array.isArray(whole)
        ? 'It is one JSON list.'
        : 'Its first line is no JSON object.',
  );
}

function isListOfTexts(value: unknown): boolean {
  return Array.isArray(value) && value.length > 1 && value.every((each) => typeof each === 'string');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function unknownForm(path: string, why: string): ArteError {
  return new ArteError('InvalidTaskFile', {
    what: `${path} is no task file of a known form.`,
    why,
    next: 'Write one item per line: {"question": "…", "target": "…"}. BIG-Bench-Hard files and the lines of GSM8K, ARC, CommonsenseQA and PIQA (with their labels) are known too.',
  });
}

export interface InitialTask {
  /** The file as the person named it, for messages. */
  readonly file: string;
  /** How the config is to name the file: relative to the config's folder. */
  readonly path: string;
  readonly name: string;
  readonly format: TaskFileFormat;
  readonly text: string;
}

/** The YAML text. Throws InvalidTaskFile for bad lines or too few items. */
export function initialConfig({ file, path, name, format, text }: InitialTask): string {
  const loaded = itemsOf(file, format, text);
  const distinct = distinctItems(file, name, format, text, loaded.items.length);
  const needed = seedItems + probeItems + testItemsMin;
  if (distinct < needed) {
    throw new ArteError('InvalidTaskFile', {
      what: `${file} has ${distinct} distinct items; a run needs at least ${needed}.`,
      why: `${seedItems} are shown to the teacher, at least ${probeItems} judge its drafts, and at least ${testItemsMin} are held out.`,
      next: 'Add items. A hundred labelled ones and more make the scores mean something.',
    });
  }
  const validation = Math.min(validationItemsMax, Math.max(probeItems, Math.floor((distinct - seedItems) / 2)));
  const test = Math.min(testItemsMax, distinct - seedItems - validation);
  const longest = longestOf(loaded.items);
  return configText({ file, path, name, format, loaded, distinct, validation, test, longest });
}

function itemsOf(file: string, format: TaskFileFormat, text: string): LoadedItems {
  switch (format.source) {
    case 'bbh-json':
      return readBbhJson(text, file, file);
    case 'gsm8k-jsonl':
      return readGsm8k(text, file);
    case 'arc-jsonl':
      return readMultipleChoice(text, 'arc', file);
    case 'commonsenseqa-jsonl':
      return readMultipleChoice(text, 'commonsenseqa', file);
    case 'piqa-jsonl':
      return readPiqa(text, undefined, file);
    case 'jsonl':
      return readJsonl(text, fieldsOf(format), file);
  }
}

/** The same as a config names them. */
function fieldSettings({ questionField, targetField, choicesField }: JsonlFormat): Record<string, string> {
  return {
    question_field: questionField,
    target_field: targetField,
    ...(choicesField !== undefined && { choices_field: choicesField }),
  };
}

function fieldsOf({ questionField: question, targetField: target, choicesField: choices }: JsonlFormat): JsonlFields {
  return { question, target, ...(choices !== undefined && { choices }) };
}

/** Items that are left when repeated questions are taken out; also refuses what a run would refuse. */
function distinctItems(path: string, name: string, format: TaskFileFormat, text: string, items: number): number {
  const fields = format.source === 'jsonl' ? fieldSettings(format) : {};
  if (items < 2) return items;
  const task = taskConfigSchema.parse({
    source: format.source,
    path,
    name,
    description: '-',
    ...fields,
    split: { seeds: 1, validation: 0, test: 'rest' },
  });
  const record = buildTaskRecord(task, { text }, defaultTechniques);
  return record.seeds.length + record.test.length;
}

interface Longest {
  readonly questionTokens: number;
  readonly rationaleTokens: number;
}

function longestOf(items: readonly TaskItem[]): Longest {
  const tokens = (text: string): number => Math.ceil(text.length / charactersPerToken);
  // One by one: a call takes some 120,000 arguments, and files have more lines.
  const longest = (of: (item: TaskItem) => string): number =>
    items.reduce((most, item) => Math.max(most, tokens(of(item))), 0);
  const question = longest((item) => item.question);
  const worked = longest((item) => item.rationale ?? '');
  return { questionTokens: question, rationaleTokens: Math.min(256, Math.max(64, worked)) };
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

interface Written {
  readonly file: string;
  readonly path: string;
  readonly name: string;
  readonly format: TaskFileFormat;
  readonly loaded: LoadedItems;
  readonly distinct: number;
  readonly validation: number;
  readonly test: number;
  readonly longest: Longest;
}

function configText({ file, path, name, format, loaded, distinct, validation, test, longest }: Written): string {
  const { questionTokens, rationaleTokens } = longest;
  // Three worked questions before the one that is asked, and the words around them.
  const needed = roundUp(4 * (questionTokens + rationaleTokens) + 300, 256);
  const context = Math.min(contextTokensMax, Math.max(contextTokensMin, needed));
  const questionLength = roundUp(questionTokens + 40, 20);
  const { type, labels } = loaded.answer;
  // Left out where they are what a config has anyway.
  const fields = Object.entries(format.source === 'jsonl' ? fieldSettings(format) : {});
  const isUsual = fields.every(([setting, field]) => setting === `${field}_field` && setting !== 'choices_field');
  const description = loaded.description === '' ? undefined : loaded.description;
  const items = loaded.items.length;
  const repeated = items - distinct;
  const used =
    repeated > 0
      ? `${items} items, of which ${repeated} repeat${repeated === 1 ? 's' : ''} a question: ${distinct}`
      : items;
  return `# Written by \`arte init\` from ${basename(file)} (${used} items).
# Small counts on the models that arte brings, to see the whole loop run; grow them when it does. Every setting: docs/config.md
version: 1
name: ${quoted(slug(name))}
# Every sampling and training seed follows from it; which items are held out follows from split_seed of a task.
seed: 0

tasks:
  - source: ${format.source}
    # Relative to the folder of this config.
    path: ${quoted(path)}
    name: ${quoted(name)}
${(isUsual ? [] : fields).map(([setting, field]) => `    ${setting}: ${quoted(field)}\n`).join('')}    # Opens every prompt: what the student is asked to do, in a sentence or two.${description === undefined ? ' Replace this by your own words.' : ''}
    description: ${quoted(description ?? placeholderDescription(name))}
    # Found in the file; decides how answers are asked for, read and compared.
    answer: { type: ${type}${labels.length > 0 ? `, labels: [${labels.map(quoted).join(', ')}]` : ''} }
    # Shown to the teacher / what the student judges drafts by / held out. Paper: 3 / 100 / the rest.
    split: { seeds: ${seedItems}, validation: ${validation}, test: ${test} }

models:
  # Writes the training data, and is aligned. Others: hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX.
  teacher:
    source: embedded:SmolLM2-135M-Instruct
    endpoint: { kind: managed, quantization: q8_0, context_tokens: ${context} }
    # Raw text: very small models do not follow a request in a conversation. Larger ones: chat.
    prompt_style: completion
    # This tokenizer's BOS opens a chat message. Raw text is asked without it, so it is trained without it.
    add_bos: false
  # Judges the drafts, and is trained on what the aligned teacher writes.
  student:
    source: embedded:SmolLM2-135M-Instruct
    endpoint: { kind: managed, quantization: q8_0, context_tokens: ${context} }
    prompt_style: completion
    add_bos: false

prompts:
  # Words that a small model says by itself. Paper: <ans> and </ans>.
  answer_open: 'The answer is '
  answer_close: .

probe:
  # Paper: irt, 40 items. One step of a score is 1/size: with ${probeItems} items it is coarse.
  method: random
  size: ${probeItems}

questions:
  # Paper: 250 a task, five in one call.
  per_task: 12
  per_call: 1
  # Constrained by a schema: a small model's tagged answers cannot be read.
  format: json
  temperature: 1
  # A 135M model writes word salad at temperature 1 without these two.
  top_k: 40
  min_p: 0.1
  max_tokens: ${questionLength}

rationales:
  # Cut at the answer tag, with the draft's own target appended: for teachers that cannot answer yet. Larger ones: free.
  answer: given
  max_tokens: ${rationaleTokens}

score:
  max_tokens: ${rationaleTokens}
  # An answer that cannot be read is a wrong answer of the draft, not a reason to park.
  thresholds: { malformed: 0.95, truncated: 0.95 }

pairs:
  # Paper: 50 question pairs and 250 rationale pairs a task.
  question: { per_task: 4 }
  rationale: { per_task: 12 }

align:
  # LoRA with a rate that a 135M model notices and survives. Paper: 1e-7 in full training of a 70B model.
  adapter: lora
  learning_rate: 1.0e-4
  beta: 0.1
  batch_size: 4
  epochs: 2
  max_length: ${Math.min(2048, context)}
  checkpoint_steps: 5

tailor:
  # Paper: 250 a task.
  per_task: 30
  questions: { temperature: 1, top_k: 40, min_p: 0.1, max_tokens: ${questionLength} }
  rationales: { temperature: 0, max_tokens: ${rationaleTokens} }
  answer: given

sft:
  adapter: lora
  # Paper: 2e-5 in full training of a 2B model.
  learning_rate: 3.0e-4
  batch_size: 8
  epochs: 2
  max_length: ${Math.min(2048, context)}
  checkpoint_steps: 5

evaluate:
  shots: [0, 3]
  max_tokens: ${rationaleTokens}

rounds: { count: 1 }
`;
}

/** A YAML scalar: JSON's double quotes are YAML's too. Plain where nothing can be mistaken. */
function quoted(text: string): string {
  return /^[A-Za-z][A-Za-z0-9 _./-]*$/.test(text) &&
    !/^(true|false|yes|no|on|off|null|y|n)$/i.test(text) &&
    !text.endsWith(' ')
    ? text
    : JSON.stringify(text);
}

/** A name as tasks and runs may have it. */
export function slug(text: string): string {
  const plain = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^-+|-+$/g, '');
  return plain === '' ? 'task' : plain;
}
