/** What the figures of a plan do not say by themselves. */
import type { RunConfig } from '../schemas/run-config';
import { signalsOf } from '../schemas/signals';
import { questionPairsOfTask, type PlannedTask } from './plan-counts';
import { rationaleTokensAssumed } from './plan-tokens';
import { textScorer } from './served';
import { signals } from './signals';
import { allTasks, transferTargets } from './transfer';

/** Notes on a plan, one sentence or two each. */
export function planNotes(config: RunConfig, tasks: readonly PlannedTask[]): string[] {
  const notes: string[] = [];
  const { probe, models } = config;
  const sizes = tasks.map(({ validation }) =>
    probe.method === 'full' ? validation : Math.min(probe.size, validation),
  );
  const smallest = Math.min(...sizes);
  if (Number.isFinite(smallest) && smallest > 0 && signalsOf(config.score).includes('icl_accuracy')) {
    const step = (100 / smallest).toFixed(1);
    // The standard error of a share is largest at one half.
    const stderr = (100 * Math.sqrt(0.25 / smallest)).toFixed(1);
    notes.push(
      `With ${smallest} probe items one step of a score is ${step} points, and its standard error up to ${stderr}.`,
    );
  }
  for (const [role, model] of [
    ['teacher', models.teacher],
    ['student', models.student],
  ] as const) {
    if (model.source.startsWith('hf:') && model.revision === undefined) {
      notes.push(
        `The ${role} ${model.source} has no revision: the run records the one that it finds. Write models.${role}.revision to pin it.`,
      );
    }
  }
  for (const [index, model] of probe.respondents.entries()) {
    if (model.source.startsWith('hosted:')) {
      notes.push(
        `probe.respondents[${index}] is hosted: its weights cannot be read, so what it answered is known by its name and declared revision only.`,
      );
    }
  }
  if (config.rounds.count > 1 && (config.rounds.on_worse === 'roll-back' || config.rounds.patience > 0)) {
    notes.push(
      `All ${config.rounds.count} rounds are counted, each from the teacher of the one before: what the rounds decide (rounds.on_worse, rounds.patience) is not known before.`,
    );
  }
  if (config.score.mode === 'racing') {
    const { confidence, calls_max: callsMax } = config.score;
    const atMost =
      confidence >= 1 ? 'confidence 1 makes them all' : `at most ${Math.round(100 * callsMax)} % of them are made`;
    notes.push(
      `Racing: the calls of score-drafts are a ceiling (exhaustive scoring); ${atMost}${confidence >= 1 ? '' : ', and fewer where drafts differ much (an estimate: docs/racing.md)'}.`,
    );
  }
  if (signalsOf(config.score).some((name) => signals[name].asks === 'text')) {
    const { endpoint } = textScorer(config);
    notes.push(
      endpoint.kind === 'scorer'
        ? `The student's probabilities come from the project's scorer (${endpoint.dtype}), which reads its weights on the worker's device; their calls are rows of it.`
        : "The student's probabilities come from its own endpoint, a call a row.",
    );
  }
  const all = allTasks(config);
  const declared = all.filter(({ source }) => source === 'declared').length;
  if (declared > 0) notes.push(`${declared} of ${all.length} tasks are only declared: this can be planned, not run.`);
  if (transferTargets(config).length > 0 && config.rounds.count > 1) {
    notes.push(
      'What transfer asks for is made after the last round, whichever that is, with the teacher and the set of the best one.',
    );
  }
  if (config.align.method !== 'none' && config.pairs.question.per_task > questionPairsOfTask(config)) {
    notes.push(
      `${config.questions.per_task} questions give at most ${questionPairsOfTask(config)} question pairs a task, not the ${config.pairs.question.per_task} that pairs.question.per_task asks for.`,
    );
  }
  notes.push(
    `Calls are exact when nothing fails, is asked again, or was asked before under another stage. Output tokens are ceilings (max_tokens). Prompts, and what they cost, are estimates with nothing cached: by the lengths of texts, and of a rationale that is shown ${rationaleTokensAssumed} tokens at most, so that a teacher that reasons longer makes them longer.`,
  );
  return notes;
}

/** What a cap means for the plan, by its cost; `arte run` says the same when it starts. */
export function capNotes({ budget: { cap }, models, platform: { currency } }: RunConfig, cost: number): string[] {
  if (cap === null) return [];
  const notes: string[] = [];
  if (cost > cap) {
    notes.push(
      `About ${cost.toFixed(2)} ${currency}, with answers of max_tokens, pass the cap of ${cap.toFixed(2)}: the run may park before it is done; arte budget set raises the cap.`,
    );
  }
  if (models.teacher.price.training_hour > 0 || models.student.price.training_hour > 0) {
    notes.push(
      'How many hours the trainings take is not known before: they are in what the plan is expected to take, not in the cost of the tokens; the cap holds for them while they run.',
    );
  }
  return notes;
}
