/**
 * Goal: a disk that fills up stops the shard with DiskFull, and what was written before can be used when there is room again.
 * Method: the file system's own write is made to fail half-way through a record, as a full disk does.
 */
import type * as fs from 'node:fs';
import { runShard } from '../../../activities/row-engine/engine';
import { ArteError } from '../../../schemas/errors';
import { rightAnswer, rightBytes, rowsOf, scriptedEndpoint, Workplace } from './shards';

let room = Infinity;
jest.mock('node:fs', () => {
  const real = jest.requireActual<typeof fs>('node:fs');
  const writeSync = (fd: number, bytes: Buffer, offset: number, length: number): number => {
    if (room <= 0) throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    const written = real.writeSync(fd, bytes, offset, Math.min(length, room));
    room -= written;
    return written;
  };
  return { ...real, writeSync };
});

it.each([40, 1_000, 5_003])('with room for %d bytes', async (bytes) => {
  const place = new Workplace();
  const rows = rowsOf(60);
  const endpoint = scriptedEndpoint(rightAnswer, { start: 2, max: 2 });
  room = bytes;
  const error: unknown = await runShard(place.shard(rows, endpoint)).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(ArteError);
  expect((error as ArteError).data).toMatchObject({ code: 'DiskFull', retryable: false });
  room = Infinity;
  const again = scriptedEndpoint(rightAnswer);
  const output = await runShard(place.shard(rows, again));
  expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rows));
  expect(again.total.calls).toBeLessThanOrEqual(60 - endpoint.total.answered + 2);
  place.remove();
});
