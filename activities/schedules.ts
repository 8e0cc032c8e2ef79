/** The documents of schedules in the store: what each was made from, and what its last firing came to. Owns the keys. */
import type { ArtifactStore } from '../drivers/store/store';
import type { ArtifactRef } from '../schemas/artifact-ref';
import type { JsonValue } from '../schemas/json';
import type { FiringOutcome, FiringPlan, ScheduleRecord } from '../schemas/schedule';

export const scheduleKeys = {
  record: (name: string) => `schedules/${name}/schedule.json`,
  lastFiring: (name: string) => `schedules/${name}/last-firing.json`,
} as const;

export async function listSchedules(store: ArtifactStore): Promise<ScheduleRecord[]> {
  const schedules: ScheduleRecord[] = [];
  for await (const { key } of store.list('schedules/')) {
    const document = key.endsWith('/schedule.json') ? await store.getDocument(key) : undefined;
    if (document !== undefined) schedules.push(document as unknown as ScheduleRecord);
  }
  return schedules;
}

export async function readSchedule(store: ArtifactStore, name: string): Promise<ScheduleRecord | undefined> {
  return (await store.getDocument(scheduleKeys.record(name))) as unknown as ScheduleRecord | undefined;
}

/** Errors: BlobMissing. */
export async function readPlan(store: ArtifactStore, plan: ArtifactRef): Promise<FiringPlan> {
  return (await store.getJson(plan)) as unknown as FiringPlan;
}

/** Undefined before the first firing has ended. */
export async function readLastFiring(store: ArtifactStore, name: string): Promise<FiringPlan | undefined> {
  const document = await store.getDocument(scheduleKeys.lastFiring(name));
  return document === undefined ? undefined : readPlan(store, (document as unknown as FiringOutcome).plan);
}

/** What a firing came to; it replaces what the one before left. Of a schedule that was deleted meanwhile nothing is left behind. */
export async function saveFiring(store: ArtifactStore, outcome: FiringOutcome): Promise<void> {
  if (!(await readSchedule(store, outcome.schedule))) return;
  await store.putDocument(scheduleKeys.lastFiring(outcome.schedule), outcome as unknown as JsonValue);
}
