/**
 * Goal: what a run cannot get over by itself stops it with one clear message, loses nothing, and lets it go on once that is mended.
 * Method: the built command line on a real platform; models by script, an HTTP server that is none of ours, a model folder with a file missing.
 */
import { cpSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { RunProgress, StageRecord } from '../../schemas/messages';
import type { RunReport } from '../../schemas/report';
import { openWorkspace, succeed, type CliResult, type Workspace } from '../support/cli';
import { makeTinyModel, writeScriptedLoop } from '../support/loop-config';

jest.setTimeout(5 * 60_000);

/** Exit code of a run that waits for a person (docs of the command line). */
const waits = 3;

/** What `arte status --json` prints. */
type Status = RunProgress & { readonly finished: readonly StageRecord[] };

describe('a run that parks', () => {
  let workspace: Workspace;
  let model: string;
  beforeAll(async () => {
    workspace = openWorkspace();
    model = await makeTinyModel(join(workspace.dir, 'model'));
  });
  afterAll(() => workspace.close());

  const models = (config: Record<string, unknown>) =>
    config['models'] as Record<'teacher' | 'student', Record<string, unknown>>;

  async function parked(name: string): Promise<Status> {
    const { code, stdout } = await workspace.arte('status', name, '--json');
    expect(code).toBe(waits);
    return JSON.parse(stdout) as Status;
  }

  /** One message: what, why and what next once each, no stack. */
  function expectOneMessage({ code, stdout, stderr }: CliResult, what: RegExp): void {
    const said = stdout + stderr;
    expect({ code, said }).toEqual({ code: waits, said: expect.stringMatching(what) as string });
    expect(said).not.toMatch(/^\s+at .*\(.*:\d+:\d+\)/m);
    expect(said).toContain('arte retry');
  }

  it('a student that never gives an answer: the run says so with examples, and keeps the answers', async () => {
    const path = writeScriptedLoop(workspace.dir, {
      name: 'mute',
      model,
      change: (config) => {
        models(config).student['endpoint'] = {
          kind: 'scripted',
          script: 'echo',
          options: { text: 'I would rather not say.' },
        };
      },
    });
    expectOneMessage(await workspace.arte('run', path), /malformed/);
    const { attention, finished } = await parked('mute');
    expect(attention).toMatchObject({ stage: 'score-drafts', error: { code: 'OutcomeThreshold', retryable: false } });
    expect(attention?.error.details?.join(' ')).toContain('I would rather not say.');
    expect(finished.map(({ stage }) => stage)).toContain('sample-rationales');
    await succeed(workspace, 'cancel', 'mute');
    // What it made is paid for, and stands in its account.
    const report = JSON.parse((await succeed(workspace, 'report', 'mute', '--json')).stdout) as RunReport;
    expect(report).toMatchObject({ status: 'CANCELLED', rounds: [], arms: [] });
    expect(report.stages.map(({ name }) => name)).toContain('sample-rationales');
    expect(report.totals.calls).toBeGreaterThanOrEqual(24);
  });

  describe('an endpoint that answers with a web page', () => {
    let server: Server;
    beforeAll(async () => {
      server = createServer((request, response) => {
        request.resume();
        request.on('end', () => {
          response.writeHead(200, { 'content-type': 'text/html' });
          response.end('<html><body>Welcome to the wrong server</body></html>');
        });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => {
      server.closeAllConnections();
      server.close();
    });

    it('is named, with what it said', async () => {
      const path = writeScriptedLoop(workspace.dir, {
        name: 'web-page',
        model,
        change: (config) => {
          models(config).teacher['endpoint'] = {
            kind: 'static',
            base_url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/v1`,
            model: 'anything',
            capabilities: { completion: true, structured: true },
          };
        },
      });
      expectOneMessage(await workspace.arte('run', path), /answers with a web page/);
      const { attention } = await parked('web-page');
      expect(attention).toMatchObject({ stage: 'sample-questions', error: { code: 'EndpointNotCompatible' } });
      await succeed(workspace, 'cancel', 'web-page');
    });
  });

  it('a model folder without tokenizer is said before anything is asked; put right, the run goes on', async () => {
    const broken = join(workspace.dir, 'no-tokenizer');
    cpSync(model, broken, { recursive: true });
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'tokenizer.model', 'vocab.json'])
      rmSync(join(broken, name), { force: true });
    const path = writeScriptedLoop(workspace.dir, { name: 'no-tokenizer-run', model: broken });
    const refused = await workspace.arte('run', path);
    expect(refused.stdout + refused.stderr).toMatch(/tokenizer/);
    expect([2, waits]).toContain(refused.code);
    cpSync(model, broken, { recursive: true });
    if (refused.code === waits) await succeed(workspace, 'retry', 'no-tokenizer-run');
    const report = JSON.parse((await succeed(workspace, 'run', path, '--json')).stdout) as RunReport;
    expect(report.status).toBe('DONE');
  });
});
