/**
 * score-drafts: the draft x probe matrix of one signal (method/signals/; `extra.signal`, icl_accuracy where it names none).
 *
 * icl_accuracy: each draft is the single demonstration in a prompt that the untuned student completes for every probe
 * item of its task; the score is the student's accuracy. The other signals ask how probable a text is to the student, once a cell or once a
 * draft; nothing is generated.
 *
 * Exhaustive mode asks every cell in one wave. Racing (method/racing.ts) asks in waves: the answers of the earlier ones decide what comes
 * next. Two artifacts of a line a draft go from wave to wave: the plan, which is all that the workers read, and the answers so far, a
 * character a cell, to which a wave's commit adds its own rows. All rows are read again once, for the cells, when the race is over.
 */
import { setImmediate } from 'node:timers/promises';
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
import { tieTolerance } from '../method/pairs';
import { scoreDrafts as scoresOf, scoreDraftsByValue, scoreQuality } from '../method/score';
import { textScorer } from '../method/served';
import { signals } from '../method/signals';
import { nothingDrawn, type Signal, type TextSignal } from '../method/signals/signal';
import type { JsonValue } from '../schemas/json';
import { racingWavesMax } from '../schemas/limits';
import {
  draftRowSchema,
  probeRowSchema,
  raceAnswersRowSchema,
  raceAskRowSchema,
  type CellRow,
  type DraftRow,
  type ModelAnswer,
  type ProbeRow,
  type RaceAnswersRow,
  type RaceAskRow,
  type RowReading,
  type RowResult,
  type ScoreRow,
} from '../schemas/rows';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { StageInput } from '../schemas/messages';
import type { RunConfig } from '../schemas/run-config';
import { standardSignal, type SignalName } from '../schemas/signals';
import type { TaskRecord } from '../schemas/task';
import { answerTags } from './question-stage';
import { readTasksByName } from './read-tasks';
import { readRows } from './read-rows';
import { noStudentAnswer, readStudentAnswer, readingVersion, refusedReading, type StudentAnswer } from './reading';
import type { PlannedRows, RowStage, UnreadResults } from './row-stage';
import { samplingOf } from './sampling';
import { inputRef, type StageContext, type StageOutcome } from './stage';

interface Loaded {
  readonly config: RunConfig;
  readonly signal: Signal;
  readonly tasks: ReadonlyMap<string, TaskRecord>;
  readonly drafts: readonly DraftRow[];
  readonly probes: ReadonlyMap<string, readonly ProbeRow[]>;
  /** By `<task>/<id>`. */
  readonly probeById: ReadonlyMap<string, ProbeRow>;
}

interface Meta {
  readonly d: string;
  /** Null where the signal asks no probe item. */
  readonly p: string | null;
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
  version: 3,
  settings: ({ config }, input) => {
    const signal = signalOf(input);
    if (signal.asks === 'text') return textSettings(config, signal);
    const { mode, confidence, first_block, block, calls_max } = config.score;
    const { temperature, top_p, top_k, min_p, max_tokens, stop } = config.score;
    const { student_one_shot } = config.prompts;
    const { extraction } = config.evaluate;
    const { question, rationale } = config.pairs;
    return {
      ...{ signal: signal.name, temperature, top_p, top_k, min_p, max_tokens, stop },
      ...(mode === 'racing' && {
        racing: { version: racingVersion, confidence, first_block, block, calls_max, question, rationale },
      }),
      seed: config.seed,
      extraction,
      wording: student_one_shot ?? null,
      style: config.models.student.prompt_style,
      tags: answerTags(config),
      reading: readingVersion,
    };
  },
  model: ({ config }, input) => (signalOf(input).asks === 'text' ? textScorer(config) : config.models.student),
  async load({ store, config, input }) {
    const tasks = await readTasksByName(store, input);
    const drafts = await readRows(store, inputRef(input, 'drafts'), draftRowSchema);
    const probes = new Map<string, ProbeRow[]>();
    const probeById = new Map<string, ProbeRow>();
    for (const probe of await readRows(store, inputRef(input, 'probes'), probeRowSchema)) {
      probeById.set(`${probe.task}/${probe.id}`, probe);
      const ofTask = probes.get(probe.task) ?? [];
      ofTask.push(probe);
      probes.set(probe.task, ofTask);
    }
    return { config, signal: signalOf(input), tasks, drafts, probes, probeById };
  },
  rows(loaded) {
    if (loaded.signal.asks === 'text') return textRows(loaded, loaded.signal);
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
  read({ config, signal, tasks, probeById }, row, answer) {
    if (signal.asks === 'text') return readText(signal, answer, config);
    const { t, p } = row.meta as unknown as Meta;
    const task = tasks.get(t) as TaskRecord;
    return readStudentAnswer(answer, task, probeById.get(`${t}/${String(p)}`) as ProbeRow, config);
  },
  repairs: ({ config, signal }) => (signal.asks === 'answer' && config.score.temperature > 0 ? 2 : 0),
  thresholds: ({ config }) => config.score.thresholds,
  async collect(context, loaded, results, last, unread) {
    const { store, config } = context;
    const { drafts, signal } = loaded;
    if (signal.asks === 'text')
      return { more: false, outcome: await collectValues(context, loaded, results, tieTolerance(config.score)) };
    const raced = config.score.mode === 'racing' ? await afterWave(context, loaded, unread, last) : undefined;
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
    const facts = {
      cells: cells.length,
      drafts: drafts.length,
      quality: { ...quality } as unknown as JsonValue,
      ...(raced && { racing: raced.facts as unknown as JsonValue }),
    };
    return { more: false, outcome: { outputs: { cells: cellsRef, scores: scoresRef }, facts } };
  },
};

// ---- signals that ask how probable a text is ------------------------------------------------------------------------

const signalOf = ({ extra }: StageInput): Signal => signals[(extra?.['signal'] ?? standardSignal) as SignalName];

function textSettings(config: RunConfig, signal: TextSignal): JsonValue {
  return {
    signal: signal.name,
    signalVersion: signal.version,
    ...signal.settings(config.score),
    wording: config.prompts.student_one_shot ?? null,
    style: config.models.student.prompt_style,
    tags: answerTags(config),
  };
}

/**
 * Rows in the order of drafts, a draft's probe items one after another. They are no runs: those that begin alike are to be in flight together,
 * because the scorer computes what they share once for a batch.
 */
function textRows({ config, tasks, drafts, probes }: Loaded, signal: TextSignal): PlannedRows {
  const asked: { readonly draft: DraftRow; readonly probe?: ProbeRow }[] =
    signal.per === 'draft'
      ? drafts.map((draft) => ({ draft }))
      : drafts.flatMap((draft) => (probes.get(draft.task) ?? []).map((probe) => ({ draft, probe })));
  return {
    length: asked.length,
    row(index) {
      const { draft, probe } = asked[index] as (typeof asked)[number];
      const task = tasks.get(draft.task) as TaskRecord;
      const question =
        signal.per === 'draft'
          ? signal.question(task, draft, config)
          : signal.question(task, draft, probe as ProbeRow, config);
      return {
        request: { ...question, sampling: nothingDrawn },
        sample: 0,
        meta: { d: draft.id, p: probe?.id ?? null, t: draft.task },
      };
    },
  };
}

/** A row's value, as it stands in a cell. */
interface ReadText {
  readonly value: number;
  readonly stderr: number;
  readonly tokens: number;
}

function readText(signal: TextSignal, { tokens, finish }: ModelAnswer, { score }: RunConfig): RowReading {
  if (finish === 'refused') return refusedReading;
  if (tokens === undefined || tokens.length === 0) return { outcome: 'malformed', why: 'no log-probabilities' };
  return { outcome: 'ok', value: { ...signal.value(tokens, score), tokens: tokens.length } };
}

async function collectValues(
  { store }: StageContext,
  { drafts, signal }: Loaded,
  results: () => AsyncIterable<RowResult>,
  tolerance: number,
): Promise<Omit<StageOutcome, 'counts' | 'usage'>> {
  const cells: CellRow[] = [];
  const lines = async function* (): AsyncGenerator<string> {
    for await (const { meta, value, outcome } of results()) {
      const { d, p } = meta as unknown as Meta;
      const cell: CellRow = { draftId: d, probeId: p, ...((value ?? {}) as Partial<ReadText>), outcome };
      cells.push(cell);
      yield JSON.stringify(cell);
    }
  };
  const cellsRef = await store.putLines(lines());
  const scores = scoreDraftsByValue(cells, drafts);
  const scoresRef = await store.putLines(scores.map((score) => JSON.stringify(score)));
  const quality = scoreQuality(scores, cells, tolerance);
  return {
    outputs: { cells: cellsRef, scores: scoresRef },
    facts: {
      signal: signal.name,
      cells: cells.length,
      drafts: drafts.length,
      quality: { ...quality },
    },
  };
}

// ---- cells -------------------------------------------------------------------------------------------------------

interface AskedDraft {
  readonly draft: DraftRow;
  readonly probes: readonly ProbeRow[];
}

const probesOf = ({ probes }: Loaded, { task }: DraftRow): readonly ProbeRow[] => probes.get(task) ?? [];

/**
 * Cells as rows, draft by draft: one demonstration's rows stand back to back for the prefix cache, and in the order of their questions. A server's
 * slot holds the prompt before and no other: neighbours in the order of the alphabet share all that any two of them share.
 */
function cellRows({ config, tasks }: Loaded, planned: readonly AskedDraft[]): PlannedRows {
  const inOrder = new Map<readonly ProbeRow[], readonly ProbeRow[]>();
  const asked = planned.map(({ draft, probes }) => {
    const sorted = inOrder.get(probes) ?? [...probes].sort(byQuestion);
    inOrder.set(probes, sorted);
    return { draft, probes: sorted };
  });
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

/** By code units: the same on every machine. */
function byQuestion(one: ProbeRow, other: ProbeRow): number {
  if (one.question === other.question) return 0;
  return one.question < other.question ? -1 : 1;
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
  const { confidence, first_block: firstBlock, block, calls_max: callsMax } = score;
  return { confidence, firstBlock, block, callsMax, pairs };
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

const answersOf = ({ task, answers }: RacedTask): RaceAnswersRow[] =>
  task.drafts.map(({ id }, row) => ({
    draftId: id,
    answers: Array.from(answers[row] as Answers, (answer) => (answer < 0 ? '-' : String(answer))).join(''),
  }));

const putRows = async (store: StageContext['store'], rows: readonly (RaceAskRow | RaceAnswersRow)[]) =>
  store.putLines(rows.map((row) => JSON.stringify(row)));

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
  | { readonly more: true; readonly plan: ArtifactRef; readonly soFar: ArtifactRef }
  | { readonly more: false; readonly scores: ScoreRow[]; readonly facts: RacingFacts };

/**
 * Between two tasks: the model of a race takes half a second for a task of 1,000 drafts, and 23 in a row would keep the heartbeats of all that this process
 * works on from being sent until others take it for dead.
 */
const othersTurn = setImmediate;

/** After a wave: the plan of the next one and the answers so far, or the scores. Holds a byte a cell, whatever the answers' length. */
async function afterWave(
  { store }: StageContext,
  loaded: Loaded,
  { soFar, results }: UnreadResults,
  last: boolean,
): Promise<Raced> {
  const races = racesOf(loaded);
  const rowOf = new Map(
    races.flatMap(({ task, answers }) => task.drafts.map(({ id }, row) => [id, answers[row] as Answers] as const)),
  );
  const columnOf = new Map(
    races.flatMap(({ task }) => task.probes.map((id, column) => [`${task.name}/${id}`, column] as const)),
  );
  if (soFar)
    for (const { draftId, answers } of await readRows(store, soFar, raceAnswersRowSchema))
      (rowOf.get(draftId) as Answers).set(Array.from(answers, (answer) => (answer === '-' ? -1 : Number(answer))));
  for await (const { meta, value } of results()) {
    const { d, p, t } = meta as unknown as Meta;
    const { correct } = (value ?? noStudentAnswer) as unknown as StudentAnswer;
    (rowOf.get(d) as Answers)[columnOf.get(`${t}/${String(p)}`) as number] = correct ? 1 : 0;
  }
  const settings = racingSettings(loaded.config);
  const places: Partial<Record<Place, number>> = {};
  const asks: RaceAskRow[] = [];
  for (const { task, answers } of races) {
    await othersTurn();
    const step = nextCells(task, answers, settings);
    asks.push(...asksOf(task, step.asks));
    for (const place of step.places) places[place] = (places[place] ?? 0) + 1;
  }
  if (asks.length > 0 && !last)
    return { more: true, plan: await putRows(store, asks), soFar: await putRows(store, races.flatMap(answersOf)) };
  const scores = new Map<string, ScoreRow>();
  for (const { task, answers } of races) {
    await othersTurn();
    for (const score of racedScores(task, answers)) scores.set(score.draftId, score);
  }
  const cells = races.flatMap(({ answers }) => answers);
  const exhaustive = cells.reduce((sum, row) => sum + row.length, 0);
  const asked = cells.reduce((sum, row) => sum + row.filter((answer) => answer >= 0).length, 0);
  return {
    more: false,
    scores: loaded.drafts.flatMap(({ id }) => scores.get(id) ?? []),
    facts: { asked, exhaustive, places },
  };
}
