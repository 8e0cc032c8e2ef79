/** `arte pause RUN`: break off what runs, keep what it has, and wait. */
import type { Command } from 'commander';
import { stageLabel } from '../../schemas/stage-names';
import { pauseUpdate } from '../../workflows/messages';
import { formatSeconds } from '../output';
import { registerOrder, type SteeringCommand } from '../run/steer-run';

/** Also of the key in `arte watch`. */
export const pauseOrder: SteeringCommand = {
  name: 'pause',
  description: 'stop what a run does, keeping all it has, until arte resume: no model is asked, no device held',
  update: pauseUpdate,
  done: ({ runId, current }, seconds) => [
    current.length === 0
      ? `run ${runId} is paused; nothing of it runs any more (${formatSeconds(seconds)})`
      : `run ${runId} pauses when this has come to its end: ${current.map(({ stage, arm }) => stageLabel(stage, arm)).join(', ')}`,
    `arte resume ${runId} goes on; arte retry ${runId} --set SETTING=VALUE goes on under a changed config`,
  ],
};

export function register(program: Command): void {
  registerOrder(program, pauseOrder);
}
