/**
 * `arte plan CONFIG`: what a run will do and take, before anything is spent, and what of it the store holds already, if one can be asked.
 * Needs no platform, no network and no models.
 */
import type { Command } from 'commander';
import { openLineage } from '../../activities/lineage';
import { runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { hasPrices } from '../../method/ledger';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import type { PlannedStage, PricedPlan } from '../../schemas/plan';
import { loadConfig, type LoadedConfig } from '../config/load-config';
import { askStore, taskFiles } from '../plan/look-into-store';
import { colorsFor, formatCount, printJson, printLine, table } from '../output';
import { planAgainst, type PlanAgainst } from '../plan/plan-against';
import { againstLines, priceTable } from '../plan/plan-prices';
import { reuseLines } from '../plan/plan-reuse';
import { planAlone, planWithStore, type LookedPlan } from '../plan/price-run';

interface Options {
  readonly json?: boolean;
  readonly against?: string;
}

export function register(program: Command): void {
  program
    .command('plan')
    .argument('<config>', "the run's YAML file")
    .description('what a run will do and take: stages, calls, tokens, training steps, time, cost; starts nothing')
    .option(
      '--against <run>',
      'say what changed since that run, and what is made again for it (default: the run of the same name)',
    )
    .option('--json', 'as JSON: {stages: [{name, round, calls, reused, …}], totals, prices, notes}')
    .action(async (path: string, { json, against }: Options) => {
      const loaded = await loadConfig(path, { env: process.env });
      const looked = await askStore(loaded, async (store, find) => {
        const withStore = await planWithStore(store, loaded, find);
        return { ...withStore, against: await compare(store, loaded, withStore, against) };
      });
      if (against !== undefined && (looked === undefined || typeof looked === 'string'))
        throw noStoreFor(against, looked);
      const planned = typeof looked === 'object' ? looked.plan : planAlone(loaded);
      const unasked = typeof looked === 'string' ? [looked] : [];
      const warned = loaded.warnings.map(({ path: place, what }) => `${place}: ${what} arte validate says more.`);
      const plan: PricedPlan = { ...planned, notes: [...warned, ...planned.notes, ...loaded.notes, ...unasked] };
      const compared = typeof looked === 'object' ? looked.against : undefined;
      if (json === true) printJson({ ...plan, ...(compared && { against: compared }) });
      else printPlan(plan, hasPrices(loaded.config), compared);
    });
}

/** Undefined where nobody named a run and none has the config's name. Errors: RunNotFound. */
async function compare(
  store: ArtifactStore,
  loaded: LoadedConfig,
  { looked, plan }: LookedPlan,
  against: string | undefined,
): Promise<PlanAgainst | undefined> {
  const runId = against ?? loaded.config.name;
  if (against === undefined && (await store.getDocument(runKeys.record(runId))) === undefined) return undefined;
  const lineage = await openLineage(store, runId);
  const hashes = (files: object): JsonValue =>
    Object.fromEntries(Object.entries(files).map(([path, { sha256 }]: [string, { sha256: string }]) => [path, sha256]));
  const { config, configDir, files } = loaded;
  return planAgainst(
    lineage,
    {
      before: {
        ...(lineage.bundle.config as unknown as { [name: string]: JsonValue }),
        files: hashes(lineage.bundle.files),
      },
      now: {
        ...(config as unknown as { [name: string]: JsonValue }),
        files: hashes(await taskFiles(config, configDir, files)),
      },
    },
    looked,
    plan.stages,
  );
}

/** `why`: the note of a store that is there, and could not be asked. */
export function noStoreFor(against: string, why: string | undefined): ArteError {
  return new ArteError('PlatformDown', {
    what:
      why === undefined ? `There is no store to find the run ${against} in.` : `Nothing was compared with ${against}.`,
    why: why ?? 'The platform of the config is not running here.',
    next:
      why === undefined
        ? 'arte up starts it. Without --against the plan is made as if the store were empty.'
        : 'arte doctor looks at each part. Without --against the plan is made as if the store were empty.',
  });
}

function printPlan(plan: PricedPlan, hasPrice: boolean, against: PlanAgainst | undefined): void {
  const color = colorsFor(process.stdout);
  const test = plan.tasks.reduce((total, task) => total + task.test, 0);
  const count = plan.tasks.length === 1 ? 'one task' : `${plan.tasks.length} tasks`;
  printLine(
    `${color.bold(plan.name)}: ${count}, ${plan.rounds === 1 ? 'one round' : `${plan.rounds} rounds`}, ${formatCount(test)} test items`,
  );
  printLine();
  const priced = plan.totals.cost > 0;
  const asked = plan.stages.some(({ reused }) => reused !== null);
  printLine(
    table(
      [
        { title: 'round', align: 'right' },
        { title: 'stage' },
        { title: 'for' },
        { title: 'model' },
        { title: 'calls', align: 'right' },
        { title: 'rows', align: 'right' },
        { title: 'steps', align: 'right' },
        { title: 'tokens in', align: 'right' },
        { title: 'tokens out ≤', align: 'right' },
        ...(priced ? [{ title: `cost (${plan.currency})`, align: 'right' as const }] : []),
        ...(asked ? [{ title: 'store' }] : []),
      ],
      grouped(plan.stages).map((stage) => [
        stage.round,
        stage.name,
        stage.arm,
        stage.model,
        blankZero(stage.calls),
        blankZero(stage.rows),
        blankZero(stage.steps),
        shortCount(stage.inputTokens),
        shortCount(stage.outputTokens),
        ...(priced ? [stage.cost === 0 ? '' : stage.cost.toFixed(2)] : []),
        ...(asked ? [storeWord(stage)] : []),
      ]),
    ),
  );
  const { totals } = plan;
  printLine();
  const respondents = totals.respondentCalls > 0 ? `, ${formatCount(totals.respondentCalls)} of the respondents` : '';
  const others = totals.otherCalls > 0 ? `, ${formatCount(totals.otherCalls)} of other students` : '';
  printLine(
    `${color.bold('in all')}  ${formatCount(totals.calls)} calls: ${formatCount(totals.teacherCalls)} of the teacher, ${formatCount(totals.studentCalls)} of the student${respondents}${others}`,
  );
  printLine(
    `        about ${shortCount(totals.inputTokens)} tokens in, at most ${shortCount(totals.outputTokens)} out; ${formatCount(totals.trainingSteps)} optimizer steps`,
  );
  printLine(
    priced
      ? `        about ${totals.cost.toFixed(2)} ${plan.currency} for tokens, with answers of max_tokens`
      : `        no price set (models.*.price): no cost is counted, and no cap holds`,
  );
  if (asked) for (const line of reuseLines(plan, priced)) printLine(line);
  else printLine(`        counted as if the store were empty; what it holds already is not made again`);
  printLine();
  for (const line of priceTable(plan, hasPrice)) printLine(line);
  printLine();
  if (against) {
    for (const line of againstLines(against)) printLine(line);
    printLine();
  }
  for (const note of plan.notes) printLine(`${color.dim('note')}    ${note}`);
}

/** yes; no: to be made; ?: follows from something that is not there. */
function storeWord({ reused }: PlannedStage): string {
  return reused === null ? '?' : reused ? 'yes' : 'no';
}

/** Respondents and shot counts of one use in one line: a person wants the sum, --json has each. */
function grouped(stages: readonly PlannedStage[]): PlannedStage[] {
  const lines: PlannedStage[] = [];
  for (const stage of stages) {
    const arm = stage.arm.startsWith('respondent-') ? 'respondents' : stage.arm.replace(/-\d+shot$/, '');
    const last = lines.at(-1);
    if (last?.name !== stage.name || last.round !== stage.round || last.arm !== arm || last.model !== stage.model) {
      lines.push({ ...stage, arm });
      continue;
    }
    lines[lines.length - 1] = {
      ...last,
      calls: last.calls + stage.calls,
      rows: last.rows + stage.rows,
      inputTokens: last.inputTokens + stage.inputTokens,
      outputTokens: last.outputTokens + stage.outputTokens,
      cost: last.cost + stage.cost,
      reused: last.reused === stage.reused ? last.reused : null,
    };
  }
  return lines;
}

function blankZero(value: number): string {
  return value === 0 ? '' : formatCount(value);
}

/** 1234567 -> "1.2M". */
function shortCount(value: number): string {
  if (value === 0) return '';
  if (value < 10_000) return formatCount(value);
  if (value < 1_000_000) return `${Math.round(value / 1000)}k`;
  if (value < 1_000_000_000) return `${(value / 1_000_000).toFixed(1)}M`;
  return `${(value / 1_000_000_000).toFixed(2)}G`;
}
