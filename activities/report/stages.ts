/** A line of the report's account for each stage: what it took, what the run paid for it, what the plan of the start had for it. */
import { costOf } from '../../method/ledger';
import { noUsage, type StageManifest } from '../../schemas/manifest';
import type { StageRecord } from '../../schemas/messages';
import type { KeptPlan } from '../../schemas/plan';
import type { ReportPlanned, ReportStage } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import type { RunTraces } from './gather';

/** The stages of all rounds, each with what was planned for it. */
export function plannedAndMade(runId: string, { config, rounds, manifests, kept }: RunTraces): ReportStage[] {
  const plannedOf = plannedStages(kept);
  return rounds.flatMap((round) =>
    round.stages.map((record) => {
      const planned = plannedOf.get(placeOf(record.round, record.stage, record.arm));
      return { ...reportStage(runId, record, manifests.get(record.key), config), ...(planned && { planned }) };
    }),
  );
}

export function reportStage(
  runId: string,
  record: StageRecord,
  manifest: StageManifest | undefined,
  config: RunConfig,
): ReportStage {
  // What this run paid; for a stage from the store, what it took whoever made it.
  const usage = record.reused ? (manifest?.usage ?? noUsage) : record.usage;
  const paidSeconds = Number(manifest?.facts['paidSeconds'] ?? manifest?.facts['trainingSeconds'] ?? 0);
  const others = Object.entries(manifest?.paidBy ?? {}).filter(([of]) => of !== runId);
  return {
    name: record.stage,
    round: record.round,
    arm: record.arm,
    key: record.key,
    ...noUsage,
    ...usage,
    seconds: manifest?.seconds ?? record.seconds,
    reused: record.reused,
    cost: costOf(record, usage, paidSeconds, config),
    paidByOthers: others
      .map(([of, by]) => ({ runId: of, calls: by.calls, cost: costOf(record, by, paidSeconds, config) }))
      .filter(({ calls, cost }) => calls > 0 || cost > 0),
    outcomes: { ...(manifest?.counts ?? {}) },
    facts: manifest?.facts ?? {},
  };
}

/** The kept plan's figures by the place of their stage; none without a plan. */
function plannedStages(kept: KeptPlan | undefined): ReadonlyMap<string, ReportPlanned> {
  const { stages = [], prices } = kept?.plan ?? {};
  return new Map(
    stages.flatMap(({ round, name, arm, calls, steps, reused }, at) => {
      const price = prices?.stages[at];
      if (!price) return [];
      const { inputTokens, outputTokens, seconds, cost, from } = price;
      const planned = { calls, steps, reused, inputTokens, outputTokens, seconds, cost, from: from.seconds.words };
      return [[placeOf(round, name, arm), planned] as const];
    }),
  );
}

function placeOf(round: number, stage: string, arm: string): string {
  return `${round} ${stageLabel(stage, arm)}`;
}
