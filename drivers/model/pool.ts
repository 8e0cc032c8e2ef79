/**
 * Who holds the device: hands out endpoints by model content and runs at most one model server at a time.
 *
 * Owns: sharing one server among all who want the same model under the same settings, the order in which models take turns,
 * closing a server before the next one takes the device, and idle time.
 * Leaves to resident.ts the model that has the device and the servers it goes through, to materialize.ts the file they serve, to the device lock
 * (child.py) other processes on the same device.
 *
 * Invariants:
 * 1. A lease's endpoint serves the bytes that the ModelRef names, for as long as the lease is held: the server may die and be
 *    started again in between; calls in flight then fail as `reset`, later ones wait for the new server.
 * 2. The next server starts when the last one's process is gone.
 * 3. No model waits for ever: while somebody waits for another model, a newcomer does not join the running one but queues up.
 *    A turn takes in everybody who was queued for its model when it began.
 * 4. While a training has the device (reserve), no server is started; who asks for one meanwhile is next in line.
 * 5. A server that nobody holds is closed after a short while, so that a training in another process gets the device.
 * Whoever holds a lease must not ask for another model's: it would wait for itself.
 */
import { createHash } from 'node:crypto';
import { ArteError } from '../../schemas/errors';
import { modelServerIdleMs } from '../../schemas/limits';
import type { ModelRef } from '../../schemas/model-ref';
import { llamaCppCapabilities, llamaCppConcurrency, startLlamaServer } from './llama-cpp';
import type { LlamaServerOptions, ManagedSettings } from './llama-cpp';
import type { Materializer } from './materialize';
import type { EndpointSettings, LeaseWait, ModelEndpoint, ModelLease, ModelPool } from './model';
import { createOpenAiEndpoint } from './openai-http';
import { Resident, type StartServer } from './resident';
import { scorerCapabilities, scorerConcurrency, startScorer, type ScorerOptions, type ScorerSettings } from './scorer';
import type { ModelServer } from './server-child';

type ScriptedSettings = Extract<EndpointSettings, { kind: 'scripted' }>;
type StaticSettings = Extract<EndpointSettings, { kind: 'static' }>;

export interface ModelPoolOptions {
  readonly materializer: Materializer;
  /** Interpreter of the Python environment. */
  readonly python: string;
  /** Folder of serve.py. */
  readonly scriptDir: string;
  readonly logDir: string;
  /** One file for one device: model servers and trainings of all processes agree by it. */
  readonly deviceLockPath: string;
  /** Default modelServerIdleMs. */
  readonly idleCloseMs?: number;
  readonly scripted: (script: string, options: ScriptedSettings['options']) => ModelEndpoint;
  /** Default: llama.cpp. Tests of the order alone hand in another. */
  readonly startServer?: (options: LlamaServerOptions) => Promise<ModelServer>;
  /** Default: score.py. */
  readonly startScorer?: (options: ScorerOptions) => Promise<ModelServer>;
}

/** Calls in flight that a static endpoint is begun with; the row engine finds the rest. */
const staticStart = 16;

export interface ManagedModelPool extends ModelPool {
  /** End at once, whatever is held: waiting and future leases are refused, servers are gone when it resolves. */
  shutdown(): Promise<void>;
}

/** One pool for one process and device. */
export function createModelPool(options: ModelPoolOptions): ManagedModelPool {
  return new Pool(options);
}

/** What is waited for: a turn with a model, or with the device itself. */
interface Waiter {
  /** undefined: the device, with no server on it. */
  readonly key: string | undefined;
  readonly admit: () => void;
  readonly refuse: (error: Error) => void;
  readonly onWait: (what: LeaseWait) => void;
}

const tellNobody = (): void => undefined;

class Pool implements ManagedModelPool {
  private resident: Resident | undefined;
  private readonly queue: Waiter[] = [];
  private switching: Promise<void> | undefined;
  /** A training has the device: no server until it gives it back. */
  private reserved = false;
  private idleTimer: NodeJS.Timeout | undefined;
  private ended = false;
  private readonly statics = new Map<string, ModelEndpoint>();

  constructor(private readonly options: ModelPoolOptions) {}

  async lease(
    model: ModelRef,
    settings: EndpointSettings,
    signal: AbortSignal,
    onWait: (what: LeaseWait) => void = tellNobody,
  ): Promise<ModelLease> {
    signal.throwIfAborted();
    switch (settings.kind) {
      case 'static':
        refuseTrained(model);
        return freeLease(this.staticEndpoint(settings));
      case 'scripted':
        return freeLease(this.options.scripted(settings.script, settings.options));
      case 'managed':
        return this.managedLease(model, settings, signal, onWait);
      case 'scorer':
        return this.scorerLease(model, settings, signal, onWait);
    }
  }

  async reserve(signal: AbortSignal): Promise<() => void> {
    await this.turnOf(undefined, signal, tellNobody, () => {
      this.reserved = true;
    });
    let held = true;
    return () => {
      if (!held) return;
      held = false;
      this.reserved = false;
      this.turn();
    };
  }

  async shutdown(): Promise<void> {
    this.ended = true;
    for (const waiter of this.queue.splice(0)) {
      waiter.refuse(poolEnded());
    }
    await this.switching;
    await this.closeResident();
  }

  private async managedLease(
    model: ModelRef,
    settings: ManagedSettings,
    signal: AbortSignal,
    onWait: (what: LeaseWait) => void,
  ): Promise<ModelLease> {
    const { materializer, startServer = startLlamaServer, python, scriptDir, logDir, deviceLockPath } = this.options;
    const { quantization, slots, contextTokens, threads } = settings;
    // Before the turn: making a form may take long, and the device can go on serving somebody else meanwhile.
    onWait('form');
    const ggufPath = await materializer.gguf(model, quantization, signal);
    const key = [model.contentSha256, quantization, slots, contextTokens, threads].join(' ');
    const id = `llama.cpp/${model.contentSha256.slice(0, 12)}/${quantization}`;
    const start: StartServer = (starting, onDevice) =>
      startServer({ id, python, scriptDir, logDir, ggufPath, settings, deviceLockPath, signal: starting, onDevice });
    const does = { capabilities: llamaCppCapabilities, concurrency: llamaCppConcurrency(slots) };
    return this.residentLease(key, signal, onWait, () => new Resident(key, id, does, start));
  }

  private async scorerLease(
    model: ModelRef,
    settings: ScorerSettings,
    signal: AbortSignal,
    onWait: (what: LeaseWait) => void,
  ): Promise<ModelLease> {
    const { materializer, startScorer: begin = startScorer, python, scriptDir, logDir, deviceLockPath } = this.options;
    const { dtype, batchRows } = settings;
    onWait('form');
    const folder = await materializer.folder(model, signal);
    const key = ['scorer', model.contentSha256, dtype, batchRows].join(' ');
    const id = `scorer/${model.contentSha256.slice(0, 12)}/${dtype}`;
    const start: StartServer = (starting, onDevice) =>
      begin({ id, python, scriptDir, logDir, folder, settings, deviceLockPath, signal: starting, onDevice });
    const does = { capabilities: scorerCapabilities, concurrency: scorerConcurrency(batchRows) };
    return this.residentLease(key, signal, onWait, () => new Resident(key, id, does, start));
  }

  /** A turn with the server of `key`, started if need be. */
  private async residentLease(
    key: string,
    signal: AbortSignal,
    onWait: (what: LeaseWait) => void,
    open: () => Resident,
  ): Promise<ModelLease> {
    const resident = await this.admitted(key, signal, onWait, open);
    let held = true;
    const release = (): Promise<void> => {
      if (held) {
        held = false;
        resident.holders -= 1;
        this.turn();
      }
      return Promise.resolve();
    };
    try {
      await resident.ready(signal, onWait);
    } catch (error) {
      await release();
      throw error;
    }
    return { endpoint: resident, log: () => resident.log(), release };
  }

  /** Wait for a turn with the model of `key`; counted as a holder from the moment it is admitted. */
  private admitted(
    key: string,
    signal: AbortSignal,
    onWait: (what: LeaseWait) => void,
    open: () => Resident,
  ): Promise<Resident> {
    return this.turnOf(key, signal, onWait, () => {
      this.resident ??= open();
      this.resident.holders += 1;
      return this.resident;
    });
  }

  /** Queue up for the device; `take` is called at the moment of one's turn. */
  private turnOf<T>(
    key: string | undefined,
    signal: AbortSignal,
    onWait: (what: LeaseWait) => void,
    take: () => T,
  ): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.ended) {
        reject(poolEnded());
        return;
      }
      const waiter: Waiter = {
        key,
        admit: () => {
          signal.removeEventListener('abort', giveUp);
          resolve(take());
        },
        refuse: (error) => {
          signal.removeEventListener('abort', giveUp);
          reject(error);
        },
        onWait,
      };
      const giveUp = (): void => {
        const at = this.queue.indexOf(waiter);
        if (at !== -1) {
          this.queue.splice(at, 1);
          waiter.refuse(signal.reason as Error);
          this.turn();
        }
      };
      signal.addEventListener('abort', giveUp, { once: true });
      this.queue.push(waiter);
      if (signal.aborted) {
        giveUp();
      } else {
        this.turn();
      }
    });
  }

  /** Admit whoever may be admitted now, and tell the others what they wait for. */
  private turn(): void {
    this.admitNext();
    for (const { onWait } of this.queue) onWait(this.reserved ? 'training' : 'turn');
  }

  /** Admit whoever may be admitted now; else see to it that the device changes hands as soon as it can. */
  private admitNext(): void {
    clearTimeout(this.idleTimer);
    if (this.switching !== undefined || this.reserved) {
      return;
    }
    const [head] = this.queue;
    if (head === undefined) {
      if (this.resident?.holders === 0) {
        this.idleTimer = setTimeout(() => this.change(), this.options.idleCloseMs ?? modelServerIdleMs);
        // The child's pipes keep this process alive for as long as there is a server; the timer need not.
        this.idleTimer.unref();
      }
    } else if (head.key !== undefined && (this.resident === undefined || this.resident.key === head.key)) {
      const mine = this.queue.filter(({ key }) => key === head.key);
      this.queue.splice(0, this.queue.length, ...this.queue.filter(({ key }) => key !== head.key));
      for (const waiter of mine) {
        waiter.admit();
      }
    } else if (this.resident === undefined) {
      this.queue.shift();
      head.admit();
      this.admitNext();
    } else if (this.resident.holders === 0) {
      this.change();
    }
  }

  /** Close the server that nobody holds, then go on. */
  private change(): void {
    this.switching = this.closeResident().then(() => {
      this.switching = undefined;
      this.turn();
    });
  }

  private async closeResident(): Promise<void> {
    clearTimeout(this.idleTimer);
    const closing = this.resident;
    await closing?.close();
    if (this.resident === closing) {
      this.resident = undefined;
    }
  }

  private staticEndpoint(settings: StaticSettings): ModelEndpoint {
    // By all of its settings, the key hashed: one connection pool for all leases of the same endpoint.
    const known = createHash('sha256').update(JSON.stringify(settings)).digest('hex');
    let endpoint = this.statics.get(known);
    if (endpoint === undefined) {
      const { baseUrl, model, apiKey, dialect, capabilities, tokenLimitField, omit, maxInFlight, timeoutMs } = settings;
      endpoint = createOpenAiEndpoint({
        // For people, too: the two put together as one address look like a wrong one.
        id: `${model} at ${baseUrl}`,
        baseUrl,
        model,
        ...(apiKey === undefined ? {} : { apiKey }),
        dialect,
        ...(tokenLimitField === undefined ? {} : { tokenLimitField }),
        ...(omit === undefined ? {} : { omit }),
        capabilities,
        concurrency: { start: Math.min(staticStart, maxInFlight), max: maxInFlight },
        timeoutMs,
      });
      this.statics.set(known, endpoint);
    }
    return endpoint;
  }
}

function freeLease(endpoint: ModelEndpoint): ModelLease {
  return { endpoint, release: () => Promise.resolve() };
}

function poolEnded(): ArteError {
  return new ArteError('ModelServerFailed', {
    what: 'The worker that was to ask the model is ending.',
    why: 'Its model servers are closed.',
    next: 'Nothing: the work goes on at another worker, or when this one is started again.',
  });
}

/** A server that is not ours answers with the weights it was given: asked for a trained model it would answer as the untrained one. */
function refuseTrained({ name, layers }: ModelRef): void {
  if (layers.length === 0) return;
  throw new ArteError('InvalidConfig', {
    what: `A static endpoint cannot serve ${name}, which this run has trained.`,
    why: "Its server holds the weights it was started with; asking it would report the untrained model under the trained one's name.",
    next: 'Use endpoint.kind: managed for a model that the run trains.',
  });
}
