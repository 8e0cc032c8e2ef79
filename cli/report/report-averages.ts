/** Averages over tasks and categories that a report shows beside the one over items. */
import type { MacroMeasure, ReportArm, RunReport } from '../../schemas/report';

export interface MacroAverage {
  readonly title: string;
  readonly of: (arm: ReportArm) => MacroMeasure;
}

/** The averages that differ from the one over items: over tasks and over categories, where there are several, and once where they are the same. */
export function macroAverages({ arms }: Pick<RunReport, 'arms'>): MacroAverage[] {
  const averages: readonly (MacroAverage & { readonly groups: number })[] = (
    [
      ['over tasks', ({ macro }: ReportArm) => macro.overTasks],
      ['over categories', ({ macro }: ReportArm) => macro.overCategories],
    ] as const
  ).map(([title, of]) => ({ title, of, groups: Math.max(0, ...arms.map((arm) => of(arm).groups)) }));
  const several = averages.filter(({ groups }) => groups > 1);
  const [first, second] = several;
  const same = first && second && arms.every((arm) => first.of(arm).accuracy === second.of(arm).accuracy);
  return same ? [{ ...first, title: 'over tasks, and over categories' }] : several;
}
