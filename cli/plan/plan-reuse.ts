/**
 * What of a plan the store has, in words; and what a change of a run's config makes again, for `retry --set` and `clone`. Owns these words and the
 * comparison; the look is look-into-store.ts, the counts method/plan.ts.
 */
import { noSuchRunIn } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { planRun } from '../../method/plan';
import type { JsonValue } from '../../schemas/json';
import type { Plan, PlannedStage } from '../../schemas/plan';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel } from '../../schemas/stage-names';
import type { LoadedConfig } from '../config/load-config';
import { differences, type Difference } from '../lineage/diff-runs';
import { openBundleOf } from '../run/run-config-of';
import { colorsFor, formatCount, printLine, printNote } from '../output';
import { askStore, lookForStages, type ReuseOf } from './look-into-store';
import { plannedTasks } from './plan-facts';
import { shortCount } from './plan-prices';

/** So many stages that are to be made are named in a line. */
const namedStagesMax = 6;

/** What the store has of a plan, what is to be made, and what that takes. `before`: what it has for the config before a change. */
export function reuseLines({ stages, left, currency }: Plan, priced: boolean, before?: ReuseOf): string[] {
  const color = colorsFor(process.stdout);
  const held = stages.filter(({ reused }) => reused === true).length;
  const cost = priced ? `, about ${left.cost.toFixed(2)} ${currency}` : '';
  const marks = before ? '' : ' (yes: found; no: to be made; ?: follows from one that is not there)';
  return [
    `${color.bold('store')}   ${held} of ${stages.length} stages are there, each shot count and respondent counted apart${marks}`,
    ...(before ? changeLines(stages, before) : madeLines(stages)),
    `${color.bold('left')}    at most ${formatCount(left.calls)} calls, about ${shortCount(left.inputTokens)} tokens in, at most ${shortCount(left.outputTokens)} out, ${formatCount(left.trainingSteps)} optimizer steps${cost}`,
  ];
}

function madeLines(stages: readonly PlannedStage[]): string[] {
  const made = stages.filter(({ reused }) => reused === false);
  const waiting = stages.filter(({ reused }) => reused === null);
  const lines = [`        to be made: ${named(made)}`];
  if (waiting.length > 0) {
    const on = [...new Set(waiting.flatMap(({ dependsOn }) => dependsOn ?? []))].slice(0, namedStagesMax).join(', ');
    lines.push(`        not known yet: ${waiting.length}, which follow from ${on}`);
  }
  return lines;
}

/** What the change costs is told apart from what the run had not come to anyway. */
function changeLines(stages: readonly PlannedStage[], before: ReuseOf): string[] {
  const open = stages.filter(({ reused }) => reused !== true);
  const again = open.filter((stage) => before(stage).reused === true);
  const follow = again.filter(({ reused }) => reused === null);
  const missing = open.filter((stage) => stage.name !== 'report' && before(stage).reused !== true);
  const found = follow.length > 0 ? ' (of which what follows from the same content is found after all)' : '';
  return [
    `        made again because of the change: ${again.length === 0 ? 'none' : `${again.length}: ${named(again)}${found}`}`,
    ...(missing.length > 0 ? [`        not made yet: ${missing.length}: ${named(missing)}`] : []),
  ];
}

function named(stages: readonly PlannedStage[]): string {
  const others = stages.length > namedStagesMax ? ` and ${stages.length - namedStagesMax} more` : '';
  const first = stages.slice(0, namedStagesMax);
  return first.map(({ name, round, arm }) => `${stageLabel(name, arm)} of round ${round}`).join(', ') + others;
}

/** A run's config as it stands in the store, and what a changed one has otherwise. Errors: RunNotFound. */
export async function changesOf(
  store: ArtifactStore,
  runId: string,
  { config }: Pick<LoadedConfig, 'config'>,
): Promise<{ readonly before: RunConfig; readonly changes: readonly Difference[] }> {
  const before = await openBundleOf(store, runId);
  if (before === undefined) throw await noSuchRunIn(store, runId);
  return { before, changes: differences(before as unknown as JsonValue, config as unknown as JsonValue) };
}

/** Say what a changed config has otherwise than the run's own (`before`), and what is made again for it. */
export async function sayChange(
  loaded: LoadedConfig,
  before: RunConfig,
  changes: readonly Difference[],
): Promise<void> {
  for (const { path, a, b } of changes) printLine(`${path}: ${JSON.stringify(a)} -> ${JSON.stringify(b)}`);
  const looked = await askStore(loaded, async (store, find) => ({
    now: await lookForStages(store, loaded, find),
    before: await lookForStages(store, { ...loaded, config: before }, find),
  }));
  if (typeof looked !== 'object') {
    if (looked !== undefined) printNote(looked);
    return;
  }
  const plan = planRun(loaded.config, { ...plannedTasks(loaded), reuseOf: looked.now });
  for (const line of reuseLines(plan, plan.totals.cost > 0, looked.before)) printLine(line);
}
