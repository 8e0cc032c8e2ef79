/**
 * What the training sets of a run look like as data, for the report on the screen and on its page: examples, what was left out and why, duplicates,
 * repeated labelled items, lengths. Owns the rows of that table; the figures are facts of the stages (method/row-hygiene.ts).
 */
import type { RowHygiene } from '../../method/row-hygiene';
import type { ArmName } from '../../schemas/arms';
import type { RunReport } from '../../schemas/report';
import { readTransferLabel } from '../../schemas/transfer';

export interface TrainingSetRow {
  readonly arm: ArmName;
  /** What the stages of the set are called: the arm, or that of a transfer. */
  readonly label: string;
  readonly round: number;
  readonly examples: number;
  /** Share of examples whose answer is their question's target. */
  readonly agreeing: number;
  /** Whether the target was put in the place of the writer's own answer: then they agree by themselves. */
  readonly given: boolean;
  /** "3 truncated, 1 overlaps test"; of questions and of examples. */
  readonly leftOut: string;
  /** Questions of the set that are the same as an earlier one, and nearly: they are in it. */
  readonly duplicates: string;
  /** Rows that repeat test and validation items, left out of the set; and the examples in it that do, where the config keeps them. */
  readonly leaks: string;
  /** "12/31/48": a tenth, half and nine tenths of the rationales have no more words. */
  readonly words: string;
}

export const trainingSetTitles = {
  arm: 'training set',
  round: 'round',
  examples: 'examples',
  agreeing: 'agree with target',
  leftOut: 'left out',
  duplicates: 'duplicates in it, exact + near',
  leaks: 'leaks left out, test + validation',
  words: 'words of a rationale: 10, 50, 90 %',
} as const satisfies Record<Exclude<keyof TrainingSetRow, 'label' | 'given'>, string>;

/** One row for each set that a student was trained on, in the order they were made. */
export function trainingSetRows({
  stages,
  answersGiven,
  leaksKept,
}: Pick<RunReport, 'stages' | 'answersGiven' | 'leaksKept'>): TrainingSetRow[] {
  return stages.flatMap(({ name, arm, round, facts }) => {
    if (name !== 'tailor-rationales' && name !== 'select-drafts') return [];
    const own = hygieneOf(facts);
    if (own === undefined) return [];
    const asked = stages.find(
      (stage) => stage.name === 'tailor-questions' && stage.arm === arm && stage.round === round,
    );
    const questions = hygieneOf(asked?.facts);
    const leftOut = [
      ...reasons(questions?.dropped, (reason, count) => `${count === 1 ? 'question' : 'questions'} ${reason}`),
      ...reasons(own.dropped, (reason) => reason),
    ];
    const { rationale } = own.words;
    return [
      {
        arm: (readTransferLabel(arm)?.arm ?? arm) as ArmName,
        label: arm,
        round,
        examples: Number(facts['examples']),
        agreeing: Number(facts['agreeing']) / Number(facts['examples']),
        given: (name === 'select-drafts' ? answersGiven?.drafts : answersGiven?.tailored) === true,
        leftOut: leftOut.length === 0 ? 'nothing' : leftOut.join(', '),
        duplicates: `${own.exactDuplicates} + ${own.nearDuplicates}`,
        leaks: leaks(own, questions, leaksKept === true),
        words: rationale ? [rationale.p10, rationale.p50, rationale.p90].map(Math.round).join('/') : '',
      },
    ];
  });
}

function hygieneOf(facts: RunReport['stages'][number]['facts'] | undefined): RowHygiene | undefined {
  return facts?.['hygiene'] as unknown as RowHygiene | undefined;
}

/** Counted by the reason that rows were left out for: a row that was left out for another one is no leak of the set either. */
function leaks(own: RowHygiene, questions: RowHygiene | undefined, kept: boolean): string {
  const out = (split: 'test' | 'validation'): number =>
    [own, questions].reduce(
      (sum, hygiene) => sum + (hygiene?.dropped[`in ${split}`] ?? 0) + (hygiene?.dropped[`overlaps ${split}`] ?? 0),
      0,
    );
  const left = `${out('test')} + ${out('validation')}`;
  // An older set has only what was found in writing: as many at most.
  const { test, validation } = own.leaksKept ?? { test: own.contaminatedTest, validation: own.contaminatedProbe };
  return kept ? `${left}; ${test} + ${validation} kept` : left;
}

function reasons(
  dropped: RowHygiene['dropped'] | undefined,
  title: (reason: string, count: number) => string,
): string[] {
  return Object.entries(dropped ?? {}).map(([reason, count]) => `${count} ${title(reason, count)}`);
}
