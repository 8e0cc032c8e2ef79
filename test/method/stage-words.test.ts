/** Goal: the line that says that a deciding stage is done carries what it came to. Method: facts as the stages write them, by hand. */
import { stageWords } from '../../method/stage-words';

const against = [{ against: 'original_teacher', difference: 0.036, verdict: 'within noise' }];
const best = { decision: 'promote', accuracy: 0.26, shots: [0], previousBest: null, overall: against };

it.each([
  ['decide', best, 'the best so far: 26.0 %, +3.6 points against unaligned (within noise)'],
  [
    'decide',
    { ...best, shots: [0, 3] },
    'the best so far: 26.0 % over 0 and 3 shots, +3.6 points against unaligned (within noise)',
  ],
  // Facts of before: the difference of one shot count says nothing of the accuracy over all.
  ['decide', { decision: 'promote', accuracy: 0.26, against }, 'the best so far: 26.0 %'],
  [
    'decide',
    { ...best, decision: 'keep-best', accuracy: 0.036, previousBest: { round: 1, accuracy: 0.26 } },
    'not the best: 3.6 % against 26.0 % of round 1',
  ],
  ['decide', { ...best, decision: 'reject', next: { stop: true } }, 'rejected by a gate; the run stops here'],
  ['decide', {}, undefined],
  [
    'check-round',
    {
      verdicts: [
        { gate: 'duplicates_max', verdict: 'held' },
        { gate: 'icl_gain_min', verdict: 'not measured' },
      ],
    },
    'go on: 1 gate held, 1 not measured',
  ],
  [
    'check-round',
    { action: 'roll-back', verdicts: [{ gate: 'duplicates_max', verdict: 'failed' }] },
    'rejected: duplicates_max failed',
  ],
  [
    'check-round',
    { action: 'record', verdicts: [{ gate: 'duplicates_max', verdict: 'failed' }] },
    'go on all the same: duplicates_max failed',
  ],
  ['check-scores', { reliability: 0.712, minimum: 0.7 }, 'go on: reliability 0.71, asked for 0.7'],
  ['evaluate', best, undefined],
] as const)('%s %#', (stage, facts, words) => {
  expect(stageWords(stage, facts as unknown as Parameters<typeof stageWords>[1])).toBe(words);
});
