/** What the paper reports (arXiv 2406.19227, BIG-Bench-Hard, Gemma-2B), to stand beside a run of its set-up. Owns the figures and when they apply. */
import type { RunConfig } from '../schemas/run-config';

/** Accuracy by arm and shot count. `untuned` is the paper's "vanilla". */
const accuracies: Readonly<Record<string, Readonly<Record<number, number>>>> = {
  untuned: { 0: 0.0109, 3: 0.3557 },
  original_teacher: { 0: 0.3755, 3: 0.4004 },
  rationale_only: { 0: 0.3794, 3: 0.413 },
  question_only: { 0: 0.4173, 3: 0.4278 },
  arte: { 0: 0.4196, 3: 0.4344 },
};

/** Tasks of the paper's accuracies: 23 of BIG-Bench-Hard, which are 27 subtasks. */
const paperTasksMin = 23;

/** Whether a run has the paper's models and tasks: beside any other, some of its tasks too, the figures would mislead. */
export function isPaperSetUp({ models, tasks }: Pick<RunConfig, 'models' | 'tasks'>): boolean {
  return (
    models.teacher.source.endsWith('/Meta-Llama-3-70B-Instruct') &&
    models.student.source.endsWith('/gemma-2b') &&
    tasks.length >= paperTasksMin &&
    tasks.every(({ source }) => source === 'bbh-json' || source === 'declared')
  );
}

/** The paper's accuracy of an arm, where it has one. */
export function paperAccuracy(arm: string, shots: number): number | undefined {
  return accuracies[arm]?.[shots];
}

/** How often the preference set of 40 items picks the best and the worst rationale that the full validation set picks. */
export const paperAgreement = { best: 0.93, worst: 0.87 } as const;
