/** Judges the loop of a config: pairs, losses, arms, filters, gates and rounds that cannot be had together. */
import { armsOf, pairKindsOf, recipeOf } from '../../schemas/arms';
import type { RunConfig } from '../../schemas/run-config';
import { builtinTechniques, questionPairsOfTask, rationalePairsOfTask } from '../plan-counts';
import { type Finding, finding } from './finding';

/** With the targets appended to them, answers agree with the target, and with each other, whatever the teacher wrote. */
export function filterFindings({ tailor }: RunConfig): Finding[] {
  if (tailor.answer !== 'given' || (tailor.filter !== 'target' && tailor.filter !== 'majority')) return [];
  return [
    finding(
      ['tailor', 'filter'],
      {
        what: `tailor.filter: ${tailor.filter} can drop nothing while tailor.answer is given.`,
        why: "Every example then ends in its question's own target.",
        instead: 'Write tailor.answer: free, or filter: off (or verifier, which judges the target itself).',
      },
      ['tailor.answer'],
    ),
  ];
}

/** Losses, their weights, and what one of them needs. */
export function alignFindings({
  align: { loss, loss_weights: weights, label_smoothing: smoothing },
}: RunConfig): Finding[] {
  const findings: Finding[] = [];
  if (weights.length > 0 && weights.length !== loss.length) {
    findings.push(
      finding(
        ['align', 'loss_weights'],
        {
          what: `align.loss_weights has ${weights.length} weights for ${loss.length} losses (${loss.join(', ')}).`,
          why: 'Losses are added up, each with the weight in its place.',
          instead: `Write ${loss.length} numbers, or leave loss_weights out: then each counts 1.`,
        },
        ['align.loss'],
      ),
    );
  }
  if (loss.includes('robust') !== smoothing > 0) {
    const robust = loss.includes('robust');
    findings.push(
      finding(
        ['align', 'label_smoothing'],
        {
          what: robust
            ? 'align.loss has robust, but align.label_smoothing is 0.'
            : `align.label_smoothing is ${smoothing}, but align.loss has no robust.`,
          why: robust
            ? 'With no preference taken to be wrong the robust loss is the sigmoid loss under another name.'
            : 'Only the robust loss takes some preferences to be wrong; the others would leave it aside in silence.',
          instead: robust
            ? 'Write the share that you take to be wrong, such as 0.1.'
            : 'Leave it out, or add robust to align.loss.',
        },
        ['align.loss'],
      ),
    );
  }
  return findings;
}

/** No length lies below the one limit and above the other: every round would fail a gate. */
export function lengthGateFindings({ rounds: { gates } }: RunConfig): Finding[] {
  const { length_ratio_min: low, length_ratio_max: high } = gates;
  if (low === null || high === null || low <= high) return [];
  return [
    finding(
      ['rounds', 'gates', 'length_ratio_min'],
      {
        what: `rounds.gates.length_ratio_min is ${low}, which is above length_ratio_max, ${high}.`,
        why: 'No set of examples could pass both gates: every round would fail, after its teacher was paid for.',
        instead: `Write at most ${high} here, raise length_ratio_max, or write null to turn one of them off.`,
      },
      ['rounds.gates.length_ratio_max'],
    ),
  ];
}

export function armFindings(config: RunConfig): Finding[] {
  const { align, questions, tailor } = config;
  const findings: Finding[] = [];
  const recipes = armsOf(config.arms).map((arm) => ({ arm, recipe: recipeOf(arm, align.method) }));
  const aligned = recipes.filter(
    ({ arm, recipe }) => arm !== 'arte' && recipe.kind === 'written' && recipe.pairs !== 'none',
  );
  if (align.method === 'none' && aligned.length > 0) {
    findings.push(
      finding(
        ['arms'],
        {
          what: `The ${aligned.length === 1 ? 'arm' : 'arms'} ${aligned.map(({ arm }) => arm).join(' and ')} cannot be made with align.method: none.`,
          why: 'Its set is written by a teacher that was trained on one kind of pairs, and nothing trains the teacher.',
          instead: 'Take it out of arms, or write "align: {method: dpo}".',
        },
        ['align.method'],
      ),
    );
  }
  const chosen = recipes.filter(({ recipe }) => recipe.kind === 'chosen');
  if (chosen.length > 0 && questions.per_task < tailor.per_task) {
    findings.push(
      finding(
        ['questions', 'per_task'],
        {
          what: `questions.per_task is ${questions.per_task}, but ${chosen.map(({ arm }) => arm).join(', ')} ${chosen.length === 1 ? 'takes' : 'take'} tailor.per_task = ${tailor.per_task} examples a task from the drafts.`,
          why: 'One draft a question is taken; with fewer questions the arms would not be trained on as many examples as the others.',
          instead: `Write at least ${tailor.per_task} here, or lower tailor.per_task.`,
        },
        ['tailor.per_task', 'arms', 'align.method'],
      ),
    );
  }
  if (align.method === 'none' && config.rounds.count > 1) {
    findings.push(
      finding(
        ['rounds', 'count'],
        {
          what: `rounds.count is ${config.rounds.count} with align.method: none.`,
          why: 'A further round differs from the one before by its teacher, and this one stays what it is.',
          instead: 'Write 1.',
        },
        ['align.method'],
      ),
    );
  }
  return findings;
}

export function pairFindings(config: RunConfig): Finding[] {
  const { pairs } = config;
  const most = { both: 0, question: 0, rationale: 0 };
  for (const task of config.tasks) {
    const techniques = task.techniques?.length ?? config.prompts.techniques?.length ?? builtinTechniques;
    most.question += questionPairsOfTask(config);
    most.rationale += rationalePairsOfTask(config, techniques);
  }
  most.both = most.question + most.rationale;
  const [short] = pairKindsOf(armsOf(config.arms), config.align.method).filter((kinds) => most[kinds] < pairs.minimum);
  if (short === undefined) return [];
  return [
    finding(
      ['pairs', 'minimum'],
      {
        what: `At most ${most[short]} ${short === 'both' ? '' : `${short} `}pairs can be made, but at least ${pairs.minimum} are asked for.`,
        why: 'With fewer pairs than the minimum the run parks before the teacher is trained. A rationale pair needs two technique prompts.',
        instead: `Raise pairs.question.per_task, pairs.rationale.per_task or questions.per_task, ${short === 'both' ? '' : `take ${short}_only out of arms, `}or lower pairs.minimum.`,
      },
      ['pairs', 'questions.per_task', 'prompts.techniques', 'tasks', 'arms', 'align.method'],
    ),
  ];
}

export function roundFindings(config: RunConfig): Finding[] {
  if (Math.abs(config.rounds.accept_margin) < 1) return [];
  return [
    finding(['rounds', 'accept_margin'], {
      what: `rounds.accept_margin is ${config.rounds.accept_margin}, which is ${Math.abs(config.rounds.accept_margin) * 100} points.`,
      why: 'Accuracies are shares between 0 and 1, so no round could ever pass (or fail) it.',
      instead: 'Write a share: 0.01 is one point.',
    }),
  ];
}
