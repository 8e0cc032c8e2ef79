/**
 * What people did to the registry of students and to schedules, in the store: recorded once it is done, and kept when the student or the schedule is
 * taken away. Owns the folders; what may be done is activities/students.ts and cli/schedules.ts.
 */
import type { ArtifactStore } from '../drivers/store/store';
import { registryActionSchema, type RegistryAction } from '../schemas/registry-action';
import { appendAction, readActionDocuments } from './action-log';

/** A student of the registry, or a schedule. */
export interface Registered {
  readonly kind: 'student' | 'schedule';
  readonly name: string;
}

function folderOf({ kind, name }: Registered): string {
  return `${kind}s/${name}/actions/`;
}

/** Append what was done; `at` is now where it is left out. */
export async function recordRegistryAction(
  store: ArtifactStore,
  of: Registered,
  done: Pick<RegistryAction, 'action' | 'by' | 'reason' | 'set'> & { readonly at?: string },
): Promise<void> {
  const { at = new Date().toISOString(), reason, ...more } = done;
  await appendAction(store, folderOf(of), {
    ...{ name: of.name, at, ...more },
    ...(reason === undefined || reason === '' ? {} : { reason }),
  });
}

/** All that was done to it, in its order, whether or not it is still there. */
export async function readRegistryActions(store: ArtifactStore, of: Registered): Promise<RegistryAction[]> {
  return (await readActionDocuments(store, folderOf(of))).map((document) => registryActionSchema.parse(document));
}
