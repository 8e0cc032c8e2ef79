/** Goal: the figures of an edge card are those of the answers that were timed. Method: answers made up by hand, reckoned by hand. */
import { edgeFigures, edgeItems, type TimedAnswer } from '../../method/edge';
import { defaultTechniques } from '../../method/prompts';
import { buildTaskRecord } from '../../method/split';
import { taskConfigSchema } from '../../schemas/config/tasks';

const answers: TimedAnswer[] = Array.from({ length: 20 }, (_, index) => ({
  milliseconds: (index + 1) * 100,
  outputTokens: 21,
  correct: index % 4 === 0,
}));

it('reckons accuracy, latency, speed and cost', () => {
  const figures = edgeFigures(answers, 0.36);
  expect(figures).toMatchObject({ n: 20, correct: 5, accuracy: 0.25, latencyP50Ms: 1_050 });
  // numpy.quantile([100, 200, …, 2000], 0.95) = 1905
  expect(figures.latencyP95Ms).toBeCloseTo(1_905, 9);
  // 420 tokens in 21 s; an hour of 72,000 tokens costs 0.36, a million of them 5.
  expect(figures.outputTokensPerSecond).toBeCloseTo(20, 12);
  expect(figures.costPerMillionOutputTokens).toBeCloseTo(5, 12);
  // Wilson: statsmodels proportion_confint(5, 20, method="wilson")
  expect([figures.low, figures.high]).toEqual([expect.closeTo(0.111861, 5), expect.closeTo(0.468701, 5)]);
});

it('has no cost without a price, and no speed without answers', () => {
  expect(edgeFigures(answers, null).costPerMillionOutputTokens).toBeNull();
  expect(edgeFigures([], 1)).toMatchObject({
    n: 0,
    accuracy: 0,
    outputTokensPerSecond: 0,
    costPerMillionOutputTokens: null,
  });
});

it('asks every task alike, and never an item twice', () => {
  const task = (name: string, test: number) =>
    buildTaskRecord(
      taskConfigSchema.parse({
        source: 'builtin',
        family: 'larger-number',
        name,
        split: { seeds: 1, validation: 2, test },
      }),
      {},
      defaultTechniques,
    );
  const tasks = [task('small', 3), task('large', 50)];
  const count = (items: ReturnType<typeof edgeItems>, name: string) =>
    items.filter(({ task: of }) => of.name === name).length;
  const few = edgeItems(tasks, 4);
  expect([count(few, 'small'), count(few, 'large')]).toEqual([2, 2]);
  const more = edgeItems(tasks, 20);
  expect([count(more, 'small'), count(more, 'large')]).toEqual([3, 17]);
  expect(new Set(more.map(({ task: of, item }) => `${of.name}/${item.id}`)).size).toBe(20);
  expect(edgeItems(tasks, 1_000)).toHaveLength(53);
});
