/** The difference of two runs on the screen. Owns words and layout. */
import { canonicalJson } from '../../method/keys';
import { describeDifference } from '../../method/statistics';
import { stageLabel } from '../../schemas/stage-names';
import type { ArmDifference, Difference, RunDiff, StageDifference } from './diff-runs';
import { foreignIn } from '../cells';
import { colorsFor, printLine, table } from '../output';
import type { ChosenRound } from '../report/report-round';

/** A value in a cell is cut to this; --json has all of it. */
const valueCharactersMax = 60;

export function printDiff(whole: RunDiff): void {
  const diff = foreignIn(whole);
  const color = colorsFor(process.stdout);
  printLine();
  printLine(color.bold('Settings'));
  if (diff.config.length === 0) printLine('the same');
  else {
    const columns = [{ title: 'setting' }, { title: diff.a }, { title: diff.b }];
    printLine(
      table(
        columns,
        diff.config.map(({ path, a, b }) => [path, shown(a), shown(b)]),
      ),
    );
  }
  printLine();
  printLine(color.bold('Stages'));
  const columns = [
    { title: 'round', align: 'right' as const },
    { title: 'stage' },
    { title: '' },
    { title: 'why' },
    { title: 'rows' },
  ];
  printLine(
    table(
      columns,
      diff.stages.map((stage) => [
        stage.round,
        stageLabel(stage.stage, stage.arm),
        verdictOf(stage, diff),
        reasons(stage),
        rows(stage),
      ]),
    ),
  );
  printLine();
  printLine(
    color.bold(`Accuracy on the held-out test items: ${diff.b} less ${diff.a}, on the items that both answered`),
  );
  if (diff.arms.length === 0) printLine('no arm was evaluated in both');
  else {
    const armColumns = [
      { title: 'arm' },
      { title: `${diff.a} (round)`, align: 'right' as const },
      { title: `${diff.b} (round)`, align: 'right' as const },
      { title: 'items', align: 'right' as const },
      { title: 'difference (95 % interval)' },
      { title: 'p', align: 'right' as const },
    ];
    printLine(table(armColumns, diff.arms.map(armRow)));
    printLine(
      `Compared: ${whichRound(diff.a, diff.rounds.a)}, ${whichRound(diff.b, diff.rounds.b)}; another with --round.`,
    );
  }
}

function whichRound(runId: string, { round, as }: ChosenRound): string {
  const why = { asked: '', best: ' (its best)', last: ' (its last: none is the best)' }[as];
  return `round ${round} of ${runId}${why}`;
}

function verdictOf({ verdict }: StageDifference, { a, b }: RunDiff): string {
  const color = colorsFor(process.stdout);
  switch (verdict) {
    case 'same':
      return color.dim('same');
    case 'differs':
      return color.yellow('differs');
    case 'only in a':
      return `only in ${a}`;
    case 'only in b':
      return `only in ${b}`;
    case 'unknown':
      return 'differs';
  }
}

function reasons({ verdict, settings, inputs }: StageDifference): string {
  if (verdict === 'unknown') return 'its manifest has gone from the store';
  return [
    ...settings.map(({ path, a, b }) => `${path}: ${shown(a)} → ${shown(b)}`),
    ...(inputs.length > 0 ? [`${inputs.length === 1 ? 'input' : 'inputs'} ${inputs.join(', ')}`] : []),
  ].join('\n');
}

function rows({ a, b }: StageDifference): string {
  return [...new Set([...Object.keys(a?.rows ?? {}), ...Object.keys(b?.rows ?? {})])]
    .map((name) => {
      const [ofA, ofB] = [a?.rows[name], b?.rows[name]];
      return `${name} ${ofA === ofB ? String(ofA) : `${ofA ?? '-'} → ${ofB ?? '-'}`}`;
    })
    .join(', ');
}

function armRow(arm: ArmDifference): (string | number)[] {
  const { comparison } = arm;
  return [
    arm.arm,
    `${(100 * arm.accuracyA).toFixed(1)} (${arm.roundA})`,
    `${(100 * arm.accuracyB).toFixed(1)} (${arm.roundB})`,
    comparison?.n ?? 0,
    comparison ? describeDifference(comparison) : 'other items: not comparable one by one',
    comparison ? comparison.p.toFixed(3) : '',
  ];
}

function shown(value: Difference['a']): string {
  if (value === undefined) return '-';
  const text = typeof value === 'string' ? value : canonicalJson(value);
  return text.length > valueCharactersMax ? `${text.slice(0, valueCharactersMax - 1)}…` : text;
}
