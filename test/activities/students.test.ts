/**
 * Goal: the registry and what is current of each student survive writers that meet; a verdict is given once; going back is recorded, and so is who
 * registered, replaced and removed a student, and why.
 * Method: the documents in a store in memory, with writers at the same time.
 */
import {
  addStudent,
  listStudents,
  readHistory,
  readStanding,
  recordVerdict,
  registryDigest,
  removeStudent,
  setCurrent,
} from '../../activities/students';
import { readRegistryActions } from '../../activities/registry-actions';
import { historyLines } from '../../cli/commands/students';
import { noColors } from '../../cli/output';
import { sha256Hex } from '../../method/keys';
import { modelConfigSchema } from '../../schemas/config/models';
import type { Student, StudentAlignment, StudentEvent } from '../../schemas/student';
import { MemoryStore } from './row-engine/memory-store';

const sha = sha256Hex('x');
const student = (name: string, source = `hf:org/${name}`): Student => ({
  ...{ schemaVersion: 1, name, model: modelConfigSchema.parse({ source }) },
  ...{ at: '2026-01-01T00:00:00Z', by: 'somebody', why: '' },
});
const alignment = (runId: string): StudentAlignment => ({
  ...{
    runId,
    schedule: 'nightly',
    studentSha256: sha,
    teacherSha256: sha,
    round: 1,
    testItemsSha256: sha,
    evaluations: [],
  },
  model: { name: runId, source: { kind: 'folder', path: '/m' }, baseSha256: sha, layers: [], contentSha256: sha },
});
const verdict = (runId: string, action: StudentEvent['action'], before: string | null): StudentEvent => ({
  ...{ runId, action, before, at: '', by: 'schedule nightly', why: 'tested', checks: [], fallen: [] },
});

describe('the registry', () => {
  it('holds each name once, for one model, until it is replaced or removed', async () => {
    const store = new MemoryStore();
    expect(await addStudent(store, student('small'))).toBe('added');
    expect(await addStudent(store, student('small'))).toBe('there already');
    await expect(addStudent(store, student('small', 'hf:org/other'))).rejects.toThrow('is another model');
    expect(await addStudent(store, student('small', 'hf:org/other'), { replace: true })).toBe('replaced');
    await addStudent(store, student('large'));
    expect((await listStudents(store)).map(({ name, model }) => [name, model.source])).toEqual([
      ['large', 'hf:org/large'],
      ['small', 'hf:org/other'],
    ]);
    const before = await registryDigest(store);
    await removeStudent(store, 'large', { by: 'ana' });
    expect(await registryDigest(store)).not.toBe(before);
    await expect(removeStudent(store, 'large', { by: 'ana' })).rejects.toThrow('There is no student large');
    // It may have been removed while its first alignment ran: what becomes of that is said.
    await expect(readHistory(store, 'large')).rejects.toMatchObject({
      data: {
        what: 'There is no history of a student large.',
        next: expect.stringContaining('registers it again') as string,
      },
    });
    expect((await readHistory(store, 'small')).history).toEqual([]);
  });
});

it('who did what to the registry, and why, is kept, also of a student that is gone', async () => {
  const store = new MemoryStore();
  const by = (at: string, who: string, why: string) => ({ at, by: who, why });
  await addStudent(store, { ...student('small'), ...by('2026-01-01T00:00:00Z', 'ana', 'asked for') });
  // Nothing comes of it.
  await addStudent(store, { ...student('small'), ...by('2026-01-02T00:00:00Z', 'eve', 'again') });
  await addStudent(
    store,
    { ...student('small', 'hf:org/other'), ...by('2026-01-03T00:00:00Z', 'bob', '') },
    { replace: true },
  );
  await removeStudent(store, 'small', { by: 'cleo', reason: 'too slow' });
  const actions = await readRegistryActions(store, { kind: 'student', name: 'small' });
  expect(actions.map(({ action, by: who, reason, set }) => [action, who, reason, set])).toEqual([
    ['add', 'ana', 'asked for', ['source=hf:org/small']],
    ['replace', 'bob', undefined, ['source=hf:org/other']],
    ['remove', 'cleo', 'too slow', undefined],
  ]);
  const event = { ...verdict('one', 'promoted', null), at: '2026-01-02T00:00:00Z' };
  const standing = { ...(await readStanding(store, 'small')), history: [event], current: 'one' };
  const told = historyLines(standing, actions, noColors);
  expect(told.slice(0, 5)).toEqual([
    '2026-01-01T00:00:00Z  small was registered, source=hf:org/small  (ana)',
    '  asked for',
    '2026-01-02T00:00:00Z  one became current  (schedule nightly)',
    '  tested',
    '2026-01-03T00:00:00Z  small was replaced by another model, source=hf:org/other  (bob)',
  ]);
  expect(told.slice(6)).toEqual(['  too slow', '', 'Current: one. arte export student one writes it out.']);
});

describe('what is current', () => {
  const judged = (store: MemoryStore, runId: string, action: StudentEvent['action']) =>
    recordVerdict(store, 'small', alignment(runId), ({ current }) => Promise.resolve(verdict(runId, action, current)));

  it('follows the verdicts, each given once', async () => {
    const store = new MemoryStore();
    await judged(store, 'one', 'promoted');
    await judged(store, 'two', 'kept-back');
    // A second test of the same run changes nothing.
    expect(await judged(store, 'two', 'promoted')).toMatchObject({ action: 'kept-back' });
    const { current, history } = await readStanding(store, 'small');
    expect(current).toBe('one');
    expect(history).toHaveLength(2);
  });

  it('is judged against what is current then: of writers that meet, one begins again', async () => {
    const store = new MemoryStore();
    const runs = Array.from({ length: 8 }, (_, index) => `run-${String(index)}`);
    await Promise.all(runs.map((runId) => judged(store, runId, 'promoted')));
    const { current, history, alignments } = await readStanding(store, 'small');
    expect(Object.keys(alignments).sort()).toEqual(runs);
    // Each replaced the one before it: the chain has no fork.
    expect(history.map(({ before }) => before)).toEqual([null, ...history.slice(0, -1).map(({ runId }) => runId)]);
    expect(history.at(-1)?.runId).toBe(current);
  });

  it('goes back to the one before, and to any judged one, by whoever says so', async () => {
    const store = new MemoryStore();
    const by = { by: 'somebody', why: 'worse in use' };
    await expect(setCurrent(store, 'small', by)).rejects.toThrow('There is nothing before');
    for (const runId of ['one', 'two']) await judged(store, runId, 'promoted');
    await judged(store, 'three', 'kept-back');
    expect(await setCurrent(store, 'small', by)).toMatchObject({
      action: 'rolled-back',
      runId: 'one',
      before: 'two',
      ...by,
    });
    // Going back again does not come back to what was left.
    await expect(setCurrent(store, 'small', by)).rejects.toThrow('There is nothing before');
    expect(await setCurrent(store, 'small', { ...by, runId: 'three' })).toMatchObject({ action: 'set', before: 'one' });
    for (const runId of ['four', 'constructor'])
      await expect(setCurrent(store, 'small', { ...by, runId })).rejects.toThrow(`${runId} is no finished alignment`);
    await expect(setCurrent(store, 'small', { ...by, runId: 'three' })).rejects.toThrow(
      'current alignment of small already',
    );
    expect((await readStanding(store, 'small')).history).toHaveLength(5);
  });
});
