/**
 * Looks at one run again and again and keeps what a single look cannot tell. Owns the gathering for the full screen; what is known of a run is
 * run-progress.ts, when it ends run-eta.ts, what it costs the ledger.
 */
import { readLedger } from '../../activities/budget';
import { readRounds } from '../../activities/run-records';
import { hasPrices, ledgerTotals } from '../../method/ledger';
import type { RoundRecord } from '../../schemas/messages';
import type { RunConfig } from '../../schemas/run-config';
import { decisionWords } from '../report/report-rounds';
import { openBundleOf } from '../run/run-config-of';
import { openEta, type Eta } from '../run/run-eta';
import { readOutcome, type RunOutcome } from '../run/run-outcome';
import { viewRun } from '../run/run-progress';
import { isOver } from '../run/run-view';
import { RateMeter, type Rate } from '../run/stage-pace';
import type { Session } from '../session';
import { Curves } from './curves';
import { Warnings } from './warnings';
import type { Curve, Money, PastRound, WatchedRun } from './watched-run';

export class RunFollower {
  /** Also what befalls the watching itself is said here. */
  readonly warnings = new Warnings();
  private readonly meter = new RateMeter();
  private readonly curves = new Curves();
  private opened: { readonly config: RunConfig | undefined; readonly eta: Eta } | undefined;
  /** Rounds before this one were read already. */
  private roundsRead = 0;
  private rounds: readonly PastRound[] = [];
  private outcome: RunOutcome | undefined;

  constructor(
    private readonly session: Pick<Session, 'client' | 'store'>,
    readonly runId: string,
  ) {}

  /** Errors: RunNotFound, and those of the platform. */
  async look(): Promise<WatchedRun> {
    const { client, store } = this.session;
    const view = await viewRun(client, store, this.runId);
    this.opened ??= { config: await openBundleOf(store, this.runId), eta: await openEta(store, this.runId) };
    const { config, eta } = this.opened;
    const at = Date.now();
    const rates = new Map<string, Rate>();
    const curves = new Map<string, readonly Curve[]>();
    for (const stage of view.live) {
      const rate = this.meter.observe(stage, at);
      if (rate) rates.set(stage.label, rate);
      curves.set(stage.label, this.curves.observe(stage));
    }
    this.warnings.observe(view, at);
    const { round } = view.progress;
    if (round !== this.roundsRead) {
      this.rounds = (await readRounds(store, this.runId, round - 1)).map(pastRound);
      this.roundsRead = round;
    }
    const [secondsLeft, money] = await Promise.all([eta(view, at), this.money(config)]);
    // Read once: nothing of it changes until somebody starts the run again.
    this.outcome = isOver(view.progress.status) ? (this.outcome ?? (await readOutcome(store, view))) : undefined;
    const seen = { view, at, rates, curves, secondsLeft, money, rounds: this.rounds, warnings: this.warnings.all() };
    return this.outcome ? { ...seen, outcome: this.outcome } : seen;
  }

  private async money(config: RunConfig | undefined): Promise<Money | undefined> {
    if (!config || !hasPrices(config)) return undefined;
    const ledger = await readLedger(this.session.store, this.runId, config);
    return { ...ledgerTotals(ledger), cap: ledger.cap, currency: config.platform.currency };
  }
}

function pastRound({ round, stages, decision }: RoundRecord): PastRound {
  const made = stages.filter(({ reused }) => !reused);
  const decided = decision['decision'];
  return {
    round,
    stages: stages.length,
    seconds: made.reduce((sum, { seconds }) => sum + seconds, 0),
    decision: typeof decided === 'string' ? (decisionWords[decided] ?? decided) : '',
  };
}
