/**
 * Goal: what `arte ui` remembers is bounded and true to what was seen; its plots hold at their ends; its guard takes what it should and nothing else.
 * Method: the parts by themselves, on figures made here.
 */
import { createGuard } from '../../../cli/ui/guard';
import { pointsMax, curvesMax, RunCurves } from '../../../cli/ui/curves';
import { besidePage } from '../../../cli/ui/beside-page';
import { startGathering, type MadeStage, type RunDetails, type SeenRun } from '../../../cli/ui/gather';
import { listPage } from '../../../cli/ui/list-page';
import { readResult, resultOf, type RunResult } from '../../../cli/ui/result';
import { runPage } from '../../../cli/ui/run-page';
import type { Session } from '../../../cli/session';
import { madeReport } from '../../support/made-report';
import { trainingCurves } from '../../../cli/ui/training-curves';
import type { ArtifactStore } from '../../../drivers/store/store';
import type { StageRecord } from '../../../schemas/messages';
import { carryOut, parseOrder } from '../../../cli/ui/orders';
import { orderButtons, orderTemplates } from '../../../cli/ui/order-forms';
import { curvePlot, fitted, ticks } from '../../../cli/report/page/report-plots';
import type { LiveStage } from '../../../cli/run/run-progress';
import { noUsage } from '../../../schemas/manifest';
import { runKeys } from '../../../activities/run-records';
import { MemoryStore } from '../../activities/row-engine/memory-store';

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

describe('the legend of a plot', () => {
  const axes = { x: 'step', y: String };
  const ending = (names: readonly string[], at: number): string =>
    curvePlot(
      { id: 'p', title: 'Loss', description: 'd' },
      names.map((name, index) => ({
        ...{ name, color: 'arm-1' },
        points: [
          { x: 1, y: 1 - at },
          { x: 2 + index, y: at },
        ],
      })),
      axes,
    );

  it.each([1, 0])('stays within the drawing where all lines end at %d', (at) => {
    for (const count of [2, 6, 40]) {
      const svg = ending(
        Array.from({ length: count }, (_, index) => `train-dpo, round ${index}`),
        at,
      );
      const [, height = '0'] = /viewBox="0 0 760 (\d+)"/.exec(svg) ?? [];
      const places = [...svg.matchAll(/<text x="[\d.]+" y="([-\d.]+)"[^>]*>\d+ {2}train/g)].map(([, y]) => Number(y));
      expect(new Set(places).size).toBe(count);
      // The letters of a line reach some 12 px above its foot.
      for (const y of places) expect([y > 12, y < Number(height)]).toEqual([true, true]);
    }
  });

  it('keeps the rounds of names that it has to shorten, and tells all apart', () => {
    const rounds = [1, 2, 12].map((round) => `train-sft/original_teacher, round ${round}`);
    expect(ending(rounds, 1)).not.toContain('…');
    for (const shown of fitted(rounds, 150)) expect(shown).toMatch(/^train.*….*ound (1|2|12)$/);
    const middles = ['a', 'b', 'c'].map((each) => `${'x'.repeat(40)}${each}${'y'.repeat(40)}`);
    for (const names of [rounds, middles]) {
      const shown = fitted(names, 150);
      expect(new Set(shown).size).toBe(names.length);
      for (const each of shown) expect(each.length).toBeLessThanOrEqual(150 / 6.4);
    }
    expect(fitted(['same', 'same'], 150)).toEqual(['same', 'same']);
  });
});

describe('what came of a run', () => {
  const report = madeReport({ arms: ['original_teacher', 'arte'], rounds: 2, shots: [0, 3], tasks: { sums: 'math' } });
  const best: RunResult = resultOf({
    ...report,
    bestRound: 1,
    wall: { startedAt: '', seconds: 905, pausedSeconds: 0 },
  });
  const of = (name: string): readonly number[] =>
    report.arms.filter((arm) => arm.name === name && arm.round === 1).map(({ accuracy }) => 100 * accuracy);
  const seen = (runId: string, more: Partial<SeenRun> & { readonly status?: string } = {}): SeenRun => {
    const { status = 'DONE', view, ...rest } = more;
    const progress = { ...{ runId, status, round: 2, rounds: 2, current: [], startedAt: '2026-01-02T15:04:05.000Z' } };
    const shown = { ...{ progress, finished: [], live: [], engine: undefined }, ...view };
    return { view: shown as unknown as SeenRun['view'], rates: new Map(), curves: [], ...rest };
  };
  const none = { config: undefined, stages: [], made: new Map(), actions: [] } as unknown as RunDetails;

  it('is the best round, with its interval and what may be said of the difference', () => {
    expect(best.accuracies.map(({ round, shots }) => [round, shots])).toEqual([
      [1, 0],
      [1, 3],
    ]);
    const { html } = runPage(seen('over', { result: best }), none);
    for (const share of of('arte')) expect(html).toContain(`<dd>${share.toFixed(1)} %</dd>`);
    expect(html).toMatch(/<dt>accuracy of round 1, 3-shot \([\d.]+ to [\d.]+\)<\/dt>/);
    expect(html).toMatch(
      /against the unaligned teacher&#39;s student: (gain|loss|within noise)<\/dt><dd>[+-][\d.]+ points/,
    );
    expect(html).toContain('<dt>from start to end</dt><dd>15m 5s</dd>');
    expect(html).toContain('<dt>cost: no prices are set</dt><dd>not counted</dd>');
    expect(html).not.toContain('until it is done');
    expect(html).toContain('<span>2026-01-02</span> <span>15:04:05 UTC</span>');
  });

  it('stands in the list and side by side; of a run under way nothing is claimed', () => {
    const runs = [seen('over', { result: best }), seen('live', { status: 'RUNNING' })];
    const [first = 0] = of('arte');
    const list = listPage({ at: 0, look: 1, older: 0, runs }).html;
    expect(list).toContain(`${first.toFixed(1)} % (0-shot)`);
    expect(list).toContain('<td>15m 5s</td>');
    const beside = besidePage(runs.map((each) => ({ seen: each, details: none }))).html;
    expect(beside).toMatch(
      new RegExp(
        `Accuracy, 0-shot</th><td[^>]*>${first.toFixed(1)} % \\([\\d.]+ to [\\d.]+\\), round 1</td><td[^>]*>-<`,
      ),
    );
    expect(beside).toMatch(/Against unaligned, 3-shot<\/th><td[^>]*>[+-][\d.]+ points \(/);
    expect(beside).toContain('15m 5s');
  });

  it('of a run that has failed is how long it took, whatever an earlier end has left', async () => {
    const store = { getDocument: () => Promise.resolve(report) } as unknown as ArtifactStore;
    const { view } = seen('broken', { status: 'FAILED' });
    const lastWordAt = Date.parse(view.progress.startedAt) + 65_000;
    expect(await readResult(store, view, lastWordAt)).toEqual({ accuracies: [], isRejected: false, seconds: 65 });
  });

  it('is nothing where every round was rejected', () => {
    const rejected = resultOf({ ...report, bestRound: 0 });
    expect(rejected.accuracies).toEqual([]);
    expect(listPage({ at: 0, look: 1, older: 0, runs: [seen('over', { result: rejected })] }).html).toContain(
      'no round accepted',
    );
  });

  it('of a stage that has asked and heard nothing yet, what is in flight is said beside the calls', () => {
    const { html } = runPage(
      seen('live', {
        status: 'RUNNING',
        view: { live: [stage(0, { unit: 'rows', phase: 'rows', inFlight: 9 })] } as never,
      }),
      none,
    );
    expect(html).toContain('<dt>calls so far, 9 in flight</dt><dd>0</dd>');
    expect(html).toContain('0/10,000 rows, 9 in flight');
  });

  it('of a row stage that a pause has ended, how far it was is said, and that it is to come is not', () => {
    const brokenOff = [{ stage: 'score-drafts', arm: '', wave: 0, rows: 4_000, rowsDone: 1_234 }];
    const { view } = seen('run', { status: 'PAUSED' });
    const planned = { round: 2, name: 'score-drafts', arm: '', calls: 4_000, steps: 0 };
    const { html } = runPage(seen('run', { view: { progress: { ...view.progress, brokenOff } } as never }), {
      ...none,
      plan: { plan: { stages: [planned] } } as never,
    });
    expect(html).toMatch(/score-drafts<\/\w+><td[^>]*>stopped at 1,234\/4,000 rows/);
    expect(html).not.toContain('to come');
  });

  it('is read once, and again when the run has written again', async () => {
    const asked: string[] = [];
    let modifiedAt = 1_000;
    let now = 1_000_000;
    const progress = { runId: 'over', status: 'DONE', round: 1, rounds: 1, current: [], startedAt: '2026' };
    const store = {
      async getDocument(key: string) {
        asked.push(key);
        return key.endsWith('report.json') ? report : key.endsWith('progress.json') ? progress : undefined;
      },
      async *list() {
        yield { key: 'runs/over/progress.json', modifiedAt: new Date(modifiedAt) };
      },
    };
    const gatherer = startGathering({ client: {}, store } as unknown as Pick<Session, 'client' | 'store'>, () => now);
    const reports = (): number => asked.filter((key) => key.endsWith('report.json')).length;
    try {
      expect((await gatherer.seen('over')).result?.accuracies.length).toBe(2);
      for (let look = 0; look < 3; look += 1) {
        now += 60_000;
        await gatherer.look();
      }
      expect(asked.filter((key) => key.endsWith('progress.json')).length).toBeGreaterThan(1);
      expect(reports()).toBe(1);
      modifiedAt += 1_000;
      await gatherer.look();
      expect(reports()).toBe(2);
    } finally {
      await gatherer.close();
    }
  });
});

describe('the plots of a page', () => {
  const trained = (label: string, round: number) => {
    const [name, arm = ''] = label.split('/');
    return { stage: name, arm, round, key: `${label} ${round}`, usage: noUsage, seconds: 1, reused: false };
  };
  const curve = { steps: [1, 2], metrics: { loss: [0.9, 0.5] } };
  const details = (labels: readonly string[]): RunDetails =>
    ({
      ...{ config: undefined, actions: [], stages: labels.map((label) => trained(label, 1)) },
      made: new Map(labels.map((label) => [`${label} 1`, { curve, counts: {}, metrics: {} }])),
    }) as unknown as RunDetails;
  const seen = (runId: string): SeenRun => {
    const progress = { runId, status: 'RUNNING', round: 1, rounds: 1, current: [], startedAt: '2026' };
    return { view: { progress, finished: [], live: [] }, rates: new Map(), curves: [] } as unknown as SeenRun;
  };

  it('draw the losses of DPO and of SFT apart', () => {
    const { html } = runPage(seen('run'), details(['train-dpo', 'train-sft/arte', 'train-sft/original_teacher']));
    const [, dpo = '', sft = ''] = html.split('<figcaption>');
    expect([dpo, sft].map((each) => each.split('</figcaption>')[0])).toEqual([
      'Loss of DPO, train-dpo, round 1',
      'Loss of SFT',
    ]);
    expect(dpo).not.toContain('train-sft');
  });

  it('give a run one colour, whichever of the others stand in a plot', () => {
    const { html } = besidePage([
      { seen: seen('first'), details: details(['train-dpo']) },
      { seen: seen('second'), details: details(['train-dpo', 'train-sft/arte']) },
      { seen: seen('third'), details: details(['train-sft/arte']) },
    ]);
    const colors = [...html.matchAll(/<title>(\w+), round 1: [^<]*<\/title><polyline [^>]*class="curve ([\w-]+)"/g)];
    expect(colors.map(([, run, color]) => [run, color])).toEqual([
      ['first', 'arm-aligned'],
      ['second', 'arm-1'],
      ['second', 'arm-1'],
      ['third', 'arm-2'],
    ]);
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
  // The reason of a rejection is asked for, as the command asks for it.
  const [, ofReject = ''] = orderTemplates().split('id="form-reject"');
  expect(ofReject.split('</template>')[0]).toMatch(/name="reason"[^>]* required/);
  expect(orderTemplates().match(/name="reason"[^>]* required/g)).toHaveLength(1);
  expect(orderButtons('run', 'PAUSED')).toMatch(/data-order="resume" data-run="run" class="fits"/);
  expect(orderButtons('run', 'PAUSED')).not.toMatch(/data-order="pause" data-run="run" class="fits"/);
});

it('a verdict is about the round that the form was opened for, and about no later one', async () => {
  expect(orderButtons('run', 'NEEDS_APPROVAL', 2)).toMatch(
    /data-order="reject" data-run="run" class="fits" data-round="2"/,
  );
  expect(orderButtons('run', 'NEEDS_APPROVAL', 2).match(/data-round/g)).toHaveLength(2);
  const store = new MemoryStore();
  await store.putDocument(runKeys.progress('run'), {
    ...{ runId: 'run', status: 'NEEDS_APPROVAL', round: 2, rounds: 3, current: [], startedAt: '' },
    approval: { round: 2, key: 'k', since: '' },
  });
  const describe = () => Promise.resolve({ status: { name: 'FAILED' } });
  const client = { workflow: { getHandle: () => ({ describe }) } };
  const session = { client, store, embedded: false } as unknown as Session;
  const reject = (round: number): Promise<unknown> =>
    carryOut(session, 'run', parseOrder({ order: 'reject', reason: 'worse', round }));
  await expect(reject(1)).rejects.toMatchObject({
    data: { code: 'RunStateConflict', what: expect.stringContaining('round 2 waits for one now') as string },
  });
  // It goes on to the run, which here has ended.
  await expect(reject(2)).rejects.toMatchObject({
    data: { what: expect.stringContaining('nothing to reject') as string },
  });
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

it.each([
  [{ order: 'concurrency', calls: '0' }],
  [{ order: 'budget', amount: '-1' }],
  [{ order: 'reject', reason: '' }],
])('is judged before anything is asked: %j', async (body) => {
  const session = {} as Parameters<typeof carryOut>[0];
  await expect(carryOut(session, 'run', parseOrder(body))).rejects.toMatchObject({ data: { code: 'InvalidInput' } });
});
