/** Goal: pooled figures name their shot counts, and a fall with more shots is noted beyond both intervals only. Method: lines by hand. */
import { moreShotsNote, overShots } from '../../method/shots';
import type { ArmName } from '../../schemas/arms';

const line = (name: ArmName, shots: number, accuracy: number, round = 1) => ({
  ...{ name, round, shots, accuracy, low: accuracy - 0.1, high: accuracy + 0.1 },
});
const note = (lines: readonly ReturnType<typeof line>[], best = 1) =>
  moreShotsNote(lines, best, ({ name }) => `of ${name}`);

it('names shot counts where there are several', () => {
  expect([[0], [0, 3], [0, 1, 3]].map(overShots)).toEqual(['', ' over 0 and 3 shots', ' over 0, 1 and 3 shots']);
});

it('notes that more shots make the aligned or the untuned student worse', () => {
  const fallen = [line('arte', 0, 0.947), line('arte', 3, 0.316)];
  expect(note(fallen)).toContain('worse: of arte 94.7 % 0-shot and 31.6 % 3-shot (the');
  expect(note(fallen)).toContain('compare students by the 0-shot figures');
  expect(note([line('untuned', 3, 0.3), line('untuned', 0, 0.6), line('arte', 0, 0.6)])).toContain(
    'of untuned 60.0 % 0-shot and 30.0 % 3-shot',
  );
});

it('says nothing within the intervals, of other arms and rounds, and of one shot count', () => {
  expect(note([line('arte', 0, 0.5), line('arte', 3, 0.35)])).toBeUndefined();
  expect(note([line('arte', 0, 0.3), line('arte', 3, 0.9)])).toBeUndefined();
  expect(note([line('original_teacher', 0, 0.9), line('original_teacher', 3, 0.1)])).toBeUndefined();
  expect(
    note([line('arte', 0, 0.9), line('arte', 3, 0.1), line('arte', 0, 0.5, 2), line('arte', 3, 0.5, 2)], 2),
  ).toBeUndefined();
  expect(note([line('arte', 0, 0.5)])).toBeUndefined();
});
