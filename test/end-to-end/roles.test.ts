/**
 * Goal: the four roles work as separate processes against given addresses, with the commands and variables of the compose file, and the loss of
 * any one of them is made good by starting it again, which is up to whoever keeps them alive: one that cannot go on ends.
 * Method: Temporal and the S3 server started by hand; orchestrator, io, infer and train as `arte worker` processes; each is killed once in
 * the middle of the run and started again; models answer by script, slowly enough to be in the middle of something.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { freePorts } from '../../drivers/local/ports';
import { startS3Server, type S3Server } from '../../drivers/local/s3-server';
import { startTemporalServer, type TemporalServer } from '../../drivers/local/temporal';
import { packageRoot } from '../../drivers/package-root';
import { workerRoles, type WorkerRole } from '../../schemas/messages';
import type { RunReport } from '../../schemas/report';
import { openWorkspace, succeed, waitFor, type Workspace } from '../support/cli';
import { makeTinyModel, writeScriptedLoop } from '../support/loop-config';
import { openRunLook, type RunLook } from '../support/run-look';

jest.setTimeout(10 * 60_000);

interface ComposeService {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
}

describe('the roles as separate processes', () => {
  let temporal: TemporalServer;
  let s3: S3Server;
  let workspace: Workspace;
  let run: RunLook;
  const workers = new Map<WorkerRole, ChildProcess>();
  let metricsPort = 0;
  let dataDir: string;
  const compose = parse(readFileSync(join(packageRoot(), 'deploy', 'compose.yaml'), 'utf8'), { merge: true }) as {
    services: Record<string, ComposeService>;
  };

  beforeAll(async () => {
    const env = await ensurePythonEnv({});
    dataDir = mkdtempSync(join(tmpdir(), 'arte-roles-'));
    temporal = await startTemporalServer({ env, dataDir });
    s3 = await startS3Server({ env, dataDir, bucket: 'arte' });
    // What the compose file sets, with the addresses of this machine in place of its service names.
    const here: NodeJS.ProcessEnv = {
      TEMPORAL_ADDRESS: temporal.address,
      AWS_ENDPOINT_URL_S3: s3.endpoint,
      AWS_ACCESS_KEY_ID: s3.accessKeyId,
      AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
    };
    const declared = compose.services['infer']?.environment ?? {};
    expect(Object.keys(declared).sort()).toEqual(expect.arrayContaining(Object.keys(here)));
    workspace = openWorkspace({ ...declared, ...here });
    run = openRunLook(workspace, 'roles');
    metricsPort = (await freePorts(1))[0] ?? 0;
    for (const role of workerRoles) startWorker(role);
  });
  afterAll(async () => {
    await run.close();
    for (const worker of workers.values()) worker.kill('SIGKILL');
    await s3.stop();
    await temporal.stop();
    rmSync(dataDir, { recursive: true, force: true });
    rmSync(workspace.dir, { recursive: true, force: true, maxRetries: 5 });
  });

  function startWorker(role: WorkerRole): void {
    const args = compose.services[role]?.command ?? [];
    const child = spawn(process.execPath, [join(packageRoot(), 'dist', 'cli', 'main.js'), 'worker', ...args], {
      env: { ...workspace.env, ...(role === 'infer' && { ARTE_METRICS_ADDRESS: String(metricsPort) }) },
      cwd: workspace.dir,
      stdio: 'ignore',
    });
    workers.set(role, child);
  }

  it('run a loop to its end although each is killed once', async () => {
    const model = await makeTinyModel(join(workspace.dir, 'model'));
    // Every stage takes several times what it takes to ask how the run stands, on a busy machine too.
    const teacher = { latency_ms: 500, max_in_flight: 4 };
    const student = { latency_ms: 150, max_in_flight: 16 };
    const path = writeScriptedLoop(workspace.dir, { name: 'roles', model, teacher, student });
    await succeed(workspace, 'run', path, '--detach');
    const middles: readonly [WorkerRole, RegExp][] = [
      ['orchestrator', /^sample-questions$/],
      ['infer', /^score-drafts$/],
      ['train', /^train-dpo$/],
      ['io', /^(tailor|train-sft|evaluate)/],
    ];
    for (const [role, stages] of middles) {
      await waitFor(`${String(stages)} to be under way`, 120_000, async () => {
        const progress = (await run.view())?.progress;
        return progress?.current.some(({ stage }) => stages.test(stage)) ? true : undefined;
      });
      if (role === 'infer') await showsItsCalls();
      workers.get(role)?.kill('SIGKILL');
      startWorker(role);
    }
    await waitFor('the run to end', 240_000, async () => {
      const progress = (await run.view())?.progress;
      if (progress?.attention) throw new Error(JSON.stringify(progress.attention));
      return progress?.status === 'DONE' ? true : undefined;
    });
    const report = JSON.parse((await succeed(workspace, 'report', 'roles', '--json')).stdout) as RunReport;
    expect(report.arms.map(({ name }) => name)).toEqual(['untuned', 'original_teacher', 'arte']);
  });

  it('end when they cannot begin, and say why: whoever keeps them alive starts them again', async () => {
    // A server that has just been set up knows its namespace some seconds after it answers.
    const early = openWorkspace({ ...workspace.env, TEMPORAL_NAMESPACE: 'not-there-yet' });
    const { child, result } = early.start('worker', ...(compose.services['orchestrator']?.command ?? []));
    const late = setTimeout(() => child.kill('SIGKILL'), 60_000);
    const { code, stderr } = await result;
    clearTimeout(late);
    rmSync(early.dir, { recursive: true, force: true });
    expect(stderr).toContain('not-there-yet');
    expect(code).toBe(1);
  });

  it('end when they are told to', async () => {
    for (const [role, worker] of workers) {
      const ended = once(worker, 'exit');
      worker.kill('SIGTERM');
      const late = setTimeout(() => worker.kill('SIGKILL'), 60_000);
      expect([role, ...(await ended)]).toEqual([role, 0, null]);
      clearTimeout(late);
    }
  });

  /** What the process that asks the models tells a Prometheus server. */
  async function showsItsCalls(): Promise<void> {
    const text = await waitFor('calls in the metrics', 30_000, async () => {
      const scraped = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
      return /^arte_calls\{.*stage="score-drafts".*\} [1-9]/m.test(scraped) ? scraped : undefined;
    });
    for (const name of [
      'arte_endpoint_limit',
      'arte_endpoint_ceiling',
      'arte_calls_in_flight',
      'arte_rows',
      'arte_tokens',
    ])
      expect(text).toMatch(new RegExp(`^${name}\\{.*endpoint="scripted/prefers-short".*\\} \\d`, 'm'));
  }
});
