/**
 * What `arte doctor` looks at: one function per part, each an answer in words and, where something is wrong, what to do.
 *
 * Owns the checks. Leaves printing to commands/doctor.ts and repairs to the person, or to the command that the fix names.
 * Invariants: nothing is started, set up or downloaded; the only thing written is a small object in the store, which is
 * removed again, and the probe (drivers/store/s3-damage.ts) where something cannot be read; no secret is in an answer.
 */
import { randomUUID } from 'node:crypto';
import { access, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cacheDirectory, dataDirectory, freeDiskBytes } from '../../drivers/local/directories';
import { isLocked } from '../../drivers/local/lock';
import { livingState } from '../../drivers/local/platform';
import {
  addressesOfState,
  platformPaths,
  readState,
  storeCredentialsPath,
  type PlatformState,
} from '../../drivers/local/platform-state';
import { environmentProblem, findInterpreter, findPythonEnv, type PythonEnv } from '../../drivers/local/python-env';
import { resolveModel } from '../../drivers/model/resolve';
import { addressesOf, isEmbedded } from '../../drivers/open';
import { packageRoot } from '../../drivers/package-root';
import { createS3Store } from '../../drivers/store/s3';
import { ArteError } from '../../schemas/errors';
import { clockSkewMaxMs, pythonEnvBytesMin, runBytesMin } from '../../schemas/limits';
import type { PlatformAddresses } from '../../schemas/platform';
import { modelConfigSchema } from '../../schemas/config/models';
import type { RunConfig } from '../../schemas/run-config';
import { temporalConnectionOptions, temporalDown } from '../../workers/connection';
import { readDocuments } from './doctor-documents';
import { readDoneRuns } from './doctor-runs';
import { engineLost } from '../run/engine-lost';
import { fullDiskFix, fullDiskSaid, namingFullDisk } from './full-disk';

export type CheckStatus = 'ok' | 'note' | 'problem';

export interface CheckResult {
  readonly name: string;
  /** note: nothing is wrong, but worth knowing (not running, not set up yet). */
  readonly status: CheckStatus;
  readonly says: string;
  readonly fix?: string;
}

/** A check that is about to be made: its name can be shown while it runs. */
export interface Check {
  readonly name: string;
  run(): Promise<CheckResult>;
}

/** Oldest Node, as package.json's engines say. */
const nodeMin = [20, 19] as const;
/** A server that does not answer a question in this time is a problem. */
const answerMs = 5_000;
/** Damaged documents that are named one by one. */
const damagedShownMax = 10;
/** The weights that smoke and quickstart use. */
const embeddedModel = 'embedded:SmolLM2-135M-Instruct';

/** All checks in the order in which they are worth reading; `platform` is a config's section, where there is a config. */
export async function doctorChecks(platform?: RunConfig['platform']): Promise<readonly Check[]> {
  const embedded = isEmbedded(platform, process.env);
  const dataDir = dataDirectory();
  const state = embedded ? await livingState(dataDir) : undefined;
  // Half a platform is itself a finding; asked anew by each check that needs it.
  const addresses = async (): Promise<PlatformAddresses> =>
    state === undefined ? addressesOf(platform, process.env) : addressesOfState(state);
  const running = !embedded || state !== undefined;
  return [
    check('node', checkNode),
    check('build', checkBuild),
    check('python', checkPython),
    check('environment', checkEnvironment),
    check('models', checkModels),
    check('disk', () => checkDisk(dataDir)),
    ...(embedded
      ? [check('platform', () => checkPlatform(state, dataDir)), check('secrets', () => checkSecrets(dataDir))]
      : []),
    ...(running
      ? [
          check('temporal', async () => checkTemporal((await addresses()).temporal)),
          check('store', async () => checkStore((await addresses()).store)),
          check('documents', async () => checkDocuments((await addresses()).store)),
          check('runs', async () => checkRuns((await addresses()).store)),
          check('clock', async () => checkClock((await addresses()).store)),
        ]
      : []),
  ];
}

type Finding = Omit<CheckResult, 'name'>;

/** A check whose errors are findings. */
function check(name: string, run: () => Finding | Promise<Finding>): Check {
  return {
    name,
    async run() {
      try {
        return { name, ...(await run()) };
      } catch (thrown) {
        const error = await namingFullDisk(engineLost(thrown) ?? thrown);
        if (error instanceof ArteError) {
          return { name, status: 'problem', says: `${error.data.what} ${error.data.why}`, fix: error.data.next };
        }
        return { name, status: 'problem', says: error instanceof Error ? error.message : String(error) };
      }
    },
  };
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > nodeMin[0] || (major === nodeMin[0] && minor >= nodeMin[1]);
  if (isNew) return { status: 'ok', says: process.version };
  return {
    status: 'problem',
    says: `${process.version} is too old.`,
    fix: `Install Node ${nodeMin.join('.')} or newer.`,
  };
}

async function checkBuild(): Promise<Finding> {
  const program = join(packageRoot(), 'dist', 'workers', 'main.js');
  const built = await access(program).then(
    () => true,
    () => false,
  );
  if (built) return { status: 'ok', says: 'workers are built' };
  return { status: 'problem', says: `${program} is not there.`, fix: 'Run `npm run build`.' };
}

async function checkPython(): Promise<Finding> {
  if ((await findPythonEnv()) !== undefined) return { status: 'ok', says: 'the environment has its own' };
  const { path, version } = await findInterpreter();
  return { status: 'ok', says: `${version.join('.')} (${path})` };
}

async function checkEnvironment(): Promise<Finding> {
  const env = await findPythonEnv();
  if (env === undefined) {
    return { status: 'note', says: 'not set up yet; `arte up` or `arte setup` does it, once, in one to two minutes' };
  }
  const wrong = await environmentProblem(env);
  if (wrong === undefined) return { status: 'ok', says: env.root };
  const given = process.env.ARTE_PYTHON_ENV;
  return {
    status: 'problem',
    says: `${wrong} (${env.root})`,
    fix: given
      ? 'Install the files python/requirements*.txt there, or unset ARTE_PYTHON_ENV.'
      : `Remove ${env.root} and run \`arte setup\`.`,
  };
}

async function checkModels(): Promise<Finding> {
  const env: PythonEnv | undefined = await findPythonEnv();
  if (env === undefined) return { status: 'note', says: 'the embedded weights come with the environment' };
  const model = await resolveModel('embedded', modelConfigSchema.parse({ source: embeddedModel }), {
    configDir: process.cwd(),
    env,
  });
  return { status: 'ok', says: `${embeddedModel}, content ${model.contentSha256.slice(0, 12)}` };
}

async function checkDisk(dataDir: string): Promise<Finding> {
  const cacheDir = cacheDirectory();
  const needs = (await findPythonEnv()) === undefined ? pythonEnvBytesMin + runBytesMin : runBytesMin;
  const folders: readonly (readonly [string, number, string])[] = [
    [cacheDir, needs, 'ARTE_CACHE_DIR'],
    [dataDir, runBytesMin, 'ARTE_DATA_DIR'],
  ];
  for (const [folder, bytes, variable] of folders) {
    const free = await freeDiskBytes(folder);
    if (free < bytes) {
      return {
        status: 'problem',
        says: `${gigabytes(free)} are free for ${folder}, ${gigabytes(bytes)} are needed.`,
        fix: `Free some room, or set ${variable} to a folder on a larger disk.`,
      };
    }
  }
  return {
    status: 'ok',
    says: `${gigabytes(await freeDiskBytes(dataDir))} free for data, ${gigabytes(await freeDiskBytes(cacheDir))} for the cache`,
  };
}

async function checkPlatform(state: PlatformState | undefined, dataDir: string): Promise<Finding> {
  if (state === undefined) {
    // Who ends on purpose takes the state along.
    const left = await readState(dataDir);
    return left === undefined
      ? { status: 'note', says: `not running for ${dataDir}; \`arte up\` starts it` }
      : platformThatDied(left);
  }
  const sick = state.parts.filter(({ status }) => status !== 'ready');
  if (sick.length > 0) {
    const disk = await fullDiskSaid();
    return {
      status: 'problem',
      says: sick
        .map(({ name, status, problem }) => `${name} is ${status}${problem ? `: ${problem.what} ${problem.why}` : ''}`)
        .join('; ')
        .concat(disk === undefined ? '' : `. ${disk}`),
      fix: `${disk === undefined ? '' : `${fullDiskFix} `}See ${sick.map(({ name }) => platformPaths(dataDir).log(name)).join(', ')}.`,
    };
  }
  const restarts = state.parts
    .filter((part) => part.restarts > 0)
    .map((part) => `${part.name} ${String(part.restarts)} times`);
  const since = `running since ${state.supervisor.startedAt}`;
  return { status: 'ok', says: restarts.length > 0 ? `${since}; started again: ${restarts.join(', ')}` : since };
}

async function platformThatDied({ supervisor, problem, dataDir }: PlatformState): Promise<Finding> {
  const { pid, startedAt } = supervisor;
  const why =
    problem === undefined
      ? 'was killed, or the machine went down'
      : `could not go on: ${problem.what} ${problem.why}`.replace(/\.$/, '');
  const says = `the platform of ${dataDir} is gone: its supervisor (process ${String(pid)}, started ${startedAt}) ${why}.`;
  const { lock, log } = platformPaths(dataDir);
  const env = await findPythonEnv();
  if (env !== undefined && (await isLocked(lock, env.python))) {
    return {
      status: 'problem',
      says: `${says} Something that it started still runs.`,
      fix: `\`arte down\` waits for it to end; what does not end is found with \`fuser ${lock}\`. Then \`arte up\`: its runs go on where they were.`,
    };
  }
  return {
    status: 'problem',
    says: `${says} Its runs wait.`,
    fix: `\`arte up\` starts it again, and its runs go on where they were; \`arte down\` clears what it left. See ${log('supervisor')}.`,
  };
}

async function checkSecrets(dataDir: string): Promise<Finding> {
  const path = storeCredentialsPath(dataDir);
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) return { status: 'note', says: 'the store has no key yet; its first start draws one' };
  const mode = found.mode & 0o777;
  if ((mode & 0o077) === 0) return { status: 'ok', says: `${path} is readable by you alone` };
  return {
    status: 'problem',
    says: `${path} has mode ${mode.toString(8)}: others can read the store's key.`,
    fix: `chmod 600 ${path}`,
  };
}

async function checkTemporal(temporal: PlatformAddresses['temporal']): Promise<Finding> {
  // Loaded here: most checks of a fresh clone need neither the client nor its start-up time.
  const { Connection } = await import('@temporalio/client');
  const options = { ...temporalConnectionOptions(temporal), connectTimeout: answerMs };
  const connection = await Connection.connect(options).catch((cause: unknown) => {
    throw temporalDown(temporal, cause, 'Check the address and the network; embedded: `arte down`, then `arte up`.');
  });
  try {
    const { namespace } = temporal;
    await connection.withDeadline(Date.now() + answerMs, () =>
      connection.workflowService.describeNamespace({ namespace }),
    );
    return { status: 'ok', says: `answers at ${temporal.address}, namespace ${namespace}` };
  } finally {
    await connection.close();
  }
}

async function checkStore(address: PlatformAddresses['store']): Promise<Finding> {
  // One attempt: doctor says what it sees now.
  const spoolDir = join(dataDirectory(), 'spool');
  const store = createS3Store({ ...address, spoolDir, attempts: 1, silenceMs: answerMs });
  const key = `doctor/${randomUUID()}.json`;
  let written = false;
  try {
    const first = await store.putOnce(key, { writer: 'first' });
    written = true;
    const second = await store.putOnce(key, { writer: 'second' });
    const there = await store.getDocument(key);
    if (!first.won || second.won || JSON.stringify(there) !== '{"writer":"first"}') {
      return {
        status: 'problem',
        says: 'The store does not honour conditional writes: a second writer replaced the first.',
        fix: 'Use a store that honours If-None-Match (AWS S3, SeaweedFS, MinIO, Ceph); results could be overwritten on this one.',
      };
    }
    return {
      status: 'ok',
      says: `${address.endpoint ?? 'AWS'}, bucket ${address.bucket}: key accepted, conditional writes honoured`,
    };
  } finally {
    if (written) await store.remove(key).catch(() => undefined);
    store.close();
  }
}

async function checkDocuments(address: PlatformAddresses['store']): Promise<Finding> {
  const spoolDir = join(dataDirectory(), 'spool');
  const store = createS3Store({ ...address, spoolDir, attempts: 1, silenceMs: answerMs });
  try {
    const { read, left, damaged } = await readDocuments(store);
    if (damaged.length > 0) {
      const more = damaged.length - damagedShownMax;
      return {
        status: 'problem',
        says: `${damaged.length} of ${read} documents of runs and stages cannot be read: ${damaged
          .slice(0, damagedShownMax)
          .map(({ what }) => what)
          .join(' ')}${more > 0 ? ` And ${more} more.` : ''}`,
        fix: damaged
          .slice(0, damagedShownMax)
          .map(({ key, fix }) => `${key}: ${fix}`)
          .join(' '),
      };
    }
    const older = left > 0 ? `; ${left} older ones were not looked at` : '';
    return { status: 'ok', says: `${read} of runs and stages can be read${older}` };
  } finally {
    store.close();
  }
}

async function checkRuns(address: PlatformAddresses['store']): Promise<Finding> {
  const spoolDir = join(dataDirectory(), 'spool');
  const store = createS3Store({ ...address, spoolDir, attempts: 1, silenceMs: answerMs });
  try {
    const { looked, hollow } = await readDoneRuns(store);
    if (hollow.length > 0) {
      return {
        status: 'problem',
        says: hollow
          .map(
            ({ runId, gone }) => `${runId} is done, and of what it made is no longer in the store: ${gone.join(', ')}.`,
          )
          .join(' '),
        fix: hollow.map(({ fix }) => fix).join(' '),
      };
    }
    if (looked === 0) return { status: 'note', says: 'none of the newest is done' };
    return { status: 'ok', says: `what the newest ${looked} that are done made is there` };
  } finally {
    store.close();
  }
}

async function checkClock({ endpoint, region }: PlatformAddresses['store']): Promise<Finding> {
  const url = endpoint ?? `https://s3.${region}.amazonaws.com`;
  const asked = Date.now();
  const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(answerMs) }).catch(() => undefined);
  // That is the finding of another check.
  if (!response) return { status: 'note', says: `${url} does not answer, so nobody knows what time it has` };
  const date = Date.parse(response.headers.get('date') ?? '');
  if (Number.isNaN(date)) return { status: 'note', says: `${url} does not say what time it is` };
  // The header has whole seconds, so it may be up to one behind.
  const skew = (asked + Date.now()) / 2 - (date + 500);
  const seconds = `${(Math.abs(skew) / 1000).toFixed(0)} s`;
  if (Math.abs(skew) <= clockSkewMaxMs) return { status: 'ok', says: `within ${seconds} of the store's` };
  return {
    status: 'problem',
    says: `This machine's clock is ${seconds} ${skew > 0 ? 'ahead of' : 'behind'} the store's; signatures are refused beyond 15 minutes.`,
    fix: 'Set the clock (for example `timedatectl set-ntp true`).',
  };
}

function gigabytes(bytes: number): string {
  // A file system that does not count them (directories.ts).
  if (!Number.isFinite(bytes)) return 'an unknown number of GB';
  return `${(bytes / 2 ** 30).toFixed(1)} GB`;
}
