/** Goal: a full disk is named where the embedded platform is down because of it, and nowhere else. Method: disks of a given size. */
import { fullDiskSaid, namingFullDisk } from '../../../cli/doctor/full-disk';
import { engineLost } from '../../../cli/run/engine-lost';
import { ArteError } from '../../../schemas/errors';
import { storeDiskBytesMin } from '../../../schemas/limits';

const disk = (free: number, env: NodeJS.ProcessEnv = {}) => ({
  env,
  folder: '/data/.arte',
  freeBytes: () => Promise.resolve(free),
});
const lost = engineLost(
  Object.assign(new Error('14 UNAVAILABLE'), { name: 'ServiceError', cause: new Error('database or disk is full') }),
);

it('names the disk and its fix in the words for a lost Temporal', async () => {
  const error = await namingFullDisk(lost, disk(3 * 2 ** 20));
  expect(error).toBeInstanceOf(ArteError);
  expect((error as ArteError).data).toMatchObject({
    code: 'PlatformDown',
    why: expect.stringMatching(
      /^The disk of \/data\/\.arte is full \(3 MB are left\).*database or disk is full$/,
    ) as string,
    next: expect.stringContaining('Free some room on that disk') as string,
  });
});

it.each([
  ['a disk with room', lost, disk(storeDiskBytesMin)],
  [
    'a platform of its own, whose disk is elsewhere',
    lost,
    disk(0, { TEMPORAL_ADDRESS: 'temporal:7233', ARTE_S3_BUCKET: 'b' }),
  ],
  ['another error', new ArteError('RunNotFound', { what: 'a', why: 'b', next: 'c' }), disk(0)],
  ['an error that nobody foresaw', new Error('x'), disk(0)],
])('%s is left as it is', async (_, error, look) => {
  expect(await namingFullDisk(error, look)).toBe(error);
});

it('a disk that cannot be asked is not called full', async () => {
  expect(await fullDiskSaid({ ...disk(0), freeBytes: () => Promise.reject(new Error('gone')) })).toBeUndefined();
});
