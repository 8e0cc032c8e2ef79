/**
 * The question before a run that may cost more than `budget.ask_above`. Nothing has been started when it is asked.
 * Invariant: nobody is asked who cannot answer: without a terminal it wants --yes.
 */
import { createInterface } from 'node:readline/promises';
import type { Readable, Writable } from 'node:stream';
import { ArteError } from '../../schemas/errors';
import type { PricedPlan } from '../../schemas/plan';
import type { RunConfig } from '../../schemas/run-config';

export interface Terminal {
  readonly input: Readable & { readonly isTTY?: boolean };
  /** Stderr: stdout may be wanted for one JSON document. */
  readonly output: Writable & { readonly isTTY?: boolean };
}

/** Resolves with whether the run may start, or somebody has left the question by Ctrl-C: then nothing is to be started. Errors: PriceNotAgreed. */
export async function agreeOnPrice(
  { budget: { ask_above: above } }: Pick<RunConfig, 'budget'>,
  { name, currency, prices }: Pick<PricedPlan, 'name' | 'currency' | 'prices'>,
  yes: boolean,
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<'agreed' | 'interrupted'> {
  const most = prices.left.cost.high;
  if (yes || above === null || most <= above) return 'agreed';
  const what = `${name} may cost up to ${most.toFixed(2)} ${currency}, more than the ${above.toFixed(2)} of budget.ask_above.`;
  const next =
    'arte run CONFIG --yes starts it; arte plan CONFIG says what it is made of; budget.cap bounds what it spends.';
  if (input.isTTY !== true || output.isTTY !== true)
    throw new ArteError('PriceNotAgreed', { what, why: 'There is no terminal to ask at. Nothing was started.', next });
  const terminal = createInterface({ input, output });
  const left = new AbortController();
  // In raw mode Ctrl-C is a key, and no signal.
  terminal.once('SIGINT', () => left.abort('interrupted'));
  // Ctrl-D, and a terminal that is gone: nobody answers any more.
  terminal.once('close', () => left.abort('closed'));
  try {
    const answer = await terminal.question(`${what}\nStart it? [y/N] `, { signal: left.signal });
    if (/^y(es)?$/i.test(answer.trim())) return 'agreed';
  } catch (error) {
    if (!left.signal.aborted) throw error;
    if (left.signal.reason === 'interrupted') return 'interrupted';
  } finally {
    terminal.close();
  }
  throw new ArteError('PriceNotAgreed', { what, why: 'The answer was no. Nothing was started.', next });
}
