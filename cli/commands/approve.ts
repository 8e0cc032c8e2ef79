/** `arte approve RUN`: go on from the round that waits for a word. */
import type { Command } from 'commander';
import { approveUpdate } from '../../workflows/messages';
import { registerOrder, type SteeringCommand } from '../run/steer-run';

/** Also of the key in `arte watch`. */
export const approveOrder: SteeringCommand = {
  name: 'approve',
  description: 'say yes to the round that a run has made (rounds.approval: every): it goes on',
  isVerdict: true,
  update: approveUpdate,
  // Whether another round follows is in the round's decision (rounds.patience), which progress does not have.
  done: ({ runId, round }) => [
    `round ${round} of ${runId} is approved, and the run goes on; arte watch ${runId} shows it`,
  ],
};

export function register(program: Command): void {
  registerOrder(program, approveOrder);
}
