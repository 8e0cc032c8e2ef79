/**
 * Goal: a selftest cuts only counts and says so, keeps secrets as references, kills every part that there is, and its comparison finds what is
 * lost, doubled, different or unpaid, and forgives only what cannot be equal.
 * Method: the pure parts on planted runs; whole platforms are test/end-to-end/sequences.test.ts.
 */
import { join } from 'node:path';
import { loadConfig } from '../../../cli/config/load-config';
import { addsUp, compareRuns } from '../../../cli/selftest/compare';
import { planKills } from '../../../cli/selftest/kill-plan';
import { partOf, type Part } from '../../../cli/selftest/parts';
import { answersAreStable, smallConfig } from '../../../cli/selftest/small-config';
import type { RunSnapshot, StageSnapshot } from '../../../cli/selftest/snapshot';
import { packageRoot } from '../../../drivers/package-root';
import { judgeConfig } from '../../../method/config/check-config';
import { runConfigSchema } from '../../../schemas/run-config';

describe('a config in small', () => {
  const example = async (name: string) =>
    (await loadConfig(join(packageRoot(), 'examples', name), { env: process.env })).config;

  it.each(['quickstart.yaml', 'smoke.yaml', 'custom-tasks.yaml', 'paper-bbh.yaml'])(
    '%s is still sound, and small',
    async (name) => {
      const { config, cuts } = smallConfig(await example(name));
      const { problems } = judgeConfig(config, { purpose: 'plan', environment: process.env });
      expect(problems.map(({ what }) => what)).toEqual([]);
      expect(config.tasks.length).toBeLessThanOrEqual(2);
      expect(config.questions.per_task).toBeLessThanOrEqual(12);
      expect(cuts.length).toBeGreaterThan(5);
      expect(smallConfig(config).cuts).toEqual([]);
    },
  );

  it('says what it cut, keeps secrets as references, and leads to no platform of the user', () => {
    const key = '${env:MY_ENDPOINT_KEY}';
    const hosted = {
      source: 'hosted:somebody/model',
      revision: '1',
      endpoint: { kind: 'static', base_url: 'https://example.org/v1', model: 'm', api_key: key },
      price: { input: 3, output: 9, training_hour: 2 },
    };
    const whole = runConfigSchema.parse({
      version: 1,
      name: 'mine',
      tasks: [{ source: 'builtin', family: 'larger-number' }],
      models: { teacher: hosted, student: { source: '/models/student' } },
      align: { method: 'none' },
      transfer: { students: [{ source: '/models/other', endpoint: { kind: 'managed' } }, { source: '/models/third' }] },
      budget: { cap: 5 },
      platform: {
        temporal: { address: 'temporal.example.org:7233' },
        store: { bucket: 'mine', secret_access_key: '${env:STORE_SECRET}' },
      },
    });
    const { config, cuts } = smallConfig(whole);
    expect(config.name).toBe('selftest-mine');
    expect(config.models.teacher).toEqual({
      ...whole.models.teacher,
      price: { ...whole.models.teacher.price, training_hour: 0 },
    });
    expect(config.platform.temporal.address).toBeUndefined();
    expect(config.platform.store.bucket).toBeUndefined();
    expect(config.budget.cap).toBe(5);
    expect(cuts).toContainEqual({ path: 'questions.per_task', from: '250', to: '12' });
    expect(cuts).toContainEqual({ path: 'tasks.0.split.test', from: 'rest', to: '10' });
    expect(config.transfer.students.map(({ source, endpoint }) => [source, endpoint])).toEqual([
      ['/models/other', expect.objectContaining({ slots: 1 })],
    ]);
    expect(whole.questions.per_task).toBe(250);
    expect(answersAreStable(config)).toBe(false);
  });
});

describe('kills', () => {
  const presence = new Map<Part, { from: number; to: number }[]>([
    ['worker', [{ from: 0, to: 100 }]],
    ['s3', [{ from: 0, to: 100 }]],
    [
      'trainer',
      [
        { from: 40, to: 50 },
        { from: 70, to: 72 },
      ],
    ],
  ]);

  const stageEnds = [10, 30, 80];

  it('strike every part before any of them twice, when it is there, by the seed alone', () => {
    const kills = planKills({ presence, seconds: 100, stageEnds }, 7, 5);
    const by = (part: Part) => kills.filter((kill) => kill.part === part);
    expect([by('worker'), by('s3'), by('trainer')].map(({ length }) => length).sort()).toEqual([2, 2, 3]);
    for (const { atSeconds } of by('trainer'))
      expect((atSeconds >= 40 && atSeconds <= 50) || (atSeconds >= 70 && atSeconds <= 72)).toBe(true);
    expect(kills.every(({ atSeconds }) => atSeconds <= 90)).toBe(true);
    // Due in a run that is ahead, too: when more stages have ended than had by then.
    for (const { atSeconds, stagesEnded } of kills)
      expect(stagesEnded).toBe(stageEnds.filter((end) => end <= atSeconds).length);
    expect(new Set(kills.map(({ stagesEnded }) => stagesEnded)).size).toBeGreaterThan(1);
    expect(planKills({ presence, seconds: 100, stageEnds }, 7, 5)).toEqual(kills);
    expect(planKills({ presence, seconds: 100, stageEnds }, 7, 6)).not.toEqual(kills);
  });

  it.each<[string, Part | undefined]>([
    ['/usr/bin/node /opt/arte/dist/workers/supervisor.js {"dataDir":"/d"}', 'supervisor'],
    ['/usr/bin/node --max-old-space-size=4096 /opt/arte/dist/workers/main.js --role infer', 'worker-infer'],
    ['/usr/bin/node /opt/arte/dist/workers/main.js --role all', 'worker'],
    ['/c/python/bin/python -I /opt/arte/python/train.py', 'trainer'],
    ['/c/python/bin/python -I -S /opt/arte/python/guard.py run -- weed mini', undefined],
    ['vim notes.txt', undefined],
  ])('know %s', (command, part) => expect(partOf(command)).toBe(part));
});

describe('two runs', () => {
  const hash = (letter: string): string => letter.repeat(64);
  const stage = (place: string, change: Partial<StageSnapshot> = {}): StageSnapshot => ({
    place: `round 1 ${place}`,
    stage: 'evaluate',
    key: hash('a'),
    outputs: { results: { sha256: hash('b'), rows: 2, ids: ['one', 'two'] } },
    calls: 2,
    ...change,
  });
  const run = (stages: StageSnapshot[], change: Partial<RunSnapshot> = {}): RunSnapshot => ({
    stages,
    arms: { 'round 1 arte 0-shot': 0.5 },
    account: { spent: 2, cost: 2, lost: 0, open: 0 },
    calls: 2,
    lostCalls: 0,
    ...change,
  });
  const results = (sha256: string, ids: string[]) => ({ outputs: { results: { sha256, rows: ids.length, ids } } });
  const before = run([stage('evaluate/arte')]);

  it('that are equal are equal', () => {
    expect(compareRuns(before, before, true)).toEqual({
      compared: 'exact',
      ...{ stagesCompared: 1, equal: 1, otherAnswers: 0, followed: 0, differing: [], lostRows: 0, duplicatedRows: 0 },
    });
  });

  it.each([
    ['another hash', run([stage('evaluate/arte', results(hash('c'), ['one', 'two']))])],
    ['another key', run([stage('evaluate/arte', { key: hash('d') })])],
    ['a call more', run([stage('evaluate/arte', { calls: 3 })])],
    ['a stage that is missing', run([])],
    ['a stage that is new', run([stage('evaluate/arte'), stage('evaluate/untuned', { key: hash('e') })])],
    ['another accuracy', run([stage('evaluate/arte')], { arms: { 'round 1 arte 0-shot': 0.6 } })],
    ['work left open', run([stage('evaluate/arte')], { account: { spent: 2, cost: 2, lost: 0, open: 1 } })],
  ])('of stable answers: %s is told', (_, after) => {
    expect(compareRuns(before, after, true).differing).toHaveLength(1);
  });

  it('of arms that share a stage pay for it once, whichever comes first', () => {
    const [paid, found] = [{ calls: 2 }, { calls: 0 }];
    const one = run([stage('evaluate/arte', paid), stage('evaluate/original_teacher', found)]);
    const other = run([stage('evaluate/arte', found), stage('evaluate/original_teacher', paid)]);
    const twice = run([stage('evaluate/arte', paid), stage('evaluate/original_teacher', paid)]);
    expect(compareRuns(one, other, true).differing).toEqual([]);
    expect(compareRuns(one, twice, true).differing).not.toEqual([]);
  });

  it.each([
    ['lost', ['one'], { lostRows: 1, duplicatedRows: 0 }],
    ['doubled', ['one', 'two', 'two'], { lostRows: 0, duplicatedRows: 1 }],
  ])('a row that is %s is told, stable or not', (_, ids, counts) => {
    const after = run([stage('evaluate/arte', results(hash('c'), ids))]);
    for (const stable of [true, false]) {
      const found = compareRuns(before, after, stable);
      expect(found).toMatchObject(counts);
      expect(found.differing.length).toBeGreaterThan(0);
    }
  });

  it('of other answers may differ in texts and in what follows, and in nothing else', () => {
    const pairs = stage('build-pairs', { stage: 'build-pairs', key: hash('e') });
    const two = run([stage('evaluate/arte'), pairs]);
    const after = run([stage('evaluate/arte', results(hash('c'), ['one', 'two'])), { ...pairs, key: hash('f') }]);
    expect(compareRuns(two, after, false)).toMatchObject({ otherAnswers: 1, followed: 1, differing: [] });
    // The same pairs from the same scores are the same bytes, whoever answered.
    const changed = run([stage('evaluate/arte'), { ...pairs, ...results(hash('c'), ['one', 'two']) }]);
    expect(compareRuns(two, changed, false).differing).toHaveLength(1);
  });

  it.each([
    [{ spent: 2, cost: 2, lost: 0, open: 0 }, true],
    [{ spent: 2.5, cost: 2, lost: 0.6, open: 0 }, true],
    [{ spent: 2.7, cost: 2, lost: 0.6, open: 0 }, false],
    [{ spent: 1.9, cost: 2, lost: 0, open: 0 }, false],
  ])('account %j adds up: %s', (account, adds) => expect(addsUp(account)).toBe(adds));
});
