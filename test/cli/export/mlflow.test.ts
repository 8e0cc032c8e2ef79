/**
 * Goal: a finished run stands in MLflow with its settings, figures by round and trainings below it; the same again writes nothing twice, whatever was lost in
 * between; what the server refuses, and a server that is none, is said.
 * Method: a run of two rounds on the real S3 server (support/made-run.ts), written to the real MLflow server from PyPI and read back by its REST API; faults from
 * a server that answers as it is told.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { serverOf } from '../../../cli/commands/mlflow';
import { exportToMlflow, type MlflowExport } from '../../../cli/export/export-mlflow';
import { readReport } from '../../../cli/report/read-report';
import { openMlflow, type MlflowTracking } from '../../../drivers/mlflow/tracking';
import { packageRoot } from '../../../drivers/package-root';
import type { ArtifactStore } from '../../../drivers/store/store';
import { ArteError } from '../../../schemas/errors';
import type { RunReport } from '../../../schemas/report';
import { makeRun } from '../../support/made-run';
import { startMlflow, type TestMlflow } from '../../support/mlflow';
import { startReceiver } from '../../support/receiver';
import { startTestS3, type TestS3 } from '../../support/s3';

jest.setTimeout(10 * 60_000);

interface ReadRun {
  readonly info: {
    readonly run_id: string;
    readonly run_name: string;
    readonly status: string;
    readonly start_time: number;
    readonly end_time: number;
  };
  readonly data: {
    readonly metrics: readonly { readonly key: string; readonly value: number; readonly step: number }[];
    readonly params: readonly { readonly key: string; readonly value: string }[];
    readonly tags: readonly { readonly key: string; readonly value: string }[];
  };
}

let s3: TestS3;
let store: ArtifactStore;
let folder: string;
let mlflow: TestMlflow;
let tracking: MlflowTracking;
let report: RunReport;
let written: MlflowExport;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-mlflow-'));
  mlflow = await startMlflow(folder);
  tracking = openMlflow({ url: `${mlflow.url}/` });
  s3 = await startTestS3();
  store = s3.fresh();
  await makeRun(store, folder, { runId: 'tracked', rounds: 2, student: { p_without: 0.4 } });
  report = await readReport(store, 'tracked');
  written = await send();
});
afterAll(async () => {
  await mlflow.stop();
  store.close();
  await s3.stop();
  rmSync(folder, { recursive: true, force: true });
});

function send(to = tracking): Promise<MlflowExport> {
  return exportToMlflow(store, to, { runId: 'tracked', experiment: 'distilled', onProgress: () => undefined });
}

async function api<Answer>(path: string, body?: object): Promise<Answer> {
  const init = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const answer = await fetch(`${mlflow.url}/api/2.0/mlflow/${path}`, init);
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

async function runsThere(): Promise<ReadRun[]> {
  const { runs } = await api<{ runs: ReadRun[] }>('runs/search', {
    experiment_ids: [written.experimentId],
    max_results: 1000,
  });
  return runs;
}

const tagOf = ({ data }: ReadRun, name: string): string | undefined => data.tags.find(({ key }) => key === name)?.value;
const named = (run: ReadRun, name: string): number | undefined =>
  run.data.metrics.find(({ key }) => key === name)?.value;

describe('a run in MLflow', () => {
  it('has its settings, its end, what is to be known of it, and its page', async () => {
    const { run } = await api<{ run: ReadRun }>(`runs/get?run_id=${written.mlflowRunId}`);
    expect(run.info).toMatchObject({ run_name: 'tracked', status: 'FINISHED', end_time: Date.parse(report.writtenAt) });
    const params = Object.fromEntries(run.data.params.map(({ key, value }) => [key, value]));
    expect(params).toMatchObject({
      name: report.name,
      'rounds.count': '2',
      'tasks.0.source': expect.any(String) as string,
    });
    expect(params['align.beta']).toMatch(/^0\.\d+$/);
    expect(tagOf(run, 'arte.run')).toBe('tracked');
    expect(tagOf(run, 'arte.best_round')).toBe(String(report.bestRound));
    for (const note of report.notes) expect(tagOf(run, 'mlflow.note.content')).toContain(note);
    const page = await fetch(`${mlflow.url}/get-artifact?path=report.html&run_uuid=${written.mlflowRunId}`);
    expect(written.page).toBe(true);
    expect(await page.text()).toContain('<title>tracked: report</title>');
  });

  it('has every accuracy at its round, and what it took', async () => {
    const { run } = await api<{ run: ReadRun }>(`runs/get?run_id=${written.mlflowRunId}`);
    expect(named(run, 'calls')).toBe(report.totals.calls);
    expect(named(run, 'output_tokens')).toBe(report.totals.outputTokens);
    for (const arm of ['untuned', 'original_teacher', 'arte']) {
      const history = await api<{ metrics: { step: number; value: number; timestamp: number }[] }>(
        `metrics/get-history?run_id=${written.mlflowRunId}&metric_key=${encodeURIComponent(`accuracy/${arm}`)}`,
      );
      const seen = history.metrics.map(({ step, value }) => [step, value]);
      // Of the run's start and not of the report, which is written anew when a cancelled run goes on: the same point is then the same row.
      for (const { step, timestamp } of history.metrics) expect(timestamp).toBe(run.info.start_time + step);
      expect(seen).toEqual(
        report.arms.filter(({ name }) => name === arm).map(({ round, accuracy }) => [round, accuracy]),
      );
    }
    const aligned = report.arms.filter(({ name }) => name === 'arte').at(-1)!;
    const { difference } = aligned.comparisons.find(({ against }) => against === 'original_teacher')!;
    expect(named(run, 'difference_to_unaligned/arte')).toBeCloseTo(difference, 9);
    expect(named(run, 'scores/spread')).toBeGreaterThan(0);
  });

  it('has its trainings below it, each with its curve by step', async () => {
    const trainings = report.stages.filter(({ name }) => name.startsWith('train-'));
    const children = (await runsThere()).filter((run) => tagOf(run, 'mlflow.parentRunId') === written.mlflowRunId);
    expect(children.length).toBe(written.trainings);
    expect(children.map((run) => tagOf(run, 'arte.stage_key')).sort()).toEqual(trainings.map(({ key }) => key).sort());
    for (const { info, data } of children) {
      const { seconds } = trainings.find(({ key }) => data.tags.some(({ value }) => value === key))!;
      expect(info.end_time - info.start_time).toBe(Math.round(seconds * 1000));
    }
    const [child] = children;
    const { metrics } = await api<{ metrics: { step: number; value: number }[] }>(
      `metrics/get-history?run_id=${child!.info.run_id}&metric_key=loss`,
    );
    expect(metrics.map(({ step, value }) => [step, value])).toEqual([
      [1, 0.9],
      [2, 0.5],
    ]);
  });

  it('is not written twice by a second command, nor after answers were lost', async () => {
    const before = await runsThere();
    expect(await send()).toEqual(written);
    // An answer that is lost after the server has done what it was asked.
    let lost = 0;
    const forgetful: MlflowTracking = {
      ...tracking,
      async createRun(run) {
        await tracking.createRun(run);
        lost += 1;
        throw new Error('the answer was lost');
      },
    };
    const other = { runId: 'tracked', experiment: 'forgetful', onProgress: () => undefined };
    while (lost < written.trainings + 1) await expect(exportToMlflow(store, forgetful, other)).rejects.toThrow('lost');
    const again = await exportToMlflow(store, forgetful, other);
    expect(lost).toBe(written.trainings + 1);
    expect(again.trainings).toBe(written.trainings);
    expect((await runsThere()).length).toBe(before.length);
    const { runs } = await api<{ runs: ReadRun[] }>('runs/search', {
      experiment_ids: [again.experimentId],
      max_results: 1000,
    });
    expect(runs.length).toBe(before.length);
    const history = await api<{ metrics: unknown[] }>(
      `metrics/get-history?run_id=${written.mlflowRunId}&metric_key=calls`,
    );
    expect(history.metrics.length).toBe(1);
  });
});

describe('what goes wrong', () => {
  it('a server that is not there, that fails, refuses, or is another thing', async () => {
    await expect(send(openMlflow({ url: 'http://127.0.0.1:9' }))).rejects.toMatchObject({
      data: { code: 'MlflowUnreachable', retryable: true },
    });
    const server = await startReceiver();
    const to = openMlflow({ url: server.url, authorization: 'Bearer the-token' });
    for (const [status, code] of [
      [503, 'MlflowUnreachable'],
      [401, 'MlflowRefused'],
      [404, 'MlflowRefused'],
    ] as const) {
      server.answers.push(status);
      await expect(send(to)).rejects.toMatchObject({ data: { code } });
    }
    server.answers.push((response) => response.writeHead(200).end('<html>a login page</html>'));
    const failure: unknown = await send(to).catch((error: unknown) => error);
    expect(failure).toMatchObject({ data: { code: 'MlflowRefused' } });
    expect(JSON.stringify(failure)).not.toContain('the-token');
    expect(server.received.every(({ headers }) => headers.authorization === 'Bearer the-token')).toBe(true);
    await server.close();
  });

  it('an answer that is none of MLflow is refused by name, and so is one without end', async () => {
    const server = await startReceiver();
    const to = openMlflow({ url: server.url });
    const says = (value: unknown) => (response: ServerResponse) => response.writeHead(200).end(JSON.stringify(value));
    const isNoAnswer = {
      data: { code: 'MlflowRefused', what: expect.stringContaining('is no answer of MLflow') as string },
    };
    for (const answer of [{}, [], null, 'yes', { experiment: {} }]) {
      server.answers.push(says(answer));
      await expect(send(to)).rejects.toMatchObject(isNoAnswer);
    }
    server.answers.push(says({ experiment: { experiment_id: '1' } }), says({}), says({ run: { info: {} } }));
    await expect(send(to)).rejects.toMatchObject(isNoAnswer);
    server.answers.push((response) => response.writeHead(200).end(`{"experiment": "${'x'.repeat(9 * 1024 * 1024)}"}`));
    const failure = await send(to).catch((error: unknown) => error as ArteError);
    expect(failure).toMatchObject(isNoAnswer);
    expect(JSON.stringify(failure).length).toBeLessThan(2_000);
    await server.close();
  });

  it('what the server sends back of a credential stands in no error', async () => {
    const server = await startReceiver();
    const environments: NodeJS.ProcessEnv[] = [
      { MLFLOW_TRACKING_TOKEN: 'a-token/with+signs' },
      { MLFLOW_TRACKING_USERNAME: 'me', MLFLOW_TRACKING_PASSWORD: 'a long password' },
      { MLFLOW_TRACKING_USERNAME: 'me', MLFLOW_TRACKING_PASSWORD: 'brief' },
    ];
    for (const environment of environments) {
      const to = serverOf({ to: server.url, experiment: 'e' }, environment);
      const secrets = [...Object.values(environment).slice(-1), ...(to.authorization ?? '').split(' ').slice(1)];
      for (const status of [200, 400, 401, 503]) {
        for (const body of [secrets.join(' '), JSON.stringify({ message: `you sent ${secrets.join(' and ')}` })]) {
          // Also where a long text is cut in the middle of it.
          for (const before of ['', 'x'.repeat(190)]) {
            server.answers.push((response) => response.writeHead(status).end(`${before}${body}`));
            const failure = await send(openMlflow(to)).catch((error: unknown) => error as ArteError);
            expect(failure).toBeInstanceOf(ArteError);
            for (const secret of secrets) {
              expect(JSON.stringify(failure)).not.toContain(secret);
              if (before !== '') expect(JSON.stringify(failure)).not.toContain(`x${secret!.slice(0, 4)}`);
            }
          }
        }
      }
    }
    await server.close();
  });

  it('artifacts that the server takes itself go to the given address, whatever host they name', async () => {
    const server = await startReceiver();
    const to = openMlflow({ url: server.url });
    const put = (artifactUri: string) => to.putFile({ runId: 'r', tags: {}, artifactUri }, 'report.html', 'a page');
    for (const uri of ['mlflow-artifacts:/1/a', 'mlflow-artifacts:///1/a', 'mlflow-artifacts://other.example:5000/1/a'])
      expect(await put(uri)).toBe(true);
    expect(await put('s3://bucket/1/a')).toBe(false);
    expect(server.received.map(({ path }) => path)).toEqual(
      Array.from({ length: 3 }, () => '/hook/api/2.0/mlflow-artifacts/artifacts/1/a/report.html'),
    );
    await server.close();
  });

  it('variables that are set to nothing are not given', () => {
    const to = (environment: NodeJS.ProcessEnv) =>
      serverOf({ to: 'http://127.0.0.1:5000', experiment: 'e' }, environment);
    const none = { url: 'http://127.0.0.1:5000' };
    expect(to({ MLFLOW_TRACKING_TOKEN: '' })).toEqual(none);
    expect(to({ MLFLOW_TRACKING_USERNAME: '', MLFLOW_TRACKING_PASSWORD: '' })).toEqual(none);
    expect(
      to({ MLFLOW_TRACKING_USERNAME: '', MLFLOW_TRACKING_PASSWORD: '', MLFLOW_TRACKING_TOKEN: 'a-token' }),
    ).toMatchObject({
      authorization: 'Bearer a-token',
    });
    expect(() => serverOf({ experiment: 'e' }, { MLFLOW_TRACKING_URI: '' })).toThrow(ArteError);
  });

  it.each([
    [['mlflow', 'any'], '', 'No MLflow server is named.'],
    [['mlflow', 'any', '--to', 'ftp://127.0.0.1'], '', 'neither http nor https'],
    [['mlflow', 'any', '--to', 'http://mlflow.example.org'], '', '--allow-http is not set'],
    [['mlflow', 'any', '--to', 'https://me:secret@example.org'], '', 'holds a user name or a password'],
    [['mlflow', '-', '--to', 'http://127.0.0.1:9'], 'no message', 'no message of notify'],
  ])('%j is refused before anything is asked', (args, input, words) => {
    const env: NodeJS.ProcessEnv = { ...process.env, ARTE_DATA_DIR: join(folder, 'none') };
    delete env['MLFLOW_TRACKING_URI'];
    const main = join(packageRoot(), 'dist', 'cli', 'main.js');
    const { status, stderr } = spawnSync(process.execPath, [main, ...args], { env, input, encoding: 'utf8' });
    expect(stderr).toContain(words);
    expect(stderr).not.toContain('secret');
    expect(status).toBe(2);
  });
});
