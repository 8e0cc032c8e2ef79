/**
 * decide: what a round's evaluations and gates say about going on (method/decide.ts, method/gates.ts), from the predictions themselves: comparisons
 * are paired by item. The evidence is recorded with the decision. `extra.gates` is the key of check-round, `extra.rejected` the earlier rounds
 * that a gate rejected.
 */
import { decideRound, type RoundEvidence } from '../method/decide';
import { nextRound } from '../method/gates';
import { ArteError } from '../schemas/errors';
import type { JsonObject } from '../schemas/json';
import type { EvaluationRecord } from '../schemas/messages';
import { predictionRowSchema } from '../schemas/rows';
import type { StoreDependencies } from './dependencies';
import { readRows } from './read-rows';
import { finishedStage, inputRef, type WholeStage } from './stage';

interface Extra {
  readonly round: number;
  readonly evaluations: readonly EvaluationRecord[];
  readonly gates?: string;
  readonly rejected?: readonly number[];
}

export const decide: WholeStage<StoreDependencies> = {
  name: 'decide',
  version: 2,
  settings: ({ config }) => {
    const { accept, accept_margin, on_worse, patience } = config.rounds;
    return { accept, accept_margin, on_worse, patience };
  },
  async run({ store, config, input }) {
    const { round, gates: gatesKey, rejected = [] } = input.extra as unknown as Extra;
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
    const gates = gatesKey === undefined ? undefined : (await finishedStage(store, gatesKey))?.facts;
    if (gatesKey !== undefined && gates === undefined) {
      throw new ArteError('BlobMissing', {
        what: `The verdicts of the gates of round ${round} are gone from the store.`,
        why: 'They were there when the round was checked; something removed them.',
        next: 'arte retry RUN checks it again.',
      });
    }
    const fails = Array.isArray(gates?.['failed']) && gates['failed'].length > 0;
    const isRejected = fails && gates['action'] === 'roll-back';
    const decided = decideRound(evidence, {
      ...{ round, ...config.rounds },
      rejected: isRejected ? [...rejected, round] : rejected,
    });
    const next = nextRound(decided, isRejected, config.rounds);
    const facts = { ...decided, next, ...(gates ? { gates } : {}) } as unknown as JsonObject;
    const record = { decision: facts, evidence: evaluations.map((evaluation) => ({ ...evaluation })) };
    const decision = await store.putBlob(JSON.stringify(record), { mediaType: 'application/json', rows: 1 });
    // What it was made from is no stage's output: named here, it stays in the store as long as the decision does.
    return { outputs: { decision, evaluations: given }, facts };
  },
};
