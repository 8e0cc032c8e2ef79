/**
 * A mock OpenAI-compatible server for benchmarks, in a process of its own: seeded latency, faults on request, and a count of everything.
 * Owns the faults and the counts; what a bench makes of them is its own business, starting it platform.ts's.
 *
 * It must never be the bottleneck, and it shares the machine with what is measured: HTTP is read and written by hand over plain sockets
 * (POST with a content-length, one call at a time on a connection: what our client and undici send), a body is searched and not parsed, and
 * an answer is a copy of one buffer with a few digits changed.
 *
 * Argument: Partial<ModelServerSettings> as JSON. Prints {port, controlPort} when it listens; ends with its parent (stdin). Control:
 *   GET /counts → ModelServerCounts · POST /settings with a Partial<ModelServerSettings> · POST /reset (counts to zero)
 *   POST /kill with {atMs}: the caller was killed then
 *
 * Invariants: 1. A row's answer follows from its number alone, so that two runs can be compared byte by byte. 2. `answered` counts whole
 * answers handed to a connection that was still there: what a provider would bill.
 */
import { createServer as createHttpServer, type IncomingMessage } from 'node:http';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { seededRandom } from '../method/keys';

/** Rows are told apart by this at the beginning of their prompt. */
export const rowMark = 'Row ';

/** What every answer begins with; the row's number in eight digits and a full stop follow. */
export const answerMark = 'Answer to row ';

export interface ModelServerSettings {
  readonly seed: number;
  /** Lognormal latency: mean, and sigma of the logarithm. */
  readonly meanMs: number;
  readonly sigma: number;
  readonly answerTokens: number;
  /** Shares of calls that end so instead of in an answer. */
  readonly errorShare: number;
  readonly limitedShare: number;
  readonly resetShare: number;
  readonly truncatedShare: number;
  readonly garbageShare: number;
  /** What a 429 of limitedShare says, in turn in seconds and as a date; of the concurrency limit: only where concurrencyTells. */
  readonly retryAfterSeconds: number;
  /** Calls at a time; more are turned away with 429. 0 = any number. */
  readonly concurrencyMax: number;
  readonly concurrencyTells: boolean;
  /**
   * Of so many rows, number 1 is answered with a text that cannot be read, 2 refused by a content filter, 3 cut off by its length, 4 refused as
   * too long for the context: every time, because it is the row that is so. 0 = none.
   */
  readonly oddRowsEvery: number;
  /** What happens at a time after the first call. hangMs: nothing is answered for so long. restartMs: nobody is there for so long. */
  readonly schedule: readonly {
    readonly afterMs: number;
    readonly set?: Partial<ModelServerSettings>;
    readonly hangMs?: number;
    readonly restartMs?: number;
  }[];
}

export const modelServerDefaults: ModelServerSettings = {
  seed: 1,
  meanMs: 100,
  sigma: 0.5,
  answerTokens: 200,
  errorShare: 0,
  limitedShare: 0,
  resetShare: 0,
  truncatedShare: 0,
  garbageShare: 0,
  retryAfterSeconds: 1,
  concurrencyMax: 0,
  concurrencyTells: false,
  oddRowsEvery: 0,
  schedule: [],
};

export interface ModelServerCounts {
  /** Calls that arrived whole. */
  calls: number;
  inFlight: number;
  mostInFlight: number;
  /** Whole answers given, and the tokens they were said to have cost. */
  answered: number;
  promptTokens: number;
  completionTokens: number;
  /** Rows that had at least one answer; answers to a row beyond its first, where that one could be read. */
  answeredRows: number;
  answeredAgain: number;
  /** Of answeredAgain: the answer before had gone to a caller that had been killed by then, and was only not yet gone for the system. */
  answeredToTheDead: number;
  againPromptTokens: number;
  againCompletionTokens: number;
  /** How the other calls ended. abandoned: the caller was gone before its answer. */
  limited: number;
  errors: number;
  resets: number;
  truncated: number;
  garbage: number;
  tooLong: number;
  abandoned: number;
  /** Milliseconds that answered calls were worked on, all together: what the machine made of the latency that was asked for. */
  servingMs: number;
  /** Epoch milliseconds; 0 = not yet. */
  firstCallAtMs: number;
  lastAnswerAtMs: number;
  /** First call of the caller that came after the one that was killed last. */
  firstCallAfterKillMs: number;
}

const zero: ModelServerCounts = {
  ...{ calls: 0, inFlight: 0, mostInFlight: 0, answered: 0, promptTokens: 0, completionTokens: 0 },
  ...{ answeredRows: 0, answeredAgain: 0, limited: 0, errors: 0, resets: 0, truncated: 0, garbage: 0, tooLong: 0 },
  ...{ answeredToTheDead: 0, againPromptTokens: 0, againCompletionTokens: 0, servingMs: 0 },
  ...{ abandoned: 0, firstCallAtMs: 0, lastAnswerAtMs: 0, firstCallAfterKillMs: 0 },
};

/** What a killed caller had sent has arrived this long after; nobody starts another one sooner. */
const lastWordsMs = 150;

type OddKind = 'unreadable' | 'refused' | 'cut' | 'too-long';
const oddKinds: readonly OddKind[] = ['unreadable', 'refused', 'cut', 'too-long'];

/** What is odd about a row, if anything. */
export function oddKind(row: number, oddRowsEvery: number): OddKind | undefined {
  return oddRowsEvery === 0 ? undefined : oddKinds[(row % oddRowsEvery) - 1];
}

/** Tokens that a row's answer is said to have cost: not the same for all rows, so that sums say something. */
export function tokensOf(row: number, answerTokens: number): { prompt: number; completion: number } {
  return { prompt: 300 + (row % 10), completion: answerTokens + (row % 7) };
}

// ---- bytes -------------------------------------------------------------------------------------------------------

function response(status: string, body: string, headers: readonly string[] = []): Buffer {
  return Buffer.from(
    [
      `HTTP/1.1 ${status}`,
      'content-type: application/json',
      `content-length: ${Buffer.byteLength(body)}`,
      ...headers,
      '',
      body,
    ].join('\r\n'),
  );
}

/** A whole response with places for the row's number and its two counts of tokens. */
class AnswerForm {
  private readonly bytes: Buffer;
  private readonly row: number;
  private readonly prompt: number;
  private readonly completion: number;

  constructor(answerTokens: number, kind: OddKind | undefined) {
    const begin = kind === 'unreadable' ? 'I would rather talk about row ' : answerMark;
    const finish = kind === 'refused' ? 'content_filter' : kind === 'cut' ? 'length' : 'stop';
    const body = JSON.stringify({
      id: 'mock',
      object: 'text_completion',
      choices: [{ index: 0, text: `${begin}00000000.${' word'.repeat(answerTokens)}`, finish_reason: finish }],
      usage: { prompt_tokens: 'PPPPP', completion_tokens: 'CCCCC', prompt_tokens_details: { cached_tokens: 0 } },
    })
      // Numbers, padded by the spaces that JSON allows.
      .replace('"PPPPP"', '  PPPPP')
      .replace('"CCCCC"', '  CCCCC');
    this.bytes = response('200 OK', body);
    this.row = this.bytes.indexOf('00000000.');
    this.prompt = this.bytes.indexOf('PPPPP');
    this.completion = this.bytes.indexOf('CCCCC');
  }

  fill(row: number, prompt: number, completion: number): Buffer {
    const bytes = Buffer.from(this.bytes);
    writeDigits(bytes, this.row, 8, row, 0x30);
    writeDigits(bytes, this.prompt, 5, prompt, 0x20);
    writeDigits(bytes, this.completion, 5, completion, 0x20);
    return bytes;
  }
}

function writeDigits(bytes: Buffer, at: number, width: number, value: number, pad: number): void {
  let rest = value;
  for (let digit = at + width - 1; digit >= at; digit -= 1) {
    bytes[digit] = rest > 0 || digit === at + width - 1 ? 0x30 + (rest % 10) : pad;
    rest = Math.floor(rest / 10);
  }
}

const promptStart = Buffer.from(`"prompt":"${rowMark}`);

/** The row that a call's body asks for; 0 for a body that is none of a bench's. */
function rowOf(body: Buffer): number {
  const found = body.indexOf(promptStart);
  let row = 0;
  if (found < 0) return row;
  for (let at = found + promptStart.length; at < body.length; at += 1) {
    const digit = (body[at] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    row = row * 10 + digit;
  }
  return row;
}

const said = (message: string, code: string): string => JSON.stringify({ error: { message, type: code, code } });
const serverError = response('500 Internal Server Error', said('The mock failed, as it was told to.', 'server_error'));
const tooLong = response('400 Bad Request', said('This prompt exceeds the context.', 'context_length_exceeded'));
const garbage = [
  response('200 OK', 'Answer: {{ not what anybody asked for'),
  response('200 OK', JSON.stringify({ object: 'list', data: [] })),
];

// ---- the server --------------------------------------------------------------------------------------------------

/** One call of a connection: what was decided when it came, carried out when its time has come. */
type Ending = 'answer' | 'error' | 'reset' | 'truncated' | 'garbage';

class ModelServer {
  private settings: ModelServerSettings;
  private counts: ModelServerCounts = { ...zero };
  /** By row: when it was answered last, 0 for never. */
  private answeredAtMs = new Float64Array(1 << 16);
  private forms = new Map<string, AnswerForm>();
  private random: () => number;
  private turn = 0;
  private hungUntil = 0;
  /** From each kill to the first call of the next caller. */
  private readonly deaths: { readonly fromMs: number; toMs: number }[] = [];
  private timers: NodeJS.Timeout[] = [];
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;

  constructor(settings: Partial<ModelServerSettings>) {
    this.settings = { ...modelServerDefaults, ...settings };
    this.random = seededRandom(this.settings.seed);
  }

  listen(port = 0): Promise<number> {
    const server = createServer({ noDelay: true }, (socket) => this.serve(socket));
    this.server = server;
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });
  }

  /** Answers of the control port. */
  control(method: string, path: string, body: string): unknown {
    switch (`${method} ${path}`) {
      case 'GET /counts':
        return this.counts;
      case 'POST /settings':
        this.settings = { ...this.settings, ...(JSON.parse(body) as Partial<ModelServerSettings>) };
        return this.settings;
      case 'POST /reset':
        this.counts = { ...zero, inFlight: this.counts.inFlight };
        this.answeredAtMs = new Float64Array(1 << 16);
        for (const timer of this.timers) clearTimeout(timer);
        this.timers = [];
        return this.counts;
      case 'POST /kill':
        this.deaths.push({ fromMs: (JSON.parse(body) as { atMs: number }).atMs, toMs: Infinity });
        this.counts.firstCallAfterKillMs = 0;
        return this.counts;
      default:
        return undefined;
    }
  }

  private serve(socket: Socket): void {
    this.sockets.add(socket);
    let held: Buffer | undefined;
    socket.on('data', (chunk) => {
      const bytes = held === undefined ? chunk : Buffer.concat([held, chunk]);
      const headEnd = bytes.indexOf('\r\n\r\n');
      const length =
        headEnd < 0 ? undefined : /content-length: *(\d+)/i.exec(bytes.toString('latin1', 0, headEnd))?.[1];
      if (length === undefined || bytes.length < headEnd + 4 + Number(length)) {
        held = bytes;
        return;
      }
      held = undefined;
      this.arrived(socket, bytes.subarray(headEnd + 4));
    });
    // What a dead or resetting caller leaves behind is counted when its call's time has come.
    socket.on('error', () => undefined);
    socket.on('close', () => this.sockets.delete(socket));
  }

  private arrived(socket: Socket, body: Buffer): void {
    const { counts, settings } = this;
    const now = Date.now();
    if (counts.calls === 0) this.begin(now);
    counts.calls += 1;
    const death = this.deaths.at(-1);
    if (death?.toMs === Infinity && now > death.fromMs + lastWordsMs) {
      death.toMs = now;
      counts.firstCallAfterKillMs = now;
    }
    if (settings.concurrencyMax > 0 && counts.inFlight >= settings.concurrencyMax) {
      this.limit(socket, settings.concurrencyTells);
      return;
    }
    const ending = this.draw();
    if (ending === 'limited') {
      this.limit(socket, true);
      return;
    }
    counts.inFlight += 1;
    counts.mostInFlight = Math.max(counts.mostInFlight, counts.inFlight);
    const row = rowOf(body);
    setTimeout(() => this.due(socket, row, ending, now), this.latencyMs());
  }

  private begin(now: number): void {
    this.counts.firstCallAtMs = now;
    for (const { afterMs, set, hangMs, restartMs } of this.settings.schedule) {
      this.timers.push(
        setTimeout(() => {
          if (set) this.settings = { ...this.settings, ...set };
          if (hangMs !== undefined) this.hungUntil = Date.now() + hangMs;
          if (restartMs !== undefined) this.restart(restartMs);
        }, afterMs),
      );
    }
  }

  /** As a process that is killed and started again: connections break, nobody listens, then somebody does on the same port. */
  private restart(ms: number): void {
    const port = (this.server?.address() as AddressInfo | null)?.port;
    this.server?.close();
    for (const socket of this.sockets) socket.resetAndDestroy();
    setTimeout(() => void this.listen(port), ms);
  }

  private draw(): Ending | 'limited' {
    const { errorShare, limitedShare, resetShare, truncatedShare, garbageShare } = this.settings;
    let draw = this.random();
    const shares = [
      ['error', errorShare],
      ['limited', limitedShare],
      ['reset', resetShare],
      ['truncated', truncatedShare],
      ['garbage', garbageShare],
    ] as const;
    for (const [ending, share] of shares) {
      if (draw < share) return ending;
      draw -= share;
    }
    return 'answer';
  }

  private latencyMs(): number {
    const { meanMs, sigma } = this.settings;
    const normal = Math.sqrt(-2 * Math.log(1 - this.random())) * Math.cos(2 * Math.PI * this.random());
    return meanMs * Math.exp(sigma * normal - sigma ** 2 / 2);
  }

  private limit(socket: Socket, tells: boolean): void {
    this.counts.limited += 1;
    const { retryAfterSeconds } = this.settings;
    this.turn += 1;
    const now = Date.now();
    const seconds = `retry-after: ${retryAfterSeconds}`;
    const date = `date: ${new Date(now).toUTCString()}\r\nretry-after: ${new Date(now + retryAfterSeconds * 1000).toUTCString()}`;
    const headers = tells ? [this.turn % 2 === 0 ? seconds : date] : [];
    socket.write(response('429 Too Many Requests', said('Too many requests.', 'rate_limit_exceeded'), headers));
  }

  private due(socket: Socket, row: number, ending: Ending, arrivedAtMs: number): void {
    const wait = this.hungUntil - Date.now();
    if (wait > 0) {
      setTimeout(() => this.due(socket, row, ending, arrivedAtMs), wait);
      return;
    }
    const { counts } = this;
    counts.inFlight -= 1;
    if (socket.destroyed) {
      counts.abandoned += 1;
      return;
    }
    const odd = oddKind(row, this.settings.oddRowsEvery);
    switch (ending) {
      case 'error':
        counts.errors += 1;
        socket.write(serverError);
        return;
      case 'reset':
        counts.resets += 1;
        socket.resetAndDestroy();
        return;
      case 'garbage':
        counts.garbage += 1;
        socket.write(garbage[counts.garbage % garbage.length] ?? '');
        return;
      case 'truncated': {
        counts.truncated += 1;
        const whole = this.answer(row, odd);
        socket.end(whole.subarray(0, whole.length >> 1));
        return;
      }
      case 'answer':
        if (odd === 'too-long') {
          counts.tooLong += 1;
          socket.write(tooLong);
          return;
        }
        this.countAnswer(row, odd);
        counts.servingMs += counts.lastAnswerAtMs - arrivedAtMs;
        socket.write(this.answer(row, odd));
    }
  }

  private answer(row: number, odd: OddKind | undefined): Buffer {
    const { answerTokens } = this.settings;
    const name = `${odd ?? ''}${answerTokens}`;
    let form = this.forms.get(name);
    if (!form) this.forms.set(name, (form = new AnswerForm(answerTokens, odd)));
    const { prompt, completion } = tokensOf(row, answerTokens);
    return form.fill(row, prompt, completion);
  }

  private countAnswer(row: number, odd: OddKind | undefined): void {
    const { counts } = this;
    const { prompt, completion } = tokensOf(row, this.settings.answerTokens);
    counts.answered += 1;
    counts.promptTokens += prompt;
    counts.completionTokens += completion;
    counts.lastAnswerAtMs = Date.now();
    if (row >= this.answeredAtMs.length) {
      const grown = new Float64Array(Math.max(row + 1, this.answeredAtMs.length * 2));
      grown.set(this.answeredAtMs);
      this.answeredAtMs = grown;
    }
    const before = this.answeredAtMs[row] ?? 0;
    if (before === 0) counts.answeredRows += 1;
    else if (odd !== 'unreadable') {
      counts.answeredAgain += 1;
      counts.againPromptTokens += prompt;
      counts.againCompletionTokens += completion;
      if (this.deaths.some(({ fromMs, toMs }) => before >= fromMs && before < toMs)) counts.answeredToTheDead += 1;
    }
    this.answeredAtMs[row] = counts.lastAnswerAtMs;
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

async function main(): Promise<void> {
  const model = new ModelServer(JSON.parse(process.argv[2] ?? '{}') as Partial<ModelServerSettings>);
  const port = await model.listen();
  const control = createHttpServer((request, reply) => {
    void textOf(request).then((body) => {
      const answer = model.control(request.method ?? '', request.url ?? '', body);
      reply.statusCode = answer === undefined ? 404 : 200;
      reply.end(JSON.stringify(answer ?? { error: 'unknown' }));
    });
  });
  control.listen(0, '127.0.0.1', () => {
    const { port: controlPort } = control.address() as AddressInfo;
    process.stdout.write(`${JSON.stringify({ port, controlPort })}\n`);
  });
  process.stdin.resume().on('end', () => process.exit(0));
}

if (require.main === module) void main();
