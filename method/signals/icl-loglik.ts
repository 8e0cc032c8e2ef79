/**
 * icl_loglik: how probable the right answer of a probe item is to the student, with the draft as its one demonstration.
 * The prompt is icl_accuracy's, which ends in the reasoning cue; the answer follows it at once, in its tags.
 */
import { studentPrompt } from '../prompts';
import { mean, standardError } from '../statistics';
import { answerLead, type TextSignal } from './signal';

export const iclLoglik: TextSignal = {
  name: 'icl_loglik',
  asks: 'text',
  version: 1,
  per: 'cell',
  settings: ({ gold, loglik }) => ({ gold, loglik }),
  question(task, draft, { question, target }, config) {
    const { prompt } = studentPrompt(task, [draft], question, config, config.models.student.prompt_style);
    const { answer_open: open, answer_close: close } = config.prompts;
    const opened = `${answerLead(config)}${open}`;
    const answer = `${target.trim()}${close}`;
    return {
      prompt,
      given: config.score.gold === 'answer' ? { lead: opened, text: answer } : { lead: '', text: `${opened}${answer}` },
    };
  },
  value(tokens, { loglik }) {
    const logprobs = tokens.map(({ logprob }) => logprob);
    const [value, stderr] = [mean(logprobs), standardError(logprobs)];
    return loglik === 'mean' ? { value, stderr } : { value: value * tokens.length, stderr: stderr * tokens.length };
  },
};
