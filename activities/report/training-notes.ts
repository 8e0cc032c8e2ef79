/** Sentences about what students were trained on: sets of other sizes, rows that were too long, test items in them. */
import { armTitle } from '../../method/arm-titles';
import type { RowHygiene } from '../../method/row-hygiene';
import type { ArmName } from '../../schemas/arms';
import { rowsCutShareTold } from '../../schemas/limits';
import type { ReportArm, ReportStage } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import { readTransferLabel } from '../../schemas/transfer';
import type { UnseenFacts } from '../check-unseen';

/** Trainings that a note names: more are counted. */
const trainingsNamedMax = 4;

/** Sets of other sizes: as many steps, but not as many examples. */
export function sizeNotes(arms: readonly ReportArm[], stages: readonly ReportStage[]): string[] {
  const trained = arms.flatMap(({ name, round, training }) =>
    training ? [{ name, round, n: training.examples }] : [],
  );
  const sizes = [...new Set(trained.map(({ n }) => n))].sort((one, other) => one - other);
  if (sizes.length < 2) return [];
  const several = new Set(trained.map(({ round }) => round)).size > 1;
  const said = sizes.map((size) => {
    const own = trained
      .filter(({ n }) => n === size)
      .map(({ name, round }) => `${armTitle({ name }, { stages })}${several ? ` of round ${round}` : ''}`);
    return `${size} (${[...new Set(own)].join('; ')})`;
  });
  return [
    `Examples that could not be used were left out, so the students were trained on ${said.join(', ')} examples. Steps and seed are the same, so a smaller set was seen more often: between arms of other sizes a difference is one of size, too. tailor.spare asks for questions that take the place of unusable ones.`,
  ];
}

/** Examples that were longer than max_length: trained on without their end, or not at all. A sentence a section of the config. */
export function lengthNotes(stages: readonly ReportStage[]): string[] {
  const sections = { 'train-dpo': 'align', 'train-sft': 'sft', 'warm-up': 'warm_up' } as const;
  return Object.entries(sections).flatMap(([training, section]) => {
    // The students of an arm are trained on one set: once is enough.
    const said = new Set(
      stages.flatMap(({ name, round, arm, facts }) => {
        const { rows_cut: cut = 0, rows_dropped: dropped = 0 } = (facts['metrics'] ?? {}) as Record<string, number>;
        const rows = Number(facts['rows'] ?? 0);
        if (name !== training || (dropped === 0 && cut <= rowsCutShareTold * rows)) return [];
        const parts = [
          ...(cut > 0 ? [`${cut} of ${rows} rows cut`] : []),
          ...(dropped > 0 ? [`${dropped} left out`] : []),
        ];
        return [`${stageLabel(name, arm.replace(/-seed\d+$/, ''))} (round ${round}) ${parts.join(' and ')}`];
      }),
    );
    if (said.size === 0) return [];
    const shown = [...said].slice(0, trainingsNamedMax).join(', ');
    return [
      `Rows longer than ${section}.max_length: ${shown}${said.size > trainingsNamedMax ? `, and ${said.size - trainingsNamedMax} trainings more` : ''}. What is cut ends without its answer; what is left out has a prompt that alone is as long. Raise ${section}.max_length.`,
    ];
  });
}

/** Texts that were cut off before an answer, and got the target all the same (answer: given). */
export function cutNotes(stages: readonly ReportStage[]): string[] {
  const said = stages.flatMap(({ name, round, arm, facts }) => {
    const cut = Number(facts['cut'] ?? 0);
    if (cut === 0 || (name !== 'sample-rationales' && name !== 'tailor-rationales')) return [];
    const of =
      name === 'sample-rationales' ? `${Number(facts['drafts'])} drafts` : `${Number(facts['examples'])} examples`;
    return [`${stageLabel(name, arm)} (round ${round}) ${cut} of ${of}`];
  });
  if (said.length === 0) return [];
  const shown = said.slice(0, trainingsNamedMax).join(', ');
  return [
    `Cut off at max_tokens before an answer, with the target put behind all the same (answer: given): ${shown}${said.length > trainingsNamedMax ? `, and ${said.length - trainingsNamedMax} stages more` : ''}. What they teach breaks off in the middle of its reasoning. Raise max_tokens of rationales and tailor.rationales.`,
  ];
}

/** Test items in what students were trained on: where they are kept, no accuracy means what it says. */
export function leakNotes(stages: readonly ReportStage[], config: RunConfig): string[] {
  if (config.hygiene.contamination.action !== 'keep') return [];
  return stages.flatMap(({ name, round, arm, facts }) => {
    const hygiene = facts['hygiene'] as unknown as RowHygiene | undefined;
    const leaked = hygiene?.leaksKept?.test ?? hygiene?.contaminatedTest ?? 0;
    if (leaked === 0 || (name !== 'tailor-rationales' && name !== 'select-drafts')) return [];
    const transferred = readTransferLabel(arm);
    const title = armTitle({ name: (transferred?.arm ?? arm) as ArmName }, { stages });
    return [
      `${leaked} examples of ${title}${transferred ? ', unseen tasks' : ''} (round ${round}) repeat test items and were kept (hygiene.contamination.action: keep): its accuracy may be told, not learnt.`,
    ];
  });
}

/** Unseen tasks that the alignment has seen after all. */
export function unseenNotes(stages: readonly ReportStage[]): string[] {
  return stages.flatMap(({ name, facts }) => {
    const { drafts, contaminatedTest, contaminatedProbe } = facts as UnseenFacts;
    if (name !== 'check-unseen' || contaminatedTest + contaminatedProbe === 0) return [];
    return [
      `Of the ${drafts} drafts that the teacher was aligned by, ${contaminatedTest} repeat test items and ${contaminatedProbe} validation items of the unseen tasks: what it carries over to them may be told, not learnt.`,
    ];
  });
}
