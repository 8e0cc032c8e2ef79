/**
 * An inference endpoint as the row engine sees it: one call, its causes of failure, its declared capabilities.
 * Owns the interface and the failure causes. Adaptive concurrency and retries are the row engine's; who holds the device is pool.ts.
 * Conformance: test/drivers/model.conformance.ts.
 */
import type { OmittableField, TokenLimitField } from '../../schemas/config/models';
import type { ModelAnswer, ModelRequest, Usage } from '../../schemas/rows';
import type { ModelRef, Quantization } from '../../schemas/model-ref';
import type { LogTail } from '../../schemas/stall-dump';

export interface Capabilities {
  readonly n: boolean;
  /** Log-probabilities and ranks of a text that is given (ModelRequest.given). */
  readonly promptLogprobs: boolean;
  /** json_schema constrained output. */
  readonly structured: boolean;
  readonly seed: boolean;
  readonly perRequestSampling: boolean;
  /** Takes raw text at /v1/completions besides chat. */
  readonly completion: boolean;
  /** top_k and min_p are honoured. */
  readonly extendedSampling: boolean;
}

/** Why a call gave no answer; each has its own action in the row engine. */
export type CallFailureCause =
  | 'rate-limited' // 429 that says when to come back: wait as told
  | 'overloaded' // 429/503 without a time: shrink
  | 'server-error' // other 5xx
  | 'timeout'
  | 'reset' // connection refused, reset, body cut off
  | 'garbage' // 200 with something that is no answer
  | 'too-large' // an answer of many times what was asked for
  | 'context-too-long'
  | 'bad-request'
  | 'unsupported-parameter' // a field of ours that the model does not take, and that a setting renames or leaves out
  | 'unauthorized'
  | 'unknown-model'
  | 'not-compatible' // HTML, or JSON of another protocol: this is no OpenAI-compatible endpoint
  | 'out-of-money';

export class CallFailure extends Error {
  constructor(
    readonly callCause: CallFailureCause,
    message: string,
    /** From Retry-After in either form, where the server gave one. */
    readonly retryAfterMs?: number,
    /** Of HTTP, where there was an answer. */
    readonly status?: number,
    /** Set where the server has worked on the call, and may charge for it: what it said that this took, or `untold`. */
    readonly spent?: Usage | 'untold',
  ) {
    super(message);
    this.name = 'CallFailure';
  }
}

export interface ModelEndpoint {
  /** Identifies the limiter and the metrics: endpoint and model. Never part of a key. */
  readonly id: string;
  readonly capabilities: Capabilities;
  /** Start value and ceiling of calls in flight. */
  readonly concurrency: { readonly start: number; readonly max: number };
  /** One answer, or throws CallFailure. Honours the signal within a second. */
  complete(request: ModelRequest, signal: AbortSignal): Promise<ModelAnswer>;
}

/** A held endpoint. Release it in `finally`; the pool may close the server once nobody holds it. */
export interface ModelLease {
  readonly endpoint: ModelEndpoint;
  /** The end of the server's log, where the server is ours. */
  readonly log?: () => LogTail | undefined;
  release(): Promise<void>;
}

/**
 * Why a lease is not there yet. form: the file or folder that is served is being made (fetched, merged, converted); turn: another model is being
 * asked; training: one of this process has the device; device: another process has it; load: its server is starting.
 */
export type LeaseWait = 'form' | 'turn' | 'training' | 'device' | 'load';

/** Hands out endpoints by model content: one server for all who want the same model, closed before another takes the device. */
export interface ModelPool {
  /** role picks the endpoint settings of the config (teacher, student, respondent n). `onWait` is told what is waited for, whenever that changes. */
  lease(
    model: ModelRef,
    endpoint: EndpointSettings,
    signal: AbortSignal,
    onWait?: (what: LeaseWait) => void,
  ): Promise<ModelLease>;
  /**
   * The device for a training: resolves when every server's process is gone, and no server is started until the returned function
   * is called. Leases that are asked for in between wait. An abort rejects with the signal's reason.
   */
  reserve(signal: AbortSignal): Promise<() => void>;
}

/** How a model is served, from the config; secrets already resolved from the environment. */
export type EndpointSettings =
  | {
      readonly kind: 'managed';
      readonly server: 'llama.cpp';
      readonly quantization: Quantization;
      readonly slots: number;
      readonly contextTokens: number;
      readonly threads: number;
    }
  /** The project's own scorer: answers requests with a given text, and no others. */
  | {
      readonly kind: 'scorer';
      readonly dtype: 'float32' | 'bfloat16' | 'float16';
      readonly batchRows: number;
    }
  | {
      readonly kind: 'static';
      readonly baseUrl: string;
      readonly model: string;
      readonly apiKey?: string;
      readonly dialect: 'openai' | 'llama.cpp' | 'vllm' | 'sglang';
      /** In chat. Left out: max_tokens. */
      readonly tokenLimitField?: TokenLimitField;
      /** Fields that are not sent. */
      readonly omit?: readonly OmittableField[];
      readonly capabilities: Capabilities;
      readonly maxInFlight: number;
      readonly timeoutMs: number;
    }
  /** Answers by rule, no model: for faults, speed and planted preferences. `script` names one of drivers/model/scripted-options.ts. */
  | {
      readonly kind: 'scripted';
      readonly script: string;
      readonly options: { readonly [name: string]: string | number | boolean };
    };
