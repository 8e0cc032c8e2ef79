/**
 * Goal: a run that may cost more than budget.ask_above is not started unless somebody said yes, and nobody waits at a question that none can answer.
 * Method: the question over streams that say whether they are a terminal.
 */
import { PassThrough } from 'node:stream';
import { agreeOnPrice } from '../../../cli/plan/agree-on-price';
import { exitCodeOf, exitCodes } from '../../../cli/output';
import { planRun } from '../../../method/plan';
import { pricePlan } from '../../../method/price-plan';
import { ArteError } from '../../../schemas/errors';
import { runConfigSchema, type RunConfig } from '../../../schemas/run-config';

function configOf(ask_above: number | null): RunConfig {
  const model = { source: 'embedded:SmolLM2-135M-Instruct', price: { input: 1, output: 1 } };
  return runConfigSchema.parse({
    ...{ version: 1, name: 'priced', tasks: [{ source: 'builtin', family: 'navigate' }] },
    ...{ models: { teacher: model, student: model }, budget: { ask_above } },
  });
}

async function agreed(askAbove: number | null, answer: string | undefined, yes = false): Promise<string> {
  const config = configOf(askAbove);
  const plan = pricePlan(config, planRun(config, { tasks: [{ name: 't0', validation: 40, test: 100 }] }));
  const isTTY = answer !== undefined;
  const input = Object.assign(new PassThrough(), { isTTY });
  const output = Object.assign(new PassThrough(), { isTTY });
  if (isTTY) input.end(`${answer}\n`);
  try {
    await agreeOnPrice(config, plan, yes, { input, output });
    return 'starts';
  } catch (error) {
    if (!(error instanceof ArteError)) throw error;
    expect(exitCodeOf(error)).toBe(exitCodes.badInput);
    return `${error.data.code}: ${error.data.why} ${error.data.next}`;
  }
}

it.each([
  ['no limit', null, undefined, false, 'starts'],
  ['a limit that is not passed', 1e6, undefined, false, 'starts'],
  ['--yes', 0, undefined, true, 'starts'],
  ['y', 0, 'y', false, 'starts'],
  ['Yes', 0, 'Yes', false, 'starts'],
] as const)('%s', async (_, above, answer, yes, expected) => {
  expect(await agreed(above, answer, yes)).toBe(expected);
});

it('refuses without a terminal, and says --yes', async () => {
  expect(await agreed(0, undefined)).toMatch(/^PriceNotAgreed: There is no terminal.*--yes/);
});

it('is left by Ctrl-C as everything is, and by the end of the input as by no', async () => {
  const config = configOf(0);
  const plan = pricePlan(config, planRun(config, { tasks: [{ name: 't0', validation: 40, test: 100 }] }));
  const asked = (keys: string): Promise<string> => {
    const input = Object.assign(new PassThrough(), { isTTY: true });
    const answer = agreeOnPrice(config, plan, false, {
      input,
      output: Object.assign(new PassThrough(), { isTTY: true }),
    });
    input.write(keys);
    return answer;
  };
  expect(await asked('\u0003')).toBe('interrupted');
  await expect(asked('\u0004')).rejects.toMatchObject({ data: { code: 'PriceNotAgreed' } });
});

it.each(['n', '', 'yesterday'])('takes %j for no', async (answer) => {
  expect(await agreed(0, answer)).toMatch(/^PriceNotAgreed: The answer was no/);
});
