/**
 * Judges a config's own wordings: slots that do not exist or are missing, tags that are empty, a reminder that asks for other answers than a task has.
 *
 * Owns which slots a wording cannot do without. Leaves which there are to ../prompts.ts, where a problem is told to prompt-findings.ts.
 */
import type { RunConfig } from '../../schemas/run-config';
import type { AnswerSpec } from '../../schemas/task';
import { labelsOf } from '../answers';
import { slotsIn, unknownSlot } from '../prompt-template';
import { naiveSlots, questionSlots, rationaleSlots, reminderSlots, studentSlots } from '../prompts';

export interface PromptProblem {
  /** Keys into the config: ['prompts', 'naive']. */
  readonly segments: readonly string[];
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}

/** What is wrong with a config's own wordings, all at once: slots that do not exist, slots that are missing, tags that are empty. */
export function promptProblems(prompts: RunConfig['prompts']): PromptProblem[] {
  const problems: PromptProblem[] = [];
  const judge = (
    segments: readonly string[],
    template: string | undefined,
    allowed: readonly string[],
    needed: readonly string[],
  ) => {
    if (template === undefined) return;
    const path = segments.join('.');
    const used = slotsIn(template);
    for (const name of new Set(used)) {
      if (allowed.includes(name)) continue;
      const { what, why, next } = unknownSlot(path, name, allowed);
      problems.push({ segments, what, why, instead: next });
    }
    for (const name of needed) {
      if (used.includes(name)) continue;
      problems.push({
        segments,
        what: `${path} lacks the slot {${name}}.`,
        why: `Without it every row of a task would ask the same.`,
        instead: `Put {${name}} where it belongs in the text.`,
      });
    }
  };
  judge(['prompts', 'question'], prompts.question, questionSlots, ['seeds']);
  judge(['prompts', 'naive'], prompts.naive, naiveSlots, ['question']);
  judge(['prompts', 'rationale'], prompts.rationale, rationaleSlots, ['technique', 'question']);
  judge(['prompts', 'student_one_shot'], prompts.student_one_shot, studentSlots, ['demonstrations', 'question']);
  for (const [type, template] of Object.entries(prompts.answer_reminder ?? {})) {
    judge(['prompts', 'answer_reminder', type], template, reminderSlots, []);
  }
  for (const key of ['answer_open', 'answer_close'] as const) {
    if (prompts[key].trim() !== '') continue;
    problems.push({
      segments: ['prompts', key],
      what: `prompts.${key} is only white space.`,
      why: 'No answer could be told from the text around it.',
      instead: 'Write a tag, such as <ans> and </ans>, or words, such as "The answer is " and ".".',
    });
  }
  return problems;
}

/**
 * Whether a config's own reminder fits a task's answers (a known trap: Yes/No asked of a True/False task). Null when it does.
 * Only closed sets of words can be judged; a set of option letters is named well enough by "the letter of the right option".
 */
export function reminderProblem(answer: AnswerSpec, prompts: RunConfig['prompts']): string | null {
  const own = prompts.answer_reminder?.[answer.type];
  if (own === undefined) return null;
  const labels = labelsOf(answer);
  const letters = labels.every((label) => /^\(?[A-Za-z]\)?$/.test(label));
  if (!letters && !own.includes('{labels}')) {
    const missing = labels.filter((label) => !own.toLowerCase().includes(label.toLowerCase()));
    if (missing.length > 0) return `it does not name the answer ${missing.join(', ')}`;
  }
  const opens = own.includes('{open}') || own.includes(prompts.answer_open.trim());
  return opens ? null : 'it does not show the answer tag';
}
