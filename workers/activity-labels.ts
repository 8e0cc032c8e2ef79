/**
 * What an activity works for: run, stage, round and arm, read from its workflow's id and its one argument. On every line of log that it writes and on
 * every span of it. Owns the reading; it knows the shapes of the arguments and trusts none of them.
 */
export interface ActivityLabels {
  /** The run, or of a firing its workflow. */
  readonly run: string;
  readonly stage?: string;
  readonly round?: number;
  readonly arm?: string;
}

/** Workflow ids are RUN or RUN/rN/STAGE (activities/run-of.ts). */
export function labelsOf(workflowId: string, argument: unknown): ActivityLabels {
  const run = workflowId.split('/')[0] ?? '';
  const given = recordOf(argument);
  // A stage's own input, or that of a wave or shard of it.
  const input = typeof given['stage'] === 'string' ? given : recordOf(given['stage']);
  const place = recordOf(input['place']);
  const stage = input['stage'];
  const round = place['round'] ?? given['round'];
  const arm = place['arm'];
  return {
    run,
    ...(typeof stage === 'string' ? { stage } : {}),
    ...(typeof round === 'number' ? { round } : {}),
    ...(typeof arm === 'string' && arm !== '' ? { arm } : {}),
  };
}

export function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
