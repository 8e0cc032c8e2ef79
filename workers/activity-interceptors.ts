/** Around every activity of a worker: its labels on what it logs, and its span where spans are wanted. Owns only the wrapping. */
import type { ActivityInterceptorsFactory } from '@temporalio/worker';
import { labelsOf, type ActivityLabels } from './activity-labels';
import type { Tracing } from './tracing';

export function activityInterceptors(tracing: Tracing | undefined): ActivityInterceptorsFactory[] {
  return [
    ({ info }) => {
      let labels: ActivityLabels | undefined;
      return {
        inbound: {
          execute(input, next) {
            const [argument] = input.args;
            labels = labelsOf(info.workflowExecution?.workflowId ?? '', argument);
            if (!tracing) return next(input);
            return tracing.activity({ info, labels, argument }, () => next(input));
          },
        },
        outbound: {
          getLogAttributes: (attributes, next) => next({ ...attributes, ...labels }),
        },
      };
    },
  ];
}
