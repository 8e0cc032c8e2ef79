/**
 * One run to its end on an embedded platform of its own, undisturbed or with its processes killed on the way; and what is seen of it.
 *
 * Owns the platform's data directory (made for it, removed after it), carrying out the kills, and bringing the platform up again when its
 * supervisor was killed, as a person would by `arte up`. Everything else has to come back by itself: that is what is being tested.
 * Invariant: whatever happens, the platform is ended and (unless `keep` asks for it) its folder is gone when this returns.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ensurePlatform, livingState, stopPlatform } from '../../drivers/local/platform';
import { ArteError } from '../../schemas/errors';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import type { LoadedConfig } from '../config/load-config';
import { viewRun, type RunView } from '../run/run-progress';
import { openSession, type Session } from '../session';
import { startRun } from '../run/start-run';
import type { PlannedKill, Presence, StageEnds } from './kill-plan';
import { partsOf, type Part } from './parts';
import { takeSnapshot, type RunSnapshot } from './snapshot';

/** How often processes are looked at: a training of a tiny model lives for some seconds. */
const lookMs = 150;
/** How often the engine is asked how far the run is; while a part is away the answer may take ten seconds. */
const askMs = 500;

export interface RunOrder {
  readonly loaded: Pick<LoadedConfig, 'configDir' | 'files'>;
  readonly config: RunConfig;
  /** Whom to kill when; none for an undisturbed run. */
  readonly kills: readonly PlannedKill[];
  /** A process for each worker role, so that each can be killed alone. */
  readonly processes: boolean;
  /** The run has failed when it takes longer. */
  readonly secondsMax: number;
  readonly onProgress: (text: string) => void;
  readonly signal?: AbortSignal;
  /** Leave the folder of a run that did not end well, and say where it is. */
  readonly keep?: boolean;
}

export interface DoneKill {
  readonly part: Part;
  readonly atSeconds: number;
  /** Stages that were under way when last seen. */
  readonly stages: readonly string[];
}

export interface SeenRun {
  readonly seconds: number;
  readonly presence: Presence;
  readonly stageEnds: StageEnds;
  readonly kills: readonly DoneKill[];
  /** Planned kills whose part did not come again before the run ended. */
  readonly missed: readonly Part[];
  readonly snapshot: RunSnapshot;
}

/** Errors: those of the platform; what parked or failed the run; Unexpected when it takes too long. */
export async function runOnce(order: RunOrder): Promise<SeenRun> {
  const dataDir = await mkdtemp(join(tmpdir(), 'arte-selftest-'));
  const restore = ownEnvironment(dataDir);
  let keep = order.keep === true;
  try {
    const seen = await new WatchedRun(order, dataDir).toItsEnd();
    keep = false;
    return seen;
  } finally {
    await stopPlatform({ dataDir }).catch(() => undefined);
    restore();
    if (keep) order.onProgress(`its folder is kept: ${dataDir}`);
    else await rm(dataDir, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Nothing in the environment may lead to another platform than the selftest's own; returns what puts it back. */
function ownEnvironment(dataDir: string): () => void {
  const before = { ...process.env };
  for (const name of Object.keys(process.env))
    if (/^(TEMPORAL_|ARTE_S3_|ARTE_PLATFORM$|ARTE_METRICS_ADDRESS$)/.test(name))
      Reflect.deleteProperty(process.env, name);
  process.env['ARTE_DATA_DIR'] = dataDir;
  return () => {
    for (const name of Object.keys(process.env)) if (!(name in before)) Reflect.deleteProperty(process.env, name);
    Object.assign(process.env, before);
  };
}

class WatchedRun {
  private readonly runId: string;
  private readonly presence = new Map<Part, { from: number; to: number }[]>();
  private readonly alive = new Map<number, { part: Part; time: { from: number; to: number } }>();
  private readonly kills: DoneKill[] = [];
  private readonly missed: Part[] = [];
  /** When each was first seen to have ended, by round and label. */
  private readonly stageEnds = new Map<string, number>();
  private view: RunView | undefined;
  private session: Session | undefined;
  private startedAt = 0;
  private ended = false;

  constructor(
    private readonly order: RunOrder,
    private readonly dataDir: string,
  ) {
    this.runId = order.config.name;
  }

  async toItsEnd(): Promise<SeenRun> {
    const { config, loaded, processes, onProgress } = this.order;
    onProgress('starting a platform of its own');
    await ensurePlatform({ dataDir: this.dataDir, processes });
    this.session = await openSession({ start: true });
    try {
      await startRun(this.session, { ...loaded, config }, this.runId);
      this.startedAt = performance.now();
      const meanwhile = Promise.all([
        this.look(),
        this.keepUp(),
        ...this.order.kills.map((kill) => this.carryOut(kill)),
      ]);
      let seconds: number;
      try {
        await Promise.race([this.untilEnded(), meanwhile]);
        seconds = this.now();
      } finally {
        // Nobody kills or starts anything once this is over.
        this.ended = true;
        await meanwhile.catch(() => undefined);
      }
      const { store } = await this.here();
      const snapshot = await takeSnapshot(store, this.runId, config);
      const { presence, kills, missed } = this;
      return { seconds, presence, stageEnds: [...this.stageEnds.values()], kills, missed, snapshot };
    } finally {
      this.ended = true;
      await this.session.close();
    }
  }

  /** The session, opened anew where the platform is elsewhere by now: another program may have taken the ports of a killed supervisor's servers. */
  private async here(): Promise<Session> {
    const opened = this.session as Session;
    if ((await opened.moved?.()) !== true) return opened;
    this.order.onProgress('the platform has other addresses now');
    this.session = await openSession({ start: true });
    await opened.close();
    return this.session;
  }

  /** Asked again after something was waited for. */
  private over(): boolean {
    return this.ended;
  }

  private now(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  /** Who is there, as long as the run lasts. */
  private async look(): Promise<void> {
    while (!this.ended) {
      const at = this.now();
      for (const { part, pid } of partsOf(this.dataDir)) {
        const known = this.alive.get(pid);
        if (known?.part === part) {
          known.time.to = at;
          continue;
        }
        const time = { from: at, to: at };
        this.alive.set(pid, { part, time });
        this.presence.set(part, [...(this.presence.get(part) ?? []), time]);
      }
      await sleep(lookMs);
    }
  }

  /** A supervisor that was killed is started again; nothing else is helped. */
  private async keepUp(): Promise<void> {
    while (!this.ended) {
      if ((await livingState(this.dataDir)) === undefined && !this.over()) {
        await ensurePlatform({ dataDir: this.dataDir, processes: this.order.processes }).catch(() => undefined);
      }
      await sleep(lookMs);
    }
  }

  private async carryOut({ part, atSeconds, stagesEnded, afterSeconds }: PlannedKill): Promise<void> {
    while (!this.ended && this.now() < atSeconds && this.stageEnds.size <= stagesEnded) await sleep(lookMs);
    let pids = this.pidsOf(part);
    if (pids.length === 0) {
      while (!this.ended && pids.length === 0) {
        await sleep(lookMs);
        pids = this.pidsOf(part);
      }
      const until = this.now() + afterSeconds;
      while (!this.ended && this.now() < until && this.pidsOf(part).length > 0) await sleep(lookMs);
      pids = this.pidsOf(part).length > 0 ? this.pidsOf(part) : pids;
    }
    if (!this.strike(pids)) {
      this.missed.push(part);
      return;
    }
    const stages = this.view?.live.map(({ label }) => label) ?? [];
    this.kills.push({ part, atSeconds: Math.round(this.now() * 10) / 10, stages });
    this.order.onProgress(
      `killed ${part} at ${this.now().toFixed(1)}s${stages.length > 0 ? ` (${stages.join(', ')})` : ''}`,
    );
  }

  /** Whether any of them was there to be killed, in a run that goes on. */
  private strike(pids: readonly number[]): boolean {
    let struck = false;
    for (const pid of this.ended ? [] : pids)
      try {
        process.kill(pid, 'SIGKILL');
        struck = true;
      } catch {
        // It ended by itself a moment ago.
      }
    return struck;
  }

  private pidsOf(part: Part): number[] {
    return partsOf(this.dataDir).flatMap((each) => (each.part === part ? [each.pid] : []));
  }

  /** Stages that have ended since the last look. */
  private noteEnds({ finished }: RunView): void {
    const places = finished.map(({ round, stage, arm }) => `round ${round} ${stageLabel(stage, arm)}`);
    const ended = places.filter((place) => !this.stageEnds.has(place));
    if (ended.length === 0) return;
    for (const place of ended) this.stageEnds.set(place, this.now());
    this.order.onProgress(`stages ended: ${this.stageEnds.size}, last ${ended.join(', ')}`);
  }

  private async untilEnded(): Promise<void> {
    const { secondsMax, signal } = this.order;
    for (;;) {
      signal?.throwIfAborted();
      // While a part is away nobody answers: that is no news of the run.
      const view = await this.here()
        .then(({ client, store }) => viewRun(client, store, this.runId))
        .catch(() => undefined);
      if (view) {
        this.view = view;
        this.noteEnds(view);
        const { status, attention } = view.progress;
        if (status === 'DONE') return;
        // A last word that the store has from before a kill may be overtaken: only what the engine says as well counts.
        if (status === 'NEEDS_ATTENTION' && view.engine === 'RUNNING') throw parked(this.runId, attention);
        if (
          view.engine !== undefined &&
          view.engine !== 'RUNNING' &&
          view.engine !== 'CONTINUED_AS_NEW' &&
          status !== 'RUNNING'
        )
          throw parked(this.runId, attention, `The engine says ${view.engine}.`);
      }
      if (this.now() > secondsMax)
        throw new ArteError('Unexpected', {
          what: `The run did not end within ${Math.round(secondsMax)} s.`,
          why: `Under way: ${this.view?.progress.current.map(({ stage }) => stage).join(', ') ?? 'nothing was heard of it'}.`,
          next: 'Run it again with --keep, and look into the logs in its folder.',
        });
      await sleep(askMs);
    }
  }
}

function parked(runId: string, attention: RunView['progress']['attention'], why = ''): ArteError {
  return new ArteError('Unexpected', {
    what: `The run ${runId} did not end: ${attention?.error.what ?? 'it failed.'}`,
    why: attention === undefined ? why : `${attention.stage}: ${attention.error.code}. ${attention.error.why}`,
    next: attention?.error.next ?? 'arte run CONFIG shows whether the config itself ends.',
  });
}
