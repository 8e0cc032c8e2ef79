/**
 * A mock OpenAI-compatible server that can play the whole loop: the answers of the scripted endpoints (drivers/model/scripted.ts) over HTTP, with a
 * count of what it was asked. model-server.ts is the one for faults and speed, whose rows mean nothing.
 *
 * Argument: {models: {NAME: {script, options}}} as JSON; a call names its model. Prints {port} when it listens; ends with its parent (stdin).
 *   POST /v1/completions, /v1/chat/completions · GET /counts → ScriptedServerCounts by model
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ModelEndpoint } from '../drivers/model/model';
import { createScriptedEndpoint } from '../drivers/model/scripted';
import type { ScriptOptions } from '../drivers/model/scripted-options';
import type { JsonValue } from '../schemas/json';
import type { ModelAnswer, ModelRequest } from '../schemas/rows';

export interface ScriptedServerSettings {
  readonly models: Readonly<Record<string, { readonly script: string; readonly options?: ScriptOptions }>>;
}

export interface ScriptedServerCounts {
  calls: number;
  answered: number;
  promptTokens: number;
  completionTokens: number;
  mostInFlight: number;
}

/** What our own client sends to a server of llama.cpp's dialect. */
interface Body {
  readonly model: string;
  readonly prompt?: string;
  readonly messages?: readonly { readonly role: 'system' | 'user' | 'assistant'; readonly content: string }[];
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly max_tokens: number;
  readonly stop?: readonly string[];
  readonly seed?: number;
  readonly n?: number;
  readonly json_schema?: JsonValue;
  readonly response_format?: { readonly json_schema: { readonly schema: JsonValue } };
}

function requestOf(body: Body): ModelRequest {
  const jsonSchema = body.json_schema ?? body.response_format?.json_schema.schema;
  return {
    prompt:
      body.messages === undefined
        ? { kind: 'completion', text: body.prompt ?? '' }
        : { kind: 'chat', messages: [...body.messages] },
    sampling: {
      ...{ temperature: body.temperature, topP: body.top_p, topK: body.top_k ?? 0, minP: body.min_p ?? 0 },
      ...{ maxTokens: body.max_tokens, stop: [...(body.stop ?? [])], seed: body.seed ?? 0 },
    },
    ...(jsonSchema === undefined ? {} : { jsonSchema }),
    ...(body.n === undefined ? {} : { answers: body.n }),
  };
}

function replyOf({ text, finish, others = [], usage }: ModelAnswer, chat: boolean): unknown {
  return {
    object: chat ? 'chat.completion' : 'text_completion',
    choices: [{ text, finish }, ...others].map((choice, index) => ({
      index,
      ...(chat ? { message: { role: 'assistant', content: choice.text } } : { text: choice.text }),
      finish_reason: choice.finish === 'refused' ? 'content_filter' : choice.finish,
    })),
    usage: {
      prompt_tokens: usage.inputTokens,
      completion_tokens: usage.outputTokens,
      prompt_tokens_details: { cached_tokens: usage.cachedInputTokens },
    },
  };
}

/** A model of the server: its endpoint, and what it was asked. */
class Served {
  readonly counts: ScriptedServerCounts = {
    ...{ calls: 0, answered: 0, promptTokens: 0, completionTokens: 0, mostInFlight: 0 },
  };
  private inFlight = 0;

  constructor(private readonly endpoint: ModelEndpoint) {}

  async answer(body: Body, signal: AbortSignal): Promise<unknown> {
    const { counts } = this;
    counts.calls += 1;
    this.inFlight += 1;
    counts.mostInFlight = Math.max(counts.mostInFlight, this.inFlight);
    try {
      const answer = await this.endpoint.complete(requestOf(body), signal);
      counts.answered += 1;
      counts.promptTokens += answer.usage.inputTokens;
      counts.completionTokens += answer.usage.outputTokens;
      return replyOf(answer, body.messages !== undefined);
    } finally {
      this.inFlight -= 1;
    }
  }
}

async function jsonOf(request: IncomingMessage): Promise<Body> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Body;
}

function say(reply: ServerResponse, status: number, value: unknown): void {
  const text = JSON.stringify(value);
  reply.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text);
}

function main(): void {
  const { models } = JSON.parse(process.argv[2] ?? '{"models":{}}') as ScriptedServerSettings;
  const served = new Map(
    Object.entries(models).map(([name, { script, options }]) => [
      name,
      new Served(createScriptedEndpoint(script, options)),
    ]),
  );
  const answered = async (request: IncomingMessage, reply: ServerResponse): Promise<void> => {
    if (request.method === 'GET') {
      say(reply, 200, Object.fromEntries([...served].map(([name, { counts }]) => [name, counts])));
      return;
    }
    const body = await jsonOf(request);
    const model = served.get(body.model);
    const gone = new AbortController();
    reply.on('close', () => gone.abort());
    if (model) say(reply, 200, await model.answer(body, gone.signal));
    else say(reply, 404, { error: { message: `There is no model ${body.model}.`, code: 'model_not_found' } });
  };
  const server = createServer((request, reply) => {
    answered(request, reply).catch((error: unknown) => {
      if (!reply.destroyed) say(reply, 500, { error: { message: String(error), code: 'server_error' } });
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1', () => {
    process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`);
  });
  process.stdin.resume().on('end', () => process.exit(0));
}

if (require.main === module) main();
