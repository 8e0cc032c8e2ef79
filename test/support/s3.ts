/** interim */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { startChild } from '../../drivers/process';
import { createS3Store, ensureBucket, type S3StoreOptions } from '../../drivers/store/s3';
import type { ArtifactStore } from '../../drivers/store/store';

export interface TestS3 {
  readonly options: S3StoreOptions & { endpoint: string };
  fresh(): ArtifactStore;
  stop(): Promise<void>;
}
async function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const s = createServer();
    s.listen(0, '127.0.0.1', () => {
      const p = (s.address() as { port: number }).port;
      s.close(() => resolve(p));
    });
  });
}
export async function startTestS3(): Promise<TestS3> {
  const env = await ensurePythonEnv();
  const folder = mkdtempSync(join(tmpdir(), 'arte-s3-'));
  mkdirSync(join(folder, 'data'));
  const [s3, m, v, f, a] = [20333, 20334, 20335, 20336, 20337].map((p) => p + Math.floor(Math.random() * 2000) * 5);
  void freePort;
  const credentials = { accessKeyId: 'test', secretAccessKey: randomBytes(12).toString('hex') };
  const child = startChild({
    name: 'weed',
    command: env.bin('weed'),
    args: [
      'mini',
      `-dir=${join(folder, 'data')}`,
      '-ip=127.0.0.1',
      '-ip.bind=127.0.0.1',
      `-master.port=${m}`,
      `-volume.port=${v}`,
      `-filer.port=${f}`,
      `-s3.port=${s3}`,
      `-admin.port=${a}`,
      '-bucket=arte',
      '-admin.ui=false',
      '-webdav=false',
      '-master.telemetry=false',
      '-s3.port.iceberg=0',
      '-s3.port.lance=0',
    ],
    env: { AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    logPath: join(folder, 'log'),
  });
  const options = {
    endpoint: `http://127.0.0.1:${s3}`,
    region: 'us-east-1',
    bucket: 'arte',
    forcePathStyle: true,
    credentials,
    spoolDir: join(folder, 'spool'),
  };
  for (let i = 0; ; i++) {
    try {
      await ensureBucket({ ...options, attempts: 1 });
      break;
    } catch (e) {
      if (i > 60) throw e;
      await new Promise((r) => setTimeout(r, 250));
    }
  }
  return {
    options,
    fresh: () => createS3Store({ ...options, prefix: `t-${randomUUID()}` }),
    stop: async () => {
      await child.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
