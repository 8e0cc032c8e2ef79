/**
 * What a stage that decides something came to, in a few words from the facts of its manifest: they stand in the line that says that the stage is
 * done. Owns these words; the sentences of the report are decide.ts's and gates.ts's. Facts of an older version may lack something: then it is not said.
 */
import type { JsonObject } from '../schemas/json';
import type { StageName } from '../schemas/stage-names';
import type { Decision } from './decide';
import type { GateVerdict, NextRound } from './gates';
import { overShots } from './shots';

/** Undefined for a stage that decides nothing. */
export function stageWords(stage: StageName, facts: JsonObject): string | undefined {
  switch (stage) {
    case 'decide':
      return decisionWords(facts);
    case 'check-round':
      return gateWords(facts);
    case 'check-scores':
      return reliabilityWords(facts);
    default:
      return undefined;
  }
}

function decisionWords({
  decision,
  accuracy,
  previousBest,
  shots = [],
  overall = [],
  next,
}: Partial<Decision> & { readonly next?: NextRound }): string | undefined {
  if (decision === undefined || accuracy === undefined) return undefined;
  const over = overShots(shots);
  const stops = next?.stop ? '; the run stops here' : '';
  if (decision === 'reject') return `rejected by a gate${stops}`;
  if (decision === 'keep-best') {
    const than = previousBest ? ` against ${percent(previousBest.accuracy)} of round ${previousBest.round}` : '';
    return `not the best: ${percent(accuracy)}${than}${over}${stops}`;
  }
  const baseline = overall.find((one) => one.against === 'original_teacher');
  const beside = baseline ? `, ${signed(baseline.difference)} points against unaligned (${baseline.verdict})` : '';
  return `the best so far: ${percent(accuracy)}${over}${beside}${stops}`;
}

function gateWords({
  verdicts,
  action,
}: {
  readonly verdicts?: readonly GateVerdict[];
  readonly action?: string;
}): string | undefined {
  if (verdicts === undefined) return undefined;
  if (verdicts.length === 0) return 'no gate is on';
  const of = (verdict: GateVerdict['verdict']): GateVerdict[] => verdicts.filter((one) => one.verdict === verdict);
  const failed = of('failed').map(({ gate }) => gate);
  const unmeasured = of('not measured').length;
  const measured = unmeasured === 0 ? '' : `, ${unmeasured} not measured`;
  if (failed.length === 0) return `go on: ${plural(of('held').length)} held${measured}`;
  return `${action === 'roll-back' ? 'rejected' : 'go on all the same'}: ${failed.join(', ')} failed${measured}`;
}

function reliabilityWords({
  reliability,
  minimum,
}: {
  readonly reliability?: number;
  readonly minimum?: number;
}): string | undefined {
  if (typeof reliability !== 'number' || typeof minimum !== 'number') return undefined;
  return `go on: reliability ${reliability.toFixed(2)}, asked for ${minimum}`;
}

function plural(gates: number): string {
  return gates === 1 ? '1 gate' : `${gates} gates`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function signed(share: number): string {
  return `${share >= 0 ? '+' : ''}${(100 * share).toFixed(1)}`;
}
