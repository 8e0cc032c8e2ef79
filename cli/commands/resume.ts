/** `arte resume RUN`: go on after a pause. */
import type { Command } from 'commander';
import { resumeUpdate } from '../../workflows/messages';
import { registerOrder, type SteeringCommand } from '../run/steer-run';

/** Also of the key in `arte watch`. */
export const resumeOrder: SteeringCommand = {
  name: 'resume',
  description: 'go on with a paused run: finished stages and rows come from the store, a training from its checkpoint',
  update: resumeUpdate,
  done: ({ runId }) => [`run ${runId} goes on; arte watch ${runId} shows it`],
};

export function register(program: Command): void {
  registerOrder(program, resumeOrder);
}
