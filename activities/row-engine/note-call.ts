/**
 * What became of a call that finished no row: into the journal, and where the server has worked on it, into the shard's account.
 * Owns those records; a row that is finished is finish-row.ts, what is done next asking.ts.
 */
import type { CallFailure } from '../../drivers/model/model';
import { usageOfCallMax } from '../../method/ledger';
import type { Usage } from '../../schemas/rows';
import type { Call } from './call';
import type { AskedBefore } from './found-records';
import type { Resumed } from './resume';
import { addSpent, wholeUsage } from './shard-usage';

/** Its answer, `before.line`, was malformed, and the row is asked again. Its usage is in the account already. */
export function noteMalformed(
  { journal }: Resumed,
  call: Call,
  before: AskedBefore,
  usage: Usage,
  estimated: boolean,
): void {
  const how = { answered: true, ...(estimated && { estimated }) };
  journal.records.answer(
    { final: false, row: call.index, ask: call.ask, outcome: 'malformed', ...how, usage },
    before.line,
  );
  journal.touch();
}

/** It failed; `spent` is what the server is known to have worked. */
export function noteFailure(resumed: Resumed, call: Call, spent: CallFailure['spent']): void {
  const { journal, usage } = resumed;
  if (spent === undefined) journal.records.failure(call.index, call.ask);
  else {
    const told = spent === 'untold' ? undefined : wholeUsage(spent);
    journal.records.spent(call.index, call.ask, told);
    if (told) addSpent(usage, told);
    else countLost(resumed, call);
  }
  journal.touch();
}

/** At its most. Of one that was given up the next attempt finds the intent, and counts it in the same way. */
export function countLost({ usage }: Resumed, call: Call): void {
  const most = usageOfCallMax(call.request);
  usage.lostCalls += 1;
  usage.lostInputTokens += most.inputTokens;
  usage.lostOutputTokens += most.outputTokens;
}
