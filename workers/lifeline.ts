/** A worker ends with whoever started it: stdin is the lifeline, its end is ours. */

import { workerGraceMs } from '../schemas/limits';

/** Shut down in good order when stdin ends; the parent is gone, nobody else will ask. */
export function endWithParent(): void {
  process.stdin.resume();
  process.stdin.on('end', () => {
    // SIGTERM to ourselves: the SDK's own shutdown runs, activities save and stop.
    process.kill(process.pid, 'SIGTERM');
    // Nobody is left to lose patience with a shutdown that hangs.
    setTimeout(() => process.exit(1), workerGraceMs).unref();
  });
}
