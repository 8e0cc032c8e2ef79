/**
 * The server behind the page of `arte ui`: what is answered under which address, and in what order a request is judged (guard.ts). Owns nothing of
 * what is shown: pages are list-page.ts, run-page.ts, beside-page.ts and row-page.ts, live figures gather.ts, orders orders.ts.
 *
 * Invariants: 1. Every answer with data was asked for with the token. 2. Everything that leaves goes through `withoutSecrets`: what looks like a secret,
 * wherever it comes from, is taken out. 3. What a request may send and how long it may take is bounded.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openLineage } from '../../activities/lineage';
import { packageRoot } from '../../drivers/package-root';
import { redacted } from '../../method/config/written-secrets';
import { ArteError, type ErrorCode, type ErrorData } from '../../schemas/errors';
import { readReport } from '../report/read-report';
import { readDetails } from '../report/report-details';
import { reportPage } from '../report/page/report-page';
import { openBundleOf } from '../run/run-config-of';
import type { Session } from '../session';
import { checkRunId } from '../run/start-run';
import { traceRow } from '../lineage/trace-row';
import { besideMax, besidePage } from './beside-page';
import { dataOf, startGathering, type Gatherer, type Picture } from './gather';
import { createGuard, type Guard } from './guard';
import { listPage } from './list-page';
import { carryOut, parseOrder } from './orders';
import type { Page } from './page';
import { rowPage } from './row-page';
import { errorWords, runPage } from './run-page';
import { reportPolicy, shell, shellPolicy, shellStyle } from './shell';

/** A body larger than this is no order of ours. */
const bodyBytesMax = 256 * 1024;
/** A request must be here whole within this: ours are small and come from this machine. */
const requestMs = 10_000;

export interface Ui {
  /** With the token in its fragment, which browsers keep to themselves. */
  readonly url: string;
  readonly port: number;
  readonly token: string;
  close(): Promise<void>;
}

export interface UiOptions {
  /** To listen on; a loopback address unless somebody says otherwise. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
}

/** Start serving. Errors: PortTaken, InvalidInput for an address that is not this machine's. */
export async function serveUi(session: Session, { host, port }: UiOptions): Promise<Ui> {
  const script = await readFile(join(packageRoot(), 'cli', 'ui', 'page', 'app.js'), 'utf8');
  const server = createServer({ requestTimeout: requestMs, headersTimeout: requestMs });
  await listen(server, host, port);
  const { port: taken } = server.address() as AddressInfo;
  const guard = createGuard(host, taken);
  const gatherer = startGathering(session);
  const routes = new Routes(session, gatherer, guard, script);
  server.on('request', (request, response) => void routes.answer(request, response));
  const name = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return {
    url: `http://${name}:${taken}/#token=${guard.token}`,
    port: taken,
    token: guard.token,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await Promise.all([closed, gatherer.close()]);
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE')
    return new ArteError('PortTaken', {
      what: `Port ${port} is in use.`,
      why: `Another program listens on ${host}:${port}.`,
      next: 'Name another with --port, or leave it out: any free one will do.',
    });
  if (error.code === 'EADDRNOTAVAIL' || error.code === 'ENOTFOUND' || error.code === 'EACCES')
    return new ArteError('InvalidInput', {
      what: `${host}:${port} cannot be listened on.`,
      why: error.message,
      next: 'Leave --host out to listen on this machine alone, and --port out for any free one.',
    });
  return error;
}

/** What a request is answered with. */
interface Answer {
  readonly status: number;
  readonly type: 'text/html' | 'text/css' | 'text/javascript' | 'application/json' | 'text/plain';
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const plain = (status: number, body: string): Answer => ({ status, type: 'text/plain', body: `${body}\n` });

class Routes {
  private readonly open: Readonly<Record<string, Answer>>;

  constructor(
    private readonly session: Session,
    private readonly gatherer: Gatherer,
    private readonly guard: Guard,
    script: string,
  ) {
    this.open = {
      '/': { status: 200, type: 'text/html', body: shell() },
      '/app.js': { status: 200, type: 'text/javascript', body: script },
      '/style.css': { status: 200, type: 'text/css', body: shellStyle },
    };
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.judge(request);
    } catch (error) {
      const data = dataOf(error);
      answer = json(statusOf(data.code), { error: data, html: errorWords(data) });
    }
    const { status, type, body, headers = {} } = answer;
    response.writeHead(status, {
      'content-type': `${type}; charset=utf-8`,
      'content-security-policy': shellPolicy,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'no-referrer',
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'cache-control': 'no-store',
      ...headers,
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  /** The order matters: who asks is settled before anything is read. */
  private async judge(request: IncomingMessage): Promise<Answer> {
    const { headers, method = '' } = request;
    if (!this.guard.isOurHost(headers)) return plain(403, 'This server answers under its own address only.');
    const url = addressOf(request);
    if (url === undefined) return plain(400, 'That is no address.');
    const isRead = method === 'GET' || method === 'HEAD';
    const free = isRead ? this.open[url.pathname] : undefined;
    if (free) return free;
    const [, room = '', ...names] = url.pathname.split('/').map(decoded);
    const isAllowed = room === 'report' && isRead ? this.guard.mayReadReports(headers) : this.guard.hasToken(headers);
    if (!isAllowed) return plain(401, 'Open the address that arte ui has printed: it holds the token of this start.');
    if (isRead) return this.read(room, names, url.searchParams, headers['if-none-match']);
    if (method !== 'POST') return plain(405, 'Only GET and POST are answered.');
    if (!this.guard.isFromOurPage(headers)) return plain(403, 'An order is taken from the page of this server only.');
    return this.write(room, names, request);
  }

  // ---- reading ---------------------------------------------------------------------------------------------------

  private async read(room: string, names: readonly string[], words: URLSearchParams, known?: string): Promise<Answer> {
    const [runId = ''] = names;
    if (room === 'report') return this.report(runId);
    if (room !== 'view') return plain(404, 'There is nothing here.');
    const picture = await this.gatherer.picture();
    // Of one look everything that was asked for in the same words is the same.
    const etag = `"${picture.look}"`;
    if (known === etag) return { status: 304, type: 'application/json', body: '', headers: { etag } };
    const page = await this.page(picture, names, words);
    const { title, html, said } = page;
    const { at, problem } = picture;
    return json(200, { title, html, said, at, ...(problem ? { problem: problemWords(problem) } : {}) }, { etag });
  }

  private async page(
    picture: Picture,
    [kind = '', name = '', ...more]: readonly string[],
    words: URLSearchParams,
  ): Promise<Page> {
    if (kind === '') return listPage(picture);
    if (kind === 'beside') {
      const wanted = [...new Set(name.split(','))].slice(0, besideMax);
      const columns = wanted.map(async (runId) => {
        const seen = await this.gatherer.seen(runId);
        return { seen, details: await this.gatherer.details(runId) };
      });
      return besidePage(await Promise.all(columns));
    }
    if (kind !== 'runs') throw notHere(kind);
    const [room = '', row = ''] = more;
    if (room === 'rows') return this.row(name, row, words.get('round') ?? '');
    if (room !== '') throw notHere(room);
    return runPage(await this.gatherer.seen(name), await this.gatherer.details(name));
  }

  private async row(runId: string, row: string, round: string): Promise<Page> {
    checkRunId(runId);
    if (round !== '' && !/^[1-9]\d{0,5}$/.test(round)) {
      throw new ArteError('InvalidInput', {
        what: `${JSON.stringify(round.slice(0, 20))} is no round.`,
        why: 'A round is a whole number from 1.',
        next: 'Leave it out, or take one of the rounds that the run shows.',
      });
    }
    const { store } = this.session;
    const lineage = await openLineage(store, runId);
    return rowPage(runId, await traceRow(store, lineage, row, round === '' ? undefined : Number(round)));
  }

  private async report(runId: string): Promise<Answer> {
    const { store } = this.session;
    try {
      checkRunId(runId);
      const report = await readReport(store, runId);
      const page = reportPage(report, await readDetails(store, report), await openBundleOf(store, runId));
      return {
        status: 200,
        type: 'text/html',
        body: withoutSecrets(page),
        headers: { 'content-security-policy': reportPolicy },
      };
    } catch (error) {
      // It is opened in a window of its own: words, not data.
      const { what, why, next, code } = dataOf(error);
      return plain(statusOf(code), withoutSecrets([what, why, next].join('\n')));
    }
  }

  // ---- writing ---------------------------------------------------------------------------------------------------

  private async write(room: string, [runId = '']: readonly string[], request: IncomingMessage): Promise<Answer> {
    if (room === 'session') {
      const headers = { 'set-cookie': this.guard.reportCookie };
      return { status: 204, type: 'text/plain', body: '', headers };
    }
    if (room !== 'orders') return plain(404, 'There is nothing here.');
    checkRunId(runId);
    const body = await bodyOf(request);
    if (typeof body !== 'string') return body;
    const order = parseOrder(parsed(body));
    try {
      const said = await carryOut(this.session, runId, order);
      return json(200, { said });
    } finally {
      // Refused or not, what the person sees next is how it is now.
      await this.gatherer.look();
    }
  }
}

/** What is asked for; undefined for what is no address. A path stays one where it looks like another server (`//view`). */
function addressOf({ url = '/' }: IncomingMessage): URL | undefined {
  const text = url.startsWith('/') ? `http://here${url}` : url;
  return URL.canParse(text, 'http://here') ? new URL(text, 'http://here') : undefined;
}

/** Text of a JSON body, or why there is none. */
async function bodyOf(request: IncomingMessage): Promise<string | Answer> {
  if (!/^application\/json\b/.test(request.headers['content-type'] ?? ''))
    return plain(415, 'An order is sent as application/json.');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bodyBytesMax) return plain(413, 'That is too much for an order.');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Undefined for what is no JSON, which is then no order. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function notHere(what: string): ArteError {
  return new ArteError('InvalidInput', {
    what: `There is no page ${JSON.stringify(what.slice(0, 40))}.`,
    why: 'The address is none of this page.',
    next: 'All runs leads back.',
  });
}

function problemWords({ error, since }: NonNullable<Picture['problem']>): string {
  return `<p><strong>What is shown is as it was at ${new Date(since).toISOString().slice(11, 19)} UTC or before.</strong></p>${errorWords(error)}`;
}

const statuses: Partial<Record<ErrorCode, number>> = {
  InvalidInput: 400,
  InvalidConfig: 400,
  RunNotFound: 404,
  RowNotFound: 404,
  ReportNotFound: 404,
  RunStateConflict: 409,
  BudgetExhausted: 409,
  PlatformDown: 503,
  StoreUnreachable: 503,
};

function statusOf(code: ErrorData['code']): number {
  return statuses[code] ?? 500;
}

function json(status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): Answer {
  return { status, type: 'application/json', body: JSON.stringify(clean(value)), headers };
}

/** The mark that stands in its place must not be taken for HTML. */
function withoutSecrets(text: string): string {
  return redacted(text).replaceAll('<removed>', '[removed]');
}

/** Every text in it without what looks like a secret. */
function clean(value: unknown): unknown {
  if (typeof value === 'string') return withoutSecrets(value);
  if (Array.isArray(value)) return value.map(clean);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, clean(each)]));
}
