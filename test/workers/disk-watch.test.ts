/** Goal: the end of a full disk is told once, and only after there was one. Method: free bytes as a list. */
import { diskFullBytes, diskRoomBytes } from '../../schemas/limits';
import { DiskWatch } from '../../workers/disk-watch';

async function told(...free: readonly (number | Error)[]): Promise<boolean[]> {
  const looks = [...free];
  const watch = new DiskWatch(() => {
    const next = looks.shift() ?? 0;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  });
  const said: boolean[] = [];
  for (const _ of free) said.push(await watch.hasRoomAgain());
  return said;
}

it('a disk that was full has room again once, and not before there is some to write into', async () => {
  expect(await told(diskRoomBytes, 0, 0, diskFullBytes, diskRoomBytes, diskRoomBytes)).toEqual([
    ...[false, false, false, false],
    ...[true, false],
  ]);
  expect(await told(0, diskRoomBytes, diskFullBytes - 1, Infinity)).toEqual([false, true, false, true]);
});

it('a disk that gets small, or cannot be looked at, was not full', async () => {
  expect(await told(diskFullBytes, diskRoomBytes)).toEqual([false, false]);
  expect(await told(new Error('gone'), diskRoomBytes)).toEqual([false, false]);
  expect(await told(0, new Error('gone'), diskRoomBytes)).toEqual([false, false, true]);
});
