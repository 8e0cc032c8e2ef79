/**
 * What a plan is expected to take, in words: ranges, the table of stages with where their figures come from, the line of `arte run`.
 * Pure text; counts and reuse are printed by commands/plan.ts, the estimate is method/price-plan.ts.
 */
import type { PlannedStage, PricedPlan, Range, StagePrice } from '../../schemas/plan';
import { reasonOf, shortValue, type PlanAgainst } from './plan-against';
import { colorsFor, formatCount, formatSeconds, table, wrapped } from '../output';
import { stageLabel } from '../../schemas/stage-names';

/** Columns of sentences. */
const textWidth = 80;

/** Two figures as one where they say the same. */
export function formatRange({ low, high }: Range, format: (value: number) => string): string {
  const [least, most] = [format(low), format(high)];
  return least === most ? least : `${least} to ${most}`;
}

/** 1234567 -> "1.2M". */
export function shortCount(value: number): string {
  if (value < 10_000) return formatCount(value);
  if (value < 1_000_000) return `${Math.round(value / 1000)}k`;
  if (value < 1_000_000_000) return `${(value / 1_000_000).toFixed(1)}M`;
  return `${(value / 1_000_000_000).toFixed(2)}G`;
}

export function formatBytes(value: number): string {
  return `${shortCount(Math.round(value)).replace('k', ' k').replace('M', ' M').replace('G', ' G')}B`;
}

export function formatMoneyShort(value: number): string {
  return value > 0 && value < 0.01 ? value.toFixed(4) : value.toFixed(2);
}

/** A plan's seconds: nobody wants the tenths of an estimate. */
export function formatPlanSeconds(value: number): string {
  return formatSeconds(value < 10 ? value : Math.round(value));
}

/** `price   1.20 to 3.40 USD, 12m to 40m, 1,234 calls` (without prices `takes   12m …`): what is left to make, in a line or two. */
export function priceLines({ prices: { left, all }, currency }: PricedPlan, priced: boolean): string[] {
  const money = priced ? `${formatRange(left.cost, formatMoneyShort)} ${currency}, ` : '';
  const reused = left.calls < all.calls ? `; ${formatCount(all.calls - left.calls)} more are in the store` : '';
  return [
    `${priced ? 'price' : 'takes'}   ${money}${formatRange(left.seconds, formatPlanSeconds)}, ${formatCount(left.calls)} calls${reused}`,
    ...(priced ? [] : ['        no price set (models.*.price): no cost is counted']),
  ];
}

/** The whole: totals, then a line a stage with a letter for where its time comes from. */
export function priceTable(plan: PricedPlan, priced: boolean): string[] {
  const color = colorsFor(process.stdout);
  const { prices, stages, currency } = plan;
  const { left, all } = prices;
  const hours = (seconds: number): string => (seconds / 3600).toFixed(seconds < 36_000 ? 2 : 0);
  const lines = [
    color.bold('What it is expected to take'),
    table(
      [
        { title: '' },
        { title: 'calls', align: 'right' },
        { title: 'tokens in' },
        { title: 'tokens out' },
        ...(priced ? [{ title: currency }] : []),
        { title: 'wall time' },
      ],
      (left.calls === all.calls
        ? ([['in all', all]] as const)
        : ([
            ['in all', all],
            ['left', left],
          ] as const)
      ).map(([name, totals]) => [
        name,
        formatCount(totals.calls),
        formatRange(totals.inputTokens, shortCount),
        formatRange(totals.outputTokens, shortCount),
        ...(priced ? [formatRange(totals.cost, formatMoneyShort)] : []),
        formatRange(totals.seconds, formatPlanSeconds),
      ]),
    ),
    `left: ${formatRange(left.deviceSeconds, hours)} device-hours of the workers, ${formatRange(left.diskBytes, formatBytes)} in the store`,
    '',
  ];
  const letters = new Map<string, string>();
  const letterOf = (words: string): string => {
    const known = letters.get(words) ?? letterAt(letters.size);
    letters.set(words, known);
    return known;
  };
  const rows = grouped(stages, prices.stages)
    .filter(({ stage }) => stage.calls > 0 || stage.steps > 0)
    .map(({ stage, price }) => [
      stage.round,
      stage.name,
      stage.arm,
      stage.reused === true ? 'in the store' : formatRange(price.seconds, formatPlanSeconds),
      ...(priced ? [stage.reused === true ? '' : formatRange(price.cost, formatMoneyShort)] : []),
      stage.reused === true ? '' : formatRange(price.outputTokens, shortCount),
      stage.reused === true ? '' : letterOf(price.from.seconds.words),
    ]);
  lines.push(
    table(
      [
        { title: 'round', align: 'right' },
        { title: 'stage' },
        { title: 'for' },
        { title: 'time' },
        ...(priced ? [{ title: currency }] : []),
        { title: 'tokens out' },
        { title: 'from' },
      ],
      rows,
    ),
  );
  for (const [words, letter] of letters) lines.push(...indented(`${letter}  ${words}`));
  lines.push(
    ...indented(
      'time: low is the longer of what runs side by side, high one stage after another; nothing is asked again, nobody pauses it',
    ),
  );
  return lines;
}

function letterAt(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + (index % 26)) + (index < 26 ? '' : String(Math.floor(index / 26)));
}

function indented(text: string): string[] {
  const [first = '', ...rest] = wrapped(text, textWidth - 3);
  return [first.replace(/^(\w\d?) /, '$1  '), ...rest.map((line) => `   ${line}`)];
}

interface Line {
  readonly stage: PlannedStage;
  readonly price: StagePrice;
}

/** Respondents and shot counts of one use in one line, as in the table of counts; what is in the store apart from what is not. */
function grouped(stages: readonly PlannedStage[], prices: readonly StagePrice[]): Line[] {
  const lines: Line[] = [];
  const add = (one: Range, other: Range): Range => ({ low: one.low + other.low, high: one.high + other.high });
  for (const [at, stage] of stages.entries()) {
    const price = prices[at] as StagePrice;
    const arm = stage.arm.startsWith('respondent-') ? 'respondents' : stage.arm.replace(/-\d+shot$/, '');
    const last = lines.at(-1);
    if (
      last?.stage.name !== stage.name ||
      last.stage.round !== stage.round ||
      last.stage.arm !== arm ||
      last.stage.reused !== stage.reused
    ) {
      lines.push({ stage: { ...stage, arm }, price });
      continue;
    }
    lines[lines.length - 1] = {
      stage: { ...last.stage, calls: last.stage.calls + stage.calls },
      price: {
        ...last.price,
        outputTokens: add(last.price.outputTokens, price.outputTokens),
        seconds: add(last.price.seconds, price.seconds),
        cost: add(last.price.cost, price.cost),
      },
    };
  }
  return lines;
}

// ---- against an earlier run --------------------------------------------------------------------------------------

/** So many stages and settings are named; --json has all. */
const changesShownMax = 12;

/** What changed since the earlier run, and what must be made again for it. */
export function againstLines({ run, config, stages }: PlanAgainst): string[] {
  const color = colorsFor(process.stdout);
  const again = stages.filter((stage) => !stage.reused && stage.verdict !== 'dropped');
  const stand = stages.filter(({ reused }) => reused).length;
  const dropped = stages.filter(({ verdict }) => verdict === 'dropped');
  const lines = [
    `${color.bold(`Against the run ${run}`)}: ${stand} stages stand, ${again.length} are to be made${dropped.length > 0 ? `, ${dropped.length} of its stages are not wanted any more` : ''}`,
  ];
  const settings = config.filter(({ path }) => path !== 'name' && !path.startsWith('platform'));
  if (settings.length === 0) lines.push('  no setting and no task file is another one');
  for (const { path, a, b } of settings.slice(0, changesShownMax))
    lines.push(`  ${path}: ${shortValue(a)} -> ${shortValue(b)}`);
  if (settings.length > changesShownMax) lines.push(`  and ${settings.length - changesShownMax} more settings`);
  const own = again.filter(({ verdict }) => verdict !== 'follows');
  for (const stage of own.slice(0, changesShownMax))
    lines.push(`  ${stageLabel(stage.stage, stage.arm)} of round ${stage.round}: ${reasonOf(stage)}`);
  if (own.length > changesShownMax) lines.push(`  and ${own.length - changesShownMax} more stages`);
  const follow = again.filter(({ verdict }) => verdict === 'follows');
  if (follow.length > 0) {
    const after = [...new Set(follow.flatMap((stage) => stage.after ?? []))].slice(0, 3).join(', ');
    lines.push(`  ${follow.length} more follow from ${after}`);
  }
  return lines;
}
