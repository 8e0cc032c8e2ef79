/** Goal: the names beside a plot of rounds stand in the order of the table. Method: marks by hand; the browser is report-page.test.ts's. */
import { roundsPlot } from '../../../../cli/report/page/report-plots';

const mark = (name: string, color: string, accuracy: number) => ({
  ...{ name, color, round: 1, accuracy, low: accuracy, high: accuracy },
});
const heights = (svg: string, names: readonly string[]): number[] =>
  names.map((name) => Number(new RegExp(`<text x="[\\d.]+" y="([\\d.]+)"[^>]*>${name}</text>`).exec(svg)?.[1]));
const text = { id: 'p', title: 'p', description: 'p' };

it.each([
  [0.2, 0.9],
  [0.9, 0.2],
])('names keep their order, whatever the accuracies: %p and %p', (first, second) => {
  const svg = roundsPlot(text, [mark('one', 'arm-1', first), mark('two', 'arm-2', second)]);
  const [one, two] = heights(svg, ['one', 'two']) as [number, number];
  expect(one).toBeLessThan(two);
});

it('names stand at the ends of their lines where colours repeat', () => {
  const svg = roundsPlot(text, [mark('one', 'arm-1', 0.2), mark('two', 'arm-1', 0.9)]);
  const [one, two] = heights(svg, ['one', 'two']) as [number, number];
  expect(two).toBeLessThan(one);
});
