/** `arte reject RUN`: the round that waits for a word is not to be the best, and no further one is made. */
import type { Command } from 'commander';
import { rejectUpdate } from '../../workflows/messages';
import { registerOrder, type SteeringCommand } from '../run/steer-run';

/** Also of the key in `arte watch`. */
export const rejectOrder: SteeringCommand = {
  name: 'reject',
  description: 'say no to the round that a run has made: the best one before it stays the best, and the run ends',
  needsReason: 'It ends the run, and the reason stands with the round for whoever asks later.',
  isVerdict: true,
  update: rejectUpdate,
  done: ({ runId, round }) => [
    `round ${round} of ${runId} is rejected; the run writes its report and ends`,
    `arte clone ${runId} --id NAME --set SETTING=VALUE makes another run of it under a changed config`,
  ],
};

export function register(program: Command): void {
  registerOrder(program, rejectOrder);
}
