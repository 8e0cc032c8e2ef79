/**
 * Two runs of one config, one of them disturbed: what must be equal, and is it? Pure.
 *
 * Where answers are stable (every model is scripted) everything must be: keys, hashes, rows, calls, accuracies. A model server's answers are
 * not stable to the last bit: a prefix that is or is not in its cache is computed in other batches, and a near tie falls the other way; nor are
 * trainings on an accelerator. Then a stage with the same key that asks or trains so may have other bytes, but where its rows are named by what
 * was asked (cells, test items) it must have the same rows; what follows from it has another key, and must have no row twice; and everything
 * else with the same key must be equal as ever. The account must add up in every case.
 */
import { rowStageNames, type StageName } from '../../schemas/stage-names';
import type { Account, RunSnapshot, StageSnapshot } from './snapshot';

export interface Comparison {
  /** exact: everything had to be equal. rows: answers, or trainings on an accelerator, are not stable to the bit. */
  readonly compared: 'exact' | 'rows';
  readonly stagesCompared: number;
  /** Same key and same bytes. */
  readonly equal: number;
  /** Same key and same rows, other texts: only where answers are not stable. */
  readonly otherAnswers: number;
  /** Made from other answers, so under another key: only where answers are not stable. */
  readonly followed: number;
  /** What may not be, a sentence each. */
  readonly differing: readonly string[];
  readonly lostRows: number;
  readonly duplicatedRows: number;
}

/** Of an account, relative: sums of many small amounts in another order. */
const rounding = 1e-9;

export function compareRuns(undisturbed: RunSnapshot, killed: RunSnapshot, answersStable: boolean): Comparison {
  const stable = answersStable && [...undisturbed.stages, ...killed.stages].every(trainedExactly);
  const differing: string[] = [];
  let [equal, otherAnswers, followed, lostRows, duplicatedRows] = [0, 0, 0, 0, 0];
  const others = new Map(killed.stages.map((stage) => [stage.place, stage]));
  for (const before of undisturbed.stages) {
    const after = others.get(before.place);
    others.delete(before.place);
    if (!after) {
      // Another decision makes another second round.
      if (stable || before.place.startsWith('round 1 ')) differing.push(`${before.place} was not made`);
      else followed += 1;
      continue;
    }
    const { duplicated, lost } = rowsOf(before, after);
    duplicatedRows += duplicated;
    if (before.key !== after.key) {
      if (stable) differing.push(`${before.place} has another key`);
      else followed += 1;
      continue;
    }
    // Of other answers other rows may be kept; which cells and items were asked about does not depend on them.
    if (stable || namedByWhatWasAsked.includes(before.stage)) lostRows += lost;
    const different = outputsThatDiffer(before, after);
    if (different.length === 0) equal += 1;
    else if (!stable && (asksModels(before) || !trainedExactly(before))) otherAnswers += 1;
    else differing.push(`${before.place}: ${different.join(', ')}`);
    const [expected, made] = [callsOf(undisturbed, before.key), callsOf(killed, before.key)];
    if (stable && expected !== made) differing.push(`${before.place}: ${expected} calls undisturbed, ${made} killed`);
  }
  for (const place of others.keys()) {
    if (stable || place.startsWith('round 1 ')) differing.push(`${place} was made only by the killed run`);
    else followed += 1;
  }
  if (stable)
    for (const [arm, accuracy] of Object.entries(undisturbed.arms))
      if (killed.arms[arm] !== accuracy) differing.push(`${arm}: accuracy ${accuracy} and ${String(killed.arms[arm])}`);
  for (const [name, { account }] of [['undisturbed', undisturbed] as const, ['killed', killed] as const])
    if (!addsUp(account)) differing.push(`the ledger of the ${name} run does not add up: ${JSON.stringify(account)}`);
  if (lostRows > 0) differing.push(`${lostRows} rows are lost`);
  if (duplicatedRows > 0) differing.push(`${duplicatedRows} rows stand there twice`);
  return {
    compared: stable ? 'exact' : 'rows',
    stagesCompared: undisturbed.stages.length,
    equal,
    otherAnswers,
    followed,
    differing,
    lostRows,
    duplicatedRows,
  };
}

/** All work is closed, and what is spent is what was answered plus at most what died in flight. */
export function addsUp({ spent, cost, lost, open }: Account): boolean {
  const slack = rounding * Math.max(spent, cost, 1e-6);
  return open === 0 && spent >= cost - slack && spent <= cost + lost + slack;
}

/** What was paid for under a key. Two arms may come to the very same stage: the first that comes pays for both, and which one that is is a matter of time. */
const callsOf = ({ stages }: RunSnapshot, key: string): number =>
  stages.reduce((sum, stage) => sum + (stage.key === key ? stage.calls : 0), 0);

/** Stages whose rows are cells of drafts and probe items, or test items. */
const namedByWhatWasAsked: readonly StageName[] = ['score-drafts', 'score-sample', 'evaluate'];

function trainedExactly({ device = 'cpu' }: StageSnapshot): boolean {
  return !/^(cuda|mps|xpu|npu)/.test(device);
}

function asksModels({ stage }: StageSnapshot): boolean {
  return (rowStageNames as readonly string[]).includes(stage);
}

function outputsThatDiffer(before: StageSnapshot, after: StageSnapshot): string[] {
  const names = new Set([...Object.keys(before.outputs), ...Object.keys(after.outputs)]);
  return [...names].filter((name) => before.outputs[name]?.sha256 !== after.outputs[name]?.sha256);
}

/** Rows that the killed run has twice, and rows of the undisturbed one that it has not. */
function rowsOf(before: StageSnapshot, after: StageSnapshot): { duplicated: number; lost: number } {
  let [duplicated, lost] = [0, 0];
  for (const [name, { ids }] of Object.entries(after.outputs)) {
    if (!ids) continue;
    const seen = new Set(ids);
    const expected = before.outputs[name]?.ids ?? [];
    // What stands twice undisturbed as well is how the stage is.
    duplicated += Math.max(0, ids.length - seen.size - (expected.length - new Set(expected).size));
    lost += expected.filter((id) => !seen.has(id)).length;
  }
  return { duplicated, lost };
}
