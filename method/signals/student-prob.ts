/**
 * student_prob: how probable the draft's rationale is to the student, per token: the mean log-probability of the very text that it would be
 * trained on, after the very prompt (training-rows.ts, sftRow). No probe item is asked.
 */
import { studentPrompt } from '../prompts';
import { mean, standardError } from '../statistics';
import { answerLead, type TextQuestion, type TextSignal } from './signal';

/** The rationale after its question's prompt, as in training. */
export const rationaleQuestion: Extract<TextSignal, { per: 'draft' }>['question'] = (
  task,
  { question, rationale },
  config,
): TextQuestion => ({
  prompt: studentPrompt(task, [], question, config, config.models.student.prompt_style).prompt,
  given: { lead: '', text: `${answerLead(config)}${rationale}` },
});

export const studentProb: TextSignal = {
  name: 'student_prob',
  asks: 'text',
  version: 1,
  per: 'draft',
  settings: () => ({}),
  question: rationaleQuestion,
  value(tokens) {
    const logprobs = tokens.map(({ logprob }) => logprob);
    return { value: mean(logprobs), stderr: standardError(logprobs) };
  },
};
