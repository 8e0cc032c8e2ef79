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

/** Resolves when the run may start. Errors: PriceNotAgreed. */
export async function agreeOnPrice(
  { budget: { ask_above: above } }: Pick<RunConfig, 'budget'>,
  { name, currency, prices }: Pick<PricedPlan, 'name' | 'currency' | 'prices'>,
  yes: boolean,
  { input, output }: Terminal = { input: process.stdin, output: process.stderr },
): Promise<void> {
  const most = prices.left.cost.high;
  if (yes || above === null || most <= above) return;
  const what = `${name} may cost up to ${most.toFixed(2)} ${currency}, more than the ${above.toFixed(2)} of budget.ask_above.`;
  const next =
    'arte run CONFIG --yes starts it; arte plan CONFIG says what it is made of; budget.cap bounds what it spends.';
  if (input.isTTY !== true || output.isTTY !== true)
    throw new ArteError('PriceNotAgreed', { what, why: 'There is no terminal to ask at. Nothing was started.', next });
  const terminal = createInterface({ input, output });
  try {
    const answer = await terminal.question(`${what}\nStart it? [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) return;
  } finally {
    terminal.close();
  }
  throw new ArteError('PriceNotAgreed', { what, why: 'The answer was no. Nothing was started.', next });
}
