/**
 * score-drafts: the draft x probe matrix (method.md section 1, icl_accuracy). Each draft is the single demonstration in a prompt that the
 * untuned student completes for every probe item of its task; the score is the student's accuracy.
 *
 * Exhaustive mode asks every cell in one wave. Racing (method/racing.ts) asks in waves: the answers of the earlier ones, a byte a cell, decide
 * what comes next, and a plan of a line a draft is all that the workers of the next wave read.
 */
import { studentPrompt } from '../method/prompts';
import type { Answers } from '../method/answer-model';
import {
  firstCells,
  nextCells,
  racedScores,
  racingVersion,
  type Place,
  type RacingSettings,
  type RacingTask,
} from '../method/racing';
import { scoreDrafts as scoresOf, scoreQuality } from '../method/score';
import type { JsonValue } from '../schemas/json';
import { racingWavesMax } from '../schemas/limits';
import {
  draftRowSchema,
  probeRowSchema,
  raceAskRowSchema,
  type CellRow,
  type DraftRow,
  type ProbeRow,
  type RaceAskRow,
  type RowResult,
  type ScoreRow,
} from '../schemas/rows';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { RunConfig } from '../schemas/run-config';
import { taskRecordSchema, type TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readRows } from './read-rows';
import { noStudentAnswer, readStudentAnswer, type StudentAnswer } from './reading';
import type { PlannedRows, RowStage } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef, type StageContext } from './stage';

interface Loaded {
  readonly config: RunConfig;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly drafts: readonly DraftRow[];
  readonly probes: ReadonlyMap<string, readonly ProbeRow[]>;
  /** By `<task>/<id>`. */
  readonly probeById: ReadonlyMap<string, ProbeRow>;
}

interface Meta {
  readonly d: string;
  readonly p: string;
  readonly t: string;
}

/** What racing did, among the stage's facts. */
export interface RacingFacts {
  /** Cells asked, and those that exhaustive scoring would have asked. */
  readonly asked: number;
  readonly exhaustive: number;
  /** Drafts by why they were asked no more. */
  readonly places: Readonly<Partial<Record<Place, number>>>;
}

export const scoreDrafts: RowStage<Loaded> = {
  name: 'score-drafts',
  version: 1,
  settings: ({ config }) => {
    const { thresholds: _, reliability_min: __, mode, confidence, first_block, block, ...settings } = config.score;
    const { student_one_shot } = config.prompts;
    const { extraction } = config.evaluate;
    const { question, rationale } = config.pairs;
    return {
      ...settings,
      ...(mode === 'racing' && {
        racing: { version: racingVersion, confidence, first_block, block, question, rationale },
      }),
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
    return { config, tasks, drafts, probes, probeById };
  },
  rows(loaded) {
    if (loaded.config.score.mode === 'exhaustive')
      return cellRows(
        loaded,
        loaded.drafts.map((draft) => ({ draft, probes: probesOf(loaded, draft) })),
      );
    const settings = racingSettings(loaded.config);
    return askedRows(
      loaded,
      racesOf(loaded).flatMap(({ task }) => asksOf(task, firstCells(task, settings))),
    );
  },
  wavesMax: racingWavesMax,
  plannedRows: async ({ store }, loaded, plan) => askedRows(loaded, await readRows(store, plan, raceAskRowSchema)),
  read({ config, tasks, probeById }, row, answer) {
    const { t, p } = row.meta as unknown as Meta;
    const task = tasks.get(t) as TaskRecord;
    return readStudentAnswer(answer, task, probeById.get(`${t}/${p}`) as ProbeRow, config);
  },
  repairs: ({ config }) => (config.score.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.score.thresholds,
  async collect(context, loaded, results, last) {
    const { store, config } = context;
    const { drafts } = loaded;
    const raced = config.score.mode === 'racing' ? await afterWave(context, loaded, results, last) : undefined;
    if (raced?.more === true) return raced;
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
    const scores = raced?.scores ?? scoresOf(cells, drafts);
    const scoresRef = await store.putLines(scores.map((score) => JSON.stringify(score)));
    const quality = scoreQuality(scores, cells);
    const tagged = cells.filter((cell) => cell.tagged).length;
    const facts = {
      cells: cells.length,
      drafts: drafts.length,
      tagRate: cells.length > 0 ? tagged / cells.length : 0,
      quality: { ...quality } as unknown as JsonValue,
      ...(raced && { racing: raced.facts as unknown as JsonValue }),
    };
    return { more: false, outcome: { outputs: { cells: cellsRef, scores: scoresRef }, facts } };
  },
};

// ---- cells -------------------------------------------------------------------------------------------------------

interface AskedDraft {
  readonly draft: DraftRow;
  readonly probes: readonly ProbeRow[];
}

const probesOf = ({ probes }: Loaded, { task }: DraftRow): readonly ProbeRow[] => probes.get(task) ?? [];

/** Cells as rows, draft by draft: one demonstration's rows stand back to back for the prefix cache. */
function cellRows({ config, tasks }: Loaded, asked: readonly AskedDraft[]): PlannedRows {
  const firstCell: number[] = [];
  let cells = 0;
  for (const { probes } of asked) {
    firstCell.push(cells);
    cells += probes.length;
  }
  return {
    length: cells,
    row(index) {
      const at = draftOfCell(firstCell, index);
      const { draft, probes } = asked[at] as AskedDraft;
      const probe = probes[index - (firstCell[at] as number)] as ProbeRow;
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
  };
}

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

// ---- racing ------------------------------------------------------------------------------------------------------

function racingSettings({ score, pairs }: RunConfig): RacingSettings {
  return { confidence: score.confidence, firstBlock: score.first_block, block: score.block, pairs };
}

/** A task's matrix: answers by row (draft) and column (probe item). */
interface RacedTask {
  readonly task: RacingTask;
  readonly answers: readonly Answers[];
}

/** The tasks that have drafts and probe items, with nothing answered. */
function racesOf({ drafts, probes }: Loaded): RacedTask[] {
  return [...probes].flatMap(([name, items]) => {
    const own = drafts.filter(({ task }) => task === name);
    if (own.length === 0) return [];
    const task = { name, drafts: own, probes: items.map(({ id }) => id) };
    return [{ task, answers: own.map(() => new Int8Array(items.length).fill(-1)) }];
  });
}

const asksOf = ({ drafts }: RacingTask, asks: readonly (readonly number[])[]): RaceAskRow[] =>
  drafts.flatMap(({ id }, row) => {
    const probes = asks[row] ?? [];
    return probes.length === 0 ? [] : [{ draftId: id, probes: [...probes] }];
  });

function askedRows(loaded: Loaded, asks: readonly RaceAskRow[]): PlannedRows {
  const drafts = new Map(loaded.drafts.map((draft) => [draft.id, draft]));
  return cellRows(
    loaded,
    asks.map(({ draftId, probes }) => {
      const draft = drafts.get(draftId) as DraftRow;
      const all = probesOf(loaded, draft);
      return { draft, probes: probes.map((index) => all[index] as ProbeRow) };
    }),
  );
}

type Raced =
  | { readonly more: true; readonly plan: ArtifactRef }
  | { readonly more: false; readonly scores: ScoreRow[]; readonly facts: RacingFacts };

/** After a wave: the plan of the next one, or the scores. Holds a byte a cell, whatever the answers' length. */
async function afterWave(
  { store }: StageContext,
  loaded: Loaded,
  results: () => AsyncIterable<RowResult>,
  last: boolean,
): Promise<Raced> {
  const races = racesOf(loaded);
  const rowOf = new Map(
    races.flatMap(({ task, answers }) => task.drafts.map(({ id }, row) => [id, answers[row] as Answers] as const)),
  );
  const columnOf = new Map(
    races.flatMap(({ task }) => task.probes.map((id, column) => [`${task.name}/${id}`, column] as const)),
  );
  let asked = 0;
  for await (const { meta, value } of results()) {
    const { d, p, t } = meta as unknown as Meta;
    const { correct } = (value ?? noStudentAnswer) as unknown as StudentAnswer;
    (rowOf.get(d) as Answers)[columnOf.get(`${t}/${p}`) as number] = correct ? 1 : 0;
    asked += 1;
  }
  const settings = racingSettings(loaded.config);
  const places: Partial<Record<Place, number>> = {};
  const asks: RaceAskRow[] = [];
  for (const { task, answers } of races) {
    const step = nextCells(task, answers, settings);
    asks.push(...asksOf(task, step.asks));
    for (const place of step.places) places[place] = (places[place] ?? 0) + 1;
  }
  if (asks.length > 0 && !last)
    return { more: true, plan: await store.putLines(asks.map((ask) => JSON.stringify(ask))) };
  const scores = new Map(
    races.flatMap(({ task, answers }) => racedScores(task, answers).map((score) => [score.draftId, score] as const)),
  );
  const exhaustive = races.reduce((sum, { task }) => sum + task.drafts.length * task.probes.length, 0);
  return {
    more: false,
    scores: loaded.drafts.flatMap(({ id }) => scores.get(id) ?? []),
    facts: { asked, exhaustive, places },
  };
}
