/** Arms in words, as every table of a report has them: what a student was trained on. Owns these words, so that a note calls a line what its table does. */
import type { ArmName } from '../schemas/arms';
import type { RunReport } from '../schemas/report';

const armTitles: Readonly<Record<ArmName, string>> = {
  teacher: '(the teacher itself)',
  untuned: 'nothing (untuned)',
  original_teacher: "unaligned teacher's data",
  self_instruct: 'the same, self-instruct',
  random_rationale: 'drafts, rationale at random',
  most_preferred: 'drafts, most preferred',
  task_consistent: 'drafts, best technique',
  question_only: 'aligned on questions only',
  rationale_only: 'aligned on rationales only',
  arte: "aligned teacher's data",
};

/**
 * An arm in words: what its student was trained on. Without an alignment the set of `arte` is chosen from drafts: it must not be called the
 * aligned teacher's.
 */
export function armTitle({ name }: { readonly name: ArmName }, { stages }: Pick<RunReport, 'stages'>): string {
  const chosen = name === 'arte' && stages.some((stage) => stage.name === 'select-drafts' && stage.arm === name);
  return chosen ? "the student's choice of drafts" : armTitles[name];
}
