/** The page of one run: where it is, what it does now, how its trainings learn, its rounds, its rows, what people did to it. Owns words and order. */
import { costOf } from '../../method/ledger';
import type { ErrorData } from '../../schemas/errors';
import type { StageRecord } from '../../schemas/messages';
import { rowOutcomes } from '../../schemas/rows';
import { stageLabel, type StageName } from '../../schemas/stage-names';
import { stoppedStages } from '../run/broken-off';
import { ceilingLine } from '../run/ceiling-line';
import type { Curve } from '../report/curve';
import { metricPlot, plots, speedPlot, type NamedCurve } from '../report/page/curve-plots';
import { table, type Cell } from '../report/page/html-table';
import { formatCount, formatSeconds } from '../output';
import { escaped } from '../report/page/report-plots';
import type { LiveStage } from '../run/run-progress';
import { amount, isOver, waveWords } from '../run/run-view';
import { formatRate, stageSecondsLeft } from '../run/stage-pace';
import { cachedWords, costWords, figuresOf, flightWords, leftWords } from './figures';
import type { RunDetails, SeenRun } from './gather';
import { orderButtons } from './order-forms';
import { badge, bar, percent, section, statusWords, tiles, time, type Page } from './page';
import { rowForm } from './row-page';
import { accuracyTiles, durationWords } from './result';
import { trainingCurves } from './training-curves';

export function runPage(seen: SeenRun, details: RunDetails): Page {
  const { progress } = seen.view;
  const { runId, status, round, rounds } = progress;
  const html = `<h1 tabindex="-1">${escaped(runId)} ${badge(status)}</h1>
<p class="facts">${details.config && details.config.name !== runId ? `${escaped(details.config.name)}: ` : ''}round ${round} of ${rounds}, started ${time(progress.startedAt)}${progress.report ? `, <a href="/report/${escaped(encodeURIComponent(runId))}" target="_blank" rel="noopener">report (new tab)</a>` : ''}</p>
${notice(seen)}
${figures(seen, details)}
${orderButtons(runId, status, progress.approval?.round)}
${section('now', 'At work now', now(seen))}
${section('training', 'Trainings', trainings(seen, details))}
${section('speed', 'Speed', speeds(seen.curves))}
${section('rounds', 'Rounds', roundsOf(seen, details))}
${section('rows', 'Rows', rowForm(runId, details.stages))}
${section('orders', 'What people did to it', ordersOf(details))}`;
  const at = seen.view.live.map(({ label }) => label).join(', ');
  const said = `${runId} is ${statusWords(status)}, round ${round} of ${rounds}${at === '' ? '' : `, at ${at}`}`;
  return { title: `${runId}: ${statusWords(status)}`, html, said };
}

// ---- what it waits for -------------------------------------------------------------------------------------------

function notice({ view: { progress, engine, outdated }, trouble }: SeenRun): string {
  const { attention, paused, approval, failed, status, runId, current } = progress;
  if (outdated)
    return box(
      'No worker is left of the version of arte that this run began with: it stands still.',
      `<p>In a terminal <code>arte retry ${escaped(runId)}</code> starts it again on this version; what is finished comes from the store. <code>arte status ${escaped(runId)}</code> says more.</p>`,
    );
  if (status === 'NEEDS_ATTENTION' && attention) {
    const more = engine === 'RUNNING' ? 'Retry goes on where it stopped.' : 'Retry starts it again.';
    return box(
      `The run waits for you since ${time(attention.since)}: stage ${escaped(attention.stage)} failed.`,
      errorWords(attention.error, more),
    );
  }
  if (status === 'PAUSED' && paused) {
    const why = paused.reason === undefined ? '' : `: ${escaped(paused.reason)}`;
    const still = current.map(({ stage, arm }) => stageLabel(stage, arm)).join(', ');
    return box(
      `Paused since ${time(paused.since)} by ${escaped(paused.by)}${why}`,
      `<p>${still === '' ? 'Nothing of it runs.' : `Comes to rest: ${escaped(still)}`}</p>`,
    );
  }
  if (status === 'NEEDS_APPROVAL' && approval)
    return box(
      `Round ${approval.round} waits for a word since ${time(approval.since)}.`,
      `<p>Approve goes on; reject ends the run, and ${approval.round === 1 ? 'no round is then the best' : 'the best round before stays the best'}.</p>`,
    );
  if (failed)
    return box(
      `Stage ${escaped(failed.stage)} failed since ${time(failed.since)}.`,
      errorWords(failed.error, 'The run parks once nothing else of it runs; what that finishes is kept.'),
    );
  if (status === 'FAILED')
    return box('The run has ended without being done.', `<p>Retry starts it again from what it has in the store.</p>`);
  if (status === 'CANCELLED')
    return box('The run was cancelled.', `<p>Retry of ${escaped(runId)} goes on from what it has.</p>`);
  if (trouble && status !== 'DONE')
    return `<p class="trouble" data-key="trouble">Last trouble, ${time(trouble.at)}, ${escaped(trouble.stage)}: ${escaped(trouble.words)}</p>`;
  return '';
}

/** `title` and `body` are HTML. */
function box(title: string, body: string): string {
  return `<div class="notice" data-key="notice"><p><strong>${title}</strong></p>${body}</div>`;
}

/** What, why, details and next, as the command line says them. */
export function errorWords({ what, why, next, details, code }: ErrorData, more = ''): string {
  const lines = details?.flatMap((detail) => detail.split('\n')) ?? [];
  return `<p>${escaped(what)} ${escaped(why)}</p>
${lines.length === 0 ? '' : `<details><summary>Details</summary><pre>${escaped(lines.join('\n'))}</pre></details>`}
<p>${escaped(next)} ${escaped(more)} <span class="legend">(${code})</span></p>`;
}

// ---- now ---------------------------------------------------------------------------------------------------------

function figures(seen: SeenRun, details: RunDetails): string {
  const { progress } = seen.view;
  const sums = figuresOf(seen, details);
  const ceiling = ceilingLine(details.callCeiling);
  const cost = costWords(details);
  return `${tiles(accuracyTiles(seen.result))}${tiles([
    [`${progress.round} of ${progress.rounds}`, 'round'],
    isOver(progress.status)
      ? [durationWords(seen.result), 'from start to end']
      : [leftWords(seen.secondsLeft), 'until it is done, about'],
    cost === undefined ? ['not counted', 'cost: no prices are set'] : [cost, 'spent of the cap'],
    [cachedWords(sums), 'of input tokens from the cache'],
    [formatCount(sums.calls), `calls so far${flightWords(sums.inFlight)}`],
    [formatCount(sums.tokens), 'tokens so far'],
  ])}${ceiling === undefined ? '' : `<p class="legend">${escaped(ceiling)}</p>`}`;
}

function now({ view: { live }, rates, secondsLeft }: SeenRun): string {
  return live
    .map((stage) => {
      const rate = rates.get(stage.label);
      const left = stageSecondsLeft(stage, rate, secondsLeft);
      const pace = rate
        ? `, ${formatRate(rate.perSecond)} ${stage.unit}/s${rate.tokensPerSecond > 0 ? `, ${formatCount(rate.tokensPerSecond)} tok/s` : ''}${left === undefined ? '' : `, ends in ${formatSeconds(left)}`}`
        : '';
      const words = `${amount(stage)}${flightWords(stage.inFlight)}${pace}`;
      const wave = waveWords(stage);
      return `<div class="live" data-key="${escaped(stage.label)}"><h3>${escaped(stage.label)}</h3>
<p>${stage.total > 0 ? bar(stage.label, stage.done, stage.total, words) : escaped(words)}</p>${wave === '' ? '' : `<p class="legend">${escaped(wave)}</p>`}${metricWords(stage)}${stage.trouble === undefined ? '' : `<p class="trouble">${escaped(stage.trouble)}</p>`}</div>`;
    })
    .join('\n');
}

function metricWords({ metrics }: LiveStage): string {
  const shown = Object.entries(metrics).filter(([name]) => /loss|margin|accurac/.test(name));
  if (shown.length === 0) return '';
  return `<p class="legend">${escaped(shown.map(([name, value]) => `${name} ${value.toPrecision(3)}`).join(', '))}</p>`;
}

function named(curves: readonly Curve[]): NamedCurve[] {
  return curves.map((curve) => ({ name: `${curve.label}, round ${curve.round}`, curve }));
}

function trainings(seen: SeenRun, details: RunDetails): string {
  const steps = named(trainingCurves(seen, details));
  const of = (stage: StageName): NamedCurve[] => steps.filter(({ curve }) => curve.label.split('/')[0] === stage);
  // Their losses are of different kinds: on one axis neither could be read.
  const drawn = plots([
    metricPlot('warm-up-loss', 'loss', of('warm-up'), ' of the warm-up'),
    metricPlot('loss', 'loss', of('train-dpo'), ' of DPO'),
    metricPlot('sft-loss', 'loss', of('train-sft'), ' of SFT'),
    metricPlot('margin', 'rewards_margins', steps),
    metricPlot('reward-accuracy', 'rewards_accuracies', steps),
  ]);
  return drawn + finishedTrainings(details);
}

/** What the trainer wrote down of each: the last step's values are noisy, so means stand beside them. */
function finishedTrainings({ stages, made }: RunDetails): string {
  const rows = stages.flatMap(({ stage, arm, round, key }): Cell[][] => {
    const { steps, metrics = {} } = made.get(key) ?? {};
    if (steps === undefined) return [];
    const figure = (name: string): string =>
      metrics[name] === undefined ? '' : String(Number(metrics[name].toPrecision(4)));
    return [[stageLabel(stage, arm), round, formatCount(steps), ...trainingColumns.map(([name]) => figure(name))]];
  });
  if (rows.length === 0) return '';
  const columns = ['Training', 'Round', 'Steps', ...trainingColumns.map(([, title]) => title)];
  return table('trainings-table', 'Finished trainings', columns, rows);
}

const trainingColumns = [
  ['loss_mean', 'Loss, mean'],
  ['loss', 'Loss, last'],
  ['rewards_margins_late', 'Reward margin, last quarter'],
  ['rewards_accuracies_late', 'Reward accuracy, last quarter'],
] as const;

function speeds(curves: SeenRun['curves']): string {
  const rows = named(curves.filter(({ unit }) => unit === 'rows'));
  return plots([speedPlot('rows-speed', 'rows', rows), speedPlot('tokens-speed', 'tokens', rows)]);
}

// ---- rounds ------------------------------------------------------------------------------------------------------

const stageColumns = [
  'Stage',
  'State',
  'Time',
  'Calls',
  'Tokens in',
  'Cached',
  'Tokens out',
  'Cost',
  'Rows by outcome',
];

function roundsOf(seen: SeenRun, details: RunDetails): string {
  const { progress } = seen.view;
  const rounds = Array.from({ length: progress.round }, (_, index) => index + 1);
  return rounds
    .map((round) => {
      const done = details.stages.filter((record) => record.round === round);
      const isNow = round === progress.round;
      const live = isNow ? seen.view.live : [];
      const rows = [
        ...done.map((record) => finishedRow(record, details)),
        ...live.map(liveRow),
        ...(isNow ? stoppedStages(progress) : []).map(({ label, words }): Cell[] => [
          ...[label, words, ''],
          ...['', '', '', '', '', ''],
        ]),
        ...(isNow ? waiting(seen, details) : []),
      ];
      if (rows.length === 0) return '';
      return table(`round-${round}`, `Round ${round}`, stageColumns, rows);
    })
    .join('\n');
}

function finishedRow(record: StageRecord, { config, made }: RunDetails): Cell[] {
  const { stage, arm, usage, reused, seconds, paidSeconds = 0, key } = record;
  const counts = made.get(key)?.counts;
  const ended = counts
    ? rowOutcomes.flatMap((each) => (counts[each] > 0 ? [`${formatCount(counts[each])} ${each}`] : []))
    : [];
  const cost = config && !reused ? costOf(record, usage, paidSeconds, config) : 0;
  return [
    stageLabel(stage, arm),
    `${reused ? 'from the store' : 'done'}${record.says === undefined ? '' : `: ${record.says}`}`,
    reused ? '' : formatSeconds(seconds),
    ...usageCells(usage),
    cost > 0 ? cost.toFixed(4) : '',
    ended.join(', '),
  ];
}

function usageCells({ calls, inputTokens, cachedInputTokens, outputTokens }: StageRecord['usage']): Cell[] {
  if (calls === 0) return ['', '', '', ''];
  return [
    formatCount(calls),
    formatCount(inputTokens),
    inputTokens === 0 ? '' : percent(cachedInputTokens / inputTokens),
    formatCount(outputTokens),
  ];
}

function liveRow(stage: LiveStage): Cell[] {
  const elapsed = Math.max(0, (Date.now() - Date.parse(stage.since)) / 1000);
  return [
    stage.label,
    { html: `<strong>at work</strong>: ${escaped(`${amount(stage)}${flightWords(stage.inFlight)}`)}` },
    formatSeconds(elapsed),
    ...usageCells(stage.usage),
    '',
    '',
  ];
}

/** What the plan that the run goes by has for this round and nobody has begun. */
function waiting({ view: { progress, live } }: SeenRun, { plan, stages }: RunDetails): Cell[][] {
  if (!plan || progress.status === 'DONE' || progress.status === 'CANCELLED') return [];
  const begun = new Set<string>([...live, ...stoppedStages(progress)].map(({ label }) => label));
  for (const { round, stage, arm } of stages) if (round === progress.round) begun.add(stageLabel(stage, arm));
  return plan.plan.stages
    .filter(({ round, name, arm }) => round === progress.round && !begun.has(stageLabel(name satisfies StageName, arm)))
    .map(({ name, arm, calls, steps }) => [
      ...[stageLabel(name, arm), 'to come', ''],
      ...[calls > 0 ? `${formatCount(calls)} planned` : steps > 0 ? `${formatCount(steps)} steps planned` : ''],
      ...['', '', '', '', ''],
    ]);
}

// ---- orders ------------------------------------------------------------------------------------------------------

function ordersOf({ actions }: RunDetails): string {
  if (actions.length === 0) return '';
  const rows = [...actions]
    .reverse()
    .map(({ at, action, by, set = [], round, reason }): Cell[] => [
      { html: time(at) },
      `${action}${round === undefined ? '' : ` of round ${round}`}`,
      by,
      set.join(', '),
      reason ?? '',
    ]);
  return table('orders-table', 'Newest first', ['When', 'What', 'Who', 'Set', 'Why'], rows);
}
