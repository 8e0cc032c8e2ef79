/**
 * Goal: a version of the workflow code becomes current however late the engine knows it, is asked for soon at first and then less often, says so when it
 * takes long, and gives up only with its worker; an engine that lets nobody add search attributes keeps no worker from its work.
 * Method: an engine by script, and a clock that moves as often as it is asked for.
 */
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { announceDeployment, ensureSearchAttributes } from '../../workers/deployment';

/** Refuses so many times. Says when it was asked, in real milliseconds. */
function engine(refusals: number, onAsk: (times: number) => void = () => undefined) {
  const asked: { readonly at: number; readonly request: unknown }[] = [];
  const client = {
    workflowService: {
      setWorkerDeploymentCurrentVersion(request: unknown): Promise<object> {
        asked.push({ at: performance.now(), request });
        onAsk(asked.length);
        return asked.length > refusals ? Promise.resolve({}) : Promise.reject(new Error('no such deployment'));
      },
    },
  } as unknown as Client;
  return { client, asked };
}

function log(): { readonly logger: Logger; readonly infos: string[]; readonly errors: string[] } {
  const infos: string[] = [];
  const errors: string[] = [];
  const logger = {
    info: (_: object, text: string) => infos.push(text),
    error: (_: object, text: string) => errors.push(text),
  } as unknown as Logger;
  return { logger, infos, errors };
}

afterEach(() => {
  jest.restoreAllMocks();
});

it('is asked for again, with growing pauses, until the engine knows the deployment', async () => {
  const { client, asked } = engine(2);
  const { logger, infos, errors } = log();
  await announceDeployment(client, 'default', 'arte', 'v2', logger);
  expect(asked.map(({ request }) => request)).toEqual(
    Array(3).fill(expect.objectContaining({ namespace: 'default', deploymentName: 'arte', buildId: 'v2' })),
  );
  const [first = 0, second = 0, third = 0] = asked.map(({ at }) => at);
  // Timers may fire a moment early.
  expect(second - first).toBeGreaterThan(200);
  expect(third - second).toBeGreaterThan(1.2 * 250);
  expect([infos, errors]).toEqual([['workflow version is current'], []]);
});

it('says once a minute, and not oftener, that new runs wait', async () => {
  let now = 1_000_000;
  jest.spyOn(Date, 'now').mockImplementation(() => now);
  // The second refusal comes more than a minute after the beginning, the third soon after it.
  const { client } = engine(3, (times) => (now += times === 2 ? 61_000 : 1_000));
  const { logger, infos, errors } = log();
  await announceDeployment(client, 'default', 'arte', 'v2', logger);
  expect(errors).toEqual(['workflow version could not be made current; new runs wait until it is']);
  expect(infos).toHaveLength(1);
});

it('ends with its worker, however long the pause is', async () => {
  const ending = new AbortController();
  const { client, asked } = engine(Infinity, (times) => {
    if (times === 2) setImmediate(() => ending.abort());
  });
  const { logger, infos } = log();
  await announceDeployment(client, 'default', 'arte', 'v2', logger, ending.signal);
  expect(asked).toHaveLength(2);
  expect(infos).toEqual([]);
});

describe('search attributes', () => {
  const known = { ArteRound: 3, ArteStage: 2, ArteStatus: 2 };
  function operator(list: () => Promise<object>, add: (request: object) => Promise<object>) {
    const warnings: string[] = [];
    const logger = { warn: (_: object, text: string) => warnings.push(text) } as unknown as Logger;
    const service = { listSearchAttributes: list, addSearchAttributes: add };
    const client = { connection: { operatorService: service } } as unknown as Client;
    return { ensured: ensureSearchAttributes(client, 'default', logger), warnings };
  }
  const refused = (code: number) => (): Promise<never> => Promise.reject(Object.assign(new Error('no'), { code }));

  it('that are missing are added', async () => {
    const added: object[] = [];
    const add = (request: object): Promise<object> => (added.push(request), Promise.resolve({}));
    await operator(() => Promise.resolve({ customAttributes: known }), add).ensured;
    expect(added).toEqual([{ namespace: 'default', searchAttributes: { ArteStudent: 2 } }]);
  });

  it.each([7, 12])('are left to others where the engine answers %s, and that is said', async (code) => {
    const add = refused(code);
    for (const list of [refused(code), () => Promise.resolve({ customAttributes: known })]) {
      const { ensured, warnings } = operator(list, add);
      await ensured;
      expect(warnings).toEqual([expect.stringContaining('have them added to the namespace')]);
    }
  });

  it('of an engine that is away are waited for by another start', async () => {
    await expect(operator(refused(14), refused(14)).ensured).rejects.toThrow('no');
  });
});
