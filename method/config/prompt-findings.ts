/** Judges the prompts of a config against its tasks: slots, the answer tag, the reminder. */
import type { RunConfig } from '../../schemas/run-config';
import type { AnswerSpec } from '../../schemas/task';
import { closeIsUnmistakable } from '../answers';
import { configProblem, type ConfigProblem, pathText } from './config-problem';
import { type Finding, finding, quoted } from './finding';
import { placedTasks, taskNameOf } from './named-parts';
import { promptProblems, reminderProblem } from './wording-problems';

export function promptFindings(config: RunConfig): Finding[] {
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

export function reminderText(
  answer: AnswerSpec,
  name: string,
  prompts: RunConfig['prompts'],
): ConfigProblem | undefined {
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
