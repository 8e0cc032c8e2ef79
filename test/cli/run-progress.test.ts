/** Goal: of two trainings of a run at once each is shown with its own figures. */
import { defaultPayloadConverter } from '@temporalio/common';
import { isOf } from '../../cli/run-progress';
import { noUsage } from '../../schemas/manifest';
import type { ActivityProgress } from '../../schemas/messages';

const pending = (beat?: Partial<ActivityProgress>): Parameters<typeof isOf>[0] => {
  const whole = {
    stage: 'train-sft',
    unit: 'steps',
    phase: 'step',
    done: 4,
    total: 8,
    usage: noUsage,
    inFlight: 0,
    ...beat,
  };
  return beat === undefined ? {} : { heartbeatDetails: { payloads: [defaultPayloadConverter.toPayload(whole)] } };
};
const [mine, other] = [
  { stage: 'train-sft', arm: 'arte' },
  { stage: 'train-sft', arm: 'original_teacher' },
];

it.each([
  ['of its arm', pending({ arm: 'arte' }), [true, false]],
  ['of another stage', pending({ stage: 'train-dpo', arm: 'arte' }), [false, false]],
  ['of a worker that does not say its arm', pending({}), [true, true]],
  ['that has not spoken yet', pending(), [false, false]],
] as const)('an activity %s', (_, activity, expected) => {
  expect([isOf(activity, mine, false), isOf(activity, other, false)]).toEqual(expected);
});

it('an activity that has not spoken yet is that of the only stage', () => {
  expect(isOf(pending(), mine, true)).toBe(true);
});
