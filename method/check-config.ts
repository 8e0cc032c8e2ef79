/**
 * Judges a config: values in, problems out. Every problem says where, what, why and what to write instead.
 *
 * Owns what needs more than one field to judge. The shape in words is explain-shape.ts, secrets written out are
 * written-secrets.ts; files, line numbers and printing belong to cli/load-config.ts.
 *
 * Invariants: all problems at once, none twice; a problem that only follows from another one is not reported (a value of
 * the wrong shape is replaced by a harmless one while the rest is judged, and nothing that touches it is judged);
 * a text that may be a secret is never repeated.
 */
import { headerReferencePattern, secretReferencePattern } from '../schemas/secrets';
import { runConfigSchema, type ModelConfig, type RunConfig, type TaskConfig } from '../schemas/run-config';
import { armsOf, pairKindsOf, recipeOf } from '../schemas/arms';
import { embeddedModels } from '../schemas/model-ref';
import { signalNames, signalsOf } from '../schemas/signals';
import type { AnswerSpec, TaskRecord } from '../schemas/task';
import { canonicalAnswer, closeIsUnmistakable, labelsOf } from './answers';
import { configProblem, pathText, type ConfigProblem, type Segment } from './config-problem';
import { explainShape, nearestName, type ShapeIssue } from './explain-shape';
import { hasPrices, type ModelRole } from './ledger';
import { urlProblem } from './notify-address';
import { builtinTechniques, questionPairsOfTask, rationalePairsOfTask } from './plan';
import { promptProblems, reminderProblem } from './prompts';
import { firstBlockOf } from './racing';
import { scoresTexts } from './served';
import { signals } from './signals';
import { hasGold } from './warm-up';
import { writtenSecrets } from './written-secrets';

export type { ConfigProblem, Segment } from './config-problem';

export interface Judgement {
  /** The config with its defaults, when its shape is right. It may still have problems of other kinds. */
  readonly config?: RunConfig;
  readonly problems: readonly ConfigProblem[];
  /** Worth knowing, but no reason to stop. */
  readonly notes: readonly string[];
}

/**
 * What the config is read for. `run`: what only planning can do without becomes a problem. `worker`: only the platform is used, on a
 * machine that need not have the task files or the client's secrets.
 */
export type ConfigPurpose = 'plan' | 'run' | 'worker';

export interface JudgeOptions {
  readonly purpose: ConfigPurpose;
  /** The environment that secrets are looked up in; only whether a variable is set and not empty is used. */
  readonly environment: { readonly [name: string]: string | undefined };
}

/** Judge a parsed YAML document. Pure: what is on disk is judged by the caller, with judgeTask. */
export function judgeConfig(input: unknown, options: JudgeOptions): Judgement {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    const empty = input === null || input === undefined;
    const problem = configProblem([], {
      what: empty ? 'The file is empty.' : 'The file is not a set of settings.',
      why: 'A config is a YAML mapping of settings that begins with "version: 1".',
      instead: 'Start from one that works: `arte init TASKFILE`, or a file in examples/.',
    });
    return { problems: [problem], notes: [] };
  }
  const secrets = writtenSecrets(input);
  const secretPaths = new Set(secrets.map(({ path }) => path));
  const parsed = runConfigSchema.safeParse(input);
  const issues: readonly ShapeIssue[] = parsed.success ? [] : parsed.error.issues;
  const shape = explainShape(input, issues).filter(({ path }) => !secretPaths.has(path));
  const judged = parsed.success ? { config: parsed.data, replaced: [] } : withReplacements(input, issues);
  const findings =
    judged === undefined ? { problems: [], notes: [] } : crossFieldFindings(judged.config, options, judged.replaced);
  return {
    ...(parsed.success ? { config: parsed.data } : {}),
    problems: [...secrets, ...shape, ...findings.problems],
    notes: findings.notes,
  };
}

// ---- judging the rest of a config whose shape is wrong -----------------------------------------------------------

/** Harmless values for settings that have no default, so that the rest of a broken config can be judged. */
const stopgapTask = (index: number): unknown => ({
  source: 'declared',
  name: `task-${index}`,
  description: '-',
  test_items: 1,
});
const stopgapSource = 'hf:unknown/unknown';

/** The config with every value of a wrong shape replaced, and the paths that were; undefined when that does not help. */
function withReplacements(
  input: object,
  first: readonly ShapeIssue[],
): { config: RunConfig; replaced: string[] } | undefined {
  const document = structuredClone(input) as Record<string, unknown>;
  const replaced: string[] = [];
  let issues = first;
  // Taking a value out may uncover that it had no default: a second pass replaces the section around it.
  for (let pass = 0; pass < 3; pass += 1) {
    for (const issue of issues) {
      const path = issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment));
      const places = issue.code === 'unrecognized_keys' ? (issue.keys ?? []).map((key) => [...path, key]) : [path];
      for (const place of places) {
        replaced.push(pathText(replace(document, place, pass)));
      }
    }
    const parsed = runConfigSchema.safeParse(document);
    if (parsed.success) return { config: parsed.data, replaced };
    issues = parsed.error.issues;
  }
  return undefined;
}

/** Replaces what stands at a place (from the second pass on: the list item or section around it) and returns where that was. */
function replace(document: Record<string, unknown>, place: readonly Segment[], pass: number): readonly Segment[] {
  const [top, second] = place;
  if (top === 'version' || top === undefined) {
    document.version = 1;
    return place;
  }
  if (top === 'name') {
    document.name = 'unnamed';
    return place;
  }
  if (top === 'tasks') {
    const tasks = document.tasks;
    if (!Array.isArray(tasks) || typeof second !== 'number') {
      document.tasks = [stopgapTask(0)];
      return ['tasks'];
    }
    if (pass > 0 || place.length === 2) {
      tasks[second] = stopgapTask(second);
      return ['tasks', second];
    }
  }
  if (top === 'models') {
    const models =
      typeof document.models === 'object' && document.models !== null && !Array.isArray(document.models)
        ? (document.models as Record<string, unknown>)
        : {};
    document.models = models;
    if (typeof second !== 'string' || place.length === 2 || pass > 0 || place[2] === 'source') {
      const roles = second === 'teacher' || second === 'student' ? [second] : ['teacher', 'student'];
      if (typeof second === 'string' && !roles.includes(second)) Reflect.deleteProperty(models, second);
      else for (const role of roles) models[role] = { source: stopgapSource };
      return typeof second === 'string' ? ['models', second] : ['models'];
    }
  }
  if (pass > 0 || place.length === 1) {
    Reflect.deleteProperty(document, top);
    return [top];
  }
  let parent: unknown = document;
  for (const segment of place.slice(0, -1)) {
    if (typeof parent !== 'object' || parent === null) break;
    parent = (parent as Record<string, unknown>)[segment];
  }
  const last = place.at(-1);
  if (typeof parent === 'object' && parent !== null && last !== undefined) {
    if (Array.isArray(parent)) {
      // Removing one item would move the others away from their paths.
      Reflect.deleteProperty(document, top);
      return [top];
    }
    Reflect.deleteProperty(parent, last);
  }
  return place;
}

// ---- what needs more than one field ------------------------------------------------------------------------------

interface Finding extends ConfigProblem {
  /** Paths that were looked at; the finding is dropped when one of them was replaced. Its own path always counts. */
  readonly concerns: readonly string[];
}

function finding(
  segments: readonly Segment[],
  text: { readonly what: string; readonly why: string; readonly instead: string },
  concerns: readonly string[] = [],
): Finding {
  return { ...configProblem(segments, text), concerns: [pathText(segments), ...concerns] };
}

function crossFieldFindings(
  config: RunConfig,
  options: JudgeOptions,
  replaced: readonly string[],
): { problems: ConfigProblem[]; notes: string[] } {
  const environment = environmentFindings(config, options);
  const findings = [
    ...taskFindings(config, options),
    ...promptFindings(config),
    ...modelFindings(config),
    ...capabilityFindings(config),
    ...answersFindings(config),
    ...signalFindings(config),
    ...armFindings(config),
    ...filterFindings(config),
    ...alignFindings(config),
    ...heldOutFindings(config),
    ...agreementFindings(config),
    ...lengthGateFindings(config),
    ...countFindings(config),
    ...capFindings(config),
    ...promotionFindings(config),
    ...transferFindings(config),
    ...notifyFindings(config),
    ...platformFindings(config),
    ...environment.findings,
  ];
  const touches = (a: string, b: string): boolean =>
    a === b || a.startsWith(`${b}.`) || a.startsWith(`${b}[`) || b.startsWith(`${a}.`) || b.startsWith(`${a}[`);
  const problems = findings
    .filter(({ concerns }) => !concerns.some((concern) => replaced.some((place) => touches(concern, place))))
    .map(({ concerns: _, ...problem }) => problem);
  return { problems, notes: [...staticNotes(config), ...racingNotes(config), ...environment.notes] };
}

// ---- tasks -------------------------------------------------------------------------------------------------------

/** The name a task goes by: written, or what its source decides. */
export function taskNameOf(task: TaskConfig): string {
  if (task.name !== undefined) return task.name;
  switch (task.source) {
    case 'builtin':
      return task.family;
    case 'bbh-json':
    case 'arc-jsonl':
      return fileStem(task.path);
    case 'gsm8k-jsonl':
    case 'commonsenseqa-jsonl':
    case 'piqa-jsonl':
      return task.source.replace(/-jsonl$/, '');
    default:
      return task.source;
  }
}

/** The files that a task names, with the setting that names each. Relative to the config file. */
export function taskFilesOf(task: TaskConfig): readonly TaskFile[] {
  const gold = task.gold === undefined ? [] : [{ setting: 'gold', path: task.gold }];
  return [...itemFilesOf(task), ...gold];
}

interface TaskFile {
  readonly setting: string;
  readonly path: string;
}

function itemFilesOf(task: TaskConfig): readonly TaskFile[] {
  switch (task.source) {
    case 'builtin':
    case 'declared':
      return [];
    case 'files':
      return (['seeds', 'validation', 'test'] as const).map((setting) => ({ setting, path: task[setting] }));
    case 'piqa-jsonl':
      return [
        { setting: 'path', path: task.path },
        ...(task.labels === undefined ? [] : [{ setting: 'labels', path: task.labels }]),
      ];
    default:
      return [{ setting: 'path', path: task.path }];
  }
}

/** The task with the technique prompts that count: its own, else those that the config gives for all tasks, else what its source brings. */
export function withConfigTechniques(
  task: TaskConfig,
  prompts: Pick<RunConfig['prompts'], 'techniques'> | undefined,
): TaskConfig {
  const techniques = task.techniques ?? prompts?.techniques;
  return techniques === undefined ? task : { ...task, techniques };
}

function fileStem(path: string): string {
  const file = path.split(/[/\\]/).at(-1) ?? path;
  return file.replace(/\.[^.]*$/, '').toLowerCase();
}

interface PlacedTask {
  readonly task: TaskConfig;
  readonly segments: readonly Segment[];
  /** Of transfer.tasks. */
  readonly unseen: boolean;
}

/** Every task that the config names, with its place. */
export function placedTasks({ tasks, transfer }: Pick<RunConfig, 'tasks' | 'transfer'>): readonly PlacedTask[] {
  return [
    ...tasks.map((task, index) => ({ task, segments: ['tasks', index], unseen: false })),
    ...transfer.tasks.map((task, index) => ({ task, segments: ['transfer', 'tasks', index], unseen: true })),
  ];
}

function taskFindings(config: RunConfig, { purpose }: JudgeOptions): Finding[] {
  const findings: Finding[] = [];
  const seen = new Map<string, string>();
  for (const { task, segments, unseen } of placedTasks(config)) {
    const name = taskNameOf(task);
    const place = pathText(segments);
    const earlier = seen.get(name);
    if (earlier !== undefined) {
      findings.push(
        finding(
          segments,
          {
            what: `Two tasks are called "${name}": ${earlier} and ${place}.`,
            why: 'Drafts, scores and reports are kept by the name of the task.',
            instead: `Give this one a name of its own, such as "name: ${name}-2".`,
          },
          [earlier],
        ),
      );
    }
    seen.set(name, place);
    if (task.source === 'declared' && purpose === 'run') {
      findings.push(
        finding([...segments, 'source'], {
          what: `The task "${name}" is only declared: it says how many items it has, not which.`,
          why: 'Counts are enough to plan; a run needs the questions.',
          instead:
            'Name its items: source: jsonl with a path, bbh-json, gsm8k-jsonl, arc-jsonl, commonsenseqa-jsonl, piqa-jsonl, files, or builtin.',
        }),
      );
    }
    if (
      (task.source === 'jsonl' || task.source === 'files' || task.source === 'declared') &&
      task.description === undefined
    ) {
      findings.push(
        finding([...segments, 'description'], {
          what: `The task "${name}" has no description.`,
          why: 'It opens every prompt: the teacher writes questions from it and the student is told what to do by it.',
          instead: 'Write one or two sentences, such as "description: Decide which of two numbers is larger."',
        }),
      );
    }
    if (task.answer !== undefined) findings.push(...answerFindings(segments, name, task.answer));
    findings.push(...shotFindings(config, segments, task, unseen));
  }
  return findings;
}

function answerFindings(segments: readonly Segment[], name: string, answer: AnswerSpec): Finding[] {
  const { type, labels } = answer;
  const place: readonly Segment[] = [...segments, 'answer', 'labels'];
  if (type === 'boolean' || type === 'yes-no') {
    const allowed = labelsOf({ type, labels: [] });
    const wrong = labels.filter((label) => !allowed.some((known) => known.toLowerCase() === label.toLowerCase()));
    if (wrong.length === 0) return [];
    const other = type === 'boolean' ? 'yes-no' : 'boolean';
    const fits = labels.every((label) =>
      labelsOf({ type: other, labels: [] }).some((known) => known.toLowerCase() === label.toLowerCase()),
    );
    return [
      finding(place, {
        what: `The task "${name}" has the labels ${quoted(labels)}, but its answers are of type ${type}.`,
        why: `Answers of type ${type} are ${quoted(allowed)}: the answer-tag reminder, the reading of answers and verifiers go by the type.`,
        instead: fits
          ? `Write "type: ${other}" and leave the labels out.`
          : 'Write "type: choice" with these labels, or leave the labels out.',
      }),
    ];
  }
  if (labels.length === 0) return [];
  if (type === 'number') {
    const wrong = labels.filter((label) => canonicalAnswer(label, { type, labels: [] }) === null);
    if (wrong.length === 0) return [];
    return [
      finding(place, {
        what: `The task "${name}" has answers of type number, but ${quoted(wrong)} ${wrong.length === 1 ? 'is' : 'are'} none.`,
        why: 'The answer-tag reminder asks for a number, and only a number is read from an answer.',
        instead: 'Write "type: choice" for a closed set of words, or leave the labels out.',
      }),
    ];
  }
  const lower = labels.map((label) => label.trim().toLowerCase());
  if (new Set(lower).size < lower.length) {
    return [
      finding(place, {
        what: `The task "${name}" names a label twice: ${quoted(labels)}.`,
        why: 'Labels are compared without regard to case and surrounding space.',
        instead: 'Write every label once.',
      }),
    ];
  }
  return [];
}

/** k-shot demonstrations are the task's seeds: there must be k of them. Respondents are asked about none of the unseen tasks. */
function shotFindings(config: RunConfig, segments: readonly Segment[], task: TaskConfig, unseen: boolean): Finding[] {
  if (task.source === 'files') return [];
  const seeds = task.source === 'declared' ? task.seed_items : task.split.seeds;
  const place: readonly Segment[] = [
    ...segments,
    ...(task.source === 'declared' ? ['seed_items'] : ['split', 'seeds']),
  ];
  const wanted: readonly { readonly where: string; readonly shots: readonly number[] }[] = [
    { where: 'evaluate.shots', shots: config.evaluate.shots },
    ...(config.probe.method === 'irt' && !unseen
      ? [{ where: 'probe.respondent_shots', shots: config.probe.respondent_shots }]
      : []),
  ];
  return wanted.flatMap(({ where, shots }) => {
    const most = Math.max(...shots);
    if (most <= seeds) return [];
    return [
      finding(
        place,
        {
          what: `The task "${taskNameOf(task)}" has ${seeds} seed questions, but ${where} asks for ${most} shots.`,
          why: 'The demonstrations of a k-shot prompt are the seed questions.',
          instead: `Write at least ${most} here, or take ${most} out of ${where}.`,
        },
        [where],
      ),
    ];
  });
}

/**
 * A task judged once its items have been read: targets that an answer of the task's type could never equal, and a reminder of the
 * user's own that does not fit them. Overlap between the parts is refused by split.ts, which makes them.
 */
export function judgeTask(
  record: TaskRecord,
  segments: readonly Segment[],
  prompts?: RunConfig['prompts'],
  tailor?: RunConfig['tailor'],
): ConfigProblem[] {
  const reminder = prompts === undefined ? undefined : reminderText(record.answer, record.name, prompts);
  const problems: ConfigProblem[] = reminder === undefined ? [] : [reminder];
  const items = [...record.seeds, ...record.validation, ...record.test];
  const unreadable = items.filter(({ question, target }) => !answerFits(target, record.answer, question));
  const [first] = unreadable;
  if (first !== undefined) {
    const { type } = record.answer;
    const labels = labelsOf(record.answer);
    problems.push(
      configProblem(segments, {
        what: `${unreadable.length} of ${items.length} targets of "${record.name}" do not fit answers of type ${type}${labels.length > 0 ? ` with the labels ${quoted(labels)}` : ''}, the first is "${clipped(first.target)}".`,
        why: 'The answer-tag reminder asks for something else, so the right answer could never be given.',
        instead: 'Write answer.type (and answer.labels) that fit the targets, or correct the file.',
      }),
    );
  }
  if (tailor?.filter === 'verifier' && (record.verifier === undefined || record.verifier.kind === 'command')) {
    problems.push(
      configProblem(segments, {
        what: `tailor.filter is verifier, and the task "${record.name}" has ${record.verifier === undefined ? 'none' : 'a command as its verifier'}.`,
        why:
          record.verifier === undefined
            ? 'Nothing could tell a right answer from a wrong one.'
            : 'Commands are not run while a training set is written; only built-in verifiers judge it.',
        instead:
          'Write a built-in verifier (arithmetic, boolean, counting, comparison), or filter: target or majority.',
      }),
    );
  }
  return problems;
}

function answerFits(target: string, answer: AnswerSpec, question: string): boolean {
  const canonical = canonicalAnswer(target, answer, question);
  if (canonical === null) return false;
  const labels = labelsOf(answer);
  return labels.length === 0 || labels.some((label) => canonicalAnswer(label, answer, question) === canonical);
}

// ---- prompts -----------------------------------------------------------------------------------------------------

function promptFindings(config: RunConfig): Finding[] {
  const { prompts } = config;
  const findings = promptProblems(prompts).map(({ segments, ...text }) => finding(segments, text));
  const open = prompts.answer_open.trim();
  if (open !== '' && open === prompts.answer_close.trim()) {
    findings.push(
      finding(
        ['prompts', 'answer_close'],
        {
          what: `The answer tag opens and closes with the same text, ${JSON.stringify(prompts.answer_open)}.`,
          why: 'The end of an answer could not be told from its beginning.',
          instead: 'Write two texts, such as <ans> and </ans>.',
        },
        ['prompts.answer_open'],
      ),
    );
  }
  for (const name of ['naive', 'rationale', 'student_one_shot'] as const) {
    const text = prompts[name];
    // A text that writes the answer tag itself needs no reminder.
    if (text === undefined || text.includes('{reminder}') || text.includes(open)) continue;
    findings.push(
      finding(
        ['prompts', name],
        {
          what: `prompts.${name} neither has the slot {reminder} nor writes the answer tag ${JSON.stringify(prompts.answer_open)}.`,
          why: 'Answers are read from the tag, and nobody tells the model to write it.',
          instead: 'Put {reminder} after {description}.',
        },
        ['prompts.answer_open'],
      ),
    );
  }
  return [...findings, ...reminderFindings(config), ...closingFindings(config)];
}

/** A reminder of the user's own against tasks whose answers the config itself names; the others are judged with their items. */
function reminderFindings(config: RunConfig): Finding[] {
  return placedTasks(config).flatMap(({ task, segments }) => {
    const problem =
      task.answer === undefined || task.source !== 'declared'
        ? undefined
        : reminderText(task.answer, taskNameOf(task), config.prompts);
    return problem === undefined
      ? []
      : [finding(problem.segments, problem, [`${pathText(segments)}.answer`, 'prompts.answer_open'])];
  });
}

function reminderText(answer: AnswerSpec, name: string, prompts: RunConfig['prompts']): ConfigProblem | undefined {
  const trouble = reminderProblem(answer, prompts);
  if (trouble === null) return undefined;
  return configProblem(['prompts', 'answer_reminder', answer.type], {
    what: `This answer-tag reminder does not fit the task "${name}": ${trouble}.`,
    why: 'What a model is not asked for it does not answer; the score would be made by the prompt.',
    instead:
      'Put {labels} where the answers are named, and {open} and {close} around the answer, such as "End with {open}X{close}, where X is {labels}."',
  });
}

/** A closing tag of ordinary letters inside a label would cut every such answer short. */
function closingFindings(config: RunConfig): Finding[] {
  const close = config.prompts.answer_close.trim();
  if (close === '' || !(closeIsUnmistakable(close) || close.length === 1)) return [];
  return placedTasks(config).flatMap(({ task, segments }) => {
    const cut = (task.answer?.labels ?? []).filter((label) => label.includes(close));
    if (cut.length === 0) return [];
    return [
      finding(
        ['prompts', 'answer_close'],
        {
          what: `The closing answer tag ${JSON.stringify(close)} stands inside ${quoted(cut)}, a label of the task "${taskNameOf(task)}".`,
          why: 'Such an answer would be cut off at the tag and counted as wrong.',
          instead: 'Write a closing tag that no answer holds, such as </ans>.',
        },
        [`${pathText(segments)}.answer`],
      ),
    ];
  });
}

// ---- models ------------------------------------------------------------------------------------------------------

interface NamedModel {
  readonly role: ModelRole;
  readonly segments: readonly Segment[];
  readonly model: ModelConfig;
}

/** Every model the config names, with its place. */
export function namedModels(config: RunConfig): readonly NamedModel[] {
  return [
    { role: 'teacher', segments: ['models', 'teacher'], model: config.models.teacher },
    { role: 'student', segments: ['models', 'student'], model: config.models.student },
    ...config.probe.respondents.map((model, index) => ({
      role: 'respondent' as const,
      segments: ['probe', 'respondents', index],
      model,
    })),
    ...config.transfer.students.map((model, index) => ({
      role: 'other' as const,
      segments: ['transfer', 'students', index],
      model,
    })),
  ];
}

const sourceForms = 'embedded:NAME, hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX or hosted:PROVIDER/ID';

/** What is wrong with how a model's source is written, or undefined. Whether it is there is not judged here. */
function sourceTrouble(source: string): string | undefined {
  if (source.trim() === '') return 'It is empty.';
  if (source.startsWith('hf:') && !/^hf:[\w.-]+\/[\w.-]+$/.test(source)) return 'A Hugging Face id is ORG/NAME.';
  if (source.startsWith('hosted:') && !/^hosted:[^/\s]+\/\S+$/.test(source)) return 'A hosted model is PROVIDER/ID.';
  if (source.startsWith('s3:') && !/^s3:\/\/[a-z0-9][a-z0-9.-]+\/.+$/.test(source))
    return 'A model in S3 is s3://BUCKET/PREFIX.';
  if (source.startsWith('embedded:')) return embeddedTrouble(source.slice('embedded:'.length));
  const scheme = /^([a-z][a-z0-9]*):/i.exec(source)?.[1];
  // One letter is a drive of Windows, not a scheme.
  if (scheme !== undefined && scheme.length > 1 && !['hf', 'hosted', 's3', 'embedded'].includes(scheme))
    return `"${scheme}:" is not known.`;
  return undefined;
}

function embeddedTrouble(name: string): string | undefined {
  if (embeddedModels.some((known) => known === name)) return undefined;
  const nearest = nearestName(name, embeddedModels);
  return `There is no embedded model "${name}"; ${nearest === undefined ? `there is ${embeddedModels.join(', ')}` : `the nearest is "${nearest}"`}.`;
}

function modelFindings(config: RunConfig): Finding[] {
  const findings: Finding[] = [];
  for (const { role, segments, model } of namedModels(config)) {
    const place = pathText(segments);
    const source: readonly Segment[] = [...segments, 'source'];
    const trouble = sourceTrouble(model.source);
    if (trouble !== undefined) {
      findings.push(
        finding(source, {
          what: `${place}.source does not say where the model is. ${trouble}`,
          why: 'The source tells how to get the weights, and whether there are any to get.',
          instead: `Write ${sourceForms}.`,
        }),
      );
      continue;
    }
    if (!model.source.startsWith('hosted:')) continue;
    const isStudent = role === 'student' || role === 'other';
    if (isStudent || (role === 'teacher' && (config.align.method !== 'none' || hasGold(config)))) {
      findings.push(
        finding(source, {
          what: `${role === 'other' ? 'This student' : `The ${role}`} is a hosted model, which cannot be trained here.`,
          why:
            role === 'teacher'
              ? `${config.align.method === 'none' ? 'The warm-up on the gold examples of the tasks' : `align.method: ${config.align.method}`} changes the weights of the teacher, and a hosted model keeps its own.`
              : 'The student is trained on the tailored set, and a hosted model keeps its weights.',
          instead: `Name weights of your own (hf:ORG/NAME, a folder, a .gguf file, s3://BUCKET/PREFIX)${role === 'teacher' ? `, or write "align: {method: none}"${hasGold(config) ? ' and no gold' : ''}: preferences then only choose among its drafts` : ''}.`,
        }),
      );
    }
    if (model.endpoint.kind === 'managed') {
      findings.push(
        finding([...segments, 'endpoint'], {
          what: `${place} is hosted by somebody else, but its endpoint is managed.`,
          why: 'managed means that the worker starts a server with the weights, and there are none to start it with.',
          instead: 'Write "endpoint: {kind: static, base_url: https://…/v1, model: NAME, api_key: ${env:NAME}}".',
        }),
      );
    }
  }
  return findings;
}

/** A static endpoint serves what it was started with; what a training makes of the model is not asked there. */
function staticNotes(config: RunConfig): string[] {
  const trained = ['student', 'other', ...(config.align.method === 'none' && !hasGold(config) ? [] : ['teacher'])];
  return namedModels(config)
    .filter(({ role, model }) => trained.includes(role) && model.endpoint.kind === 'static')
    .map(
      ({ role, segments }) =>
        `${pathText(segments)} has a static endpoint, which serves the weights it was started with: the trained ${role === 'other' ? 'student' : role} cannot be asked there. For a run to its end use kind: managed.`,
    );
}

/** A first wave that would leave too few calls to race for is cut. */
function racingNotes({ score, probe }: RunConfig): string[] {
  const { mode, confidence, first_block: firstBlock, calls_max: callsMax } = score;
  if (mode !== 'racing' || confidence >= 1 || probe.method === 'full') return [];
  const items = firstBlockOf(probe.size, { firstBlock, callsMax });
  return items < firstBlock
    ? [
        `score.mode: racing asks ${items} probe items of every draft in its first wave, not score.first_block = ${firstBlock}: it takes half of the calls at most, and score.calls_max x probe.size is ${Math.round(10 * callsMax * probe.size) / 10} a draft.`,
      ]
    : [];
}

type Capability = 'n' | 'structured' | 'completion' | 'per_request_sampling' | 'extended_sampling';

interface Need {
  readonly capability: Capability;
  /** The setting that needs it. */
  readonly setting: string;
  readonly because: string;
  readonly otherwise: string;
}

/** What the stages need of a model, by the settings as they stand. */
function needsOf(config: RunConfig, { role, model }: NamedModel, place: string): Need[] {
  const needs: Need[] = [
    {
      capability: 'per_request_sampling',
      setting: place,
      because:
        'Every call sends its own temperature and length; a server that ignores them answers in another way than the record says.',
      otherwise: 'use an endpoint that honours them',
    },
  ];
  if (model.prompt_style === 'completion') {
    needs.push({
      capability: 'completion',
      setting: `${place}.prompt_style`,
      because: 'prompt_style: completion sends raw text to /v1/completions.',
      otherwise: 'write "prompt_style: chat"',
    });
  }
  if (role === 'teacher' && config.questions.format === 'json') {
    needs.push({
      capability: 'structured',
      setting: 'questions.format',
      because: 'questions.format: json has the answer constrained by a JSON Schema.',
      otherwise: 'write "format: tagged"',
    });
  }
  if (role === 'teacher' && config.questions.answers_per_call > 1) {
    needs.push({
      capability: 'n',
      setting: 'questions.answers_per_call',
      because: 'questions.answers_per_call asks for several answers to one prompt in one call.',
      otherwise: 'write "answers_per_call: 1"',
    });
  }
  const sampled =
    role === 'teacher'
      ? ([
          ['questions', config.questions],
          ['rationales', config.rationales],
          ['tailor.questions', config.tailor.questions],
          ['tailor.rationales', config.tailor.rationales],
        ] as const)
      : role === 'student'
        ? ([['score', config.score]] as const)
        : [];
  const extended = sampled.find(([, settings]) => settings.top_k > 0 || settings.min_p > 0);
  if (extended !== undefined) {
    needs.push({
      capability: 'extended_sampling',
      setting: extended[0],
      because: `${extended[0]} sets top_k or min_p, which not every server knows.`,
      otherwise: 'set both to 0',
    });
  }
  return needs;
}

/** Signals: what each needs of the student, and what goes together. */
function signalFindings({ score, models: { student } }: RunConfig): Finding[] {
  const findings: Finding[] = [];
  const asked = signalsOf(score);
  if (score.signal === 'combined' && asked.length < 2) {
    findings.push(
      finding(
        ['score', 'combine'],
        {
          what: `score.signal is combined, and score.combine names ${asked.length === 1 ? 'one signal' : 'none'}.`,
          why: 'A combination is a mean of ranks by two signals or more.',
          instead: `Write two or more of ${signalNames.join(', ')} with a weight each${asked[0] === undefined ? '' : `, or "signal: ${asked[0]}"`}.`,
        },
        ['score.signal'],
      ),
    );
  }
  const texts = asked.filter((name) => signals[name].asks === 'text');
  if (score.mode === 'racing' && score.signal !== 'icl_accuracy') {
    findings.push(
      finding(
        ['score', 'mode'],
        {
          what: `score.mode is racing, and score.signal is ${score.signal}.`,
          why: 'Racing predicts right and wrong answers; of other signals it knows nothing, and they cost a pass over a text instead of an answer.',
          instead: 'Write "mode: exhaustive", or "signal: icl_accuracy".',
        },
        ['score.signal'],
      ),
    );
  }
  if (texts.length === 0) return findings;
  const { endpoint } = student;
  if (endpoint.kind === 'static' && !scoresTexts(endpoint) && student.source.startsWith('hosted:')) {
    findings.push(
      finding(
        ['models', 'student', 'endpoint', 'capabilities', 'prompt_logprobs'],
        {
          what: `score.signal asks for ${texts.join(' and ')}, and nobody can say how probable a text is to the student.`,
          why: 'Its endpoint does not declare prompt_logprobs with dialect: vllm, and a hosted model has no weights for the scorer to read.',
          instead:
            'Write "dialect: vllm" and "prompt_logprobs: true" if the server is a vLLM; name the weights as the source (hf:ORG/NAME, a folder); or write "signal: icl_accuracy".',
        },
        ['score.signal', 'models.student.source', 'models.student.endpoint'],
      ),
    );
  }
  return findings;
}

/** With the targets appended to them, answers agree with the target, and with each other, whatever the teacher wrote. */
function filterFindings({ tailor }: RunConfig): Finding[] {
  if (tailor.answer !== 'given' || (tailor.filter !== 'target' && tailor.filter !== 'majority')) return [];
  return [
    finding(
      ['tailor', 'filter'],
      {
        what: `tailor.filter: ${tailor.filter} can drop nothing while tailor.answer is given.`,
        why: "Every example then ends in its question's own target.",
        instead: 'Write tailor.answer: free, or filter: off (or verifier, which judges the target itself).',
      },
      ['tailor.answer'],
    ),
  ];
}

/** Several answers to one prompt: all the same, or more than the server takes. */
function answersFindings({ questions, tailor, models }: RunConfig): Finding[] {
  const { answers_per_call: answers } = questions;
  if (answers === 1) return [];
  const sampled = [
    [['questions'], questions],
    [['tailor', 'questions'], tailor.questions],
  ] as const;
  const same = sampled
    .filter(([, { temperature }]) => temperature === 0)
    .map(([segments]) =>
      finding(
        [...segments, 'temperature'],
        {
          what: `${segments.join('.')}.temperature is 0 while questions.answers_per_call asks for ${answers} answers to one prompt.`,
          why: 'At temperature 0 all of them are the same answer, paid several times.',
          instead: 'Write a temperature above 0 (the paper: 1), or "answers_per_call: 1".',
        },
        ['questions.answers_per_call'],
      ),
    );
  const { endpoint } = models.teacher;
  if (endpoint.kind !== 'managed' || answers <= endpoint.slots) return same;
  return [
    ...same,
    finding(
      ['questions', 'answers_per_call'],
      {
        what: `questions.answers_per_call is ${answers}, and models.teacher.endpoint has ${endpoint.slots} slots.`,
        why: "llama.cpp's server writes each answer of a call in a slot of its own and refuses calls for more.",
        instead: `Write at most ${endpoint.slots}, or more slots.`,
      },
      ['models.teacher.endpoint.slots'],
    ),
  ];
}

function capabilityFindings(config: RunConfig): Finding[] {
  return namedModels(config).flatMap((named) => {
    const { endpoint } = named.model;
    // The servers that a worker starts, and the scripts, have what the stages need; that is tested with them.
    if (endpoint.kind !== 'static') return [];
    const place = pathText(named.segments);
    return needsOf(config, named, place)
      .filter(({ capability }) => !endpoint.capabilities[capability])
      .map(({ capability, setting, because, otherwise }) =>
        finding(
          [...named.segments, 'endpoint', 'capabilities', capability],
          {
            what: `${place} needs the capability "${capability}", which its endpoint does not declare.`,
            why: because,
            instead: `Write "${capability}: true" under capabilities if the server has it; else ${otherwise}.`,
          },
          [setting],
        ),
      );
  });
}

// ---- arms --------------------------------------------------------------------------------------------------------

/** Arms that could not be made, or not at equal budget. */
/** Losses, their weights, and what one of them needs. */
function alignFindings({ align: { loss, loss_weights: weights, label_smoothing: smoothing } }: RunConfig): Finding[] {
  const findings: Finding[] = [];
  if (weights.length > 0 && weights.length !== loss.length) {
    findings.push(
      finding(
        ['align', 'loss_weights'],
        {
          what: `align.loss_weights has ${weights.length} weights for ${loss.length} losses (${loss.join(', ')}).`,
          why: 'Losses are added up, each with the weight in its place.',
          instead: `Write ${loss.length} numbers, or leave loss_weights out: then each counts 1.`,
        },
        ['align.loss'],
      ),
    );
  }
  if (loss.includes('robust') !== smoothing > 0) {
    const robust = loss.includes('robust');
    findings.push(
      finding(
        ['align', 'label_smoothing'],
        {
          what: robust
            ? 'align.loss has robust, but align.label_smoothing is 0.'
            : `align.label_smoothing is ${smoothing}, but align.loss has no robust.`,
          why: robust
            ? 'With no preference taken to be wrong the robust loss is the sigmoid loss under another name.'
            : 'Only the robust loss takes some preferences to be wrong; the others would leave it aside in silence.',
          instead: robust
            ? 'Write the share that you take to be wrong, such as 0.1.'
            : 'Leave it out, or add robust to align.loss.',
        },
        ['align.loss'],
      ),
    );
  }
  return findings;
}

/** What is asked on validation items outside of the preference set needs some. */
function heldOutFindings({ probe, rounds: { gates } }: RunConfig): Finding[] {
  const wanted = [
    ...(gates.icl_examples > 0
      ? [{ path: ['rounds', 'gates', 'icl_examples'], name: 'rounds.gates.icl_examples' }]
      : []),
    ...(probe.agreement_questions > 0
      ? [{ path: ['probe', 'agreement_questions'], name: 'probe.agreement_questions' }]
      : []),
  ];
  if (probe.method !== 'full') return [];
  return wanted.map(({ path, name }) =>
    finding(
      path,
      {
        what: `${name} needs validation items outside of the preference set, and probe.method: full leaves none.`,
        why: 'What the drafts were chosen by says nothing new about them.',
        instead: 'Write 0 here, or "probe: {method: irt}" or random with a size below the number of validation items.',
      },
      ['probe.method'],
    ),
  );
}

/** Agreement is of right answers on all validation items; a rank, a log-probability or a race's estimate cannot be added to those. */
function agreementFindings({ probe, score }: RunConfig): Finding[] {
  const by = score.signal !== 'icl_accuracy' ? 'signal' : 'mode';
  if (probe.agreement_questions === 0 || (score.signal === 'icl_accuracy' && score.mode === 'exhaustive')) return [];
  return [
    finding(
      ['probe', 'agreement_questions'],
      {
        what: `probe.agreement_questions is ${probe.agreement_questions}, and score.${by} is ${score[by]}.`,
        why: "It tells how often the drafts chosen by the preference set are those of all validation items, by the share of right answers on each; this score is no such share of every draft's.",
        instead: 'Write 0 here, or "score: {signal: icl_accuracy, mode: exhaustive}".',
      },
      [`score.${by}`],
    ),
  ];
}

/** No length lies below the one limit and above the other: every round would fail a gate. */
function lengthGateFindings({ rounds: { gates } }: RunConfig): Finding[] {
  const { length_ratio_min: low, length_ratio_max: high } = gates;
  if (low === null || high === null || low <= high) return [];
  return [
    finding(
      ['rounds', 'gates', 'length_ratio_min'],
      {
        what: `rounds.gates.length_ratio_min is ${low}, which is above length_ratio_max, ${high}.`,
        why: 'No set of examples could pass both gates: every round would fail, after its teacher was paid for.',
        instead: `Write at most ${high} here, raise length_ratio_max, or write null to turn one of them off.`,
      },
      ['rounds.gates.length_ratio_max'],
    ),
  ];
}

function armFindings(config: RunConfig): Finding[] {
  const { align, questions, tailor } = config;
  const findings: Finding[] = [];
  const recipes = armsOf(config.arms).map((arm) => ({ arm, recipe: recipeOf(arm, align.method) }));
  const aligned = recipes.filter(
    ({ arm, recipe }) => arm !== 'arte' && recipe.kind === 'written' && recipe.pairs !== 'none',
  );
  if (align.method === 'none' && aligned.length > 0) {
    findings.push(
      finding(
        ['arms'],
        {
          what: `The ${aligned.length === 1 ? 'arm' : 'arms'} ${aligned.map(({ arm }) => arm).join(' and ')} cannot be made with align.method: none.`,
          why: 'Its set is written by a teacher that was trained on one kind of pairs, and nothing trains the teacher.',
          instead: 'Take it out of arms, or write "align: {method: dpo}".',
        },
        ['align.method'],
      ),
    );
  }
  const chosen = recipes.filter(({ recipe }) => recipe.kind === 'chosen');
  if (chosen.length > 0 && questions.per_task < tailor.per_task) {
    findings.push(
      finding(
        ['questions', 'per_task'],
        {
          what: `questions.per_task is ${questions.per_task}, but ${chosen.map(({ arm }) => arm).join(', ')} ${chosen.length === 1 ? 'takes' : 'take'} tailor.per_task = ${tailor.per_task} examples a task from the drafts.`,
          why: 'One draft a question is taken; with fewer questions the arms would not be trained on as many examples as the others.',
          instead: `Write at least ${tailor.per_task} here, or lower tailor.per_task.`,
        },
        ['tailor.per_task', 'arms', 'align.method'],
      ),
    );
  }
  if (align.method === 'none' && config.rounds.count > 1) {
    findings.push(
      finding(
        ['rounds', 'count'],
        {
          what: `rounds.count is ${config.rounds.count} with align.method: none.`,
          why: 'A further round differs from the one before by its teacher, and this one stays what it is.',
          instead: 'Write 1.',
        },
        ['align.method'],
      ),
    );
  }
  return findings;
}

// ---- counts and lengths ------------------------------------------------------------------------------------------

function countFindings(config: RunConfig): Finding[] {
  return [...probeFindings(config), ...pairFindings(config), ...lengthFindings(config), ...roundFindings(config)];
}

/** A cap that nothing counts towards would be a false promise. */
function capFindings(config: RunConfig): Finding[] {
  if (config.budget.cap === null || hasPrices(config)) return [];
  return [
    finding(
      ['budget', 'cap'],
      {
        what: 'There is a cap, but no model has a price.',
        why: 'What a run has spent follows from the prices in the config; without them it counts nothing and the cap is never reached.',
        instead:
          'Write models.teacher.price and models.student.price (and those of probe.respondents), or leave the cap out.',
      },
      ['models', 'probe.respondents', 'transfer.students'],
    ),
  ];
}

/** A floor of a task that is not there would never be looked at. */
function promotionFindings(config: RunConfig): Finding[] {
  const names = config.tasks.map(taskNameOf);
  return Object.keys(config.promotion.floor)
    .filter((name) => !names.includes(name))
    .map((name) =>
      finding(
        ['promotion', 'floor', name],
        {
          what: `There is no task "${name}" to have a floor.`,
          why: 'promotion.floor is by the names of the tasks of this config.',
          instead: `Write ${names.length === 1 ? `"${names[0] ?? ''}"` : `one of ${names.join(', ')}`}, or take it out.`,
        },
        ['tasks'],
      ),
    );
}

/** What a transfer would not be one from, or could not be made. */
function transferFindings(config: RunConfig): Finding[] {
  return [...otherStudentFindings(config), ...unseenTaskFindings(config)];
}

/** Another student is another one. */
function otherStudentFindings({ models, transfer }: RunConfig): Finding[] {
  const identity = ({ source, revision, prompt_style: style }: ModelConfig): string =>
    [source, revision, style].join(' ');
  const named = [
    { place: 'models.student', model: models.student },
    ...transfer.students.map((model, index) => ({ place: `transfer.students[${index}]`, model })),
  ];
  return transfer.students.flatMap((model, index) => {
    const same = named.slice(0, index + 1).find((one) => identity(one.model) === identity(model));
    if (!same) return [];
    return [
      finding(
        ['transfer', 'students', index],
        {
          what: `transfer.students[${index}] is the model of ${same.place}, ${model.source}, prompted in the same form.`,
          why: 'Transfer is to a student that the teacher was not aligned for; this one stands in the report already.',
          instead: 'Name another model, or take it out.',
        },
        [same.place],
      ),
    ];
  });
}

/** Nothing of an unseen task reaches the alignment, and there is one to carry over. */
function unseenTaskFindings({ align, transfer }: RunConfig): Finding[] {
  const findings = transfer.tasks.flatMap((task, index) => {
    if (task.gold === undefined) return [];
    return [
      finding(['transfer', 'tasks', index, 'gold'], {
        what: `The unseen task "${taskNameOf(task)}" has gold examples.`,
        why: 'The teacher learns from gold examples before it is aligned: the task would not be unseen.',
        instead: 'Leave gold out here.',
      }),
    ];
  });
  if (align.method !== 'none' || transfer.tasks.length === 0) return findings;
  return [
    ...findings,
    finding(
      ['transfer', 'tasks'],
      {
        what: 'transfer.tasks compares what an aligned and an unaligned teacher write, and with align.method: none there is only one teacher.',
        why: "The student's preferences then choose among drafts, and unseen tasks have none.",
        instead: 'Take transfer.tasks out (transfer.students can stay), or write "align: {method: dpo}".',
      },
      ['align.method'],
    ),
  ];
}

function probeFindings(config: RunConfig): Finding[] {
  return config.tasks.flatMap((task, index) => {
    if (task.source === 'files') return [];
    const items = task.source === 'declared' ? task.validation_items : task.split.validation;
    const place: readonly Segment[] =
      task.source === 'declared' ? ['tasks', index, 'validation_items'] : ['tasks', index, 'split', 'validation'];
    const wanted = config.probe.method === 'full' ? 1 : config.probe.size;
    if (items >= wanted) return [];
    return [
      finding(
        place,
        {
          what: `The task "${taskNameOf(task)}" has ${items} validation items, but the probe set is to have ${wanted}.`,
          why: 'The probe set is chosen from the validation items.',
          instead: `Write at least ${wanted} here, or lower probe.size.`,
        },
        ['probe.size', 'probe.method'],
      ),
    ];
  });
}

function pairFindings(config: RunConfig): Finding[] {
  const { pairs } = config;
  const most = { both: 0, question: 0, rationale: 0 };
  for (const task of config.tasks) {
    const techniques = task.techniques?.length ?? config.prompts.techniques?.length ?? builtinTechniques;
    most.question += questionPairsOfTask(config);
    most.rationale += rationalePairsOfTask(config, techniques);
  }
  most.both = most.question + most.rationale;
  const [short] = pairKindsOf(armsOf(config.arms), config.align.method).filter((kinds) => most[kinds] < pairs.minimum);
  if (short === undefined) return [];
  return [
    finding(
      ['pairs', 'minimum'],
      {
        what: `At most ${most[short]} ${short === 'both' ? '' : `${short} `}pairs can be made, but at least ${pairs.minimum} are asked for.`,
        why: 'With fewer pairs than the minimum the run parks before the teacher is trained. A rationale pair needs two technique prompts.',
        instead: `Raise pairs.question.per_task, pairs.rationale.per_task or questions.per_task, ${short === 'both' ? '' : `take ${short}_only out of arms, `}or lower pairs.minimum.`,
      },
      ['pairs', 'questions.per_task', 'prompts.techniques', 'tasks', 'arms', 'align.method'],
    ),
  ];
}

/** An answer as long as the whole context leaves no room for the question. */
function lengthFindings(config: RunConfig): Finding[] {
  const teacher: readonly (readonly [string, number])[] = [
    ['questions.max_tokens', config.questions.max_tokens],
    ['rationales.max_tokens', config.rationales.max_tokens],
    ['tailor.questions.max_tokens', config.tailor.questions.max_tokens],
    ['tailor.rationales.max_tokens', config.tailor.rationales.max_tokens],
    ...(config.arms.includes('teacher') ? [['evaluate.max_tokens', config.evaluate.max_tokens] as const] : []),
  ];
  const student: readonly (readonly [string, number])[] = [
    ['score.max_tokens', config.score.max_tokens],
    ['evaluate.max_tokens', config.evaluate.max_tokens],
  ];
  const lengths = {
    ...{ teacher, student, respondent: [['probe.max_tokens', config.probe.max_tokens]] as const },
    other: [['evaluate.max_tokens', config.evaluate.max_tokens]] as const,
  };
  return namedModels(config).flatMap(({ role, segments, model }) => {
    const { endpoint } = model;
    if (endpoint.kind !== 'managed') return [];
    return lengths[role]
      .filter(([, tokens]) => tokens >= endpoint.context_tokens)
      .map(([setting, tokens]) =>
        finding(
          [...segments, 'endpoint', 'context_tokens'],
          {
            what: `${setting} is ${tokens}, but the ${role === 'other' ? 'student' : role}'s server holds only ${endpoint.context_tokens} tokens of prompt and answer.`,
            why: 'The prompt would have no room left.',
            instead: `Write a context_tokens above ${tokens} and the prompt's length, or lower ${setting}.`,
          },
          [setting],
        ),
      );
  });
}

function roundFindings(config: RunConfig): Finding[] {
  if (Math.abs(config.rounds.accept_margin) < 1) return [];
  return [
    finding(['rounds', 'accept_margin'], {
      what: `rounds.accept_margin is ${config.rounds.accept_margin}, which is ${Math.abs(config.rounds.accept_margin) * 100} points.`,
      why: 'Accuracies are shares between 0 and 1, so no round could ever pass (or fail) it.',
      instead: 'Write a share: 0.01 is one point.',
    }),
  ];
}

// ---- messages ----------------------------------------------------------------------------------------------------

function notifyFindings({ notify }: RunConfig): Finding[] {
  return notify.flatMap((target, index) => {
    if (target.kind !== 'webhook' || secretReferencePattern.test(target.url)) return [];
    const problem = urlProblem(target.url, target.allow_http);
    if (problem === undefined) return [];
    return [
      finding(
        ['notify', index, 'url'],
        {
          what: `The address ${problem}`,
          why: 'A message tells of models, money and errors, and its headers hold secrets: it goes to an address that can be trusted, or the config says that it need not be.',
          instead:
            'Write https://…, http://127.0.0.1:PORT/… for this machine, ${env:NAME} for an address that is a secret, or "allow_http: true" beside it.',
        },
        [`notify[${index}].allow_http`],
      ),
    ];
  });
}

// ---- platform and environment ------------------------------------------------------------------------------------

function platformFindings(config: RunConfig): Finding[] {
  const { store, temporal } = config.platform;
  const findings: Finding[] = [];
  if (store.endpoint !== undefined && store.bucket === undefined) {
    findings.push(
      finding(['platform', 'store', 'bucket'], {
        what: 'platform.store names an endpoint but no bucket.',
        why: 'Everything is kept in one bucket; without an endpoint and a bucket the embedded store is used.',
        instead: 'Write "bucket: NAME", or leave the endpoint out.',
      }),
    );
  }
  if ((store.access_key_id === undefined) !== (store.secret_access_key === undefined)) {
    const missing = store.access_key_id === undefined ? 'access_key_id' : 'secret_access_key';
    findings.push(
      finding(['platform', 'store', missing], {
        what: `platform.store gives one half of the credentials; ${missing} is missing.`,
        why: 'Both are needed to sign a request.',
        instead: `Write "${missing}: \${env:NAME}", or leave both out to use AWS's own provider chain.`,
      }),
    );
  }
  if (temporal.api_key !== undefined && temporal.address === undefined) {
    findings.push(
      finding(['platform', 'temporal', 'address'], {
        what: 'platform.temporal has an api_key but no address.',
        why: 'The embedded server takes no key.',
        instead: 'Write "address: HOST:PORT", or leave the api_key out.',
      }),
    );
  }
  return findings;
}

/** `${env:NAME}`: a name that is not set stops a run, and is a remark otherwise; and it works in secrets only. */
function environmentFindings(
  config: RunConfig,
  { purpose, environment }: JudgeOptions,
): { findings: Finding[]; notes: string[] } {
  const secrets = secretReferences(config);
  const findings: Finding[] = [];
  const notes: string[] = [];
  for (const { segments, name } of secrets) {
    if ((environment[name] ?? '') !== '') continue;
    const place = pathText(segments);
    if (purpose === 'worker' && segments[0] !== 'platform') continue;
    if (purpose === 'plan') {
      notes.push(`${name} is not set in this environment; a run needs it (${place}).`);
      continue;
    }
    findings.push(
      finding(segments, {
        what: `${place} is read from ${name}, which is not set in this environment.`,
        why: 'Secrets are read from the environment and nowhere else.',
        instead: `Set ${name} (export ${name}=…) where arte and its workers are started.`,
      }),
    );
  }
  const known = new Set(secrets.map(({ segments }) => pathText(segments)));
  visitTexts(config, [], (text, segments) => {
    if (!text.includes('${env:') || known.has(pathText(segments))) return;
    findings.push(
      finding(segments, {
        what: `${pathText(segments)} holds \${env:…}, which is not read here.`,
        why: 'Only secrets come from the environment; everything else of a run stands in its config, so that it can be repeated.',
        instead: 'Write the value itself.',
      }),
    );
  });
  return { findings, notes };
}

/** The settings that refer to a secret, with the name of the variable. */
export function secretReferences(
  config: RunConfig,
): readonly { readonly segments: readonly Segment[]; readonly name: string }[] {
  const { store, temporal } = config.platform;
  const candidates: readonly (readonly [readonly Segment[], string | undefined])[] = [
    ...namedModels(config).map(
      ({ segments, model }) =>
        [
          [...segments, 'endpoint', 'api_key'],
          model.endpoint.kind === 'static' ? model.endpoint.api_key : undefined,
        ] as const,
    ),
    ...config.notify.flatMap((target, index) =>
      target.kind === 'command'
        ? []
        : [
            [['notify', index, 'url'], target.url] as const,
            ...Object.entries(target.headers).map(
              ([name, value]) => [['notify', index, 'headers', name], value] as const,
            ),
          ],
    ),
    [['platform', 'temporal', 'api_key'], temporal.api_key],
    [['platform', 'store', 'access_key_id'], store.access_key_id],
    [['platform', 'store', 'secret_access_key'], store.secret_access_key],
  ];
  return candidates.flatMap(([segments, reference]) => {
    const name = reference === undefined ? undefined : headerReferencePattern.exec(reference)?.[2];
    return name === undefined ? [] : [{ segments, name }];
  });
}

function visitTexts(
  value: unknown,
  segments: readonly Segment[],
  visit: (text: string, segments: readonly Segment[]) => void,
): void {
  if (typeof value === 'string') visit(value, segments);
  else if (Array.isArray(value))
    for (const [index, item] of value.entries()) visitTexts(item, [...segments, index], visit);
  else if (typeof value === 'object' && value !== null)
    for (const [key, item] of Object.entries(value)) visitTexts(item, [...segments, key], visit);
}

// ---- words -------------------------------------------------------------------------------------------------------

/** A question or target is quoted up to this many characters. */
const quotedCharactersMax = 80;

function clipped(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return line.length > quotedCharactersMax ? `${line.slice(0, quotedCharactersMax)}…` : line;
}

function quoted(texts: readonly string[]): string {
  const shown = texts.slice(0, 8).map((text) => `"${clipped(text)}"`);
  return shown.join(', ') + (texts.length > 8 ? ', …' : '');
}
