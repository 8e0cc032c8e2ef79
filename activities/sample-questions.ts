/** sample-questions: the teacher writes draft questions (paper: T = 1.0, m a task). Shape: question-stage.ts. */
import { questionStage } from './question-stage';

export const sampleQuestions = questionStage(
  'sample-questions',
  2,
  (config) => config.questions,
  (config) => config.questions.thresholds,
);
