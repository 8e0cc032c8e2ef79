/** The edge card: what a student costs and is worth on a device, measured through llama.cpp. Written by `arte edge` (cli/measure-edge.ts). */
import type { Quantization } from './model-ref';

/** One model in one form, asked one item after another. */
export interface EdgeForm {
  readonly role: 'teacher' | 'student';
  readonly model: string;
  readonly contentSha256: string;
  readonly form: Quantization;
  readonly parameters: number;
  /** Size of the GGUF. */
  readonly bytes: number;
  readonly n: number;
  readonly correct: number;
  readonly accuracy: number;
  /** 95 % Wilson interval. */
  readonly low: number;
  readonly high: number;
  /** Share of the teacher's accuracy on the same items; null where the teacher was not measured or answered nothing right. */
  readonly ofTeacher: number | null;
  /** Milliseconds from a question to its whole answer. */
  readonly latencyP50Ms: number;
  readonly latencyP95Ms: number;
  /** Answer tokens by the whole time, reading the prompt included. */
  readonly outputTokensPerSecond: number;
  /** Most memory that the server's process held (resident set); null where the system does not say. */
  readonly peakMemoryBytes: number | null;
  /** Of this machine, by the price of an hour; null without one. */
  readonly costPerMillionOutputTokens: number | null;
}

export interface EdgeCard {
  readonly schemaVersion: 1;
  readonly runId: string;
  readonly round: number;
  readonly measuredAt: string;
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly system: string;
  };
  /** Threads of the server, and demonstrations in a prompt. */
  readonly threads: number;
  readonly shots: number;
  /** Test items of each task that were asked. */
  readonly items: Readonly<Record<string, number>>;
  /** Price of an hour of this machine, in `currency`. */
  readonly hourPrice: number | null;
  readonly currency: string;
  readonly forms: readonly EdgeForm[];
}
