/**
 * Goal: the full screen says what it must at 80x24 and 120x40, never passes its width or height, and keeps what matters when there is no room.
 * Method: golden pictures of made-up runs (test/golden/watch/, written anew with ARTE_UPDATE_GOLDEN=1 and then read by a person), and random sizes
 * and texts with wide characters, long names and control sequences.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import picocolors from 'picocolors';
import { broken, cellsOf, cut, fitted } from '../../../cli/cells';
import { Curves } from '../../../cli/watch/curves';
import { helpScreen } from '../../../cli/watch/help-screen';
import { commandOf, keyDocs } from '../../../cli/watch/keys';
import { typed } from '../../../cli/watch/reason-line';
import { row } from '../../../cli/watch/row';
import { runScreen } from '../../../cli/watch/run-screen';
import { inListOrder, runsScreen } from '../../../cli/watch/runs-screen';
import { sparkline } from '../../../cli/watch/sparkline';
import { Warnings } from '../../../cli/watch/warnings';
import type { WatchedRun } from '../../../cli/watch/watched-run';
import type { LiveStage, RunView } from '../../../cli/run/run-progress';
import { noUsage } from '../../../schemas/manifest';
import type { RunProgress, StageRecord } from '../../../schemas/messages';
import type { StageName } from '../../../schemas/stage-names';

const plain = picocolors.createColors(false);
const colors = picocolors.createColors(true);
const small = { width: 80, height: 24 };
const large = { width: 120, height: 40 };
const nothing = { saying: undefined, asking: undefined };
const at = Date.parse('2026-03-01T12:34:56Z');

const progress = (more: Partial<RunProgress> = {}): RunProgress => ({
  ...{ runId: 'bbh-gemma', status: 'RUNNING', round: 2, rounds: 3, current: [] },
  startedAt: '2026-03-01T10:00:00Z',
  ...more,
});

const finished = (stage: StageName, more: Partial<StageRecord> = {}): StageRecord => ({
  ...{ stage, round: 2, arm: '', key: 'k', reused: false, seconds: 12.3 },
  usage: { ...noUsage, calls: 240, inputTokens: 100_000, outputTokens: 12_000 },
  ...more,
});

const live = (label: string, more: Partial<LiveStage> = {}): LiveStage => ({
  ...{ label, since: '2026-03-01T12:30:00Z', unit: 'rows', phase: 'rows', done: 1_234, found: 0, total: 4_000 },
  ...{ inFlight: 16, usage: noUsage, metrics: {} },
  ...more,
});

const scoring = live('score-drafts', {
  usage: { ...noUsage, calls: 1_234, inputTokens: 900_000, cachedInputTokens: 750_000, outputTokens: 20_000 },
  device: 'llama.cpp/0123456789ab/q8_0',
  callsAtATime: { allowed: 16, most: 32 },
  note: '16 of 32 calls at a time',
});

const tuning = live('train-sft question_only', {
  ...{ unit: 'steps', phase: 'step', done: 40, total: 120, inFlight: 0 },
  ...{ metrics: { loss: 0.42 }, device: 'cpu, float32' },
});

const watched = (view: Partial<RunView>, more: Partial<WatchedRun> = {}): WatchedRun => ({
  view: { progress: progress(), finished: [], live: [], engine: 'RUNNING', ...view },
  at,
  rates: new Map([['score-drafts', { perSecond: 12.34, tokensPerSecond: 3_456, looks: 5 }]]),
  secondsLeft: 3_780,
  money: { spent: 1.234, reserved: 0.4, cap: 5, currency: 'EUR' },
  rounds: [{ round: 1, stages: 17, seconds: 4_000, decision: 'promoted' }],
  curves: new Map([
    [
      'train-sft question_only',
      [
        { name: 'loss', values: Array.from({ length: 40 }, (_, step) => 2 / (1 + step / 5)) },
        { name: 'reward margin', values: [0.01, 0.05, 0.2, 0.3, 0.5, 0.6] },
      ],
    ],
  ]),
  warnings: [
    { at: at - 60_000, about: 'sample-rationales', text: 'attempt 2: The endpoint has answered nothing for 30 s.' },
    { at, about: 'score-drafts', text: '16 of 32 calls at a time' },
  ],
  ...more,
});

const atWork = watched({
  finished: [
    finished('prepare-tasks', { reused: true }),
    finished('select-probes', { reused: true }),
    finished('sample-questions'),
    finished('sample-rationales', { seconds: 345 }),
  ],
  live: [scoring, tuning],
});

const parked = watched(
  {
    progress: progress({
      status: 'NEEDS_ATTENTION',
      attention: {
        stage: 'train-dpo',
        since: '2026-03-01T12:30:00Z',
        error: {
          ...{ code: 'TrainerOutOfMemory', retryable: false, what: 'The training needs more memory than there is.' },
          why: 'One batch of 64 rows of up to 2,048 tokens did not fit, neither did half of it, and the machine has no swap that could help it.',
          next: 'arte retry bbh-gemma --set align.batch_size=4 --set align.gradient_accumulation=16   smaller batches, as many rows a step',
        },
      },
    }),
    finished: Array.from({ length: 14 }, () => finished('sample-rationales')),
  },
  { secondsLeft: undefined, money: undefined, warnings: [] },
);

const asked: WatchedRun = {
  ...watched({
    progress: progress({ status: 'NEEDS_APPROVAL', approval: { round: 2, key: 'k', since: '2026-03-01T12:30:00Z' } }),
    finished: [finished('decide')],
  }),
  secondsLeft: undefined,
};

const runs: RunProgress[] = [
  progress({ runId: 'done-long-ago', status: 'DONE', startedAt: '2026-02-01T10:00:00Z' }),
  progress({
    current: [
      { stage: 'score-drafts', arm: '', since: '' },
      { stage: 'evaluate', arm: 'untuned', since: '' },
    ],
  }),
  progress({
    ...{ runId: 'a-run-whose-name-is-far-longer-than-anybody-should-have-to-read', status: 'PAUSED' },
    paused: { by: 'ana@host', since: '' },
  }),
];

/** The lines as they stand in the file; widths are told too, because blanks at the end are not seen. */
function expectGolden(name: string, lines: readonly string[]): void {
  const path = join(__dirname, '..', '..', 'golden', 'watch', `${name}.txt`);
  const text = `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
  if (process.env['ARTE_UPDATE_GOLDEN'] === '1' || !existsSync(path)) {
    if (process.env['ARTE_UPDATE_GOLDEN'] !== '1') throw new Error(`${path} is not there`);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, text);
  }
  expect(text).toBe(readFileSync(path, 'utf8'));
}

function expectWithin(lines: readonly string[], { width, height }: { width: number; height: number }): void {
  expect(lines).toHaveLength(height);
  for (const line of lines) {
    const text = line.replaceAll(/\u001b\[[\d;]*m/g, '');
    expect(text).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
    expect(cellsOf(text)).toBeLessThanOrEqual(width);
  }
}

const pictures: readonly [string, (size: typeof small) => string[]][] = [
  ['at-work', (size) => runScreen('bbh-gemma', atWork, { ...nothing, canGoBack: true }, size, plain)],
  [
    'parked',
    (size) =>
      runScreen(
        'bbh-gemma',
        parked,
        {
          ...nothing,
          canGoBack: false,
          saying: {
            kind: 'refused',
            text: 'The run bbh-gemma is NEEDS_ATTENTION: it cannot be paused. It waits for arte retry, and nothing of it runs.',
          },
        },
        size,
        plain,
      ),
  ],
  [
    'rejecting',
    (size) =>
      runScreen(
        'bbh-gemma',
        asked,
        {
          saying: undefined,
          asking: { question: 'Why is the round rejected?', text: 'worse on dates' },
          canGoBack: true,
        },
        size,
        plain,
      ),
  ],
  ['runs', (size) => runsScreen(inListOrder(runs), 'bbh-gemma', nothing, size, plain)],
  ['help', (size) => helpScreen('run', nothing, size, plain)],
];

describe.each(pictures)('%s', (name, draw) => {
  it.each([small, large])('at $width x $height', (size) => {
    const lines = draw(size);
    expectWithin(lines, size);
    expectGolden(`${name}-${size.width}x${size.height}`, lines);
  });
});

it('a paused run says how far the row stage was that it has ended', () => {
  const brokenOff = [{ stage: 'score-drafts', arm: '', wave: 0, rows: 4_000, rowsDone: 1_234 }] as const;
  const run = watched({ progress: progress({ status: 'PAUSED', paused: { by: 'ana@host', since: '' }, brokenOff }) });
  const shown = runScreen('bbh-gemma', run, { ...nothing, canGoBack: true }, small, plain).join('\n');
  expect(shown).toMatch(/‖ score-drafts +stopped at 1,234\/4,000 rows/);
});

describe('whatever the size and the words', () => {
  const words = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.constantFrom(
      '日本語のモデル名'.repeat(8),
      '\u001b[2J\u001b[1;1Hgone',
      'a\nb\r\nc\td',
      '👩‍👩‍👧‍👦'.repeat(20),
      'e\u0301'.repeat(90),
      '',
    ),
  );

  it('no line passes the width, and there are as many as rows', () => {
    fc.assert(
      fc.property(
        fc.record({ width: fc.integer({ min: 20, max: 200 }), height: fc.integer({ min: 6, max: 60 }) }),
        fc.record({ id: words, text: words, label: words, stages: fc.integer({ min: 0, max: 40 }) }),
        (size, { id, text, label, stages }) => {
          const stage = { ...scoring, label, note: text, trouble: text, device: text };
          const error = {
            code: 'Unexpected',
            what: text,
            why: text,
            next: text,
            details: [text],
            retryable: true,
          } as const;
          const attention = { stage: 'evaluate', since: text, error } as const;
          const run = progress({ runId: id, status: 'NEEDS_ATTENTION', attention });
          const made = watched(
            {
              progress: run,
              live: [stage, tuning],
              finished: Array.from({ length: stages }, () => finished('evaluate', { arm: label })),
            },
            {
              warnings: [{ at, about: label, text }],
              curves: new Map([[label, [{ name: 'loss', values: [1, NaN, 3] }]]]),
            },
          );
          const bottom = { saying: { kind: 'refused', text } as const, asking: undefined, canGoBack: true };
          for (const color of [plain, colors]) {
            expectWithin(runScreen(id, made, bottom, size, color), size);
            expectWithin(
              runScreen(id, undefined, { ...bottom, asking: { question: text, text: label } }, size, color),
              size,
            );
            expectWithin(runsScreen([run, ...runs], id, bottom, size, color), size);
            expectWithin(helpScreen('runs', bottom, size, color), size);
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('cells: cut, fitted and broken keep to the width and lose no word', () => {
    fc.assert(
      fc.property(words, fc.integer({ min: 8, max: 40 }), (text, width) => {
        expect(cellsOf(cut(text, width))).toBeLessThanOrEqual(width);
        expect(cellsOf(fitted(text, width))).toBe(width);
        const lines = broken(text, width);
        for (const line of lines) expect(cellsOf(line)).toBeLessThanOrEqual(width);
        const letters = (part: string): string =>
          part.replaceAll(/[\s\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '');
        expect(letters(lines.join(''))).toBe(letters(text));
      }),
    );
  });
});

it('what a person must see stays at 80x24: the question, what fails, and the last stage', () => {
  const lines = runScreen('bbh-gemma', parked, { ...nothing, canGoBack: false }, small, plain).join('\n');
  expect(lines).toContain('arte retry bbh-gemma --set align.batch_size=4');
  expect(lines).toContain('NEEDS_ATTENTION');
  expect(lines).toMatch(/… \d+ more above/);
});

it('colours are painted where they are wanted, and only there', () => {
  const draw = (color: typeof plain): string =>
    runScreen('bbh-gemma', atWork, { ...nothing, canGoBack: true }, small, color).join('\n');
  expect(draw(plain)).not.toContain('\u001b');
  expect(draw(colors)).toContain('\u001b[');
  expect(draw(colors).replaceAll(/\u001b\[[\d;]*m/g, '')).toBe(draw(plain));
});

it('a row puts what belongs to its end there, and cuts what stands before it', () => {
  expect(row(20, ['left'], ['right'])).toBe('left           right');
  expect(row(12, ['a long beginning'], ['right'])).toBe('a lo…  right');
  expect(row(10, ['日本語日本語'])).toBe('日本語日…');
});

it('sparkline: from the least to the greatest, averaged where there are too many, flat where all are alike', () => {
  expect(sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8)).toBe('▁▂▃▄▅▆▇█');
  expect(sparkline([8, 8, 0, 0], 2)).toBe('█▁');
  expect(sparkline([2, 2], 5)).toBe('▄▄');
  expect(sparkline([1, NaN, 2], 5)).toBe('▁█');
  expect(sparkline([], 5)).toBe('');
});

it('curves: a step counts once, and a training that begins anew has a curve of its own', () => {
  const curves = new Curves();
  const dpo = (done: number, loss: number, since = 'a'): LiveStage => ({
    ...live('train-dpo', { done, since, metrics: { loss, rewards_margins: loss / 2, learning_rate: 1 } }),
  });
  curves.observe(dpo(1, 0.7));
  curves.observe(dpo(1, 0.7));
  expect(curves.observe(dpo(2, 0.5))).toEqual([
    { name: 'loss', values: [0.7, 0.5] },
    { name: 'reward margin', values: [0.35, 0.25] },
  ]);
  expect(curves.observe(dpo(1, 0.9, 'b'))[0]?.values).toEqual([0.9]);
});

it('a warning that differs in its figures only is told once, with the newest of them, and last', () => {
  const warnings = new Warnings();
  const add = (text: string, time: number): void => warnings.add({ at: time, about: 'score', text });
  add('no answer for 10 s', 1);
  add('the store is away', 2);
  add('no answer for 11 s', 3);
  expect(warnings.all().map(({ text }) => text)).toEqual(['the store is away', 'no answer for 11 s']);
  // Concurrency that adapts is none.
  warnings.observe(atWork.view, 4);
  expect(warnings.all()).toHaveLength(2);
  warnings.observe({ ...atWork.view, live: [{ ...scoring, trouble: 'attempt 2: no memory' }] }, 5);
  expect(warnings.all().at(-1)).toEqual({ at: 5, about: 'score-drafts', text: 'attempt 2: no memory' });
});

describe('keys', () => {
  it('every key of the list does what the list says', () => {
    const press = (key: string): { name: string; text?: string } =>
      ({
        '?': { name: '?', text: '?' },
        Esc: { name: 'escape' },
        Enter: { name: 'return' },
        'up/down': { name: 'down' },
      })[key] ?? {
        name: key,
        text: key,
      };
    for (const picture of ['run', 'runs'] as const)
      for (const { key, command } of keyDocs[picture])
        expect([key, commandOf(press(key), picture)]).toEqual([key, command]);
  });

  it('no order is given from the list, nor from the help, nor by Ctrl with a letter', () => {
    for (const name of ['p', 'r', 'a', 'x', 'o']) {
      expect(commandOf({ name, text: name }, 'runs')).toBeUndefined();
      expect(commandOf({ name, text: name }, 'help')).toBe('help');
      expect(commandOf({ name, ctrl: true }, 'run')).toBeUndefined();
    }
  });

  it('a reason is typed: letters, a wrong one taken back, given by Enter, dropped by Esc', () => {
    const type = (text: string, ...names: string[]): ReturnType<typeof typed> =>
      names.reduce<ReturnType<typeof typed>>(
        (so, name) =>
          so.kind === 'typing' ? typed(so.text, { name, text: name.length === 1 ? name : undefined }) : so,
        { kind: 'typing', text },
      );
    expect(type('', 'q', 'p', 'backspace', ' ', 'é')).toEqual({ kind: 'typing', text: 'q é' });
    expect(type('bad', 'return')).toEqual({ kind: 'given', text: 'bad' });
    expect(type('bad', 'escape')).toEqual({ kind: 'dropped' });
    expect(typed('bad', { name: 'u', ctrl: true })).toEqual({ kind: 'typing', text: '' });
    expect(typed('bad', { name: 'up', text: '\u001b[A' })).toEqual({ kind: 'typing', text: 'bad' });
  });
});

it('a run that is over says how long it took, and its result', () => {
  const outcome = { endedAt: '2026-03-01T12:34:43Z', seconds: 2_083, said: 'The student answers 47.5 % right.' };
  const over = watched({ progress: progress({ status: 'DONE' }) }, { secondsLeft: undefined, outcome });
  const lines = runScreen('bbh-gemma', over, { ...nothing, canGoBack: false }, small, plain);
  expect(lines[0]).toContain('took 34m 43s');
  expect(lines).toContain('result The student answers 47.5 % right.');
  expect(lines).toContain('next   arte report bbh-gemma');
});
