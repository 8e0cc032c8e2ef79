/** tailor-questions: a teacher writes the questions of the tailored set. Shape: question-stage.ts; settings: config.tailor.questions. */
import { questionStage } from './question-stage';

export const tailorQuestions = questionStage(
  'tailor-questions',
  2,
  (config) => ({ ...config.questions, per_task: config.tailor.per_task, ...config.tailor.questions }),
  (config) => config.tailor.thresholds,
);
