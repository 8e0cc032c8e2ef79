/** The signals by name. A new one: a file beside this one, a line here, its name in schemas/signals.ts, its definition in docs/signals.md. */
import type { SignalName } from '../../schemas/signals';
import { iclAccuracy } from './icl-accuracy';
import { iclLoglik } from './icl-loglik';
import { rankSurprisal } from './rank-surprisal';
import type { Signal } from './signal';
import { studentProb } from './student-prob';

export const signals: Readonly<Record<SignalName, Signal>> = {
  icl_accuracy: iclAccuracy,
  icl_loglik: iclLoglik,
  student_prob: studentProb,
  rank_surprisal: rankSurprisal,
};

/** Whether a draft's score is a mean over probe items, which more of these make more reliable: by the signal in the facts of score-drafts, none for the standard one. */
export function isByItems(signal: unknown): boolean {
  if (signal === undefined) return true;
  return signal !== 'combined' && signals[signal as SignalName].per === 'cell';
}
