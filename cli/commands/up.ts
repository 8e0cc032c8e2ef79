/** `arte up`: the embedded platform of this data directory, in the background, ready when the command ends. */
import { InvalidArgumentError, type Command } from 'commander';
import { ensurePlatform, type RunningPlatform } from '../../drivers/local/platform';
import { platformPaths } from '../../drivers/local/platform-state';
import { isEmbedded } from '../../drivers/open';
import { ArteError } from '../../schemas/errors';
import { colorsFor, formatSeconds, printJson, printLine, progress } from '../output';

interface Options {
  readonly processes?: boolean;
  readonly temporalPort?: number;
  readonly s3Port?: number;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('up')
    .description('start Temporal, the S3 server and the workers in the background; sets up Python the first time')
    .option('--processes', 'a worker process per role instead of one for all')
    .option('--temporal-port <port>', 'insist on this port (default: the one it had, else a free one)', portOf)
    .option('--s3-port <port>', 'insist on this port', portOf)
    .option('--json', 'print what runs as JSON')
    .action(up);
}

async function up(options: Options): Promise<void> {
  refuseForeignPlatform();
  const began = Date.now();
  const line = progress('looking at the platform');
  let running: RunningPlatform;
  try {
    running = await ensurePlatform({
      onProgress: (text) => line.update(text),
      ...(options.processes === undefined ? {} : { processes: options.processes }),
      ...(options.temporalPort === undefined ? {} : { temporalPort: options.temporalPort }),
      ...(options.s3Port === undefined ? {} : { s3Port: options.s3Port }),
    });
    refuseOtherPorts(running, options);
  } catch (error) {
    line.fail('the platform did not start');
    throw error;
  }
  line.done(`the platform is up (${formatSeconds((Date.now() - began) / 1000)})`);
  if (options.json === true) {
    printJson(running.state);
  } else {
    printPlatform(running);
  }
}

/** What runs and where, for a person. No secret is among it. */
function printPlatform({ state }: RunningPlatform): void {
  const color = colorsFor(process.stdout);
  const workers = state.parts.filter(({ name }) => name.startsWith('worker'));
  const rows: readonly (readonly [string, string])[] = [
    ['Temporal', `${state.temporal.address}, namespace ${state.temporal.namespace}`],
    ['S3', `${state.store.endpoint}, bucket ${state.store.bucket}, key in ${state.store.credentialsPath}`],
    [
      'Workers',
      workers.length === 1 ? 'all roles in one process' : workers.map(({ name }) => name.slice(7)).join(', '),
    ],
    ['Data', state.dataDir],
    ['Logs', platformPaths(state.dataDir).logs],
  ];
  for (const [name, text] of rows) printLine(`  ${name.padEnd(9)} ${text}`);
  printLine(color.dim('  arte down stops it; what was under way goes on with the next arte up.'));
}

/** Starting a platform beside one that the environment names would leave a person wondering which of them a run is on. */
function refuseForeignPlatform(): void {
  if (isEmbedded(undefined, process.env)) return;
  const names = ['TEMPORAL_ADDRESS', 'ARTE_S3_BUCKET'].filter((name) => process.env[name] !== undefined);
  throw new ArteError('InvalidInput', {
    what: 'There is nothing to start: the environment names a platform of its own.',
    why: `${names.join(' and ')} ${names.length === 1 ? 'is' : 'are'} set.`,
    next: 'Unset it for the embedded platform, or start workers for the other one with `arte worker --role ROLE`.',
  });
}

function refuseOtherPorts({ state }: RunningPlatform, { temporalPort, s3Port }: Options): void {
  const other = [
    [temporalPort, state.temporal.address, 'Temporal'],
    [s3Port, state.store.endpoint, 'S3'],
  ] as const;
  for (const [asked, address, what] of other) {
    if (asked !== undefined && !address.endsWith(`:${String(asked)}`)) {
      throw new ArteError('RunStateConflict', {
        what: `${what} runs already, at ${address}.`,
        why: `Port ${String(asked)} was asked for; a platform that runs is not moved.`,
        next: 'Run `arte down`, then this command again.',
      });
    }
  }
}

function portOf(text: string): number {
  const port = Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535)
    throw new InvalidArgumentError('A port is a number from 1 to 65535.');
  return port;
}
