/**
 * What a plan is expected to take, in words: ranges, the table of stages with where their figures come from, the line of `arte run`.
 * Pure text; counts and reuse are printed by commands/plan.ts, the estimate is method/price-plan.ts.
 */
import type { FigureSource, ModelForms, PlannedStage, PricedPlan, Range, StagePrice } from '../../schemas/plan';
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
  const { left, all, cache } = prices;
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
  if (cache) lines.splice(-1, 0, ...wrapped(cacheWords(cache), textWidth));
  const sources = new Map<FigureSource['kind'], FigureSource[]>();
  const isTimed = ({ calls, steps }: PlannedStage): boolean => calls > 0 || steps > 0;
  for (const [at, stage] of stages.entries()) {
    const { seconds } = (prices.stages[at] as StagePrice).from;
    if (isTimed(stage) && stage.reused !== true)
      sources.set(seconds.kind, [...(sources.get(seconds.kind) ?? []), seconds]);
  }
  const letterOf = ({ from }: StagePrice): string => letterAt([...sources.keys()].indexOf(from.seconds.kind));
  const rows = grouped(stages, prices.stages)
    .filter(({ stage }) => isTimed(stage))
    .map(({ stage, price }) => [
      stage.round,
      stage.name,
      stage.arm,
      stage.reused === true ? 'in the store' : formatRange(price.seconds, formatPlanSeconds),
      ...(priced ? [stage.reused === true ? '' : formatRange(price.cost, formatMoneyShort)] : []),
      stage.reused === true ? '' : formatRange(price.outputTokens, shortCount),
      stage.reused === true ? '' : letterOf(price),
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
  for (const [at, group] of [...sources.values()].entries())
    lines.push(...indented(`${letterAt(at)}  ${sourceWords(group)}`));
  lines.push(
    ...indented(
      'time: low is the longer of what runs side by side, high one stage after another; nothing is asked again, nobody pauses it',
    ),
  );
  return lines;
}

/** There are fewer kinds of sources than letters. */
function letterAt(index: number): string {
  return String.fromCharCode('a'.charCodeAt(0) + index);
}

/** So many runs are named in the legend. */
const runsNamedMax = 3;

/** One line for a kind of source: what differs only in figures is told once, and each stage's own figures are in --json. */
function sourceWords(group: readonly FigureSource[]): string {
  const [first = '', ...others] = [...new Set(group.map(({ words }) => words))];
  if (others.length === 0) return first;
  const [kind = ''] = first.split(':');
  const runs = [...new Set(group.flatMap((source) => source.runs ?? []))];
  if (runs.length === 0) return [first, ...others.map((words) => words.replace(`${kind}: `, ''))].join('; ');
  const named = runs.slice(0, runsNamedMax).join(', ');
  const more = runs.length > runsNamedMax ? ` and ${runs.length - runsNamedMax} more` : '';
  return `${kind}, in ${named}${more}; --json has the speed of each stage`;
}

/** What the cache directory takes for the models that are trained. */
function cacheWords({ models, bytes, uncounted }: ModelForms): string {
  const counted = models - uncounted;
  const of = (count: number): string => `${count} trained ${count === 1 ? 'model' : 'models'}`;
  const known = counted > 0 ? `about ${formatBytes(bytes)} for ${of(counted)}` : '';
  const unknown =
    uncounted > 0
      ? `${of(uncounted)} of a size that no name says${counted > 0 ? '' : ', at five to eight bytes a weight'}`
      : '';
  return `beside it in the cache directory: ${[known, unknown].filter((part) => part !== '').join(', and ')} (weights and GGUF of each; they make way when the disk gets short)`;
}

function indented(text: string): string[] {
  const [first = '', ...rest] = wrapped(text, textWidth - 3);
  return [first.replace(/^(\w) /, '$1  '), ...rest.map((line) => `   ${line}`)];
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
    `${color.bold(`Against the run ${run}`)}: ${stand} stages stand, ${again.length} are to be made beside the report, which is each run's own${dropped.length > 0 ? `, ${dropped.length} of its stages are not wanted any more` : ''}`,
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
