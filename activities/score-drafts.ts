/**
 * score-drafts: the draft x probe matrix (method.md section 1, icl_accuracy). Each draft is the single demonstration in a prompt that the
 * untuned student completes for every probe item of its task; the score is the student's accuracy.
 */
import { studentPrompt } from '../method/prompts';
import { scoreDrafts as scoresOf, scoreQuality } from '../method/score';
import type { JsonValue } from '../schemas/json';
import { draftRowSchema, probeRowSchema, type CellRow, type DraftRow, type ProbeRow } from '../schemas/rows';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readRows } from './read-rows';
import { noStudentAnswer, readStudentAnswer, type StudentAnswer } from './reading';
import type { RowStage } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef } from './stage';

interface Loaded {
  readonly config: RunConfig;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly drafts: readonly DraftRow[];
  readonly probes: ReadonlyMap<string, readonly ProbeRow[]>;
  /** By `<task>/<id>`. */
  readonly probeById: ReadonlyMap<string, ProbeRow>;
  /** Index of each draft's first cell: draft-major, so one demonstration's rows stand back to back for the prefix cache. */
  readonly firstCell: readonly number[];
  readonly cells: number;
}

interface Meta {
  readonly d: string;
  readonly p: string;
  readonly t: string;
}

export const scoreDrafts: RowStage<Loaded> = {
  name: 'score-drafts',
  version: 1,
  settings: ({ config }) => {
    const { thresholds: _, ...settings } = config.score;
    const { student_one_shot } = config.prompts;
    const { extraction } = config.evaluate;
    return {
      ...settings,
      seed: config.seed,
      extraction,
      wording: student_one_shot ?? null,
      style: config.models.student.prompt_style,
      tags: answerTags(config),
    };
  },
  model: ({ config }) => config.models.student,
  async load({ store, config, input }) {
    const tasks = new Map(
      (await readRows(store, inputRef(input, 'tasks'), taskRecordSchema)).map((task) => [task.name, task]),
    );
    const drafts = await readRows(store, inputRef(input, 'drafts'), draftRowSchema);
    const probes = new Map<string, ProbeRow[]>();
    const probeById = new Map<string, ProbeRow>();
    for (const probe of await readRows(store, inputRef(input, 'probes'), probeRowSchema)) {
      probeById.set(`${probe.task}/${probe.id}`, probe);
      const ofTask = probes.get(probe.task) ?? [];
      ofTask.push(probe);
      probes.set(probe.task, ofTask);
    }
    const firstCell: number[] = [];
    let cells = 0;
    for (const draft of drafts) {
      firstCell.push(cells);
      cells += probes.get(draft.task)?.length ?? 0;
    }
    return { config, tasks, drafts, probes, probeById, firstCell, cells };
  },
  rows: ({ config, tasks, drafts, probes, firstCell, cells }) => ({
    length: cells,
    row(index) {
      const at = draftOfCell(firstCell, index);
      const draft = drafts[at] as DraftRow;
      const probe = (probes.get(draft.task) as readonly ProbeRow[])[index - (firstCell[at] as number)] as ProbeRow;
      const task = tasks.get(draft.task) as TaskRecord;
      const built = studentPrompt(task, [draft], probe.question, config, config.models.student.prompt_style);
      return {
        request: { prompt: built.prompt, sampling: samplingOf(config.score, built.stop, config.seed) },
        sample: 0,
        meta: { d: draft.id, p: probe.id, t: draft.task },
      };
    },
    // Everything before the probe item's own question is the same for all cells of a draft.
    runEnd: (index) => firstCell[draftOfCell(firstCell, index) + 1] ?? cells,
  }),
  read({ config, tasks, probeById }, row, answer) {
    const { t, p } = row.meta as unknown as Meta;
    const task = tasks.get(t) as TaskRecord;
    return readStudentAnswer(answer, task, probeById.get(`${t}/${p}`) as ProbeRow, config);
  },
  repairs: ({ config }) => (config.score.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.score.thresholds,
  async collect({ store }, { drafts }, results) {
    // The statistics need the whole matrix; it is held while it is committed, some 100 bytes a cell.
    const cellOf = async function* (): AsyncGenerator<CellRow> {
      for await (const result of results()) {
        const { d, p } = result.meta as unknown as Meta;
        const value = (result.value ?? noStudentAnswer) as unknown as StudentAnswer;
        yield { draftId: d, probeId: p, correct: value.correct, tagged: value.tagged, outcome: result.outcome };
      }
    };
    const cells: CellRow[] = [];
    const lines = async function* (): AsyncGenerator<string> {
      for await (const cell of cellOf()) {
        cells.push(cell);
        yield JSON.stringify(cell);
      }
    };
    const cellsRef = await store.putLines(lines());
    const scores = scoresOf(cells, drafts);
    const scoresRef = await store.putLines(scores.map((score) => JSON.stringify(score)));
    const quality = scoreQuality(scores, cells);
    const tagged = cells.filter((cell) => cell.tagged).length;
    const facts = {
      cells: cells.length,
      drafts: drafts.length,
      tagRate: cells.length > 0 ? tagged / cells.length : 0,
      quality: { ...quality } as unknown as JsonValue,
    };
    return { more: false, outcome: { outputs: { cells: cellsRef, scores: scoresRef }, facts } };
  },
};

/** Which draft a cell belongs to: binary search in the first cells. */
function draftOfCell(firstCell: readonly number[], index: number): number {
  let low = 0;
  let high = firstCell.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((firstCell[middle] as number) <= index) low = middle;
    else high = middle - 1;
  }
  return low;
}
