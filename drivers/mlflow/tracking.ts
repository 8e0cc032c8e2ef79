/**
 * An MLflow tracking server, by its REST API 2.0. Owns the protocol: limits of a batch, pages of a search, errors. What is written is cli/mlflow-records.ts.
 *
 * Invariants: 1. A request ends within requestMs. 2. Nothing is asked of another address than the one that was given: redirects are not followed.
 * 3. Credentials travel in a header, and stand in no error.
 */
import { request, type Dispatcher } from 'undici';
import { ArteError } from '../../schemas/errors';

/** A request is one row or a batch of 1,000; a server under load answers within seconds. */
const requestMs = 30_000;
/** MLflow's own limits of one log-batch request (mlflow/utils/validation.py). */
const metricsPerBatch = 1_000;
const namesPerBatch = 100;
/** Longer values are cut: older servers take 500 characters of a parameter, and 5,000 of a tag. */
const paramCharactersMax = 500;
const tagCharactersMax = 5_000;
/** Runs that a page of a search may have. */
const runsPerPage = 1_000;
/** Of an answer that is no JSON so much is quoted. */
const quotedCharactersMax = 200;

export interface MlflowServer {
  /** Base address, as MLFLOW_TRACKING_URI has it. */
  readonly url: string;
  /** The value of the Authorization header. */
  readonly authorization?: string;
}

export interface MlflowRun {
  readonly runId: string;
  readonly tags: Readonly<Record<string, string>>;
  /** Where its artifacts are, as the server names it. */
  readonly artifactUri: string;
}

export interface MlflowMetric {
  readonly key: string;
  readonly value: number;
  readonly step: number;
}

export interface MlflowNewRun {
  readonly experimentId: string;
  readonly name: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly tags: Readonly<Record<string, string>>;
}

export interface MlflowRecord {
  readonly params: Readonly<Record<string, string>>;
  readonly tags: Readonly<Record<string, string>>;
  readonly metrics: readonly MlflowMetric[];
  /** Epoch milliseconds of all metrics. The same again is the same row to the server, not another one. */
  readonly at: number;
}

export type MlflowStatus = 'FINISHED' | 'FAILED' | 'KILLED';

export interface MlflowTracking {
  /** The id of an experiment, which is made where there is none of that name. */
  experiment(name: string): Promise<string>;
  /** Runs of an experiment that have all these tags, oldest first; deleted ones are not found. */
  findRuns(experimentId: string, tags: Readonly<Record<string, string>>): Promise<MlflowRun[]>;
  createRun(run: MlflowNewRun): Promise<MlflowRun>;
  log(runId: string, record: MlflowRecord): Promise<void>;
  end(runId: string, status: MlflowStatus, endedAt: number): Promise<void>;
  /** Put a file among a run's artifacts; false where the server does not take them itself (they are then in a bucket that only MLflow's clients write to). */
  putFile(run: MlflowRun, path: string, content: string): Promise<boolean>;
}

interface RunAnswer {
  readonly info: { readonly run_id: string; readonly artifact_uri?: string };
  readonly data?: { readonly tags?: readonly { readonly key: string; readonly value: string }[] };
}

/** Errors of all its requests: MlflowUnreachable, MlflowRefused. */
export function openMlflow({ url, authorization }: MlflowServer): MlflowTracking {
  const base = url.replace(/\/+$/, '');

  async function send(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: { readonly type: string; readonly text: string },
  ): Promise<{ status: number; text: string }> {
    try {
      const answer = await request(`${base}${path}`, {
        method,
        headers: {
          ...(authorization === undefined ? {} : { authorization }),
          ...(body === undefined ? {} : { 'content-type': body.type }),
        },
        ...(body === undefined ? {} : { body: body.text }),
        signal: AbortSignal.timeout(requestMs),
      });
      return { status: answer.statusCode, text: await answer.body.text() };
    } catch (cause) {
      const { code, message, name } = cause as NodeJS.ErrnoException;
      const why = name === 'TimeoutError' ? `no answer within ${requestMs / 1000} s` : (code ?? message);
      throw new ArteError('MlflowUnreachable', unreachable(base, why), { cause });
    }
  }

  /** The answer to a request, or undefined where the server has no such thing. */
  async function asked<Answer>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer | undefined> {
    const json = body && { type: 'application/json', text: JSON.stringify(body) };
    const { status, text } = await send(method, `/api/2.0/mlflow/${path}`, json);
    if (status >= 200 && status < 300) return parsed(text, status) as Answer;
    if (status === 404 && codeOf(text) === 'RESOURCE_DOES_NOT_EXIST') return undefined;
    throw failure(base, path, status, text);
  }

  async function needed<Answer>(method: 'GET' | 'POST', path: string, body?: object): Promise<Answer> {
    const answer = await asked<Answer>(method, path, body);
    if (answer === undefined) throw failure(base, path, 404, 'it has gone meanwhile');
    return answer;
  }

  function parsed(text: string, status: number): unknown {
    try {
      return text === '' ? {} : JSON.parse(text);
    } catch {
      throw failure(base, 'api/2.0', status, text);
    }
  }

  return {
    async experiment(name) {
      const path = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
      const known = await asked<{ experiment: { experiment_id: string; lifecycle_stage?: string } }>('GET', path);
      if (known?.experiment.lifecycle_stage === 'deleted') {
        throw new ArteError('MlflowRefused', {
          what: `The experiment ${name} was deleted on the MLflow server.`,
          why: 'A deleted experiment keeps its name, and takes no runs.',
          next: 'Restore it there, or name another one with --experiment.',
        });
      }
      if (known) return known.experiment.experiment_id;
      return (await needed<{ experiment_id: string }>('POST', 'experiments/create', { name })).experiment_id;
    },
    async findRuns(experimentId, tags) {
      const filter = Object.entries(tags)
        .map(([key, value]) => `tags.\`${key}\` = '${value}'`)
        .join(' and ');
      const found: MlflowRun[] = [];
      let pageToken: string | undefined;
      do {
        const page = await needed<{ runs?: RunAnswer[]; next_page_token?: string }>('POST', 'runs/search', {
          experiment_ids: [experimentId],
          filter,
          max_results: runsPerPage,
          order_by: ['attributes.start_time ASC'],
          ...(pageToken === undefined ? {} : { page_token: pageToken }),
        });
        found.push(...(page.runs ?? []).map(runOf));
        pageToken = page.next_page_token;
      } while (pageToken !== undefined && pageToken !== '');
      return found;
    },
    async createRun({ experimentId, name, startedAt, tags }) {
      const { run } = await needed<{ run: RunAnswer }>('POST', 'runs/create', {
        experiment_id: experimentId,
        run_name: name,
        start_time: startedAt,
        tags: pairsOf(tags, tagCharactersMax),
      });
      return runOf(run);
    },
    async log(runId, { params, tags, metrics, at }) {
      const [names, marks] = [pairsOf(params, paramCharactersMax), pairsOf(tags, tagCharactersMax)];
      const stamped = metrics.map((metric) => ({ ...metric, timestamp: at }));
      for (const batch of batchesOf(names, namesPerBatch))
        await needed('POST', 'runs/log-batch', { run_id: runId, params: batch });
      for (const batch of batchesOf(marks, namesPerBatch))
        await needed('POST', 'runs/log-batch', { run_id: runId, tags: batch });
      for (const batch of batchesOf(stamped, metricsPerBatch))
        await needed('POST', 'runs/log-batch', { run_id: runId, metrics: batch });
    },
    async end(runId, status, endedAt) {
      await needed('POST', 'runs/update', { run_id: runId, status, end_time: endedAt });
    },
    async putFile({ artifactUri }, path, content) {
      const folder = /^mlflow-artifacts:\/*(.*)$/.exec(artifactUri)?.[1];
      if (folder === undefined) return false;
      const target = `/api/2.0/mlflow-artifacts/artifacts/${folder}/${path}`;
      const { status, text } = await send('PUT', target, { type: 'application/octet-stream', text: content });
      if (status < 200 || status >= 300) throw failure(base, target, status, text);
      return true;
    },
  };
}

function runOf({ info, data }: RunAnswer): MlflowRun {
  const tags = Object.fromEntries((data?.tags ?? []).map(({ key, value }) => [key, value]));
  return { runId: info.run_id, tags, artifactUri: info.artifact_uri ?? '' };
}

function pairsOf(values: Readonly<Record<string, string>>, charactersMax: number): { key: string; value: string }[] {
  return Object.entries(values).map(([key, value]) => ({
    key,
    value: value.length > charactersMax ? `${value.slice(0, charactersMax - 1)}…` : value,
  }));
}

function batchesOf<Item>(items: readonly Item[], size: number): Item[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, index) => items.slice(index * size, (index + 1) * size));
}

function codeOf(text: string): string | undefined {
  try {
    return (JSON.parse(text) as { error_code?: string }).error_code;
  } catch {
    return undefined;
  }
}

function failure(base: string, path: string, status: number, text: string): ArteError {
  const said = messageOf(text);
  if (status >= 500 || status === 429 || status === 408)
    return new ArteError('MlflowUnreachable', unreachable(base, `${path} answered ${status}: ${said}`));
  if (status === 401 || status === 403) {
    return new ArteError('MlflowRefused', {
      what: `The MLflow server ${base} refuses the caller (${status}).`,
      why: said,
      next: 'Set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, to what it accepts.',
    });
  }
  return new ArteError('MlflowRefused', {
    what: `The MLflow server ${base} refused ${path} (${status}).`,
    why: said,
    next: 'Check that the address is that of an MLflow tracking server, and what its message says.',
  });
}

function messageOf(text: string): string {
  try {
    const { message } = JSON.parse(text) as { message?: string };
    if (message !== undefined) return message.slice(0, quotedCharactersMax);
  } catch {
    // No MLflow: its answer is quoted.
  }
  return text.trim() === '' ? 'It said nothing more.' : text.trim().slice(0, quotedCharactersMax);
}

function unreachable(base: string, why: string): { what: string; why: string; next: string } {
  return {
    what: `The MLflow server ${base} does not do its work.`,
    why: `${why}.`,
    next: 'Start it or check the address, then give the same command again: what is there already is not written twice.',
  };
}
