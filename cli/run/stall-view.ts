/** What work that stood still waited for, in words: one line in `status`, all of it with `--stalls`. Pure. */
import type { StallDump } from '../../schemas/stall-dump';
import { formatSeconds, type Colors } from '../output';
import { minute } from './minute';

/** The newest of them as `status` names them. */
export function stallLines(runId: string, dumps: readonly StallDump[], color: Colors): string[] {
  const lines = dumps.flatMap(({ at, stage, code, silentMs, file, host }) => [
    `${minute(at)}  ${stage} stood still for ${formatSeconds(silentMs / 1000)} (${code})`,
    `                  ${file} on ${host}`,
  ]);
  return lines.length === 0 ? [] : [...lines, `arte status ${runId} --stalls prints what it waited for`].map(color.dim);
}

/** All that was written down. */
export function stallDetails(dump: StallDump, color: Colors): string[] {
  const { at, stage, code, what, why, phase, silentMs, limitMs, rows, training, log, host, file, key, attempt } = dump;
  return [
    color.bold(`${minute(at)}  ${stage}  ${code}`),
    `what     ${what}`,
    `why      ${why}`,
    `phase    ${phase}; silent for ${formatSeconds(silentMs / 1000)}, allowed ${formatSeconds(limitMs / 1000)}`,
    `where    ${file} on ${host}`,
    `work     ${key}, attempt ${attempt}`,
    ...(training ? [`step     ${training.step} of ${training.maxSteps}`] : []),
    ...(rows ? rowLines(rows) : []),
    ...(log ? [`log      ${log.path}`, ...log.lines.map((line) => `         ${line}`)] : []),
  ];
}

function rowLines(rows: NonNullable<StallDump['rows']>): string[] {
  const { endpoint, done, total, inFlight, waitingForRetry, callsAllowed, closedForMs, calls, lastCalls } = rows;
  const closed = closedForMs > 0 ? `, left alone for ${formatSeconds(closedForMs / 1000)} more` : '';
  return [
    `rows     ${done} of ${total} done, ${waitingForRetry} wait for a retry`,
    `endpoint ${endpoint}: ${inFlight} calls in flight, ${callsAllowed} allowed${closed}`,
    ...calls.map(
      ({ row, key, ask, ageMs }, at) =>
        `${at === 0 ? 'calls   ' : '        '} row ${row} (${key.slice(0, 12)}) for ${formatSeconds(ageMs / 1000)}${ask > 0 ? `, asked ${ask} times before` : ''}`,
    ),
    ...lastCalls.map(
      ({ row, key, outcome, status, tookMs, agoMs }, at) =>
        `${at === 0 ? 'ended   ' : '        '} row ${row} (${key.slice(0, 12)}): ${outcome}${status === undefined ? '' : ` (HTTP ${status})`} after ${formatSeconds(tookMs / 1000)}, ${formatSeconds(agoMs / 1000)} before`,
    ),
  ];
}
