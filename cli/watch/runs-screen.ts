/** All runs on the whole screen, one of them selected. Pure. */
import type { RunProgress } from '../../schemas/messages';
import { asTyped } from '../called-as';
import { nowOf } from '../run/list-runs';
import { minute } from '../run/minute';
import type { Colors } from '../output';
import { isOver, statusPaint } from '../run/run-view';
import { cellsOf, fitted } from '../cells';
import { frame, type Bottom, type Size } from './frame';
import { row } from './row';

const statusCells = 'NEEDS_ATTENTION'.length;
const roundCells = 'round'.length;
const startedCells = 'YYYY-MM-DD HH:MM'.length;

/** Runs in the order of the list: what is under way or waits first, then the newest. */
export function inListOrder(runs: readonly RunProgress[]): RunProgress[] {
  return [...runs].sort(
    (one, other) =>
      Number(isOver(one.status)) - Number(isOver(other.status)) || other.startedAt.localeCompare(one.startedAt),
  );
}

/** `runs` is undefined until the first look has come back. */
export function runsScreen(
  runs: readonly RunProgress[] | undefined,
  selected: string | undefined,
  bottom: Bottom,
  size: Size,
  color: Colors,
): string[] {
  const { width } = size;
  const longest = Math.max(3, ...(runs ?? []).map(({ runId }) => cellsOf(runId)));
  const nameCells = Math.min(longest, Math.max(12, Math.floor(width / 3)));
  const showsStart = width >= 100;
  const cells = (run: string, status: string, round: string) =>
    [fitted(run, nameCells), fitted(status, statusCells), fitted(round, roundCells)] as const;
  const [name, status, round] = cells('run', 'status', 'round');
  const titles = row(
    width,
    [{ text: `  ${name}  ${status}  ${round}  now`, paint: color.bold }],
    showsStart ? [{ text: fitted('started', startedCells), paint: color.bold }] : [],
  );
  const count = runs === undefined ? 'looking' : `${runs.length} ${runs.length === 1 ? 'run' : 'runs'}`;
  const head = [row(width, [{ text: 'arte', paint: color.bold }, `  ${count}`]), titles];
  const line = (run: RunProgress): string => {
    const isSelected = run.runId === selected;
    const [id, state, of] = cells(run.runId, run.status, `${run.round}/${run.rounds}`);
    return row(
      width,
      [
        { text: isSelected ? '▸ ' : '  ', paint: color.cyan },
        { text: id, ...(isSelected ? { paint: color.bold } : {}) },
        { text: `  ${state}`, paint: statusPaint(run.status, color) },
        `  ${of}  ${asTyped(nowOf(run))}`,
      ],
      showsStart ? [{ text: minute(run.startedAt), paint: color.dim }] : [],
    );
  };
  const body = (lines: number): string[] => {
    if (runs?.length === 0) return [row(width, [asTyped('There are no runs yet. arte quickstart makes one.')])];
    const all = runs ?? [];
    const at = all.findIndex(({ runId }) => runId === selected);
    // The selected one is always in sight.
    const from = Math.max(0, Math.min(at - (lines >> 1), all.length - lines));
    return all.slice(from, from + lines).map(line);
  };
  return frame(size, head, body, { ...bottom, picture: 'runs' }, color);
}
