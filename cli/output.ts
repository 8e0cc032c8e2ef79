/**
 * How the command line speaks: results on stdout, everything else (progress, errors) on stderr, colours only on a terminal.
 *
 * Owns the exit codes, the look of an error, tables and the progress line. Leaves to the commands what they say.
 * Invariants: stdout of a command with --json is exactly one JSON document; nothing here throws; no control
 * sequence is written to something that is not a terminal, or when NO_COLOR is set or --no-color was given; of what
 * others wrote (models, servers, files) nothing reaches a terminal that it would obey.
 */
import CliTable from 'cli-table3';
import picocolors from 'picocolors';
import { ArteError, type ErrorCode } from '../schemas/errors';
import { asTyped } from './called-as';
import { cut, foreign, foreignIn, printable } from './cells';

/** What a program may rely on. 3: the run is parked as NEEDS_ATTENTION and waits for a person. 130: interrupted (128 + SIGINT). */
export const exitCodes = { done: 0, failed: 1, badInput: 2, waiting: 3, interrupted: 130 } as const;
export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];

/** Codes that mean: what was typed or written in a file is not usable; nothing was started. */
const badInputCodes: readonly ErrorCode[] = [
  'InvalidConfig',
  'InvalidInput',
  'InvalidTaskFile',
  'FamilyTooSmall',
  'RunNotFound',
  'ReportNotFound',
  'RoundNotFound',
  'ArtifactNotFound',
  'RowNotFound',
  'RunStateConflict',
  'PriceNotAgreed',
];

/** The exit code that belongs to an error. */
export function exitCodeOf(error: unknown): ExitCode {
  return error instanceof ArteError && badInputCodes.includes(error.data.code) ? exitCodes.badInput : exitCodes.failed;
}

// ---- colours -----------------------------------------------------------------------------------------------------

export type Colors = ReturnType<typeof picocolors.createColors>;

/** Colour functions that change nothing: for what is no terminal, such as a page. */
export const noColors: Colors = picocolors.createColors(false);

let colorForbidden = false;

/** --no-color. */
export function forbidColor(): void {
  colorForbidden = true;
}

/** Colour functions for a stream; the identity where colours are not wanted. FORCE_COLOR is honoured, NO_COLOR wins. */
export function colorsFor(stream: NodeJS.WriteStream): Colors {
  const forced = (process.env.FORCE_COLOR ?? '') !== '' && process.env.FORCE_COLOR !== '0';
  const forbidden = colorForbidden || (process.env.NO_COLOR ?? '') !== '';
  const terminal = stream.isTTY && process.env.TERM !== 'dumb';
  return picocolors.createColors(!forbidden && (forced || terminal));
}

// ---- results -----------------------------------------------------------------------------------------------------

/** A line for the person, on stdout. */
export function printLine(text = ''): void {
  process.stdout.write(`${printable(asTyped(text))}\n`);
}

/** A line of what models said and were asked, or of data, on stdout: a pipe gets it as it is, a terminal gets nothing that it would obey. */
export function printVerbatim(text = ''): void {
  process.stdout.write(`${process.stdout.isTTY ? printable(text) : text}\n`);
}

/** A value whose texts others wrote, for printVerbatim: on a terminal without colours of their own, which would look like ours. */
export function forVerbatim<Value>(value: Value): Value {
  return process.stdout.isTTY ? foreignIn(value) : value;
}

/** The one JSON document of a --json command. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** A remark that is no result: on stderr, so that stdout stays what was asked for. */
export function printNote(text: string): void {
  process.stderr.write(`${printable(asTyped(text))}\n`);
}

export interface TableColumn {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

/** A table without vertical rules, as text; empty rows give the header alone. */
export function table(columns: readonly TableColumn[], rows: readonly (readonly (string | number)[])[]): string {
  const color = colorsFor(process.stdout);
  const made = new CliTable({
    head: columns.map(({ title }) => color.bold(title)),
    colAligns: columns.map(({ align }) => align ?? 'left'),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 2, compact: true },
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: '',
    },
  });
  // Before it is measured.
  for (const row of rows) made.push(row.map((cell) => (typeof cell === 'string' ? printable(cell) : cell)));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** A text in lines of at most `width` characters, broken between words; a longer word has a line of its own. */
export function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

const integerFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** 920000 -> "920,000". */
export function formatCount(value: number): string {
  return integerFormat.format(value);
}

const secondsPerDay = 86_400;
/** From so many days on nobody counts hours. */
const daysInHoursMax = 2;

/** 93 -> "1m 33s"; under ten seconds with one decimal, from two days on in days: "161d". */
export function formatSeconds(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)}s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  if (whole >= daysInHoursMax * secondsPerDay) return `${formatCount(whole / secondsPerDay)}d`;
  return `${Math.floor(whole / 3600)}h ${String(Math.floor((whole % 3600) / 60))}m`;
}

// ---- errors ------------------------------------------------------------------------------------------------------

/**
 * An error for a person: what happened, why, what to do next, and the code to search docs/errors.md for.
 * With verbose also the stack and the chain of causes. Always on stderr. A progress line that is still open has failed.
 */
export function printError(error: unknown, { verbose }: { verbose: boolean }): void {
  open?.fail();
  const color = colorsFor(process.stderr);
  const lines: string[] = [];
  if (error instanceof ArteError) {
    const { code, what, why, next, details } = foreignIn(error.data);
    lines.push(`${color.red(color.bold('error'))}  ${what}`);
    if (why !== '') lines.push(`${color.dim('why')}    ${why}`);
    for (const detail of details ?? []) lines.push(...detail.split('\n').map((line) => `       ${line}`));
    if (next !== '') lines.push(`${color.dim('next')}   ${next}`);
    lines.push(`${color.dim('code')}   ${code}`);
  } else {
    const message = foreign(error instanceof Error ? error.message : String(error));
    lines.push(`${color.red(color.bold('error'))}  ${message}`);
    lines.push(`${color.dim('why')}    This was not foreseen; it is a fault of arte, not of yours.`);
    lines.push(`${color.dim('next')}   Run it again with --verbose and report what it prints.`);
    lines.push(`${color.dim('code')}   Unexpected`);
  }
  if (verbose && error instanceof Error) lines.push('', ...causeChain(error).map(foreign));
  process.stderr.write(`${printable(asTyped(lines.join('\n')))}\n`);
}

function textOf(cause: unknown): string {
  if (cause instanceof Error) return cause.stack ?? cause.message;
  return typeof cause === 'string' ? cause : JSON.stringify(cause);
}

function causeChain(error: Error): string[] {
  const lines: string[] = [];
  // Bounded, because a chain of causes may be circular.
  for (let cause: unknown = error, depth = 0; cause !== undefined && depth < 8; depth += 1) {
    lines.push(...textOf(cause).split('\n'));
    cause = cause instanceof Error ? cause.cause : undefined;
    if (cause !== undefined) lines.push('caused by:');
  }
  return lines;
}

// ---- progress ----------------------------------------------------------------------------------------------------

export interface Progress {
  /** What is being done now. Cheap; may be called often. */
  update(text: string): void;
  /** Done: the line becomes this text (default: the last one) and stays. */
  done(text?: string): void;
  /** Failed: likewise. The error itself is printed by printError. */
  fail(text?: string): void;
}

/** Redraw of the spinner, in milliseconds: smooth for the eye, nothing for the processor. */
const spinnerIntervalMs = 100;
/** Without a terminal an update is printed at most this often, in milliseconds, so that a log stays readable. */
const plainIntervalMs = 5_000;
/** What takes less, in milliseconds, needs no word. */
const quickMs = 1_000;
const spinnerFrames = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;

/** The line that was begun last and has not ended: what else is written to the terminal would be glued to it. */
let open: Progress | undefined;

/** A line that says what is going on: a spinner on a terminal, plain lines (rate-limited) elsewhere. On stderr. */
export function progress(text: string): Progress {
  const line = showsSpinner() ? spinner(text) : plainProgress(process.stderr, text);
  const ended = (): void => {
    if (open === opened) open = undefined;
  };
  const opened: Progress = {
    update: (now) => line.update(now),
    done(last) {
      ended();
      line.done(last);
    },
    fail(last) {
      ended();
      line.fail(last);
    },
  };
  open = opened;
  return opened;
}

/**
 * A word about what is mostly quick: on a terminal alone, only once it has taken `quickMs`, and not where another line says something already.
 * Returns what takes it away again, without a trace.
 */
export function progressIfSlow(text: string): () => void {
  if (!showsSpinner() || open !== undefined) return () => undefined;
  let erase: () => void = () => undefined;
  const timer = setTimeout(() => {
    if (open !== undefined) return;
    const shown = spinner(text);
    erase = () => shown.erase();
  }, quickMs);
  timer.unref();
  return () => {
    clearTimeout(timer);
    erase();
  };
}

function showsSpinner(): boolean {
  return process.stderr.isTTY && process.env.TERM !== 'dumb';
}

function plainProgress(stream: NodeJS.WriteStream, first: string): Progress {
  let last = first;
  let printed = '';
  let printedAt = 0;
  const print = (text: string): void => {
    stream.write(`${printable(text)}\n`);
    printed = text;
    printedAt = Date.now();
  };
  print(first);
  return {
    update(text) {
      last = text;
      if (text !== printed && Date.now() - printedAt >= plainIntervalMs) print(text);
    },
    done(text = last) {
      if (text !== printed) print(text);
    },
    fail(text = last) {
      print(`failed: ${text}`);
    },
  };
}

function spinner(first: string): Progress & { erase(): void } {
  const stream = process.stderr;
  const color = colorsFor(stream);
  let current = first;
  let frame = 0;
  const draw = (): void => {
    const text = cut(current, Math.max(10, (stream.columns || 80) - 3));
    stream.write(`\r\u001b[2K${color.cyan(spinnerFrames[frame % spinnerFrames.length] ?? '-')} ${text}`);
    frame += 1;
  };
  draw();
  const timer = setInterval(draw, spinnerIntervalMs);
  timer.unref();
  const erase = (): void => {
    clearInterval(timer);
    stream.write('\r\u001b[2K');
  };
  const end = (mark: string, text: string): void => {
    erase();
    stream.write(`${mark} ${printable(text)}\n`);
  };
  return {
    update(text) {
      current = text;
    },
    done(text = current) {
      end(color.green('✓'), text);
    },
    fail(text = current) {
      end(color.red('✗'), text);
    },
    erase,
  };
}
