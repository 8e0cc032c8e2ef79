/** decide: what a round's evaluations say about going on (method/decide.ts), from the predictions themselves: comparisons are paired by item. */
import { decideRound, type RoundEvidence } from '../method/decide';
import { ArteError } from '../schemas/errors';
import type { JsonObject } from '../schemas/json';
import type { EvaluationRecord } from '../schemas/messages';
import { predictionRowSchema } from '../schemas/rows';
import type { StoreDependencies } from './dependencies';
import { readRows } from './read-rows';
import { finishedStage, inputRef, type WholeStage } from './stage';

export const decide: WholeStage<StoreDependencies> = {
  name: 'decide',
  version: 2,
  settings: ({ config: { rounds } }) => ({ accept: rounds.accept, accept_margin: rounds.accept_margin }),
  async run({ store, config, input }) {
    const { round } = input.extra as unknown as { round: number };
    const given = inputRef(input, 'evaluations');
    const evaluations = (await store.getJson(given)) as unknown as EvaluationRecord[];
    const evidence: RoundEvidence[] = [];
    for (const { arm, round: of, shots, key } of evaluations) {
      const ref = (await finishedStage(store, key))?.outputs['predictions'];
      if (!ref) {
        throw new ArteError('BlobMissing', {
          what: `The evaluation of ${arm} (round ${of}, ${shots}-shot) is gone from the store.`,
          why: 'It was there when the round was evaluated; something removed it.',
          next: 'arte retry RUN evaluates it again.',
        });
      }
      evidence.push({ arm, round: of, shots, key, predictions: await readRows(store, ref, predictionRowSchema) });
    }
    const facts = { ...decideRound(evidence, { round, ...config.rounds }) } as unknown as JsonObject;
    const record = { decision: facts, evidence: evaluations.map((evaluation) => ({ ...evaluation })) };
    const decision = await store.putBlob(JSON.stringify(record), { mediaType: 'application/json', rows: 1 });
    // What it was made from is no stage's output: named here, it stays in the store as long as the decision does.
    return { outputs: { decision, evaluations: given }, facts };
  },
};
