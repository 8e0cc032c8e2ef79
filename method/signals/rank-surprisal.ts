/**
 * rank_surprisal: the rank-surprisal ratio of the rationale under the student (Yang et al. 2026, "Which Reasoning Trajectories Teach Students
 * to Reason Better?", arXiv 2601.14249): the sum of its tokens' ranks, each at most `rank_ceiling`, over the sum of their surprisals
 * -ln p. A low ratio is a text of improbable tokens that are yet among the student's first choices: new, and within reach. There lower is
 * better; the value here is the ratio with its sign changed.
 */
import { rationaleQuestion } from './student-prob';
import type { TextSignal } from './signal';

/** A text that the student is sure of has no surprisal: what the authors' code divides by then. */
const surprisalMin = 1e-12;

export const rankSurprisal: TextSignal = {
  name: 'rank_surprisal',
  asks: 'text',
  version: 1,
  per: 'draft',
  settings: ({ rank_ceiling }) => ({ rank_ceiling }),
  question: rationaleQuestion,
  value(tokens, { rank_ceiling: ceiling }) {
    const ranks = tokens.map(({ rank }) => Math.min(rank, ceiling));
    const surprisal = Math.max(
      surprisalMin,
      tokens.reduce((sum, { logprob }) => sum - logprob, 0),
    );
    const ratio = ranks.reduce((sum, rank) => sum + rank, 0) / surprisal;
    // Of a ratio of means, by the delta method: the spread of what each token adds to the numerator beyond its share.
    const n = tokens.length;
    const squares = tokens.reduce((sum, { logprob }, at) => sum + ((ranks[at] as number) + ratio * logprob) ** 2, 0);
    return { value: -ratio, stderr: n < 2 ? 0 : Math.sqrt((n / (n - 1)) * squares) / surprisal };
  },
};
