/**
 * A plan against an earlier run: which of its stages stand as that run left them, which are to be made again, and what changed that they are.
 * Owns the comparison of a stage that is not made yet with the line and manifest of one that was; the look is plan-prices.ts.
 */
import type { LineageStage, RunLineage } from '../../activities/lineage';
import type { JsonValue } from '../../schemas/json';
import type { PlannedStage } from '../../schemas/plan';
import type { StageName } from '../../schemas/stage-names';
import { differences, ownOf, type Difference } from '../lineage/diff-runs';
import type { LookedStage } from './look-into-store';

/** What becomes of a stage that the plan or the earlier run has. */
export interface StageChange {
  readonly round: number;
  readonly stage: StageName;
  readonly arm: string;
  /** same: under the same key, and there. gone: the same key, but its artifacts have gone. changed: another key. new: the earlier run has none. follows: of something that is to be made. dropped: only the earlier run has it. */
  readonly verdict: 'same' | 'gone' | 'changed' | 'new' | 'follows' | 'dropped';
  /** There under its key now, whoever made it: nothing is redone. */
  readonly reused: boolean;
  /** Of changed: its own settings that differ. */
  readonly settings: readonly Difference[];
  /** Of changed: inputs with other content. */
  readonly inputs: readonly string[];
  /** Of follows: what it waits for. */
  readonly after?: string;
}

/** `arte plan --against RUN --json` has exactly this as `against`. */
export interface PlanAgainst {
  readonly run: string;
  /** Settings and task files of the earlier run (a) that are others now (b). */
  readonly config: readonly Difference[];
  readonly stages: readonly StageChange[];
}

/**
 * Compare. `config` is the plan's, with the hashes of its task files as `files`, as far as both are to be compared. Each stage of the plan is told
 * once: what several things of a run go by is looked for by each of them, and what does not depend on the round in every round.
 */
export function planAgainst(
  lineage: RunLineage,
  config: { readonly before: JsonValue; readonly now: JsonValue },
  looked: readonly LookedStage[],
  planned: readonly PlannedStage[],
): PlanAgainst {
  const placeOf = (round: number, stage: string, arm: string): string => JSON.stringify([round, stage, arm]);
  const before = new Map(
    lineage.stages.map((stage) => [placeOf(stage.record.round, stage.record.stage, stage.record.arm), stage]),
  );
  const places = new Set(planned.map(({ round, name, arm }) => placeOf(round, name, arm)));
  const stages = looked.flatMap((stage) => {
    const place = placeOf(stage.round, stage.name, stage.arm);
    const earlier = before.get(place);
    before.delete(place);
    return places.delete(place) ? [changeOf(stage, earlier)] : [];
  });
  const dropped = [...before.values()]
    .filter(({ record }) => record.stage !== 'report')
    .map(({ record: { round, stage, arm } }): StageChange => ({
      ...{ round, stage, arm, verdict: 'dropped', reused: false, settings: [], inputs: [] },
    }));
  return { run: lineage.runId, config: differences(config.before, config.now), stages: [...stages, ...dropped] };
}

function changeOf(stage: LookedStage, earlier: LineageStage | undefined): StageChange {
  const { round, name, arm, keyed, dependsOn } = stage;
  const reused = stage.reused === true;
  const base = { round, stage: name, arm, reused, settings: [], inputs: [] };
  if (!keyed) return { ...base, verdict: 'follows', ...(dependsOn === undefined ? {} : { after: dependsOn }) };
  if (!earlier) return { ...base, verdict: 'new' };
  if (earlier.record.key === keyed.key) return { ...base, verdict: reused ? 'same' : 'gone' };
  const { manifest } = earlier;
  if (!manifest) return { ...base, verdict: 'changed' };
  const names = [...new Set([...Object.keys(manifest.inputs), ...Object.keys(keyed.inputs)])];
  // The version of a stage is no part of what was looked for: where all else is equal, it is what changed.
  const settings = differences(
    ownOf({ version: 0, settings: manifest.settings }),
    ownOf({ version: 0, settings: keyed.settings as typeof manifest.settings }),
  );
  return {
    ...base,
    verdict: 'changed',
    settings,
    inputs: names.filter((each) => manifest.inputs[each] !== keyed.inputs[each]),
  };
}

/** Why a stage is to be made again, in a few words; empty for one that is not. */
export function reasonOf({ verdict, settings, inputs, after, reused }: StageChange): string {
  if (reused) return '';
  switch (verdict) {
    case 'same':
    case 'dropped':
      return '';
    case 'gone':
      return 'what it made has gone from the store';
    case 'new':
      return 'the earlier run has no such stage';
    case 'follows':
      return after === undefined ? 'it follows from what is to be made' : `it follows from ${after}`;
    case 'changed': {
      const own = settings.map(({ path, a, b }) => `${path} ${shortValue(a)} -> ${shortValue(b)}`);
      if (own.length > 0) return own.join(', ');
      if (inputs.length > 0) return `other ${inputs.join(', ')}`;
      return 'the stage itself is another version';
    }
  }
}

/** Longest value that is shown whole. */
const valueCharactersMax = 40;

/** A value in a sentence. */
export function shortValue(value: JsonValue | undefined): string {
  if (value === undefined) return 'none';
  const text = JSON.stringify(value);
  return text.length > valueCharactersMax ? `${text.slice(0, valueCharactersMax)}…` : text;
}
