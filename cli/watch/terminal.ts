/**
 * The terminal as a screen: raw keys in, whole pictures out, and back to what it was whatever happens.
 *
 * Owns the alternate screen buffer, raw mode, the cursor, redrawing in place, Ctrl-Z, and giving all of it back. Leaves to others what is drawn
 * (run-screen.ts) and what a key means (keys.ts).
 *
 * Invariants:
 * 1. Once `close` was called, the process has ended, or a signal or an error is about to end it, the terminal is as it was found. Only a kill -9
 *    cannot be followed: `reset` mends that.
 * 2. A picture is written in one go and only where it differs from the last one, so that nothing flickers.
 * 3. What is drawn never scrolls and never wraps.
 */
import { emitKeypressEvents } from 'node:readline';
import type { Size } from './frame';
import type { Press } from './keys';

/** Of stdin and stdout what is used of them, so that a test can stand in for both. */
export interface TerminalStreams {
  readonly input: NodeJS.ReadableStream & { setRawMode?: (raw: boolean) => unknown; isTTY?: boolean };
  readonly output: NodeJS.WritableStream & {
    readonly columns?: number;
    readonly rows?: number;
    isTTY?: boolean;
  };
}

export interface TerminalOptions extends TerminalStreams {
  readonly onPress: (press: Press) => void;
  /** Another size: draw again. */
  readonly onResize: () => void;
}

/** As Node's readline tells it. */
interface TerminalKey {
  readonly name?: string;
  readonly ctrl?: boolean;
  readonly meta?: boolean;
}

export interface Terminal {
  size(): Size;
  /** Show these lines, from the top. */
  draw(lines: readonly string[]): void;
  /** Give the terminal back. Idempotent. */
  close(): void;
}

/** The alternate buffer keeps what was on the screen before; no wrapping, because a full last cell would scroll. */
const enter = '\u001b[?1049h\u001b[?25l\u001b[?7l\u001b[2J';
const leave = '\u001b[?7h\u001b[?25h\u001b[?1049l';
/** Terminals that know it show what is between at once; others ignore it. */
const beginPicture = '\u001b[?2026h';
const endPicture = '\u001b[?2026l';
/** What a terminal has that does not say. */
const usualSize: Size = { width: 80, height: 24 };
/** Those that end a process by default, and that a person or a system sends to one with a terminal. */
const endingSignals = ['SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

/** Take the terminal. Whoever takes it closes it in `finally`. */
export function openTerminal({ input, output, onPress, onResize }: TerminalOptions): Terminal {
  let shown: readonly string[] = [];
  let isOpen = false;
  let ended = false;

  const take = (): void => {
    if (isOpen || ended) return;
    isOpen = true;
    input.setRawMode?.(true);
    input.resume();
    output.write(enter);
    shown = [];
  };
  const giveBack = (): void => {
    if (!isOpen) return;
    isOpen = false;
    output.write(leave);
    input.setRawMode?.(false);
    input.pause();
  };
  const onKeypress = (text: string | undefined, key: TerminalKey | undefined): void => {
    // Alt with a letter is no letter: it must not give the order of one. Esc alone comes with `meta`, too.
    if (key?.meta === true && key.name !== 'escape') return;
    if (key?.ctrl === true && key.name === 'z') suspend();
    else onPress({ name: key?.name, ctrl: key?.ctrl, text });
  };
  const suspend = (): void => {
    giveBack();
    process.once('SIGCONT', () => {
      take();
      onResize();
    });
    process.kill(process.pid, 'SIGTSTP');
  };
  const resized = (): void => {
    // What the terminal made of the old lines at the new width is anybody's guess.
    shown = [];
    if (isOpen) output.write('\u001b[2J');
    onResize();
  };
  // Ctrl-C is a key while the terminal is raw; this is one that somebody sent.
  const onInterrupt = (): void => onPress({ name: 'c', ctrl: true });
  const onEndingSignal = (signal: NodeJS.Signals): void => {
    close();
    // Nobody listens any more: the signal does what it does by default, and the parent sees it.
    process.kill(process.pid, signal);
  };
  const close = (): void => {
    giveBack();
    ended = true;
    input.removeListener('keypress', onKeypress);
    output.removeListener('resize', resized);
    process.removeListener('exit', giveBack);
    process.removeListener('uncaughtExceptionMonitor', giveBack);
    process.removeListener('SIGINT', onInterrupt);
    for (const signal of endingSignals) process.removeListener(signal, onEndingSignal);
  };

  emitKeypressEvents(input);
  input.on('keypress', onKeypress);
  output.on('resize', resized);
  process.on('exit', giveBack);
  // Before Node prints the error, which is then read on the screen that stays.
  process.on('uncaughtExceptionMonitor', giveBack);
  process.on('SIGINT', onInterrupt);
  for (const signal of endingSignals) process.on(signal, onEndingSignal);
  take();

  const size = (): Size => ({
    width: (output.columns ?? 0) || usualSize.width,
    height: (output.rows ?? 0) || usualSize.height,
  });
  return {
    size,
    draw(lines) {
      if (!isOpen) return;
      const { height } = size();
      const changed = Array.from({ length: height }, (_, at) => at)
        .filter((at) => (lines[at] ?? '') !== (shown[at] ?? ''))
        .map((at) => `\u001b[${at + 1};1H\u001b[2K${lines[at] ?? ''}`);
      shown = [...lines];
      if (changed.length > 0) output.write(`${beginPicture}${changed.join('')}${endPicture}`);
    },
    close,
  };
}

/** Whether a picture can be shown here: somebody sits at a terminal, and no build machine pretends to be one. */
export function canShowPictures({ input, output }: TerminalStreams, env: NodeJS.ProcessEnv = process.env): boolean {
  const isBuild = (env['CI'] ?? '') !== '' && env['CI'] !== 'false' && env['CI'] !== '0';
  return input.isTTY === true && output.isTTY === true && env['TERM'] !== 'dumb' && !isBuild;
}
