/**
 * select-probes: the preference set, per task, from the validation items: the most discriminating by a 2PL IRT fit over the respondents' answers
 * (method/probe-choice.ts), a random choice, or all of them.
 */
import { canonicalAnswer } from '../method/answers';
import { fitIrt } from '../method/irt';
import { seedFrom, shuffled } from '../method/keys';
import { chooseProbes, commonestShare } from '../method/probe-choice';
import type { JsonObject, JsonValue } from '../schemas/json';
import { predictionRowSchema, type ProbeRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskItem, type TaskRecord } from '../schemas/task';
import type { StoreDependencies } from './dependencies';
import { readRows } from './read-rows';
import { inputRef, type StageContext, type WholeStage } from './stage';

export const selectProbes: WholeStage<StoreDependencies> = {
  name: 'select-probes',
  version: 1,
  settings: ({ config }) => {
    const { method, size, estimator, balance } = config.probe;
    return method === 'irt' ? { method, size, estimator, balance } : { method, size, seed: config.seed };
  },
  async run(context) {
    const { store, config, input } = context;
    const tasks = await readRows(store, inputRef(input, 'tasks'), taskRecordSchema);
    const responses = config.probe.method === 'irt' ? await responseMatrices(context) : undefined;
    const facts: Record<string, JsonValue> = {};
    const probes: ProbeRow[] = [];
    for (const task of tasks) {
      const chosen = responses ? byIrt(config.probe, task, responses.get(task.name)) : byChance(context, task);
      for (const probe of chosen.probes) probes.push(probe);
      facts[task.name] = chosen.facts;
    }
    const ref = await store.putLines(probes.map((probe) => JSON.stringify(probe)));
    return { outputs: { probes: ref }, facts: { method: config.probe.method, tasks: facts } };
  },
};

interface Chosen {
  readonly probes: ProbeRow[];
  readonly facts: JsonObject;
}

function byChance({ config }: StageContext, task: TaskRecord): Chosen {
  const { method, size } = config.probe;
  const items =
    method === 'full'
      ? task.validation
      : shuffled(task.validation, seedFrom(config.seed, 'select-probes', task.name)).slice(0, size);
  return {
    probes: items.map((item) => probeOf(task, item, null)),
    facts: { probes: items.length, of: task.validation.length, ...answerShares(task, items) },
  };
}

/** Respondents' right and wrong answers: task -> item -> one entry per respondent and shot count, null where there is none. */
type Responses = ReadonlyMap<string, ReadonlyMap<string, readonly boolean[]>>;

async function responseMatrices({ store, input }: StageContext): Promise<Responses> {
  const matrices = new Map<string, Map<string, boolean[]>>();
  const names = Object.keys(input.inputs)
    .filter((name) => name.startsWith('responses-'))
    .sort();
  for (const name of names) {
    for (const { task, itemId, correct } of await readRows(store, inputRef(input, name), predictionRowSchema)) {
      const items = matrices.get(task) ?? new Map<string, boolean[]>();
      matrices.set(task, items);
      const answers = items.get(itemId) ?? [];
      items.set(itemId, answers);
      answers.push(correct);
    }
  }
  return matrices;
}

/**
 * The most discriminating validation items of a task.
 * @param responses By item: a respondent's answer, right or wrong, at each number of shots.
 */
export function byIrt(
  { estimator, size, balance }: RunConfig['probe'],
  task: TaskRecord,
  responses: ReadonlyMap<string, readonly boolean[]> | undefined,
): Chosen {
  const items = task.validation;
  const respondents = Math.max(0, ...items.map((item) => responses?.get(item.id)?.length ?? 0));
  const matrix = Array.from({ length: respondents }, (_, respondent) =>
    items.map((item) => {
      const correct = responses?.get(item.id)?.[respondent];
      return correct === undefined ? null : correct ? (1 as const) : (0 as const);
    }),
  );
  const fit = fitIrt(matrix, { estimator });
  const chosen = chooseProbes(fit, size, balance ? rightAnswers(task, items) : undefined);
  const probes = chosen.map((index) => probeOf(task, items[index] as TaskItem, fit.discrimination[index] ?? null));
  return {
    probes,
    facts: {
      probes: probes.length,
      of: items.length,
      ...answerShares(task, probes),
      respondents,
      iterations: fit.iterations,
      logLikelihood: fit.logLik,
    },
  };
}

/** Right answers in the form in which they are compared. */
const rightAnswers = ({ answer }: TaskRecord, items: readonly Pick<TaskItem, 'question' | 'target'>[]): string[] =>
  items.map(({ question, target }) => canonicalAnswer(target, answer, question) ?? target);

/** How large a share of the items wants one and the same answer: of the chosen ones, and of all validation items. */
function answerShares(task: TaskRecord, chosen: readonly Pick<TaskItem, 'question' | 'target'>[]): JsonObject {
  const [commonest, commonestOfAll] = [chosen, task.validation].map((items) =>
    commonestShare(rightAnswers(task, items)),
  );
  return { commonest: commonest ?? null, commonestOfAll: commonestOfAll ?? null };
}

function probeOf(task: TaskRecord, item: TaskItem, discrimination: number | null): ProbeRow {
  return { id: item.id, task: task.name, question: item.question, target: item.target, discrimination };
}
