/**
 * check-scores: the gate before money goes into DPO. Reads the quality of the score matrix from the manifest of score-drafts, whose key comes in
 * `extra.scores`, and parks the run where the split-half reliability is under score.reliability_min. Made only where that is set.
 */
import { itemsForReliability, type ScoreQuality } from '../method/score';
import { isByItems } from '../method/signals';
import { ArteError } from '../schemas/errors';
import type { StoreDependencies } from './dependencies';
import { finishedStage, type WholeStage } from './stage';

export const checkScores: WholeStage<StoreDependencies> = {
  name: 'check-scores',
  version: 1,
  settings: ({ config }) => ({ reliability_min: config.score.reliability_min }),
  async run({ store, config, input }) {
    const minimum = config.score.reliability_min;
    const key = input.extra?.['scores'];
    if (typeof key !== 'string') throw new Error('check-scores was started without the key of score-drafts');
    const manifest = await finishedStage(store, key);
    if (!manifest) {
      throw new ArteError('BlobMissing', {
        what: 'The scores of the drafts are gone from the store.',
        why: 'They were there when the drafts were scored; something removed them.',
        next: 'arte retry RUN scores the drafts again.',
      });
    }
    const quality = manifest.facts['quality'] as unknown as ScoreQuality;
    const { reliability, cells, drafts } = quality;
    // Undefined where a draft's score is no mean over probe items: more of these would not make it more reliable.
    const items = !isByItems(manifest.facts['signal']) ? undefined : drafts === 0 ? 0 : cells / drafts;
    const needed =
      minimum === null || reliability === null || items === undefined
        ? undefined
        : itemsForReliability(items, reliability, minimum);
    // What cannot be told is not reliable enough to pay for either.
    if (minimum !== null && !((reliability ?? -1) >= minimum)) {
      const measured = reliability === null ? 'cannot be told' : `is ${reliability.toFixed(2)}`;
      throw new ArteError('ScoresUnreliable', {
        what: `The ${items === undefined ? '' : 'split-half '}reliability of the drafts' scores ${measured}, and score.reliability_min asks for ${minimum}.`,
        why:
          items === undefined
            ? `By their standard errors ${reliability === null ? 'nothing is known of it' : `${Math.round(100 * (1 - reliability))} % of the variance between drafts is noise`}: the signal does not tell these drafts apart.`
            : needed === undefined
              ? 'Half of the probe items says nothing about the other half: the student tells these drafts apart by chance, or not at all, and no number of items would change that.'
              : `With ${round(items)} probe items a draft ${Math.round(100 * (1 - (reliability ?? 0)))} % of the variance between drafts is noise; by Spearman and Brown ${needed} would reach it.`,
        next: `${needed === undefined ? 'Look at the drafts and at the student' : `Set probe.size to ${needed} or more, if there are as many validation items`}, or lower score.reliability_min (null: never), and go on with the change: arte retry RUN, or the config under another id. Finished stages are reused.`,
        details: describe(quality),
      });
    }
    return {
      outputs: {},
      facts: {
        ...{ reliability, minimum },
        ...(items !== undefined && { items }),
        ...(needed === undefined ? {} : { itemsForMinimum: needed }),
      },
    };
  },
};

function describe({ spread, meanStderr, tiedShare, drafts, cells }: ScoreQuality): string[] {
  const points = (share: number): string => `${(100 * share).toFixed(1)} points`;
  return [
    `${drafts} drafts, ${cells} answers.`,
    `Scores lie ${points(spread)} apart (standard deviation within a task); the mean standard error of one is ${points(meanStderr)}.`,
    ...(tiedShare === null ? [] : [`Of ${(100 * tiedShare).toFixed(0)} % of the questions all drafts score the same.`]),
  ];
}

function round(items: number): string {
  return Number.isInteger(items) ? String(items) : items.toFixed(1);
}
