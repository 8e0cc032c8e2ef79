/** `arte gc`: removes what no kept run needs from the store, and models nobody has asked for from this machine's cache. Shows first; `--yes` does it. */
import { Option, type Command } from 'commander';
import { cacheDirectory } from '../../drivers/local/directories';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { cachedModels, removeCachedModels, type CachedModel } from '../../drivers/model/model-cache';
import { noSuchRun } from '../../activities/run-records';
import { statusOf } from '../../activities/start-run';
import { ArteError } from '../../schemas/errors';
import { garbageGraceMs } from '../../schemas/limits';
import type { RunStatus } from '../../schemas/messages';
import {
  findGarbage,
  garbageKinds,
  recordedRuns,
  remainsOfRuns,
  type Garbage,
  type GarbagePlan,
  type KnownRun,
  type Retention,
} from '../garbage';
import { removeGarbage, storeTime } from '../remove-garbage';
import { colorsFor, formatCount, printJson, printLine, progress, table } from '../output';
import { viewRun } from '../run/run-progress';
import { openSession, type Session } from '../session';

interface Options {
  readonly keep?: readonly string[];
  readonly drop?: readonly string[];
  readonly olderThan?: string;
  readonly graceHours: string;
  /** False with --no-models. */
  readonly models: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

export function register(program: Command): void {
  program
    .command('gc')
    .description('remove what no kept run needs from the store and the model cache; shows what would go unless --yes')
    .option('--drop <run...>', 'give up these runs: their records and all that only they need')
    .option(
      '--older-than <days>',
      'of runs that ended longer ago, keep the report and the best and the last round only',
    )
    .option('--keep <run...>', 'keep these whole, however old')
    .addOption(new Option('--grace-hours <n>', 'nothing younger is removed').default(String(garbageGraceMs / hourMs)))
    .option('--no-models', "leave this machine's model cache alone: other projects share it")
    .option('--yes', 'remove it')
    .option('--json', 'as JSON')
    .action(async (options: Options) => {
      const graceMs = numberOf('--grace-hours', options.graceHours) * hourMs;
      const session = await openSession({ start: false });
      const line = progress('looking for what no kept run needs');
      try {
        // Before the first look at anything: what is written from here on stays.
        const began = options.yes ? { began: await storeTime(session.store) } : {};
        const now = new Date();
        const runs = await knownRuns(session);
        const remains = await namedRemains(session, runs, options);
        const retention = retentionOf(runs, remains, options, now);
        const plan = await findGarbage(session.store, runs, { retention, graceMs, now, ...began });
        const models = (options.models ? await cachedModels(cacheDirectory()) : []).filter(
          ({ sha256, usedAt }) => !plan.models.has(sha256) && now.getTime() - usedAt.getTime() > graceMs,
        );
        const found: Found = { remove: plan.remove, models, notes: plan.notes };
        const shown = options.yes ? await remove(session, plan, models, (text) => line.update(text)) : found;
        line.done(options.yes ? 'removed' : 'nothing was removed yet');
        if (options.json) printJson({ ...summary(shown), notes: shown.notes, removed: options.yes === true });
        else print(shown, retention, { removed: options.yes === true, graceMs });
      } catch (error) {
        line.fail();
        throw error;
      } finally {
        await session.close();
      }
    });
}

/** Every recorded run with the engine's word on it. */
async function knownRuns({ client, store }: Session): Promise<KnownRun[]> {
  const runs: KnownRun[] = [];
  for (const [runId, lastWordAt] of await recordedRuns(store)) {
    try {
      const { progress: known } = await viewRun(client, store, runId);
      runs.push({ runId, status: known.status, lastWordAt });
    } catch (error) {
      // Recorded, and not a word since: it was ended while it started, or is starting now.
      if (!(error instanceof ArteError) || error.data.code !== 'RunNotFound') throw error;
      runs.push({ runId, status: 'RUNNING', lastWordAt });
    }
  }
  return runs;
}

/** Of the runs that are to be dropped those that have no record any more: an earlier clean-up of them was broken off. Errors: RunStateConflict where one is under way all the same. */
async function namedRemains(
  { client, store }: Session,
  runs: readonly KnownRun[],
  { drop = [] }: Options,
): Promise<string[]> {
  const recorded = new Set(runs.map(({ runId }) => runId));
  if (drop.every((runId) => recorded.has(runId))) return [];
  const named = (await remainsOfRuns(store, recorded)).filter((runId) => drop.includes(runId));
  for (const runId of named)
    if ((await statusOf(client.workflow.getHandle(runId))) === 'RUNNING') throw underWay(runId, 'RUNNING');
  return named;
}

function underWay(runId: string, status: RunStatus): ArteError {
  return new ArteError('RunStateConflict', {
    what: `${runId} cannot be dropped: it is ${status}.`,
    why: 'A run under way would make again what is taken from it.',
    next: `arte cancel ${runId} ends it; then drop it.`,
  });
}

/** What becomes of each run; `remains`: what is left of runs that are to be dropped. Errors: RunNotFound, RunStateConflict (a run under way cannot be dropped), InvalidInput. */
function retentionOf(
  runs: readonly KnownRun[],
  remains: readonly string[],
  options: Options,
  now: Date,
): Map<string, Retention> {
  const { keep = [], drop = [], olderThan } = options;
  const days = olderThan === undefined ? undefined : numberOf('--older-than', olderThan);
  for (const runId of [...keep, ...drop]) {
    const known = runs.map((run) => run.runId);
    if (!known.includes(runId) && !remains.includes(runId)) throw noSuchRun(runId, known);
  }
  const both = keep.find((runId) => drop.includes(runId));
  if (both !== undefined) {
    throw new ArteError('InvalidInput', {
      what: `${both} cannot be kept and dropped.`,
      why: 'It is named after --keep and after --drop.',
      next: 'Name it once.',
    });
  }
  const retention = new Map(remains.map((runId): [string, Retention] => [runId, 'dropped']));
  for (const { runId, status, lastWordAt } of runs) {
    const isUnderWay = status !== 'DONE' && status !== 'FAILED' && status !== 'CANCELLED';
    if (drop.includes(runId)) {
      if (isUnderWay) throw underWay(runId, status);
      retention.set(runId, 'dropped');
    } else if (
      status === 'DONE' &&
      days !== undefined &&
      !keep.includes(runId) &&
      now.getTime() - lastWordAt.getTime() > days * dayMs
    )
      retention.set(runId, 'best-and-last');
    else retention.set(runId, 'whole');
  }
  return retention;
}

function numberOf(option: string, words: string): number {
  if (/^\d+(\.\d+)?$/.test(words)) return Number(words);
  throw new ArteError('InvalidInput', {
    what: `${option} ${words} cannot be used.`,
    why: 'It is a number, 0 or more.',
    next: 'Give one, or leave it out.',
  });
}

/** What would go, or has gone. */
interface Found {
  readonly remove: readonly Garbage[];
  readonly models: readonly CachedModel[];
  readonly notes: readonly string[];
}

async function remove(
  session: Session,
  plan: GarbagePlan,
  models: readonly CachedModel[],
  onProgress: (text: string) => void,
): Promise<Found> {
  const { removed, spared } = await removeGarbage(
    session.store,
    plan,
    () => knownRuns(session),
    (done) => onProgress(`removing from the store: ${done} of ${plan.remove.length}`),
  );
  const notes =
    spared === 0
      ? plan.notes
      : [
          ...plan.notes,
          `${formatCount(spared)} ${spared === 1 ? 'object stays, because a run came' : 'objects stay, because runs came'} to need ${spared === 1 ? 'it' : 'them'} meanwhile.`,
        ];
  // A run that began meanwhile may have asked for one.
  const now = new Map((await cachedModels(cacheDirectory())).map(({ sha256, usedAt }) => [sha256, usedAt.getTime()]));
  const unused = models.filter(({ sha256, usedAt }) => now.get(sha256) === usedAt.getTime());
  if (unused.length === 0) return { remove: removed, models: [], notes };
  onProgress(`removing ${unused.length} models from the cache`);
  const { python } = await ensurePythonEnv({});
  await removeCachedModels(
    cacheDirectory(),
    unused.map(({ sha256 }) => sha256),
    python,
  );
  return { remove: removed, models: unused, notes };
}

interface Amount {
  readonly objects: number;
  readonly bytes: number;
}

interface Summary {
  readonly store: Readonly<Record<string, Amount>>;
  readonly modelCache: Amount & { readonly path: string };
  readonly bytes: number;
}

function summary({ remove: garbage, models }: Found): Summary {
  const amount = (things: readonly { readonly bytes: number }[]): Amount => ({
    objects: things.length,
    bytes: things.reduce((sum, { bytes }) => sum + bytes, 0),
  });
  const store = Object.fromEntries(
    garbageKinds.map((kind) => [kind, amount(garbage.filter((each) => each.kind === kind))]),
  );
  const modelCache = { ...amount(models), path: cacheDirectory() };
  return { store, modelCache, bytes: amount(garbage).bytes + modelCache.bytes };
}

const kindTitles: Readonly<Record<(typeof garbageKinds)[number], string>> = {
  runs: 'records of dropped runs',
  stages: 'stages (manifests)',
  answers: 'indexes of answers',
  shards: 'records of shards',
  parts: 'parts of shards',
  waves: 'totals of waves',
  checkpoints: 'checkpoints of trainings',
  leases: 'leases of workers that are gone',
  blobs: 'artifacts',
  damaged: 'artifacts set aside as damaged',
};

function print(
  found: Found,
  retention: ReadonlyMap<string, Retention>,
  { removed, graceMs }: { readonly removed: boolean; readonly graceMs: number },
): void {
  const color = colorsFor(process.stdout);
  const { store, modelCache, bytes } = summary(found);
  const runsOf = (kind: Retention): string =>
    [...retention]
      .filter(([, of]) => of === kind)
      .map(([id]) => id)
      .join(', ');
  printLine();
  for (const [kind, title] of [
    ['dropped', removed ? 'dropped' : 'would be dropped'],
    ['best-and-last', 'kept in part (report, best and last round)'],
  ] as const)
    if (runsOf(kind) !== '') printLine(`${title}: ${runsOf(kind)}`);
  const rows = garbageKinds.flatMap((kind) => {
    const { objects, bytes: of } = store[kind] ?? { objects: 0, bytes: 0 };
    return objects === 0 ? [] : [[kindTitles[kind], formatCount(objects), formatBytes(of)]];
  });
  if (modelCache.objects > 0)
    rows.push([`models in ${modelCache.path}`, formatCount(modelCache.objects), formatBytes(modelCache.bytes)]);
  if (rows.length === 0) printLine('There is nothing to remove.');
  else {
    rows.push(['in all', '', formatBytes(bytes)]);
    const columns = [
      { title: removed ? 'removed' : 'would go' },
      { title: 'number', align: 'right' as const },
      { title: 'size', align: 'right' as const },
    ];
    printLine(table(columns, rows));
  }
  if (modelCache.objects > 0)
    printLine(
      `${color.yellow('note')}  The model cache serves every data directory of this user: what another one needs is made again when it is asked for. --no-models leaves it alone.`,
    );
  if (graceMs > 0)
    printLine(
      `${color.yellow('note')}  Stages, artifacts and models younger than ${graceMs / hourMs} h are kept, also where no run needs them: --grace-hours says otherwise.`,
    );
  for (const note of found.notes) printLine(`${color.yellow('note')}  ${note}`);
  if (!removed && rows.length > 0) printLine(`\n${color.bold('next')}   the same command with --yes removes it`);
}

function formatBytes(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const rank = bytes < 1000 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bytes) / 3));
  return `${(bytes / 1000 ** rank).toFixed(rank === 0 ? 0 : 1)} ${units[rank] ?? ''}`;
}
