/**
 * One round of ARTE, row by row as the method's table has it. Each call is one stage: made, or found in the store.
 * Owns the order and what feeds what; everything else is below.
 */
import {
  armsOfRound,
  pairKindsOf,
  pairsLabel,
  recipeOf,
  type ArmName,
  type ArmRecipe,
  type PairKinds,
} from '../schemas/arms';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type {
  AlignCarry,
  AlignInput,
  ResolvedModels,
  StageResult,
  TrainingSet,
  TrainingSets,
} from '../schemas/messages';
import type { JsonObject } from '../schemas/json';
import type { NextRound } from '../method/gates';
import type { ModelRef } from '../schemas/model-ref';
import { signalLabel, standardSignal } from '../schemas/signals';
import { respondentArm } from '../schemas/stage-names';
import type { StageRunner } from './run-state';
import { evaluate, modelOf, out, setOf, trainStudents, written } from './students';

export interface RoundOutcome {
  /** The models of the run, with the teacher as it is after its warm-up. */
  readonly models: ResolvedModels;
  /** The teacher that DPO made. Where nothing is trained, the teacher as it was. */
  readonly teacher: ModelRef;
  /** The student that was trained on the aligned teacher's data. */
  readonly student: ModelRef;
  readonly decision: JsonObject;
  /** Key of the stage that decided. */
  readonly decided: string;
  readonly tasks: ArtifactRef;
  readonly drafts: ArtifactRef;
  /** The sets of the arms that a transfer takes up. */
  readonly sets: TrainingSets;
  /** The set of the teacher as it came, which gates measure drift from; and the round's preference pairs. */
  readonly firstSet?: ArtifactRef;
  readonly pairs?: ArtifactRef;
}

type ArmOutcome = Pick<RoundOutcome, 'teacher' | 'student'> & {
  /** Where a student was trained. */
  readonly set?: TrainingSet;
  /** Where the teacher was aligned. */
  readonly checked?: Checked;
};

/** What all arms of a round share: it is made once. */
interface Shared {
  readonly tasks: ArtifactRef;
  readonly probes: ArtifactRef;
  readonly drafts: ArtifactRef;
  readonly scores: ArtifactRef;
  /** The rows of DPO, by the kinds of pairs among them. */
  readonly pairs: Readonly<Partial<Record<PairKinds, ArtifactRef>>>;
}

export async function runRound(run: StageRunner, input: AlignInput, given: AlignCarry): Promise<RoundOutcome> {
  // data, a teacher that can do the tasks, preference set
  const prepared = await run.stage('prepare-tasks', {});
  const tasks = out(prepared, 'tasks');
  const carry = input.warmUp && given.round === 1 ? await warmUp(run, given, prepared) : given;
  const { teacher, round, models } = carry;
  const { student } = models;
  const arms = armsOfRound(input.arms, round);
  const responses = await askRespondents(run, input, carry, tasks);
  const probes = out(await run.stage('select-probes', { tasks, ...responses }), 'probes');

  // sample drafts, score them with the untuned student, build preference pairs
  const drawn = carry.rollBacks > 0 ? { extra: { draw: carry.rollBacks } } : {};
  const questions = out(await run.stage('sample-questions', { tasks }, { model: teacher, ...drawn }), 'questions');
  const drafts = out(await run.stage('sample-rationales', { tasks, questions }, { model: teacher }), 'drafts');
  const scored = await scoreDrafts(run, input, student, { tasks, probes, drafts });
  const scores = out(scored, 'scores');
  await checkScores(run, input, carry, scored.key, { tasks, probes, drafts, scores });
  const earlier = Object.fromEntries(carry.pairs.map((ref, at) => [`earlier-${at + 1}`, ref]));
  const pairs: Partial<Record<PairKinds, ArtifactRef>> = {};
  let pairsOfRound: ArtifactRef | undefined;
  for (const kinds of pairKindsOf(arms, input.align)) {
    const only = kinds === 'both' ? {} : { arm: pairsLabel(kinds), extra: { only: kinds } };
    const built = await run.stage('build-pairs', { tasks, questions, drafts, scores, ...earlier }, only);
    pairs[kinds] = out(built, 'dpo');
    if (kinds === 'both') pairsOfRound = out(built, 'pairs');
  }

  // align the teacher, tailor the training set, train the student; beside it what it is compared with
  const shared = { tasks, probes, drafts, scores, pairs };
  const [arte, original] = await run.together(
    () => makeArm(run, input, carry, 'arte', shared),
    async () => {
      let set: TrainingSet | undefined;
      for (const arm of arms) {
        if (arm === 'arte') continue;
        const made = await makeArm(run, input, carry, arm, shared);
        if (arm === 'original_teacher') set = made.set;
      }
      return set;
    },
  );

  const extra = {
    round,
    ...(arte.checked ? { gates: arte.checked.gates } : {}),
    ...(carry.rejected.length > 0 ? { rejected: carry.rejected } : {}),
  };
  const evaluations = await run.evaluations();
  const { facts: decision, key: decided } = await run.stage('decide', { evaluations }, { extra });
  const { teacher: made, student: trained } = arte;
  return {
    ...{ teacher: made, student: trained, decision, decided, models, tasks, drafts },
    sets: { ...(original && { original_teacher: original }), ...(arte.set && { arte: arte.set }) },
    ...(arte.checked ? { firstSet: arte.checked.firstSet } : {}),
    ...(pairsOfRound ? { pairs: pairsOfRound } : {}),
  };
}

/** By one signal, or by several and their ranks: each is asked for in a stage of its own, which a run by that signal alone finds again. */
async function scoreDrafts(
  run: StageRunner,
  { signals = [standardSignal] }: AlignInput,
  student: ModelRef,
  inputs: { readonly tasks: ArtifactRef; readonly probes: ArtifactRef; readonly drafts: ArtifactRef },
): Promise<StageResult> {
  const scored: StageResult[] = [];
  const scores: Record<string, ArtifactRef> = {};
  for (const signal of signals) {
    const extra = signal === standardSignal ? {} : { extra: { signal } };
    const parts = { model: student, arm: signalLabel(signal, signals), ...extra };
    const result = await run.stage('score-drafts', inputs, parts);
    scored.push(result);
    scores[signal] = out(result, 'scores');
  }
  const [only] = scored;
  return only && signals.length === 1 ? only : run.stage('combine-scores', scores);
}

/** Before money goes into DPO: whether the scores can be trusted, and how far the preference set speaks for all validation items. */
async function checkScores(
  run: StageRunner,
  input: AlignInput,
  { models }: AlignCarry,
  key: string,
  inputs: Readonly<Record<'tasks' | 'probes' | 'drafts' | 'scores', ArtifactRef>>,
): Promise<void> {
  if (input.checkScores) await run.stage('check-scores', {}, { extra: { scores: key } });
  if (!input.measureAgreement) return;
  const parts = { model: models.student, arm: 'agreement', extra: { purpose: 'agreement' } };
  await run.stage('score-sample', inputs, parts);
}

/** The teacher learns from the tasks' gold examples; what comes out is the teacher that every arm begins with. */
async function warmUp(run: StageRunner, carry: AlignCarry, prepared: StageResult): Promise<AlignCarry> {
  const inputs = { tasks: out(prepared, 'tasks'), gold: out(prepared, 'gold') };
  const teacher = modelOf(await run.stage('warm-up', inputs, { model: carry.teacher }));
  return { ...carry, teacher, models: { ...carry.models, teacher } };
}

/** An arm from its recipe to its accuracy: a training set, a student trained on it, the test items. Only the set differs between arms. */
async function makeArm(
  run: StageRunner,
  input: AlignInput,
  carry: AlignCarry,
  arm: ArmName,
  shared: Shared,
): Promise<ArmOutcome> {
  const { tasks } = shared;
  const { models, teacher } = carry;
  const recipe = recipeOf(arm, input.align);
  if (recipe.kind === 'asked') {
    const asked = { arm, student: 1, model: models[recipe.model], role: recipe.model };
    await evaluate(run, input, tasks, asked);
    return { teacher, student: models.student };
  }
  const { writer, set, checked } = await trainingSet(run, input, carry, arm, recipe, shared);
  const student = await trainStudents(run, input, tasks, arm, models.student, set.sft);
  return { teacher: writer, student, set, ...(checked && { checked }) };
}

/** What an arm's student is trained on, and the teacher it comes from. The set of an aligned teacher passes the gates first. */
async function trainingSet(
  run: StageRunner,
  input: AlignInput,
  carry: AlignCarry,
  arm: ArmName,
  recipe: Exclude<ArmRecipe, { kind: 'asked' }>,
  shared: Shared,
): Promise<{ writer: ModelRef; set: TrainingSet; checked?: Checked }> {
  const { tasks, drafts, scores, pairs } = shared;
  const { teacher } = carry;
  if (recipe.kind === 'chosen') {
    const selected = await run.stage('select-drafts', { tasks, drafts, scores }, { arm, extra: { ...recipe.choice } });
    return { writer: teacher, set: setOf(selected) };
  }
  const dpo = recipe.pairs === 'none' ? undefined : pairs[recipe.pairs];
  const aligned = dpo && (await align(run, input, carry, arm, dpo));
  const writer = aligned ? modelOf(aligned) : teacher;
  const shown = recipe.shown === 'own' ? { extra: { shown: 'own' } } : {};
  const tailored = await written(run, tasks, writer, arm, shown);
  const set = setOf(tailored);
  if (arm !== 'arte' || !aligned) return { writer, set };
  return { writer, set, checked: await checkRound(run, input, carry, aligned.key, set.tailored, shared) };
}

interface Checked {
  /** Key of the stage that holds the verdicts. */
  readonly gates: string;
  readonly firstSet: ArtifactRef;
}

/** The gates of the round. */
async function checkRound(
  run: StageRunner,
  input: AlignInput,
  carry: AlignCarry,
  training: string,
  tailored: ArtifactRef,
  { tasks, probes, drafts }: Shared,
): Promise<Checked> {
  const { models } = carry;
  // What the same prompt gave before any alignment: the set of original_teacher, which the first round makes anyway, by whoever comes first.
  const firstSet = carry.firstSet ?? out(await written(run, tasks, models.teacher, 'original_teacher', {}), 'tailored');
  const gain = { model: models.student, arm: 'gain', extra: { purpose: 'gain' } };
  const sample = input.measureGain
    ? { gain: (await run.stage('score-sample', { tasks, probes, drafts, tailored }, gain)).key }
    : {};
  const checked = await run.stage(
    'check-round',
    { tasks, tailored, before: firstSet },
    { extra: { training, ...sample } },
  );
  return { gates: checked.key, firstSet };
}

/** DPO on the student's preferences. */
async function align(
  run: StageRunner,
  input: AlignInput,
  { teacher, round, models }: AlignCarry,
  arm: ArmName,
  dpo: ArtifactRef,
): Promise<StageResult> {
  const reference = input.reference === 'initial' && round > 1 ? { reference: models.teacher } : {};
  const named = arm === 'arte' ? {} : { arm };
  return run.stage('train-dpo', { dpo }, { model: teacher, ...reference, ...named });
}

/** Respondents x items, for the IRT preference set: any models x shot counts; the student where the config names none. */
async function askRespondents(
  run: StageRunner,
  input: AlignInput,
  { models }: AlignCarry,
  tasks: ArtifactRef,
): Promise<Record<string, ArtifactRef>> {
  const responses: Record<string, ArtifactRef> = {};
  const respondents = models.respondents.length > 0 ? models.respondents : [models.student];
  for (const shots of input.respondentShots) {
    for (const [index, model] of respondents.entries()) {
      const extra = { shots, split: 'validation', ...(models.respondents.length > 0 ? { respondent: index } : {}) };
      const arm = respondentArm(index, shots);
      responses[`responses-${index}-${shots}`] = out(
        await run.stage('evaluate', { tasks }, { model, extra, arm }),
        'predictions',
      );
    }
  }
  return responses;
}

/** What the first round begins with. */
export function firstCarry(models: ResolvedModels, startedAt: string): AlignCarry {
  const { teacher } = models;
  return {
    ...{ round: 1, models, teacher, bestTeacher: teacher, bestRound: 0, startedAt },
    ...{ rollBacks: 0, rejected: [], pairs: [], sets: {}, drafts: [] },
  };
}

/**
 * What the round after this one begins with: the teacher that the decision names. A round that starts again from an earlier teacher draws its
 * drafts anew, or it would be that teacher's last round once more.
 */
export function carryOn(
  carry: AlignCarry,
  made: RoundOutcome,
  { accumulate, transfer }: Pick<AlignInput, 'accumulate' | 'transfer'>,
): AlignCarry {
  const { round } = carry;
  const { decision, firstSet, models, sets } = made;
  const bestRound = Number(decision['bestRound'] ?? round);
  const before = bestRound === 0 ? models.teacher : carry.bestTeacher;
  const bestTeacher = bestRound === round ? made.teacher : before;
  // A decision that is not there yet (arte plan looks ahead) goes on with what the round made.
  const next = decision['next'] as unknown as NextRound | undefined;
  const rollsBack = next !== undefined && next.from !== round;
  const pairs = made.pairs ? [...carry.pairs, made.pairs] : carry.pairs;
  return {
    ...carry,
    models,
    round: round + 1,
    teacher: rollsBack ? bestTeacher : made.teacher,
    bestRound,
    bestTeacher,
    // The unaligned teacher's set comes from the first round, whatever became of that.
    sets: bestRound === round ? { ...carry.sets, ...sets } : { ...sets, ...carry.sets },
    drafts: transfer?.tasks ? [...carry.drafts, made.drafts] : [],
    rollBacks: carry.rollBacks + Number(rollsBack),
    rejected: decision['decision'] === 'reject' ? [...carry.rejected, round] : carry.rejected,
    // The last ones; of `0` slice would take all.
    pairs: accumulate === null ? pairs : accumulate === 0 ? [] : pairs.slice(-accumulate),
    ...(firstSet ? { firstSet } : {}),
    ...(next?.stop ? { stop: true } : {}),
  };
}
