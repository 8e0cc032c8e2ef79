/**
 * What a model wrote as a rationale, made ready to show: where it ends, and its answer in a tag that is closed.
 *
 * Owns the cut and the tag of a finished rationale. Leaves finding tags and reading what stands in them to answers.ts, the prompt before it to
 * prompts.ts, which outcome of a row it means to activities/reading.ts, whose `readingVersion` a change here raises.
 */
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { canonicalAnswer, cutAtNextQuestion, findTags, surelyClosed } from './answers';

export interface FinishedRationale {
  /** As a demonstration shows it: up to and with the closed answer tag, where there is one. '' when the model said nothing. */
  readonly rationale: string;
  /** What stands in the tag, canonical for the answer type; null when there is no tag or nothing readable in it. */
  readonly answer: string | null;
  /** Mode `given`: it was cut off before an answer, so the target follows words that had not come to their end. Left out: it was not. */
  readonly cut?: boolean;
}

/**
 * A raw answer as a rationale: cut where the next question or the answer ends, with the tag closed (the stop string swallowed it).
 * Mode `given` cuts at the tag and puts the draft's own target there: the words that lead up to it stay ("So the answer is"). What was cut off before a
 * tag gets the target, too: the mode is for teachers that come to no answer.
 * @param finish How the answer ended: of one that was cut off (`length`) only a closed tag is believed, as in answers.ts.
 */
export function finishRationale(
  raw: string,
  task: Pick<TaskRecord, 'answer'>,
  config: RunConfig,
  mode: 'free' | 'given',
  /** The question that it answers: a choice may be given by its text. */
  item: { readonly question: string; readonly target: string },
  finish: 'stop' | 'length' | 'refused' = 'stop',
): FinishedRationale {
  const { question, target } = item;
  const { answer_open: open, answer_close: close } = config.prompts;
  const own = cutAtNextQuestion(raw);
  const cutOff = finish === 'length' && own.length === raw.length;
  const text = own.trim();
  const tags = findTags(text, { open, close });
  if (mode === 'given') {
    const first = tags[0];
    const lead = first === undefined ? text : text.slice(0, first.start).trimEnd();
    const opening = first === undefined ? open : asWritten(first.open, open);
    return {
      rationale: `${lead} ${opening}${target}${close}`.trim(),
      answer: canonicalAnswer(target, task.answer, question) ?? target,
      ...(cutOff && first === undefined && { cut: true }),
    };
  }
  for (const tag of tags) {
    const answer = canonicalAnswer(tag.content, task.answer, question);
    if (answer === null || (!tag.closed && tag.content.includes('\n'))) continue;
    if (cutOff && !surelyClosed(tag, text, { close })) continue;
    const lead = text.slice(0, tag.start);
    return { rationale: `${lead}${asWritten(tag.open, open)}${tag.content}${close}`.trim(), answer };
  }
  return { rationale: text, answer: null };
}

/** The opening in the model's own case, with the spaces that the config's opening ends in. */
function asWritten(found: string, open: string): string {
  return found.trimEnd() + open.slice(open.trimEnd().length);
}
