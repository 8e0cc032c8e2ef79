/** `arte selftest CONFIG`: does this config, on this machine, come to the same end when everything under it is killed at random? */
import { InvalidArgumentError, type Command } from 'commander';
import { ArteError } from '../../schemas/errors';
import { loadConfig } from '../config/load-config';
import { exitCodes, printNote } from '../output';
import { canSeeProcesses } from '../selftest/parts';
import { selftest } from '../selftest/selftest';
import { answersAreStable, smallConfig } from '../selftest/small-config';

interface Options {
  readonly kills: number;
  readonly seed: number;
  readonly keep?: boolean;
}

/** Two for each kind of process that a run on one machine has. */
const killsDefault = 16;

export function register(program: Command): void {
  program
    .command('selftest')
    .argument('<config>', "the run's YAML file")
    .description(
      'run a config in small twice, once with its processes killed at random, and compare; leaves nothing behind',
    )
    .option('--kills <n>', 'how many processes are killed', wholeNumber, killsDefault)
    .option('--seed <s>', 'decides who is killed when', wholeNumber, 1)
    .option('--keep', 'leave the folder of a run that did not end, for its logs')
    .addHelpText(
      'after',
      '\nProgress is on stderr; the last line, on stdout, is one JSON object. Exit codes: 0 equal, 1 not.\nWhat is compared, and what cannot be equal to the bit: docs/selftest.md',
    )
    .action(async (path: string, options: Options) => {
      process.exitCode = await selftestConfig(path, options);
    });
}

async function selftestConfig(path: string, { kills, seed, keep = false }: Options): Promise<number> {
  if (!canSeeProcesses())
    throw new ArteError('InvalidInput', {
      what: 'The selftest cannot see the processes of this machine.',
      why: 'It finds whom to kill in /proc, which this system does not have.',
      next: 'Run it on Linux.',
    });
  const loaded = await loadConfig(path, { env: process.env, purpose: 'run' });
  const { config, cuts } = smallConfig(loaded.config);
  printNote('The config in small:');
  for (const { path: setting, from, to } of cuts) printNote(`  ${setting}: ${from} -> ${to}`);
  if (!answersAreStable(loaded.config))
    printNote(
      'Answers of model servers are not stable to the bit: texts may differ, and what\nfollows from them. Compared are the stages, the rows that were asked for, and the\naccount (docs/selftest.md).',
    );
  const paid = [config.models.teacher, config.models.student].some(({ endpoint }) => endpoint.kind === 'static');
  if (paid) printNote('Endpoints are asked as configured, twice over: what they charge is charged.');

  const leaving = new AbortController();
  const leave = (): void => leaving.abort(new ArteError('Unexpected', { what: 'Interrupted.', why: '', next: '' }));
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  const began = Date.now();
  const onProgress = (text: string): void => {
    printNote(`${String(Math.round((Date.now() - began) / 1000)).padStart(5)}s  ${text}`);
  };
  try {
    const result = await selftest({ loaded, config, kills, seed, keep, onProgress, signal: leaving.signal });
    for (const text of result.differing) printNote(`differs: ${text}`);
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return result.ok ? exitCodes.done : exitCodes.failed;
  } catch (error) {
    if (leaving.signal.aborted) return exitCodes.interrupted;
    // A run that does not end is a result, too: the program that reads the last line must find one.
    const data = error instanceof ArteError ? error.data : { what: String(error) };
    process.stdout.write(`${JSON.stringify({ ok: false, config: config.name, seed, error: data })}\n`);
    throw error;
  } finally {
    process.removeListener('SIGINT', leave);
    process.removeListener('SIGTERM', leave);
  }
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('Give a whole number, 0 or more.');
  return value;
}
