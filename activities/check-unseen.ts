/**
 * check-unseen: whether the unseen tasks of a transfer are unseen. Drafts are what the alignment learns from; of those of all rounds this counts the ones that
 * repeat a labelled item of an unseen task. What teachers write for these tasks is checked where it is written (question-stage.ts, tailor-rationales.ts).
 */
import { contaminationCheck } from '../method/contamination';
import { ArteError } from '../schemas/errors';
import { draftRowSchema } from '../schemas/rows';
import { taskRecordSchema } from '../schemas/task';
import type { StoreDependencies } from './dependencies';
import { readRows, streamRows } from './read-rows';
import { inputRef, type WholeStage } from './stage';

/** What the stage found: its facts. */
export type UnseenFacts = {
  readonly drafts: number;
  /** Drafts that repeat a test item of an unseen task, and those that repeat only a validation item. */
  readonly contaminatedTest: number;
  readonly contaminatedProbe: number;
};

export const checkUnseen: WholeStage<StoreDependencies> = {
  name: 'check-unseen',
  version: 1,
  settings: ({ config }) => ({ contamination: config.hygiene.contamination }),
  async run({ store, config, input }) {
    const { contamination } = config.hygiene;
    const tasks = await readRows(store, inputRef(input, 'tasks'), taskRecordSchema);
    const checks = tasks.map((task) => contaminationCheck(task, contamination));
    const found = { drafts: 0, contaminatedTest: 0, contaminatedProbe: 0 };
    for (let at = 1; input.inputs[`drafts-${at}`]; at += 1) {
      for await (const { question, rationale } of streamRows(store, inputRef(input, `drafts-${at}`), draftRowSchema)) {
        found.drafts += 1;
        const splits = checks.map(
          (check) => (check.question(question) ?? check.text(`${question} ${rationale}`))?.split,
        );
        if (splits.includes('test')) found.contaminatedTest += 1;
        else if (splits.includes('validation')) found.contaminatedProbe += 1;
      }
    }
    const facts: UnseenFacts = found;
    const { contaminatedTest, contaminatedProbe } = facts;
    if (contamination.action === 'park' && contaminatedTest + contaminatedProbe > 0) {
      throw new ArteError('DataNotClean', {
        what: `Of the drafts that the teacher was aligned by, ${contaminatedTest} repeat test items and ${contaminatedProbe} validation items of the unseen tasks.`,
        why: 'hygiene.contamination.action is park.',
        next: 'Give transfer.tasks other items, or write hygiene.contamination.action: drop (or keep), then: arte retry RUN --set SETTING=VALUE.',
      });
    }
    return { outputs: {}, facts: { ...facts } };
  },
};
