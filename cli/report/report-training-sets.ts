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
  /** Whether whoever wrote the answers was told the target: then they agree by themselves. */
  readonly given: boolean;
  /** "3 truncated, 1 overlaps test"; of questions and of examples. */
  readonly leftOut: string;
  readonly duplicates: string;
  /** Rows that repeat test or validation items, left out or not. */
  readonly leaks: string;
  /** "12 / 31 / 48": a tenth, half and nine tenths of the rationales have no more words. */
  readonly words: string;
}

export const trainingSetTitles = {
  arm: 'training set',
  round: 'round',
  examples: 'examples',
  agreeing: 'agree with target',
  leftOut: 'left out',
  duplicates: 'duplicates, exact + near',
  leaks: 'repeat test + probe items',
  words: 'words of a rationale: 10, 50, 90 %',
} as const satisfies Record<Exclude<keyof TrainingSetRow, 'label' | 'given'>, string>;

/** One row for each set that a student was trained on, in the order they were made. */
export function trainingSetRows({
  stages,
  answersGiven,
}: Pick<RunReport, 'stages' | 'answersGiven'>): TrainingSetRow[] {
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
        leaks: `${own.contaminatedTest + (questions?.contaminatedTest ?? 0)} + ${own.contaminatedProbe + (questions?.contaminatedProbe ?? 0)}`,
        words: rationale ? [rationale.p10, rationale.p50, rationale.p90].map(Math.round).join(' / ') : '',
      },
    ];
  });
}

function hygieneOf(facts: RunReport['stages'][number]['facts'] | undefined): RowHygiene | undefined {
  return facts?.['hygiene'] as unknown as RowHygiene | undefined;
}

function reasons(
  dropped: RowHygiene['dropped'] | undefined,
  title: (reason: string, count: number) => string,
): string[] {
  return Object.entries(dropped ?? {}).map(([reason, count]) => `${count} ${title(reason, count)}`);
}
