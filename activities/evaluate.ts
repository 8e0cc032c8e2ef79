/**
 * evaluate: a model answers labelled items with k demonstrations. Serves two uses: accuracy on the held-out test set, of
 * the students and of the teacher as their ceiling; and the respondents x items matrix that IRT chooses the preference set from (split: validation).
 */
import { evaluatePredictions } from '../method/evaluate';
import { demonstrationOf, studentPrompt } from '../method/prompts';
import type { StageInput } from '../schemas/messages';
import type { PredictionRow } from '../schemas/rows';
import type { ModelConfig } from '../schemas/config/models';
import type { RunConfig } from '../schemas/run-config';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readTasksByName } from './read-tasks';
import { noStudentAnswer, readStudentAnswer, readingVersion, type StudentAnswer } from './reading';
import type { RowStage } from './row-stage';
import { greedy, samplingOf } from './sampling';

interface Extra {
  readonly shots: number;
  readonly split: 'test' | 'validation';
  /** Index into probe.respondents. */
  readonly respondent?: number;
  /** The teacher, asked as a student is. With neither of the two: the student. */
  readonly role?: 'teacher';
}

interface Loaded extends Extra {
  readonly config: RunConfig;
  readonly model: ModelConfig;
  readonly items: readonly { task: TaskRecord; item: TaskItem }[];
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  /** By `<task>/<id>`. */
  readonly itemById: ReadonlyMap<string, TaskItem>;
}

export const evaluate: RowStage<Loaded> = {
  name: 'evaluate',
  version: 2,
  settings: (bundle, input) => {
    const { config } = bundle;
    const { extraction } = config.evaluate;
    const { student_one_shot } = config.prompts;
    const sampling = samplingSettings(config, extraOf(input));
    return {
      ...sampling,
      extraction,
      wording: student_one_shot ?? null,
      style: modelOf(config, extraOf(input)).prompt_style,
      tags: answerTags(config),
      reading: readingVersion,
    };
  },
  model: ({ config }, input) => modelOf(config, extraOf(input)),
  async load({ store, config, input }) {
    const extra = extraOf(input);
    const tasks = await readTasksByName(store, input);
    const items = [...tasks.values()].flatMap((task) => task[extra.split].map((item) => ({ task, item })));
    return {
      ...extra,
      config,
      model: modelOf(config, extra),
      items,
      tasks,
      itemById: new Map(items.map(({ task, item }) => [`${task.name}/${item.id}`, item])),
    };
  },
  rows: ({ config, items, shots, split, model }) => ({
    length: items.length,
    row(index) {
      const { task, item } = items[index] as (typeof items)[number];
      const demonstrations = task.seeds.slice(0, shots).map((seed) => demonstrationOf(seed, task, config));
      const built = studentPrompt(task, demonstrations, item.question, config, model.prompt_style);
      const sampling = greedy(samplingSettings(config, { split }));
      return {
        request: { prompt: built.prompt, sampling: samplingOf(sampling, built.stop, 0) },
        sample: 0,
        meta: { task: task.name, item: item.id },
      };
    },
  }),
  read({ config, tasks, itemById }, row, answer) {
    const { task: taskName, item } = row.meta as { task: string; item: string };
    const task = tasks.get(taskName) as TaskRecord;
    return readStudentAnswer(answer, task, itemById.get(`${taskName}/${item}`) as TaskItem, config);
  },
  repairs: () => 0,
  thresholds: ({ config }) => config.evaluate.thresholds,
  async collect({ store }, { shots, tasks, itemById }, results) {
    const predictions: PredictionRow[] = [];
    for await (const result of results()) {
      const { task, item } = result.meta as { task: string; item: string };
      const { target } = itemById.get(`${task}/${item}`) as TaskItem;
      const value = (result.value ?? noStudentAnswer) as unknown as StudentAnswer;
      predictions.push({ task, itemId: item, shots, ...value, target, outcome: result.outcome, from: result.key });
    }
    const ref = await store.putLines(predictions.map((prediction) => JSON.stringify(prediction)));
    const metrics = evaluatePredictions(predictions, new Map([...tasks].map(([name, task]) => [name, task.category])));
    const metricsRef = await store.putBlob(JSON.stringify(metrics), { mediaType: 'application/json', rows: 1 });
    return {
      more: false,
      outcome: {
        outputs: { predictions: ref, metrics: metricsRef },
        facts: { shots, overall: { ...metrics.overall, answers: { ...metrics.overall.answers } } },
      },
    };
  },
};

function extraOf(input: StageInput): Extra {
  return input.extra as unknown as Extra;
}

function modelOf({ models, probe }: RunConfig, { respondent, role }: Pick<Extra, 'respondent' | 'role'>): ModelConfig {
  return respondent === undefined ? models[role ?? 'student'] : (probe.respondents[respondent] as ModelConfig);
}

/** Length bounds: the test set's by evaluate, the respondents' by probe. */
function samplingSettings(config: RunConfig, { split }: Pick<Extra, 'split'>): { max_tokens: number; stop: string[] } {
  const { max_tokens, stop } = split === 'test' ? config.evaluate : config.probe;
  return { max_tokens, stop };
}
