/** `arte approve RUN`: go on from the round that waits for a word. */
import type { Command } from 'commander';
import { approveUpdate } from '../../workflows/messages';
import { registerOrder, type SteeringCommand } from '../run/steer-run';

/** Also of the key in `arte watch`. */
export const approveOrder: SteeringCommand = {
  name: 'approve',
  description: 'say yes to the round that a run has made (rounds.approval: every): it goes on',
  update: approveUpdate,
  done: ({ runId, round, rounds }) => [
    `round ${round} of ${runId} is approved${round < rounds ? `; round ${round + 1} begins` : ''}; arte watch ${runId} shows it`,
  ],
};

export function register(program: Command): void {
  registerOrder(program, approveOrder);
}
