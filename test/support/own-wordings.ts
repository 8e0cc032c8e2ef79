/** Wordings of a config's own, with every slot that they may have. */
import type { RunConfigInput } from '../../schemas/run-config';
import { answerTypes } from '../../schemas/task';

export const ownWordings: RunConfigInput['prompts'] = {
  naive: 'D {description} R {reminder} Q {question} {{kept}} {"json": {"a": 1}}',
  rationale: 'T {technique} Q {question}',
  student_one_shot: '{demonstrations}Q {question}',
  question: '{task}|{description}|{targets}|{count}\n{seeds}',
  answer_reminder: Object.fromEntries(answerTypes.map((type) => [type, `write {open}{labels}{close}`])),
};
