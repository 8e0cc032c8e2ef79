/**
 * Watches a run until it ends, parks, or the person leaves. Redraws in place on a terminal, prints a line per event elsewhere;
 * the whole screen with its keys, which `arte watch` has, is watch/. Leaving (Ctrl-C) stops the watching, never the run. Owns the loop and its exit code;
 * how long an engine that is away is waited for is patience.ts.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { readStages } from '../../activities/run-records';
import type { StageRecord } from '../../schemas/messages';
import { asTyped } from '../called-as';
import { printable, rowsOf } from '../cells';
import { openBundleOf } from '../run/run-config-of';
import { colorsFor, exitCodes, formatSeconds, type ExitCode } from '../output';
import { Patience } from '../run/patience';
import { viewRun, type LiveStage, type RunView } from '../run/run-progress';
import {
  amount,
  attentionLines,
  eventLine,
  failedLines,
  finishedLine,
  FinishedStages,
  orderLines,
  renderRun,
  sameTrouble,
  unattendedLines,
} from '../run/run-view';
import { openEta } from '../run/run-eta';
import { RateMeter, type Rate } from '../run/stage-pace';
import type { Session } from '../session';

/** How often a terminal is redrawn; each look is a few requests to the engine. */
const redrawMs = 1_000;
/** Without a terminal: a line about a running stage at most this often. */
const plainLineMs = 10_000;
/** The same about one that counts nothing and still does what it did: that it is not forgotten. */
const plainSameLineMs = 60_000;
/** A worker that is just starting answers sooner; one that has not by then is gone, or hangs. */
const plainUnattendedMs = 30_000;

/**
 * Resolves with the command's exit code: 0 done, 1 failed or cancelled, 3 waits for a person, 130 left by Ctrl-C. Errors: RunNotFound; PlatformDown when
 * engine or store have been away for too long.
 */
export async function watchRun(
  session: Session,
  runId: string,
  { quiet = false, plain = false } = {},
): Promise<ExitCode> {
  const config = await openBundleOf(session.store, runId);
  const terminal = process.stdout.isTTY && process.env['TERM'] !== 'dumb' && !quiet && !plain;
  // With --json stdout belongs to the one document; what happens meanwhile is said on stderr.
  const screen = terminal ? terminalScreen() : plainScreen(quiet ? process.stderr : process.stdout);
  const meter = new RateMeter();
  const eta = await openEta(session.store, runId);
  const patience = new Patience({
    embedded: session.embedded,
    moved: session.moved,
    again: `arte watch ${runId}`,
    say: (line) => screen.say(line),
  });
  const done = new FinishedStages((round) => readStages(session.store, runId, round));
  const leaving = new AbortController();
  const leave = (): void => leaving.abort();
  process.once('SIGINT', leave);
  try {
    for (;;) {
      const seen = await patience.look(async () => {
        const view = await viewRun(session.client, session.store, runId);
        const secondsLeft = await eta(view, Date.now());
        // Last: what it has told once it tells no more.
        return { view, secondsLeft, newlyFinished: await done.unshown(view) };
      });
      if (seen) {
        const { view, secondsLeft, newlyFinished } = seen;
        const rates = new Map<string, Rate>();
        for (const stage of view.live) {
          const rate = meter.observe(stage, Date.now());
          if (rate) rates.set(stage.label, rate);
        }
        screen.show(view, rates, config, secondsLeft, newlyFinished);
        const code = exitCodeOfView(view);
        if (code !== undefined) return code;
      }
      await pause(redrawMs, leaving.signal);
      if (leaving.signal.aborted) return leftBehind(runId);
    }
  } finally {
    screen.end();
    process.removeListener('SIGINT', leave);
  }
}

/** Undefined while the run works. */
export function exitCodeOfView({ progress, engine }: RunView): ExitCode | undefined {
  if (progress.status === 'DONE') return exitCodes.done;
  // Also where the engine has lost the run: `arte retry` starts it again, and until somebody does nothing of it works.
  if (progress.status === 'NEEDS_ATTENTION') return exitCodes.waiting;
  if ((progress.status === 'NEEDS_APPROVAL' || progress.status === 'PAUSED') && engine === 'RUNNING')
    return exitCodes.waiting;
  if (progress.status === 'FAILED' || progress.status === 'CANCELLED') return exitCodes.failed;
  return undefined;
}

/** Said where a command begins to follow a run. */
export const followedHere = 'followed here until it ends or waits for you; Ctrl-C ends the looking, not the run';

/** What is said to somebody who leaves a run that works. */
export function leftBehind(runId: string): ExitCode {
  process.stderr.write(
    asTyped(`\nThe run goes on without you. Come back with: arte watch ${runId}   (stop it: arte cancel ${runId})\n`),
  );
  return exitCodes.interrupted;
}

export interface Screen {
  show(
    view: RunView,
    rates: ReadonlyMap<string, Rate>,
    config: Awaited<ReturnType<typeof openBundleOf>>,
    /** Until the run is done, where that can be said. */
    secondsLeft: number | undefined,
    /** Since the last look, of whatever round. */
    newlyFinished: readonly StageRecord[],
  ): void;
  /** A line that belongs to no picture. */
  say(line: string): void;
  end(): void;
}

function terminalScreen(): Screen {
  const color = colorsFor(process.stdout);
  let drawn: readonly string[] = [];
  return {
    show(view, rates, config, secondsLeft) {
      // A terminal that does not say how wide it is has 80 columns.
      const [columns, rows] = [process.stdout.columns || 80, process.stdout.rows || 24];
      const text = printable(asTyped(renderRun(view, rates, config, color, secondsLeft).join('\n')));
      const all = text.replaceAll('\t', ' ').split('\n');
      const lines = lastThatFit(all, columns, Math.max(4, rows - 1));
      process.stdout.write(`${eraseOf(drawn, columns)}${lines.join('\n')}\n`);
      drawn = lines;
    },
    say(line) {
      const text = printable(asTyped(line));
      process.stdout.write(`${text}\n`);
      // The next picture takes its place.
      drawn = [...drawn, text];
    },
    end: () => undefined,
  };
}

/** The last lines that a terminal shows in so many rows; one at least. A low terminal shows the end: what runs now matters more than what is done. */
export function lastThatFit(lines: readonly string[], columns: number, rows: number): readonly string[] {
  let left = rows;
  for (let first = lines.length - 1; first >= 0; first -= 1) {
    left -= rowsOf(lines[first] ?? '', columns);
    if (left < 0) return lines.slice(Math.min(first + 1, lines.length - 1));
  }
  return lines;
}

/**
 * What takes a picture off the terminal again: up by the rows that it has at this width. Long lines are left to wrap, for they hold commands to copy
 * and reasons to read to their end.
 */
export function eraseOf(drawn: readonly string[], columns: number): string {
  const up = drawn.reduce((sum, line) => sum + rowsOf(line, columns), 0);
  return up > 0 ? `\u001b[${up}A\u001b[0J` : '';
}

/** Lines, for what is no terminal. */
export function plainScreen(stream: NodeJS.WriteStream): Screen {
  const color = colorsFor(stream);
  const said = new Set<string>();
  const spoken = new Map<string, { at: number; words: string; wave?: string; trouble?: string | undefined }>();
  const startedAt = Date.now();
  let unattendedSince: number | undefined;
  const isDue = (stage: LiveStage): boolean => {
    const last = spoken.get(stage.label);
    const isCounted = stage.total > 0;
    // Most of what counts nothing is over before there is anything to say of it.
    if (!last && !isCounted) spoken.set(stage.label, { at: Date.now(), words: '' });
    if (!last) return isCounted;
    const isNews = isCounted || last.words !== amount(stage) || stage.trouble !== undefined;
    return Date.now() - last.at >= (isNews ? plainLineMs : plainSameLineMs);
  };
  const print = (text: string): void => void stream.write(`${printable(asTyped(text))}\n`);
  return {
    show(view, rates, _, secondsLeft, newlyFinished) {
      for (const record of newlyFinished) print(finishedLine(record, color));
      for (const stage of view.live) {
        if (!isDue(stage)) continue;
        const wave = `${stage.since} ${stage.wave?.number ?? 1}`;
        const trouble = stage.trouble === undefined ? undefined : sameTrouble(stage.trouble);
        const last = spoken.get(stage.label);
        const already = { wave: last?.wave === wave, trouble: trouble !== undefined && last?.trouble === trouble };
        spoken.set(stage.label, { at: Date.now(), words: amount(stage), wave, trouble });
        print(
          `  [${formatSeconds((Date.now() - startedAt) / 1000)}] ${eventLine(stage, rates.get(stage.label), secondsLeft, already)}`,
        );
      }
      const failed = failedLines(view, color);
      if (failed.length > 0 && !said.has(`failed ${view.progress.failed?.since ?? ''}`)) {
        said.add(`failed ${view.progress.failed?.since ?? ''}`);
        print(failed.join('\n'));
      }
      if (view.progress.attention && !said.has(view.progress.attention.since)) {
        said.add(view.progress.attention.since);
        print(attentionLines(view, color).join('\n'));
      }
      // A worker that is just starting is no news; one of another version never takes the run up.
      unattendedSince = view.unattended ? (unattendedSince ?? Date.now()) : undefined;
      if (unattendedSince === undefined) said.delete('unattended');
      else if ((view.outdated || Date.now() - unattendedSince >= plainUnattendedMs) && !said.has('unattended')) {
        said.add('unattended');
        print(unattendedLines(view, color).join('\n'));
      }
      const order = orderLines(view, color);
      if (order.length > 0) print(order.join('\n'));
    },
    say: print,
    end: () => undefined,
  };
}

/** Sleep, or come back early when the person leaves. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
