/**
 * Goal: a secret is nowhere but where it was put: not in the store, the engine, journals, logs, reports or exports, whatever a server echoes; and
 * nobody without a key reads the store, nobody outside of this machine reaches any part.
 * Method: the built command line on a platform of its own. One value is the key of an endpoint, a header of a webhook and the secret of the S3 server.
 * The endpoint is a real HTTP server that echoes its caller's key in errors and answers, in several encodings. Then every byte that is left is searched.
 */
import { mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join, relative } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { addressesOfState, platformPaths, readState, storeCredentialsPath } from '../../drivers/local/platform-state';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { createS3Store } from '../../drivers/store/s3';
import type { JsonValue } from '../../schemas/json';
import type { RunProgress } from '../../schemas/messages';
import type { Notice, Notification } from '../../schemas/notification';
import type { RunReport } from '../../schemas/report';
import type { ModelRequest } from '../../schemas/rows';
import { openWorkspace, processesOf, succeed, waitFor, type Workspace } from '../support/cli';
import { historyText } from '../support/history-text';
import { makeTinyModel, writeScriptedLoop } from '../support/loop-config';
import { startReceiver, type Receiver } from '../support/receiver';

jest.setTimeout(15 * 60_000);

/** With signs that encoders change. */
const secret = 'Qz7+uR/9x=w%41-Secret~0815kYt';

/** By encoders of Node's own, not by the code that takes secrets out; of base64 what does not depend on its neighbours. */
const forms = [
  ...new Set([
    secret,
    encodeURIComponent(secret),
    ...['', 'x', 'xx'].flatMap((before) =>
      (['base64', 'base64url'] as const).map((encoding) =>
        Buffer.from(`${before}${secret}`).toString(encoding).slice(4, -4),
      ),
    ),
  ]),
].map((form) => Buffer.from(form));

const holdsSecret = (bytes: Buffer | string): boolean => forms.some((form) => Buffer.from(bytes).includes(form));

/** A teacher by script behind HTTP that echoes the key of its caller: for some requests once or for good as an error, for some in its answer. */
class EchoingServer {
  revoked = false;
  private readonly seen = new Map<string, number>();
  private readonly teacher = createScriptedEndpoint('teacher');
  private readonly server: Server = createServer((request, response) => {
    void this.answer(request).then(([status, body]) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    });
  });
  echoes = 0;

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${String((this.server.address() as AddressInfo).port)}/v1`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  private async answer(request: IncomingMessage): Promise<[number, object]> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString('utf8');
    const authorization = request.headers.authorization ?? '';
    const key = authorization.replace('Bearer ', '');
    const echo = [authorization, encodeURIComponent(key), Buffer.from(`user:${key}`).toString('base64'), key].join(' ');
    const message = `your header was ${echo}`;
    if (this.revoked) return [401, { error: { message: `this key is revoked: ${echo}` } }];
    const times = (this.seen.get(text) ?? 0) + 1;
    this.seen.set(text, times);
    const kind = Buffer.from(text).reduce((sum, byte) => sum + byte, 0) % 7;
    if (kind < 3) this.echoes += 1;
    if (kind === 0) return [400, { error: { message } }];
    if (kind === 1 && times === 1) return [500, { error: { message } }];
    const asked = JSON.parse(text) as Record<string, unknown>;
    const { text: said, usage } = await this.teacher.complete(modelRequest(asked), new AbortController().signal);
    return [
      200,
      {
        choices: [{ index: 0, finish_reason: 'stop', text: kind === 2 ? `${said} ${message}` : said }],
        usage: { prompt_tokens: usage.inputTokens, completion_tokens: usage.outputTokens },
      },
    ];
  }
}

function modelRequest(asked: Record<string, unknown>): ModelRequest {
  const format = asked['response_format'] as { json_schema?: { schema?: JsonValue } } | undefined;
  return {
    prompt: { kind: 'completion', text: String(asked['prompt']) },
    sampling: {
      ...{ temperature: Number(asked['temperature']), topP: 1, topK: 0, minP: 0, seed: Number(asked['seed'] ?? 0) },
      ...{ maxTokens: Number(asked['max_tokens']), stop: (asked['stop'] ?? []) as string[] },
    },
    ...(format?.json_schema ? { jsonSchema: format.json_schema.schema ?? null } : {}),
  };
}

describe('a secret', () => {
  let workspace: Workspace;
  let server: EchoingServer;
  let receiver: Receiver;
  let printed = '';

  const arte = async (...args: string[]): Promise<string> => {
    const { stdout, stderr } = await workspace.arte(...args);
    printed += stdout + stderr;
    return stdout;
  };

  beforeAll(async () => {
    workspace = openWorkspace({
      ...{ TEACHER_KEY: secret, HOOK_TOKEN: secret, AWS_SECRET_ACCESS_KEY: secret, AWS_ACCESS_KEY_ID: 'nobody' },
      ...{ ARTE_METRICS_ADDRESS: String(await portOf()), ARTE_LOG_LEVEL: 'debug' },
    });
    // The key of the embedded store is drawn on its first start, unless there is one.
    const path = storeCredentialsPath(workspace.dataDir);
    mkdirSync(join(path, '..'), { recursive: true });
    writeFileSync(path, JSON.stringify({ accessKeyId: 'arte0815', secretAccessKey: secret }), { mode: 0o600 });
    server = new EchoingServer();
    receiver = await startReceiver();
    const model = await makeTinyModel(join(workspace.dir, 'model'));
    const baseUrl = await server.listen();
    const thresholds = { failed: 1, malformed: 1, truncated: 1 };
    for (const name of ['leaky', 'revoked']) {
      writeScriptedLoop(workspace.dir, {
        ...{ name, model, seed: name === 'leaky' ? 1 : 2 },
        change: (config) => {
          (config['models'] as { teacher: Record<string, unknown> }).teacher['endpoint'] = {
            ...{ kind: 'static', base_url: baseUrl, model: 'teacher', api_key: '${env:TEACHER_KEY}' },
            capabilities: { completion: true, structured: true, seed: true, extended_sampling: true },
          };
          config['notify'] = [
            { kind: 'webhook', url: receiver.url, headers: { Authorization: 'Bearer ${env:HOOK_TOKEN}' } },
          ];
          for (const stage of ['questions', 'rationales', 'tailor'])
            config[stage] = { ...(config[stage] as object), thresholds };
          Object.assign(config['questions'] as object, { per_task: 20 });
          // An endpoint that is there serves no teacher that the run has trained.
          config['align'] = { method: 'none' };
          // What the echoes do to the data is of no interest here.
          config['rounds'] = { count: 1, gates: { action: 'record' } };
        },
      });
    }
  });
  afterAll(async () => {
    await workspace.close();
    server.close();
    await receiver.close();
  });

  it('is in nothing that a whole run and a parked one leave', async () => {
    const ran = await workspace.arte('run', 'leaky.yaml');
    printed += ran.stdout + ran.stderr;
    expect({ code: ran.code, said: ran.code === 0 ? '' : ran.stdout + ran.stderr }).toEqual({ code: 0, said: '' });
    const report = JSON.parse((await succeed(workspace, 'report', 'leaky', '--json')).stdout) as RunReport;
    expect(report.status).toBe('DONE');
    expect(server.echoes).toBeGreaterThan(10);
    // What was echoed has come as far as the rows: the search below looks where there is something to find.
    expect(report.stages.some(({ outcomes }) => Number(outcomes['failed'] ?? 0) > 0)).toBe(true);
    server.revoked = true;
    await arte('run', 'revoked.yaml');
    const parked = JSON.parse(await arte('status', 'revoked', '--json')) as RunProgress & { notices: Notice[] };
    expect(parked.attention?.error).toMatchObject({ code: 'EndpointUnauthorized' });
    expect(`${parked.attention?.error.what ?? ''} ${parked.attention?.error.why ?? ''}`).toContain('[secret]');
    await waitFor('the messages', 60_000, () =>
      receiver.messages<Notification>().some(({ run, event }) => run === 'revoked' && event === 'parked')
        ? true
        : undefined,
    );
    expect(receiver.received.every(({ headers }) => headers.authorization === `Bearer ${secret}`)).toBe(true);

    for (const run of ['leaky', 'revoked']) await arte('status', run);
    await arte('report', 'leaky', '--html', 'leaky.html');
    await arte('report', 'leaky', '--json');
    await arte('report', 'leaky');
    for (const what of ['dataset', 'pairs', 'dropped', 'student', 'teacher']) await arte('export', what, 'leaky');
    await arte('diff', 'leaky', 'leaky');
    await arte('doctor');
    await arte('notify', 'test', 'leaky.yaml');
    expect(receiver.messages<Notification>().at(-1)).toMatchObject({ event: 'test' });

    const state = (await readState(workspace.dataDir))!;
    const { temporal, store: address } = await addressesOfState(state);
    const found: string[] = [];
    const look = (where: string, bytes: Buffer | string): void => {
      if (holdsSecret(bytes)) found.push(where);
    };
    // The engine: every event of every workflow, payloads decoded.
    const connection = await Connection.connect({ address: temporal.address });
    const client = new Client({ connection, namespace: temporal.namespace });
    let events = 0;
    let readable = 0;
    for await (const { workflowId, runId } of client.workflow.list()) {
      const history = await client.workflow.getHandle(workflowId, runId).fetchHistory();
      events += history.events?.length ?? 0;
      const text = historyText(history);
      // The input of a run stands in a payload: where it is not found, no secret would be.
      if (text.includes('"runId":"leaky"')) readable += 1;
      look(`history of ${workflowId}`, text);
    }
    await connection.close();
    expect(events).toBeGreaterThan(100);
    expect(readable).toBeGreaterThan(0);
    // The store: every object.
    const store = createS3Store({ ...address, spoolDir: join(workspace.dir, 'spool') });
    let objects = 0;
    for await (const { key } of store.list('')) {
      objects += 1;
      look(`object ${key}`, (await store.getObject(key)) ?? '');
    }
    store.close();
    expect(objects).toBeGreaterThan(50);
    for (const { body } of receiver.received) look('a message', body);
    look('what the commands printed', printed);
    for (const { pid, command } of processesOf(workspace)) look(`arguments of ${String(pid)}`, command);
    expect(found).toEqual([]);

    await anonymousIsRefused(state.store.endpoint, state.store.bucket);
    expect(listeners(workspace).filter(({ loopback }) => !loopback)).toEqual([]);

    // The disk: everything under the workspace, servers' volumes and database at rest.
    await arte('down');
    const files = filesUnder(workspace.dir).filter((path) => holdsSecret(readFileSync(path)));
    expect(files.map((path) => relative(workspace.dir, path))).toEqual([
      relative(workspace.dir, storeCredentialsPath(workspace.dataDir)),
    ]);
  });

  async function anonymousIsRefused(endpoint: string, bucket: string): Promise<void> {
    const asked: readonly (readonly [string, RequestInit])[] = [
      ['/', {}],
      [`/${bucket}`, {}],
      [`/${bucket}?list-type=2`, {}],
      [`/${bucket}/runs/leaky/run.json`, {}],
      [`/${bucket}/runs/leaky/run.json`, { method: 'HEAD' }],
      [`/${bucket}/put`, { method: 'PUT', body: 'x' }],
      [`/${bucket}/runs/leaky/run.json`, { method: 'DELETE' }],
    ];
    for (const [path, init] of asked) {
      const { status } = await fetch(endpoint + path, init);
      expect([path, init.method ?? 'GET', status]).toEqual([path, init.method ?? 'GET', 403]);
    }
    // The parts behind it ask for a certificate or a token.
    const { s3 } = JSON.parse(readFileSync(platformPaths(workspace.dataDir).ports, 'utf8')) as {
      s3: Record<string, number>;
    };
    for (const [part, port] of Object.entries(s3).filter(([name]) => name !== 's3'))
      for (const path of [`/buckets/${bucket}/runs/leaky/run.json`, '/dir/status', '/'])
        await expect(
          fetch(`http://127.0.0.1:${String(port)}${path}`).then(({ status }) => [part, path, status < 400]),
        ).resolves.toEqual([part, path, false]);
  }
});

async function portOf(): Promise<number> {
  const gone = await startReceiver();
  await gone.close();
  return gone.port;
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return filesUnder(path);
    return entry.isFile() ? [path] : [];
  });
}

/** TCP sockets on which processes of the workspace listen. */
function listeners(workspace: Workspace): { pid: number; command: string; address: string; loopback: boolean }[] {
  const listening = new Map<string, string>();
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6'])
    for (const line of readFileSync(table, 'utf8').trim().split('\n').slice(1)) {
      const [, local = '', , state, , , , , , inode = ''] = line.trim().split(/\s+/);
      if (state === '0A') listening.set(inode, local);
    }
  const found = processesOf(workspace).flatMap(({ pid, command }) => {
    const files = `/proc/${String(pid)}/fd`;
    return readdirSync(files).flatMap((name) => {
      let target: string;
      try {
        target = readlinkSync(join(files, name));
      } catch {
        return [];
      }
      const address = listening.get(/^socket:\[(\d+)\]$/.exec(target)?.[1] ?? '');
      if (address === undefined) return [];
      // 127.0.0.0/8, ::1, and the former as the latter writes it; bytes of a word are in reverse.
      const loopback = /^(.{6}7F|0{24}01000000|0{16}FFFF0000.{6}7F):/.test(address);
      return [{ pid, command: command.slice(0, 80), address, loopback }];
    });
  });
  expect(found.length).toBeGreaterThan(3);
  return found;
}
