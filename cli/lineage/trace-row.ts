/**
 * From a row that a run left behind to all that it came from: the call, and the rows it was made of, each with its own call.
 *
 * Owns how a row is named and found, and which rows stand behind which. Leaves listing calls again to activities/lineage.ts, the look to
 * trace-view.ts. Rows are followed by content: what a stage read is what another put out under the same sha256.
 */
import { findCall, isRowStage, type LineageStage, type RunLineage, type TracedCall } from '../../activities/lineage';
import { readRows, streamRows } from '../../activities/read-rows';
import { canonicalJson } from '../../method/keys';
import type { ArtifactStore } from '../../drivers/store/store';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { ArteError } from '../../schemas/errors';
import type { JsonObject } from '../../schemas/json';
import type { StageManifest } from '../../schemas/manifest';
import {
  cellRowSchema,
  draftRowSchema,
  pairRowSchema,
  predictionRowSchema,
  questionRowSchema,
  scoreRowSchema,
  tailoredRowSchema,
  type CellRow,
  type DraftRow,
  type PairRow,
  type ScoreRow,
} from '../../schemas/rows';
import { stageLabel, type StageName } from '../../schemas/stage-names';
import { roundIn } from '../report/report-round';

export type TracedKind = 'prediction' | 'tailored' | 'pair' | 'draft' | 'question' | 'cell';

/** A row and what it came from. `arte trace --json` prints exactly this. */
export interface RowTrace {
  readonly kind: TracedKind;
  /** `STAGE/ARM:INDEX`: finds the same row again, with its round. */
  readonly address: string;
  readonly round: number;
  readonly stage: {
    readonly name: StageName;
    readonly arm: string;
    readonly key: string;
    readonly version: number;
    /** Whether this run found the stage in the store. */
    readonly reused: boolean;
    readonly finishedAt: string;
  };
  readonly row: JsonObject;
  /** The target was put in place of the writer's answer (rationales.answer, tailor.answer: given), so that `agrees` measures nothing. Left out else. */
  readonly given?: true;
  /** The model call that the row was read from; none for pairs, and where the answer has gone from the store. */
  readonly call?: TracedCall;
  /** Why there is no call where one is expected. */
  readonly note?: string;
  /** How drafts scored: a draft's own line, or those of a question's drafts. */
  readonly scores?: readonly ScoreRow[];
  /** A draft's cells: the probe items that the student answered after it. */
  readonly cells?: readonly CellRow[];
  /** The rows that this one was made of. */
  readonly from: readonly { readonly role: string; readonly trace: RowTrace }[];
}

/** Where rows of a kind stand, and by which names one of them is known. In the order in which a name is looked up. */
interface Place {
  readonly kind: TracedKind;
  readonly stages: readonly StageName[];
  readonly output: string;
  /** Names of a row, its id and its row key among them. */
  names(row: JsonObject): readonly string[];
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

const places: readonly Place[] = [
  {
    kind: 'prediction',
    stages: ['evaluate'],
    output: 'predictions',
    names: ({ task, itemId, from }) => [text(itemId), `${text(task)}/${text(itemId)}`, text(from)],
  },
  {
    kind: 'tailored',
    stages: ['tailor-rationales'],
    output: 'tailored',
    names: ({ id, from }) => [text(id), text(from)],
  },
  { kind: 'pair', stages: ['build-pairs'], output: 'pairs', names: ({ id }) => [text(id)] },
  { kind: 'draft', stages: ['sample-rationales'], output: 'drafts', names: ({ id, from }) => [text(id), text(from)] },
  {
    kind: 'question',
    stages: ['sample-questions', 'tailor-questions'],
    output: 'questions',
    names: ({ id, from }) => [text(id), text(from)],
  },
  {
    kind: 'cell',
    stages: ['score-drafts'],
    output: 'cells',
    names: ({ draftId, probeId }) => [
      `${text(draftId)}/${text(probeId)}`,
      ...(probeId === null ? [text(draftId)] : []),
    ],
  },
];

/** The stages whose rows can be followed. */
export const tracedStages: ReadonlySet<StageName> = new Set(places.flatMap(({ stages }) => stages));

const rowSchemas = {
  prediction: predictionRowSchema,
  tailored: tailoredRowSchema,
  pair: pairRowSchema,
  draft: draftRowSchema,
  question: questionRowSchema,
  cell: cellRowSchema,
} as const;

type FinishedStage = LineageStage & { readonly manifest: StageManifest };

interface Found {
  readonly place: Place;
  readonly stage: FinishedStage;
  readonly index: number;
  readonly row: JsonObject;
}

/** Hex digits from which a beginning of a row key or id may stand for the whole. */
const prefixDigitsMin = 8;
/** So many rows are named when a name fits several. */
const choicesShownMax = 12;

/**
 * Follow a row. `wanted`: a row key, an id, or `ARM:INDEX` (also `STAGE:INDEX`), index from 0; `round` narrows it. Without one the row of the best
 * round is meant where several rounds have one of that name.
 * Errors: RowNotFound when there is no such row, InvalidInput when the name fits several.
 */
export async function traceRow(
  store: ArtifactStore,
  lineage: RunLineage,
  wanted: string,
  round?: number,
): Promise<RowTrace> {
  const stages = distinct(lineage.stages, round);
  const best = round ?? roundIn(lineage, undefined).round;
  const found =
    (await byIndex(store, stages, wanted, best)) ??
    (await byName(store, stages, wanted, best)) ??
    (await byCall(store, lineage, stages, wanted));
  if (!found) throw notThere(lineage, stages, wanted, round);
  return follow(store, lineage, found);
}

/** Stages with a manifest, each key once: a later round that found a stage again did not make other rows. */
function distinct(stages: readonly LineageStage[], round: number | undefined): FinishedStage[] {
  const byKey = new Map<string, FinishedStage>();
  for (const stage of stages) {
    const { manifest, record } = stage;
    if (!manifest || (round !== undefined && record.round !== round)) continue;
    // Two arms may have come to the very same stage; both names find it.
    const identity = `${record.key} ${record.arm}`;
    if (!byKey.has(identity)) byKey.set(identity, { ...stage, manifest });
  }
  return [...byKey.values()];
}

async function byIndex(
  store: ArtifactStore,
  stages: readonly FinishedStage[],
  wanted: string,
  best: number,
): Promise<Found | undefined> {
  const [, name, digits] = /^(.+):(\d+)$/.exec(wanted) ?? [];
  if (name === undefined) return undefined;
  const fitting = stages.flatMap((stage) => {
    const place = placeOf(stage);
    const { record } = stage;
    const names = [record.arm, record.stage, stageLabel(record.stage, record.arm)];
    return place && names.includes(name) ? [{ place, stage }] : [];
  });
  // An arm has questions, rationales and predictions; the first kind in the order of places is meant.
  const kind = places.find((place) => fitting.some((each) => each.place === place));
  const candidates = fitting.filter(({ place }) => place === kind);
  const index = Number(digits);
  const rows: Found[] = [];
  // Another round may have more rows.
  const tooShort: ArteError[] = [];
  for (const { place, stage } of candidates) {
    const ref = stage.manifest.outputs[place.output];
    if (!ref) continue;
    if (index >= ref.rows) {
      const error = new ArteError('RowNotFound', {
        what: `${stageLabel(stage.record.stage, stage.record.arm)} of round ${stage.record.round} has no row ${index}.`,
        why: `It has ${ref.rows} rows, counted from 0.`,
        next: `Name one from ${name}:0 to ${name}:${Math.max(0, ref.rows - 1)}.`,
      });
      tooShort.push(error);
      continue;
    }
    for await (const found of rowsOf(store, place, stage)) {
      if (found.index === index) rows.push(found);
      if (found.index >= index) break;
    }
  }
  const [short] = tooShort;
  if (rows.length === 0 && short) throw short;
  return only(rows, wanted, best);
}

async function byName(
  store: ArtifactStore,
  stages: readonly FinishedStage[],
  wanted: string,
  best: number,
): Promise<Found | undefined> {
  for (const place of places) {
    const rows: Found[] = [];
    for (const stage of stages) {
      if (placeOf(stage) !== place) continue;
      for await (const found of rowsOf(store, place, stage))
        if (place.names(found.row).some((name) => fits(name, wanted))) rows.push(found);
    }
    const found = only(rows, wanted, best);
    if (found) return found;
  }
  return undefined;
}

/** A row key that no artifact names: a call of the draft x probe matrix, or one whose answer was dropped. */
async function byCall(
  store: ArtifactStore,
  lineage: RunLineage,
  stages: readonly FinishedStage[],
  wanted: string,
): Promise<Found | undefined> {
  if (!/^[0-9a-f]{64}$/.test(wanted)) return undefined;
  for (const stage of stages) {
    const place = placeOf(stage);
    const call = await findCall(store, lineage, stage.manifest, { rowKey: wanted });
    if (!place || !call) continue;
    // Only cells and predictions stand at the index of their call; elsewhere this answer was dropped.
    if (place.kind === 'cell')
      for await (const found of rowsOf(store, place, stage)) if (found.index === call.index) return found;
    return { place, stage, index: call.index, row: { dropped: call.result.outcome, from: wanted } };
  }
  return undefined;
}

function placeOf({ record: { stage } }: LineageStage): Place | undefined {
  return places.find(({ stages }) => stages.includes(stage));
}

async function* rowsOf(store: ArtifactStore, place: Place, stage: FinishedStage): AsyncGenerator<Found> {
  const ref = stage.manifest.outputs[place.output];
  if (!ref || !(await store.hasBlob(ref))) return;
  let index = 0;
  for await (const row of streamRows(store, ref, rowSchemas[place.kind])) {
    yield { place, stage, index, row: row as JsonObject };
    index += 1;
  }
}

function fits(name: string, wanted: string): boolean {
  if (name === wanted) return true;
  const isPrefix = wanted.length >= prefixDigitsMin && /^[0-9a-f]+$/.test(wanted);
  return isPrefix && /^([0-9a-f]{16}|[0-9a-f]{64})$/.test(name) && name.startsWith(wanted);
}

function only(found: readonly Found[], wanted: string, best: number): Found | undefined {
  const rows = unequal(found);
  if (rows.length <= 1) return found[0];
  const ofBest = found.filter(({ stage }) => stage.record.round === best);
  if (unequal(ofBest).length === 1) return ofBest[0];
  throw new ArteError('InvalidInput', {
    what: `${rows.length} rows are called ${wanted}.`,
    why: 'Several arms or rounds have a row of that name, and the best round has not one alone.',
    next: `Name one by its address, with --round where rounds share it: ${rows
      .slice(0, choicesShownMax)
      .map((each) => `${addressOf(each)} (round ${each.stage.record.round})`)
      .join(', ')}${rows.length > choicesShownMax ? ', …' : ''}`,
  });
}

/** Two stages that come to the very same row (arms with equal data, a stage that a later round found again) name one row. */
function unequal(found: readonly Found[]): Found[] {
  return [...new Map(found.map((each) => [`${each.place.kind} ${canonicalJson(each.row)}`, each])).values()];
}

function addressOf({ stage: { record }, index }: Found): string {
  return `${stageLabel(record.stage, record.arm)}:${index}`;
}

function notThere(
  { runId }: RunLineage,
  stages: readonly FinishedStage[],
  wanted: string,
  round: number | undefined,
): ArteError {
  const labels = stages.flatMap((stage) => {
    const place = placeOf(stage);
    const rows = place && stage.manifest.outputs[place.output]?.rows;
    const { record } = stage;
    return rows ? [`${stageLabel(record.stage, record.arm)} (round ${record.round}, ${rows} rows)`] : [];
  });
  return new ArteError('RowNotFound', {
    what: `${runId} has no row ${wanted}${round === undefined ? '' : ` in round ${round}`}.`,
    why:
      labels.length === 0
        ? 'None of its stages that left rows is in the store.'
        : 'It is neither a row key, nor an id of an item, question, draft, pair or tailored example, nor ARM:INDEX of this run.',
    next: labels.length === 0 ? `arte status ${runId} shows where it is.` : `Its rows: ${labels.join(', ')}.`,
  });
}

// ---- what stands behind a row ------------------------------------------------------------------------------------

async function follow(store: ArtifactStore, lineage: RunLineage, found: Found): Promise<RowTrace> {
  const { place, stage, index, row } = found;
  const { record, manifest } = stage;
  const key = text(row['from']);
  const wanted = key === '' ? { index } : { rowKey: key };
  const call = isRowStage(manifest) ? await findCall(store, lineage, manifest, wanted) : undefined;
  const gone = isRowStage(manifest) && !call;
  return {
    kind: place.kind,
    address: addressOf(found),
    round: record.round,
    stage: {
      name: manifest.stage,
      arm: record.arm,
      key: manifest.key,
      version: manifest.version,
      reused: record.reused,
      finishedAt: manifest.finishedAt,
    },
    row,
    ...(isGiven(place.kind, manifest) && { given: true }),
    ...(call ? { call } : {}),
    ...(gone ? { note: 'The answer as it was received is no longer in the store: its shard was removed.' } : {}),
    ...(await sources(store, lineage, found)),
  };
}

function isGiven(kind: TracedKind, { settings }: StageManifest): boolean {
  const { answer } = (settings as { readonly settings?: { readonly answer?: unknown } }).settings ?? {};
  return (kind === 'draft' || kind === 'tailored') && answer === 'given';
}

type Behind = Pick<RowTrace, 'scores' | 'cells' | 'from'>;

async function sources(store: ArtifactStore, lineage: RunLineage, found: Found): Promise<Behind> {
  const { place, stage, row } = found;
  const { inputs } = stage.manifest;
  /** The trace of a row of that kind, by its id, among the rows that this stage read. */
  const behind = async (input: string, kind: TracedKind, id: string, role: string): Promise<Behind['from']> => {
    const source = await rowById(store, lineage, inputs[input], kind, id);
    return source ? [{ role, trace: await follow(store, lineage, source) }] : [];
  };
  switch (place.kind) {
    case 'tailored':
      return { from: await behind('questions', 'question', text(row['id']), 'question') };
    case 'draft': {
      const { questionId, id } = row as unknown as DraftRow;
      const drafts = stage.manifest.outputs['drafts']?.sha256;
      return {
        ...(await scoring(store, lineage, drafts, (score) => score.draftId === id)),
        from: await behind('questions', 'question', questionId, 'question'),
      };
    }
    case 'question': {
      const { id } = row;
      const drafts = lineage.stages.find(
        ({ record, manifest }) =>
          record.stage === 'sample-rationales' &&
          manifest?.inputs['questions'] === stage.manifest.outputs['questions']?.sha256,
      )?.manifest?.outputs['drafts']?.sha256;
      const { scores } = await scoring(store, lineage, drafts, (score) => score.questionId === id);
      return { ...(scores ? { scores } : {}), from: [] };
    }
    case 'pair': {
      const { kind, chosenId, rejectedId } = row as unknown as PairRow;
      const [input, of] = kind === 'rationale' ? (['drafts', 'draft'] as const) : (['questions', 'question'] as const);
      return {
        from: [...(await behind(input, of, chosenId, 'chosen')), ...(await behind(input, of, rejectedId, 'rejected'))],
      };
    }
    case 'cell':
      return { from: await behind('drafts', 'draft', text(row['draftId']), 'demonstration') };
    case 'prediction':
      return { from: [] };
  }
}

async function rowById(
  store: ArtifactStore,
  lineage: RunLineage,
  content: string | undefined,
  kind: TracedKind,
  id: string,
): Promise<Found | undefined> {
  for (const stage of distinct(lineage.stages, undefined)) {
    const place = placeOf(stage);
    if (place?.kind !== kind || stage.manifest.outputs[place.output]?.sha256 !== content) continue;
    for await (const found of rowsOf(store, place, stage)) if (found.row['id'] === id) return found;
  }
  return undefined;
}

/** Scores of some drafts, and the cells behind them where it is one draft. */
async function scoring(
  store: ArtifactStore,
  lineage: RunLineage,
  drafts: string | undefined,
  mine: (score: ScoreRow) => boolean,
): Promise<Pick<Behind, 'scores' | 'cells'>> {
  const manifest = lineage.stages.find(
    (stage) => stage.record.stage === 'score-drafts' && stage.manifest?.inputs['drafts'] === drafts,
  )?.manifest;
  // Of several signals the combination counts; the cells are those of the first.
  const own = manifest?.outputs['scores'];
  const joined = lineage.stages.find(
    (stage) =>
      stage.record.stage === 'combine-scores' &&
      Object.values(stage.manifest?.inputs ?? {}).includes(own?.sha256 ?? ''),
  )?.manifest?.outputs['scores'];
  const scores = await present(store, joined ?? own, async (ref) =>
    (await readRows(store, ref, scoreRowSchema)).filter(mine),
  );
  if (!scores || scores.length !== 1) return scores ? { scores } : {};
  const cells = await present(store, manifest?.outputs['cells'], async (ref) => {
    const own: CellRow[] = [];
    for await (const cell of streamRows(store, ref, cellRowSchema))
      if (cell.draftId === scores[0]?.draftId) own.push(cell);
    return own;
  });
  return { scores, ...(cells ? { cells } : {}) };
}

async function present<T>(
  store: ArtifactStore,
  ref: ArtifactRef | undefined,
  read: (ref: ArtifactRef) => Promise<T>,
): Promise<T | undefined> {
  return ref && (await store.hasBlob(ref)) ? read(ref) : undefined;
}
