/**
 * What several stages are expected to take together. Owns the sums; what one takes is price-plan.ts. Pure.
 */
import type { PlannedStage, PriceTotals, Range, StagePrice } from '../schemas/plan';

export interface Priced {
  readonly stage: PlannedStage;
  readonly price: StagePrice;
}

/**
 * Sums. Of seconds, high is one stage after another; low is the longer of the two branches that run side by side, and no less than what both ask of
 * the workers' own device, where they take turns.
 */
export function totalsOf(priced: readonly Priced[]): PriceTotals {
  const sum = (of: (price: StagePrice) => Range): Range => ({
    low: priced.reduce((total, { price }) => total + of(price).low, 0),
    high: priced.reduce((total, { price }) => total + of(price).high, 0),
  });
  return {
    calls: priced.reduce((total, { stage }) => total + stage.calls, 0),
    inputTokens: sum((price) => price.inputTokens),
    outputTokens: sum((price) => price.outputTokens),
    seconds: { low: shortest(priced), high: sum((price) => price.seconds).high },
    deviceSeconds: sum((price) => price.deviceSeconds),
    diskBytes: sum((price) => price.diskBytes),
    cost: sum((price) => price.cost),
  };
}

function shortest(priced: readonly Priced[]): number {
  const rounds = [...new Set(priced.map(({ stage }) => stage.round))];
  return rounds.reduce((total, round) => {
    const of = (branch: PlannedStage['branch'], seconds: (price: StagePrice) => Range): number =>
      priced
        .filter(({ stage }) => stage.round === round && stage.branch === branch)
        .reduce((sum, { price }) => sum + seconds(price).low, 0);
    const [arte, beside] = [of('arte', inAll), of('beside', inAll)];
    return total + of(undefined, inAll) + Math.max(arte, beside, of('arte', onDevice) + of('beside', onDevice));
  }, 0);
}

const inAll = ({ seconds }: StagePrice): Range => seconds;
const onDevice = ({ deviceSeconds }: StagePrice): Range => deviceSeconds;
