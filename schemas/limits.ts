/** Limits with a unit and a reason. Zod-free: workflows use them by value. Relations between them are asserted in test/schemas/limits.test.ts. */

/** Inputs and results that travel through the engine stay under this, so that histories stay readable and far from Temporal's 2 MB. */
export const payloadBytesMax = 16 * 1024;

/** Rows of one shard: small enough that a lost worker repeats little, large enough that 1,000,000 rows are 500 activities. */
export const shardRowsMax = 2_000;

/** Shards in flight in one stage: Temporal advises at most 500 pending activities; 100 keeps workflow tasks small. */
export const shardsInFlightMax = 100;

/** Shards of one stageWorkflow run before it continues as new: 6 events each keep a run under 2,000 events. */
export const shardsPerRunMax = 250;

/** Waves of one row stage (a stage asks again for what was unusable): bounds the money a stubborn model can burn. */
export const wavesMax = 6;

/** Attempts of an activity: deploys and evictions cost attempts too, so this is generous; real failures are final codes. */
export const activityAttemptsMax = 30;

/** A worker that sends no heartbeat for this long is taken for dead. Small, because it is the wait after a kill -9. */
export const heartbeatTimeoutMs = 10_000;

/** How often a long activity beats; must fit several times into heartbeatTimeoutMs. */
export const heartbeatIntervalMs = 1_000;

/** A sticky queue whose worker died delays the first new task by this; 1 s was measured to bring 10 s down to 4 s. */
export const stickyQueueTimeoutMs = 1_000;

/** Between SIGTERM and SIGKILL of a child process group. */
export const killGraceMs = 5_000;

/** How often the row engine puts finished rows into the store: what another machine would have to repeat after a loss. */
export const partFlushIntervalMs = 3_000;

/** Journal group commit: rows finished within this window share one fsync. */
export const journalCommitIntervalMs = 20;

/** A malformed answer is asked again this often (with another seed) before it is recorded as malformed. */
export const repairAttemptsMax = 2;

/** A row whose calls fail for reasons of the network or server is tried this often before the shard fails as a whole. */
export const rowAttemptsMax = 30;

/** Lines kept of what a child process said last: enough for a Python traceback in an error message. */
export const childTailLinesMax = 200;

/** A line of that tail is cut to this: what a person reads in an error message. */
export const childTailLineCharactersMax = 2_000;

/** A longer line of a child is cut: JSON lines of ours are far below it, and rubbish must not fill the memory. */
export const childLineCharactersMax = 1024 * 1024;

/** A log file is set aside as `.1` when it grows beyond this, so that a log takes at most twice as much of the disk. */
export const logFileBytesMax = 16 * 1024 * 1024;
