/** How a training went, as its record keeps it: a few points, each a mean over neighbouring steps (python/train.py, curve_of). */
import { z } from 'zod';

/** Every metric has as many values as there are steps. */
export const trainingCurveSchema = z.object({
  steps: z.array(z.int().nonnegative()),
  /** loss; of DPO rewards_margins and rewards_accuracies too. */
  metrics: z.record(z.string(), z.array(z.number())),
});
export type TrainingCurve = z.infer<typeof trainingCurveSchema>;
