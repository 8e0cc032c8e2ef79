/** Which run an activity works for. Workflow ids are RUN or RUN/rN/STAGE, and a run id has no slash (cli/run/start-run.ts). */
import { Context } from '@temporalio/activity';

export function currentRunId(): string {
  return Context.current().info.workflowExecution?.workflowId.split('/')[0] ?? '';
}
