/** How the trainings of a run went, as the report draws it. Owns which of them stand in which plot. */
import type { ReportStage, RunReport } from '../../../schemas/report';
import { stageLabel } from '../../../schemas/stage-names';
import { madeCurve, type drawnMetrics } from '../curve';
import { metricPlot, plots, type NamedCurve } from './curve-plots';

type Metric = (typeof drawnMetrics)[number];

const drawn: readonly {
  readonly stage: ReportStage['name'];
  readonly metric: Metric;
  /** What follows the plot's title. */
  readonly of: string;
}[] = [
  { stage: 'train-dpo', metric: 'rewards_margins', of: '' },
  { stage: 'train-dpo', metric: 'loss', of: ' of DPO' },
  { stage: 'warm-up', metric: 'loss', of: ' of the warm-up' },
  { stage: 'train-sft', metric: 'loss', of: ' of SFT' },
];

/** Of students only the first seed of the two arms that are compared: the others are many, and lie on top of them. */
const armsDrawn = ['arte', 'original_teacher'];

/** Plots, one a kind of training; nothing where the records keep no curves. */
export function trainingPlots({ stages }: Pick<RunReport, 'stages'>): string {
  return plots(
    drawn.map(({ stage, metric, of }) => {
      const curves = stages.filter(({ name, arm }) => name === stage && isDrawn(name, arm)).flatMap(named);
      return metricPlot(`${stage}-${metric}`, metric, curves, of);
    }),
  );
}

function isDrawn(name: ReportStage['name'], arm: string): boolean {
  return name !== 'train-sft' || armsDrawn.includes(arm);
}

function named({ name, arm, round, facts }: ReportStage): NamedCurve[] {
  const label = stageLabel(name, arm);
  const curve = madeCurve(round, label, facts['curve']);
  return curve ? [{ name: `${label}, round ${round}`, curve }] : [];
}
