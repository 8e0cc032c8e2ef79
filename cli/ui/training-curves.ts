/** The trainings of a run as curves: finished ones from their records, and those under way as they were seen. Owns which of the two is shown. */
import { stageLabel } from '../../schemas/stage-names';
import { madeCurve, type Curve } from '../report/curve';
import type { RunDetails, SeenRun } from './gather';

/** In the order in which they were begun. A record knows the whole training; what was seen begins when somebody looked. */
export function trainingCurves(
  { curves }: Pick<SeenRun, 'curves'>,
  { stages, made }: Pick<RunDetails, 'stages' | 'made'>,
): readonly Curve[] {
  const finished = stages.flatMap(({ stage, arm, round, key }) => {
    const curve = madeCurve(round, stageLabel(stage, arm), made.get(key)?.curve);
    return curve ? [curve] : [];
  });
  const isKnown = ({ round, label }: Curve): boolean =>
    finished.some((each) => each.round === round && each.label === label);
  return [...finished, ...curves.filter((curve) => curve.unit === 'steps' && !isKnown(curve))];
}
