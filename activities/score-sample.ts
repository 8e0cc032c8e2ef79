/**
 * score-sample: a few demonstrations shown to the untuned student on validation items outside of the preference set. Serves two uses, by
 * `extra.purpose`: `gain`, examples of the aligned teacher against drafts of the round (a gate before the student is trained), and `agreement`,
 * all drafts of some questions (how far the preference set chooses as all validation items would). The estimates are method/demonstrations.ts.
 */
import {
  agreementOf,
  gainOf,
  heldOutItems,
  sampledQuestions,
  sampledRows,
  type Agreement,
  type Asked,
  type Shown,
} from '../method/demonstrations';
import type { Gain } from '../method/gates';
import { studentPrompt } from '../method/prompts';
import type { JsonObject } from '../schemas/json';
import type { StageInput } from '../schemas/messages';
import { draftRowSchema, probeRowSchema, scoreRowSchema, tailoredRowSchema, type ScoreRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readRows } from './read-rows';
import { readTasksByName } from './read-tasks';
import { noStudentAnswer, readStudentAnswer, readingVersion, type StudentAnswer } from './reading';
import type { RowStage } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef } from './stage';

export type SamplePurpose = 'gain' | 'agreement';

/** What the stage leaves among its facts. */
export interface SampleFacts {
  readonly purpose: SamplePurpose;
  readonly demonstrations: number;
  readonly cells: number;
  readonly gain?: Gain | null;
  readonly agreement?: Agreement;
}

interface Cell {
  readonly shown: Shown;
  readonly item: TaskItem;
}

interface Loaded {
  readonly config: RunConfig;
  readonly purpose: SamplePurpose;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly examples: readonly Shown[];
  readonly drafts: readonly Shown[];
  readonly scores: readonly ScoreRow[];
  /** Demonstration by demonstration, for the prefix cache. */
  readonly cells: readonly Cell[];
}

interface Meta {
  readonly d: string;
  readonly i: string;
}

export const scoreSample: RowStage<Loaded> = {
  name: 'score-sample',
  version: 1,
  settings: ({ config }, input) => {
    const { temperature, top_p, top_k, min_p, max_tokens, stop } = config.score;
    const { icl_examples, icl_items } = config.rounds.gates;
    return {
      ...{ temperature, top_p, top_k, min_p, max_tokens, stop },
      sample: purposeOf(input) === 'gain' ? { icl_examples, icl_items } : config.probe.agreement_questions,
      seed: config.seed,
      extraction: config.evaluate.extraction,
      wording: config.prompts.student_one_shot ?? null,
      style: config.models.student.prompt_style,
      tags: answerTags(config),
      reading: readingVersion,
    };
  },
  model: ({ config }) => config.models.student,
  async load({ store, config, input }) {
    const purpose = purposeOf(input);
    const { seed, rounds, probe } = config;
    const tasks = await readTasksByName(store, input);
    const probeIds = new Map<string, Set<string>>();
    for (const { task, id } of await readRows(store, inputRef(input, 'probes'), probeRowSchema))
      probeIds.set(task, (probeIds.get(task) ?? new Set<string>()).add(id));
    const all = await readRows(store, inputRef(input, 'drafts'), draftRowSchema);
    const gain = purpose === 'gain';
    const { icl_examples: perTask, icl_items: itemsMax } = rounds.gates;
    const written = gain ? await readRows(store, inputRef(input, 'tailored'), tailoredRowSchema) : [];
    const examples = sampledRows(written, perTask, seed);
    const drafts = gain ? sampledRows(all, perTask, seed) : sampledQuestions(all, probe.agreement_questions, seed);
    const scores = gain ? [] : await readRows(store, inputRef(input, 'scores'), scoreRowSchema);
    const items = new Map(
      [...tasks.values()].map((task) => [
        task.name,
        heldOutItems(task, probeIds.get(task.name) ?? new Set(), seed, gain ? itemsMax : undefined),
      ]),
    );
    const cells = [...examples, ...drafts].flatMap((shown) =>
      (items.get(shown.task) ?? []).map((item) => ({ shown, item })),
    );
    return { config, purpose, tasks, examples, drafts, scores, cells };
  },
  rows: ({ config, tasks, cells }) => ({
    length: cells.length,
    row(index) {
      const { shown, item } = cells[index] as Cell;
      const task = tasks.get(shown.task) as TaskRecord;
      const built = studentPrompt(task, [shown], item.question, config, config.models.student.prompt_style);
      return {
        request: { prompt: built.prompt, sampling: samplingOf(config.score, built.stop, config.seed) },
        sample: 0,
        meta: { d: shown.id, i: item.id, t: shown.task },
      };
    },
    runEnd(index) {
      const { shown } = cells[index] as Cell;
      let end = index + 1;
      while (end < cells.length && cells[end]?.shown === shown) end += 1;
      return end;
    },
  }),
  read({ config, tasks }, row, answer) {
    const { i, t } = row.meta as unknown as Meta & { readonly t: string };
    const task = tasks.get(t) as TaskRecord;
    return readStudentAnswer(answer, task, task.validation.find(({ id }) => id === i) as TaskItem, config);
  },
  repairs: ({ config }) => (config.score.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.score.thresholds,
  async collect({ store }, { purpose, examples, drafts, scores, cells }, results) {
    const asked = new Map<string, Asked>();
    const lines: string[] = [];
    for await (const { meta, value, outcome } of results()) {
      const { d, i } = meta as unknown as Meta;
      const { correct, tagged } = (value ?? noStudentAnswer) as unknown as StudentAnswer;
      const { correct: before, n } = asked.get(d) ?? { correct: 0, n: 0 };
      asked.set(d, { correct: before + Number(correct), n: n + 1 });
      lines.push(JSON.stringify({ draftId: d, probeId: i, correct, tagged, outcome }));
    }
    const ref = await store.putLines(lines);
    const of = (shown: readonly Shown[]): Asked[] => shown.map(({ id }) => asked.get(id) ?? { correct: 0, n: 0 });
    const facts: SampleFacts = {
      purpose,
      demonstrations: examples.length + drafts.length,
      cells: cells.length,
      ...(purpose === 'gain'
        ? { gain: gainOf(of(examples), of(drafts)) ?? null }
        : { agreement: agreementOf(scores, asked) }),
    };
    return { more: false, outcome: { outputs: { cells: ref }, facts: { ...facts } as unknown as JsonObject } };
  },
};

function purposeOf(input: StageInput): SamplePurpose {
  return input.extra?.['purpose'] === 'agreement' ? 'agreement' : 'gain';
}
