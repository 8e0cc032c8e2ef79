/**
 * Goal: `arte preview --ask` puts every prompt to its model, goes on with what was answered, and leaves nothing behind.
 * Method: endpoints that answer by rule, which are ordinary drivers; the real ones are tested with their own suites.
 */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { askModels, type AskedStep } from '../../cli/ask-models';
import { loadConfig } from '../../cli/config/load-config';
import { startOpenAiServer } from '../fixtures/openai-server';
import { writeScriptedLoop } from '../support/loop-config';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-ask-'));
  process.env.ARTE_DATA_DIR = join(folder, 'data');
});

afterEach(() => {
  Reflect.deleteProperty(process.env, 'ARTE_DATA_DIR');
  rmSync(folder, { recursive: true, force: true });
});

async function ask(change?: (config: Record<string, unknown>) => void): Promise<AskedStep[]> {
  const path = writeScriptedLoop(folder, {
    name: 'asked',
    model: 'embedded:SmolLM2-135M-Instruct',
    ...(change ? { change } : {}),
  });
  const loaded = await loadConfig(path, { env: process.env, purpose: 'run' });
  return askModels(loaded, loaded.tasks[0]!, { onProgress: () => undefined, signal: AbortSignal.timeout(60_000) });
}

it('every prompt is answered, and each answer goes into the next prompt', async () => {
  const steps = await ask();
  const calls = steps.filter(({ request }) => request !== undefined);
  expect(calls.every(({ answer, reading }) => answer !== undefined && reading !== undefined && reading !== '')).toBe(
    true,
  );
  const [asked] = steps.filter(({ stage }) => stage === 'sample-questions');
  const { question } = JSON.parse(asked?.answer ?? '{}') as { question: string };
  expect(question).not.toBe('');
  for (const stage of ['sample-rationales', 'score-drafts', 'tailor-rationales', 'train-sft']) {
    const [step] = steps.filter((candidate) => candidate.stage === stage);
    expect(JSON.stringify(step)).toContain(JSON.stringify(question).slice(1, -1));
  }
  expect(readdirSync(folder)).toEqual(expect.not.arrayContaining(['stages', 'blobs']));
});

it('an endpoint where nobody answers is told by its role', async () => {
  const nobody = {
    kind: 'static',
    base_url: 'http://127.0.0.1:9/v1',
    model: 'm',
    capabilities: { structured: true, completion: true },
  };
  const failed = ask((config) => {
    (config.models as { teacher: { endpoint: unknown } }).teacher.endpoint = nobody;
  });
  await expect(failed).rejects.toMatchObject({
    data: { what: expect.stringContaining('The teacher did not answer (sample-questions') },
  });
});

it('a field that the model refuses is told with its setting, whichever section that is in', async () => {
  const server = await startOpenAiServer();
  const message = 'Unrecognized request argument supplied: seed';
  server.otherwise = () => ({ kind: 'status', status: 400, body: { error: { message } } });
  const failed = ask((config) => {
    (config.models as { teacher: { endpoint: unknown } }).teacher.endpoint = {
      ...{ kind: 'static', base_url: server.baseUrl, model: 'm' },
      capabilities: { structured: true, completion: true, seed: true },
    };
  });
  await expect(failed).rejects.toMatchObject({
    data: {
      code: 'EndpointRefusesParameter',
      why: expect.stringContaining("To be set in the model's endpoint: capabilities: {seed: false}."),
      next: 'Set in models.teacher.endpoint what is named there.',
    },
  });
  await server.close();
});

it('a script that does not exist is refused before anything is asked', async () => {
  const path = join(folder, 'arte.yaml');
  const model = { source: 'embedded:SmolLM2-135M-Instruct', endpoint: { kind: 'scripted', script: 'teecher' } };
  const tasks = [{ source: 'builtin', family: 'larger-number', split: { validation: 40, test: 5 } }];
  writeFileSync(
    path,
    stringify({
      version: 1,
      name: 'x',
      tasks,
      models: { teacher: model, student: { ...model, endpoint: { kind: 'scripted', script: 'student' } } },
    }),
  );
  await expect(loadConfig(path, { env: {} })).rejects.toMatchObject({
    problems: expect.arrayContaining([
      expect.objectContaining({
        path: 'models.teacher.endpoint.script',
        instead: expect.stringContaining('"teacher"'),
      }),
    ]),
  });
});
