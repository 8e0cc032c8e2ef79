/**
 * Goal: trace, diff, gc and the report page do on a whole platform what they do on a store; a clean-up while a run works costs it nothing.
 * Method: the built command line; loops whose models answer by script, one of them slow enough to be cleaned up around.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunReport } from '../../schemas/report';
import { openWorkspace, succeed, waitFor, type Workspace } from '../support/cli';
import { makeTinyModel, writeScriptedLoop, type ScriptedLoop } from '../support/loop-config';
import { openRunLook } from '../support/run-look';

jest.setTimeout(10 * 60_000);

let workspace: Workspace;
let model: string;

beforeAll(async () => {
  workspace = openWorkspace();
  model = await makeTinyModel(join(workspace.dir, 'model'));
  await succeed(workspace, 'run', config({ name: 'first' }));
  await succeed(workspace, 'run', config({ name: 'second', student: { p_without: 0.6 } }));
});
afterAll(() => workspace.close());

function config(loop: Partial<ScriptedLoop> & { name: string }): string {
  return writeScriptedLoop(workspace.dir, { model, ...loop });
}

async function json<T>(...words: string[]): Promise<T> {
  return JSON.parse((await succeed(workspace, ...words, '--json')).stdout) as T;
}

interface Collected {
  readonly removed: boolean;
  readonly bytes: number;
  readonly store: { readonly stages: { readonly objects: number }; readonly blobs: { readonly objects: number } };
}

/** The cache is everybody's on this machine: its models stay. */
const collect = (...words: string[]): Promise<Collected> => json('gc', '--no-models', '--grace-hours', '0', ...words);

it('traces a prediction to the model that training made', async () => {
  const trace = await json<{ call: { model: { layers: unknown[] }; request: { prompt: object } } }>(
    ...['trace', 'first', 'arte-0shot:0'],
  );
  expect(trace.call.model.layers).toHaveLength(1);
  expect(trace.call.request.prompt).toMatchObject({ kind: 'completion' });
  const { code, stdout } = await workspace.arte('trace', 'first', 'nowhere', '--json');
  expect([code, JSON.parse(stdout)]).toMatchObject([2, { error: { code: 'RowNotFound' } }]);
});

it('names what differs between two runs', async () => {
  const diff = await json<{ config: { path: string }[]; stages: { stage: string; verdict: string }[] }>(
    ...['diff', 'first', 'second'],
  );
  expect(diff.config.map(({ path }) => path)).toEqual(['name', 'models.student.endpoint.options.p_without']);
  expect(diff.stages.find(({ stage }) => stage === 'sample-rationales')?.verdict).toBe('same');
  expect(diff.stages.find(({ stage }) => stage === 'score-drafts')?.verdict).toBe('differs');
});

it('writes the page', async () => {
  const { path } = await json<{ path: string }>('report', 'first', '--html', 'page.html');
  expect(readFileSync(path, 'utf8')).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
});

it('cleans up around a run that works, and refuses to drop it', async () => {
  const slow = config({ name: 'slow', student: { p_without: 0.3, latency_ms: 800, max_in_flight: 16 } });
  const { result } = workspace.start('run', slow, '--json');
  const run = openRunLook(workspace, 'slow');
  await waitFor('the slow run to score drafts', 120_000, async () => {
    const current = (await run.view())?.progress.current;
    return current?.some(({ stage }) => stage === 'score-drafts') ? current : undefined;
  });
  await run.close();
  const shown = await collect('--drop', 'second');
  expect(shown).toMatchObject({ removed: false });
  expect(shown.store.stages.objects).toBeGreaterThan(0);
  expect((await json<RunReport>('report', 'second')).runId).toBe('second');
  const refused = await workspace.arte('gc', '--no-models', '--drop', 'slow', '--json');
  expect([refused.code, JSON.parse(refused.stdout)]).toMatchObject([2, { error: { code: 'RunStateConflict' } }]);

  expect(await collect('--drop', 'second', '--yes')).toMatchObject({ removed: true });
  expect((await workspace.arte('report', 'second')).code).toBe(2);
  const { code, stdout } = await result;
  expect(code).toBe(0);
  const { stages, totals } = JSON.parse(stdout) as RunReport;
  // Each cell was asked once: nothing that it had was taken from it.
  const cells = stages.find(({ name }) => name === 'score-drafts')!;
  expect(cells.calls).toBe(Object.values(cells.outcomes).reduce((sum: number, count) => sum + Number(count), 0));
  expect(totals.calls).toBe(stages.filter(({ reused }) => !reused).reduce((sum, each) => sum + each.calls, 0));
  expect(stages.find(({ name }) => name === 'sample-rationales')?.reused).toBe(true);
  await succeed(workspace, 'trace', 'slow', 'build-pairs:0');
  await succeed(workspace, 'trace', 'first', 'arte:0');
  // What has gone is made again when it is wanted.
  await succeed(workspace, 'run', config({ name: 'second', student: { p_without: 0.6 } }), '--id', 'second-again');
});
