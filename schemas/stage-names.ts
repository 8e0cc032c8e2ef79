/** The stages in the order of the method's table. Zod-free: workflows use it by value. */
export const stageNames = [
  'prepare-tasks',
  'warm-up',
  'select-probes',
  'sample-questions',
  'sample-rationales',
  'score-drafts',
  'combine-scores',
  'check-scores',
  'build-pairs',
  'train-dpo',
  'tailor-questions',
  'tailor-rationales',
  'select-drafts',
  'score-sample',
  'check-round',
  'check-unseen',
  'reword-set',
  'train-sft',
  'evaluate',
  'decide',
  'report',
] as const;
export type StageName = (typeof stageNames)[number];

/** Stages that ask a model row by row and run on the row engine. */
export const rowStageNames = [
  'sample-questions',
  'sample-rationales',
  'score-drafts',
  'tailor-questions',
  'tailor-rationales',
  'score-sample',
  'evaluate',
] as const satisfies readonly StageName[];
export type RowStageName = (typeof rowStageNames)[number];

/** The arm under which a respondent of the IRT preference set answers. */
export function respondentArm(index: number, shots: number): string {
  return `respondent-${index}-${shots}shot`;
}

/** Which of probe.respondents an arm is; the student where the config names none. Undefined for other arms. */
export function respondentOfArm(arm: string): number | undefined {
  const index = /^respondent-(\d+)-/.exec(arm)?.[1];
  return index === undefined ? undefined : Number(index);
}

/** How a stage is called where its arm matters: in workflow ids, artifact names and tables. `evaluate/arte-0shot`, `build-pairs`. */
export function stageLabel(stage: string, arm: string): string {
  return arm === '' ? stage : `${stage}/${arm}`;
}
