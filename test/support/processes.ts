/** What is alive: for tests that end processes and look at what is left. Linux: read from /proc. */
import { readdirSync, readFileSync } from 'node:fs';

export interface Process {
  readonly pid: number;
  readonly group: number;
  readonly command: string;
}

/** All processes that have not ended (one that waits to be waited for has). */
export function processes(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
        const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return state === 'Z' ? [] : [{ pid: Number(name), group: Number(group), command }];
      } catch {
        // It ended while we were looking.
        return [];
      }
    });
}

/** Whether a process runs: one that has ended and waits to be waited for does not. */
export function isAlive(pid: number): boolean {
  return processes().some((each) => each.pid === pid);
}

/** Those whose command line holds a text: of a test's own folder, so that nobody else's are among them. */
export function processesWith(text: string): Process[] {
  return processes().filter(({ command, pid }) => command.includes(text) && pid !== process.pid);
}

/** Wait until something is so; fails with `what` after `timeoutMs`. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  timeoutMs = 30_000,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
