/** icl_accuracy, the paper's: is the student's answer right, with the draft as its one demonstration? */
import type { AnswerSignal } from './signal';

export const iclAccuracy: AnswerSignal = {
  name: 'icl_accuracy',
  asks: 'answer',
  per: 'cell',
  value: (correct) => (correct ? 1 : 0),
};
