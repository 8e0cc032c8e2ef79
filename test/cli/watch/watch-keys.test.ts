/**
 * Goal: the keys of `arte watch` steer a real run, an order that does not fit is refused with its reason on the screen, and leaving, however it
 * happens, leaves the run at work and the terminal as it was.
 * Method: the command in a real pseudo-terminal against a real Temporal and S3; models by script, a trainer that leaves a few bytes. What a key
 * has done is read from the run and its records, not only from the screen.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readActions } from '../../../activities/run-actions';
import { withStallDump } from '../../../activities/stall-dump';
import { loadConfig } from '../../../cli/config/load-config';
import { startRun } from '../../../cli/run/start-run';
import { createS3Store } from '../../../drivers/store/s3';
import type { ArtifactStore } from '../../../drivers/store/store';
import { packageRoot } from '../../../drivers/package-root';
import { StallError } from '../../../schemas/stall-error';
import { progressQuery } from '../../../workflows/messages';
import { writeScriptedLoop } from '../../support/loop-config';
import { Platform } from '../../support/platform';
import { closeTerminals, openPseudoTerminal, type PseudoTerminal } from '../../support/pseudo-terminal';
import { startTestS3, type TestS3 } from '../../support/s3';
import { quietRuntime } from '../../support/temporal';

jest.setTimeout(600_000);

/** On a busy machine a process needs long until it shows something. */
const patienceMs = 240_000;

describe('arte watch on a terminal', () => {
  let folder: string;
  let s3: TestS3;
  let store: ArtifactStore;
  let platform: Platform;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    quietRuntime();
    folder = mkdtempSync(join(tmpdir(), 'arte-watch-'));
    s3 = await startTestS3();
    store = createS3Store({ ...s3.options, prefix: 'watched' });
    platform = await Platform.open(store, join(folder, 'work'));
    const { endpoint, bucket, region, credentials } = s3.options;
    const { DISPLAY: _, WAYLAND_DISPLAY: __, CI: ___, NO_COLOR: ____, ...inherited } = process.env;
    env = {
      ...inherited,
      ...{ TERM: 'xterm-256color', FORCE_COLOR: '', ARTE_ACTOR: 'ana', ARTE_DATA_DIR: join(folder, 'data') },
      ...{ TEMPORAL_ADDRESS: platform.address, ARTE_S3_BUCKET: bucket, ARTE_S3_PREFIX: 'watched' },
      ...{ AWS_ENDPOINT_URL_S3: endpoint, AWS_REGION: region },
      ...{ AWS_ACCESS_KEY_ID: credentials.accessKeyId, AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey },
    };
  });
  afterEach(closeTerminals);
  afterAll(async () => {
    await platform.close();
    store.close();
    await s3.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  async function start(name: string, latencyMs: number, approval: 'off' | 'every'): Promise<void> {
    const path = writeScriptedLoop(folder, {
      ...{ name, model: 'embedded:SmolLM2-135M-Instruct', rounds: 2, seed: name.length },
      student: { latency_ms: latencyMs, max_in_flight: 2 },
      change: (config) => {
        config['arms'] = ['untuned'];
        config['rounds'] = { count: 2, approval };
      },
    });
    await startRun(platform.session, await loadConfig(path, { env: {}, purpose: 'run' }), name);
  }

  const watch = (words: readonly string[], more: NodeJS.ProcessEnv = {}): PseudoTerminal =>
    arte(['watch', ...words], more);

  function arte(words: readonly string[], more: NodeJS.ProcessEnv = {}): PseudoTerminal {
    const fixtures = join(packageRoot(), 'test', 'fixtures');
    const program = [join(fixtures, 'run-typescript.cjs'), join(fixtures, 'run-command.ts')];
    return openPseudoTerminal([process.execPath, '-r', ...program, ...words], {
      ...{ columns: 100, rows: 30, cwd: folder },
      env: { ...env, ...more },
    });
  }

  const statusOf = async (runId: string) => platform.session.client.workflow.getHandle(runId).query(progressQuery);

  it('pauses, resumes, approves, rejects with a reason, writes the report, and says why not', async () => {
    await start('steered', 60, 'every');
    const terminal = watch(['steered']);
    const { screen } = terminal;
    const see = (what: string | RegExp): Promise<void> =>
      terminal.until(
        String(what),
        () => (typeof what === 'string' ? screen.text().includes(what) : what.test(screen.text())),
        patienceMs,
      );

    await see(/▸ score-drafts.*rows/);
    expect(screen).toMatchObject({ isAlternate: true, cursorIsShown: false, hasColors: true });
    expect(screen.extent.columns).toBeLessThanOrEqual(100);
    expect(screen.extent.rows).toBeLessThanOrEqual(30);
    await see('/s, ');
    await see('on scripted/prefers-short');

    terminal.type('a');
    await see('no round of it waits for a word');
    expect((await statusOf('steered')).status).toBe('RUNNING');

    terminal.type('p');
    await see('run steered is paused');
    await see(/steered {2}PAUSED/);
    expect(await statusOf('steered')).toMatchObject({ status: 'PAUSED', current: [], paused: { by: 'ana' } });

    terminal.type('r');
    await see(/steered {2}RUNNING/);
    await see(/NEEDS_APPROVAL {2}round 1 of 2/);

    // A key and Enter by mistake end nothing.
    terminal.type('x\r');
    await see('a reason belongs to it');
    terminal.type('xnot this');
    await see('Why is the round rejected? not this');
    terminal.type('\u001b');
    await terminal.until('no question', () => !screen.text().includes('Why is the round'), patienceMs);
    // Alt with a letter is no letter.
    terminal.type('\u001ba');
    expect((await statusOf('steered')).status).toBe('NEEDS_APPROVAL');
    terminal.type('a');
    await see('round 1 of steered is approved');
    await see(/NEEDS_APPROVAL {2}round 2 of 2/);
    await see(/✓ round 1 .*promoted/);

    // Letters of the reason are no keys.
    terminal.type('xworse: q, p and r');
    await see('Why is the round rejected? worse: q, p and r');
    terminal.type('\r');
    await see(/steered {2}DONE/);
    const actions = await readActions(store, 'steered');
    expect(actions.map(({ action, by, reason }) => [action, by, reason])).toEqual([
      ['start', expect.any(String), undefined],
      ['pause', 'ana', undefined],
      ['resume', 'ana', undefined],
      ['approve', 'ana', undefined],
      ['reject', 'ana', 'worse: q, p and r'],
    ]);

    terminal.type('o');
    const page = join(folder, 'data', 'reports', 'steered.html');
    await see(/the report is/);
    expect(readFileSync(page, 'utf8')).toContain('<!doctype html>');

    terminal.type('p');
    await see('is DONE: there is nothing to pause');
    terminal.type('?');
    await see('Keys, with one run');
    terminal.type(' ');
    await see(/steered {2}DONE/);
    terminal.type('q');
    expect(await terminal.ended).toEqual({ code: 0, signal: null, restored: true });
    expect(screen).toMatchObject({ isAlternate: false, cursorIsShown: true, wraps: true });
    // What was seen last stays.
    expect(screen.text()).toContain('steered  DONE');
    expect(screen.text()).toContain('arte report steered');
  });

  it('shows all runs, opens the selected one, goes back; leaving by key or signal leaves the run at work', async () => {
    await start('early', 2_000, 'off');
    await start('slow', 2_000, 'off');
    await platform.until('slow', ({ current }) => current.some(({ stage }) => stage === 'score-drafts'));
    const terminal = watch([], { NO_COLOR: '1' });
    const { screen } = terminal;
    const see = (what: RegExp): Promise<void> =>
      terminal.until(String(what), () => what.test(screen.text()), patienceMs);
    await see(/arte {2}\d runs/);
    // What is under way stands first, and is selected.
    await see(/▸ slow +RUNNING/);
    terminal.type('\u001b[B');
    await see(/▸ early +RUNNING/);
    terminal.type('k\r');
    await see(/slow {2}RUNNING {2}round 1 of 2/);
    screen.forgetExtent();
    terminal.resize(80, 24);
    await terminal.until(
      'the new size',
      () => screen.lines().length === 24 && screen.extent.columns === 80,
      patienceMs,
    );
    await see(/p pause {2}r resume {2}a approve {2}x reject {2}o report {2}\? help {2}q quit {2}Esc all runs/);
    terminal.type('\u001b');
    await see(/arte {2}\d runs/);
    terminal.type('q');
    expect(await terminal.ended).toEqual({ code: 0, signal: null, restored: true });
    expect(screen.hasColors).toBe(false);

    for (const [leave, ending] of [
      [(at: PseudoTerminal) => at.type('\u0003'), { code: 130, signal: null }],
      [(at: PseudoTerminal) => at.signal('SIGTERM'), { code: null, signal: 15 }],
    ] as const) {
      const other = watch(['slow']);
      await other.until('the run', () => other.screen.text().includes('▸ score-drafts'), patienceMs);
      leave(other);
      expect(await other.ended).toEqual({ ...ending, restored: true });
      expect(other.screen).toMatchObject({ isAlternate: false, cursorIsShown: true, wraps: true });
      expect((await statusOf('slow')).status).toBe('RUNNING');
    }

    // The same terminal, but lines are asked for, or a build machine holds it.
    for (const [words, more] of [
      [['slow', '--plain'], {}],
      [['slow'], { CI: 'true' }],
    ] as const) {
      const plain = watch(words, more);
      await plain.until('a line', () => /\[.*\] score-drafts: /.test(plain.screen.text()), patienceMs);
      expect(plain.screen.isAlternate).toBe(false);
      plain.signal('SIGINT');
      expect(await plain.ended).toEqual({ code: 130, signal: null, restored: true });
    }

    // All runs in lines, until none works.
    const all = watch(['--plain']);
    await all.until(
      'both',
      () => ['slow', 'early'].every((runId) => all.screen.text().includes(`${runId}  RUNNING`)),
      patienceMs,
    );
    for (const runId of ['slow', 'early']) await platform.session.client.workflow.getHandle(runId).cancel();
    expect(await all.ended).toEqual({ code: 0, signal: null, restored: true });
    expect(all.screen.isAlternate).toBe(false);
    expect(all.screen.text()).toMatch(/slow {2}CANCELLED/);
  });

  it('what stood still is named by arte status, on a machine that has not seen it', async () => {
    const facts = { phase: 'step', silentMs: 900_000, limitMs: 900_000, training: { step: 3, maxSteps: 8 } };
    const log = { path: '/elsewhere/trainer.log', lines: ['the last word'] };
    const stall = new StallError('TrainerStalled', { what: 'w', why: 'y', next: 'n' }, { ...facts, log });
    const work = { runId: 'stuck', stage: 'train-dpo', key: 'b'.repeat(64), attempt: '1-0001' };
    const dumps = { dir: join(folder, 'elsewhere', 'stalls'), secrets: [] };
    await start('stuck', 2_000, 'off');
    await platform.until('stuck', ({ current }) => current.some(({ stage }) => stage === 'score-drafts'));
    await expect(withStallDump(store, dumps, work, () => Promise.reject(stall))).rejects.toThrow('written down');
    rmSync(dumps.dir, { recursive: true });
    const status = arte(['status', 'stuck']);
    expect((await status.ended).code).toBe(0);
    expect(status.screen.text()).toMatch(/train-dpo stood still for 15m 0s \(TrainerStalled\)/);
    // A line that is longer than the terminal wraps.
    expect(status.screen.text().replaceAll('\n', '')).toContain(dumps.dir);
    const all = arte(['status', 'stuck', '--stalls']);
    expect((await all.ended).code).toBe(0);
    expect(all.screen.text()).toMatch(/step {5}3 of 8/);
    expect(all.screen.text()).toContain('the last word');
    await platform.session.client.workflow.getHandle('stuck').cancel();
  });

  it('a run that nobody knows is an error that stays on the screen', async () => {
    const terminal = watch(['no-such-run']);
    expect(await terminal.ended).toMatchObject({ code: 2, restored: true });
    expect(terminal.screen.isAlternate).toBe(false);
    expect(terminal.screen.text()).toContain('There is no run no-such-run');
  });
});
