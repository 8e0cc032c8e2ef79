/**
 * An MLflow tracking server, by its REST API 2.0. Owns the protocol: limits of a batch, pages of a search, errors. What is written is cli/export/mlflow-records.ts.
 *
 * Invariants: 1. A request ends within requestMs. 2. Nothing is asked of another address than the one that was given: redirects are not followed.
 * 3. Credentials travel in a header, and stand in no error, also where the server sends them back. 4. No more than answerBytesMax of an answer is held.
 */
import { request, type Dispatcher } from 'undici';
import { z } from 'zod';
import { ArteError } from '../../schemas/errors';
import { secretRemover } from '../../schemas/secrets';

/** A request is one row or a batch of 1,000; a server under load answers within seconds. */
const requestMs = 30_000;
/** MLflow's own limits of one log-batch request (mlflow/utils/validation.py). */
const metricsPerBatch = 1_000;
const namesPerBatch = 100;
/** Longer values are cut: older servers take 500 characters of a parameter, and 5,000 of a tag. */
const paramCharactersMax = 500;
const tagCharactersMax = 5_000;
/** Runs that a page of a search may have; each comes with all its parameters, tags and last metrics: some 10 KB. */
const runsPerPage = 100;
/** A page of the largest runs stays far below; what is longer is no answer of MLflow. */
const answerBytesMax = 8 * 1024 * 1024;
/** Of an answer that is no JSON so much is quoted. */
const quotedCharactersMax = 200;

export interface MlflowServer {
  /** Base address, as MLFLOW_TRACKING_URI has it. */
  readonly url: string;
  /** The value of the Authorization header. */
  readonly authorization?: string;
  /** What of it is secret, in every form in which it goes out: a token, a password, the two of a Basic header in base64. */
  readonly secrets?: readonly string[];
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
  /**
   * Epoch milliseconds of step 0 of all metrics; each further step counts one. The same value at the same step and time is the same row to the server
   * and not another one, so this must not depend on when the record is written.
   */
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

const runAnswer = z.object({
  info: z.object({ run_id: z.string(), artifact_uri: z.string().optional() }),
  data: z.object({ tags: z.array(z.object({ key: z.string(), value: z.string() })).optional() }).optional(),
});
const experimentAnswer = z.object({
  experiment: z.object({ experiment_id: z.string(), lifecycle_stage: z.string().optional() }),
});
const createdExperimentAnswer = z.object({ experiment_id: z.string() });
const pageAnswer = z.object({ runs: z.array(runAnswer).optional(), next_page_token: z.string().optional() });
const createdRunAnswer = z.object({ run: runAnswer });
/** Of an order: that it was taken. */
const takenAnswer = z.object({});

/** Errors of all its requests: MlflowUnreachable, MlflowRefused. */
export function openMlflow({ url, authorization, secrets = [] }: MlflowServer): MlflowTracking {
  const base = url.replace(/\/+$/, '');
  const remover = secretRemover(secrets);
  // Short ones as well, which the remover takes for placeholders: what is quoted is for a person, and may lose a word.
  const clean = (text: string): string =>
    secrets
      .filter((secret) => secret !== '')
      .reduce((kept, secret) => kept.replaceAll(secret, '[secret]'), remover(text));
  const failed = (path: string, status: number, text: string): ArteError =>
    failure(base, path, status, clean(text), clean);

  async function send(
    method: Dispatcher.HttpMethod,
    path: string,
    body?: { readonly type: string; readonly text: string },
  ): Promise<{ status: number; text: string; isWhole: boolean }> {
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
      return { status: answer.statusCode, ...(await beginningOf(answer.body)) };
    } catch (cause) {
      const { code, message, name } = cause as NodeJS.ErrnoException;
      const why = name === 'TimeoutError' ? `no answer within ${requestMs / 1000} s` : (code ?? clean(message));
      throw new ArteError('MlflowUnreachable', unreachable(base, why), { cause });
    }
  }

  /** The answer to a request, or undefined where the server has no such thing. */
  async function asked<Answer>(
    shape: z.ZodType<Answer>,
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ): Promise<Answer | undefined> {
    const json = body && { type: 'application/json', text: JSON.stringify(body) };
    const { status, text, isWhole } = await send(method, `/api/2.0/mlflow/${path}`, json);
    if (status >= 200 && status < 300) {
      const answer = shape.safeParse(isWhole ? parsed(text) : undefined);
      if (answer.success) return answer.data;
      throw noAnswer(base, path, status, clean(text), clean);
    }
    if (status === 404 && codeOf(text) === 'RESOURCE_DOES_NOT_EXIST') return undefined;
    throw failed(path, status, text);
  }

  async function needed<Answer>(
    shape: z.ZodType<Answer>,
    method: 'GET' | 'POST',
    path: string,
    body?: object,
  ): Promise<Answer> {
    const answer = await asked(shape, method, path, body);
    if (answer === undefined) throw failed(path, 404, 'it has gone meanwhile');
    return answer;
  }

  async function ordered(path: string, body: object): Promise<void> {
    await needed(takenAnswer, 'POST', path, body);
  }

  return {
    async experiment(name) {
      const path = `experiments/get-by-name?experiment_name=${encodeURIComponent(name)}`;
      const known = await asked(experimentAnswer, 'GET', path);
      if (known?.experiment.lifecycle_stage === 'deleted') {
        throw new ArteError('MlflowRefused', {
          what: `The experiment ${name} was deleted on the MLflow server.`,
          why: 'A deleted experiment keeps its name, and takes no runs.',
          next: 'Restore it there, or name another one with --experiment.',
        });
      }
      if (known) return known.experiment.experiment_id;
      return (await needed(createdExperimentAnswer, 'POST', 'experiments/create', { name })).experiment_id;
    },
    async findRuns(experimentId, tags) {
      const filter = Object.entries(tags)
        .map(([key, value]) => `tags.\`${key}\` = '${value}'`)
        .join(' and ');
      const found: MlflowRun[] = [];
      let pageToken: string | undefined;
      do {
        const page: z.infer<typeof pageAnswer> = await needed(pageAnswer, 'POST', 'runs/search', {
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
      const { run } = await needed(createdRunAnswer, 'POST', 'runs/create', {
        experiment_id: experimentId,
        run_name: name,
        start_time: startedAt,
        tags: pairsOf(tags, tagCharactersMax),
      });
      return runOf(run);
    },
    async log(runId, { params, tags, metrics, at }) {
      const [names, marks] = [pairsOf(params, paramCharactersMax), pairsOf(tags, tagCharactersMax)];
      const stamped = metrics.map((metric) => ({ ...metric, timestamp: at + metric.step }));
      for (const batch of batchesOf(names, namesPerBatch))
        await ordered('runs/log-batch', { run_id: runId, params: batch });
      for (const batch of batchesOf(marks, namesPerBatch))
        await ordered('runs/log-batch', { run_id: runId, tags: batch });
      for (const batch of batchesOf(stamped, metricsPerBatch))
        await ordered('runs/log-batch', { run_id: runId, metrics: batch });
    },
    async end(runId, status, endedAt) {
      await ordered('runs/update', { run_id: runId, status, end_time: endedAt });
    },
    async putFile({ artifactUri }, path, content) {
      const folder = proxiedFolder(artifactUri);
      if (folder === undefined) return false;
      const target = `/api/2.0/mlflow-artifacts/artifacts/${folder}/${path}`;
      const { status, text } = await send('PUT', target, { type: 'application/octet-stream', text: content });
      if (status < 200 || status >= 300) throw failed(target, status, text);
      return true;
    },
  };
}

/** The folder of artifacts that the server takes itself; it may name a host, which is never asked: what is written goes to the given address. */
function proxiedFolder(artifactUri: string): string | undefined {
  if (!artifactUri.startsWith('mlflow-artifacts:') || !URL.canParse(artifactUri)) return undefined;
  return new URL(artifactUri).pathname.replace(/^\/+/, '');
}

function runOf({ info, data }: z.infer<typeof runAnswer>): MlflowRun {
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

async function beginningOf(body: AsyncIterable<Buffer>): Promise<{ text: string; isWhole: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes > answerBytesMax) break;
  }
  return { text: Buffer.concat(chunks).subarray(0, answerBytesMax).toString('utf8'), isWhole: bytes <= answerBytesMax };
}

/** Of an empty answer: an empty object. Undefined of what is no JSON. */
function parsed(text: string): unknown {
  try {
    return text === '' ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}

function codeOf(text: string): unknown {
  return (parsed(text) as { readonly error_code?: unknown } | null | undefined)?.error_code;
}

/** `clean` is for what stands in the text in escapes, and comes out when it is read as JSON. */
type Clean = (text: string) => string;

function failure(base: string, path: string, status: number, text: string, clean: Clean): ArteError {
  const said = messageOf(text, clean);
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

function noAnswer(base: string, path: string, status: number, text: string, clean: Clean): ArteError {
  return new ArteError('MlflowRefused', {
    what: `What ${base} answered to ${path} (${status}) is no answer of MLflow.`,
    why: messageOf(text, clean),
    next: 'Check that the address is that of an MLflow tracking server, and not of a login page or of something else in front of it.',
  });
}

function messageOf(text: string, clean: Clean): string {
  const message = (parsed(text) as { readonly message?: unknown } | null | undefined)?.message;
  // No MLflow where it has none: its answer is quoted.
  const said = typeof message === 'string' ? clean(message) : text.trim();
  return said === '' ? 'It said nothing more.' : said.slice(0, quotedCharactersMax);
}

function unreachable(base: string, why: string): { what: string; why: string; next: string } {
  return {
    what: `The MLflow server ${base} does not do its work.`,
    why: `${why}.`,
    next: 'Start it or check the address, then give the same command again: what is there already is not written twice.',
  };
}
