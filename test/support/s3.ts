/** One real S3 server (SeaweedFS, as `arte up` starts it) for a test file, and stores over it that hold nothing yet. */
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { startS3Server, type S3Server } from '../../drivers/local/s3-server';
import { createS3Store } from '../../drivers/store/s3';
import type { S3StoreOptions } from '../../drivers/store/s3-objects';
import type { ArtifactStore } from '../../drivers/store/store';

export interface TestS3 {
  readonly server: S3Server;
  /** How to reach it: for a store with settings of the test's own. */
  readonly options: S3StoreOptions & {
    readonly endpoint: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  /** A store under a prefix that nobody has used. Close it. */
  fresh(): ArtifactStore;
  /** Ends the server and removes its files. Call it in afterAll. */
  stop(): Promise<void>;
}

/** Start a server. The first call on a machine may have to set up Python first: give beforeAll minutes. */
export async function startTestS3(): Promise<TestS3> {
  const env = await ensurePythonEnv();
  const folder = mkdtempSync(join(tmpdir(), 'arte-s3-'));
  const start = (): Promise<S3Server> => startS3Server({ env, dataDir: join(folder, 's3'), bucket: 'arte' });
  // Other test files draw ports at the same moment: one that was free when it was drawn may be theirs when it is wanted.
  const server = await start().catch((error: unknown) => {
    if (!/PortTaken|is not available/.test(JSON.stringify(error))) throw error;
    return start();
  });
  const { endpoint, bucket, region, accessKeyId, secretAccessKey } = server;
  const options = {
    ...{ endpoint, bucket, region, forcePathStyle: true, credentials: { accessKeyId, secretAccessKey } },
    spoolDir: join(folder, 'spool'),
  };
  return {
    server,
    options,
    fresh: () => createS3Store({ ...options, prefix: `test-${randomUUID()}` }),
    async stop() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
