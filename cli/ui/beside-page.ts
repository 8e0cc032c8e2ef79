/** Several runs side by side: the same figures in columns, and their curves in the same plots. Owns words and order. */
import type { Curve } from '../report/curve';
import { metricPlot, plots, speedPlot, type NamedCurve } from '../report/page/curve-plots';
import { baselineTitles } from '../report/report-words';
import { table, type Cell } from '../report/page/html-table';
import { formatCount } from '../output';
import { amount, isOver } from '../run/run-view';
import { cachedWords, callsWords, costWords, figuresOf, leftWords, speedWords } from './figures';
import type { RunDetails, SeenRun } from './gather';
import { againstWords, durationWords, intervalWords, type RunAccuracy } from './result';
import { trainingCurves } from './training-curves';
import { badge, runLink, section, statusWords, time, type Page } from './page';

/** Runs that stand beside each other: as many as a plot has colours for. */
export const besideMax = 6;
/** Stages whose speeds are compared: those that were begun last. */
const speedsDrawnMax = 3;

interface Column {
  readonly seen: SeenRun;
  readonly details: RunDetails;
}

export function besidePage(of: readonly Column[]): Page {
  const columns = of.map((column) => ({ ...column, sums: figuresOf(column.seen, column.details) }));
  const line = (name: string, value: (column: (typeof columns)[number]) => Cell): Cell[] => [
    name,
    ...columns.map(value),
  ];
  const compared = accuracies(columns);
  const rows: Cell[][] = [
    line('Status', ({ seen }) => ({ html: badge(seen.view.progress.status) })),
    line('Round', ({ seen: { view } }) => `${view.progress.round} of ${view.progress.rounds}`),
    ...compared.flatMap(([shots, of]) => [
      [`Accuracy, ${shots}-shot`, ...of.map((each) => (each ? intervalWords(each) : '-'))],
      [`Against unaligned, ${shots}-shot`, ...of.map((each) => (each && againstWords(each)) || '-')],
    ]),
    line('At work', ({ seen: { view } }) => view.live.map((stage) => `${stage.label} ${amount(stage)}`).join(', ')),
    line('Speed', ({ sums }) => speedWords(sums)),
    line('Time left', ({ seen }) => leftWords(seen.secondsLeft)),
    line('Took, start to end', ({ seen }) => (isOver(seen.view.progress.status) ? durationWords(seen.result) : '-')),
    line('Spent of the cap', ({ details }) => costWords(details) ?? 'not counted: no prices'),
    line('From the cache', ({ sums }) => cachedWords(sums)),
    line('Calls so far', ({ sums }) => callsWords(sums)),
    line('Tokens so far', ({ sums }) => formatCount(sums.tokens)),
    line('Last trouble', ({ seen: { trouble } }) => (trouble ? `${trouble.stage}: ${trouble.words}` : '')),
    line('Started', ({ seen }) => ({ html: time(seen.view.progress.startedAt) })),
  ];
  const names = columns.map(({ seen }) => seen.view.progress.runId);
  const said = columns
    .map(({ seen: { view } }) => `${view.progress.runId} ${statusWords(view.progress.status)}`)
    .join(', ');
  const html = `<h1 tabindex="-1">Side by side</h1>
<p class="facts">${names.map(runLink).join(', ')}. What differs between finished runs, with tests: <code>arte diff A B</code>.</p>
<section>${table('beside', 'Runs side by side', ['', ...names], rows)}${compared.length > 0 ? `<p class="legend">Accuracy: of the best round's student on the held-out test items, with its 95 % interval. Unaligned: ${baselineTitles.original_teacher} of the same run.</p>` : ''}</section>
${section('training', 'Trainings', trainings(columns))}
${section('speed', 'Speed', speeds(columns))}`;
  return { title: `${names.join(', ')} side by side`, html, said };
}

/** By shots, a place for every run; of runs that are not over nothing is told. */
function accuracies(
  columns: readonly Column[],
): (readonly [shots: number, of: readonly (RunAccuracy | undefined)[]])[] {
  const of = columns.map(({ seen }) => seen.result?.accuracies ?? []);
  const shots = [...new Set(of.flat().map((each) => each.shots))].sort((one, other) => one - other);
  return shots.map((count) => [count, of.map((each) => each.find((one) => one.shots === count))] as const);
}

/** Of each run its newest curve of that label, in the run's colour: that of its place among the runs, in every plot of the page. */
function byLabel(columns: readonly Column[], unit: Curve['unit']): ReadonlyMap<string, NamedCurve[]> {
  const labels = new Map<string, NamedCurve[]>();
  for (const [color, { seen, details }] of columns.entries()) {
    const own = unit === 'steps' ? trainingCurves(seen, details) : seen.curves.filter((curve) => curve.unit === unit);
    for (const label of new Set(own.map((curve) => curve.label))) {
      const curve = own.findLast((each) => each.label === label);
      const { runId } = seen.view.progress;
      const named = curve && { name: `${runId}, round ${curve.round}`, curve, color };
      if (named) labels.set(label, [...(labels.get(label) ?? []), named]);
    }
  }
  return labels;
}

function trainings(columns: readonly Column[]): string {
  return plots(
    [...byLabel(columns, 'steps')].flatMap(([label, curves], index) => [
      metricPlot(`loss-${index}`, 'loss', curves, `: ${label}`),
      metricPlot(`margin-${index}`, 'rewards_margins', curves, `: ${label}`),
    ]),
  );
}

function speeds(columns: readonly Column[]): string {
  return plots(
    [...byLabel(columns, 'rows')]
      .slice(-speedsDrawnMax)
      .map(([label, curves], index) => speedPlot(`rows-${index}`, 'rows', curves, `: ${label}`)),
  );
}
