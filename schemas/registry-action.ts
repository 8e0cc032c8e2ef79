/**
 * What a person did to a student of the registry or to a schedule: who, when, why. One document each under `students/<name>/actions/` and
 * `schedules/<name>/actions/` in the store, written once and never changed, as a run's are (run-action.ts). Owns the shape.
 * What became current of a student, and who set that, is in its standing (student.ts).
 */
import { z } from 'zod';

export const registryActionSchema = z.object({
  schemaVersion: z.literal(1),
  /** Of the student or the schedule. */
  name: z.string(),
  /** add and remove: of a student. create, pause, resume, trigger and delete: of a schedule. replace: of either, --replace. */
  action: z.enum(['add', 'replace', 'remove', 'create', 'pause', 'resume', 'trigger', 'delete']),
  /** USER@HOST, or what ARTE_ACTOR says. A name that was given, not one that was proved. */
  by: z.string(),
  /** ISO 8601. */
  at: z.string(),
  reason: z.string().optional(),
  /** What it was done with: `source=hf:org/name` of a student, `again=NAME` of a firing. */
  set: z.array(z.string()).optional(),
});
export type RegistryAction = z.infer<typeof registryActionSchema>;
