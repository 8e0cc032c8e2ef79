/**
 * Goal: nothing that a model, an endpoint or a file wrote makes a terminal do anything, whatever prints it; data in a pipe stays as it is; an error stands on a
 * line of its own.
 * Method: hostile texts (clipboard, clear screen, colours, turned text) through every function that prints, with stdout and stderr caught and said to be
 * a terminal or none.
 */
import picocolors from 'picocolors';
import { foreign, foreignIn, printable, rowsOf } from '../../cli/cells';
import {
  formatSeconds,
  forVerbatim,
  noColors,
  printError,
  printJson,
  printLine,
  printNote,
  printVerbatim,
  progress,
  progressIfSlow,
  table,
} from '../../cli/output';
import { printTrace } from '../../cli/lineage/trace-view';
import type { RowTrace } from '../../cli/lineage/trace-row';
import { attentionLines, eventLine } from '../../cli/run/run-view';
import type { RunView } from '../../cli/run/run-progress';
import { noUsage } from '../../schemas/manifest';
import { ArteError } from '../../schemas/errors';

const hostile = 'a\u001b]52;c;cm0gLXJm\u0007b\u001b[2Jc\u009b3Ad\u202ee\r\u0000\u001b[8mhidden\nsecond\tline';
/** What a terminal obeys; colours are looked for apart. */
const obeyed = /\u001b(?!\[[0-9;]*m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/;
const colored = '\u001b[';

/** What is written while `act` runs, and the streams are a terminal or none. */
function written(isTTY: boolean, act: () => void): { stdout: string; stderr: string } {
  const caught = { stdout: '', stderr: '' };
  const before = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const was = stream.isTTY;
    Object.defineProperty(stream, 'isTTY', { value: isTTY, configurable: true });
    const spy = jest.spyOn(stream, 'write').mockImplementation((chunk) => {
      caught[name] += String(chunk);
      return true;
    });
    return () => {
      spy.mockRestore();
      Object.defineProperty(stream, 'isTTY', { value: was, configurable: true });
    };
  });
  const colors = process.env['NO_COLOR'];
  process.env['NO_COLOR'] = '1';
  try {
    act();
    return caught;
  } finally {
    if (colors === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = colors;
    for (const restore of before) restore();
  }
}

describe('a text of somebody else', () => {
  it('keeps its lines, and nothing that a terminal would obey', () => {
    expect(foreign(hostile)).not.toMatch(obeyed);
    expect(foreign(hostile)).not.toContain('\u001b');
    expect(foreign('one\r\ntwo\tthree')).toBe('one\ntwo\tthree');
    expect(foreign('naïve — 数 😀')).toBe('naïve — 数 😀');
    expect(foreignIn({ a: [hostile, 1, null], b: { c: '\u001b[31mred' }, d: true })).toEqual({
      ...{ a: [foreign(hostile), 1, null], b: { c: '\ufffd[31mred' }, d: true },
    });
  });

  it('keeps our colours where it was painted', () => {
    const { red } = picocolors.createColors(true);
    expect(printable(red('no'))).toBe(red('no'));
    expect(printable(red(hostile))).not.toMatch(obeyed);
  });
});

describe('what is printed', () => {
  const failure = new ArteError('EndpointUnreachable', { what: hostile, why: hostile, next: '', details: [hostile] });
  const prints: readonly [string, () => void][] = [
    ['a line', () => printLine(hostile)],
    ['a note', () => printNote(hostile)],
    ['a table', () => printLine(table([{ title: 'answer' }], [[hostile]]))],
    ['an error', () => printError(failure, { verbose: true })],
    ['a fault', () => printError(new Error(hostile, { cause: hostile }), { verbose: true })],
  ];

  it.each(prints)('%s is clean, on a terminal and in a pipe', (_, print) => {
    for (const isTTY of [true, false]) {
      const { stdout, stderr } = written(isTTY, print);
      expect(`${stdout}${stderr}`).toContain('second');
      expect(`${stdout}${stderr}`).not.toMatch(obeyed);
    }
  });

  it('errors lose colours of others, which would look like ours', () => {
    expect(written(true, () => printError(failure, { verbose: true })).stderr).not.toContain(colored);
  });

  it('data is clean on a terminal, and untouched in a pipe', () => {
    expect(written(true, () => printVerbatim(forVerbatim(hostile))).stdout).toBe(`${foreign(hostile)}\n`);
    expect(written(false, () => printVerbatim(forVerbatim(hostile))).stdout).toBe(`${hostile}\n`);
    expect(JSON.parse(written(true, () => printJson({ hostile })).stdout)).toEqual({ hostile });
  });

  it('a line of progress is clean', () => {
    const act = (): void => {
      const line = progress(hostile);
      line.update(hostile);
      line.done(hostile);
      progress('two').fail(hostile);
    };
    expect(written(false, act).stderr).not.toMatch(obeyed);
    // On a terminal the line is drawn anew with a carriage return and an erased line, which are ours.
    expect(written(true, act).stderr.replaceAll('\r\u001b[2K', '')).not.toMatch(obeyed);
  });

  it('a trace shows an answer, and does nothing that it says', () => {
    const stage = { name: 'evaluate', arm: 'arte-0shot', version: 1, key: 'k', reused: false, finishedAt: '2026' };
    const trace = {
      ...{ kind: 'prediction', address: 'arte-0shot:0', round: 1, stage, from: [] },
      row: { answer: hostile },
    } as unknown as RowTrace;
    const { stdout } = written(true, () => printTrace(trace, { full: true }));
    expect(stdout).toContain('hidden');
    expect(stdout).not.toMatch(obeyed);
    expect(stdout).not.toContain(colored);
  });

  it('a run says what an endpoint said, without what it ordered', () => {
    const error = {
      code: 'EndpointUnreachable',
      what: hostile,
      why: hostile,
      next: hostile,
      retryable: false,
    } as const;
    const view = {
      progress: { runId: 'r', status: 'NEEDS_ATTENTION', attention: { stage: 's', since: 'now', error } },
      ...{ finished: [], live: [], engine: undefined },
    } as unknown as RunView;
    const lines = [
      ...attentionLines(view, noColors),
      eventLine(
        {
          ...{ label: 'evaluate', since: '', unit: 'rows', phase: 'rows', done: 1, found: 0, total: 2 },
          ...{ inFlight: 0, usage: noUsage, metrics: {}, trouble: hostile },
        },
        undefined,
      ),
    ].join('\n');
    expect(lines).toContain('hidden');
    expect(lines).not.toMatch(obeyed);
    expect(lines).not.toContain('\u001b');
  });
});

describe('a line of progress', () => {
  const ended = (stderr: string): string => stderr.replaceAll('\r\u001b[2K', '⏎');

  it('has failed when an error is printed, which stands below it', () => {
    const stderr = ended(
      written(true, () => {
        progress('starting the run');
        printError(new Error('no'), { verbose: false });
      }).stderr,
    );
    expect(stderr).toMatch(/⏎✗ starting the run\nerror {2}no\n/);
  });

  it('is failed once, and not when it was done', () => {
    const stderr = ended(
      written(true, () => {
        progress('one').done();
        const two = progress('two');
        two.fail();
        printError(new Error('no'), { verbose: false });
      }).stderr,
    );
    expect(stderr.match(/✗/g)).toHaveLength(1);
    expect(stderr).toContain('✓ one\n');
  });

  it('about what is mostly quick comes after a second, on a terminal, and goes without a trace', () => {
    jest.useFakeTimers();
    try {
      const waited = (isTTY: boolean, ms: number, before = (): void => undefined): string =>
        written(isTTY, () => {
          before();
          const connected = progressIfSlow('connecting');
          jest.advanceTimersByTime(ms);
          connected();
          jest.advanceTimersByTime(5_000);
        }).stderr;
      expect(waited(true, 500)).toBe('');
      expect(waited(false, 5_000)).toBe('');
      expect(waited(true, 1_050)).toMatch(/connecting\r\u001b\[2K$/);
      let other: ReturnType<typeof progress> | undefined;
      expect(waited(true, 2_000, () => (other = progress('exporting')))).not.toContain('connecting');
      written(true, () => other?.done());
    } finally {
      jest.useRealTimers();
    }
  });
});

it('a time is told in the units that a person would take', () => {
  const day = 86_400;
  expect([5, 93, 3_900, 47 * 3_600, 2 * day, 161.4 * day].map(formatSeconds)).toEqual([
    '5.0s',
    '1m 33s',
    '1h 5m',
    '47h 0m',
    '2d',
    '161d',
  ]);
});

it('rows are counted as a terminal wraps them: colours take none, a wide character does not stand in half', () => {
  const { cyan } = picocolors.createColors(true);
  expect(rowsOf('', 80)).toBe(1);
  expect(rowsOf('x'.repeat(80), 80)).toBe(1);
  expect(rowsOf('x'.repeat(81), 80)).toBe(2);
  expect(rowsOf(cyan('x'.repeat(80)), 80)).toBe(1);
  expect(rowsOf('数'.repeat(40), 80)).toBe(1);
  expect(rowsOf(`x${'数'.repeat(40)}`, 80)).toBe(2);
  expect(rowsOf('数数数', 3)).toBe(3);
  expect(rowsOf('x'.repeat(108), 80)).toBe(2);
});
