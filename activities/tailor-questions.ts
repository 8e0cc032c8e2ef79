/** tailor-questions: a teacher writes the questions of the tailored set, and spare ones (tailor.spare). Shape: question-stage.ts; settings: config.tailor. */
import { tailoredQuestions } from '../method/plan-counts';
import { questionStage } from './question-stage';

export const tailorQuestions = questionStage(
  'tailor-questions',
  2,
  (config) => ({ ...config.questions, per_task: tailoredQuestions(config.tailor), ...config.tailor.questions }),
  (config) => config.tailor.thresholds,
  (config) => config.tailor.per_task,
);
