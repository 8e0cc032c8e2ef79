/** Judges the tasks of a config: names, answers, counts, and, once they are read, their items. */
import type { TaskConfig } from '../../schemas/config/tasks';
import type { RunConfig } from '../../schemas/run-config';
import type { AnswerSpec, TaskRecord } from '../../schemas/task';
import { canonicalAnswer, labelsOf } from '../answers';
import { configProblem, type ConfigProblem, pathText, type Segment } from './config-problem';
import { clipped, type Finding, finding, quoted, type JudgeOptions } from './finding';
import { placedTasks, taskNameOf } from './named-parts';
import { reminderText } from './prompt-findings';

export function taskFindings(config: RunConfig, { purpose }: JudgeOptions): Finding[] {
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

/** Shot counts that a task is asked with, by the setting that asks for them. Respondents are asked about none of the unseen tasks. */
function shotsAsked(
  config: RunConfig,
  unseen: boolean,
): readonly { readonly where: string; readonly shots: readonly number[] }[] {
  return [
    { where: 'evaluate.shots', shots: config.evaluate.shots },
    ...(config.probe.method === 'irt' && !unseen
      ? [{ where: 'probe.respondent_shots', shots: config.probe.respondent_shots }]
      : []),
  ];
}

/** k-shot demonstrations are the task's seeds: there must be k of them. */
function shotFindings(config: RunConfig, segments: readonly Segment[], task: TaskConfig, unseen: boolean): Finding[] {
  // How many there are is known once the file has been read: judgeSeeds.
  if (task.source === 'files') return [];
  const seeds = task.source === 'declared' ? task.seed_items : task.split.seeds;
  const place: readonly Segment[] = [
    ...segments,
    ...(task.source === 'declared' ? ['seed_items'] : ['split', 'seeds']),
  ];
  return shotsAsked(config, unseen).flatMap(({ where, shots }) => {
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

/** The same of a task whose seeds are a file of their own, once that was read: with fewer, what is called 3-shot would be asked with two. */
export function judgeSeeds(
  { name, seeds }: Pick<TaskRecord, 'name' | 'seeds'>,
  segments: readonly Segment[],
  config: RunConfig,
  unseen: boolean,
): ConfigProblem[] {
  return shotsAsked(config, unseen).flatMap(({ where, shots }) => {
    const most = Math.max(...shots);
    if (most <= seeds.length) return [];
    return [
      configProblem([...segments, 'seeds'], {
        what: `The seeds file of the task "${name}" has ${seeds.length} questions, but ${where} asks for ${most} shots.`,
        why: 'The demonstrations of a k-shot prompt are the seed questions.',
        instead: `Add questions to the file, or take ${most} out of ${where}.`,
      }),
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
  if (tailor?.filter === 'verifier' && record.verifier === undefined) {
    problems.push(
      configProblem(segments, {
        what: `tailor.filter is verifier, and the task "${record.name}" has none.`,
        why: 'Nothing could tell a right answer from a wrong one.',
        instead: 'Write a verifier (kind: arithmetic, boolean, counting or comparison), or filter: target or majority.',
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

/** A floor of a task that is not there would never be looked at. */
export function promotionFindings(config: RunConfig): Finding[] {
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

/** Nothing of an unseen task reaches the alignment, and there is one to carry over. */
export function unseenTaskFindings({ align, transfer }: RunConfig): Finding[] {
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

export function probeFindings(config: RunConfig): Finding[] {
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
