/**
 * A run's config in small, for `arte selftest`: the same models, stages, arms and settings, with a handful of everything. Pure.
 *
 * Owns the rule of what is cut, and says of every cut what it was. What is neither a count nor a threshold stays as it is, secrets as references
 * among it. Item files (`source: files`) are read whole: their length is no setting.
 */
import type { EndpointConfig, ModelConfig } from '../../schemas/config/models';
import type { RunConfig } from '../../schemas/run-config';

/** A setting that is smaller, or otherwise set, than the user wrote it. */
export interface Cut {
  readonly path: string;
  readonly from: string;
  readonly to: string;
}

/** At most so many of each. Enough that every stage has several shards' worth of rows to lose, few enough for minutes on a CPU. */
const most = {
  tasks: 2,
  validation: 8,
  test: 10,
  probes: 6,
  respondents: 2,
  others: 1,
  unseen: 1,
  respondentShots: 2,
  agreementQuestions: 2,
  questions: 12,
  questionPairs: 3,
  rationalePairs: 12,
  tailored: 8,
  majoritySamples: 2,
  shots: 1,
  rounds: 2,
  students: 2,
  iclExamples: 2,
  iclItems: 4,
  trainingSteps: 4,
  batch: 4,
} as const;

/** Nominal prices per million tokens where the config has none: so that there is an account that must add up. */
const nominalPrice = { input: 1, cached_input: 1, output: 2, training_hour: 0 } as const;

/** The config in small, under the name of its selftest, and what was cut of it. */
export function smallConfig(config: RunConfig): { readonly config: RunConfig; readonly cuts: readonly Cut[] } {
  const cuts: Cut[] = [];
  const small: Mutable<RunConfig> = structuredClone(config);
  const set = (path: string, value: unknown): void => {
    const names = path.split('.');
    const last = names.pop() ?? '';
    let place = small as unknown as Record<string, unknown>;
    for (const name of names) place = place[name] as Record<string, unknown>;
    const before = place[last];
    if (JSON.stringify(before) === JSON.stringify(value)) return;
    cuts.push({ path, from: said(before), to: said(value) });
    place[last] = value;
  };
  const get = (path: string): unknown =>
    path.split('.').reduce<unknown>((place, name) => (place as Record<string, unknown>)[name], small);
  const atMost = (path: string, limit: number): void => {
    const value = get(path);
    if (Array.isArray(value)) set(path, value.slice(0, limit));
    else if (value === 'rest' || Number(value) > limit) set(path, limit);
  };

  atMost('tasks', most.tasks);
  for (const index of small.tasks.keys()) {
    atMost(`tasks.${index}.split.validation`, most.validation);
    atMost(`tasks.${index}.split.test`, most.test);
  }
  atMost('transfer.students', most.others);
  atMost('transfer.tasks', most.unseen);
  for (const index of small.transfer.tasks.keys()) {
    atMost(`transfer.tasks.${index}.split.validation`, most.validation);
    atMost(`transfer.tasks.${index}.split.test`, most.test);
  }
  atMost('probe.size', most.probes);
  atMost('probe.respondents', most.respondents);
  atMost('probe.respondent_shots', most.respondentShots);
  atMost('probe.agreement_questions', most.agreementQuestions);
  atMost('questions.per_task', most.questions);
  atMost('pairs.question.per_task', most.questionPairs);
  atMost('pairs.rationale.per_task', most.rationalePairs);
  atMost('tailor.per_task', most.tailored);
  atMost('tailor.majority.samples', most.majoritySamples);
  atMost('evaluate.shots', most.shots);
  atMost('rounds.count', most.rounds);
  atMost('sft.seeds', most.students);
  atMost('rounds.gates.icl_examples', most.iclExamples);
  atMost('rounds.gates.icl_items', most.iclItems);
  for (const training of ['align', 'sft', 'warm_up']) {
    const steps = Number(get(`${training}.max_steps`));
    set(`${training}.max_steps`, steps === 0 ? most.trainingSteps : Math.min(steps, most.trainingSteps));
    atMost(`${training}.batch_size`, most.batch);
    set(`${training}.gradient_accumulation`, 1);
    set(`${training}.checkpoint_steps`, 1);
  }

  // Shares of a handful say nothing: what would park a run for its quality is off, and nobody is there to approve.
  for (const stage of ['questions', 'rationales', 'score', 'tailor', 'evaluate'])
    for (const share of ['malformed', 'truncated', 'refused', 'failed']) set(`${stage}.thresholds.${share}`, 1);
  set('score.reliability_min', null);
  set('pairs.minimum', 1);
  set('pairs.minimum_gap', 0);
  set('pairs.ties', 'keep-first');
  set('rounds.gates.action', 'record');
  set('rounds.approval', 'off');
  set(
    'hygiene.contamination.action',
    config.hygiene.contamination.action === 'park' ? 'keep' : get('hygiene.contamination.action'),
  );
  set(
    'hygiene.near_duplicates.action',
    config.hygiene.near_duplicates.action === 'park' ? 'keep' : get('hygiene.near_duplicates.action'),
  );

  const priced = modelsOf(config).some(({ price }) => price.input > 0 || price.cached_input > 0 || price.output > 0);
  for (const path of [
    'models.teacher',
    'models.student',
    ...small.probe.respondents.map((_, at) => `probe.respondents.${at}`),
    ...small.transfer.students.map((_, at) => `transfer.students.${at}`),
  ]) {
    const { endpoint, price } = get(path) as ModelConfig;
    // Answers of one slot do not depend on what else is being answered.
    if (endpoint.kind === 'managed') set(`${path}.endpoint.slots`, 1);
    // Wall time is never twice the same: an account of hours could not be checked to the cent.
    set(`${path}.price`, priced ? { ...price, training_hour: 0 } : { ...nominalPrice });
  }
  // A cap in another measure than the prices would only park the run; one in the user's own prices stays.
  if (!priced) set('budget.cap', null);

  set('platform.temporal', { namespace: 'default', tls: false });
  set('platform.store', { prefix: '', force_path_style: true });
  small.name = `selftest-${config.name}`;
  return { config: small, cuts };
}

/** Whether the same request always gets the same answer, whatever is asked beside it and whoever was killed before. */
export function answersAreStable(config: RunConfig): boolean {
  const stable = ({ kind }: EndpointConfig): boolean => kind === 'scripted';
  return modelsOf(config).every(({ endpoint }) => stable(endpoint));
}

function modelsOf({ models, probe, transfer }: RunConfig): readonly ModelConfig[] {
  return [models.teacher, models.student, ...probe.respondents, ...transfer.students];
}

function said(value: unknown): string {
  if (Array.isArray(value)) return `${value.length} of them`;
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);
}

type Mutable<T> = T extends object ? { -readonly [Name in keyof T]: Mutable<T[Name]> } : T;
