/**
 * Goal: a picture that is redrawn in place leaves nothing of the last one above it, also where lines are longer than the terminal is wide; what waits for
 * a person ends the watching, also when the engine has lost it.
 * Method: the layout by hand at 80 columns, and drawn on a model of a terminal that wraps; the exit codes by status and engine.
 */
import fc from 'fast-check';
import { eraseOf, exitCodeOfView, lastThatFit, plainScreen } from '../../../cli/watch/watch-run';
import type { RunView } from '../../../cli/run/run-progress';
import { FinishedStages, finishedLine } from '../../../cli/run/run-view';
import { noColors } from '../../../cli/output';
import { noUsage } from '../../../schemas/manifest';
import type { RunStatus, StageRecord } from '../../../schemas/messages';

const long =
  '▸ sample-rationales question_only                     1,234/4,000 rows  12.3/s, 3,456 tok/s, this stage ends in 4m 2s';

/** The rows of a terminal that wraps and never scrolls; knows what a picture in place is made of. */
class Wrapping {
  rows: string[] = [''];
  constructor(private readonly columns: number) {}

  write(text: string): void {
    const [, up, rest = ''] = /^(?:\u001b\[(\d+)A\u001b\[0J)?([^]*)$/.exec(text) ?? [];
    if (up !== undefined) this.rows = [...this.rows.slice(0, this.rows.length - 1 - Number(up)), ''];
    for (const sign of rest) {
      if (sign === '\n') this.rows.push('');
      else if (this.rows.at(-1)!.length === this.columns) this.rows.push(sign);
      else this.rows[this.rows.length - 1] = `${this.rows.at(-1) ?? ''}${sign}`;
    }
  }
}

it('a picture with lines that wrap is taken off whole', () => {
  expect(long.length).toBeGreaterThan(80);
  expect(eraseOf([], 80)).toBe('');
  expect(eraseOf(['title', long, ''], 80)).toBe('\u001b[4A\u001b[0J');
  // Wider meanwhile: the terminal has joined what it had wrapped.
  expect(eraseOf(['title', long, ''], 200)).toBe('\u001b[3A\u001b[0J');
});

it('whatever the lines, what stood before stays and the last picture stands alone', () => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', ' '), maxLength: 60 });
  const picture = fc.array(line, { minLength: 1, maxLength: 8 });
  fc.assert(
    fc.property(
      fc.array(picture, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 5, max: 30 }),
      (pictures, columns) => {
        const terminal = new Wrapping(columns);
        terminal.write('before\n');
        let drawn: readonly string[] = [];
        for (const lines of pictures) {
          terminal.write(`${eraseOf(drawn, columns)}${lines.join('\n')}\n`);
          drawn = lines;
        }
        const alone = new Wrapping(columns);
        alone.write(`before\n${drawn.join('\n')}\n`);
        expect(terminal.rows).toEqual(alone.rows);
      },
    ),
  );
});

it('a terminal that is too low shows the end, by rows and not by lines', () => {
  expect(lastThatFit(['one', long, 'two'], 80, 23)).toEqual(['one', long, 'two']);
  expect(lastThatFit(['one', long, 'two'], 80, 3)).toEqual([long, 'two']);
  expect(lastThatFit(['one', long, 'two'], 80, 2)).toEqual(['two']);
  expect(lastThatFit([long.repeat(3)], 80, 2)).toEqual([long.repeat(3)]);
});

it.each([
  ['NEEDS_ATTENTION', 'RUNNING', 3],
  ['NEEDS_ATTENTION', undefined, 3],
  ['NEEDS_ATTENTION', 'TERMINATED', 3],
  ['PAUSED', 'RUNNING', 3],
  ['NEEDS_APPROVAL', 'RUNNING', 3],
  ['RUNNING', 'RUNNING', undefined],
  ['DONE', 'COMPLETED', 0],
  ['CANCELLED', 'CANCELLED', 1],
] as const)(
  'a run that is %s while the engine says %s ends the watching with %s',
  (status: RunStatus, engine, code) => {
    expect(exitCodeOfView({ progress: { status }, engine } as unknown as RunView)).toBe(code);
  },
);

it('every finished stage is told once, in order, also of rounds that came and went between two looks', async () => {
  const of = (round: number, arm: string, key = arm): StageRecord => ({
    ...{ stage: 'evaluate', round, arm, key, reused: true, seconds: 1, usage: noUsage },
  });
  const rounds: Record<number, StageRecord[]> = { 1: [], 2: [], 3: [] };
  const done = new FinishedStages((round) => Promise.resolve(rounds[round] ?? []));
  const look = async (round: number): Promise<string[]> => {
    const view = { progress: { round }, finished: rounds[round] } as unknown as RunView;
    return (await done.unshown(view)).map((record) => `${record.round} ${record.arm}`);
  };
  rounds[1] = [of(1, 'a')];
  expect(await look(1)).toEqual(['1 a']);
  rounds[1].push(of(1, 'b'));
  rounds[2] = [of(2, 'a')];
  rounds[3] = [of(3, 'a')];
  expect(await look(3)).toEqual(['1 b', '2 a', '3 a']);
  expect(await look(3)).toEqual([]);
  // Under a changed config it began again.
  rounds[1] = [of(1, 'a'), of(1, 'b', 'other')];
  expect(await look(1)).toEqual(['1 b']);
});

it('the line of a stage that decides carries the decision', () => {
  const record: StageRecord = {
    ...{ stage: 'decide', round: 1, arm: '', key: 'k', reused: false, seconds: 0.5, usage: noUsage },
    says: 'the best so far: 26.0 %',
  };
  expect(finishedLine(record, noColors)).toMatch(/^✓ r1 decide +0\.5s {2}the best so far: 26\.0 %$/);
});

it('a log says of a run that nobody works on that it stands still, once a time, and not while a worker just starts', () => {
  const said: string[] = [];
  const screen = plainScreen({ write: (text: string) => said.push(text) > 0 } as unknown as NodeJS.WriteStream);
  const clock = jest.spyOn(Date, 'now');
  const progress = { runId: 'nightly', status: 'RUNNING', round: 1, rounds: 1, current: [], startedAt: '' };
  const look = (second: number, more: Partial<RunView>): number => {
    clock.mockReturnValue(second * 1_000);
    const view = { progress, finished: [], live: [], engine: 'RUNNING', ...more } as unknown as RunView;
    screen.show(view, new Map(), undefined, undefined, []);
    return said.filter((text) => text.includes('No worker answers for this run')).length;
  };
  expect([0, 10, 20].map((second) => look(second, { unattended: true }))).toEqual([0, 0, 0]);
  expect(look(25, {})).toBe(0);
  expect([30, 59, 61, 300].map((second) => look(second, { unattended: true }))).toEqual([0, 0, 1, 1]);
  clock.mockRestore();
});
