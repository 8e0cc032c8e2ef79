/**
 * The arms: what every line of a report's table is made of. Data, so that the walk (workflows/round.ts), the plan (method/plan-stages.ts) and the
 * judgement of a config (method/config/check-config.ts) go by one table. Zod-free: workflows use it by value.
 *
 * Invariant: every arm that is trained trains the untuned student in as many steps, from the same seed, on a set of as many examples as were asked
 * for, less those that could not be used. A chosen set takes another draft for one of these, a written one has nothing to take: the report says
 * where sizes differ.
 */

/** In the order of the report. */
export const armNames = [
  'teacher',
  'untuned',
  'original_teacher',
  'self_instruct',
  'random_rationale',
  'most_preferred',
  'task_consistent',
  'question_only',
  'rationale_only',
  'arte',
] as const;
export type ArmName = (typeof armNames)[number];

/** In every report, whether a config names them or not: without them no figure of `arte` means anything. */
export const standingArms = ['untuned', 'original_teacher', 'arte'] as const satisfies readonly ArmName[];

/** How the teacher is changed by the pairs: trained on them, or not at all (then the pairs are not made). */
export type AlignMethod = 'dpo' | 'none';

/** Which preference pairs a teacher is aligned with. */
export type PairKinds = 'both' | 'question' | 'rationale';

/** Which draft questions a chosen training set takes, and which of a question's drafts. */
export type DraftChoice = {
  /** drawn: by seed. preferred: those with the highest s_q. */
  readonly questions: 'drawn' | 'preferred';
  /** Any draft of the question; the one with the highest s_r; or the one under the technique that scores highest on the whole task. */
  readonly rationale: 'random' | 'most-preferred' | 'task-consistent';
};

export type ArmRecipe =
  /** Nothing is trained: a model is evaluated as it is. */
  | { readonly kind: 'asked'; readonly model: 'student' | 'teacher' }
  /**
   * A teacher writes the training set, aligned with pairs or as it came. `shown`: what its question prompt shows it, the task's seeds, or also
   * questions that it wrote itself.
   */
  | { readonly kind: 'written'; readonly pairs: PairKinds | 'none'; readonly shown: 'seeds' | 'own' }
  /** The training set is chosen from the drafts of the unaligned teacher. */
  | { readonly kind: 'chosen'; readonly choice: DraftChoice };

/** How an arm is made. Without DPO, `arte` is what preference can do by choice alone: the best questions, one technique a task. */
export function recipeOf(arm: ArmName, align: AlignMethod): ArmRecipe {
  switch (arm) {
    case 'teacher':
      return { kind: 'asked', model: 'teacher' };
    case 'untuned':
      return { kind: 'asked', model: 'student' };
    case 'original_teacher':
      return { kind: 'written', pairs: 'none', shown: 'seeds' };
    case 'self_instruct':
      return { kind: 'written', pairs: 'none', shown: 'own' };
    case 'random_rationale':
      return { kind: 'chosen', choice: { questions: 'drawn', rationale: 'random' } };
    case 'most_preferred':
      return { kind: 'chosen', choice: { questions: 'drawn', rationale: 'most-preferred' } };
    case 'task_consistent':
      return { kind: 'chosen', choice: { questions: 'drawn', rationale: 'task-consistent' } };
    case 'question_only':
      return { kind: 'written', pairs: 'question', shown: 'seeds' };
    case 'rationale_only':
      return { kind: 'written', pairs: 'rationale', shown: 'seeds' };
    case 'arte':
      return align === 'none'
        ? { kind: 'chosen', choice: { questions: 'preferred', rationale: 'task-consistent' } }
        : { kind: 'written', pairs: 'both', shown: 'seeds' };
  }
}

/** The arms of a run in the order of the report: those named, and those that always stand there. */
export function armsOf(named: readonly ArmName[]): ArmName[] {
  const wanted = new Set<ArmName>([...standingArms, ...named]);
  return armNames.filter((arm) => wanted.has(arm));
}

/** The arms of one round: those that are compared with need nothing of a later teacher and are made in the first round only. */
export function armsOfRound(arms: readonly ArmName[], round: number): readonly ArmName[] {
  return round === 1 ? arms : ['arte'];
}

/** The kinds of pairs that these arms align a teacher with, each once. */
export function pairKindsOf(arms: readonly ArmName[], align: AlignMethod): PairKinds[] {
  return (['both', 'question', 'rationale'] as const).filter((kinds) =>
    arms.some((arm) => {
      const recipe = recipeOf(arm, align);
      return recipe.kind === 'written' && recipe.pairs === kinds;
    }),
  );
}

/** What the stages of an arm's further students are called: those of the first have the arm's own name. */
export function studentLabel(arm: ArmName, student: number): string {
  return student === 1 ? arm : `${arm}-seed${student}`;
}

/** Whether an evaluation, by its label (`teacher-0shot`), asks the teacher and not a student. */
export function asksTeacher(label: string): boolean {
  const teacher: ArmName = 'teacher';
  return label.startsWith(`${teacher}-`);
}

/** What pairs of one kind, and what is made of them, are called where pairs of both kinds have no name of their own. */
export function pairsLabel(kinds: PairKinds): string {
  return kinds === 'both' ? '' : `${kinds}_only`;
}
