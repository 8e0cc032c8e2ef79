/**
 * One run on the whole screen: a watched run at a size becomes lines. Owns what stands where and what gives way on a small terminal; the words for
 * states and errors are run-view.ts's, so that `status` and this say the same. Pure: the time is the look's own.
 */
import picocolors from 'picocolors';
import { formatMoney } from '../../activities/budget';
import { asTyped } from '../called-as';
import { formatCount, formatSeconds, type Colors } from '../output';
import type { LiveStage } from '../run/run-progress';
import { stoppedStages } from '../run/broken-off';
import {
  amount,
  attentionLines,
  endLines,
  endsIn,
  failedLines,
  finishedLine,
  orderLines,
  unattendedLines,
  statusPaint,
  waveWords,
} from '../run/run-view';
import { outcomeLines } from '../run/run-outcome';
import { paceOf } from '../run/stage-pace';
import { broken, cellsOf, cut } from '../cells';
import { frame, type Bottom, type Size } from './frame';
import { row, type Piece } from './row';
import { sparkline } from './sparkline';
import type { Curve, PastRound, Warning, WatchedRun } from './watched-run';

/** Cells of a progress bar; what a label may take beside it. */
const barCells = 20;
const labelCells = 34;
/** Lines that warnings get while there is something else to show. */
const warningLinesMin = 3;
/** Stages that are done and stay in sight while something else wants the room. */
const finishedLinesMin = 2;

export interface RunPicture extends Bottom {
  /** Whether the list of all runs is one key away. */
  readonly canGoBack: boolean;
}

/** `watched` is undefined until the first look has come back. */
export function runScreen(
  runId: string,
  watched: WatchedRun | undefined,
  picture: RunPicture,
  size: Size,
  color: Colors,
): string[] {
  const { width } = size;
  const head = watched
    ? headLines(watched, width, color)
    : [row(width, [{ text: runId, paint: color.bold }]), row(width, [{ text: 'looking', paint: color.dim }])];
  return frame(
    size,
    head,
    (lines) => (watched ? bodyLines(watched, width, lines, color) : []),
    { ...picture, picture: 'run' },
    color,
  );
}

function headLines(watched: WatchedRun, width: number, color: Colors): string[] {
  const { view, secondsLeft, at } = watched;
  const { runId, status, round, rounds, startedAt } = view.progress;
  const sinceStart = Math.max(0, (at - Date.parse(startedAt)) / 1000);
  const took = watched.outcome?.seconds;
  const when =
    took !== undefined
      ? `took ${formatSeconds(took)}`
      : secondsLeft === undefined
        ? `started ${formatSeconds(sinceStart)} ago`
        : endsIn(secondsLeft);
  const state: Piece[] = [
    { text: `  ${status}`, paint: statusPaint(status, color) },
    { text: `  round ${round} of ${rounds}` },
  ];
  // A long name gives way, not the state.
  const stateCells = state.reduce((sum, { text }) => sum + cellsOf(text), 0);
  const roomForName = Math.max(8, width - stateCells - cellsOf(when) - 2);
  return [
    row(width, [{ text: cut(runId, roomForName), paint: color.bold }, ...state], [{ text: when, paint: color.dim }]),
    row(width, [moneyWords(watched)], [{ text: usageWords(watched), paint: color.dim }]),
  ];
}

function moneyWords({ money }: WatchedRun): string {
  if (!money) return 'no prices: no account of money';
  const { spent, reserved, cap, currency } = money;
  const of = cap === null ? ', no cap' : ` of ${formatMoney(cap)} ${currency} (${share(spent, cap)})`;
  const spentWords = cap === null ? `${formatMoney(spent)} ${currency} spent` : formatMoney(spent);
  const held = reserved > 0 ? `, ${formatMoney(reserved)} reserved` : '';
  return `cost ${spentWords}${of}${held}`;
}

function share(part: number, whole: number): string {
  return `${whole === 0 ? 100 : Math.floor((100 * part) / whole)} %`;
}

/** 1144000 -> "1.1M": the size matters, not the digits. */
const compact = new Intl.NumberFormat('en-US', { notation: 'compact', maximumFractionDigits: 1 });

/** What this round has asked so far, reused stages aside. */
function usageWords({ view }: WatchedRun): string {
  const usages = [...view.finished.filter(({ reused }) => !reused), ...view.live].map(({ usage }) => usage);
  const calls = usages.reduce((sum, usage) => sum + usage.calls, 0);
  const tokens = usages.reduce((sum, usage) => sum + usage.inputTokens + usage.outputTokens, 0);
  return `round: ${formatCount(calls)} calls, ${compact.format(tokens)} tokens`;
}

function bodyLines(watched: WatchedRun, width: number, lines: number, color: Colors): string[] {
  const { view, rounds } = watched;
  const message = messageLines(watched, width, color);
  const live = [
    ...view.live.flatMap((stage) => liveLines(stage, watched, width, color)),
    ...stoppedStages(view.progress).map(({ label, words }) =>
      row(width, [{ text: '‖ ', paint: color.yellow }, cut(label, Math.min(labelCells, width >> 1))], [`  ${words}`]),
    ),
  ];
  const done = [
    ...rounds.map((round) => pastRoundLine(round, width, color)),
    ...view.finished.map((record) => {
      const [mark = '', ...rest] = finishedLine(record, plainColors);
      return row(width, [{ text: mark, paint: color.green }, rest.join('')]);
    }),
  ];
  const warnings = warningLines(watched.warnings, width, color);
  // In the order of what a person must see: what the run asks for, what runs, what went wrong last, what is done.
  let left = lines;
  const take = (wanted: number): number => {
    const given = Math.max(0, Math.min(wanted, left));
    left -= given;
    return given;
  };
  const messageRoom = take(message.length);
  const kept = Math.min(finishedLinesMin, done.length);
  const warned = Math.min(warningLinesMin, warnings.length);
  const liveRoom = take(Math.min(live.length, Math.max(3, left - kept - warned)));
  let warningRoom = take(warned);
  const doneRoom = take(done.length);
  warningRoom += take(warnings.length - warned);
  const upper = [
    ...lastOf(done, doneRoom, width, color),
    ...firstOf(live, liveRoom, width, color),
    ...firstOf(message, messageRoom, width, color),
  ];
  const filler = Array.from({ length: Math.max(0, lines - upper.length - warningRoom) }, () => '');
  return [...upper, ...filler, ...warnings.slice(warnings.length - warningRoom)];
}

/** The newest of them: where some have no room, a line says how many. */
function lastOf(all: readonly string[], room: number, width: number, color: Colors): string[] {
  if (all.length <= room) return [...all];
  if (room === 0) return [];
  return [moreLine(`${all.length - room + 1} more above`, width, color), ...all.slice(all.length - room + 1)];
}

function firstOf(all: readonly string[], room: number, width: number, color: Colors): string[] {
  if (all.length <= room) return [...all];
  if (room === 0) return [];
  return [...all.slice(0, room - 1), moreLine('more than fits here: arte status has all of it', width, color)];
}

function moreLine(text: string, width: number, color: Colors): string {
  return row(width, [{ text: `… ${text}`, paint: color.dim }]);
}

/** The words of run-view.ts without its colours: lines are measured before they are painted. */
const plainColors: Colors = picocolors.createColors(false);

function pastRoundLine({ round, stages, seconds, decision }: PastRound, width: number, color: Colors): string {
  const words = [`${stages} stages`, `${formatSeconds(seconds)} added up`, decision]
    .filter((text) => text !== '')
    .join(', ');
  return row(width, [{ text: '✓', paint: color.green }, ` round ${round}`, { text: `  ${words}`, paint: color.dim }]);
}

/** What the run says itself: why it is parked or paused, and what to do. */
function messageLines({ view, outcome }: WatchedRun, width: number, color: Colors): string[] {
  const { status } = view.progress;
  const said = [
    ...unattendedLines(view, plainColors),
    ...failedLines(view, plainColors),
    ...(status === 'NEEDS_ATTENTION' ? attentionLines(view, plainColors) : []),
    ...orderLines(view, plainColors),
    ...(outcome ? ['', ...outcomeLines(outcome), ...endLines(view, plainColors).filter((line) => line !== '')] : []),
  ];
  // Before it is measured: under npx a command is longer.
  const lines = said
    .map((line) => asTyped(line))
    .flatMap((line) => {
      const indent = /^(?:what|why|next|now|ended|result)? +/.exec(line)?.[0].length ?? 0;
      if (line === '') return [''];
      if (indent === 0) return broken(line, width).map((part) => row(width, [{ text: part, paint: color.yellow }]));
      const [first = '', ...more] = broken(line.slice(indent), width - indent);
      return [line.slice(0, indent) + first, ...more.map((part) => ' '.repeat(indent) + part)].map((part) =>
        row(width, [part]),
      );
    });
  return lines;
}

function liveLines(stage: LiveStage, watched: WatchedRun, width: number, color: Colors): string[] {
  const { label, done, total, inFlight, callsAtATime, usage, device } = stage;
  const rate = watched.rates.get(label);
  const bar = total === 0 ? '' : progressBar(done / total);
  const counted = total === 0 ? amount(stage) : `${amount(stage)}  ${share(done, total)}`;
  const lines = [
    row(
      width,
      [{ text: '▸ ', paint: color.cyan }, cut(label, Math.min(labelCells, width >> 1))],
      [{ text: width >= 72 ? bar : '', paint: color.cyan }, `  ${counted}`],
    ),
  ];
  const most = callsAtATime && callsAtATime.most !== callsAtATime.allowed ? ` (at most ${callsAtATime.most})` : '';
  const cached = usage.inputTokens === 0 ? '' : `${share(usage.cachedInputTokens, usage.inputTokens)} of prompt cached`;
  const facts = [
    waveWords(stage),
    ...paceOf(stage, rate, watched.secondsLeft),
    inFlight > 0 || callsAtATime ? `${inFlight}${callsAtATime ? `/${callsAtATime.allowed}` : ''} calls${most}` : '',
    cached,
  ].filter((text) => text !== '');
  // Broken between facts, never inside one.
  lines.push(...packed(facts, width - 4).map((text) => row(width, ['    ', text])));
  for (const { name, values } of watched.curves.get(label) ?? []) lines.push(curveLine(name, values, width, color));
  if (device !== undefined) lines.push(row(width, [{ text: `    on ${device}`, paint: color.dim }]));
  return lines;
}

/** Facts side by side, on as many lines as they need. */
function packed(facts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  for (const fact of facts) {
    const last = lines.at(-1);
    if (last !== undefined && cellsOf(last) + 2 + cellsOf(fact) <= width) lines[lines.length - 1] = `${last}, ${fact}`;
    else lines.push(fact);
  }
  return lines;
}

function progressBar(share: number): string {
  const full = Math.round(Math.min(1, Math.max(0, share)) * barCells);
  return `${'█'.repeat(full)}${'░'.repeat(barCells - full)}`;
}

function curveLine(name: Curve['name'], values: Curve['values'], width: number, color: Colors): string {
  const last = values.at(-1);
  const value = last === undefined ? '' : last.toPrecision(3);
  const cells = Math.max(0, Math.min(60, width - 4 - 15 - 10));
  return row(width, ['    ', name.padEnd(15), { text: sparkline(values, cells), paint: color.magenta }, `  ${value}`]);
}

function warningLines(warnings: readonly Warning[], width: number, color: Colors): string[] {
  return warnings.map(({ at, about, text }) =>
    row(width, [
      { text: `! ${new Date(at).toISOString().slice(11, 19)} `, paint: color.yellow },
      `${about}: `,
      { text, paint: color.yellow },
    ]),
  );
}
