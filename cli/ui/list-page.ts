/** The page of all runs: where each is, what it does, and boxes to lay some of them side by side. Owns words and order. */
import { nowOf } from '../run/list-runs';
import { isOver } from '../run/run-view';
import { formatCount } from '../output';
import { escaped } from '../report/page/report-plots';
import { leftWords } from './figures';
import type { Picture, SeenRun } from './gather';
import { badge, bar, runLink, statusWords, time, type Page } from './page';
import { accuracyWords, durationWords } from './result';

export function listPage({ runs, older }: Picture): Page {
  const said = runs.map(({ view: { progress } }) => `${progress.runId} ${statusWords(progress.status)}`).join(', ');
  if (runs.length === 0)
    return {
      title: 'arte: no runs',
      html: '<h1 tabindex="-1">Runs</h1><section><p>There are no runs yet. <code>arte quickstart</code> makes one.</p></section>',
      said: 'There are no runs yet.',
    };
  const columns = [
    'Run',
    'Status',
    'Round',
    'Now',
    'Progress',
    'In flight',
    'Time left',
    'Accuracy',
    'Took',
    'Started',
  ];
  const html = `<h1 tabindex="-1">Runs</h1>
<section aria-label="All runs"><form id="side-by-side" data-form="side-by-side"><div class="frame" role="region" aria-labelledby="runs-caption" tabindex="0"><table class="runs">
<caption id="runs-caption">${runs.length === 1 ? 'One run' : `${runs.length} runs`}, the newest first</caption>
<thead><tr><th scope="col">Side by side</th>${columns.map((column) => `<th scope="col">${column}</th>`).join('')}</tr></thead>
<tbody>${runs.map(rowOf).join('\n')}</tbody></table></div>
<p><button type="submit">Lay the marked runs side by side</button></p></form></section>
${older > 0 ? `<p class="legend">${formatCount(older)} older runs are not shown; arte status lists all.</p>` : ''}`;
  return { title: `arte: ${runs.length} runs`, html, said };
}

function rowOf({ view, secondsLeft, result }: SeenRun): string {
  const { progress, live } = view;
  const { runId, status, round, rounds, startedAt } = progress;
  const inFlight = live.reduce((sum, stage) => sum + stage.inFlight, 0);
  const [first] = live.filter(({ total }) => total > 0);
  const now = live.length > 0 ? live.map(({ label }) => label).join(', ') : nowOf(progress);
  const shown =
    first === undefined
      ? ''
      : bar(
          `${first.label} of ${runId}`,
          first.done,
          first.total,
          `${formatCount(first.done)} of ${formatCount(first.total)} ${first.unit}`,
        );
  return `<tr data-key="${escaped(runId)}"><td><input type="checkbox" name="run" value="${escaped(runId)}" aria-label="Lay ${escaped(runId)} side by side"></td>
<th scope="row">${runLink(runId)}</th><td>${badge(status)}</td><td>${round} of ${rounds}</td><td class="text">${escaped(now)}</td>
<td>${shown}</td><td class="number">${inFlight > 0 ? formatCount(inFlight) : ''}</td><td>${secondsLeft === undefined ? '' : leftWords(secondsLeft)}</td><td class="text">${escaped(accuracyWords(result))}</td><td>${isOver(status) ? durationWords(result) : ''}</td><td>${time(startedAt)}</td></tr>`;
}
