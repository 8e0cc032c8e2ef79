/**
 * Goal: the page of `arte ui` shows runs as they are and steers them as the command line does, to nobody but who has its token, in light and dark,
 * by keyboard, and with a name for everything that can be used.
 * Method: a run on the real Temporal and S3 (models by script, a trainer that makes its steps while the test looks) beside one that is finished; the
 * server asked directly for what a stranger may try, and Chromium for what a person sees and does.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { setCallCeiling } from '../../../activities/call-ceiling';
import { readActions } from '../../../activities/run-actions';
import { runKeys } from '../../../activities/run-records';
import { loadConfig } from '../../../cli/config/load-config';
import { startRun } from '../../../cli/run/start-run';
import { serveUi, type Ui } from '../../../cli/ui/serve';
import type { ArtifactStore } from '../../../drivers/store/store';
import type { Trainer } from '../../../drivers/trainer/trainer';
import { progressQuery } from '../../../workflows/messages';
import { startChromium } from '../../support/chromium';
import { waitFor } from '../../support/cli';
import { writeScriptedLoop } from '../../support/loop-config';
import { makeRun, trainer } from '../../support/made-run';
import { Platform } from '../../support/platform';
import { startTestS3, type TestS3 } from '../../support/s3';
import { quietRuntime } from '../../support/temporal';

jest.setTimeout(10 * 60_000);

/** What a person waits for on the page: a look every two seconds, on a busy machine. */
const patience = { timeout: 120_000 };
const secret = 'sk-abcdefghijklmnopqrstuvwxyz0123456789';

let folder: string;
let s3: TestS3;
let store: ArtifactStore;
let platform: Platform;
let browser: Browser;
let ui: Ui;
let origin: string;

/** Steps of the alignment go on while the test looks, one a tenth of a second; it ends when the test says so. */
const ending = new AbortController();
const { signal: trainingMayEnd } = ending;
const stepping: Trainer = {
  async train(job, onProgress, signal) {
    for (let step = 1; job.kind === 'dpo' && step < 10_000 && !trainingMayEnd.aborted; step += 1) {
      signal.throwIfAborted();
      const metrics = { loss: 0.7 / Math.sqrt(step), rewards_margins: Math.log(step), learning_rate: 1e-3 };
      onProgress({ phase: 'step', step, maxSteps: 10_000, metrics });
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    return trainer.train(job, onProgress, signal);
  },
};

beforeAll(async () => {
  quietRuntime();
  process.env['ARTE_ACTOR'] = 'ana@test';
  folder = mkdtempSync(join(tmpdir(), 'arte-ui-test-'));
  [browser, s3] = await Promise.all([startChromium(), startTestS3()]);
  store = s3.fresh();
  await makeRun(store, folder, { runId: 'finished', teacher: { p_malformed: 0.2 }, student: { p_without: 0.4 } });
  // What a run may leave when an endpoint repeats its key.
  const failure = {
    code: 'EndpointUnauthorized',
    what: `The key ${secret} is refused.`,
    why: '<b>no</b>',
    next: 'Set it.',
  };
  await store.putDocument(runKeys.progress('parked'), {
    ...{
      runId: 'parked',
      status: 'NEEDS_ATTENTION',
      round: 1,
      rounds: 1,
      current: [],
      startedAt: '2026-01-01T00:00:00.000Z',
    },
    attention: { stage: 'evaluate', since: '2026-01-01T00:00:00.000Z', error: { ...failure, retryable: false } },
  });
  platform = await Platform.open(store, join(folder, 'work'), stepping);
  ui = await serveUi(platform.session, { host: '127.0.0.1', port: 0 });
  origin = `http://127.0.0.1:${ui.port}`;
  const path = writeScriptedLoop(folder, {
    ...{ name: 'live', model: 'embedded:SmolLM2-135M-Instruct', student: { latency_ms: 150, max_in_flight: 4 } },
    change: (config) => {
      config['arms'] = ['untuned'];
      config['rounds'] = { count: 1, approval: 'every' };
      const { teacher } = config['models'] as Record<'teacher', Record<string, unknown>>;
      teacher['price'] = { input: 1, output: 2 };
    },
  });
  // One call at a time, so that there is a scoring to be seen; a person lifts it later.
  await setCallCeiling(store, 'live', 1);
  await startRun(platform.session, await loadConfig(path, { env: {}, purpose: 'run' }), 'live');
});
afterAll(async () => {
  ending.abort();
  await ui.close();
  await platform.close();
  await browser.close();
  store.close();
  await s3.stop();
  rmSync(folder, { recursive: true, force: true });
  delete process.env['ARTE_ACTOR'];
});

const bearer = (): Record<string, string> => ({ authorization: `Bearer ${ui.token}` });

interface Answered {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** A request as any program could make it, with headers that a browser would not let a page set. */
function send(method: string, path: string, headers: Record<string, string> = {}, body = ''): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const sent = request(`${origin}${path}`, { method, headers }, (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, headers: response.headers }));
    });
    sent.on('error', reject);
    sent.end(method === 'POST' ? body : undefined);
  });
}

const order = (said: object, headers: Record<string, string> = {}, runId = 'live'): Promise<Answered> =>
  send(
    'POST',
    `/orders/${runId}`,
    { origin, 'content-type': 'application/json', ...bearer(), ...headers },
    JSON.stringify(said),
  );

async function opened(path = '#/', colorScheme: 'light' | 'dark' = 'light', width = 1100): Promise<Page> {
  const context = await browser.newContext({ colorScheme, viewport: { width, height: 900 } });
  context.setDefaultTimeout(patience.timeout);
  const page = await context.newPage();
  await page.goto(ui.url);
  await page.waitForSelector('main:not([aria-busy])');
  if (path !== '#/') await page.goto(`${origin}/${path}`);
  await page.waitForSelector(path.startsWith('#/runs/') ? '.facts' : 'h1');
  return page;
}

const statusOf = async (runId = 'live'): Promise<string> =>
  (await platform.session.client.workflow.getHandle(runId).query(progressQuery)).status;

// ---- strangers ---------------------------------------------------------------------------------------------------

describe('a stranger', () => {
  it('gets an empty page, and 401 for everything else', async () => {
    for (const path of ['/', '/app.js', '/style.css']) {
      const { status, body } = await send('GET', path);
      expect([path, status]).toEqual([path, 200]);
      for (const word of [ui.token, folder, '>finished<', '>live<', '>parked<']) expect(body).not.toContain(word);
    }
    const ways: [string, string][] = [
      ['GET', '/view'],
      ['GET', '/view/runs/live'],
      ['GET', '/view/runs/finished/rows/arte:0'],
      ['GET', '/view/beside/live,finished'],
      ['GET', '/report/finished'],
      ['GET', '/no-such-place'],
      ['POST', '/session'],
      ['POST', '/orders/live'],
      ['DELETE', '/orders/live'],
    ];
    const wrong = [
      {},
      { authorization: 'Bearer ' },
      { authorization: `Bearer ${ui.token.slice(1)}` },
      { cookie: `arte-reports-${ui.port}=x` },
    ];
    for (const [method, path] of ways)
      for (const headers of wrong) {
        const { status, body } = await send(
          method,
          path,
          { origin, 'content-type': 'application/json', ...headers },
          '{"order":"cancel"}',
        );
        expect([method, path, headers, status]).toEqual([method, path, headers, 401]);
        expect(body).not.toMatch(/live|finished/);
      }
    expect((await readActions(store, 'live')).map(({ action }) => action)).toEqual(['start']);
  });

  it('is refused under another name of this machine, whatever it carries', async () => {
    for (const host of [`evil.example:${ui.port}`, '127.0.0.1', `127.0.0.1:${ui.port + 1}`, 'localhost.evil.example'])
      for (const path of ['/', '/view', '/report/finished'])
        expect((await send('GET', path, { ...bearer(), host })).status).toBe(403);
    expect((await send('GET', '/view', { ...bearer(), host: `localhost:${ui.port}` })).status).toBe(200);
  });

  it('gives no order from another page, nor as anything but JSON', async () => {
    const origins = [
      'http://evil.example',
      'null',
      `http://localhost:${ui.port}`,
      `https://127.0.0.1:${ui.port}`,
      `http://127.0.0.1:${ui.port + 1}`,
    ];
    for (const each of origins) expect((await order({ order: 'cancel' }, { origin: each })).status).toBe(403);
    expect((await send('POST', '/orders/live', { ...bearer(), 'content-type': 'application/json' }, '{}')).status).toBe(
      403,
    );
    expect((await order({ order: 'cancel' }, { 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await order({ order: 'cancel' }, { 'content-type': 'text/plain' })).status).toBe(415);
    expect((await order({ order: 'cancel', reason: 'x'.repeat(300 * 1024) })).status).toBe(413);
    for (const said of [{ order: 'delete' }, { order: 'budget' }, { order: 'pause', more: 1 }, []])
      expect((await order(said)).status).toBe(400);
    expect(await statusOf()).toBe('RUNNING');
  });

  it('finds no secret, and a policy that lets nothing in', async () => {
    const { headers, body, status } = await send('GET', '/view/runs/parked', bearer());
    expect(status).toBe(200);
    expect(body).toContain('The key [removed] is refused.');
    expect(body).not.toContain(secret);
    expect(body).toContain('&lt;b&gt;no&lt;/b&gt;');
    const policy = String(headers['content-security-policy']);
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'"])
      expect(policy).toContain(rule);
    expect(policy).not.toContain('unsafe');
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
    const { accessKeyId, secretAccessKey } = s3.options.credentials;
    for (const path of ['/view', '/view/runs/live', '/view/runs/finished']) {
      const text = (await send('GET', path, bearer())).body;
      for (const word of [accessKeyId, secretAccessKey, ui.token]) expect(text).not.toContain(word);
    }
  });

  it('with the cookie for reports reads reports and nothing else', async () => {
    const { status, headers } = await send('POST', '/session', { origin, ...bearer() });
    expect(status).toBe(204);
    const [set = ''] = headers['set-cookie'] as string[];
    expect(set).toMatch(/HttpOnly; SameSite=Strict; Path=\/report\/$/);
    expect(set).not.toContain(ui.token);
    const cookie = set.split(';')[0]!;
    const report = await send('GET', '/report/finished', { cookie });
    expect([report.status, report.body.includes('finished: report')]).toEqual([200, true]);
    expect(String(report.headers['content-security-policy'])).not.toContain('script-src');
    expect((await send('GET', '/view', { cookie })).status).toBe(401);
    expect(
      (await send('POST', '/orders/live', { cookie, origin, 'content-type': 'application/json' }, '{"order":"cancel"}'))
        .status,
    ).toBe(401);
    const none = await send('GET', '/report/live', { cookie });
    expect([none.status, none.body]).toEqual([404, expect.stringContaining('There is no report of live.')]);
  });
});

// ---- a person ----------------------------------------------------------------------------------------------------

describe('a person', () => {
  it('sees the run at work, and its speed as it goes on', async () => {
    const page = await opened();
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    expect(new URL(page.url()).hash).toBe('#/');
    await page.getByRole('row', { name: /live/ }).getByText('running').waitFor();
    await page.getByRole('link', { name: 'live', exact: true }).click();
    await page.getByRole('heading', { level: 1, name: /live/ }).waitFor();
    await page.getByRole('heading', { level: 3, name: 'score-drafts' }).waitFor();
    expect(await page.title()).toBe('live: running');
    const speed = page.locator('svg[aria-labelledby^="rows-speed"] g', { hasText: 'score-drafts' }).locator('polyline');
    const points = async (): Promise<number> => ((await speed.getAttribute('points')) ?? '').split(' ').length;
    await speed.waitFor({ state: 'attached' });
    const before = await points();
    await waitFor('the curve to grow', patience.timeout, async () => ((await points()) > before ? true : undefined));
    await page.locator('#live[data-live=yes]').waitFor();
    expect(await page.locator('#live-words').textContent()).toMatch(/^live, as of \d\d:\d\d:\d\d UTC$/);
    expect(await page.locator('.facts time').textContent()).toMatch(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('pauses it by a button, with a reason; what does not fit is refused with the reason', async () => {
    const page = await opened('#/runs/live');
    const dialog = page.getByRole('dialog');
    await page.getByRole('button', { name: 'Pause' }).click();
    await dialog.getByLabel('Why (optional)').fill('the machine is needed');
    await dialog.getByRole('button', { name: 'Pause' }).click();
    await dialog.waitFor({ state: 'hidden' });
    expect(await statusOf()).toBe('PAUSED');
    await page
      .locator('#answer')
      .getByText(/run live (is paused|pauses when)/)
      .waitFor();
    await page.locator('.notice').getByText('Paused since').waitFor();
    expect(await page.locator('.notice').textContent()).toContain('by ana@test: the machine is needed');
    await page.getByText('pause', { exact: true }).waitFor();
    expect((await readActions(store, 'live')).at(-1)).toMatchObject({
      ...{ action: 'pause', by: 'ana@test', reason: 'the machine is needed' },
    });

    await page.getByRole('button', { name: 'Pause' }).click();
    await dialog.getByRole('button', { name: 'Pause' }).click();
    const refusal = dialog.getByRole('alert');
    await refusal.waitFor();
    expect(await refusal.textContent()).toContain('The run live is PAUSED: there is nothing to pause.');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    expect((await readActions(store, 'live')).map(({ action }) => action)).toEqual(['start', 'pause']);
    await page.context().close();
  });

  it('is told of a refusal that comes after the form was closed, and loses nothing of the next form', async () => {
    const page = await opened('#/runs/live');
    const dialog = page.getByRole('dialog');
    let answer: () => void = () => undefined;
    const later = new Promise<void>((resolve) => (answer = resolve));
    await page.route('**/orders/**', async (route) => {
      await later;
      await route.continue();
    });
    await page.getByRole('button', { name: 'Pause' }).click();
    await dialog.getByRole('button', { name: 'Pause' }).click();
    await page.keyboard.press('Escape');
    await page.getByRole('button', { name: 'Set budget' }).click();
    await dialog.getByLabel('New cap').fill('12');
    answer();
    await page.locator('#answer').getByText('The run live is PAUSED: there is nothing to pause.').waitFor();
    expect(await dialog.getByLabel('New cap').inputValue()).toBe('12');
    await page.context().close();
  });

  it('changes its config, cap and ceiling while it rests, and is told what cannot be', async () => {
    const page = await opened('#/runs/live');
    const dialog = page.getByRole('dialog');
    const ask = async (button: string, fill: () => Promise<void>): Promise<string> => {
      await page.getByRole('button', { name: button, exact: true }).click();
      await fill();
      await dialog.getByRole('button', { name: button, exact: true }).click();
      const shown = dialog.locator('[data-answer]:is([role=alert], :has(p))');
      await Promise.race([shown.waitFor(), dialog.waitFor({ state: 'hidden' })]);
      const text = (await shown.isVisible()) ? await shown.textContent() : await page.locator('#answer').textContent();
      if (await dialog.isVisible()) await dialog.getByRole('button', { name: 'Close' }).click();
      return text ?? '';
    };
    const settings = dialog.getByLabel('Settings to change');
    expect(await ask('Retry', () => settings.fill('align.batchsize=8'))).toContain('batch_size');
    const dry = await ask('Retry', async () => {
      await settings.fill('rounds.approval=off\n');
      await dialog.getByLabel('only say what it would change').check();
    });
    expect(dry).toContain('rounds.approval: "every" -> "off"');
    expect(dry).toContain('Nothing was changed');
    expect(await ask('Set budget', () => dialog.getByLabel('New cap').fill('much'))).toContain('no amount of money');
    expect(await ask('Set budget', () => dialog.getByLabel('New cap').fill('12.50'))).toMatch(
      /budget: .* of 12\.50 USD spent/,
    );
    expect(await ask('Set concurrency', () => dialog.getByLabel('Calls at most').fill('3'))).toContain(
      'at most 3 calls',
    );
    expect(await ask('Approve', async () => undefined)).toContain('PAUSED');
    expect((await readActions(store, 'live')).slice(2).map(({ action, set }) => [action, set])).toEqual([
      ['budget', ['12.5']],
      ['concurrency', ['3']],
    ]);
    await page.getByText('at most 3 calls in flight').first().waitFor();
    await page.locator('.tiles').getByText('of 12.50 USD').waitFor();
    expect(await statusOf()).toBe('PAUSED');
    await page.context().close();
  });

  it('goes the whole way by keyboard: to the run, to the order, through its form, and back', async () => {
    const page = await opened();
    const focused = page.locator(':focus');
    const reach = async (name: RegExp): Promise<void> => {
      for (let step = 0; step < 40; step += 1) {
        await page.keyboard.press('Tab');
        const text = `${(await focused.getAttribute('aria-label')) ?? ''} ${(await focused.textContent()) ?? ''}`;
        if (!name.test(text)) continue;
        // What has the focus is seen to have it.
        const outline = await focused.evaluate(
          (element) => (globalThis as unknown as InBrowser).getComputedStyle(element).outlineStyle,
        );
        expect(outline).toBe('solid');
        return;
      }
      throw new Error(`Tab does not lead to ${String(name)}`);
    };
    await page.keyboard.press('Tab');
    expect(await focused.textContent()).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await focused.getAttribute('id')).toBe('main');
    await reach(/^\s*live$/);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 1, name: /live/ }).waitFor();
    // Where the page begins, for those who hear it.
    await waitFor('the heading to have the focus', 10_000, async () =>
      (await focused.evaluateAll((all) => all.map(({ tagName }) => tagName))).includes('H1') ? true : undefined,
    );
    await reach(/Resume/);
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'Resume: live' });
    await dialog.waitFor();
    expect(await focused.getAttribute('name')).toBe('reason');
    await page.keyboard.type('by keyboard');
    await page.keyboard.press('Enter');
    await dialog.waitFor({ state: 'hidden' });
    expect(await focused.textContent()).toBe('Resume');
    await waitFor('the run to go on', patience.timeout, async () =>
      (await statusOf()) === 'RUNNING' ? true : undefined,
    );
    await page
      .locator('#said')
      .getByText(/live is running/)
      .waitFor({ state: 'attached' });
    expect((await readActions(store, 'live')).at(-1)).toMatchObject({ action: 'resume', reason: 'by keyboard' });
    await page.context().close();
  });

  it('sees how the alignment learns, step by step, and what is typed and opened stays through it', async () => {
    await order({ order: 'concurrency', calls: 'none' });
    const page = await opened('#/runs/live');
    await page.getByRole('heading', { level: 3, name: 'train-dpo' }).waitFor();
    await page.getByLabel('Row', { exact: true }).fill('half a na');
    await page.locator('details[data-key=row-links] summary').click();
    for (const plot of ['loss', 'margin']) {
      const curve = page.locator(`svg[aria-labelledby^="${plot}-title"]`);
      const points = async (): Promise<number> =>
        ((await curve.locator('polyline').last().getAttribute('points')) ?? '').split(' ').length;
      await curve.locator('polyline').first().waitFor({ state: 'attached' });
      // Finished trainings stand before the one that is under way.
      // The training has begun again since it was paused: what it had done after its last checkpoint goes from the curve first.
      let fewest = Infinity;
      await waitFor(`the ${plot} to grow`, patience.timeout, async () => {
        const now = await points();
        fewest = Math.min(fewest, now);
        return now > fewest ? true : undefined;
      });
      expect(await curve.getAttribute('role')).toBe('img');
      expect(await curve.locator('desc').textContent()).toMatch(/train-dpo, round 1: from .* to .* at step \d+/);
    }
    expect(await page.getByLabel('Row', { exact: true }).inputValue()).toBe('half a na');
    expect(await page.locator('details[data-key=row-links][open] a').count()).toBeGreaterThan(3);
    expect(await page.getByRole('progressbar', { name: 'train-dpo' }).isVisible()).toBe(true);
    await page.context().close();
  });

  it('opens a row as arte trace shows it, and the report', async () => {
    const page = await opened('#/runs/finished');
    await page.getByLabel('Row', { exact: true }).fill('arte-0shot:3');
    await page.getByRole('button', { name: 'Open the row' }).click();
    await page.getByRole('heading', { level: 1, name: /prediction evaluate\/arte-0shot:3, round 1/ }).waitFor();
    const text = (await page.locator('main').textContent()) ?? '';
    for (const word of ['row key', 'sampling', 'prompt', 'answer', 'outcome', 'arte trace finished'])
      expect(text).toContain(word);
    await page.getByRole('link', { name: 'next row' }).click();
    await page.getByRole('heading', { level: 1, name: /arte-0shot:4/ }).waitFor();
    await page.goto(`${origin}/#/runs/finished/rows/build-pairs:0?round=1`);
    await page.getByRole('heading', { level: 2, name: /^chosen: / }).waitFor();
    await page.goto(`${origin}/#/runs/finished/rows/no-such-row`);
    await page.getByText('finished has no row no-such-row').waitFor();
    await page.goto(`${origin}/#/runs/finished`);
    const [report] = await Promise.all([
      page.context().waitForEvent('page'),
      page.getByRole('link', { name: /report/ }).click(),
    ]);
    await report.waitForLoadState();
    expect(await report.title()).toBe('finished: report');
    expect(await report.locator('svg').count()).toBeGreaterThan(2);
    await page.context().close();
  });

  it('lays runs side by side, live', async () => {
    const page = await opened();
    await page.getByLabel('Lay live side by side').check();
    await page.getByLabel('Lay finished side by side').check();
    // The marks stay while the list is renewed.
    const seen = await page.locator('#live-words').textContent();
    await waitFor('a newer look', patience.timeout, async () =>
      (await page.locator('#live-words').textContent()) === seen ? undefined : true,
    );
    await page.getByRole('button', { name: 'Lay the marked runs side by side' }).click();
    await page.getByRole('heading', { level: 1, name: 'Side by side' }).waitFor();
    const columns = await page.locator('thead th').allTextContents();
    expect(columns.slice(1).sort()).toEqual(['finished', 'live']);
    const row = page.getByRole('row', { name: /^Status/ });
    expect((await row.locator('td').allTextContents()).sort()).toEqual(['done', 'running']);
    await page.locator('svg[aria-labelledby^="loss-0"] polyline').first().waitFor({ state: 'attached' });
    await page.context().close();
  });

  it('cancels it; the page says so', async () => {
    const page = await opened('#/runs/live');
    await page.getByRole('button', { name: 'Cancel run' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Cancel run' }).click();
    await page.locator('h1').getByText('cancelled').waitFor();
    expect((await readActions(store, 'live')).at(-1)).toMatchObject({ action: 'cancel', by: 'ana@test' });
    await page.context().close();
  });
});

// ---- every reader ------------------------------------------------------------------------------------------------

const addresses = [
  '#/',
  '#/runs/live',
  '#/runs/finished',
  '#/runs/parked',
  '#/beside/live,finished',
  '#/runs/finished/rows/arte:0',
];

describe('every reader', () => {
  it.each(addresses)('%s: finds a name for everything that can be used, and one heading at the top', async (path) => {
    const page = await opened(path);
    const nameless = await page
      .locator('button, a[href], input, textarea, progress, svg, table, dialog, [role=region], [role=group]')
      .evaluateAll((all) =>
        all
          .filter((element) => {
            const named = element as unknown as { labels?: { length: number }; textContent: string };
            const by = element.getAttribute('aria-labelledby');
            const said = [
              element.getAttribute('aria-label') ?? '',
              (by ?? '').split(' ').some((id: string) => element.ownerDocument.getElementById(id)) ? 'named' : '',
              (named.labels?.length ?? 0) > 0 ? 'labelled' : '',
              ['BUTTON', 'A'].includes(element.tagName) ? named.textContent.trim() : '',
              element.querySelector('caption')?.textContent ?? '',
            ];
            // Its heading comes with its form.
            return said.every((each) => each === '') && element.tagName !== 'DIALOG';
          })
          .map((element) => element.outerHTML.slice(0, 100)),
      );
    expect(nameless).toEqual([]);
    expect(await page.locator('h1').count()).toBe(1);
    const ids = await page.locator('[id]').evaluateAll((all) => all.map(({ id }) => id));
    expect(ids.filter((id, index) => ids.indexOf(id) !== index)).toEqual([]);
    expect((await page.locator('main').textContent())!).not.toMatch(/NaN|undefined|\[object/);
    await page.context().close();
  });

  it.each(addresses)('%s: reads it on a telephone, and from far away, without going sideways', async (path) => {
    for (const width of [360, 1375]) {
      const page = await opened(path, 'light', width);
      const { scrollWidth, clientWidth } = await page.evaluate(
        () => (globalThis as unknown as InBrowser).document.documentElement,
      );
      expect([width, scrollWidth]).toEqual([width, clientWidth]);
      await page.context().close();
    }
  });

  it.each(['light', 'dark'] as const)('can read it in %s', async (scheme) => {
    const page = await opened('#/runs/live', scheme);
    const colors = await page.evaluate(() => {
      const { document, getComputedStyle: styleOf } = globalThis as unknown as InBrowser;
      const of = (selector: string): readonly [string, string, string] => [
        selector,
        styleOf(document.querySelector(selector)).color,
        styleOf(document.querySelector('section')).backgroundColor,
      ];
      return ['h1', '.badge', '.facts', 'thead th', '.orders button', '.orders button.fits', '.hint', '.tiles dt'].map(
        of,
      );
    });
    for (const [selector, text, ground] of colors) {
      const [high, low] = [luminance(text), luminance(ground)].sort((one, other) => other - one) as [number, number];
      // WCAG AA for text.
      expect([selector, (high + 0.05) / (low + 0.05) > 4.5]).toEqual([selector, true]);
    }
    await page.context().close();
  });
});

it('what is old is said to be old: without an engine the last picture stays, with the reason', async () => {
  const page = await opened('#/runs/finished');
  await ui.close();
  await page.locator('#live[data-live=no]').getByText('arte ui does not answer').waitFor();
  await page.getByRole('heading', { level: 1, name: /finished/ }).waitFor();
  await page.context().close();
});

/** What the functions above use of the browser that runs them; the project is compiled without the DOM. */
interface InBrowser {
  readonly getComputedStyle: (
    element: unknown,
  ) => Readonly<Record<'outlineStyle' | 'color' | 'backgroundColor', string>>;
  readonly document: {
    querySelector(selector: string): unknown;
    readonly documentElement: { readonly scrollWidth: number; readonly clientWidth: number };
  };
}

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = (color.match(/\d+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
