/**
 * Goal: a run that met a real fault says which command fixes it, and that command, and nothing else, brings it to its end with only the affected
 * stages made again; a run whose engine has lost everything in the middle of round 2 goes on under the same id.
 * Method: the built command line on a real platform; the real trainer on a machine with too little memory for the batch (fixtures/little-memory),
 * Temporal's database deleted, an endpoint that revokes its key. Models answer by script, one of them over HTTP.
 */
import { readdirSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { packageRoot } from '../../drivers/package-root';
import type { RunProgress, StageRecord } from '../../schemas/messages';
import type { RunReport } from '../../schemas/report';
import type { RunAction } from '../../schemas/run-action';
import { openWorkspace, succeed, waitFor, type Workspace } from '../support/cli';
import { makeTinyModel, writeScriptedLoop } from '../support/loop-config';
import { openRunLook } from '../support/run-look';

jest.setTimeout(10 * 60_000);

type Status = RunProgress & { readonly finished: readonly StageRecord[]; readonly actions: readonly RunAction[] };

/** Exit code of a run that waits for a person. */
const waits = 3;

describe('a run that is put right by one command', () => {
  let workspace: Workspace;
  let model: string;
  beforeAll(async () => {
    workspace = openWorkspace({
      PYTHONPATH: join(packageRoot(), 'test', 'fixtures', 'little-memory'),
      STUDENT_KEY: 'the-old-key',
      ARTE_ACTOR: 'ana',
    });
    model = await makeTinyModel(join(workspace.dir, 'model'));
  });
  afterAll(() => workspace.close());

  const statusOf = async (runId: string): Promise<Status> =>
    JSON.parse((await workspace.arte('status', runId, '--json')).stdout) as Status;
  const lineOf = ({ round, stage, arm }: StageRecord): string => `${round} ${stage} ${arm}`;

  it('too large a batch: the command of the status; then the database is lost in round 2, and the run ends all the same', async () => {
    const path = writeScriptedLoop(workspace.dir, {
      ...{ name: 'steered', model, rounds: 2, student: { latency_ms: 60, max_in_flight: 4 } },
      change: (config) => {
        config['align'] = { ...(config['align'] as object), batch_size: 8 };
        config['arms'] = ['untuned'];
      },
    });
    const parked = await workspace.arte('run', path);
    expect({ code: parked.code, said: parked.stdout + parked.stderr }).toEqual({
      code: waits,
      said: expect.stringContaining('needs more memory') as string,
    });
    const { attention, finished } = await statusOf('steered');
    expect(attention).toMatchObject({ stage: 'train-dpo', error: { code: 'TrainerOutOfMemory' } });
    const command = /arte (retry steered( --set \S+)+)/.exec(attention?.error.next ?? '')?.[1]?.split(' ') ?? [];
    expect(command).toEqual([
      'retry',
      'steered',
      '--set',
      'align.batch_size=4',
      '--set',
      'align.gradient_accumulation=2',
    ]);
    const said = await succeed(workspace, ...command, '--detach');
    expect(said.stdout).toMatch(/align\.batch_size: 8 -> 4/);
    expect(said.stdout).toMatch(/not made yet: \d+: train-dpo of round 1/);

    const seen = new Map(finished.map((record) => [lineOf(record), record.seconds]));
    const run = openRunLook(workspace, 'steered');
    await waitFor('round 2 to be at work', 240_000, async () => {
      const view = await run.view();
      if (view === undefined) return undefined;
      const { progress: status, finished: made } = view;
      if (status.attention) throw new Error(`parked: ${JSON.stringify(status.attention)}`);
      if (status.status === 'DONE') throw new Error('the run ended before its history could be lost');
      for (const record of made) seen.set(lineOf(record), record.seconds);
      // Scoring may be over between two looks; the training that follows is not.
      const middle = status.current.some(({ stage }) => stage === 'score-drafts' || stage === 'train-dpo');
      return status.round === 2 && middle ? true : undefined;
    });
    await run.close();
    await succeed(workspace, 'down');
    const history = join(workspace.dataDir, 'temporal');
    expect(readdirSync(history)).toContain('temporal.db');
    rmSync(history, { recursive: true });
    await succeed(workspace, 'up');
    const again = await succeed(workspace, 'run', path, '--json');
    expect(again.stderr).toContain('align.batch_size=4');
    const report = JSON.parse(again.stdout) as RunReport;
    expect(report.status).toBe('DONE');
    const told = new Map(report.stages.map(({ name, round, arm, seconds }) => [`${round} ${name} ${arm}`, seconds]));
    // Made again would mean another manifest, with another time.
    expect([...seen.keys()].map((line) => [line, told.get(line)])).toEqual([...seen]);
    expect(seen.size).toBeGreaterThan(12);
    expect(report.stages.filter(({ name }) => name === 'train-dpo').map(({ facts }) => facts['steps'])).toEqual([2, 2]);
    expect((await statusOf('steered')).actions.map(({ action, by, set }) => [action, by, set])).toEqual([
      ['start', 'ana', undefined],
      ['retry', 'ana', ['align.batch_size=4', 'align.gradient_accumulation=2']],
      ['restart', 'ana', undefined],
    ]);
    const refused = await workspace.arte('pause', 'steered');
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('is DONE') as string });
  });

  describe('an endpoint that revokes its key', () => {
    const scripted = createScriptedEndpoint('prefers-short', {});
    let key = 'the-old-key';
    let answered = 0;
    let server: Server;
    beforeAll(async () => {
      server = createServer((request, response) => {
        let text = '';
        request.on('data', (chunk: Buffer) => (text += chunk.toString()));
        request.on(
          'end',
          () =>
            void answer(request.headers.authorization, text).then(([status, body]) => {
              response.writeHead(status, { 'content-type': 'application/json' });
              response.end(JSON.stringify(body));
            }),
        );
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    });
    afterAll(() => {
      server.closeAllConnections();
      server.close();
    });

    async function answer(authorization: string | undefined, text: string): Promise<[number, object]> {
      if (authorization !== `Bearer ${key}`) return [401, { error: { message: 'this key was revoked' } }];
      answered += 1;
      // In the middle of the scoring.
      if (answered === 40) key = 'the-new-key';
      const body = JSON.parse(text) as { prompt: string; max_tokens: number; seed: number; stop?: string[] };
      const sampling = { temperature: 0, topP: 1, topK: 0, minP: 0, maxTokens: body.max_tokens };
      const given = await scripted.complete(
        {
          prompt: { kind: 'completion', text: body.prompt },
          sampling: { ...sampling, stop: body.stop ?? [], seed: body.seed },
        },
        new AbortController().signal,
      );
      const { inputTokens, outputTokens } = given.usage;
      return [
        200,
        {
          choices: [{ text: given.text, finish_reason: 'stop' }],
          usage: { prompt_tokens: inputTokens, completion_tokens: outputTokens },
        },
      ];
    }

    it('says so; with the new key in the shell the command of the status goes on, and no answer is asked twice', async () => {
      const path = writeScriptedLoop(workspace.dir, {
        ...{ name: 'revoked', model, seed: 3 },
        change: (config) => {
          const { student } = config['models'] as Record<'student', Record<string, unknown>>;
          student['endpoint'] = {
            ...{ kind: 'static', base_url: `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/v1` },
            ...{ model: 'any', api_key: '${env:STUDENT_KEY}', max_in_flight: 4 },
            capabilities: { completion: true, seed: true },
          };
          config['arms'] = ['untuned'];
        },
      });
      const parked = await workspace.arte('run', path);
      expect({ code: parked.code, said: parked.stdout }).toEqual({
        code: waits,
        said: expect.stringContaining('arte retry revoked --restart-workers') as string,
      });
      expect((await statusOf('revoked')).attention?.error.code).toBe('EndpointUnauthorized');
      workspace.env['STUDENT_KEY'] = 'the-new-key';
      // A server that holds fixed weights cannot serve the student that was trained: past the scoring the run parks for that.
      expect((await workspace.arte('retry', 'revoked', '--restart-workers')).code).toBe(waits);
      const { attention, finished } = await statusOf('revoked');
      expect(attention).toMatchObject({ stage: 'evaluate', error: { code: 'InvalidConfig' } });
      const asked = finished.filter(({ stage }) => stage === 'score-drafts' || stage === 'evaluate');
      const paid = asked.reduce((sum, { usage }) => sum + usage.calls, 0);
      expect(paid).toBe(298);
      // Only what was in flight when the key was refused was asked again.
      expect(answered - paid).toBeGreaterThanOrEqual(0);
      expect(answered - paid).toBeLessThan(4);
    });
  });
});
