/** Goal: a run that is over says when it ended, after how long, and with what: its result, or the reason why there is none. */
import { runKeys } from '../../../activities/run-records';
import type { ArtifactStore } from '../../../drivers/store/store';
import { outcomeLines, readOutcome } from '../../../cli/run/run-outcome';
import type { RunView } from '../../../cli/run/run-progress';
import { reportVersion } from '../../../schemas/report';

const lastWord = new Date('2026-03-01T12:30:00Z');
const storeWith = (report: object | undefined): ArtifactStore =>
  ({
    getDocument: (key: string) => Promise.resolve(key === runKeys.report('nightly') ? report : undefined),
    async *list(key: string) {
      yield await Promise.resolve({ key, bytes: 1, modifiedAt: lastWord });
    },
  }) as unknown as ArtifactStore;
const view = (progress: object): RunView =>
  ({ progress: { runId: 'nightly', startedAt: '2026-03-01T12:00:00Z', ...progress } }) as unknown as RunView;

const arm = (name: string, accuracy: number): object => ({
  ...{ name, round: 1, shots: 0, accuracy, low: accuracy - 0.05, high: accuracy + 0.05, comparisons: [] },
});
const report = {
  ...{ schemaVersion: reportVersion, status: 'DONE', rounds: [{}], bestRound: 1, stages: [], planned: {} },
  arms: [arm('arte', 0.475), arm('untuned', 0.3)],
  wall: { startedAt: '2026-03-01T12:00:00Z', seconds: 2_083, pausedSeconds: 300 },
  writtenAt: '2026-03-01T12:34:43Z',
};

it('says nothing of a run under way', async () => {
  expect(await readOutcome(storeWith(report), view({ status: 'RUNNING' }))).toBeUndefined();
});

it("a run that is done has its report's figures", async () => {
  const outcome = await readOutcome(storeWith(report), view({ status: 'DONE' }));
  const [ended, result] = outcomeLines(outcome!);
  expect(ended).toBe('ended  2026-03-01 12:34, 34m 43s after its start, 5m 0s of that paused');
  expect(result).toMatch(/^result .*47\.5 % of the test items right/);
});

it('a run that failed has its reason, and the time of its last word', async () => {
  const error = { what: 'The disk is full.', why: 'It has no room.' };
  const outcome = await readOutcome(storeWith(report), view({ status: 'FAILED', failed: { error } }));
  expect(outcomeLines(outcome!)).toEqual([
    'ended  2026-03-01 12:30, 30m 0s after its start',
    'result The disk is full. It has no room.',
  ]);
});
