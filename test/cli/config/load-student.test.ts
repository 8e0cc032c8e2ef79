/**
 * Goal: what cannot be a student, or a time, is refused with its reason before anything is written; what can is stored as workers need it.
 * Method: files and options as a person gives them.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkRegistryName, loadStudent } from '../../../cli/config/load-student';
import { checkTiming, durationMs } from '../../../cli/schedules';
import type { ArteError } from '../../../schemas/errors';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-student-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(text: string): string {
  const path = join(folder, 'student.yaml');
  writeFileSync(path, text);
  return path;
}

const refusal = async (work: Promise<unknown>): Promise<string> => {
  const { data } = (await work.then(
    () => undefined,
    (error: unknown) => error,
  )) as ArteError;
  return [data.code, data.what, data.why, ...(data.details ?? [])].join('\n');
};

describe('a student', () => {
  it('is read from a file with a model, from the config of a run, or from options', async () => {
    const model =
      'source: hf:org/small\nendpoint: {kind: static, base_url: "http://127.0.0.1:9/v1", model: m, api_key: "${env:KEY}"}\n';
    expect(await loadStudent({ file: file(model), revision: 'v2' })).toMatchObject({
      ...{ source: 'hf:org/small', revision: 'v2', prompt_style: 'chat' },
      endpoint: { api_key: '${env:KEY}', max_in_flight: 256 },
    });
    const config = 'models: {teacher: {source: hf:a/b}, student: {source: hf:org/of-config}}\n';
    expect(await loadStudent({ file: file(config) })).toMatchObject({ source: 'hf:org/of-config' });
    expect(await loadStudent({ source: 'hf:org/small', promptStyle: 'completion' })).toMatchObject({
      ...{ source: 'hf:org/small', prompt_style: 'completion', endpoint: { kind: 'managed' } },
    });
  });

  it.each([
    [
      'a secret written out',
      'source: hf:org/m\nendpoint: {kind: static, base_url: "http://x/v1", model: m, api_key: sk-123}',
      '${env:',
    ],
    ['a misspelt setting', 'source: hf:org/m\nprompt_stile: chat', '"prompt_style"'],
    ['a folder that is not there', 'source: ./nowhere', 'There is nothing at'],
    ['a source of no known form', 'source: hf:org', 'ORG/NAME'],
    ['a hosted model, which cannot be trained', 'source: hosted:somebody/model', 'hosted'],
    [
      'a script that there is not',
      'source: hf:org/m\nendpoint: {kind: scripted, script: prefers-shrt}',
      'prefers-short',
    ],
  ])('is refused: %s', async (_, text, reason) => {
    const said = await refusal(loadStudent({ file: file(text) }));
    expect(said).toContain('InvalidConfig');
    expect(said).toContain(reason);
    expect(said).not.toContain('sk-123');
  });

  it('is given once', async () => {
    expect(await refusal(loadStudent({}))).toContain('InvalidInput');
    expect(await refusal(loadStudent({ file: file('source: hf:a/b'), source: 'hf:a/b' }))).toContain('both given');
  });

  it.each(['Big', 'a/b', '-a', '', 'x'.repeat(41)])('has no name like %p', (name) => {
    expect(() => checkRegistryName(name)).toThrow('cannot be the name');
  });
});

describe('times', () => {
  const timing = { overlap: 'skip', catchUp: '1d', pauseOnFailure: false } as const;

  it('are lengths with a unit', () => {
    expect([durationMs('--every', '90s'), durationMs('--every', '1.5h'), durationMs('--every', '7d')]).toEqual([
      90_000, 5_400_000, 604_800_000,
    ]);
    for (const text of ['1', 'soon', '-1h', '1 fortnight'])
      expect(() => durationMs('--jitter', text)).toThrow('no length of time');
  });

  it('are given once, and not too often', () => {
    expect(() => checkTiming(timing)).toThrow('Neither --every nor --cron');
    expect(() => checkTiming({ ...timing, every: '1h', cron: '0 3 * * *' })).toThrow('both given');
    expect(() => checkTiming({ ...timing, every: '1s' })).toThrow('too often');
    expect(() => checkTiming({ ...timing, every: '1h', jitter: 'x' })).toThrow('--jitter x');
    expect(() => checkTiming({ ...timing, cron: '0 3 * * *', jitter: '10m' })).not.toThrow();
  });
});
