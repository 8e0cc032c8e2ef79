/** Goal: limits that lean on each other hold together, so that changing one does not break the reason given for another. */
import * as limits from '../../schemas/limits';

it('a heartbeat fits several times into its time-out, and progress is reported with it', () => {
  expect(limits.heartbeatIntervalMs * 3).toBeLessThanOrEqual(limits.heartbeatTimeoutMs);
});

it('a failure that is tried again is within what the engine keeps of it', () => {
  const engineKeepsBytes = 4 * 1024;
  // Type, encoding and lengths of the fields take the rest.
  expect(limits.failureMessageCharactersMax * 4 + limits.retriedErrorBytesMax + 256).toBeLessThan(engineKeepsBytes);
});

it('a shard of rows that all wait for a retry is not taken for stalled', () => {
  expect(limits.retryBackoffMaxMs).toBeLessThan(limits.rowsStallFloorMs);
  expect(limits.retryBackoffBaseMs).toBeLessThan(limits.retryBackoffMaxMs);
  expect(limits.rowsStallFloorMs).toBeLessThan(limits.rowsStallFirstMs);
});

it('an endpoint that is away is said to be before its rows are given up', () => {
  // A row doubles its waits from base to max; what all its tries wait is well above the patience with a silent endpoint.
  let waitedMs = 0;
  for (let attempt = 0; attempt < limits.rowAttemptsMax; attempt += 1)
    waitedMs += Math.min(limits.retryBackoffMaxMs, limits.retryBackoffBaseMs * 2 ** attempt);
  expect(limits.endpointDownMs).toBeLessThan(waitedMs / 2);
});

it('a dump of a stall has room for its log, which a child remembers, and is one PUT', () => {
  expect(limits.stallLogLinesMax * limits.stallLogLineCharactersMax).toBeLessThanOrEqual(limits.stallDumpBytesMax);
  expect(limits.stallLogLinesMax).toBeLessThanOrEqual(limits.childTailLinesMax);
  expect(limits.stallDumpBytesMax).toBeLessThan(limits.storeSinglePutBytesMax);
});

it('a stage of a million rows keeps its history short and its window within what Temporal advises', () => {
  const shards = Math.ceil(1_000_000 / limits.shardRowsMax);
  expect(shards).toBeLessThanOrEqual(2 * limits.shardsPerRunMax);
  // Six events a shard; Temporal suggests to continue as new from 4,096 on.
  expect(limits.shardsPerRunMax * 6).toBeLessThan(4_096);
  expect(limits.shardsInFlightMax).toBeLessThanOrEqual(limits.shardsPerRunMax);
});

it('a part and a journal record fit into what the store and the reader take at once', () => {
  expect(limits.partBytesMax).toBeLessThanOrEqual(limits.storeSinglePutBytesMax);
  expect(limits.storeSpoolBytesMin).toBeLessThan(limits.storeSinglePutBytesMax);
  expect(limits.answerBytesMax).toBeLessThanOrEqual(limits.journalRecordBytesMax);
});

it('answers on their way, and the largest one while it is read, leave most of the heap free', () => {
  const readBytes = 4 * limits.answerBytesMax;
  expect(limits.answersOnTheWayBytesMax + readBytes).toBeLessThan((limits.workerHeapMegabytesMax * 1024 * 1024) / 2);
  // A thousand ordinary calls do not meet the bound.
  expect(limits.answerBytesFixed * 1_000).toBeLessThanOrEqual(limits.answersOnTheWayBytesMax);
});

it('the journal is committed long before the store is told', () => {
  expect(limits.journalCommitIntervalMs * 10).toBeLessThan(limits.partFlushIntervalMs);
});

it('graces nest: children end before their worker, and the worker before the next platform waits for it in vain', () => {
  expect(limits.killGraceMs).toBeLessThan(limits.workerGraceMs);
  expect(limits.abortFlushMs * 2).toBeLessThan(limits.workerGraceMs);
  expect(limits.workerGraceMs + limits.killGraceMs).toBeLessThan(limits.platformGoneMs);
  expect(Math.max(limits.serverReadyMs, limits.workerReadyMs)).toBeLessThan(limits.platformReadyMs);
});

it('pauses between restarts grow, and end below what counts as healthy', () => {
  expect(limits.restartPauseMs).toBeLessThan(limits.restartPauseMaxMs);
  expect(limits.restartPauseMaxMs).toBeLessThan(limits.restartHealthyMs);
});

it('the store is given up before a command that waits for the platform is', () => {
  expect(limits.storePatienceMs).toBeLessThan(limits.storeSilenceMs);
  expect(limits.storeSilenceMs).toBeLessThan(limits.platformReadyMs);
});
