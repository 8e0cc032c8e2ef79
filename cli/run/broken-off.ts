/** How far row stages were that stand still in their middle: the words for `status`, `watch` and the page. What is done is found when they go on. */
import type { BrokenOffStage, RunProgress, RunStatus } from '../../schemas/messages';
import { stageLabel } from '../../schemas/stage-names';
import { formatCount } from '../output';

/** Of a run that works a stage that was ended is about to begin again, or another is still at work: not yet a state to tell. */
const standsStill: ReadonlySet<RunStatus> = new Set<RunStatus>(['PAUSED', 'NEEDS_ATTENTION', 'CANCELLED']);

export interface StoppedStage {
  readonly label: string;
  /** `stopped at 1,234/4,000 rows`. */
  readonly words: string;
}

/** The row stages that a run which stands still has ended in their middle. */
export function stoppedStages({ status, brokenOff = [] }: RunProgress): StoppedStage[] {
  if (!standsStill.has(status)) return [];
  return brokenOff.map((stage) => ({ label: stageLabel(stage.stage, stage.arm), words: wordsOf(stage) }));
}

function wordsOf({ wave, rows, rowsDone, atLeast }: BrokenOffStage): string {
  const of = wave === 0 ? '' : ` of wave ${wave + 1}`;
  if (atLeast && rowsDone === 0) return `stopped: how many of ${formatCount(rows)} rows${of} are done is not known`;
  return `stopped at ${atLeast ? 'no less than ' : ''}${formatCount(rowsDone)}/${formatCount(rows)} rows${of}`;
}
