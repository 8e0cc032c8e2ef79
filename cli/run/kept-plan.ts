/**
 * The plan that a run goes by: that of its start, or, once its config was changed, that of the change. Owns which of them holds; making one is
 * plan/price-run.ts. A plan of another config than the run's says nothing of its end.
 */
import { asIfGone } from '../../activities/damaged';
import { runKeys } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import type { RunRecord } from '../../schemas/messages';
import type { KeptPlan } from '../../schemas/plan';

/** Of one run that is looked at again and again: its record is read each time, a plan once. */
export class PlanInForce {
  private key: string | undefined;
  private plan: KeptPlan | undefined;

  constructor(
    private readonly store: ArtifactStore,
    private readonly runId: string,
  ) {}

  /** `isOther`: it is not the one of the look before. Undefined where none was kept, as of a run that a schedule started. */
  async read(): Promise<{ readonly plan: KeptPlan | undefined; readonly isOther: boolean }> {
    const { store, runId } = this;
    const record = (await asIfGone(store, runKeys.record(runId))) as unknown as RunRecord | undefined;
    const isChanged = record?.revisions !== undefined && record.revisions.length > 0;
    const key = isChanged ? runKeys.changedPlan(runId, record.bundle.sha256) : runKeys.plan(runId);
    const isOther = key !== this.key;
    if (isOther) this.plan = (await asIfGone(store, key)) as unknown as KeptPlan | undefined;
    this.key = key;
    return { plan: this.plan, isOther };
  }
}
