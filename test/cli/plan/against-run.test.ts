/** Goal: who compares a plan with a run that is not there is told that, and not that there is no store. */
import { noSuchRun } from '../../../activities/run-records';
import { noStoreFor } from '../../../cli/commands/plan';
import { whyUnasked } from '../../../cli/plan/look-into-store';

it('a run that the store does not know is the answer, and bad input', () => {
  const unknown = noSuchRun('nihgtly', ['nightly']);
  expect(() => whyUnasked(unknown)).toThrow(unknown);
});

it('a store that cannot be asked is a note, and the reason where a run was named', () => {
  const note = whyUnasked(new Error('no answer within 5 seconds.'));
  expect(note).toBe('The store was not asked what it holds: no answer within 5 seconds.');
  expect(noStoreFor('nightly', note).data).toMatchObject({
    why: note,
    next: expect.not.stringContaining('arte up') as string,
  });
  expect(noStoreFor('nightly', undefined).data.next).toContain('arte up starts it');
});
