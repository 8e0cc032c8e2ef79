/**
 * combine-scores: the scores of several signals become one, by rank (method/signals/combined.ts). Inputs: the scores of each, under its name.
 * A run by one signal has no such stage.
 */
import { tieTolerance } from '../method/pairs';
import { scoreQuality } from '../method/score';
import { combineScores, signalAgreement, type SignalScores } from '../method/signals/combined';
import { scoreRowSchema, type ScoreRow } from '../schemas/rows';
import { signalsOf, type SignalName } from '../schemas/signals';
import type { StoreDependencies } from './dependencies';
import { readRows } from './read-rows';
import { inputRef, type WholeStage } from './stage';

export const combineScoreRows: WholeStage<StoreDependencies> = {
  name: 'combine-scores',
  version: 1,
  settings: ({ config }) => ({ weights: { ...config.score.combine } }),
  async run({ store, config, input }) {
    const own: Partial<Record<SignalName, ScoreRow[]>> = {};
    for (const signal of signalsOf(config.score))
      own[signal] = await readRows(store, inputRef(input, signal), scoreRowSchema);
    const scores: SignalScores = own;
    const combined = combineScores(scores, config.score.combine);
    const quality = scoreQuality(combined, [], tieTolerance(config.score));
    return {
      outputs: { scores: await store.putLines(combined.map((score) => JSON.stringify(score))) },
      facts: {
        signal: 'combined',
        drafts: combined.length,
        quality: { ...quality },
        agreement: signalAgreement(scores),
      },
    };
  },
};
