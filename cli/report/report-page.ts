/**
 * The report as one HTML page that needs nothing else: no script, no font, no request (its own policy forbids all of them). Owns words
 * and order; plots are report-plots.ts, the style sheet is page-style.ts, figures come from the report. Light or dark as the reader's system says.
 */
import { isPaperSetUp, paperAccuracy } from '../../method/paper-results';
import type { ModelRef } from '../../schemas/model-ref';
import type { AnswerCounts, Comparison, ReportArm, ReportStage, RunReport } from '../../schemas/report';
import { rowOutcomes, type PairRow, type Prompt } from '../../schemas/rows';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import { code, table, type Cell } from './html-table';
import { formatCount, formatSeconds } from '../output';
import { pageStyle } from './page-style';
import type { ReportDetails, RoundDetails } from './report-details';
import {
  barPlot,
  escaped,
  histogram,
  intervalPlot,
  roundsPlot,
  sharePlot,
  type AccuracyMark,
  type HistogramBin,
} from './report-plots';
import {
  agreementColumns,
  agreementNote,
  agreementRows,
  agreementTitle,
  signalRows,
  signalsColumns,
  signalsTitle,
} from './report-agreement';
import { hasCost, plannedColumns, plannedNote, plannedRows, plannedTitle } from './report-planned';
import { gateLegends, gateRows, isWorthTelling, orderRows, roundSteps } from './report-rounds';
import { trainingSetRows, trainingSetTitles } from './report-training-sets';
import { trainingPlots } from './report-trainings';
import { setSuffix, targetLegends, targetTitle, transferTitle, unseenReport } from './report-transfer';
import { callCells, stageTimeNote, wallWords } from './report-stages';
import { answerKinds, answerKindsIn, macroAverages, scoredAnswers } from './report-view';
import { armTitle, nothingEvaluated } from './report-words';
import { areShares, scoreText } from './score-text';

/** Rounds whose scores are drawn: the last ones, so that a run of many rounds stays a page. */
const roundsDrawnMax = 3;
/** A histogram has a bar for every possible score up to so many probe items, else this many bins. */
const scoreBinsMax = 24;
/** A text of a pair is cut to this on the page; arte trace has all of it. */
const pairCharactersMax = 1_200;

/** The page, as text. */
export function reportPage(report: RunReport, details: ReportDetails, config: RunConfig | undefined): string {
  const sections = [
    section('students', 'Students', students(report, config)),
    section('transfer', transferTitle, transfer(report)),
    section('rounds', 'Rounds and gates', roundsAndGates(report)),
    section('preferences', 'Preferences', preferences(details, report)),
    section('pairs', 'Pairs side by side', pairs(details)),
    section('training-sets', 'Training sets', trainingSets(report)),
    section('trainings', 'Trainings', trainingPlots(report)),
    section('cost', 'Time and cost', `${cost(report)}${planned(report)}`),
    section('outcomes', 'How rows ended', outcomes(report)),
    section('lineage', 'Lineage', lineage(report)),
  ].filter(({ body }) => body !== '');
  const { runId, name, status, rounds, writtenAt } = report;
  const wall = wallWords(report);
  const facts = `${status.toLowerCase()}, ${rounds.length} ${rounds.length === 1 ? 'round' : 'rounds'}${wall === undefined ? '' : `, ${wall}`}, written ${writtenAt.slice(0, 16).replace('T', ' ')} UTC`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escaped(runId)}: report</title>
<style>${pageStyle}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>
<h1>${escaped(runId)}</h1>
<p>${name === runId ? '' : `${escaped(name)}: `}${escaped(facts)}</p>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => `<li><a href="#${id}">${title}</a></li>`).join('')}</ul></nav>
</header>
<main id="main">
${details.standing === undefined ? '' : `<p class="standing" role="note">${words(details.standing)}</p>\n`}${tiles(report)}
${report.notes.length === 0 ? '' : `<section aria-labelledby="notes-title" class="notes"><h2 id="notes-title">Notes</h2><ul>${report.notes.map((note) => `<li>${escaped(note)}</li>`).join('')}</ul></section>`}
${sections.map(({ id, title, body }) => `<section id="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${title}</h2>\n${body}</section>`).join('\n')}
</main>
<footer><p>Every number here can be followed back: <code>arte trace ${escaped(runId)} ROW</code>. As data: <code>arte report ${escaped(runId)} --json</code>.</p></footer>
</body>
</html>
`;
}

/** A sentence with its commands set as such. */
function words(sentence: string): string {
  return sentence
    .split('`')
    .map((part, index) => (index % 2 === 0 ? escaped(part) : `<code>${escaped(part)}</code>`))
    .join('');
}

function section(id: string, title: string, body: string): { id: string; title: string; body: string } {
  return { id, title, body };
}

function tiles(report: RunReport): string {
  const { arms, totals, bestRound, rounds } = report;
  // The run's result is its best round, which need not be the last.
  const own = arms.filter(({ name }) => name === 'arte');
  const aligned = own.findLast(({ round }) => round === bestRound) ?? own.at(-1);
  const ofRound = aligned && rounds.length > 1 ? ` of round ${aligned.round}` : '';
  const comparison = aligned?.comparisons.find(({ against }) => against === 'original_teacher');
  const shown: (readonly [string, string])[] = [
    ...(aligned
      ? [[`${percent(aligned.accuracy)} %`, `accuracy after alignment${ofRound}, ${aligned.shots}-shot`] as const]
      : []),
    ...(comparison
      ? [
          [
            `${signed(comparison.difference)} points`,
            `against the unaligned teacher's data: ${comparison.verdict}`,
          ] as const,
        ]
      : []),
    [formatCount(totals.calls), 'model calls paid for'],
    [formatSeconds(totals.seconds), 'in stages, summed, with their waits'],
    ...(hasCost(report)
      ? [[`${totals.cost.toFixed(2)} ${totals.currency}`, 'cost by the prices of the config'] as const]
      : []),
  ];
  return `<dl class="tiles">${shown.map(([value, name]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join('')}</dl>`;
}

// ---- students ----------------------------------------------------------------------------------------------------

function students(report: RunReport, config: RunConfig | undefined): string {
  const { arms, rounds } = report;
  if (arms.length === 0) return `<p>${escaped(nothingEvaluated(report))}</p>`;
  const paper = config !== undefined && isPaperSetUp(config);
  const names = [...new Set(arms.map(({ name }) => name))];
  const shots = [...new Set(arms.map((arm) => arm.shots))].sort((one, other) => one - other);
  const several = rounds.length > 1;
  const mark = (arm: ReportArm, withRound: boolean): AccuracyMark => {
    const { round, accuracy, low, high } = arm;
    const published = paper ? paperAccuracy(arm.name, arm.shots) : undefined;
    const name = `${armTitle(arm, report)}${withRound ? `, round ${round}` : ''}`;
    return {
      name,
      color: colorOf(arm.name, names),
      round,
      accuracy,
      low,
      high,
      ...(published === undefined ? {} : { paper: published }),
    };
  };
  const plots = shots.flatMap((count) => {
    const ofShots = arms.filter((arm) => arm.shots === count);
    const marks = ofShots.map((arm) => mark(arm, several && arm.name === 'arte'));
    const said = marks.map(
      ({ name, accuracy, low, high }) => `${name} ${percent(accuracy)} % (${percent(low)} to ${percent(high)})`,
    );
    const title = `Accuracy on the held-out test items, ${count}-shot, with 95 % intervals`;
    return [
      ...(several
        ? [
            roundsPlot(
              {
                id: `rounds-${count}`,
                title: `Accuracy round by round, ${count}-shot, with 95 % intervals`,
                description: said.join('; '),
              },
              ofShots.map((arm) => mark(arm, false)),
            ),
          ]
        : []),
      intervalPlot({ id: `arms-${count}`, title, description: said.join('; ') }, marks),
    ];
  });
  const averages = macroAverages(report);
  const seeds = arms.some((arm) => arm.students.accuracies.length > 1);
  const columns = [
    'Student trained on',
    'Round',
    'Shots',
    'Accuracy, %',
    '95 % interval',
    ...(paper ? ['The paper, %'] : []),
    ...averages.map(({ title }) => `Mean ${title}, %`),
    ...(seeds ? ['SD over seeds'] : []),
    seeds ? 'Answers' : 'Items',
    "Against the unaligned teacher's student",
  ];
  const rows = arms.map((arm) => {
    const baseline = arm.comparisons.find(({ against }) => against === 'original_teacher');
    const published = paperAccuracy(arm.name, arm.shots);
    return [
      armTitle(arm, report),
      arm.round,
      arm.shots,
      percent(arm.accuracy),
      `${percent(arm.low)} to ${percent(arm.high)}`,
      ...(paper ? [published === undefined ? '' : percent(published)] : []),
      ...averages.map(({ of }) => `${percent(of(arm).accuracy)} ± ${percent(of(arm).stderr)}`),
      ...(seeds ? [arm.students.accuracies.length > 1 ? percent(arm.students.standardDeviation) : ''] : []),
      arm.n,
      baseline ? difference(baseline) : '',
    ];
  });
  return `${plots.join('\n')}
${table('students-table', 'Students on the held-out test items', columns, rows)}
${averages.length > 0 ? `<p class="legend">Mean ${averages.map(({ title }) => title).join(', ')}: each counts the same whatever its number of items; ± standard error.</p>` : ''}
${seeds ? '<p class="legend">SD over seeds: standard deviation, in points, of the accuracies of the students of an arm. The interval is about the items, for these students.</p>' : ''}
${answersTable(
  'answers-table',
  'How the answers were read',
  'Student trained on',
  arms.map((arm) => ({
    name: `${armTitle(arm, report)}, round ${arm.round}, ${arm.shots}-shot`,
    answers: arm.answers,
  })),
)}
${byTask(report)}`;
}

/** Answers by how they were read, with what each column means below it. */
function answersTable(
  id: string,
  caption: string,
  title: string,
  rows: readonly { readonly name: string; readonly answers: AnswerCounts }[],
): string {
  const kinds = answerKindsIn(rows.map(({ answers }) => answers));
  const cells = rows.map(({ name, answers }) => [name, ...kinds.map((kind) => formatCount(answers[kind]))]);
  return `${table(id, caption, [title, ...kinds.map((kind) => capital(answerKinds[kind].title))], cells)}
<dl class="legend">${kinds.map((kind) => `<div><dt>${capital(answerKinds[kind].title)}</dt><dd>${escaped(answerKinds[kind].means)}</dd></div>`).join('')}</dl>`;
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function byTask(report: RunReport, id = 'tasks-table', caption = 'Accuracy by task, %, with 95 % intervals'): string {
  const { arms } = report;
  const tasks = [...new Set(arms.flatMap((arm) => Object.keys(arm.byTask)))];
  if (tasks.length < 2) return '';
  const rows = arms.map((arm) => [
    `${armTitle(arm, report)}, round ${arm.round}, ${arm.shots}-shot`,
    ...tasks.map((task) => {
      const measure = arm.byTask[task];
      return measure ? `${percent(measure.accuracy)} (${percent(measure.low)} to ${percent(measure.high)})` : '';
    }),
  ]);
  return table(id, caption, ['Student trained on', ...tasks], rows);
}

/** The aligned student is always the same colour; the others follow in the order of the report. */
function colorOf(arm: string, names: readonly string[]): string {
  if (arm === 'arte') return 'arm-aligned';
  if (arm === 'untuned') return 'arm-untuned';
  const others = names.filter((name) => name !== 'arte' && name !== 'untuned');
  return `arm-${1 + (others.indexOf(arm) % 4)}`;
}

function difference({ difference: by, low, high, p, verdict }: Comparison): string {
  return `${signed(by)} (${signed(low)} to ${signed(high)}), p ${p.toFixed(3)}: ${verdict}`;
}

// ---- transfer ----------------------------------------------------------------------------------------------------

function transfer(report: RunReport): string {
  const { transfer: lines = [] } = report;
  if (lines.length === 0) return '';
  const unseen = unseenReport(report);
  const averages = macroAverages(unseen);
  const seeds = lines.some((line) => line.students.accuracies.length > 1);
  const names = [...new Set(lines.map(({ name }) => name))];
  const shots = [...new Set(lines.map((line) => line.shots))].sort((one, other) => one - other);
  const plots = shots.map((count) => {
    const marks = lines
      .filter((line) => line.shots === count)
      .map((line): AccuracyMark => {
        const { round, accuracy, low, high } = line;
        const name = `${targetTitle(line.to)}: ${armTitle(line, report)}`;
        return { name, color: colorOf(line.name, names), round, accuracy, low, high };
      });
    const said = marks.map(
      ({ name, accuracy, low, high }) => `${name} ${percent(accuracy)} % (${percent(low)} to ${percent(high)})`,
    );
    const title = `Accuracy on the test items, ${count}-shot, with 95 % intervals`;
    return intervalPlot({ id: `transfer-${count}`, title, description: said.join('; ') }, marks);
  });
  const columns = [
    ...['To', 'Student trained on', 'Shots', 'Accuracy, %', '95 % interval'],
    ...averages.map(({ title }) => `Mean ${title}, %`),
    ...(seeds ? ['SD over seeds'] : []),
    seeds ? 'Answers' : 'Items',
    ...["Against the unaligned teacher's student", 'Against the untuned student'],
  ];
  const rows = lines.map((line) => {
    const against = (baseline: string): string => {
      const comparison = line.comparisons.find((one) => one.against === baseline);
      return comparison ? difference(comparison) : '';
    };
    return [
      ...[targetTitle(line.to), armTitle(line, report), line.shots, percent(line.accuracy)],
      `${percent(line.low)} to ${percent(line.high)}`,
      ...averages.map(({ of }) =>
        line.to === 'tasks' ? `${percent(of(line).accuracy)} ± ${percent(of(line).stderr)}` : '',
      ),
      ...(seeds ? [line.students.accuracies.length > 1 ? percent(line.students.standardDeviation) : ''] : []),
      ...[line.n, against('original_teacher'), against('untuned')],
    ];
  });
  return `${plots.join('\n')}
${table('transfer-table', 'Students and tasks that the teacher was not aligned for', columns, rows)}
${targetLegends(report)
  .map((legend) => `<p class="legend">${escaped(legend)}</p>`)
  .join('\n')}
${byTask(unseen, 'unseen-table', 'Unseen tasks: accuracy by task, %, with 95 % intervals')}`;
}

// ---- rounds ------------------------------------------------------------------------------------------------------

function roundsAndGates(report: RunReport): string {
  const steps = roundSteps(report).map(({ round, decision, reason, next }) => [
    `Round ${round}`,
    decision,
    reason,
    next,
  ]);
  const orders = orderRows(report);
  const gates = gateRows(report).map(({ gate, round, value, limit, verdict }) => [gate, round, value, limit, verdict]);
  return [
    ...(isWorthTelling(report)
      ? [table('steps-table', 'What each round decided', ['Round', 'Decision', 'Why', 'After it'], steps)]
      : []),
    ...(gates.length > 0
      ? [
          table(
            'gates-table',
            'Gates: limits on what the aligned teacher wrote',
            ['Gate', 'Round', 'Measured', 'Limit', 'Verdict'],
            gates,
          ),
          `<dl class="legend">${gateLegends(report)
            .map(({ gate, means }) => `<div><dt>${gate}</dt><dd>${escaped(means)}</dd></div>`)
            .join('')}</dl>`,
        ]
      : []),
    ...(orders.length > 0
      ? [table('orders-table', 'What people did to the run', ['When', 'What', 'Who', 'With'], orders)]
      : []),
  ].join('\n');
}

// ---- preferences -------------------------------------------------------------------------------------------------

function preferences({ rounds }: ReportDetails, report: RunReport): string {
  const shown = rounds.filter(({ scores, quality }) => scores.length > 0 || quality).slice(-roundsDrawnMax);
  // Of a round that was broken off there are the stages, and no round.
  const read = scoredAnswers(report)
    .filter(({ round }) => shown.length === 0 || shown.some((one) => one.round === round))
    .slice(-roundsDrawnMax)
    .map(({ round, answers }) => ({ name: `Round ${round}`, answers }));
  const [chosen, ranked] = [agreementRows(report), signalRows(report)];
  if (shown.length + read.length + chosen.length + ranked.length === 0) return '';
  const plots = shown
    .filter(({ scores }) => scores.length > 0)
    .map((round) => {
      const share = areShares(round.scores.map(({ score }) => score));
      const bins = share ? scoreBins(round) : valueBins(round);
      const unit = share ? ' %' : '';
      const description = bins.filter(({ count }) => count > 0).map(({ name, count }) => `${name}${unit}: ${count}`);
      return histogram(
        {
          id: `scores-${round.round}`,
          title: `Scores of the drafts in round ${round.round}: ${scoreWords(round, share)}`,
          description: `${round.scores.length} drafts. ${description.join('; ')}`,
        },
        bins,
        'arm-aligned',
      );
    });
  const optional = (value: number | null | undefined): string =>
    typeof value === 'number' ? value.toFixed(2) : 'cannot be told';
  const shares = new Map(shown.map(({ round, scores }) => [round, areShares(scores.map(({ score }) => score))]));
  const rows = shown.flatMap(({ round, quality }) =>
    quality
      ? [
          [
            `Round ${round}`,
            formatCount(quality.drafts),
            formatCount(quality.cells),
            optional(quality.reliability),
            scoreText(quality.spread, shares.get(round) !== false),
            scoreText(quality.meanStderr, shares.get(round) !== false),
            quality.tiedShare === null ? 'cannot be told' : `${percent(quality.tiedShare)} %`,
          ],
        ]
      : [],
  );
  const columns = [
    'Scores of',
    'Drafts',
    'Cells',
    'Reliability (split half)',
    ...([...shares.values()].every(Boolean)
      ? ['Spread, points', 'Standard error, points']
      : ['Spread', 'Standard error']),
    'Questions whose drafts tie',
  ];
  return `${plots.join('\n')}
${rows.length > 0 ? table('quality-table', 'How far the scores can be trusted', columns, rows) : ''}
${chosen.length > 0 ? `${table('agreement-table', agreementTitle, agreementColumns.map(capital), chosen)}<p class="legend">${escaped(agreementNote)}</p>` : ''}
${ranked.length > 0 ? table('signals-table', signalsTitle, signalsColumns.map(capital), ranked) : ''}
${read.length > 0 ? answersTable('scored-answers-table', 'How the answers behind the scores were read', 'Scores of', read) : ''}`;
}

function scoreWords({ signal }: RoundDetails, share: boolean): string {
  if (signal === 'combined') return 'mean share of ranks, %, by several signals';
  return share ? 'share of probe items, %, that the student got right after one' : (signal ?? 'by another signal');
}

/** Equal bins from the lowest to the highest score. */
function valueBins({ scores }: RoundDetails): HistogramBin[] {
  const values = scores.map(({ score }) => score);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const width = (high - low) / scoreBinsMax || 1;
  const counts = new Array<number>(scoreBinsMax).fill(0);
  for (const value of values) {
    const at = Math.min(scoreBinsMax - 1, Math.floor((value - low) / width));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((count, index) => ({ name: (low + (index + 0.5) * width).toFixed(2), count }));
}

/** A bar for every score that is possible where the probe items are few, else equal bins. */
function scoreBins({ scores }: RoundDetails): HistogramBin[] {
  const items = Math.max(...scores.map(({ n }) => n));
  const steps = Math.min(items, scoreBinsMax);
  const counts = new Array<number>(steps + 1).fill(0);
  for (const { score } of scores) {
    const at = Math.round(score * steps);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((count, index) => ({ name: String(Math.round((100 * index) / steps)), count }));
}

function pairs({ pairs: shown, pairsRound }: ReportDetails): string {
  if (shown.length === 0) return '';
  return `<p>The widest gaps of round ${pairsRound ?? ''}: what the student learns better from, beside what it learns worse from.</p>
${shown.map(pairOf).join('\n')}`;
}

function pairOf(pair: PairRow): string {
  const share = areShares([pair.chosenScore, pair.rejectedScore]);
  const side = (name: string, score: number, text: string, kind: string): string =>
    `<div class="side ${kind}"><h4>${name} <span>score ${scoreText(score, share)}</span></h4><pre>${escaped(shortened(text))}</pre></div>`;
  const prompt = pair.prompt as unknown as Prompt;
  const asked =
    prompt.kind === 'completion'
      ? prompt.text
      : prompt.messages.map(({ role, content }) => `[${role}]\n${content}`).join('\n');
  return `<article class="pair"><h3>${pair.kind === 'question' ? 'Questions' : 'Rationales'} of ${escaped(pair.task)} <code>${escaped(pair.id)}</code></h3>
<details><summary>Prompt</summary><pre>${escaped(shortened(asked))}</pre></details>
<div class="sides">${side('Chosen', pair.chosenScore, pair.chosen, 'chosen')}${side('Rejected', pair.rejectedScore, pair.rejected, 'rejected')}</div></article>`;
}

function shortened(text: string): string {
  return text.length > pairCharactersMax ? `${text.slice(0, pairCharactersMax)}…` : text;
}

// ---- what it took ------------------------------------------------------------------------------------------------

function cost(report: RunReport): string {
  const { stages, totals } = report;
  if (stages.length === 0) return '';
  const hasPrices = hasCost(report);
  const made = stages.filter(({ reused }) => !reused);
  const byStage = (of: (stage: ReportStage) => number): { name: string; value: number }[] => {
    const sums = new Map<string, number>();
    for (const stage of made) {
      const name = stageLabel(stage.name, stage.arm);
      sums.set(name, (sums.get(name) ?? 0) + of(stage));
    }
    return [...sums].map(([name, value]) => ({ name, value }));
  };
  const seconds = byStage((stage) => stage.seconds).map((row) => ({ ...row, words: formatSeconds(row.value) }));
  const priced = byStage((stage) => stage.cost).filter(({ value }) => value > 0);
  const money = priced.map((row) => ({
    ...row,
    words: `${row.value.toFixed(2)} ${totals.currency}`,
  }));
  const said = (rows: readonly { name: string; words: string }[]): string =>
    rows.map(({ name, words }) => `${name} ${words}`).join('; ');
  const rows = stages.map((stage) => [
    stageLabel(stage.name, stage.arm),
    stage.round,
    ...callCells(stage),
    stage.reused ? 'from the store' : formatSeconds(stage.seconds),
    ...(hasPrices ? [stage.reused ? '' : stage.cost.toFixed(2)] : []),
  ]);
  rows.push([
    'In all, spent by this run',
    '',
    ...callCells(totals),
    `${formatSeconds(totals.seconds)} summed`,
    ...(hasPrices ? [totals.cost.toFixed(2)] : []),
  ]);
  const columns = [
    'Stage',
    'Round',
    'Calls',
    'Tokens in',
    'Of them cached',
    'Tokens out',
    'Time, waits included',
    ...(hasPrices ? [`Cost, ${totals.currency}`] : []),
  ];
  return `${made.length === 0 ? '<p>Everything came from the store: this run spent nothing.</p>' : barPlot({ id: 'time', title: 'Time by stage, over all rounds', description: said(seconds) }, seconds, 'arm-aligned')}
${totals.cost > 0 ? barPlot({ id: 'money', title: `Cost by stage, ${totals.currency}`, description: said(money) }, money, 'arm-1') : ''}
${table('cost-table', 'What each stage took', columns, rows)}
<p class="legend">${stageTimeNote}</p>`;
}

function planned(report: RunReport): string {
  const rows = plannedRows(report);
  if (rows.length === 0) return '';
  return `${table(
    'planned-table',
    plannedTitle,
    Object.values(plannedColumns).map((title) => `${title.charAt(0).toUpperCase()}${title.slice(1)}`),
    rows.map(({ stage, round, calls, tokens, seconds, cost: money }) => [stage, round, calls, tokens, seconds, money]),
  )}
<p>${plannedNote}</p>`;
}

function outcomes({ stages }: RunReport): string {
  const rows = stages.flatMap((stage) => {
    const counts = rowOutcomes.map((outcome) => ({ outcome, count: Number(stage.outcomes[outcome] ?? 0) }));
    const all = counts.reduce((sum, { count }) => sum + count, 0);
    return all === 0 ? [] : [{ name: `${stageLabel(stage.name, stage.arm)}, round ${stage.round}`, counts }];
  });
  if (rows.length === 0) return '';
  const said = rows.map(
    ({ name, counts }) =>
      `${name}: ${counts
        .filter(({ count }) => count > 0)
        .map(({ outcome, count }) => `${count} ${outcome}`)
        .join(', ')}`,
  );
  return `${sharePlot(
    { id: 'outcome-shares', title: 'Outcomes of rows by stage', description: said.join('; ') },
    rows.map(({ name, counts }) => ({
      name,
      parts: counts.map(({ outcome, count }) => ({ name: outcome, count, color: `outcome-${outcome}` })),
    })),
  )}
${table(
  'outcome-table',
  'Rows by how they ended',
  ['Stage', ...rowOutcomes],
  rows.map(({ name, counts }) => [name, ...counts.map(({ count }) => formatCount(count))]),
)}`;
}

function trainingSets(report: RunReport): string {
  const rows = trainingSetRows(report);
  if (rows.length === 0) return '';
  return table(
    'training-sets-table',
    'What students were trained on, and what was left out of it',
    Object.values(trainingSetTitles).map((title) => `${title.charAt(0).toUpperCase()}${title.slice(1)}`),
    rows.map(({ arm, label, round, examples, agreeing, given, leftOut, duplicates, leaks, words }) => [
      ...[
        `${armTitle({ name: arm }, report)}${setSuffix(label)}`,
        round,
        formatCount(examples),
        given ? 'given, not measured' : `${Math.round(100 * agreeing)} %`,
      ],
      ...[leftOut, duplicates, leaks, words],
    ]),
  );
}

// ---- lineage -----------------------------------------------------------------------------------------------------

function lineage({ rounds, stages }: RunReport): string {
  const models = rounds.flatMap(({ round, teacher, student }) => [
    [`Teacher of round ${round}`, ...modelCells(teacher)],
    [`Student of round ${round}`, ...modelCells(student)],
  ]);
  const keys = stages.map(({ name, arm, round, key, reused }) => [
    stageLabel(name, arm),
    round,
    code(key),
    reused ? 'from the store' : 'made by this run',
  ]);
  return `${models.length === 0 ? '' : table('models-table', 'Models by their content (SHA-256)', ['Model', 'Content', 'Base', 'Layers'], models)}
${table('keys-table', 'Stages by their key', ['Stage', 'Round', 'Key', 'Made'], keys)}`;
}

function modelCells({ contentSha256, baseSha256, layers }: ModelRef): Cell[] {
  return [code(contentSha256), code(baseSha256), layers.length];
}

function percent(share: number): string {
  return (100 * share).toFixed(1);
}

function signed(share: number): string {
  return `${share >= 0 ? '+' : ''}${percent(share)}`;
}
