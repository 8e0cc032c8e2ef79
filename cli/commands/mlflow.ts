/** `arte mlflow RUN`: a finished run as a run of an MLflow tracking server, its trainings below it. */
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { openMlflow, type MlflowServer } from '../../drivers/mlflow/tracking';
import { urlProblem } from '../../method/outside-address';
import { ArteError } from '../../schemas/errors';
import { exportToMlflow } from '../export/export-mlflow';
import { printJson, printLine, printNote, progress } from '../output';
import { openSession } from '../session';

interface Options {
  readonly to?: string;
  readonly experiment: string;
  readonly allowHttp?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('mlflow')
    .argument('<run>', 'id of the run; - reads it from a message of notify on stdin')
    .description(
      'write a finished run to an MLflow server: settings, accuracies by round, gates, costs, training curves',
    )
    .option('--to <url>', 'the tracking server (default: $MLFLOW_TRACKING_URI)')
    .option(
      '--experiment <name>',
      'made where there is none of that name',
      given('MLFLOW_EXPERIMENT_NAME', process.env) ?? 'arte',
    )
    .option('--allow-http', 'plain http to another machine')
    .option('--json', 'ids as JSON')
    .action(async (run: string, options: Options) => {
      const server = serverOf(options, process.env);
      const runId = run === '-' ? runOfMessage(await text(process.stdin)) : run;
      const session = await openSession({ start: false });
      const line = progress(`writing ${runId} to ${server.url}`);
      try {
        const { experimentId, mlflowRunId, trainings, page } = await exportToMlflow(session.store, openMlflow(server), {
          ...{ runId, experiment: options.experiment },
          onProgress: (what) => line.update(`writing ${what}`),
        });
        line.done(`${runId} written, with ${trainings} ${trainings === 1 ? 'training' : 'trainings'}`);
        if (!page) printNote('The server takes no files by itself, so the report page is not among them.');
        if (options.json) printJson({ experimentId, mlflowRunId, trainings, page });
        else printLine(`${server.url.replace(/\/+$/, '')}/#/experiments/${experimentId}/runs/${mlflowRunId}`);
      } catch (error) {
        line.fail();
        throw error;
      } finally {
        await session.close();
      }
    });
}

/** Where to, and as whom: credentials are read from the variables that MLflow's own clients read. Errors: InvalidInput. */
export function serverOf({ to, allowHttp = false }: Options, environment: NodeJS.ProcessEnv): MlflowServer {
  const url = to ?? given('MLFLOW_TRACKING_URI', environment);
  if (url === undefined || url === '') {
    throw new ArteError('InvalidInput', {
      what: 'No MLflow server is named.',
      why: 'There is neither --to nor MLFLOW_TRACKING_URI.',
      next: 'Give its address: --to http://127.0.0.1:5000.',
    });
  }
  const problem = urlProblem(url, allowHttp, '--allow-http');
  if (problem !== undefined) {
    throw new ArteError('InvalidInput', {
      what: `The address of the MLflow server ${problem}`,
      why: 'Settings and figures of the run go there, and its credentials with them.',
      next: 'Write https://… or http://127.0.0.1:PORT; a name and a password go into MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD.',
    });
  }
  const token = given('MLFLOW_TRACKING_TOKEN', environment);
  const user = given('MLFLOW_TRACKING_USERNAME', environment);
  const password = given('MLFLOW_TRACKING_PASSWORD', environment);
  if (user !== undefined && password !== undefined) {
    const both = Buffer.from(`${user}:${password}`).toString('base64');
    return { url, authorization: `Basic ${both}`, secrets: [both, password] };
  }
  return { url, ...(token === undefined ? {} : { authorization: `Bearer ${token}`, secrets: [token] }) };
}

/** A variable's value; one that is set to nothing is not given: that is how a shell or a compose file leaves one out. */
function given(name: string, environment: NodeJS.ProcessEnv): string | undefined {
  const value = environment[name];
  return value === '' ? undefined : value;
}

/** Errors: InvalidInput. */
function runOfMessage(message: string): string {
  try {
    const { run } = JSON.parse(message) as { run?: unknown };
    if (typeof run === 'string') return run;
  } catch {
    // Said below.
  }
  throw new ArteError('InvalidInput', {
    what: 'What came on stdin is no message of notify.',
    why: 'It is no JSON object with the id of a run as "run".',
    next: 'Give the id of the run in place of -.',
  });
}
