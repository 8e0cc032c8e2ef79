/**
 * A finished alignment is judged: its student's answers on the test items against those of the current one, or of the untuned student.
 * Owns where the answers come from. Leaves the rule to method/promotion.ts, the documents to activities/students.ts.
 */
import { evaluatePredictions } from '../method/evaluate';
import { canonicalJson, sha256Hex } from '../method/keys';
import { judgePromotion, type PromotionSide } from '../method/promotion';
import type { ArtifactRef } from '../schemas/artifact-ref';
import { ArteError } from '../schemas/errors';
import type { ArmName } from '../schemas/arms';
import type { EvaluationRecord, RoundRecord, RunRecord } from '../schemas/messages';
import { predictionRowSchema, type PredictionRow } from '../schemas/rows';
import type { JudgeInput } from '../schemas/schedule';
import type { StudentAlignment, StudentEvent } from '../schemas/student';
import { taskRecordSchema } from '../schemas/task';
import { openBundle } from './bundle';
import type { StoreDependencies } from './dependencies';
import { readRows } from './read-rows';
import { lastEnded, readRounds, runKeys } from './run-records';
import { finishedStage } from './stage';
import { recordVerdict } from './students';

type Store = StoreDependencies['store'];

/** Give the verdict on a run, once. Errors: BlobMissing when what it is judged by has gone from the store. */
export async function judgeAlignment(
  { store }: StoreDependencies,
  { schedule, bundle, student, runId }: JudgeInput,
): Promise<StudentEvent['action']> {
  const record = (await store.getDocument(runKeys.record(runId))) as unknown as RunRecord | undefined;
  if (!record) throw gone(`the record of ${runId}`);
  const { config } = await openBundle(store, record.bundle);
  const { promotion } = (await openBundle(store, bundle)).config;
  const last = lastEnded(await readRounds(store, runId, config.rounds.count));
  if (!last) throw gone(`the rounds of ${runId}`);
  const accepted = Number(last.decision['bestRound'] ?? last.round);
  // A gate or a person rejected every round: there is nothing to test, and what was made last is what the verdict is about.
  const best = accepted === 0 ? last.round : accepted;
  const alignment = await alignmentOf(store, { schedule, runId, best, last, rounds: config.rounds.count });
  const { action } = await recordVerdict(store, student, alignment, async ({ current, alignments }) => {
    if (accepted === 0) return { ...keptBack(last), runId, before: current, by: `schedule ${schedule}` };
    const before = current === null ? undefined : alignments[current];
    const verdict = judgePromotion(
      await sideOf(store, 'it', alignment),
      before
        ? await sideOf(store, `that of ${before.runId}`, before)
        : { ...(await untuned(store, last)), testItemsSha256: alignment.testItemsSha256 },
      promotion,
      chosenFrom(last),
    );
    return {
      action: verdict.promoted ? 'promoted' : 'kept-back',
      ...{ runId, before: current, at: new Date().toISOString(), by: `schedule ${schedule}`, why: verdict.why },
      ...{ checks: [...verdict.checks], fallen: [...verdict.fallen] },
    };
  });
  return action;
}

/** Rounds whose students were evaluated: what the best was chosen from. */
function chosenFrom(last: RoundRecord): number {
  return new Set(last.evaluations.filter(({ arm }) => arm === 'arte').map(({ round }) => round)).size;
}

/** The verdict on a run of which no round was accepted. */
function keptBack({ decision }: RoundRecord): Pick<StudentEvent, 'action' | 'at' | 'why' | 'checks' | 'fallen'> {
  const { by, reason } = (decision['approval'] ?? {}) as { by?: string; reason?: string };
  const who = decision['decision'] === 'rejected' && by !== undefined ? `${by} rejected it` : 'a gate rejected it';
  const why = `No round of it was accepted: ${who}${reason === undefined ? '' : ` (${reason})`}.`;
  return { action: 'kept-back', at: new Date().toISOString(), why, checks: [], fallen: [] };
}

async function alignmentOf(
  store: Store,
  {
    schedule,
    runId,
    best,
    last,
    rounds,
  }: { schedule: string; runId: string; best: number; last: RoundRecord; rounds: number },
): Promise<StudentAlignment> {
  const records = await readRounds(store, runId, rounds);
  const model = records.find(({ round }) => round === best)?.models['student'];
  if (!model) throw gone(`the student of round ${best} of ${runId}`);
  const evaluations: StudentAlignment['evaluations'] = [];
  for (const { shots, key } of evaluationsOf(last, 'arte', best)) {
    const predictions = await predictionsOf(store, key);
    const { accuracy, n } = evaluatePredictions(await answersIn(store, predictions), new Map()).overall;
    evaluations.push({ shots, accuracy, n, predictions, stageKey: key });
  }
  return {
    ...{ runId, schedule, model, round: best, evaluations },
    studentSha256: model.baseSha256,
    teacherSha256: records[0]?.models['teacher']?.baseSha256 ?? model.baseSha256,
    testItemsSha256: await testItems(store, last),
  };
}

/** The first of an arm's students is the one that a run hands on. */
function evaluationsOf(last: RoundRecord, arm: ArmName, round: number): EvaluationRecord[] {
  return last.evaluations.filter((one) => one.arm === arm && one.round === round && one.student === 1);
}

async function untuned(store: Store, last: RoundRecord): Promise<Omit<PromotionSide, 'testItemsSha256'>> {
  const answers = new Map<number, PredictionRow[]>();
  for (const { shots, key } of evaluationsOf(last, 'untuned', 1))
    answers.set(shots, await answersIn(store, await predictionsOf(store, key)));
  return { name: 'the untuned student', answers };
}

async function sideOf(
  store: Store,
  name: string,
  { testItemsSha256, evaluations }: Pick<StudentAlignment, 'testItemsSha256' | 'evaluations'>,
): Promise<PromotionSide> {
  const answers = new Map<number, PredictionRow[]>();
  for (const { shots, predictions } of evaluations) answers.set(shots, await answersIn(store, predictions));
  return { name, testItemsSha256, answers };
}

function answersIn(store: Store, ref: ArtifactRef): Promise<PredictionRow[]> {
  return readRows(store, ref, predictionRowSchema);
}

async function predictionsOf(store: Store, key: string): Promise<ArtifactRef> {
  const ref = (await finishedStage(store, key))?.outputs['predictions'];
  if (!ref) throw gone(`the evaluation ${key.slice(0, 12)}`);
  return ref;
}

/** Questions and right answers: an id alone does not say that it is the same item. */
async function testItems(store: Store, { stages }: RoundRecord): Promise<string> {
  const key = stages.find(({ stage }) => stage === 'prepare-tasks')?.key;
  const ref = key === undefined ? undefined : (await finishedStage(store, key))?.outputs['tasks'];
  if (!ref) throw gone('the tasks');
  const tasks = await readRows(store, ref, taskRecordSchema);
  return sha256Hex(
    canonicalJson(
      tasks.flatMap(({ name, test }) => test.map(({ id, question, target }) => [name, id, question, target])).sort(),
    ),
  );
}

function gone(what: string): ArteError {
  return new ArteError('BlobMissing', {
    what: `Whether the alignment becomes current cannot be tested: ${what} has gone from the store.`,
    why: 'It was there when the run ended; something removed it.',
    next: 'The next firing tries it again. A changed config or student is new work.',
  });
}
