/**
 * The model of one shard: leased once it is known that a row is to be asked, and held until the shard ends. A model may take minutes to be made and
 * loaded, and a shard all of whose rows are answered already needs none.
 *
 * Owns the lease, and how much of the time until it was there went to others. Who holds the device is drivers/model/pool.ts, whether a row is left
 * row-engine/engine.ts.
 */
import type { EndpointSettings, LeaseWait, ModelLease, ModelPool } from '../drivers/model/model';
import type { ModelRef } from '../schemas/model-ref';
import type { LogTail } from '../schemas/stall-dump';
import { LeaseClock } from './lease-clock';
import type { OpenedEndpoint } from './row-engine/types';

export class ShardModel {
  private readonly beganAtMs = Date.now();
  private waitedMs = 0;
  private lease: ModelLease | undefined;

  constructor(
    private readonly pool: ModelPool,
    private readonly model: ModelRef,
    private readonly settings: EndpointSettings,
    /** Told what is waited for, whenever that changes. */
    private readonly onWait: (what: LeaseWait) => void,
  ) {}

  /** To be called once. Errors: the pool's. */
  async open(signal: AbortSignal): Promise<OpenedEndpoint> {
    const askedAtMs = Date.now();
    const clock = new LeaseClock();
    this.lease = await this.pool.lease(this.model, this.settings, signal, (what) => {
      clock.on(what);
      this.onWait(what);
    });
    this.waitedMs = Math.max(0, Date.now() - askedAtMs - clock.workedMs());
    return { endpoint: this.lease.endpoint, waitedMs: this.waitedMs };
  }

  /** Id of the endpoint; undefined while there is none. */
  get device(): string | undefined {
    return this.lease?.endpoint.id;
  }

  /** Since when the shard works, in epoch milliseconds: waiting for others is left out. */
  get worksSinceMs(): number {
    return this.beganAtMs + this.waitedMs;
  }

  /** The end of the server's log, where there is one. */
  log(): LogTail | undefined {
    return this.lease?.log?.();
  }

  async release(): Promise<void> {
    await this.lease?.release();
  }
}
