/**
 * The report as one HTML page that needs nothing else: no script, no font, no request (its own policy forbids all of them). Owns words
 * and order; students, preferences, trainings and cost are files of their own, plots are report-plots.ts, the style sheet is page-style.ts, figures come from the report. Light or dark as the reader's system says.
 */
import type { ModelRef } from '../../../schemas/model-ref';
import type { RunReport } from '../../../schemas/report';
import type { RunConfig } from '../../../schemas/run-config';
import { stageLabel } from '../../../schemas/stage-names';
import { formatCount, formatSeconds } from '../../output';
import type { ReportDetails } from '../report-details';
import { hasCost } from '../report-planned';
import { gateLegends, gateRows, isWorthTelling, orderRows, roundSteps } from '../report-rounds';
import { wallTitle, wallWords } from '../report-stages';
import { trainingSetRows, trainingSetTitles } from '../report-training-sets';
import { setSuffix, transferTitle } from '../report-transfer';
import { resultLines, verdict } from '../report-verdict';
import { armTitle, points, signed } from '../report-words';
import { cost, outcomes, planned } from './cost';
import { capital, code, table, type Cell } from './html-table';
import { pageStyle } from './page-style';
import { pairs, preferences } from './preferences';
import { escaped } from './report-plots';
import { students, transfer } from './students';
import { trainingPlots } from './trainings';

/** Stands near the beginning of every page: by it a file is known as one that a newer page may replace. */
export const generatorMark = '<meta name="generator" content="arte">';

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
${generatorMark}
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
${details.standing === undefined ? '' : `<p class="standing" role="note">${words(details.standing)}</p>\n`}${verdictSection(report)}${tiles(report)}
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

/** The sentences that the terminal begins with. Where nothing was evaluated the students' section says that, and why. */
function verdictSection(report: RunReport): string {
  if (report.arms.length === 0) return '';
  const said = verdict(report).map((sentence) => `<p>${escaped(sentence)}</p>`);
  return `<section aria-labelledby="verdict-title" class="verdict"><h2 id="verdict-title">Verdict</h2>${said.join('')}</section>\n`;
}

function tiles(report: RunReport): string {
  const { totals, rounds, wall } = report;
  const [aligned] = resultLines(report);
  const ofRound = aligned && rounds.length > 1 ? ` of round ${aligned.round}` : '';
  const comparison = aligned?.comparisons.find(({ against }) => against === 'original_teacher');
  const shown: (readonly [string, string])[] = [
    ...(aligned
      ? [[`${points(aligned.accuracy)} %`, `accuracy after alignment${ofRound}, ${aligned.shots}-shot`] as const]
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
    wall
      ? [formatSeconds(wall.seconds), wallTitle(wall)]
      : [formatSeconds(totals.seconds), 'in stages, summed, with their waits'],
    ...(hasCost(report)
      ? [[`${totals.cost.toFixed(2)} ${totals.currency}`, 'cost by the prices of the config'] as const]
      : []),
  ];
  return `<dl class="tiles">${shown.map(([value, name]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join('')}</dl>`;
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

function trainingSets(report: RunReport): string {
  const rows = trainingSetRows(report);
  if (rows.length === 0) return '';
  return table(
    'training-sets-table',
    'What students were trained on, and what was left out of it',
    Object.values(trainingSetTitles).map(capital),
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
  const models = [
    ...bases(
      'teacher',
      rounds.map(({ teacher }) => teacher),
    ),
    ...bases(
      'student',
      rounds.map(({ student }) => student),
    ),
    ...rounds.flatMap(({ round, teacher, student }) => [
      modelRow(`Teacher of round ${round}`, teacher),
      modelRow(`Student of round ${round}`, student),
    ]),
  ];
  const keys = stages.map(({ name, arm, round, key, reused }) => [
    stageLabel(name, arm),
    round,
    code(key),
    reused ? 'from the store' : 'by this run',
  ]);
  return `${models.length === 0 ? '' : table('models-table', 'Models by their content (SHA-256)', ['Model', 'Content', 'Layers on its base'], models)}
${table('keys-table', 'Stages by their key', ['Stage', 'Round', 'Key', 'Made'], keys)}`;
}

/** What the models of the rounds are layers on: one for all of them, unless a round merged its layers into another. */
function bases(role: string, models: readonly ModelRef[]): Cell[][] {
  const distinct = [...new Set(models.map(({ baseSha256 }) => baseSha256))];
  return distinct.map((sha256) => [`Base of the ${role}`, code(sha256), '']);
}

function modelRow(name: string, { contentSha256, layers }: ModelRef): Cell[] {
  return [name, code(contentSha256), layers.length];
}
