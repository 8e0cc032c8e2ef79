/** From timed answers to the figures of an edge card, and which test items are asked. Pure. */
import type { EdgeForm } from '../schemas/edge';
import type { TaskItem, TaskRecord } from '../schemas/task';
import { quantile, wilsonInterval } from './statistics';

/** One answer: how long it took from the question on, its tokens, and whether it was right. */
export interface TimedAnswer {
  readonly milliseconds: number;
  readonly outputTokens: number;
  readonly correct: boolean;
}

const millisecondsPerSecond = 1_000;
const secondsPerHour = 3_600;
const tokensPerMillion = 1_000_000;

type Figures = Pick<
  EdgeForm,
  | 'n'
  | 'correct'
  | 'accuracy'
  | 'low'
  | 'high'
  | 'latencyP50Ms'
  | 'latencyP95Ms'
  | 'outputTokensPerSecond'
  | 'costPerMillionOutputTokens'
>;

/** Figures of one model in one form. `hourPrice`: of the machine, null where nobody said. */
export function edgeFigures(answers: readonly TimedAnswer[], hourPrice: number | null): Figures {
  const correct = answers.filter((answer) => answer.correct).length;
  const milliseconds = answers.map((answer) => answer.milliseconds);
  const seconds = milliseconds.reduce((sum, one) => sum + one, 0) / millisecondsPerSecond;
  const tokens = answers.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
  const outputTokensPerSecond = seconds === 0 ? 0 : tokens / seconds;
  return {
    n: answers.length,
    correct,
    accuracy: answers.length === 0 ? 0 : correct / answers.length,
    ...wilsonInterval(correct, answers.length),
    latencyP50Ms: quantile(milliseconds, 0.5),
    latencyP95Ms: quantile(milliseconds, 0.95),
    outputTokensPerSecond,
    costPerMillionOutputTokens:
      hourPrice === null || outputTokensPerSecond === 0
        ? null
        : (hourPrice / secondsPerHour / outputTokensPerSecond) * tokensPerMillion,
  };
}

/** At most `count` test items, as evenly from all tasks as they last, each task's first ones. */
export function edgeItems(
  tasks: readonly TaskRecord[],
  count: number,
): { readonly task: TaskRecord; readonly item: TaskItem }[] {
  const chosen: { task: TaskRecord; item: TaskItem }[] = [];
  const longest = Math.max(0, ...tasks.map(({ test }) => test.length));
  for (let index = 0; index < longest; index += 1) {
    for (const task of tasks) {
      const item = task.test[index];
      if (item !== undefined && chosen.length < count) chosen.push({ task, item });
    }
  }
  return chosen;
}
