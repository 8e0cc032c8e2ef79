/**
 * report: the run's own account, from the rounds' records, the stages' manifests and the predictions. Written new each time (it holds what this
 * run reused), and honest: every accuracy has its interval, every comparison is paired on the same items, a gain within noise is called that.
 */
import type { ArtifactStore } from '../drivers/store/store';
import { armTitle } from '../method/arm-titles';
import { costOf, costOfLostCalls, hasPrices, ledgerTotals, priceOf } from '../method/ledger';
import { compareArms, linesOf } from '../method/comparisons';
import { evaluatePredictions, macroAverage, type Metrics } from '../method/evaluate';
import type { NextRound } from '../method/gates';
import type { RowHygiene } from '../method/row-hygiene';
import { itemsForReliability, reliabilityUsual, type ScoreQuality } from '../method/score';
import { moreShotsNote } from '../method/shots';
import { mean, sampleVariance } from '../method/statistics';
import { transferTargets } from '../method/transfer';
import type { ArmName } from '../schemas/arms';
import { ArteError } from '../schemas/errors';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import { rowsCutShareTold } from '../schemas/limits';
import { noUsage, type StageManifest } from '../schemas/manifest';
import type { EvaluationRecord, ReportInput, RoundRecord, RunRecord, StageRecord } from '../schemas/messages';
import type { KeptPlan } from '../schemas/plan';
import { predictionRowSchema, type PredictionRow } from '../schemas/rows';
import {
  reportVersion,
  type MacroMeasure,
  type Measure,
  type ReportArm,
  type ReportPlanned,
  type ReportRound,
  type ReportStage,
  type ReportTransfer,
  type RunReport,
} from '../schemas/report';
import type { RunAction } from '../schemas/run-action';
import type { RunConfig } from '../schemas/run-config';
import { signalsOf } from '../schemas/signals';
import { stageLabel } from '../schemas/stage-names';
import { taskRecordSchema } from '../schemas/task';
import { readTransferLabel, studentOfTarget, transferLabel } from '../schemas/transfer';
import { formatMoney, readLedger } from './budget';
import { openBundle } from './bundle';
import type { UnseenFacts } from './check-unseen';
import { asIfGone } from './damaged';
import type { RacingFacts } from './score-drafts';
import { noticeWarnings, readNotices } from './notices';
import { readRows } from './read-rows';
import { readActions } from './run-actions';
import { readEarlier, readRounds, runKeys, transfersIn } from './run-records';
import { finishedStage } from './stage';

/** Trainings that a note names: more are counted. */
const trainingsNamedMax = 4;
/** A difference below this is one of rounding. */
const smallestMoney = 1e-6;

/** Make and store the report; it replaces an earlier one of the same run. */
export async function writeReport(store: ArtifactStore, input: ReportInput): Promise<ArtifactRef> {
  const { config } = await openBundle(store, input.bundle);
  const rounds = await readRounds(store, input.runId, input.rounds);
  const setAside = await readEarlier(store, input.runId);
  const manifests = await readManifests(store, [...rounds.flatMap((round) => round.stages), ...setAside]);
  const actions = await readActions(store, input.runId);
  // A cancelled run must end, with what there is.
  if (input.status === 'DONE') refuseGaps(rounds, manifests);
  const kept = (await asIfGone(store, runKeys.plan(input.runId))) as unknown as KeptPlan | undefined;
  const plannedOf = plannedStages(kept);
  const stages = rounds.flatMap((round) =>
    round.stages.map((record) => {
      const planned = plannedOf.get(placeOf(record.round, record.stage, record.arm));
      return { ...reportStage(input.runId, record, manifests.get(record.key), config), ...(planned && { planned }) };
    }),
  );
  const earlier = setAside.map((record) => reportStage(input.runId, record, manifests.get(record.key), config));
  const arms = await reportLines(store, rounds.at(-1)?.evaluations ?? [], rounds, manifests);
  const transfer = await reportTransfer(store, rounds, manifests, config);
  const { spent } = ledgerTotals(await readLedger(store, input.runId, config));
  const totals = { ...totalsOf([...stages, ...earlier], config), spent };
  const report: RunReport = {
    schemaVersion: reportVersion,
    runId: input.runId,
    name: config.name,
    status: input.status,
    rounds: rounds.flatMap((round) => reportRound(round, manifests)),
    ...bestRoundOf(rounds),
    arms,
    ...(transfer.length > 0 && { transfer }),
    stages,
    totals,
    ...wallOf(await runStart(store, input.runId), actions, Date.now()),
    leaksKept: config.hygiene.contamination.action === 'keep',
    answersGiven: { drafts: config.rationales.answer === 'given', tailored: config.tailor.answer === 'given' },
    ...(kept && { planned: { madeAt: kept.madeAt, left: kept.plan.prices.left } }),
    notes: [
      ...earlierNotes(earlier, config),
      ...lossNotes(stages, config),
      ...estimateNotes(stages),
      ...paymentNotes(input.runId, stages, totals, config),
      ...notesOf(config, stages, arms, rounds),
      ...noticeWarnings(await readNotices(store, input.runId)),
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

/** When the run was started first, as its record says. */
async function runStart(store: ArtifactStore, runId: string): Promise<string | undefined> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  return record?.createdAt;
}

/** The run's time by the clock, and what of it passed between orders to pause and to go on. */
export function wallOf(
  startedAt: string | undefined,
  actions: readonly Pick<RunAction, 'action' | 'at'>[],
  endMs: number,
): Pick<RunReport, 'wall'> {
  if (startedAt === undefined) return {};
  let paused = 0;
  let since: number | undefined;
  for (const { action, at } of actions) {
    if (action === 'pause') since ??= Date.parse(at);
    else if (since !== undefined && goesOn.has(action)) {
      paused += Date.parse(at) - since;
      since = undefined;
    }
  }
  const seconds = Math.max(0, endMs - Date.parse(startedAt)) / 1000;
  return { wall: { startedAt, seconds, pausedSeconds: paused / 1000 } };
}

/** Orders after which a paused run works, or ends. */
const goesOn: ReadonlySet<RunAction['action']> = new Set(['start', 'restart', 'resume', 'retry', 'cancel']);

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

async function readManifests(
  store: ArtifactStore,
  records: readonly StageRecord[],
): Promise<Map<string, StageManifest>> {
  const manifests = new Map<string, StageManifest>();
  for (const { key } of records) {
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

function reportStage(
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

/** By the last decision that was made. */
function bestRoundOf(rounds: readonly RoundRecord[]): { bestRound?: number } {
  const best = rounds.map(({ decision }) => decision['bestRound']).findLast((round) => typeof round === 'number');
  return best === undefined ? {} : { bestRound: best };
}

/** The transfer, target by target in the config's order; one family of comparisons, as the arms are one. */
async function reportTransfer(
  store: ArtifactStore,
  rounds: readonly RoundRecord[],
  manifests: ReadonlyMap<string, StageManifest>,
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
async function reportLines(
  store: ArtifactStore,
  evaluations: readonly EvaluationRecord[],
  rounds: readonly RoundRecord[],
  manifests: ReadonlyMap<string, StageManifest>,
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
  manifests: ReadonlyMap<string, StageManifest>,
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

function totalsOf(stages: readonly ReportStage[], config: RunConfig): Omit<RunReport['totals'], 'spent'> {
  const made = stages.filter((stage) => !stage.reused);
  const sum = (of: (stage: ReportStage) => number): number => made.reduce((total, stage) => total + of(stage), 0);
  return {
    calls: sum((stage) => stage.calls),
    inputTokens: sum((stage) => stage.inputTokens),
    cachedInputTokens: sum((stage) => stage.cachedInputTokens),
    outputTokens: sum((stage) => stage.outputTokens),
    lostCalls: sum((stage) => stage.lostCalls),
    lostInputTokens: sum((stage) => stage.lostInputTokens),
    lostOutputTokens: sum((stage) => stage.lostOutputTokens ?? 0),
    estimatedCalls: sum((stage) => stage.estimatedCalls ?? 0),
    seconds: sum((stage) => stage.seconds),
    cost: sum((stage) => stage.cost),
    currency: config.platform.currency,
  };
}

/** Who paid for what, where it was not this run for everything; and why its ledger has more than the table, where it has. */
function paymentNotes(
  runId: string,
  stages: readonly ReportStage[],
  { cost, spent, currency }: RunReport['totals'],
  config: RunConfig,
): string[] {
  const notes: string[] = [];
  const priced = hasPrices(config);
  const others = new Map<string, { calls: number; cost: number; stages: Set<string> }>();
  // Two arms may have come to the very same stage.
  const once = new Map(stages.map((stage) => [stage.key, stage]));
  for (const { name, paidByOthers } of once.values())
    for (const paid of paidByOthers) {
      const sum = others.get(paid.runId) ?? { calls: 0, cost: 0, stages: new Set<string>() };
      others.set(paid.runId, {
        calls: sum.calls + paid.calls,
        cost: sum.cost + paid.cost,
        stages: sum.stages.add(name),
      });
    }
  for (const [other, sum] of others)
    notes.push(
      `${sum.calls} calls${priced ? ` (${formatMoney(sum.cost)} ${currency} at this run's prices)` : ''} of ${[...sum.stages].join(', ')} were paid for by the run ${other}: they are used here and in no total.`,
    );
  const beside = spent - cost;
  if (priced && Math.abs(beside) >= smallestMoney)
    notes.push(
      `The ledger of this run (arte budget show ${runId}) has ${formatMoney(spent)} ${currency} as spent, ${formatMoney(Math.abs(beside))} ${beside > 0 ? 'more' : 'less'} than the table: ${
        beside > 0
          ? 'calls that were lost on their way, taken at their most, and work that was broken off or had to be made again.'
          : 'it does not hold what was paid before it was kept.'
      }`,
    );
  return notes;
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

/** What kills and broken answers may have cost beside the account: honest figures are upper ones. */
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
    `${sum((stage) => stage.lostCalls)} calls were in flight when a worker was killed, or ended without a usable answer after the server had worked, and were asked again. They are not in this account; if their endpoint charged for them, that is at most ${sum((stage) => stage.lostInputTokens)} input and ${sum((stage) => stage.lostOutputTokens ?? 0)} output tokens${money}. The budget counts them at that.`,
  ];
}

/** Which figures of the account no server has counted. */
function estimateNotes(stages: readonly ReportStage[]): string[] {
  const made = stages.filter(({ reused, estimatedCalls = 0 }) => !reused && estimatedCalls > 0);
  if (made.length === 0) return [];
  const sum = (of: (stage: ReportStage) => number): number => made.reduce((total, stage) => total + of(stage), 0);
  const names = [...new Set(made.map(({ name, arm }) => stageLabel(name, arm)))];
  return [
    `${sum(({ estimatedCalls = 0 }) => estimatedCalls)} of ${sum(({ calls }) => calls)} answers of ${names.join(', ')} came without usable token counts. What is missing of theirs is estimated from the texts, on the high side (a token for every 3 bytes, an answer at most max_tokens), and so is its cost.`,
  ];
}

function notesOf(
  config: RunConfig,
  stages: readonly ReportStage[],
  arms: readonly ReportArm[],
  rounds: readonly RoundRecord[],
): string[] {
  const notes: string[] = [];
  const asked = signalsOf(config.score);
  if (asked.includes('icl_accuracy')) notes.push(...scoreNotes(config, stages));
  for (const stage of stages) {
    const short = stage.facts['short'];
    if (Array.isArray(short) && short.length > 0)
      notes.push(
        `${stage.name} (round ${stage.round}${stage.arm === '' ? '' : `, ${stage.arm}`}) came short: ${short.join('; ')}.`,
      );
  }
  if (config.score.signal !== 'icl_accuracy')
    notes.push(
      `Drafts were scored by ${config.score.signal}${asked.length > 1 ? ` (${asked.join(', ')}, by rank)` : ''}, not by the paper's icl_accuracy; docs/signals.md says what it is.`,
    );
  for (const stage of stages) {
    const note = racingNote(stage);
    if (note !== undefined) notes.push(note);
  }
  notes.push(...qualityNotes(stages), ...roundNotes(rounds, config));
  for (const [role, model] of Object.entries(config.models)) {
    if (model.source.startsWith('hosted:'))
      notes.push(`The ${role} is hosted: its identity is what its provider declares, not its content.`);
  }
  if (config.align.method === 'none')
    notes.push(
      "The teacher was not trained (align.method: none): the student's choice of drafts stands in the place of an aligned teacher's data: of the unaligned teacher's drafts those of the questions with the highest s_q under each task's best technique. What DPO adds is left out: preferences about questions do not reach what the teacher writes, no new questions are written, and no further round can build on this one.",
    );
  notes.push(...sizeNotes(arms, stages));
  const shotsNote = moreShotsNote(arms, bestRoundOf(rounds).bestRound, (arm) => armTitle(arm, { stages }));
  if (shotsNote !== undefined) notes.push(shotsNote);
  notes.push(...lengthNotes(stages), ...leakNotes(stages, config), ...unseenNotes(stages));
  if (config.sft.seeds > 1)
    notes.push(
      `Accuracies are means over ${config.sft.seeds} students from seeds of their own. Intervals and p values are about the items, for these students; how far students of one arm lie apart is the standard deviation beside them.`,
    );
  const aligned = arms.filter((arm) => arm.name === 'arte');
  const gains = aligned.flatMap((arm) =>
    arm.comparisons.filter((comparison) => comparison.against === 'original_teacher' && comparison.verdict === 'gain'),
  );
  const theirs = `the ${armTitle({ name: 'arte' }, { stages }).replace(/^the /, '')}`;
  if (aligned.length > 0 && gains.length === 0)
    notes.push(
      `The student trained on ${theirs} does not beat the unaligned teacher's student beyond noise: nothing may be claimed for ${config.align.method === 'none' ? 'the choice of drafts' : 'the alignment'} here.`,
    );
  return notes;
}

/** How fine a draft's score is. A race asks every draft other items, so its scores have no step. */
function scoreNotes(config: RunConfig, stages: readonly ReportStage[]): string[] {
  if (config.score.mode === 'racing') {
    const quality = stages.findLast(({ name }) => name === 'score-drafts')?.facts['quality'];
    const { meanStderr } = (quality ?? {}) as { meanStderr?: number };
    if (meanStderr === undefined) return [];
    return [
      `A draft's score has a standard error of ${(100 * meanStderr).toFixed(1)} points on average; a race asks each draft as many probe items as it takes.`,
    ];
  }
  const chosen = stages.find(({ name }) => name === 'select-probes')?.facts['tasks'] ?? {};
  const counts = Object.values(chosen as Record<string, { probes?: number }>).flatMap(({ probes }) => probes ?? []);
  if (config.probe.method === 'full' || counts.length === 0) return [];
  const fewest = Math.min(...counts);
  const [step, error] = [100 / fewest, 100 * Math.sqrt(0.25 / fewest)];
  return [
    `One step of a draft's score is ${step.toFixed(1)} points and its standard error up to ${error.toFixed(1)}, with ${fewest} probe items${counts.some((count) => count !== fewest) ? ' (of the task that has the fewest)' : ''}.`,
  ];
}

/** Sets of other sizes: as many steps, but not as many examples. */
function sizeNotes(arms: readonly ReportArm[], stages: readonly ReportStage[]): string[] {
  const trained = arms.flatMap(({ name, round, training }) =>
    training ? [{ name, round, n: training.examples }] : [],
  );
  const sizes = [...new Set(trained.map(({ n }) => n))].sort((one, other) => one - other);
  if (sizes.length < 2) return [];
  const several = new Set(trained.map(({ round }) => round)).size > 1;
  const said = sizes.map((size) => {
    const own = trained
      .filter(({ n }) => n === size)
      .map(({ name, round }) => `${armTitle({ name }, { stages })}${several ? ` of round ${round}` : ''}`);
    return `${size} (${[...new Set(own)].join('; ')})`;
  });
  return [
    `Examples that could not be used were left out, so the students were trained on ${said.join(', ')} examples. Steps and seed are the same, so a smaller set was seen more often: between arms of other sizes a difference is one of size, too. tailor.spare asks for questions that take the place of unusable ones.`,
  ];
}

/** Examples that were longer than max_length: trained on without their end, or not at all. A sentence a section of the config. */
function lengthNotes(stages: readonly ReportStage[]): string[] {
  const sections = { 'train-dpo': 'align', 'train-sft': 'sft', 'warm-up': 'warm_up' } as const;
  return Object.entries(sections).flatMap(([training, section]) => {
    // The students of an arm are trained on one set: once is enough.
    const said = new Set(
      stages.flatMap(({ name, round, arm, facts }) => {
        const { rows_cut: cut = 0, rows_dropped: dropped = 0 } = (facts['metrics'] ?? {}) as Record<string, number>;
        const rows = Number(facts['rows'] ?? 0);
        if (name !== training || (dropped === 0 && cut <= rowsCutShareTold * rows)) return [];
        const parts = [
          ...(cut > 0 ? [`${cut} of ${rows} rows cut`] : []),
          ...(dropped > 0 ? [`${dropped} left out`] : []),
        ];
        return [`${stageLabel(name, arm.replace(/-seed\d+$/, ''))} (round ${round}) ${parts.join(' and ')}`];
      }),
    );
    if (said.size === 0) return [];
    const shown = [...said].slice(0, trainingsNamedMax).join(', ');
    return [
      `Rows longer than ${section}.max_length: ${shown}${said.size > trainingsNamedMax ? `, and ${said.size - trainingsNamedMax} trainings more` : ''}. What is cut ends without its answer; what is left out has a prompt that alone is as long. Raise ${section}.max_length.`,
    ];
  });
}

/** Test items in what students were trained on: where they are kept, no accuracy means what it says. */
function leakNotes(stages: readonly ReportStage[], config: RunConfig): string[] {
  if (config.hygiene.contamination.action !== 'keep') return [];
  return stages.flatMap(({ name, round, arm, facts }) => {
    const leaked = (facts['hygiene'] as unknown as RowHygiene | undefined)?.contaminatedTest ?? 0;
    if (leaked === 0 || (name !== 'tailor-rationales' && name !== 'select-drafts')) return [];
    const transferred = readTransferLabel(arm);
    const title = armTitle({ name: (transferred?.arm ?? arm) as ArmName }, { stages });
    return [
      `${leaked} examples of ${title}${transferred ? ', unseen tasks' : ''} (round ${round}) repeat test items and were kept (hygiene.contamination.action: keep): its accuracy may be told, not learnt.`,
    ];
  });
}

/** Unseen tasks that the alignment has seen after all. */
function unseenNotes(stages: readonly ReportStage[]): string[] {
  return stages.flatMap(({ name, facts }) => {
    const { drafts, contaminatedTest, contaminatedProbe } = facts as UnseenFacts;
    if (name !== 'check-unseen' || contaminatedTest + contaminatedProbe === 0) return [];
    return [
      `Of the ${drafts} drafts that the teacher was aligned by, ${contaminatedTest} repeat test items and ${contaminatedProbe} validation items of the unseen tasks: what it carries over to them may be told, not learnt.`,
    ];
  });
}

/** How far scores and pairs can be trusted, where that is not far. */
function qualityNotes(stages: readonly ReportStage[]): string[] {
  return stages.flatMap(({ name, round, facts }): string[] => {
    const percent = (share: number): string => `${Math.round(100 * share)} %`;
    if (name === 'score-drafts') {
      const quality = facts['quality'] as ScoreQuality | undefined;
      const reliability = quality?.reliability;
      if (!quality || typeof reliability !== 'number' || reliability >= reliabilityUsual) return [];
      const items = quality.cells / Math.max(1, quality.drafts);
      const needed = itemsForReliability(items, reliability, reliabilityUsual);
      const would = needed === undefined ? 'no number of items would bring it' : `${needed} items would bring it`;
      return [
        `The scores of round ${round} have a split-half reliability of ${reliability.toFixed(2)} with ${Math.round(items)} probe items; by Spearman and Brown ${would} to ${reliabilityUsual}.`,
      ];
    }
    const correctness = facts['correctness'] as { chosen: number | null; rejected: number | null } | undefined;
    if (name === 'build-pairs' && typeof correctness?.chosen === 'number' && typeof correctness.rejected === 'number') {
      if (correctness.chosen >= correctness.rejected) return [];
      return [
        `Of the rationale pairs of round ${round}, ${percent(correctness.chosen)} of the chosen and ${percent(correctness.rejected)} of the rejected conclude what the question's target says: DPO prefers wrong rationales more often than right ones.`,
      ];
    }
    return [];
  });
}

/** What the rounds decided, and what choosing among them does to the figures. */
function roundNotes(rounds: readonly RoundRecord[], config: RunConfig): string[] {
  const decided = rounds.filter(({ decision }) => typeof decision['bestRound'] === 'number');
  const last = decided.at(-1);
  if (!last) return [];
  const best = Number(last.decision['bestRound']);
  const next = last.decision['next'] as unknown as NextRound | undefined;
  const failures = decided.flatMap(({ round, decision }) => {
    const gates = decision['gates'] as { readonly sentences?: readonly string[] } | undefined;
    return (gates?.sentences ?? []).map((sentence) => `Round ${round}: ${sentence}`);
  });
  return [
    ...failures,
    ...(best === 0
      ? [
          'No round was accepted: nothing that was trained here may be used for the result of the run.',
          ...(transferTargets(config).length > 0
            ? ['No round was accepted, so nothing was carried over (transfer).']
            : []),
        ]
      : []),
    ...(decided.length > 1 && best > 0
      ? [
          `The result of the run is round ${best} of ${decided.length}, chosen by its accuracy on the test items: the more rounds there are to choose from, the more that figure flatters it.`,
        ]
      : []),
    ...(next?.stop && last.round < config.rounds.count
      ? [`The run stopped after round ${last.round} of ${config.rounds.count}: ${next.why}`]
      : []),
  ];
}

/** What racing saved, from the facts of the score-drafts stage. */
function racingNote({ name, round, facts }: ReportStage): string | undefined {
  const racing = facts['racing'] as RacingFacts | undefined;
  if (racing === undefined) return undefined;
  const saved = racing.exhaustive - racing.asked;
  const { best = 0, worst = 0, between = 0, unpaired = 0, whole = 0, racing: open = 0 } = racing.places;
  return `${name} (round ${round}) raced: ${racing.asked} of ${racing.exhaustive} calls, ${saved} saved (${Math.round((100 * saved) / Math.max(1, racing.exhaustive))} %). Decided early: ${best} drafts best of their question, ${worst} worst, ${between} in between, ${unpaired} without a pair to be in; ${whole} answered every item, ${open} were open after the last wave.`;
}
