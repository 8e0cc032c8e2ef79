/**
 * How fast models were in the runs that the store has: what a plan's times rest on. Owns the reading; what counts for which stage is
 * method/price-plan.ts. Reads only, and never fails a plan: a run that cannot be read measures nothing.
 */
import { runsByLastWord } from '../../activities/run-records';
import { openLineage, type LineageStage } from '../../activities/lineage';
import type { ArtifactStore } from '../../drivers/store/store';
import {
  askForm,
  rowsPerStep,
  speedForm,
  speedKin,
  trainings,
  type BaseHashes,
  type Measurement,
} from '../../method/speed-form';
import type { RunConfig } from '../../schemas/run-config';

/** The newest runs say how fast things are now; each takes a few dozen requests to read. */
const runsReadMax = 8;

/** What the newest runs measured. */
export async function measuredRuns(store: ArtifactStore): Promise<Measurement[]> {
  const found = await runsByLastWord(store);
  const measured: Measurement[] = [];
  for (const { runId } of found.slice(0, runsReadMax)) {
    try {
      const { bundle, stages, rounds } = await openLineage(store, runId);
      const { teacher, student } = rounds.find(({ models }) => models['teacher'])?.models ?? {};
      const bases = {
        ...(teacher && { teacher: teacher.baseSha256 }),
        ...(student && { student: student.baseSha256 }),
      };
      measured.push(...stages.flatMap((stage) => measurementOf(runId, bundle.config, bases, stage) ?? []));
    } catch {
      // Half removed, or of a version that this one does not read.
    }
  }
  return measured;
}

/** Undefined for what this run found in the store, for what it made beside another run, and for what asks and trains nothing. */
function measurementOf(
  runId: string,
  config: RunConfig,
  bases: BaseHashes,
  { record, manifest }: LineageStage,
): Measurement | undefined {
  if (!manifest || record.reused) return undefined;
  const form = speedForm(config, record.stage, record.arm, bases);
  if (form === undefined) return undefined;
  const { facts, usage } = manifest;
  // Paid for by another run in part: the seconds are not those of all calls.
  if (usage.calls !== record.usage.calls) return undefined;
  const number = (name: string): number => Number(facts[name] ?? 0);
  return {
    runId,
    stage: record.stage,
    arm: record.arm,
    form,
    kin: speedKin(config, record.stage, record.arm, bases),
    asks: askForm(config, record.stage),
    ...(trainings.includes(record.stage) && { rowsPerStep: rowsPerStep(config, record.stage) }),
    calls: usage.calls,
    // A resumed training's seconds go on from those of its checkpoint: they are those of all steps.
    steps: number('steps'),
    seconds:
      facts['trainingSeconds'] === undefined
        ? Math.max(0, manifest.seconds - number('waitedSeconds'))
        : number('trainingSeconds'),
    startSeconds:
      facts['trainingSeconds'] === undefined
        ? 0
        : Math.max(0, manifest.seconds - number('trainingSeconds') - number('waitedSeconds')),
    inputTokens: usage.inputTokens,
    outputTokens: usage.outputTokens,
    bytes: Object.values(manifest.outputs).reduce((total, { bytes }) => total + bytes, 0),
  };
}
