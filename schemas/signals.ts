/** The signals by which drafts are scored (score.signal; docs/signals.md). Zod-free: workflows use it by value. */

/** Each is asked for in a score-drafts stage of its own. */
export const signalNames = ['icl_accuracy', 'icl_loglik', 'student_prob', 'rank_surprisal'] as const;
export type SignalName = (typeof signalNames)[number];

/** The one that is not named where a stage is asked for: the paper's. */
export const standardSignal: SignalName = 'icl_accuracy';

interface SignalSettings {
  readonly signal: SignalName | 'combined';
  readonly combine: Readonly<Partial<Record<SignalName, number>>>;
}

/** The signals that a config asks for: one, or the members of the combination, in the order of signalNames. */
export function signalsOf({ signal, combine }: SignalSettings): SignalName[] {
  return signal === 'combined' ? signalNames.filter((name) => combine[name] !== undefined) : [signal];
}

/** What a score-drafts stage of a signal is called beside others of its round: '' where it is the only one. */
export function signalLabel(signal: SignalName, signals: readonly SignalName[]): string {
  return signals.length === 1 ? '' : signal;
}
