/**
 * The model that has the device, as an endpoint that outlives its server processes.
 *
 * Owns: starting a server when one is needed, starting another when it died in use, giving up after too many deaths in a row, and telling who waits
 * what for.
 * Leaves to llama-cpp.ts and scorer.ts one server's life, to pool.ts who has the device and for how long.
 */
import { ArteError } from '../../schemas/errors';
import { modelServerBusyProbeMs, modelServerCrashesMax, modelServerProbeMs } from '../../schemas/limits';
import type { LogTail } from '../../schemas/stall-dump';
import { CallFailure } from './model';
import type { Capabilities, LeaseWait, ModelEndpoint } from './model';
import type { ModelServer } from './server-child';

/** `onDevice` is told whether another process has the device. */
export type StartServer = (signal: AbortSignal, onDevice: (waits: boolean) => void) => Promise<ModelServer>;

/** Calls in flight when a server dies fail as `reset`; later ones wait for the next server. */
export class Resident implements ModelEndpoint {
  holders = 0;
  readonly capabilities: Capabilities;
  readonly concurrency: { readonly start: number; readonly max: number };
  private server: ModelServer | undefined;
  private starting: Promise<ModelServer> | undefined;
  private readonly closing = new AbortController();
  private crashes = 0;
  private callsInFlight = 0;
  /** Kept from the last server that ended by itself, for the error when it was one too many. */
  private lastEnd = '';
  private lastLog: LogTail | undefined;
  private readonly waiting = new Set<(what: LeaseWait) => void>();

  constructor(
    readonly key: string,
    readonly id: string,
    does: Pick<ModelEndpoint, 'capabilities' | 'concurrency'>,
    private readonly start: StartServer,
  ) {
    this.capabilities = does.capabilities;
    this.concurrency = does.concurrency;
  }

  /** Wait until a server runs that answers. Errors: ModelServerFailed, InvalidConfig; the signal's reason. */
  async ready(signal: AbortSignal, onWait: (what: LeaseWait) => void): Promise<void> {
    signal.throwIfAborted();
    const running = this.server;
    if (running !== undefined) {
      const patienceMs = this.callsInFlight > 0 ? modelServerBusyProbeMs : modelServerProbeMs;
      const responds = await abortable(running.responds(patienceMs), signal);
      if (!responds && this.server === running) await running.stop();
    }
    if (this.server !== undefined) return;
    this.waiting.add(onWait);
    onWait('load');
    try {
      await this.running(signal);
    } finally {
      this.waiting.delete(onWait);
    }
  }

  async complete(...[request, signal]: Parameters<ModelEndpoint['complete']>): ReturnType<ModelEndpoint['complete']> {
    const server = this.server ?? (await this.running(signal));
    this.callsInFlight += 1;
    try {
      const answer = await server.endpoint.complete(request, signal);
      this.crashes = 0;
      return answer;
    } catch (error) {
      if (this.closing.signal.aborted && error instanceof CallFailure) {
        throw new CallFailure('reset', 'The model server was closed.');
      }
      throw error;
    } finally {
      this.callsInFlight -= 1;
    }
  }

  /** Of the server that runs, or of the last one that ended by itself. */
  log(): LogTail | undefined {
    return this.server?.log() ?? this.lastLog;
  }

  /** The process gone, also one that is just being started. */
  async close(): Promise<void> {
    this.closing.abort();
    await this.starting?.catch(() => undefined);
    await this.server?.stop();
  }

  private async running(signal: AbortSignal): Promise<ModelServer> {
    signal.throwIfAborted();
    if (this.closing.signal.aborted) {
      throw new CallFailure('reset', 'The model server was closed.');
    }
    if (this.server !== undefined) {
      return this.server;
    }
    if (this.crashes >= modelServerCrashesMax) {
      throw new ArteError('ModelServerFailed', {
        what: `The model server ended ${this.crashes} times in a row without answering.`,
        why: this.lastEnd,
        next: 'Read model-server.log; fewer slots or a shorter context need less memory.',
      });
    }
    this.starting ??= this.startServer();
    return abortable(this.starting, signal);
  }

  private async startServer(): Promise<ModelServer> {
    try {
      const server = await this.start(this.closing.signal, (waits) => {
        for (const tell of this.waiting) tell(waits ? 'device' : 'load');
      });
      this.server = server;
      void server.exited.then(({ code, signal }) => {
        if (this.server === server) {
          this.server = undefined;
          this.crashes += 1;
          this.lastLog = server.log();
          this.lastEnd = `The last one ended with ${signal ?? `status ${String(code)}`}.`;
        }
      });
      return server;
    } finally {
      this.starting = undefined;
    }
  }
}

function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
