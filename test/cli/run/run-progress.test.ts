/**
 * Goal: of two trainings of a run at once each is shown with its own figures, of a stage that stands still how far it was; a run that stands still because its version of arte has no worker any
 * more is told from one whose worker is away, and from one that is worked on, with the command that helps; also one that no worker has ever taken up.
 */
import { defaultPayloadConverter } from '@temporalio/common';
import type { Client } from '@temporalio/client';
import { recordRun } from '../../../activities/start-run';
import { noColors } from '../../../cli/output';
import { attendanceOf } from '../../../cli/run/run-pollers';
import { fromHeartbeats, isOf, viewRun, type RunView } from '../../../cli/run/run-progress';
import { storeBundle } from '../../../cli/run/start-run';
import { eventLine, renderRun, unattendedLines } from '../../../cli/run/run-view';
import { noUsage } from '../../../schemas/manifest';
import { pollerSilenceMs } from '../../../schemas/limits';
import type { ActivityProgress, BrokenOffStage, RunStatus } from '../../../schemas/messages';
import { runConfigSchema } from '../../../schemas/run-config';
import { MemoryStore } from '../../activities/row-engine/memory-store';

const pending = (beat?: Partial<ActivityProgress>): Parameters<typeof isOf>[0] => {
  const whole = {
    stage: 'train-sft',
    unit: 'steps',
    phase: 'step',
    done: 4,
    total: 8,
    usage: noUsage,
    inFlight: 0,
    ...beat,
  };
  return beat === undefined ? {} : { heartbeatDetails: { payloads: [defaultPayloadConverter.toPayload(whole)] } };
};
const [mine, other] = [
  { stage: 'train-sft', arm: 'arte' },
  { stage: 'train-sft', arm: 'original_teacher' },
];

it.each([
  ['of its arm', pending({ arm: 'arte' }), [true, false]],
  ['of another stage', pending({ stage: 'train-dpo', arm: 'arte' }), [false, false]],
  ['of a worker that does not say its arm', pending({}), [true, true]],
  ['that has not spoken yet', pending(), [false, false]],
] as const)('an activity %s', (_, activity, expected) => {
  expect([isOf(activity, mine, false), isOf(activity, other, false)]).toEqual(expected);
});

it('an activity that has not spoken yet is that of the only stage', () => {
  expect(isOf(pending(), mine, true)).toBe(true);
});

/** An engine with a run pinned to a version, and workers that asked last so long ago. */
function engineWith(pinned: string, workers: readonly (readonly [version: string, agoMs: number])[]): Client {
  const info = pinned === '' ? {} : { versioningInfo: { deploymentVersion: { buildId: pinned } } };
  const pollers = workers.map(([buildId, agoMs]) => ({
    lastAccessTime: { seconds: Math.floor((Date.now() - agoMs) / 1000) },
    deploymentOptions: { buildId },
  }));
  return {
    options: { namespace: 'default' },
    workflow: { getHandle: () => ({ describe: () => Promise.resolve({ raw: { workflowExecutionInfo: info } }) }) },
    workflowService: { describeTaskQueue: () => Promise.resolve({ pollers }) },
  } as unknown as Client;
}

const gone = pollerSilenceMs + 5_000;
it.each([
  ['attended', 'v1', [['v1', 1_000]]],
  [
    'attended',
    'v1',
    [
      ['v2', 1_000],
      ['v1', 30_000],
    ],
  ],
  ['attended', '', [['v2', 1_000]]],
  ['attended', 'v1', [['', 1_000]]],
  ['nobody', 'v1', []],
  [
    'nobody',
    'v1',
    [
      ['v1', gone],
      ['v2', gone],
    ],
  ],
  ['other versions', 'v1', [['v2', 1_000]]],
  [
    'other versions',
    'v1',
    [
      ['v2', 1_000],
      ['v1', gone],
    ],
  ],
] as const)('%s: a run pinned to "%s" with workers %j', async (attendance, pinned, workers) => {
  expect(await attendanceOf(engineWith(pinned, workers), 'run')).toBe(attendance);
});

it('a run of another version says that retry starts it again; one whose worker is away that doctor looks', () => {
  const view = { progress: { runId: 'nightly' } } as unknown as RunView;
  const lines = (more: Partial<RunView>): string => unattendedLines({ ...view, ...more }, noColors).join('\n');
  expect(lines({})).toBe('');
  expect(lines({ unattended: true })).toContain('next   arte doctor');
  expect(lines({ unattended: true, outdated: true })).toContain('next   arte retry nightly   starts it again');
});

it('a run that no worker has taken up yet is shown as one that nobody works on, and not waited for', async () => {
  const store = new MemoryStore();
  const model = { source: 'embedded:SmolLM2-135M-Instruct' };
  const config = runConfigSchema.parse({
    ...{ version: 1, name: 'x', tasks: [{ source: 'builtin', family: 'navigate' }], rounds: { count: 3 } },
    models: { teacher: model, student: model },
  });
  await recordRun(store, { runId: 'new', name: 'x', bundle: await storeBundle(store, { config, configDir: '.' }) });
  const handle = {
    describe: () => Promise.resolve({ status: { name: 'RUNNING' }, raw: {} }),
    query: () => new Promise(() => undefined),
  };
  const client = Object.assign(engineWith('', []), { workflow: { getHandle: () => handle } });
  expect(await viewRun(client, store, 'new')).toMatchObject({
    ...{ unattended: true, engine: 'RUNNING', live: [] },
    progress: { runId: 'new', status: 'RUNNING', round: 1, rounds: 3 },
  });
});

it('says what a round has cost so far, and nothing of cost where no model has a price', () => {
  const progress = {
    runId: 'x',
    status: 'RUNNING',
    round: 1,
    rounds: 1,
    current: [],
    startedAt: '2026-01-01',
  } as const;
  const view: RunView = { progress, finished: [], live: [], engine: 'RUNNING' };
  const said = (price: object): string => {
    const model = { source: 'embedded:SmolLM2-135M-Instruct', price };
    const config = runConfigSchema.parse({
      ...{ version: 1, name: 'x', tasks: [{ source: 'builtin', family: 'navigate' }] },
      models: { teacher: model, student: model },
    });
    return renderRun(view, new Map(), config, noColors).join('\n');
  };
  expect(said({ input: 1 })).toContain('0 tokens, cost 0.00 USD');
  expect(said({})).toContain('0 tokens');
  expect(said({})).not.toContain('cost');
});

it('says of how many calls the tokens are estimates', () => {
  const progress = {
    runId: 'r',
    status: 'RUNNING',
    round: 1,
    rounds: 1,
    current: [],
    startedAt: '2026-01-01',
  } as const;
  const said = (estimatedCalls: number): string => {
    const usage = { ...noUsage, calls: 9, inputTokens: 80, estimatedCalls };
    const record = { stage: 'evaluate', arm: '', round: 1, key: 'k', reused: false, seconds: 1, usage } as const;
    const view: RunView = { progress, finished: [record], live: [], engine: 'RUNNING' };
    return renderRun(view, new Map(), undefined, noColors).join('\n');
  };
  expect(said(3)).toContain('9 calls, 80 tokens (those of 3 calls are estimates: the server gave no usable ones)');
  expect(said(0)).not.toContain('estimates');
});

describe('an attempt after one that failed', () => {
  const message = 'The endpoint has answered nothing for 49 s.';
  const again = (state: number, done: number, beatAt: number): ReturnType<typeof fromHeartbeats> => {
    const activity = {
      ...pending({ stage: 'sample-questions', unit: 'rows', phase: 'rows', done, total: 12 }),
      ...{ state, attempt: 4, lastFailure: { message } },
      ...{ lastStartedTime: { seconds: 100 }, lastHeartbeatTime: { seconds: beatAt } },
    };
    const stage = { label: 'sample-questions', since: '2026-01-01T00:00:00Z' };
    return fromHeartbeats(stage, [activity as unknown as Parameters<typeof isOf>[0]], 0, 12);
  };

  it.each([
    ['waits for its turn', again(1, 5, 110), true],
    ['has not spoken yet', again(2, 5, 90), true],
    ['has made nothing', again(2, 0, 110), true],
    ['makes something', again(2, 5, 110), false],
  ] as const)('%s', (_, stage, isHeld) => {
    expect(stage.trouble).toBe(`attempt 4: ${message}`);
    expect(stage.held !== undefined).toBe(isHeld);
  });

  it('is told at length once', () => {
    const stage = again(1, 0, 90);
    expect(eventLine(stage, undefined, undefined, {})).toContain(message);
    const after = eventLine(stage, undefined, undefined, { trouble: true });
    expect(after).toContain('still: attempt 4, nothing made since');
    expect(after).not.toContain(message);
  });
});

it('rows that wait for their endpoint are a trouble that is told, and hold the stage up where no shard asks anything', () => {
  const words = '2 rows wait 540 s more to be asked again: HTTP 429';
  const shard = (waits?: ActivityProgress['waits']): ReturnType<typeof pending> => ({
    ...pending({ stage: 'sample-questions', unit: 'rows', phase: 'rows', done: 1, total: 3, ...(waits && { waits }) }),
    attempt: 1,
  });
  const of = (...shards: ReturnType<typeof pending>[]): ReturnType<typeof fromHeartbeats> =>
    fromHeartbeats({ label: 'sample-questions', since: '2026-01-01T00:00:00Z' }, shards, 0, 6);
  const still = of(shard({ words, held: true }));
  expect(still).toMatchObject({ trouble: words, held: 'waits for the endpoint' });
  expect(eventLine(still, undefined, undefined, {})).toContain(words);
  expect(eventLine(still, undefined, undefined, { trouble: true })).toContain('still: waits for the endpoint');
  const partly = of(shard({ words, held: true }), shard());
  expect(partly.trouble).toBe(words);
  expect(partly.held).toBeUndefined();
  expect(of(shard()).trouble).toBeUndefined();
});

it('a later wave says why rows are counted from nothing again', () => {
  const stage = { ...fromHeartbeats({ label: 'tailor-questions', since: '' }, [], 0, 17), phase: 'rows' };
  const said = eventLine({ ...stage, wave: { number: 2, rowsBefore: 20 } }, undefined);
  expect(said).toContain('0/17 rows of wave 2');
  expect(said).toContain('wave 2: 17 after 20, asked again for what was unusable');
  expect(eventLine({ ...stage, wave: { number: 1, rowsBefore: 0 } }, undefined)).not.toContain('wave');
});

describe('a row stage that was ended in its middle', () => {
  const said = (status: RunStatus, change: Partial<BrokenOffStage> = {}): string => {
    const stage = { stage: 'evaluate', arm: 'arte-0shot', wave: 0, rows: 4_000, rowsDone: 1_234, ...change } as const;
    const progress = { runId: 'r', status, round: 1, rounds: 1, current: [], brokenOff: [stage], startedAt: '' };
    return renderRun({ progress, finished: [], live: [], engine: 'RUNNING' }, new Map(), undefined, noColors).join(
      '\n',
    );
  };

  it.each(['PAUSED', 'NEEDS_ATTENTION', 'CANCELLED'] as const)(
    'of a run that is %s says how many rows are done',
    (of) => {
      expect(said(of)).toMatch(/‖ evaluate\/arte-0shot +stopped at 1,234\/4,000 rows\n/);
    },
  );

  it('of a run that works is about to begin again', () => {
    expect(said('RUNNING')).not.toContain('stopped');
  });

  it('claims no more than is known', () => {
    expect(said('PAUSED', { atLeast: true })).toContain('stopped at no less than 1,234/4,000 rows');
    expect(said('PAUSED', { atLeast: true, rowsDone: 0 })).toContain('how many of 4,000 rows are done is not known');
    expect(said('PAUSED', { rowsDone: 0, wave: 1 })).toContain('stopped at 0/4,000 rows of wave 2');
  });
});
