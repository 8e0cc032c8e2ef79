/**
 * Errors are data: one stable code, what happened, why, what to do next, retryable or final. Zod-free, for workflows by value.
 * Invariant: an error that leaves an activity or a command is an ArteError; its code is the ApplicationFailure type.
 */

/** Every code there is, with whether trying again by itself may help. Documented in docs/errors.md. */
export const errorCodes = {
  InvalidConfig: { retryable: false },
  InvalidInput: { retryable: false },
  InvalidTaskFile: { retryable: false },
  FamilyTooSmall: { retryable: false },
  ModelNotFound: { retryable: false },
  ModelIncomplete: { retryable: false },
  ModelChanged: { retryable: false },
  ModelServerFailed: { retryable: true },
  EndpointUnauthorized: { retryable: false },
  EndpointUnknownModel: { retryable: false },
  EndpointNotCompatible: { retryable: false },
  EndpointRefusesParameter: { retryable: false },
  EndpointOutOfMoney: { retryable: false },
  EndpointUnreachable: { retryable: true },
  BudgetExhausted: { retryable: false },
  // The workflow waits until other work has given back what it reserved (workflows/shards.ts); a person sees it when that does not happen.
  BudgetReserved: { retryable: false },
  LeaseLost: { retryable: true },
  OutcomeThreshold: { retryable: false },
  NotEnoughQuestions: { retryable: false },
  DataNotClean: { retryable: false },
  NotEnoughPairs: { retryable: false },
  ScoresUnreliable: { retryable: false },
  GateFailed: { retryable: false },
  StoreUnauthorized: { retryable: false },
  StoreUnreachable: { retryable: true },
  StoreFull: { retryable: false },
  // Asking again gives the same; the run makes what is gone anew (workflows/run-state.ts).
  BlobMissing: { retryable: false },
  BlobCorrupt: { retryable: false },
  DiskFull: { retryable: false },
  TrainerFailed: { retryable: true },
  TrainerStalled: { retryable: true },
  TrainerOutOfMemory: { retryable: false },
  RowsStalled: { retryable: true },
  PythonMissing: { retryable: false },
  PythonSetupFailed: { retryable: false },
  PortTaken: { retryable: false },
  PlatformDown: { retryable: true },
  RunNotFound: { retryable: false },
  ReportNotFound: { retryable: false },
  RoundNotFound: { retryable: false },
  ArtifactNotFound: { retryable: false },
  RowNotFound: { retryable: false },
  RunStateConflict: { retryable: false },
  PriceNotAgreed: { retryable: false },
  NotificationFailed: { retryable: true },
  MlflowUnreachable: { retryable: true },
  MlflowRefused: { retryable: false },
  Unexpected: { retryable: true },
} as const;
export type ErrorCode = keyof typeof errorCodes;

export interface ErrorData {
  readonly code: ErrorCode;
  /** One sentence: what happened, with the names of the things involved. */
  readonly what: string;
  /** One sentence: the cause, as far as it is known. */
  readonly why: string;
  /** What the person should do or type. */
  readonly next: string;
  readonly retryable: boolean;
  /** A few examples or figures, small (bad rows, a log tail). */
  readonly details?: readonly string[];
}

export class ArteError extends Error {
  readonly data: ErrorData;

  constructor(
    code: ErrorCode,
    text: { what: string; why: string; next: string; details?: readonly string[] },
    options?: { cause?: unknown },
  ) {
    super(`${text.what} ${text.why}`, options);
    this.name = 'ArteError';
    this.data = { code, retryable: errorCodes[code].retryable, ...text };
  }
}

/** The codes that Temporal must not retry by itself: the run parks and tells a person instead. */
export const finalErrorCodes: readonly string[] = [
  ...Object.entries(errorCodes)
    .filter(([, { retryable }]) => !retryable)
    .map(([code]) => code),
  // An oversized activity result is retryable by the server's default and would spin for ever (SDK 1.24).
  'PayloadsTooLarge',
];
