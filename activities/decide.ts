/** decide: what a round's evaluations say about going on (method/decide.ts); the evidence is recorded with the decision. */
import { decideRound, type RoundEvidence } from '../method/decide';
import { ArteError } from '../schemas/errors';
import type { JsonObject, JsonValue } from '../schemas/json';
import type { EvaluationRecord } from '../schemas/messages';
import type { StoreDependencies } from './dependencies';
import { finishedStage, inputRef, type WholeStage } from './stage';

export const decide: WholeStage<StoreDependencies> = {
  name: 'decide',
  version: 2,
  settings: ({ config }) => ({ accept_margin: config.rounds.accept_margin }),
  async run({ store, config, input }) {
    const { round } = input.extra as unknown as { round: number };
    const given = inputRef(input, 'evaluations');
    const evaluations = (await store.getJson(given)) as unknown as EvaluationRecord[];
    const evidence: RoundEvidence[] = [];
    for (const { arm, student, round: of, shots, key } of evaluations) {
      const manifest = await finishedStage(store, key);
      if (!manifest) {
        throw new ArteError('BlobMissing', {
          what: `The evaluation of ${arm} (round ${of}, ${shots}-shot) is gone from the store.`,
          why: 'It was there when the round was evaluated; something removed it.',
          next: 'arte retry RUN evaluates it again.',
        });
      }
      const overall = manifest.facts['overall'] as unknown as {
        n: number;
        correct: number;
        accuracy: number;
        stderr: number;
      };
      evidence.push({ arm, student, round: of, shots, ...overall });
    }
    const decision = decideRound(evidence, { round, acceptMargin: config.rounds.accept_margin });
    const facts = { ...decision } as unknown as JsonObject;
    const ref = await store.putBlob(JSON.stringify({ decision: facts, evidence: evidence as unknown as JsonValue }), {
      mediaType: 'application/json',
      rows: 1,
    });
    // What it was made from is no stage's output: named here, it stays in the store as long as the decision does.
    return { outputs: { decision: ref, evaluations: given }, facts };
  },
};
