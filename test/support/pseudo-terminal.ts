/** Runs a program in a real pseudo-terminal and shows what somebody in front of it sees. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { packageRoot } from '../../drivers/package-root';
import { TerminalScreen } from './terminal-screen';

export interface Ended {
  readonly code: number | null;
  readonly signal: number | null;
  /** Whether raw mode, echo and the rest of the terminal's settings are what they were. */
  readonly restored: boolean;
}

export interface PseudoTerminal {
  readonly screen: TerminalScreen;
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  signal(name: NodeJS.Signals): void;
  /** Close the terminal under the program, as somebody who closes its window. */
  hangUp(): void;
  /** Wait until the screen is so; fails with what is on it. */
  until(what: string, isSo: (screen: TerminalScreen) => boolean, withinMs?: number): Promise<void>;
  readonly ended: Promise<Ended>;
}

const open = new Set<() => void>();

/** End programs that a test has left behind, one that failed above all. Call it in afterEach. */
export function closeTerminals(): void {
  for (const close of open) close();
}

export function openPseudoTerminal(
  command: readonly string[],
  { columns = 80, rows = 24, env = process.env, cwd = process.cwd() } = {},
): PseudoTerminal {
  const script = join(packageRoot(), 'test', 'fixtures', 'pseudo_terminal.py');
  const child = spawn('python3', [script, String(columns), String(rows), ...command], {
    cwd,
    env,
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const screen = new TerminalScreen();
  const decoder = new TextDecoder();
  let changed: () => void = () => undefined;
  let failure: Error | undefined;
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', () => reject(new Error(`the terminal ended without a word\n${screen.text()}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = JSON.parse(line) as { shows?: string } & Partial<Ended>;
      try {
        if (said.shows === undefined) resolve(said as Ended);
        else screen.feed(decoder.decode(Buffer.from(said.shows, 'base64'), { stream: true }));
      } catch (error) {
        failure = error as Error;
      }
      changed();
    });
  });
  ended.catch(() => undefined);
  const close = (): void => void child.stdin.end();
  open.add(close);
  child.on('close', () => open.delete(close));
  const order = (words: object): void => void child.stdin.write(`${JSON.stringify(words)}\n`);
  return {
    screen,
    ended,
    type: (keys) => order({ type: keys }),
    resize: (width, height) => order({ resize: [width, height] }),
    signal: (name) => order({ signal: name }),
    hangUp: () => order({ hangup: true }),
    async until(what, isSo, withinMs = 60_000) {
      const so = { late: false, over: false };
      const timer = setTimeout(() => {
        so.late = true;
        changed();
      }, withinMs);
      void ended.finally(() => (so.over = true)).catch(() => undefined);
      try {
        while (!isSo(screen)) {
          if (failure !== undefined) throw failure;
          if (so.late || so.over) throw new Error(`not seen: ${what}\n${screen.text()}`);
          await Promise.race([new Promise<void>((resolve) => (changed = resolve)), ended.catch(() => undefined)]);
        }
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
