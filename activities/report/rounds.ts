/** What each round made and decided, and which one is the best. */
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { RoundRecord } from '../../schemas/messages';
import type { ReportRound } from '../../schemas/report';
import { stageLabel } from '../../schemas/stage-names';
import type { Manifests } from './gather';

/** Nothing for a round that was broken off: it has stages but made no teacher and no student. */
export function reportRound(round: RoundRecord, manifests: Manifests): readonly ReportRound[] {
  const { teacher, student } = round.models;
  if (!teacher || !student) return [];
  const artifacts: Record<string, ArtifactRef> = {};
  for (const record of round.stages) {
    const label = stageLabel(record.stage, record.arm);
    for (const [name, ref] of Object.entries(manifests.get(record.key)?.outputs ?? {}))
      artifacts[`${label}/${name}`] = ref;
  }
  return [{ round: round.round, decision: round.decision, teacher, student, artifacts }];
}

/** By the last decision that was made. */
export function bestRoundOf(rounds: readonly RoundRecord[]): { bestRound?: number } {
  const best = rounds.map(({ decision }) => decision['bestRound']).findLast((round) => typeof round === 'number');
  return best === undefined ? {} : { bestRound: best };
}
