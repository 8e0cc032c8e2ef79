/**
 * Goal: of several runs one does the work and the others take its result; one that is gone is followed within a bounded time; a later attempt of
 * the same run waits for nothing. Method: short limits on a store in memory, every request counted; races on the real S3 server.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { underLease, type LeaseRequest } from '../../activities/lease';
import type { ArtifactStore } from '../../drivers/store/store';
import { leaseExpiryMs, leasePollMs, leaseRenewMs } from '../../schemas/limits';
import { startTestS3, type TestS3 } from '../support/s3';
import { MemoryStore } from './row-engine/memory-store';

const limits = { renewMs: 20, expiryMs: 200, pollMs: 10 };

/** Work that leaves a document, and counts how often it was done. */
class Work {
  times = 0;
  mostAtOnce = 0;
  private atOnce = 0;
  readonly waited: string[] = [];

  constructor(
    readonly store: ArtifactStore,
    private readonly ms = 60,
  ) {}

  request(owner: string, attempt = '1', change: Partial<LeaseRequest<string>> = {}): LeaseRequest<string> {
    return {
      store: this.store,
      key: 'work',
      owner,
      attempt,
      signal: new AbortController().signal,
      finished: async () => (await this.store.getDocument('result.json')) as string | undefined,
      onWait: (other) => this.waited.push(other),
      limits,
      ...change,
    };
  }

  readonly doIt = async (owner: string, signal: AbortSignal): Promise<string> => {
    this.times += 1;
    this.atOnce += 1;
    this.mostAtOnce = Math.max(this.mostAtOnce, this.atOnce);
    try {
      await sleep(this.ms, undefined, { signal });
    } catch {
      throw signal.reason;
    } finally {
      this.atOnce -= 1;
    }
    await this.store.putOnce('result.json', owner);
    return owner;
  };

  by(owner: string, attempt?: string, change?: Partial<LeaseRequest<string>>): Promise<string> {
    return underLease(this.request(owner, attempt, change), (signal) => this.doIt(owner, signal));
  }
}

/** A holder that was killed: its lease stands, and nobody renews it. */
async function killedHolder(store: ArtifactStore, owner: string): Promise<void> {
  await store.putOnce('leases/work.json', { owner, attempt: '1', beat: 7 });
}

describe('a lease', () => {
  it('has limits that fit each other', () => {
    expect(leaseExpiryMs).toBeGreaterThanOrEqual(5 * leaseRenewMs);
    expect(leasePollMs).toBeLessThan(leaseRenewMs);
  });

  it('lets one run work; the other says whom it waits for and takes the result', async () => {
    const work = new Work(new MemoryStore(), 400);
    const results = await Promise.all([work.by('one'), sleep(5).then(() => work.by('other'))]);
    expect(results).toEqual(['one', 'one']);
    expect(work.times).toBe(1);
    expect(new Set(work.waited)).toEqual(new Set(['one']));
    expect(await work.store.getDocument('leases/work.json')).toBeUndefined();
  });

  it('is kept by renewals for as long as the work takes', async () => {
    const work = new Work(new MemoryStore(), 3 * limits.expiryMs);
    expect(await Promise.all([work.by('one'), sleep(5).then(() => work.by('other'))])).toEqual(['one', 'one']);
    expect(work.mostAtOnce).toBe(1);
  });

  it('of a run that is gone is taken over when it was watched unchanged for so long, not before', async () => {
    const work = new Work(new MemoryStore());
    await killedHolder(work.store, 'gone');
    const startedAt = performance.now();
    expect(await work.by('other')).toBe('other');
    const took = performance.now() - startedAt;
    expect(took).toBeGreaterThanOrEqual(limits.expiryMs);
    expect(took).toBeLessThan(limits.expiryMs + 2_000);
    expect(work.waited).toContain('gone');
  });

  it('is taken over at once by another attempt of the same run', async () => {
    const work = new Work(new MemoryStore(), 0);
    await killedHolder(work.store, 'mine');
    const endless = { ...limits, expiryMs: 60_000, pollMs: 60_000 };
    expect(await work.by('mine', '2', { limits: endless })).toBe('mine');
    expect(work.waited).toEqual([]);
  });

  it('that was taken over stops the work of who had it', async () => {
    const work = new Work(new MemoryStore(), 5_000);
    const stalled = work.by('mine', '1');
    await sleep(30);
    const later = work.by('mine', '2', { signal: AbortSignal.timeout(400) });
    await expect(stalled).rejects.toMatchObject({ data: { code: 'LeaseLost' } });
    // The later one still has it.
    expect(await work.store.getDocument('leases/work.json')).toMatchObject({ attempt: '2' });
    await expect(later).rejects.toThrow();
    expect(await work.store.getDocument('leases/work.json')).toBeUndefined();
  });

  it('survives a store that is away between two renewals', async () => {
    const store = new MemoryStore();
    const work = new Work(store, 300);
    const replace = store.replaceDocument.bind(store);
    let refused = 0;
    store.replaceDocument = (...args) => (refused++ < 3 ? Promise.reject(new Error('away')) : replace(...args));
    expect(await work.by('one')).toBe('one');
    expect(refused).toBeGreaterThan(3);
  });

  it('is given back when the work fails, so that another run need not wait', async () => {
    const work = new Work(new MemoryStore(), 0);
    const failing = underLease(work.request('one'), () => Promise.reject(new Error('broken')));
    await expect(failing).rejects.toThrow('broken');
    expect(await work.by('other')).toBe('other');
    expect(work.waited).toEqual([]);
  });

  it('is waited for until the waiting is cancelled', async () => {
    const work = new Work(new MemoryStore());
    await killedHolder(work.store, 'gone');
    const cancelled = new AbortController();
    const waiting = work.by('other', '1', { signal: cancelled.signal, limits: { ...limits, expiryMs: 60_000 } });
    setTimeout(() => cancelled.abort(new Error('cancelled')), 30);
    await expect(waiting).rejects.toThrow('cancelled');
    expect(work.times).toBe(0);
  });
});

describe('leases on the real S3 server', () => {
  let s3: TestS3;
  beforeAll(async () => {
    s3 = await startTestS3();
  }, 900_000);
  afterAll(() => s3.stop());

  const real = { renewMs: 100, expiryMs: 3_000, pollMs: 50 };

  it('eight runs that begin at once do the work once', async () => {
    const store = s3.fresh();
    const work = new Work(store, 500);
    const results = await Promise.all(
      Array.from({ length: 8 }, (_, index) => work.by(`run-${index}`, '1', { limits: real })),
    );
    expect(new Set(results).size).toBe(1);
    expect(work.times).toBe(1);
    store.close();
  });

  it('of five that watch a dead holder one takes over', async () => {
    const store = s3.fresh();
    const work = new Work(store, 500);
    await killedHolder(store, 'gone');
    const results = await Promise.all(
      Array.from({ length: 5 }, (_, index) => work.by(`run-${index}`, '1', { limits: { ...real, expiryMs: 1_000 } })),
    );
    expect(new Set(results).size).toBe(1);
    expect(work.times).toBe(1);
    store.close();
  });
});
