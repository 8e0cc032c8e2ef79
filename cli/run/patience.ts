/**
 * Watching on while the engine or the store is away for a moment: the supervisor of `arte up` starts again what ends, servers of a cluster move.
 * Owns how long that is waited for and what is said of it; how an error is told is engine-lost.ts.
 */
import { livingState } from '../../drivers/local/platform';
import type { PartState } from '../../drivers/local/platform-state';
import { ArteError } from '../../schemas/errors';
import { engineAwayMs, platformReadyMs, startFailuresMax } from '../../schemas/limits';
import { engineLost, mayComeBack } from './engine-lost';

export interface PatienceOptions {
  readonly embedded: boolean;
  /** The command that goes on watching, for somebody who has to come back. */
  readonly again: string;
  /** A line for the person. */
  readonly say: (line: string) => void;
  /** Whether the platform is elsewhere by now (Session.moved): what answers here is not it. */
  readonly moved?: (() => Promise<boolean>) | undefined;
  /** Whether the platform is about to mend itself; for tests. */
  readonly mends?: () => Promise<boolean>;
  readonly clock?: () => number;
}

/** Of one watching: it remembers since when nobody answers. */
export class Patience {
  private away: { readonly since: number; readonly what: string } | undefined;

  constructor(private readonly options: PatienceOptions) {}

  /**
   * What the look has seen; undefined while what it asks is away and is waited for: look again in a moment. Errors: those of the look that waiting
   * does not mend; PlatformDown for a platform that is at other addresses by now, and once it was away for engineAwayMs, or for platformReadyMs where a living supervisor starts it again.
   */
  async look<Seen extends object>(look: () => Promise<Seen>): Promise<Seen | undefined> {
    const { say, clock = performance.now.bind(performance), mends = platformMends, moved, embedded } = this.options;
    if (await moved?.()) throw this.elsewhere();
    try {
      const seen = await look();
      if (this.away) say(`note    ${this.away.what} answers again`);
      this.away = undefined;
      return seen;
    } catch (error) {
      const what = awayIn(error);
      if (what === undefined) throw error;
      if (!this.away) {
        this.away = { since: clock(), what };
        const most = `${engineAwayMs / 1000} s`;
        const longer = embedded ? `${most}, and longer while the platform starts it again` : `${most} at most`;
        say(`note    ${what} does not answer; it is waited for (${longer}), and the run loses nothing`);
      }
      const waitedMs = clock() - this.away.since;
      const patient = waitedMs < engineAwayMs || (embedded && waitedMs < platformReadyMs && (await mends()));
      if (!patient) throw this.gone(error, waitedMs);
      return undefined;
    }
  }

  private elsewhere(): ArteError {
    return new ArteError('PlatformDown', {
      what: 'The platform was started again, at other addresses.',
      why: 'Another program had taken its ports meanwhile, and what answers there is not this platform.',
      next: `Nothing is lost: runs go on. ${this.options.again} follows there.`,
    });
  }

  private gone(error: unknown, waitedMs: number): ArteError {
    const { embedded, again } = this.options;
    const what = `${this.away?.what ?? 'Temporal'} has not answered for ${Math.round(waitedMs / 1000)} s; it is not waited for any longer.`;
    const why = error instanceof ArteError ? error.data.what : (engineLost(error)?.data.why ?? '');
    const next = embedded
      ? `Nothing is lost. arte up starts the platform, and runs go on where they were; then ${again} follows again. arte doctor looks at each part.`
      : `Nothing is lost: runs go on when it is back. See platform.temporal and platform.store and the network, arte doctor looks at each part; then ${again} follows again.`;
    return new ArteError('PlatformDown', { what, why, next }, { cause: error });
  }
}

/** Parts of a platform that a watcher talks to. */
const serverNames: ReadonlySet<string> = new Set(['temporal', 's3']);

/** What an error says to be away, where that may be back in a moment. */
function awayIn(error: unknown): 'Temporal' | 'The store' | undefined {
  if (error instanceof ArteError) return error.data.code === 'StoreUnreachable' ? 'The store' : undefined;
  return engineLost(error) && mayComeBack(error) ? 'Temporal' : undefined;
}

/** Whether the supervisor of the data directory lives and keeps its servers up: it starts again what has ended, unless that has failed too often. */
export async function platformMends(dataDir?: string): Promise<boolean> {
  const state = await livingState(dataDir);
  const isHopeless = ({ name, failures }: PartState): boolean => serverNames.has(name) && failures >= startFailuresMax;
  return state !== undefined && !state.ending && !state.parts.some(isHopeless);
}
