/**
 * Goal: what `arte ui` remembers is bounded and true to what was seen; its plots hold at their ends; its guard takes what it should and nothing else.
 * Method: the parts by themselves, on figures made here.
 */
import { createGuard } from '../../../cli/ui/guard';
import { pointsMax, curvesMax, RunCurves } from '../../../cli/ui/curves';
import type { MadeStage, RunDetails } from '../../../cli/ui/gather';
import { trainingCurves } from '../../../cli/ui/training-curves';
import type { StageRecord } from '../../../schemas/messages';
import { carryOut, parseOrder } from '../../../cli/ui/orders';
import { orderButtons, orderTemplates } from '../../../cli/ui/order-forms';
import { curvePlot, ticks } from '../../../cli/report/page/report-plots';
import type { LiveStage } from '../../../cli/run/run-progress';
import { noUsage } from '../../../schemas/manifest';

const stage = (done: number, more: Partial<LiveStage> = {}): LiveStage => ({
  ...{ label: 'train-dpo', since: 'then', unit: 'steps', phase: 'step', done, found: 0, total: 10_000 },
  ...{ inFlight: 0, usage: noUsage, metrics: { loss: 1 / (done + 1), learning_rate: 1 } },
  ...more,
});

describe('a curve', () => {
  it('takes what a stage has found for done, and not for fast', () => {
    const curves = new RunCurves();
    const rows = (done: number, found: number): LiveStage => stage(done, { unit: 'rows', found });
    curves.observe(1, rows(0, 0), 0);
    expect(curves.observe(1, rows(1_264, 1_264), 5_000)).toBeUndefined();
    expect(curves.observe(1, rows(1_294, 1_264), 10_000)).toMatchObject({ perSecond: 3 });
  });

  it('keeps its whole length within its bound, and the newest point', () => {
    const curves = new RunCurves();
    for (let done = 0; done < 5 * pointsMax; done += 1) curves.observe(1, stage(done), done * 1_000);
    const [curve] = curves.all();
    const steps = curve!.points.map(({ done }) => done);
    expect(steps.length).toBeLessThanOrEqual(pointsMax);
    expect(steps.length).toBeGreaterThan(pointsMax / 3);
    expect(steps[0]).toBeLessThan(pointsMax / 4);
    expect(steps.at(-1)).toBe(5 * pointsMax - 1);
    expect(steps).toEqual([...steps].sort((one, other) => one - other));
    expect(curve!.points.at(-1)!.metrics).toEqual({ loss: 1 / (5 * pointsMax) });
  });

  it('goes on from the checkpoint at which a training resumed', () => {
    const curves = new RunCurves();
    for (const done of [10, 20, 30, 40]) curves.observe(1, stage(done), done);
    curves.observe(1, stage(20, { since: 'later', metrics: { loss: 5 } }), 50);
    curves.observe(1, stage(30, { since: 'later' }), 60);
    expect(curves.all()[0]!.points.map(({ done }) => done)).toEqual([10, 20, 20, 30]);
  });

  it('of each stage and round is one; the oldest go, and what counts nothing has none', () => {
    const curves = new RunCurves();
    curves.observe(1, stage(0, { total: 0 }), 0);
    expect(curves.all()).toEqual([]);
    for (let round = 1; round <= curvesMax + 5; round += 1) curves.observe(round, stage(round), round);
    expect(curves.all().map(({ round }) => round)).toEqual(Array.from({ length: curvesMax }, (_, index) => index + 6));
    curves.clear();
    expect(curves.all()).toEqual([]);
  });
});

describe('the trainings of a run', () => {
  const record = { stage: 'train-dpo', arm: '', round: 1, key: 'k' } as unknown as StageRecord;
  const made = (curve: unknown): RunDetails['made'] => new Map([['k', { curve } as MadeStage]]);

  it('are as their records keep them once they are finished, and as they were seen until then', () => {
    const live = new RunCurves();
    live.observe(1, stage(20), 0);
    live.observe(2, stage(5), 1);
    const kept = { steps: [1, 2], metrics: { loss: [0.9, 0.5], rewards_margins: [0, 1] } };
    const curves = trainingCurves({ curves: live.all() }, { stages: [record], made: made(kept) });
    expect(curves.map(({ round, label }) => [round, label])).toEqual([
      [1, 'train-dpo'],
      [2, 'train-dpo'],
    ]);
    expect(curves[0]!.points).toEqual([
      { done: 1, metrics: { loss: 0.9, rewards_margins: 0 } },
      { done: 2, metrics: { loss: 0.5, rewards_margins: 1 } },
    ]);
  });

  it('of which no curve is kept are as they were seen', () => {
    const live = new RunCurves();
    live.observe(1, stage(20), 0);
    for (const kept of [undefined, null, { steps: [], metrics: {} }, { steps: ['1'] }])
      expect(trainingCurves({ curves: live.all() }, { stages: [record], made: made(kept) })).toEqual(live.all());
  });
});

describe('a plot of curves', () => {
  const text = { id: 'p', title: 'Loss', description: 'd' };
  const axes = { x: 'step', y: String };

  it('holds at its ends: one point, one value, no points, figures far apart', () => {
    const line = (points: readonly (readonly [number, number])[]) => ({
      ...{ name: '<a>', color: 'arm-1', points: points.map(([x, y]) => ({ x, y })) },
    });
    for (const lines of [
      [line([[1, 1]])],
      [
        line([
          [1, 0],
          [2, 0],
        ]),
      ],
      [
        line([]),
        line([
          [1, -1e-9],
          [1e6, 1e9],
        ]),
      ],
      [
        line([
          [1, 1],
          [2, 2],
        ]),
        line([
          [5, 0],
          [9, 1],
        ]),
      ],
    ]) {
      const svg = curvePlot(text, lines, axes);
      expect(svg).not.toMatch(/NaN|Infinity|<a>/);
      const xs = [...svg.matchAll(/points="([^"]*)"/g)].flatMap(([, points = '']) =>
        points.split(' ').map((point) => Number(point.split(',')[0])),
      );
      for (const x of xs) expect(x >= 0 && x <= 760).toBe(true);
    }
    expect(
      curvePlot(
        text,
        [
          line([
            [1, 3],
            [4, 2],
          ]),
        ],
        axes,
      ),
    ).toContain('&lt;a&gt;: 2 at step 4');
  });

  it.each([
    [0, 10, 5, [0, 2, 4, 6, 8, 10]],
    [0.1, 0.7, 3, [0, 0.2, 0.4, 0.6, 0.8]],
    [3, 3, 4, [3]],
    [-5, 5, 2, [-5, 0, 5]],
  ])('its axis from %d to %d in about %d steps is round', (low, high, about, expected) => {
    expect(ticks(low, high, about)).toEqual(expected);
  });
});

describe('the guard', () => {
  const guard = createGuard('127.0.0.1', 8_000);

  it('makes a token of its own for each start, and takes no other', () => {
    const other = createGuard('127.0.0.1', 8_000);
    expect(guard.token).toMatch(/^[\w-]{43}$/);
    expect(guard.hasToken({ authorization: `Bearer ${guard.token}` })).toBe(true);
    for (const authorization of [
      undefined,
      '',
      guard.token,
      `bearer ${guard.token}`,
      `Bearer ${other.token}`,
      `Bearer ${guard.token} `,
    ])
      expect(guard.hasToken({ authorization })).toBe(false);
  });

  it('answers under its own names only, with the port', () => {
    for (const host of ['127.0.0.1:8000', 'localhost:8000', 'LOCALHOST:8000', '[::1]:8000'])
      expect([host, guard.isOurHost({ host })]).toEqual([host, true]);
    for (const host of [
      undefined,
      '',
      'localhost',
      'localhost:80',
      'evil.example:8000',
      '127.0.0.1:8000.evil.example',
      '10.0.0.1:8000',
    ])
      expect([host, guard.isOurHost(host === undefined ? {} : { host })]).toEqual([host, false]);
    expect(createGuard('10.0.0.1', 8_000).isOurHost({ host: '10.0.0.1:8000' })).toBe(true);
    expect(createGuard('0.0.0.0', 8_000).isOurHost({ host: 'evil.example:8000' })).toBe(false);
  });

  it('at the port of http answers without the port, as browsers ask', () => {
    const atHttp = createGuard('127.0.0.1', 80);
    for (const host of ['127.0.0.1', 'localhost', '[::1]', '127.0.0.1:80', 'LOCALHOST'])
      expect([host, atHttp.isOurHost({ host })]).toEqual([host, true]);
    for (const host of ['127.0.0.1:8080', 'example.org', ''])
      expect([host, atHttp.isOurHost({ host })]).toEqual([host, false]);
    expect(atHttp.isFromOurPage({ origin: 'http://localhost', host: 'localhost' })).toBe(true);
    expect(guard.isOurHost({ host: '127.0.0.1' })).toBe(false);
  });

  it('opens reports with their cookie, which is none of another start and not the token', () => {
    const cookie = guard.reportCookie.split(';')[0]!;
    expect(guard.mayReadReports({ cookie: `a=b; ${cookie}; c=d` })).toBe(true);
    for (const each of [
      '',
      'a=b',
      cookie.slice(0, -1),
      createGuard('127.0.0.1', 8_000).reportCookie.split(';')[0]!,
      `arte-reports-8000=${guard.token}`,
    ])
      expect(guard.mayReadReports({ cookie: each })).toBe(false);
  });
});

it('every order of the page has its button and its form, and stands out where it fits', () => {
  const kinds = ['pause', 'resume', 'approve', 'reject', 'retry', 'budget', 'concurrency', 'cancel'];
  for (const kind of kinds) {
    expect(orderTemplates()).toContain(`id="form-${kind}"`);
    expect(orderButtons('<run>', 'RUNNING')).toContain(`data-order="${kind}" data-run="&lt;run&gt;"`);
  }
  expect(orderButtons('run', 'PAUSED')).toMatch(/data-order="resume" data-run="run" class="fits"/);
  expect(orderButtons('run', 'PAUSED')).not.toMatch(/data-order="pause" data-run="run" class="fits"/);
});

it.each([
  [{}],
  [null],
  ['pause'],
  [{ order: 'restart' }],
  [{ order: 'pause', by: 'somebody else' }],
  [{ order: 'retry', set: 'a=b' }],
  [{ order: 'retry', set: new Array(51).fill('a=b') }],
  [{ order: 'concurrency', calls: 3 }],
])('is no order: %j', (body) => {
  expect(() => parseOrder(body)).toThrow(
    expect.objectContaining({ data: expect.objectContaining({ code: 'InvalidInput' }) }) as Error,
  );
});

it.each([[{ order: 'concurrency', calls: '0' }], [{ order: 'budget', amount: '-1' }]])(
  'is judged before anything is asked: %j',
  async (body) => {
    const session = {} as Parameters<typeof carryOut>[0];
    await expect(carryOut(session, 'run', parseOrder(body))).rejects.toMatchObject({ data: { code: 'InvalidInput' } });
  },
);
