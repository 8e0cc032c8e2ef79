/**
 * The accuracy of every arm, in the last round and in a transfer: predictions of the same items beside each other, each arm with its comparisons.
 * Owns which predictions, categories and trainings belong to an arm; the statistics are method/'s.
 */
import type { ArtifactStore } from '../../drivers/store/store';
import { compareArms, linesOf } from '../../method/comparisons';
import { evaluatePredictions, macroAverage, type Metrics } from '../../method/evaluate';
import { mean, sampleVariance } from '../../method/statistics';
import { transferTargets } from '../../method/transfer';
import type { EvaluationRecord, RoundRecord, StageRecord } from '../../schemas/messages';
import type { MacroMeasure, Measure, ReportArm, ReportTransfer } from '../../schemas/report';
import { predictionRowSchema, type PredictionRow } from '../../schemas/rows';
import type { RunConfig } from '../../schemas/run-config';
import { taskRecordSchema } from '../../schemas/task';
import { studentOfTarget, transferLabel } from '../../schemas/transfer';
import { readRows } from '../read-rows';
import { transfersIn } from '../run-records';
import type { Manifests } from './gather';

/** The transfer, target by target in the config's order; one family of comparisons, as the arms are one. */
export async function reportTransfer(
  store: ArtifactStore,
  rounds: readonly RoundRecord[],
  manifests: Manifests,
  config: RunConfig,
): Promise<ReportTransfer[]> {
  const made = transfersIn(rounds.flatMap(({ stages }) => stages));
  const evaluations = transferTargets(config).flatMap((target) => made.filter(({ to }) => to === target));
  const lines = await reportLines(store, evaluations, rounds, manifests);
  return lines.flatMap(({ to, ...line }) => {
    if (to === undefined) return [];
    const model = config.transfer.students[studentOfTarget(to) ?? -1]?.source;
    return [{ ...line, to, ...(model !== undefined && { model }) }];
  });
}

/** The lines of evaluations, with their comparisons. */
export async function reportLines(
  store: ArtifactStore,
  evaluations: readonly EvaluationRecord[],
  rounds: readonly RoundRecord[],
  manifests: Manifests,
): Promise<(ReportArm & Pick<EvaluationRecord, 'to'>)[]> {
  const stages = rounds.flatMap((round) => round.stages);
  const categories = await categoriesOf(store, stages, manifests);
  const evaluated: (EvaluationRecord & { predictions: PredictionRow[] })[] = [];
  for (const evaluation of evaluations) {
    const ref = manifests.get(evaluation.key)?.outputs['predictions'];
    if (ref) evaluated.push({ ...evaluation, predictions: await readRows(store, ref, predictionRowSchema) });
  }
  const lines = linesOf(evaluated);
  const comparisons = compareArms(lines);
  return lines.map(({ arm, round, shots, to, key, predictions, students, byStudent }, at) => {
    const trainedAs = to === undefined ? arm : transferLabel(to, arm);
    const { overall, byTask, byCategory } = evaluatePredictions(predictions, categories, students);
    const accuracies = byStudent.map((own) => mean(own.map(({ correct }) => Number(correct))));
    const trained = stages.find(
      (stage) => stage.stage === 'train-sft' && stage.arm === trainedAs && stage.round === round,
    );
    const facts = manifests.get(trained?.key ?? '')?.facts;
    return {
      name: arm,
      ...(to !== undefined && { to }),
      round,
      shots,
      stageKey: key,
      ...measure(overall),
      tagRate: overall.n === 0 ? 0 : overall.answers.tagged / overall.n,
      byTask: measures(byTask),
      byCategory: measures(byCategory),
      macro: { overTasks: macro(byTask), overCategories: macro(byCategory) },
      students: { accuracies, standardDeviation: Math.sqrt(sampleVariance(accuracies)) },
      ...(facts && { training: { examples: Number(facts['rows']), steps: Number(facts['steps']) } }),
      comparisons: comparisons[at] ?? [],
    };
  });
}

async function categoriesOf(
  store: ArtifactStore,
  stages: readonly StageRecord[],
  manifests: Manifests,
): Promise<Map<string, string>> {
  const categories = new Map<string, string>();
  // Of the run's tasks and of the unseen ones: no two of them have one name.
  for (const key of new Set(stages.filter(({ stage }) => stage === 'prepare-tasks').map((prepared) => prepared.key))) {
    const ref = manifests.get(key)?.outputs['tasks'];
    for (const { name, category } of ref ? await readRows(store, ref, taskRecordSchema) : [])
      categories.set(name, category);
  }
  return categories;
}

function measures(groups: Metrics['byTask']): Record<string, Measure> {
  return Object.fromEntries(Object.entries(groups).map(([name, values]) => [name, measure(values)]));
}

function macro(groups: Metrics['byTask']): MacroMeasure {
  return { groups: Object.keys(groups).length, ...macroAverage(Object.values(groups)) };
}

function measure(values: Metrics['overall']): Measure {
  const { n, correct, accuracy, stderr, low, high, answers } = values;
  return { n, correct, accuracy, stderr, low, high, answers };
}
