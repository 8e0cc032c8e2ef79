/**
 * Goal: a command never hangs on a server that takes its connection and says nothing: it ends within a named limit, with one clear message.
 * Method: the real S3 server and the real Temporal server, stopped (SIGSTOP) as a debugger, a full disk or a suspended machine stop them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { register as registerBudget } from '../../cli/commands/budget';
import { register as registerReport } from '../../cli/commands/report';
import { register as registerStatus } from '../../cli/commands/status';
import { doctorChecks } from '../../cli/doctor/doctor-checks';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { startTemporalServer, type TemporalServer } from '../../drivers/local/temporal';
import { commandSilenceMs } from '../../schemas/limits';
import { runCommand } from '../support/command';
import { startTestS3, type TestS3 } from '../support/s3';

jest.setTimeout(120_000);

const before = { ...process.env };
let s3: TestS3;
let temporal: TemporalServer;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'arte-stopped-'));
  const env = await ensurePythonEnv();
  [s3, temporal] = await Promise.all([startTestS3(), startTemporalServer({ env, dataDir: folder })]);
}, 600_000);
afterAll(async () => {
  await Promise.all([temporal.stop(), s3.stop()]);
  rmSync(folder, { recursive: true, force: true });
});
afterEach(() => {
  for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
  Object.assign(process.env, before);
});

function namePlatform(): void {
  const { endpoint, bucket, region, credentials } = s3.options;
  Object.assign(process.env, {
    ...{
      TEMPORAL_ADDRESS: temporal.address,
      TEMPORAL_NAMESPACE: 'default',
      ARTE_S3_BUCKET: bucket,
      AWS_REGION: region,
    },
    ...{ AWS_ENDPOINT_URL_S3: endpoint, AWS_ACCESS_KEY_ID: credentials.accessKeyId },
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
  });
}

/** Do something while a server and its guard, which are one process group, are stopped. */
async function whileStopped({ pid }: { readonly pid: number }, work: () => Promise<void>): Promise<void> {
  process.kill(-pid, 'SIGSTOP');
  try {
    await work();
  } finally {
    process.kill(-pid, 'SIGCONT');
  }
}

async function timed<T>(work: Promise<T>): Promise<{ error: unknown; ms: number }> {
  const startedAt = performance.now();
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return { error, ms: performance.now() - startedAt };
}

it('every command that reads a stopped store says so in time, and doctor names the part', async () => {
  namePlatform();
  const [store] = (await doctorChecks()).filter(({ name }) => name === 'store');
  expect(await store?.run()).toMatchObject({ status: 'ok' });
  await whileStopped(s3.server, async () => {
    const ends = await Promise.all([
      timed(runCommand(registerStatus, ['status'])),
      timed(runCommand(registerStatus, ['status', 'some'])),
      timed(runCommand(registerBudget, ['budget', 'show', 'some'])),
      timed(runCommand(registerReport, ['report', 'some'])),
    ]);
    for (const { error, ms } of ends) {
      expect(error).toMatchObject({
        data: { code: 'StoreUnreachable', why: expect.stringContaining('does not answer at all') as string },
      });
      expect(ms).toBeLessThan(2 * commandSilenceMs);
    }
    const startedAt = performance.now();
    expect(await store?.run()).toMatchObject({ status: 'problem', says: expect.stringContaining('stopped') as string });
    expect(performance.now() - startedAt).toBeLessThan(commandSilenceMs);
  });
  // Nothing is broken for good.
  expect(await store?.run()).toMatchObject({ status: 'ok' });
});

it('a stopped Temporal is reported in time, too', async () => {
  namePlatform();
  const [check] = (await doctorChecks()).filter(({ name }) => name === 'temporal');
  expect(await check?.run()).toMatchObject({ status: 'ok' });
  await whileStopped(temporal, async () => {
    const [status, doctor] = await Promise.all([timed(runCommand(registerStatus, ['status'])), check?.run()]);
    expect(status.error).toMatchObject({
      data: { code: 'PlatformDown', what: `Temporal does not answer at ${temporal.address}.` },
    });
    expect(status.ms).toBeLessThan(2 * commandSilenceMs);
    expect(doctor).toMatchObject({ status: 'problem' });
  });
});
