/** Goal: `--set` reaches every place of a config by the path that the config writes. Method: texts, and a run's config in a store in memory. */
import { runKeys } from '../../../activities/run-records';
import { changedConfig, parseSetting } from '../../../cli/config/changed-config';
import { storeBundle } from '../../../cli/run/start-run';
import { runConfigSchema } from '../../../schemas/run-config';
import { MemoryStore } from '../../activities/row-engine/memory-store';

const hosted = { source: 'hf:scripts/model', endpoint: { kind: 'scripted', script: 'teacher' } };
const config = runConfigSchema.parse({
  ...{ version: 1, name: 'set', models: { teacher: hosted, student: hosted } },
  tasks: [{ source: 'builtin', family: 'larger-number' }],
});

it.each([
  ['seed=2', ['seed'], 2],
  ['tasks[0].split.test=20', ['tasks', 0, 'split', 'test'], 20],
  ['promotion.floor.larger-number=0.4', ['promotion', 'floor', 'larger-number'], 0.4],
  ['promotion.floor.2-step_sums=0.4', ['promotion', 'floor', '2-step_sums'], 0.4],
  ['notify[1].headers.X-Token="${env:T}"', ['notify', 1, 'headers', 'X-Token'], '${env:T}'],
])('%s', (text, segments, value) => {
  expect(parseSetting(text)).toMatchObject({ segments, value });
});

it.each(['seed', '=2', 'a b=1', '__proto__.x=1', 'align.=1', 'tasks[x].name=a', 'align.--set=1'])(
  '%s sets nothing',
  (text) => {
    expect(() => parseSetting(text)).toThrow('sets nothing');
  },
);

it('a floor of a task whose name has a hyphen is set, and one of a task that is not there is refused', async () => {
  const store = new MemoryStore();
  const bundle = await storeBundle(store, { config, configDir: '.' });
  await store.putOnce(runKeys.record('run'), {
    schemaVersion: 1,
    runId: 'run',
    name: 'set',
    bundle: { ...bundle },
    createdAt: '',
  });
  const changed = (setting: string) => changedConfig(store, 'run', [setting], { env: {} });
  expect((await changed('promotion.floor.larger-number=0.4')).config.promotion.floor).toEqual({ 'larger-number': 0.4 });
  await expect(changed('promotion.floor.larger-numbers=0.4')).rejects.toMatchObject({
    data: { code: 'InvalidConfig' },
  });
  await expect(changed('tasks.0.name=a')).rejects.toMatchObject({ data: { code: 'InvalidConfig' } });
});
