/** Limits with a unit and a reason. Zod-free: workflows use them by value. Relations between them are asserted in test/schemas/limits.test.ts. */

/** Inputs and results that travel through the engine stay under this, so that histories stay readable and far from Temporal's 2 MB. */
export const payloadBytesMax = 16 * 1024;

/**
 * Characters of an error on its way through the engine. A run that parks hands it on beside its progress; a character takes up to four bytes, and
 * JSON makes some longer.
 */
export const errorCharactersMax = 3 * 1024;

/** Characters of a failure's message, which stands beside the error and says its first two sentences; what one line of `arte status` may show. */
export const failureMessageCharactersMax = 400;

/**
 * Bytes of an error, as JSON, that is tried again: of such a failure Temporal keeps 4 KB, message (up to four bytes a character) and all, and else
 * only the words "Failure exceeds size limit".
 */
export const retriedErrorBytesMax = 2 * 1024;

/**
 * Rows of other stages in whose answers a process looks for its own: the newest. Twelve bytes each in memory, and a paper-sized round of
 * scoring has 920,000.
 */
export const earlierRowsMax = 2_000_000;

/** Rows of one shard: small enough that a lost worker repeats little, large enough that 1,000,000 rows are 500 activities. */
export const shardRowsMax = 2_000;

/** Shards in flight in one stage: Temporal advises at most 500 pending activities; 100 keeps workflow tasks small. */
export const shardsInFlightMax = 100;

/** Shards of one stageWorkflow run before it continues as new: 6 events each keep a run under 2,000 events. */
export const shardsPerRunMax = 250;

/** Waves of one row stage (a stage asks again for what was unusable): bounds the money a stubborn model can burn. */
export const wavesMax = 6;

/**
 * Waves of racing, the first one included. Each waits for its slowest call and shows a demonstration to the server again, which is worth it while
 * it saves a few calls a draft. With 40 probe items 8 + 4 a wave need 9, and some more where a draft sits out a wave.
 */
export const racingWavesMax = 13;

/**
 * Rounds of a run. Its plan, its progress and its report hold every stage of every round: about 30 a round with all arms, so that 100 rounds are
 * a plan of 1.3 MB. A loop that still pays off then goes on as another run, from its last teacher.
 */
export const roundsMax = 100;

/** Attempts of an activity: deploys and evictions cost attempts too, so this is generous; real failures are final codes. */
export const activityAttemptsMax = 30;

/** A worker that sends no heartbeat for this long is taken for dead. Small, because it is the wait after a kill -9. */
export const heartbeatTimeoutMs = 10_000;

/**
 * The same for activities that read and write whole tables: a kill in the middle of one is waited for so long. Three times as much, because what they do with a
 * table is done in one turn of the event loop, in which no heartbeat is sent (half a second for a race of 1,000 drafts, on a core of its own).
 */
export const ioHeartbeatTimeoutMs = 30_000;

/** How often a long activity beats; must fit several times into heartbeatTimeoutMs. */
export const heartbeatIntervalMs = 1_000;

/** A sticky queue whose worker died delays the first new task by this; 1 s was measured to bring 10 s down to 4 s. */
export const stickyQueueTimeoutMs = 1_000;

/** Between SIGTERM and SIGKILL of a child process group. */
export const killGraceMs = 5_000;

/** How often the row engine puts finished rows into the store: what another machine would have to repeat after a loss. */
export const partFlushIntervalMs = 3_000;

/**
 * Journal group commit: rows finished within this window share one fsync. A power cut costs them beside the calls in flight (a kill does not), which are
 * as many at a call's usual length; ten a second are borne by any disk.
 */
export const journalCommitIntervalMs = 100;

/** A row whose calls fail for reasons of the network or server is tried this often before it is recorded as failed. */
export const rowAttemptsMax = 30;

/** Lines kept of what a child process said last: enough for a Python traceback in an error message. */
export const childTailLinesMax = 200;

/** A line of that tail is cut to this: what a person reads in an error message. */
export const childTailLineCharactersMax = 2_000;

/** A longer line of a child is cut: JSON lines of ours are far below it, and rubbish must not fill the memory. */
export const childLineCharactersMax = 1024 * 1024;

/** A log file is set aside as `.1` when it grows beyond this, so that a log takes at most twice as much of the disk. */
export const logFileBytesMax = 16 * 1024 * 1024;

/** A config is some kilobytes, and YAML takes a hundred times its size in memory: a larger file is another one. */
export const configFileBytesMax = 1024 * 1024;

/** A task file is read whole, as one text, and each of its items is held: half of the longest text that Node has. */
export const taskFileBytesMax = 256 * 1024 * 1024;

/** Rows of the largest stage that was measured: bench:million (docs/performance.md). */
export const stageRowsMeasured = 1_000_000;

/** A stage of more rows than this is worth a warning: twice what was measured is no leap yet, and the paper's set-up is near to that. */
export const stageRowsWarned = 2 * stageRowsMeasured;

/** Free disk that setting up Python asks for: 2 GB of packages, their downloads, and room to go on working. */
export const pythonEnvBytesMin = 4 * 1024 ** 3;

/** A second process waits this long for the one that is setting up Python: a slow network needs minutes for 1 GB. */
export const pythonSetupWaitMs = 60 * 60_000;

/** A blob up to this size is one PUT of bytes held in memory; a larger one goes up in parts. What one call of the store may hold. */
export const storeSinglePutBytesMax = 16 * 1024 * 1024;

/** Part of a multipart upload: three of them are in memory at once; 10,000 parts, S3's limit, make 80 GB (larger files take larger parts). */
export const storePartBytes = 8 * 1024 * 1024;

/** Lines up to this many bytes are put together in memory; more go by way of a spool file. */
export const storeSpoolBytesMin = 1024 * 1024;

/** Files of a directory that go up or come down at once. */
export const storeFilesInFlightMax = 4;

/** A store that does not answer is tried for so long before a call fails: a killed embedded server needs a few seconds to come back. */
export const storePatienceMs = 20_000;

/**
 * An object whose reads fail inside the store for this long is held against another one: when that is written and read, the first is damaged, and
 * waiting for it longer helps nobody. Long enough for a server that has just come back and opens its files one after another.
 */
export const storeDamageMs = 5_000;

/** So long the other object may take: a store that gives anything does so at once, and who waits for one that is stopped waits this much longer. */
export const storeProbeMs = 3_000;

/** So long the last read of the object in question may take: SeaweedFS tries a damaged piece anew for 13 s before it says so. */
export const storeLastReadMs = 30_000;

/** A connection to the store that says nothing for this long is given up: far above any healthy pause, below the patience of a person. */
export const storeSilenceMs = 60_000;

/** A person waits at a command: a store that takes a request and says nothing for this long is reported, not waited for. Workers wait longer. */
export const commandSilenceMs = 10_000;

/** For an error to be said, after which a worker's process ends whatever it still holds. */
export const lastWordsMs = 5_000;

/** So long a command waits for one answer of Temporal: a question to a run may have to wait for a worker that is just starting. */
export const engineAnswerMs = 30_000;

/** A disk with less than this counts as full: it is what the platform may write between two looks at it, so that none is missed that was. */
export const diskFullBytes = 16 * 1024 * 1024;

/** A disk that was full has room again from here on: more than what is written while the store is started anew. */
export const diskRoomBytes = 64 * 1024 * 1024;

/** How often the platform looks at its disk: one call of the system. */
export const diskLookMs = 1_000;

/** Less free room than this on the embedded server's disk explains its failing writes. */
export const storeDiskBytesMin = 200 * 1024 * 1024;

/**
 * Bytes in the path of a data directory. SQLite, in which the embedded Temporal keeps its database, opens no file whose path and the ending of its journal
 * have more than 512; the names that we put below the folder fit into the rest. Sockets, whose paths end at 108, are none of the folder's.
 */
export const dataDirectoryBytesMax = 440;

// ---- the row engine ----------------------------------------------------------------------------------------------

/** Bytes of one part object: far below a single PUT's limit, small enough to be held in memory once per flush. */
export const partBytesMax = 8 * 1024 * 1024;

/** A journal record longer than this is taken for a garbled length, not for an answer. */
export const journalRecordBytesMax = 64 * 1024 * 1024;

/** First wait of a row whose call failed for reasons of the network or server; it doubles per try, with jitter. */
export const retryBackoffBaseMs = 250;

/** Longest such wait: with rowAttemptsMax a row is tried for about six minutes before it is recorded as failed. */
export const retryBackoffMaxMs = 15_000;

/** A Retry-After longer than this is asked again after this long: a run must not sleep for a day on one header. */
export const retryAfterMaxMs = 600_000;

/** A shard that has finished no row for so long says why its rows wait: shorter waits are part of a busy server's day, and a person is told within a minute. */
export const waitsSaidMs = 5_000;

/** Rows that wait for a retry while fresh ones are still taken; more waiting means that fresh calls would fare no better. */
export const waitingRowsMax = 1_024;

/** No sign of life from an endpoint for this long, while its calls keep failing: the shard gives up, keeping all (retryable). */
export const endpointDownMs = 30_000;

/** No row finished for this long, and for rowsStallFactor x p99 of a call: stalled. Well above healthy quiet phases of a busy server. */
export const rowsStallFloorMs = 120_000;

/** The same before an endpoint's first answer: a cold server on a slow machine may prefill for minutes. */
export const rowsStallFirstMs = 600_000;

/** See rowsStallFloorMs: one slow row is not a stall. */
export const rowsStallFactor = 8;

/** Calls that a dump of a stall names, in flight and ended each: enough to see whether all are alike, and a few kilobytes. */
export const stallCallsMax = 50;

/** Lines of a log in such a dump, and characters of one: a Python traceback, or a server's last word. */
export const stallLogLinesMax = 100;
export const stallLogLineCharactersMax = 400;

/** Bytes of one dump: it is read by a person, and put into the store while the store may be what is slow. */
export const stallDumpBytesMax = 64 * 1024;

/** Dumps that a machine keeps, and a run in the store: three attempts of a few stages; more say the same again. */
export const stallDumpsOfMachineMax = 50;
export const stallDumpsOfRunMax = 20;

/** Outcome thresholds are not judged before this many rows are done: less says nothing about a share. */
export const thresholdRowsMin = 20;

/** How long a shard that is being refused waits for answers on their way: they are paid for. */
export const refusalDrainMs = 10_000;

/** How long an aborted shard waits for its calls to end and for its last part to reach the store, each. */
export const abortFlushMs = 2_000;

/** A server of the embedded platform must answer within this after its start: ten times what was measured on 2 busy cores. */
export const serverReadyMs = 60_000;

/** An answer of a model larger than this is none, whatever was asked: the longest real ones, with log-probabilities, stay far below. */
export const answerBytesMax = 64 * 1024 * 1024;

/**
 * What an answer may have for each token that was asked for, on average: a token is 3 to 4 characters of most languages, up to 12 bytes as \uXXXX, one of
 * the log-probabilities of a given text with its names 150; a run of tokens that are each longer is no text.
 */
export const answerBytesPerToken = 64;
export const scoredBytesPerToken = 256;

/** And beside that: headings, figures of usage and time, a prompt that is sent back in an error. Small enough for a thousand calls in flight. */
export const answerBytesFixed = 256 * 1024;

/**
 * Answers on their way that a process holds, all calls together: a sixth of workerHeapMegabytesMax. They are read one by one, so that the heap holds besides
 * one answer at a time, as text, as JSON and as a record. A call that would pass it is given up, and the endpoint gets fewer at a time.
 */
export const answersOnTheWayBytesMax = 256 * 1024 * 1024;

/** An endpoint that takes no connection for this long is not there; a loaded one takes it at once and answers late. */
export const connectTimeoutMs = 10_000;

/**
 * A call whose connection breaks before its answer begins, so long after it was sent, was being worked on. A proxy with nobody behind it, and a server
 * that was just closing an idle connection, break it at once: an hour of that must not count for an hour of prompts.
 */
export const heldCallMs = 1_000;

// ---- model servers -----------------------------------------------------------------------------------------------

/** From holding the device to the first answer: 140 GB of weights come from a slow disk in this time. */
export const modelServerStartMs = 20 * 60_000;

/** One call to a managed server: every slot busy with a long answer of a large model on a CPU. */
export const modelServerCallMs = 600_000;

/** A running server must answer a question about itself within this before it is leased again: it does between two steps of the model. */
export const modelServerProbeMs = 60_000;

/**
 * The same while it works on calls: one step reads up to 2,048 tokens of prompts (llama.cpp's batch), for which a model of some billion weights takes
 * minutes on a few cores. A server that is ended there loses the calls of everybody who asks it.
 */
export const modelServerBusyProbeMs = 5 * 60_000;

/** A server nobody holds is kept for this long, so that shard after shard finds it warm; then the device is free for a training. */
export const modelServerIdleMs = 3_000;

/** So many ends of a server in a row without one answer in between: another start would end the same way. */
export const modelServerCrashesMax = 3;

/** A worker must say that it is ready within this: loading the SDK and bundling from source took 12 s on 2 busy cores. */
export const workerReadyMs = 120_000;

/** Between SIGTERM and SIGKILL of a worker: its activities end their children (killGraceMs) and say goodbye to the engine. */
export const workerGraceMs = 18_000;

/**
 * JavaScript heap of a worker, in megabytes: ten times what a stage of a million rows needs. Below two gigabytes V8 collects when the heap has
 * nearly doubled; above, it lets it grow to four times what is in use.
 */
export const workerHeapMegabytesMax = 1536;

/**
 * The heap of a worker is collected whole when it has grown by this share of what was in use after the last time. V8 allows up to twice as much by itself, but
 * not after an idle minute: then it takes the process for one that should stay small, and collects at every third of it, which costs the threads beside the main
 * one half as much CPU time again. With 100 a worker at a million rows took 1.35 times what it takes at 10,000, with 50 1.12 times.
 */
export const workerHeapGrowthPercent = 50;

/** A part of the platform that ends is started again after this, doubled each time it fails again, up to the greatest. */
export const restartPauseMs = 250;
export const restartPauseMaxMs = 15_000;

/** A part that was ready for so long counts as healthy: its next end is answered at once again. */
export const restartHealthyMs = 30_000;

/** A platform that starts waits this long for another one of the machine to have taken its ports: some three seconds, unless that one cannot start. */
export const portsWaitMs = 15_000;

/** A new platform waits this long for the processes of one that was killed: the sum of their graces, and some. */
export const platformGoneMs = 60_000;

/** A command waits this long for the platform it started: more than any one part may take. */
export const platformReadyMs = 240_000;

/** A part that failed to start so often in a row will not by itself: the command says why instead of waiting on. */
export const startFailuresMax = 3;

// ---- trainings ---------------------------------------------------------------------------------------------------

/**
 * A training that says nothing for so long in one phase is stalled. By phase, because healthy ones are quiet for very different times:
 * load = imports, weights from a slow disk, tokenizing; step = one optimizer step of a large batch on a CPU, or a GPU's first compilation;
 * checkpoint and save = weights and optimizer of a full training to a network disk.
 */
export const trainerStallMs = {
  load: 30 * 60_000,
  step: 15 * 60_000,
  checkpoint: 30 * 60_000,
  save: 30 * 60_000,
} as const;

/**
 * A training that failed waits so long for its last checkpoint to get into the store, before it is tried again, maybe on another machine: some gigabytes,
 * all weights and the optimizer's state, take minutes. Where it takes longer, the steps that it holds are made again.
 */
export const failedUploadWaitMs = 10 * 60_000;

/** The report tells of rows that were cut at max_length from this share of a training's rows on: one long row in twenty teaches nothing wrong by itself. */
export const rowsCutShareTold = 0.05;

/**
 * Free disk that a run asks for: its models in the forms they are served and trained in, checkpoints, and the store's files. The quickstart leaves 3.4 GB
 * of forms and 0.6 GB in the store.
 */
export const runBytesMin = 4 * 1024 ** 3;

/** A clock that is further from the store's than this is a problem worth naming; S3 refuses signatures beyond 15 minutes. */
export const clockSkewMaxMs = 60_000;

// ---- money, and work that two runs want ---------------------------------------------------------------------------

/** A training is paid by the hour, and nobody knows before how many: with less than this left under the cap it is not started. */
export const trainingReserveMs = 10 * 60_000;

/** How often its cost is written down, and twice as much reserved ahead: what a kill leaves unaccounted at most. */
export const trainingMeterMs = 60_000;

/** How long work that does not fit beside others' reservations waits before it asks again. */
export const budgetWaitMs = 10_000;

/** A cap above this is a slip of the keyboard, in whatever currency. */
export const budgetCapMax = 1_000_000_000;

/** A cap below this, and not 0, pays for no call of any model there is. */
export const budgetCapMin = 0.000_001;

/** So often it asks before it parks the run: two hours, in which reservations of work under way have shrunk to what it cost. */
export const budgetWaitsMax = 720;

/** Conditional writes of one document that may lose before the writer gives up: each time one of the racers has won. */
export const documentRacesMax = 100;

/** How often the holder of a lease writes that it lives: a request per shard in flight, so not oftener than needed. */
export const leaseRenewMs = 10_000;

/** A lease that has not changed for so long while it was watched belongs to nobody. Several renewals may fail before that. */
export const leaseExpiryMs = 60_000;

/** How often somebody who waits for a lease looks at it: how late it learns that the work is done. */
export const leasePollMs = 2_000;

// ---- clean-up ----------------------------------------------------------------------------------------------------

/** What is younger is never removed by `arte gc`: a stage puts its outputs long before the manifest that names them. */
export const garbageGraceMs = 24 * 3_600_000;

/** Objects that `arte gc` looks at and removes at the same time: two small requests each, as many as `arte status` has under way. */
export const garbageRemovalsAtOnce = 16;

// ---- students and schedules --------------------------------------------------------------------------------------

/** How often a firing looks at the runs that it follows and at the registry: how late a new student or a parked run is noticed. */
export const firingPollMs = 5_000;

/** A firing plans again after this long even if nothing seems to have changed: inside the hour that its activity may take. */
export const firingLookMs = 30 * 60_000;

/** Alignments that one firing may have under way, and names that travel through the engine with it: keeps its messages under payloadBytesMax. */
export const alignmentsAtOnceMax = 16;

/** Finished alignments that are judged before a firing looks at its students again. */
export const judgementsAtOnceMax = 16;

/** Students and schedules are parts of run ids, which may have 100 characters: two names, 12 digits of a key and two hyphens. */
export const registryNameLengthMax = 40;

/** The configs with which a schedule may repeat itself: below this the engine would do little else than fire. */
export const scheduleIntervalMinMs = 10_000;
// ---- steering ------------------------------------------------------------------------------------------------------

/**
 * After a pause or a cancel no call is begun, and answers on their way are waited for so long, because they are paid for. With the beat that
 * brings the news (2 s), and what is then put into the store (abortFlushMs twice), a pause takes less than 15 seconds.
 */
export const cancelDrainMs = 6_000;

/** `arte pause` waits so long until nothing runs any more; work on the store alone (a commit of a million rows) may take longer. */
export const restPatienceMs = 30_000;

/** A worker asks the engine for work at least once a minute; one that has not for longer is gone. */
export const pollerSilenceMs = 75_000;

/** Work that no worker takes up for so long: there is none, whatever the engine still believes. A busy one takes it up within a second or two. */
export const leftWaitingMs = 6_000;

/** Who follows a run waits so long for an engine or a store that is away: the embedded ones are back within seconds, a cluster's proxy, too. */
export const engineAwayMs = 30_000;

/** A command that waits for Temporal tries to connect at least this often: gRPC's own pauses grow to two minutes. */
export const reconnectPauseMaxMs = 2_000;

/** `arte status` waits so long for a run's own word, and then shows what the run last wrote. */
export const runAnswerMs = 8_000;

/** Runs that `arte status` looks at at the same time: each is a few requests to store and engine. */
export const runLooksAtOnce = 16;

/** How often a worker looks for the ceiling that a person has set to a run's calls in flight. One small request per run and process. */
export const ceilingLookMs = 2_000;

/**
 * Documents that `arte doctor` reads to see whether they can be read, the newest: with runLooksAtOnce at a time a few seconds, and in most stores all
 * there are.
 */
export const doctorDocumentsMax = 2_000;

/** Documents of each kind that it lists for that: twenty requests. */
export const doctorListedMax = 20_000;

/**
 * Newest runs of which `arte doctor` looks whether what they made is there: some 50 requests each, a second or two in all. What a clean-up or a person has taken
 * from older ones shows when it is next wanted.
 */
export const doctorRunsMax = 5;

// ---- messages about a run ------------------------------------------------------------------------------------------

/** Targets of one config: each is an activity of every message. */
export const notifyTargetsMax = 8;

/** A target is tried so often: with the waits below for about forty minutes, in which a receiver is restarted or a network comes back. */
export const notifyAttemptsMax = 10;

/** Before the second attempt; doubled each time. */
export const notifyRetryMs = 5_000;

/** The longest wait between two attempts. */
export const notifyRetryMaxMs = 10 * 60_000;

/** A worker that is lost in an attempt is noticed after this; the message is then sent again, under its id. */
export const notifyHeartbeatMs = 30_000;

/** A message that found no worker for so long is of no interest any more. */
export const notifyLifeMs = 24 * 3_600_000;

/** `arte notify test` waits so long: every target at once, one attempt of a minute at most, and a worker that has just been started. */
export const notifyTestPatienceMs = 90_000;
