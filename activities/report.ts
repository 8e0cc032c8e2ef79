/**
 * report: the run's own account, from the rounds' records, the stages' manifests and the predictions. Written new each time (it holds what this
 * run reused), and honest: every accuracy has its interval, every comparison is paired on the same items, a gain within noise is called that.
 */
import type { ArtifactStore } from '../drivers/store/store';
import { costOf, costOfLostCalls, priceOf } from '../method/ledger';
import { compareArms, type EvaluatedArm } from '../method/comparisons';
import { evaluatePredictions, macroAverage, type Metrics } from '../method/evaluate';
import { mean, sampleVariance } from '../method/statistics';
import { ArteError } from '../schemas/errors';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import { noUsage, type StageManifest } from '../schemas/manifest';
import type { ReportInput, RoundRecord, StageRecord } from '../schemas/messages';
import { predictionRowSchema, type PredictionRow } from '../schemas/rows';
import type { MacroMeasure, Measure, ReportArm, ReportRound, ReportStage, RunReport } from '../schemas/report';
import type { RunConfig } from '../schemas/run-config';
import { stageLabel } from '../schemas/stage-names';
import { taskRecordSchema } from '../schemas/task';
import { openBundle } from './bundle';
import type { RacingFacts } from './score-drafts';
import { readRows } from './read-rows';
import { readActions } from './run-actions';
import { readRounds, runKeys } from './run-records';
import { finishedStage } from './stage';

/** Make and store the report; it replaces an earlier one of the same run. */
export async function writeReport(store: ArtifactStore, input: ReportInput): Promise<ArtifactRef> {
  const { config } = await openBundle(store, input.bundle);
  const rounds = await readRounds(store, input.runId, input.rounds);
  const manifests = await readManifests(store, rounds);
  const actions = await readActions(store, input.runId);
  // A cancelled run must end, with what there is.
  if (input.status === 'DONE') refuseGaps(rounds, manifests);
  const stages = rounds.flatMap((round) =>
    round.stages.map((record) => reportStage(record, manifests.get(record.key), config)),
  );
  const earlier = rounds.flatMap((round) =>
    (round.earlier ?? []).map((record) => reportStage(record, manifests.get(record.key), config)),
  );
  const arms = await reportArms(store, rounds, manifests);
  const report: RunReport = {
    schemaVersion: 1,
    runId: input.runId,
    name: config.name,
    status: input.status,
    rounds: rounds.flatMap((round) => reportRound(round, manifests)),
    arms,
    stages,
    totals: totalsOf([...stages, ...earlier], config),
    notes: [
      ...earlierNotes(earlier, config),
      ...lossNotes(stages, config),
      ...notesOf(config, stages, arms),
      ...(input.status === 'CANCELLED'
        ? [
            'Calls of stages that were broken off are not in this account; their answers are kept for when the run goes on.',
          ]
        : []),
    ],
    ...(actions.length > 0 ? { actions } : {}),
    writtenAt: new Date().toISOString(),
  };
  const text = JSON.stringify(report);
  await store.putDocument(runKeys.report(input.runId), report as unknown as JsonValue);
  return store.putBlob(text, { mediaType: 'application/json', rows: 1 });
}

async function readManifests(
  store: ArtifactStore,
  rounds: readonly RoundRecord[],
): Promise<Map<string, StageManifest>> {
  const manifests = new Map<string, StageManifest>();
  for (const { key } of rounds.flatMap((round) => [...round.stages, ...(round.earlier ?? [])])) {
    const manifest = manifests.has(key) ? undefined : await finishedStage(store, key);
    if (manifest) manifests.set(key, manifest);
  }
  return manifests;
}

/** A stage that has gone from the store would be a silent zero in the tables. */
function refuseGaps(rounds: readonly RoundRecord[], manifests: ReadonlyMap<string, StageManifest>): void {
  const gone = rounds.flatMap(({ stages }) => stages).filter(({ key }) => !manifests.has(key));
  const [first] = gone;
  if (!first) return;
  throw new ArteError('BlobMissing', {
    what: `The report cannot be written: what ${first.stage}${first.arm === '' ? '' : ` of ${first.arm}`} made in round ${first.round} has gone from the store${gone.length > 1 ? `, and of ${gone.length - 1} further stages` : ''}.`,
    why: 'Its manifest or one of its artifacts was removed or damaged after the stage had finished.',
    next: 'The last round is made whole by itself. For an earlier one start the run under another id: what is still there is reused.',
  });
}

function reportStage(record: StageRecord, manifest: StageManifest | undefined, config: RunConfig): ReportStage {
  // What this run paid; for a stage from the store, what it took whoever made it.
  const usage = record.reused ? (manifest?.usage ?? noUsage) : record.usage;
  const trainingSeconds = Number(manifest?.facts['trainingSeconds'] ?? 0);
  return {
    name: record.stage,
    round: record.round,
    arm: record.arm,
    key: record.key,
    ...noUsage,
    ...usage,
    seconds: manifest?.seconds ?? record.seconds,
    reused: record.reused,
    cost: costOf(record, usage, trainingSeconds, config),
    outcomes: { ...(manifest?.counts ?? {}) },
    facts: manifest?.facts ?? {},
  };
}

/** Nothing for a round that was broken off: it has stages but made no teacher and no student. */
function reportRound(round: RoundRecord, manifests: ReadonlyMap<string, StageManifest>): readonly ReportRound[] {
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

async function reportArms(
  store: ArtifactStore,
  rounds: readonly RoundRecord[],
  manifests: ReadonlyMap<string, StageManifest>,
): Promise<ReportArm[]> {
  const stages = rounds.flatMap((round) => round.stages);
  const categories = await categoriesOf(store, stages, manifests);
  const evaluated = new Map<string, EvaluatedLine>();
  for (const { arm, round, shots, key } of rounds.at(-1)?.evaluations ?? []) {
    const ref = manifests.get(key)?.outputs['predictions'];
    if (!ref) continue;
    const own = await readRows(store, ref, predictionRowSchema);
    const line = [arm, round, shots].join('/');
    const before = evaluated.get(line);
    const byStudent = [...(before?.byStudent ?? []), own];
    const pooled = { predictions: byStudent.flat(), students: byStudent.length, byStudent };
    evaluated.set(line, { ...(before ?? { arm, round, shots, key }), ...pooled });
  }
  const lines = [...evaluated.values()];
  const comparisons = compareArms(lines);
  return lines.map(({ arm, round, shots, key, predictions, students, byStudent }, at) => {
    const { overall, byTask, byCategory } = evaluatePredictions(predictions, categories, students);
    const accuracies = byStudent.map((own) => mean(own.map(({ correct }) => Number(correct))));
    const trained = stages.find((stage) => stage.stage === 'train-sft' && stage.arm === arm && stage.round === round);
    const facts = manifests.get(trained?.key ?? '')?.facts;
    return {
      name: arm,
      round,
      shots,
      stageKey: key,
      ...measure(overall),
      byTask: measures(byTask),
      byCategory: measures(byCategory),
      macro: { overTasks: macro(byTask), overCategories: macro(byCategory) },
      students: { accuracies, standardDeviation: Math.sqrt(sampleVariance(accuracies)) },
      ...(facts && { training: { examples: Number(facts['rows']), steps: Number(facts['steps']) } }),
      comparisons: comparisons[at] ?? [],
    };
  });
}

/** A line of the table, with the answers of each of its students. */
interface EvaluatedLine extends EvaluatedArm {
  readonly predictions: readonly PredictionRow[];
  readonly byStudent: readonly (readonly PredictionRow[])[];
}

async function categoriesOf(
  store: ArtifactStore,
  stages: readonly StageRecord[],
  manifests: ReadonlyMap<string, StageManifest>,
): Promise<Map<string, string>> {
  const prepared = stages.find(({ stage }) => stage === 'prepare-tasks');
  const ref = manifests.get(prepared?.key ?? '')?.outputs['tasks'];
  const tasks = ref ? await readRows(store, ref, taskRecordSchema) : [];
  return new Map(tasks.map(({ name, category }) => [name, category]));
}

function measures(groups: Metrics['byTask']): Record<string, Measure> {
  return Object.fromEntries(Object.entries(groups).map(([name, values]) => [name, measure(values)]));
}

function macro(groups: Metrics['byTask']): MacroMeasure {
  return { groups: Object.keys(groups).length, ...macroAverage(Object.values(groups)) };
}

function measure(values: Metrics['overall']): Measure {
  const { n, correct, accuracy, stderr, low, high, tagRate, parseFailures } = values;
  return { n, correct, accuracy, stderr, low, high, tagRate, parseFailures };
}

function totalsOf(stages: readonly ReportStage[], config: RunConfig): RunReport['totals'] {
  const made = stages.filter((stage) => !stage.reused);
  const sum = (of: (stage: ReportStage) => number): number => made.reduce((total, stage) => total + of(stage), 0);
  return {
    calls: sum((stage) => stage.calls),
    inputTokens: sum((stage) => stage.inputTokens),
    cachedInputTokens: sum((stage) => stage.cachedInputTokens),
    outputTokens: sum((stage) => stage.outputTokens),
    lostCalls: sum((stage) => stage.lostCalls),
    lostInputTokens: sum((stage) => stage.lostInputTokens),
    seconds: sum((stage) => stage.seconds),
    cost: sum((stage) => stage.cost),
    currency: config.platform.currency,
  };
}

/** What was made before `arte retry --set` is in no table, but it was paid for. */
function earlierNotes(earlier: readonly ReportStage[], config: RunConfig): string[] {
  if (earlier.length === 0) return [];
  const { calls, cost, currency } = totalsOf(earlier, config);
  const money = cost > 0 ? `, ${cost.toFixed(2)} ${currency}` : '';
  return [
    `The config was changed while the run was under way. The account holds what was made before under the old one and then made again: ${earlier.map(({ name, round }) => `${name} of round ${round}`).join(', ')} (${calls} calls${money}).`,
  ];
}

/** What kills may have cost beside the account: honest figures are upper ones. */
function lossNotes(stages: readonly ReportStage[], config: RunConfig): string[] {
  const lost = stages.filter((stage) => !stage.reused && stage.lostCalls > 0);
  if (lost.length === 0) return [];
  const sum = (of: (stage: ReportStage) => number): number => lost.reduce((total, stage) => total + of(stage), 0);
  const cost = sum((stage) => {
    const price = priceOf(config, stage.name, stage.arm);
    return price ? costOfLostCalls(stage, price) : 0;
  });
  const money = cost > 0 ? `, ${cost.toFixed(2)} ${config.platform.currency}` : '';
  return [
    `${sum((stage) => stage.lostCalls)} calls were in flight when a worker was killed, and were asked again. They are not in this account; if their endpoint charged for them, that is at most ${sum((stage) => stage.lostInputTokens)} input tokens${money}, and what it had begun to answer.`,
  ];
}

function notesOf(config: RunConfig, stages: readonly ReportStage[], arms: readonly ReportArm[]): string[] {
  const notes: string[] = [];
  if (config.probe.method !== 'full') {
    const step = 100 / config.probe.size;
    const error = 100 * Math.sqrt(0.25 / config.probe.size);
    notes.push(
      `One step of a draft's score is ${step.toFixed(1)} points and its standard error up to ${error.toFixed(1)}, with ${config.probe.size} probe items.`,
    );
  }
  for (const stage of stages) {
    const short = stage.facts['short'];
    if (Array.isArray(short) && short.length > 0)
      notes.push(
        `${stage.name} (round ${stage.round}${stage.arm === '' ? '' : `, ${stage.arm}`}) came short: ${short.join('; ')}.`,
      );
  }
  for (const stage of stages) {
    const note = racingNote(stage);
    if (note !== undefined) notes.push(note);
  }
  for (const [role, model] of Object.entries(config.models)) {
    if (model.source.startsWith('hosted:'))
      notes.push(`The ${role} is hosted: its identity is what its provider declares, not its content.`);
  }
  if (config.align.method === 'none')
    notes.push(
      "The teacher was not trained (align.method: none): the set under arte is chosen from the unaligned teacher's drafts, the questions with the highest s_q under each task's best technique. What DPO adds is left out: preferences about questions do not reach what the teacher writes, no new questions are written, and no further round can build on this one.",
    );
  const sizes = new Set(arms.flatMap(({ training }) => (training ? [training.examples] : [])));
  if (sizes.size > 1)
    notes.push(
      `Examples were dropped, so the students were trained on sets of ${[...sizes].sort((one, other) => one - other).join(', ')}; steps and seed are the same.`,
    );
  if (config.sft.seeds > 1)
    notes.push(
      `Accuracies are means over ${config.sft.seeds} students from seeds of their own. Intervals and p values are about the items, for these students; how far students of one arm lie apart is the standard deviation beside them.`,
    );
  const aligned = arms.filter((arm) => arm.name === 'arte');
  const gains = aligned.flatMap((arm) =>
    arm.comparisons.filter((comparison) => comparison.against === 'original_teacher' && comparison.verdict === 'gain'),
  );
  if (aligned.length > 0 && gains.length === 0)
    notes.push(
      `The student under arte does not beat the unaligned teacher's beyond noise: nothing may be claimed for ${config.align.method === 'none' ? 'the choice of drafts' : 'the alignment'} here.`,
    );
  return notes;
}

/** What racing saved, from the facts of the score-drafts stage. */
function racingNote({ name, round, facts }: ReportStage): string | undefined {
  const racing = facts['racing'] as RacingFacts | undefined;
  if (racing === undefined) return undefined;
  const saved = racing.exhaustive - racing.asked;
  const { best = 0, worst = 0, between = 0, unpaired = 0, whole = 0, racing: open = 0 } = racing.places;
  return `${name} (round ${round}) raced: ${racing.asked} of ${racing.exhaustive} calls, ${saved} saved (${Math.round((100 * saved) / Math.max(1, racing.exhaustive))} %). Decided early: ${best} drafts best of their question, ${worst} worst, ${between} in between, ${unpaired} without a pair to be in; ${whole} answered every item, ${open} were open after the last wave.`;
}
