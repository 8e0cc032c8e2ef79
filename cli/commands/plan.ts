/**
 * `arte plan CONFIG`: what a run will do and take, before anything is spent, and what of it the store holds already, if one can be asked.
 * Needs no platform, no network and no models.
 */
import type { Command } from 'commander';
import { planRun } from '../../method/plan';
import type { Plan, PlannedStage } from '../../schemas/plan';
import { stageLabel } from '../../schemas/stage-names';
import { loadConfig } from '../load-config';
import { lookIntoStore } from '../look-into-store';
import { colorsFor, formatCount, printJson, printLine, table } from '../output';
import { plannedTasks } from '../plan-facts';

interface Options {
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('plan')
    .argument('<config>', "the run's YAML file")
    .description('what a run will do: stages, calls, tokens, training steps, cost; starts nothing')
    .option('--json', 'as JSON: {stages: [{name, round, calls, reused, …}], totals, notes}')
    .action(async (path: string, { json }: Options) => {
      const loaded = await loadConfig(path, { env: process.env });
      const reuse = await lookIntoStore(loaded);
      const facts = { tasks: plannedTasks(loaded), ...(typeof reuse === 'function' ? { reuseOf: reuse } : {}) };
      const planned = planRun(loaded.config, facts);
      const unasked = typeof reuse === 'string' ? [reuse] : [];
      const warned = loaded.warnings.map(({ path: place, what }) => `${place}: ${what} arte validate says more.`);
      const plan: Plan = { ...planned, notes: [...warned, ...planned.notes, ...loaded.notes, ...unasked] };
      if (json === true) printJson(plan);
      else printPlan(plan);
    });
}

function printPlan(plan: Plan): void {
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
        ...(priced ? [{ title: `cost ≤ (${plan.currency})`, align: 'right' as const }] : []),
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
  printLine(
    `${color.bold('in all')}  ${formatCount(totals.calls)} calls: ${formatCount(totals.teacherCalls)} of the teacher, ${formatCount(totals.studentCalls)} of the student${respondents}`,
  );
  printLine(
    `        ${shortCount(totals.inputTokens)} tokens in, at most ${shortCount(totals.outputTokens)} out; ${formatCount(totals.trainingSteps)} optimizer steps`,
  );
  printLine(
    priced
      ? `        at most ${totals.cost.toFixed(2)} ${plan.currency} for tokens`
      : `        no price set (models.*.price): no cost is counted, and no cap holds`,
  );
  if (asked) printReuse(plan, priced);
  else printLine(`        counted as if the store were empty; what it holds already is not made again`);
  for (const note of plan.notes) printLine(`${color.dim('note')}    ${note}`);
}

/** So many stages that are to be made are named in a line. */
const namedStagesMax = 6;

/** What the store has of a plan, what is to be made, and what that takes. */
export function printReuse({ stages, left, currency }: Plan, priced: boolean): void {
  const color = colorsFor(process.stdout);
  const held = stages.filter(({ reused }) => reused === true).length;
  const made = stages
    .filter(({ reused }) => reused === false)
    .map(({ name, round, arm }) => `${stageLabel(name, arm)} of round ${round}`);
  const waiting = stages.filter(({ reused }) => reused === null);
  const others = made.length > namedStagesMax ? ` and ${made.length - namedStagesMax} more` : '';
  printLine(
    `${color.bold('store')}   ${held} of ${stages.length} stages are there (yes: found; no: to be made; ?: follows from one that is not there)`,
  );
  printLine(`        to be made: ${made.slice(0, namedStagesMax).join(', ')}${others}`);
  if (waiting.length > 0) {
    const on = [...new Set(waiting.flatMap(({ dependsOn }) => dependsOn ?? []))].slice(0, namedStagesMax).join(', ');
    printLine(`        not known yet: ${waiting.length}, which follow from ${on}`);
  }
  const cost = priced ? `, at most ${left.cost.toFixed(2)} ${currency}` : '';
  printLine(
    `${color.bold('left')}    at most ${formatCount(left.calls)} calls, ${shortCount(left.inputTokens) || '0'} tokens in, ${shortCount(left.outputTokens) || '0'} out, ${formatCount(left.trainingSteps)} optimizer steps${cost}`,
  );
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
