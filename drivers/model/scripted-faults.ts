/**
 * The script faulty: another script behind a bad network, whose faults come by seeded chance; a call that is tried again has a new one.
 *
 * Owns which calls fail and how. Leaves what the others are answered to the endpoint behind it.
 */
import { createHash } from 'node:crypto';
import { CallFailure, type CallFailureCause, type ModelEndpoint } from './model';
import { identityOf, textOf, uniform } from './scripted-call';
import { concurrencyOf, invalid, scriptedScripts, settle, type ScriptOptions } from './scripted-options';
import { asServed, pass } from './scripted-serving';

type Fault = CallFailureCause | 'malformed' | 'refused' | undefined;

/**
 * The endpoint of the script that the options name, behind these faults.
 * @param open Makes that endpoint from its name and its own options.
 * Errors: InvalidConfig for options that do not fit, and for a bad network behind itself.
 */
export function faultyEndpoint(
  options: ScriptOptions,
  open: (script: string, options: ScriptOptions) => ModelEndpoint,
): ModelEndpoint {
  const own = scriptedScripts.faulty.options;
  const mine: Record<string, string | number | boolean> = {};
  const inner: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(options)) {
    (name in own ? mine : inner)[name] = value;
  }
  const settled = settle('faulty', own, mine);
  if (settled.script === 'faulty') {
    const others = Object.keys(scriptedScripts).filter((name) => name !== 'faulty');
    throw invalid('faulty cannot stand behind itself.', `Name one of ${others.join(', ')} as its script.`);
  }
  const endpoint = open(String(settled.script), inner);
  const { retry_after_ms: retryAfterMs, fail_with: failWith, fault_seed: seed } = settled;
  const rates: readonly (readonly [Exclude<Fault, undefined>, number])[] = [
    [Number(retryAfterMs) > 0 ? 'rate-limited' : 'overloaded', Number(settled.rate_429)],
    ['server-error', Number(settled.rate_500)],
    ['reset', Number(settled.rate_reset)],
    ['timeout', Number(settled.rate_timeout)],
    ['garbage', Number(settled.rate_garbage)],
    ['malformed', Number(settled.rate_malformed)],
    ['refused', Number(settled.rate_refused)],
  ];
  // Tries of a request that has not succeeded yet: as many entries as there are such requests.
  const tries = new Map<string, number>();

  const faultOf = (identity: string): Fault => {
    if (failWith !== '') {
      return failWith as CallFailureCause;
    }
    const attempt = tries.get(identity) ?? 0;
    tries.set(identity, attempt + 1);
    let left = uniform(`${String(seed)}\u0000${String(attempt)}\u0000${identity}`);
    for (const [fault, rate] of rates) {
      if (left < rate) {
        return fault;
      }
      left -= rate;
    }
    return undefined;
  };
  return {
    ...endpoint,
    id: `scripted/faulty/${String(settled.script)}`,
    concurrency: concurrencyOf(settled),
    async complete(request, signal) {
      await pass(Number(settled.latency_ms), signal);
      const prompt = textOf(request);
      const identity = createHash('sha256').update(identityOf(request, prompt)).digest('base64');
      const fault = faultOf(identity);
      if (fault !== undefined && fault !== 'malformed' && fault !== 'refused') {
        const told = fault === 'rate-limited' ? Number(retryAfterMs) : undefined;
        throw new CallFailure(fault, `scripted/faulty: a planted fault (${fault})`, told);
      }
      tries.delete(identity);
      if (fault === 'refused') {
        return { ...asServed('', prompt, request), finish: 'refused' };
      }
      return fault === 'malformed' ? asServed('mumble mumble', prompt, request) : endpoint.complete(request, signal);
    },
  };
}
