/**
 * A run's report as MLflow has runs: one for the run, and one for each of its trainings below it. Pure. Owns which figure is called what there;
 * drivers/mlflow/ owns the protocol, export-mlflow.ts the way there.
 *
 * Steps of the run's metrics are rounds; those of a training are its own.
 */
import type { MlflowMetric, MlflowStatus } from '../../drivers/mlflow/tracking';
import type { GateVerdict } from '../../method/gates';
import type { ScoreQuality } from '../../method/score';
import type { JsonValue } from '../../schemas/json';
import type { RunStatus } from '../../schemas/messages';
import type { ReportArm, ReportRound, ReportStage, RunReport } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import { trainingCurveSchema } from '../../schemas/training-curve';

export interface MlflowFigures {
  readonly name: string;
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: readonly MlflowMetric[];
}

export interface MlflowTraining extends MlflowFigures {
  /** Its stage's key: what it is known by. */
  readonly key: string;
  readonly seconds: number;
}

/** How a run ended, in MLflow's words. A report is written of runs that are done or cancelled. */
export function mlflowStatus(status: RunStatus): MlflowStatus {
  if (status === 'DONE') return 'FINISHED';
  return status === 'CANCELLED' ? 'KILLED' : 'FAILED';
}

/** The run itself. `config` is undefined when its bundle has gone from the store: then there are no parameters. */
export function runFigures(report: RunReport, config: RunConfig | undefined): MlflowFigures {
  const { runId, name, status, arms, rounds, stages, totals, notes, bestRound } = report;
  const last = Math.max(0, ...rounds.map(({ round }) => round));
  const sums = {
    calls: totals.calls,
    input_tokens: totals.inputTokens,
    cached_input_tokens: totals.cachedInputTokens,
    output_tokens: totals.outputTokens,
    stage_seconds: totals.seconds,
    cost: totals.cost,
    spent: totals.spent,
  };
  return {
    name: runId,
    params: config ? flat(config as unknown as JsonValue) : {},
    tags: {
      'arte.name': name,
      'arte.status': status,
      'arte.currency': totals.currency,
      ...(bestRound === undefined ? {} : { 'arte.best_round': String(bestRound) }),
      ...Object.fromEntries(
        rounds.flatMap(({ round, decision: { decision } }) =>
          typeof decision === 'string' ? [[`arte.round_${round}`, decision] as const] : [],
        ),
      ),
      'mlflow.note.content': notes.map((note) => `* ${note}`).join('\n'),
    },
    metrics: [
      ...arms.flatMap((arm) => armMetrics(arm, arms)),
      ...stages.flatMap(scoreMetrics),
      ...rounds.flatMap(gateMetrics),
      ...metricsOf(sums, last),
    ],
  };
}

/** Its trainings, in the order of the report. */
export function trainingFigures({ stages }: Pick<RunReport, 'stages'>): MlflowTraining[] {
  return stages.flatMap((stage): MlflowTraining[] => {
    const { name, arm, round, key, facts, reused, seconds } = stage;
    const { metrics, steps } = facts;
    if (typeof steps !== 'number' || !isObject(metrics)) return [];
    const shown = ['adapter', 'steps', 'rows', 'tokens', 'device', 'dtype', 'trainingSeconds'];
    const params = shown.flatMap((fact) => (facts[fact] === undefined ? [] : [[fact, wordOf(facts[fact])] as const]));
    const last = Object.entries(metrics).flatMap(([metric, value]) =>
      typeof value === 'number' ? [{ key: `final/${metric}`, value, step: steps }] : [],
    );
    return [
      {
        key,
        seconds,
        name: `${stageLabel(name, arm)}, round ${round}`,
        params: { stage: name, ...(arm === '' ? {} : { arm }), round: String(round), ...Object.fromEntries(params) },
        tags: { 'arte.found_in_store': String(reused) },
        metrics: [...curveMetrics(facts['curve']), ...last],
      },
    ];
  });
}

function curveMetrics(kept: JsonValue | undefined): MlflowMetric[] {
  const { success, data } = trainingCurveSchema.safeParse(kept);
  if (!success) return [];
  return Object.entries(data.metrics).flatMap(([key, values]) =>
    values.flatMap((value, place) => {
      const step = data.steps[place];
      return step === undefined ? [] : [{ key, value, step }];
    }),
  );
}

/** accuracy/ARM, with the number of shots where the report has several; and by task. */
function armMetrics(arm: ReportArm, all: readonly ReportArm[]): MlflowMetric[] {
  const isOne = all.every(({ shots }) => shots === arm.shots);
  const of = `${arm.name}${isOne ? '' : `/${arm.shots}-shot`}`;
  const figures: Record<string, number> = {
    [`accuracy/${of}`]: arm.accuracy,
    [`accuracy_low/${of}`]: arm.low,
    [`accuracy_high/${of}`]: arm.high,
  };
  const tasks = Object.entries(arm.byTask);
  if (tasks.length > 1) for (const [task, { accuracy }] of tasks) figures[`accuracy_by_task/${of}/${task}`] = accuracy;
  const baseline = arm.comparisons.find(({ against }) => against === 'original_teacher');
  if (baseline) {
    figures[`difference_to_unaligned/${of}`] = baseline.difference;
    figures[`p_to_unaligned/${of}`] = baseline.p;
  }
  return metricsOf(figures, arm.round);
}

function scoreMetrics({ name, round, facts }: ReportStage): MlflowMetric[] {
  const quality = facts['quality'] as unknown as ScoreQuality | undefined;
  if (name !== 'score-drafts' || !quality) return [];
  const { reliability, tiedShare, spread } = quality;
  return metricsOf(
    {
      'scores/spread': spread,
      ...(reliability === null ? {} : { 'scores/reliability': reliability }),
      ...(tiedShare === null ? {} : { 'scores/tied_share': tiedShare }),
    },
    round,
  );
}

function gateMetrics({ round, decision }: ReportRound): MlflowMetric[] {
  const gates = decision['gates'] as unknown as { readonly verdicts?: readonly GateVerdict[] } | undefined;
  const measured = (gates?.verdicts ?? []).flatMap(({ gate, value }) =>
    value === null ? [] : [[`gates/${gate}`, value] as const],
  );
  return metricsOf(Object.fromEntries(measured), round);
}

function metricsOf(figures: Readonly<Record<string, number>>, step: number): MlflowMetric[] {
  return Object.entries(figures).flatMap(([key, value]) =>
    // Other characters are refused by the server; tasks may be named as people like.
    Number.isFinite(value) ? [{ key: key.replaceAll(/[^\w./ -]/g, '_'), value, step }] : [],
  );
}

/** Settings by their path, `align.beta`; lists of sections by their place, `tasks.0.family`. What is null or empty is left out. */
function flat(value: JsonValue, path = ''): Record<string, string> {
  const below = (name: string): string => (path === '' ? name : `${path}.${name}`);
  const list: readonly JsonValue[] | undefined = Array.isArray(value) ? value : undefined;
  const members: readonly (readonly [string, JsonValue])[] | undefined = isObject(value)
    ? Object.entries(value)
    : list?.some((each) => isObject(each))
      ? list.map((each, place) => [String(place), each])
      : undefined;
  if (members) return Object.fromEntries(members.flatMap(([name, each]) => Object.entries(flat(each, below(name)))));
  return value === null || value === '' || path === '' ? {} : { [path]: wordOf(value) };
}

function isObject(value: JsonValue | undefined): value is Record<string, JsonValue> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function wordOf(value: JsonValue | undefined): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
