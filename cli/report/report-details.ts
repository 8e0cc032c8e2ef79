/** What a report page shows besides the report itself: scores and pairs, read from the store by the refs in the report, and how the run stands now. */
import { readRows } from '../../activities/read-rows';
import type { ArtifactStore } from '../../drivers/store/store';
import type { ScoreQuality } from '../../method/score';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { RunReport } from '../../schemas/report';
import { pairRowSchema, scoreRowSchema, type PairRow, type ScoreRow } from '../../schemas/rows';
import { standingOf } from './report-standing';

export interface RoundDetails {
  readonly round: number;
  /** Empty where the scores have gone from the store. */
  readonly scores: readonly ScoreRow[];
  readonly quality?: ScoreQuality;
  /** What the scores are of, where it is not icl_accuracy. */
  readonly signal?: string;
}

export interface ReportDetails {
  /** That the run has gone on since the report was written. */
  readonly standing?: string;
  readonly rounds: readonly RoundDetails[];
  /** Of the last round that still has them: the widest gaps of each kind. */
  readonly pairs: readonly PairRow[];
  readonly pairsRound?: number;
}

/** Pairs of each kind on the page. */
const pairsShownMax = 3;

export async function readDetails(store: ArtifactStore, report: RunReport): Promise<ReportDetails> {
  const read = async <Row>(ref: ArtifactRef | undefined, rows: (ref: ArtifactRef) => Promise<Row[]>): Promise<Row[]> =>
    ref && (await store.hasBlob(ref)) ? rows(ref) : [];
  const rounds: RoundDetails[] = [];
  let pairs: PairRow[] = [];
  let pairsRound: number | undefined;
  for (const { round, artifacts } of report.rounds) {
    // Several signals: what counts is their combination.
    const scores = await read(artifacts['combine-scores/scores'] ?? artifacts['score-drafts/scores'], (ref) =>
      readRows(store, ref, scoreRowSchema),
    );
    const ofRounds = report.stages.filter((stage) => stage.round === round);
    const facts = (
      ofRounds.find(({ name }) => name === 'combine-scores') ?? ofRounds.find(({ name }) => name === 'score-drafts')
    )?.facts;
    const quality = facts?.['quality'] as ScoreQuality | undefined;
    const signal = facts?.['signal'] as string | undefined;
    rounds.push({ round, scores, ...(quality ? { quality } : {}), ...(signal === undefined ? {} : { signal }) });
    const ofRound = await read(artifacts['build-pairs/pairs'], (ref) => readRows(store, ref, pairRowSchema));
    if (ofRound.length > 0) [pairs, pairsRound] = [ofRound, round];
  }
  const standing = await standingOf(store, report);
  const widest = (kind: PairRow['kind']): PairRow[] =>
    pairs
      .filter((pair) => pair.kind === kind)
      .sort((one, other) => gap(other) - gap(one))
      .slice(0, pairsShownMax);
  return {
    rounds,
    ...(standing === undefined ? {} : { standing }),
    pairs: [...widest('question'), ...widest('rationale')],
    ...(pairsRound === undefined ? {} : { pairsRound }),
  };
}

function gap({ chosenScore, rejectedScore }: PairRow): number {
  return chosenScore - rejectedScore;
}
