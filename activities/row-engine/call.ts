/** One call: which row is asked, for which time, and with what. When it may be made is limiter.ts, what becomes of it asking.ts. */
import { seedFrom } from '../../method/keys';
import { ArteError } from '../../schemas/errors';
import type { ModelRequest, RowRequest } from '../../schemas/rows';
import { Ticket } from './limiter';

/** A call in flight. */
export class Call extends Ticket {
  /** Where it stands in the list of those on their way (call-list.ts). */
  place = 0;

  constructor(
    readonly index: number,
    readonly row: RowRequest,
    readonly ask: number,
    readonly request: ModelRequest,
  ) {
    super();
  }
}

/** Another seed for every time that a row is asked again; not a neighbour's, which may be that of another sample. */
export function requestOf(row: RowRequest, ask: number): ModelRequest {
  if (ask === 0) return row.request;
  const { sampling } = row.request;
  return { ...row.request, sampling: { ...sampling, seed: seedFrom(sampling.seed, 'repair', ask) } };
}

/** The error of an answer that its stage cannot read. */
export function unreadable(call: Call, error: unknown): ArteError {
  return new ArteError(
    'Unexpected',
    {
      what: `The answer of row ${call.index} (${call.row.key.slice(0, 12)}) could not be read by its stage.`,
      why: error instanceof Error ? error.message : String(error),
      next: 'This is a fault of the stage, not of the answer: please report it with the row.',
    },
    { cause: error },
  );
}
