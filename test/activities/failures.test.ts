/**
 * Failures on their way to the engine. Goal: whatever an activity throws, the engine keeps it and a person can read it. Method: errors of every kind
 * with megabytes in every part, through Temporal's own converter, measured as it would be sent; one activity that fails over and over.
 */
import { CancelledFailure, defaultFailureConverter, defaultPayloadConverter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { asFailure, guarded } from '../../activities/failures';
import { noteRowsDone } from '../../activities/rows-done';
import { ArteError } from '../../schemas/errors';

const megabyte = 'é"\n'.repeat(300_000);
const sent = (error: unknown, attempt = 1): string =>
  JSON.stringify(defaultFailureConverter.errorToFailure(asFailure(error, attempt), defaultPayloadConverter));

/** Payloads stand as base64 or byte arrays in that JSON: what counts is the JSON of the details themselves. */
function bytesOf(error: unknown, attempt: number): number {
  const failure = defaultFailureConverter.errorToFailure(asFailure(error, attempt), defaultPayloadConverter);
  let bytes = 0;
  for (let each: typeof failure | null | undefined = failure; each; each = each.cause) {
    bytes += Buffer.byteLength(`${each.message ?? ''}${each.stackTrace ?? ''}`);
    for (const { data } of each.applicationFailureInfo?.details?.payloads ?? []) bytes += data?.length ?? 0;
  }
  return bytes;
}

const text = {
  what: `What ${megabyte}`,
  why: `Why ${megabyte}`,
  next: `Next ${megabyte}`,
  details: [megabyte, megabyte],
};
const nested = new Error(megabyte, { cause: new Error(megabyte, { cause: megabyte }) });

it.each([
  ['an error of ours', new ArteError('StoreUnreachable', text, { cause: nested })],
  ['an error that nobody foresaw', nested],
  ['no error at all', megabyte],
])('a failure that is tried again is kept by the engine: %s', (_, thrown) => {
  expect(bytesOf(thrown, 1)).toBeLessThan(4 * 1024 - 256);
});

it('a failure that parks the run travels with its causes, each of them cut', () => {
  expect(bytesOf(new ArteError('TrainerOutOfMemory', text, { cause: nested }), 1)).toBeLessThan(40 * 1024);
  expect(
    sent(new ArteError('TrainerOutOfMemory', { ...text, why: 'Short.' }, { cause: new TypeError('inner') })),
  ).toContain('inner');
});

it('a short error arrives word for word', () => {
  const failure = asFailure(
    new ArteError('StoreUnreachable', { what: 'W.', why: 'Y.', next: 'N.', details: ['d'] }),
    1,
  );
  expect(failure).toMatchObject({
    message: 'W. Y.',
    type: 'StoreUnreachable',
    details: [{ code: 'StoreUnreachable', what: 'W.', why: 'Y.', next: 'N.', details: ['d'] }],
  });
});

it('a text that is cut in the middle of a character is still one that the engine takes', () => {
  const { message } = asFailure(
    new ArteError('StoreUnreachable', { what: '🂡'.repeat(1_000), why: '', next: '' }),
    1,
  ) as Error;
  expect(Buffer.from(message, 'utf8').toString('utf8')).toBe(message);
});

it('a failure is final by how often the work has failed, not by how many workers were killed at it', async () => {
  const { train } = guarded({
    train: () => Promise.reject(new ArteError('TrainerFailed', { what: 'W.', why: 'Y.', next: 'N.' })),
  });
  // Two attempts ended with their workers before this one.
  const isFinal = async (attempt: number, activityId: string): Promise<unknown> => {
    const environment = new MockActivityEnvironment({ attempt, activityId });
    const failure = (await environment.run(train, {}).catch((error: unknown) => error)) as { nonRetryable: boolean };
    return failure.nonRetryable;
  };
  expect([await isFinal(3, '1'), await isFinal(4, '1')]).toEqual([false, false]);
  expect(await isFinal(3, 'of another training')).toBe(false);
  expect(await isFinal(5, '1')).toBe(true);
});

it('nor by how often the work was called off, or failed in another way', async () => {
  const text = { what: 'W.', why: 'Y.', next: 'N.' };
  const thrown = [
    new CancelledFailure('HEARTBEAT_TIMEOUT'),
    new CancelledFailure('HEARTBEAT_TIMEOUT'),
    new ArteError('StoreUnreachable', text),
    new ArteError('StoreUnreachable', text),
    new ArteError('TrainerFailed', text),
  ];
  const { train } = guarded({ train: () => Promise.reject(thrown.shift() as Error) });
  const failures: unknown[] = [];
  for (let attempt = 1; attempt <= 5; attempt += 1)
    failures.push(await new MockActivityEnvironment({ attempt }).run(train, {}).catch((error: unknown) => error));
  const isFinal = failures.map((failure) => (failure as { nonRetryable?: boolean }).nonRetryable);
  expect(isFinal).toEqual([undefined, undefined, false, false, false]);
});

it('of a shard, a failure and a cancellation say how many rows were done; of other work they say nothing', () => {
  const text = { what: 'W.', why: 'Y.', next: 'N.' };
  const [failed, broken] = [new ArteError('EndpointOutOfMoney', text), new CancelledFailure('paused')];
  const detailsOf = (error: unknown): unknown => (asFailure(error, 1) as { details: unknown }).details;
  expect([detailsOf(failed), detailsOf(broken)]).toEqual([[expect.objectContaining(text)], []]);
  noteRowsDone(failed, 17);
  noteRowsDone(broken, 0);
  expect([detailsOf(failed), detailsOf(broken)]).toEqual([
    [expect.objectContaining(text), { rowsDone: 17 }],
    [{ rowsDone: 0 }],
  ]);
  expect(asFailure(broken, 1)).toBeInstanceOf(CancelledFailure);
});
