/**
 * Transfer: what the alignment is worth beyond what it was made for. Names only, zod-free: workflows use it by value.
 *
 * A target is one thing that is put in the place of the run's own: another student (trained on the sets as they are), or the unseen tasks (for which
 * both teachers write new sets). Stages made for a target are ordinary ones that go by the run's config with the target in its place.
 */
import type { ArmName } from './arms';

/** `student-1` is the first of transfer.students. */
export type TransferTarget = 'tasks' | `student-${number}`;

/** The arms that are carried over: those with a training set. The untuned student stands beside them. */
export const taughtArms = ['original_teacher', 'arte'] as const satisfies readonly ArmName[];
export type TaughtArm = (typeof taughtArms)[number];

/** Of the student at this place of transfer.students, from 0. */
export function targetOfStudent(index: number): TransferTarget {
  return `student-${index + 1}`;
}

/** The place in transfer.students, from 0; undefined for the unseen tasks. */
export function studentOfTarget(target: TransferTarget): number | undefined {
  return target === 'tasks' ? undefined : Number(target.slice('student-'.length)) - 1;
}

/** How the stages of a target are called, where others have their arm: `transfer-student-1-arte-0shot`, `transfer-tasks`. */
export function transferLabel(target: TransferTarget, arm: string): string {
  return arm === '' ? `transfer-${target}` : `transfer-${target}-${arm}`;
}

/** A label taken apart; undefined for stages of the run itself. */
export function readTransferLabel(label: string): { readonly to: TransferTarget; readonly arm: string } | undefined {
  const [, to, arm = ''] = /^transfer-(tasks|student-\d+)(?:-(.+))?$/.exec(label) ?? [];
  return to === undefined ? undefined : { to: to as TransferTarget, arm };
}
