/**
 * decide: what a round's evaluations and gates say about going on (method/decide.ts, method/gates.ts); the evidence is recorded with the
 * decision. `extra.gates` is the key of check-round, `extra.rejected` the earlier rounds that a gate rejected.
 */
import { decideRound, type RoundEvidence } from '../method/decide';
import { nextRound } from '../method/gates';
import { ArteError } from '../schemas/errors';
import type { JsonObject, JsonValue } from '../schemas/json';
import type { EvaluationRecord } from '../schemas/messages';
import type { StoreDependencies } from './dependencies';
import { finishedStage, type WholeStage } from './stage';

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
    const { accept_margin, on_worse, patience } = config.rounds;
    return { accept_margin, on_worse, patience };
  },
  async run({ store, config, input }) {
    const { round, evaluations, gates: gatesKey, rejected = [] } = input.extra as unknown as Extra;
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
    const decision = decideRound(evidence, {
      round,
      acceptMargin: config.rounds.accept_margin,
      rejected: isRejected ? [...rejected, round] : rejected,
    });
    const next = nextRound(decision, isRejected, config.rounds);
    const facts = { ...decision, next, ...(gates ? { gates } : {}) } as unknown as JsonObject;
    const ref = await store.putBlob(JSON.stringify({ decision: facts, evidence: evidence as unknown as JsonValue }), {
      mediaType: 'application/json',
      rows: 1,
    });
    return { outputs: { decision: ref }, facts };
  },
};
