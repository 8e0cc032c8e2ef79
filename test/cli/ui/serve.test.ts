/** Goal: the page's server answers whatever stands in the place of an address, and never as a fault of its own. Method: an empty store in memory. */
import { request } from 'node:http';
import { serveUi, type Ui } from '../../../cli/ui/serve';
import type { Session } from '../../../cli/session';
import { MemoryStore } from '../../activities/row-engine/memory-store';

let ui: Ui;
beforeAll(async () => {
  const session = { client: {}, store: new MemoryStore(), embedded: true, close: () => Promise.resolve() };
  ui = await serveUi(session as unknown as Session, { host: '127.0.0.1', port: 0 });
});
afterAll(() => ui.close());

function statusOf(path: string, headers: Record<string, string> = {}): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: ui.port, path, headers }, (response) => {
      response.resume();
      response.on('end', () => resolve(response.statusCode));
    });
    sent.on('error', reject);
    sent.end();
  });
}

it.each([
  ['//', 401],
  ['//view', 401],
  ['///', 401],
  ['/%', 401],
  ['http://[', 400],
  ['http://:x/', 400],
  ['/', 200],
])('GET %s of a stranger is answered with %i', async (path, status) => {
  expect(await statusOf(path)).toBe(status);
});

it('with the token there is nothing either', async () => {
  expect(await statusOf('//', { authorization: `Bearer ${ui.token}` })).toBe(404);
});
