/** The students on the page: plots and tables of accuracy, how their answers were read, and what the alignment is worth elsewhere. */
import { isPaperSetUp, paperAccuracy } from '../../../method/paper-results';
import type { AnswerCounts, Comparison, ReportArm, RunReport } from '../../../schemas/report';
import type { RunConfig } from '../../../schemas/run-config';
import { formatCount } from '../../output';
import { answerKinds, answerKindsIn } from '../report-answers';
import { macroAverages } from '../report-averages';
import { targetLegends, targetTitle, unseenReport } from '../report-transfer';
import { armTitle, nothingEvaluated, points, signed } from '../report-words';
import { capital, table } from './html-table';
import { escaped, intervalPlot, roundsPlot, type AccuracyMark } from './report-plots';

export function students(report: RunReport, config: RunConfig | undefined): string {
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
      ({ name, accuracy, low, high }) => `${name} ${points(accuracy)} % (${points(low)} to ${points(high)})`,
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
    ...againstColumns,
  ];
  const rows = arms.map((arm) => {
    const published = paperAccuracy(arm.name, arm.shots);
    return [
      armTitle(arm, report),
      arm.round,
      arm.shots,
      points(arm.accuracy),
      `${points(arm.low)} to ${points(arm.high)}`,
      ...(paper ? [published === undefined ? '' : points(published)] : []),
      ...averages.map(({ of }) => `${points(of(arm).accuracy)} ± ${points(of(arm).stderr)}`),
      ...(seeds ? [arm.students.accuracies.length > 1 ? points(arm.students.standardDeviation) : ''] : []),
      arm.n,
      ...againstCells(arm),
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
export function answersTable(
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

function byTask(report: RunReport, id = 'tasks-table', caption = 'Accuracy by task, %, with 95 % intervals'): string {
  const { arms } = report;
  const tasks = [...new Set(arms.flatMap((arm) => Object.keys(arm.byTask)))];
  if (tasks.length < 2) return '';
  const rows = arms.map((arm) => [
    `${armTitle(arm, report)}, round ${arm.round}, ${arm.shots}-shot`,
    ...tasks.map((task) => {
      const measure = arm.byTask[task];
      return measure ? `${points(measure.accuracy)} (${points(measure.low)} to ${points(measure.high)})` : '';
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

const againstColumns = ["Against the unaligned teacher's student", 'Against the untuned student'] as const;

/** In the order of these columns; empty where a line is a baseline itself. */
function againstCells({ comparisons }: ReportArm): string[] {
  return ['original_teacher', 'untuned'].map((baseline) => {
    const comparison = comparisons.find(({ against }) => against === baseline);
    return comparison ? difference(comparison) : '';
  });
}

function difference({ difference: by, low, high, p, verdict }: Comparison): string {
  return `${signed(by)} (${signed(low)} to ${signed(high)}), p ${p.toFixed(3)}: ${verdict}`;
}

export function transfer(report: RunReport): string {
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
      ({ name, accuracy, low, high }) => `${name} ${points(accuracy)} % (${points(low)} to ${points(high)})`,
    );
    const title = `Accuracy on the test items, ${count}-shot, with 95 % intervals`;
    return intervalPlot({ id: `transfer-${count}`, title, description: said.join('; ') }, marks);
  });
  const columns = [
    ...['To', 'Student trained on', 'Shots', 'Accuracy, %', '95 % interval'],
    ...averages.map(({ title }) => `Mean ${title}, %`),
    ...(seeds ? ['SD over seeds'] : []),
    seeds ? 'Answers' : 'Items',
    ...againstColumns,
  ];
  const rows = lines.map((line) => {
    return [
      ...[targetTitle(line.to), armTitle(line, report), line.shots, points(line.accuracy)],
      `${points(line.low)} to ${points(line.high)}`,
      ...averages.map(({ of }) =>
        line.to === 'tasks' ? `${points(of(line).accuracy)} ± ${points(of(line).stderr)}` : '',
      ),
      ...(seeds ? [line.students.accuracies.length > 1 ? points(line.students.standardDeviation) : ''] : []),
      ...[line.n, ...againstCells(line)],
    ];
  });
  return `${plots.join('\n')}
${table('transfer-table', 'Students and tasks that the teacher was not aligned for', columns, rows)}
${targetLegends(report)
  .map((legend) => `<p class="legend">${escaped(legend)}</p>`)
  .join('\n')}
${byTask(unseen, 'unseen-table', 'Unseen tasks: accuracy by task, %, with 95 % intervals')}`;
}
