/**
 * `arte watch` on a terminal: all runs, one run, the keys, and the orders that they give. Owns what is on the screen at any moment and what a key
 * sets in motion; the look of it is run-screen.ts and runs-screen.ts, the terminal is terminal.ts, what is allowed is decided where the run is.
 *
 * Invariants:
 * 1. Leaving never touches a run: only an order does, and it goes the way that the command of its name goes.
 * 2. A platform that does not answer is said and asked again; it ends nothing.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { dataDirectory, makeDataFolder } from '../../drivers/local/directories';
import { ArteError } from '../../schemas/errors';
import type { RunProgress } from '../../schemas/messages';
import type { JudgedDecision, VerdictOrder } from '../../schemas/run-action';
import { orderFor } from '../actor';
import { asTyped } from '../called-as';
import { approveOrder } from '../commands/approve';
import { pauseOrder } from '../commands/pause';
import { rejectOrder } from '../commands/reject';
import { resumeOrder } from '../commands/resume';
import { fullDiskFix, fullDiskSaid } from '../doctor/full-disk';
import { listRuns } from '../run/list-runs';
import { openOnDesktop } from '../open-on-desktop';
import type { Colors } from '../output';
import type { Session } from '../session';
import { steer, type SteeringCommand } from '../run/steer-run';
import { writeReportPage } from '../report/write-report';
import { RunFollower } from './follow-run';
import type { Asking, Saying } from './frame';
import { helpScreen } from './help-screen';
import { commandOf, type Command, type Picture, type Press } from './keys';
import { typed } from './reason-line';
import { runScreen } from './run-screen';
import { inListOrder, runsScreen } from './runs-screen';
import { openTerminal, type Terminal, type TerminalStreams } from './terminal';
import type { WatchedRun } from './watched-run';

/** How often a run is looked at; each look is a few requests to the engine. */
const lookMs = 1_000;
/** The list asks about every run that has not ended, and is looked at for longer. */
const listLookMs = 2_000;

/** What was on the screen when it was left. */
export interface Left {
  /** The run that was looked at; undefined of the list. */
  readonly watched: WatchedRun | undefined;
}

/**
 * Show one run, or all of them, until the person leaves. Errors: those of the first look (RunNotFound, the platform's); later ones are shown.
 */
export async function watchOnScreen(
  session: Session,
  runId: string | undefined,
  streams: TerminalStreams,
  color: Colors,
): Promise<Left> {
  const screen = new FullScreen(session, runId, color);
  // What is wrong from the start is said where it stays: before the screen is taken.
  await screen.look();
  const terminal = openTerminal({
    ...streams,
    onPress: (press) => screen.press(press),
    onResize: () => screen.draw(),
  });
  try {
    return await screen.show(terminal);
  } finally {
    terminal.close();
  }
}

class FullScreen {
  private terminal: Terminal | undefined;
  private follower: RunFollower | undefined;
  private watched: WatchedRun | undefined;
  private runs: readonly RunProgress[] | undefined;
  private selected: string | undefined;
  private helping = false;
  private saying: Saying | undefined;
  /** What is said of a look that failed: no longer so once one succeeds. */
  private cannotLook: Saying | undefined;
  private asking: Asking | undefined;
  /** What the reason that is being typed is about: while it is, somebody else may judge it, and the next round ask. */
  private askedAbout: JudgedDecision = {};
  /** The order that is being carried out: one at a time. */
  private ordering: string | undefined;
  private left = false;
  /** An error that is nobody's but ours: it ends the watching. */
  private broken: Error | undefined;
  private waking = new AbortController();

  constructor(
    private readonly session: Session,
    runId: string | undefined,
    private readonly color: Colors,
  ) {
    if (runId !== undefined) this.follower = new RunFollower(session, runId);
    this.canGoBack = runId === undefined;
  }

  private readonly canGoBack: boolean;

  async show(terminal: Terminal): Promise<Left> {
    this.terminal = terminal;
    this.draw();
    while (!this.isOver()) {
      await sleep(this.follower ? lookMs : listLookMs, undefined, { signal: this.waking.signal }).catch(
        () => undefined,
      );
      if (this.isOver()) break;
      this.waking = new AbortController();
      try {
        await this.look();
        if (this.saying === this.cannotLook) this.saying = undefined;
        this.cannotLook = undefined;
      } catch (error) {
        const disk = await fullDiskSaid();
        this.say(
          'refused',
          `cannot look, trying again: ${disk === undefined ? messageOf(error) : `${disk} ${fullDiskFix}`}`,
        );
        this.cannotLook = this.saying;
      }
      this.draw();
    }
    if (this.broken !== undefined) throw this.broken;
    return { watched: this.watched };
  }

  async look(): Promise<void> {
    const { follower } = this;
    if (follower) {
      const watched = await follower.look();
      // The person may have gone back to the list meanwhile.
      if (this.follower === follower) this.watched = watched;
      return;
    }
    const runs = inListOrder(await listRuns(this.session));
    if (this.follower) return;
    this.runs = runs;
    if (!runs.some((run) => run.runId === this.selected)) this.selected = runs[0]?.runId;
  }

  draw(): void {
    const { terminal, color, saying, asking, follower, canGoBack } = this;
    if (!terminal) return;
    const size = terminal.size();
    const bottom = { saying, asking };
    const lines = this.helping
      ? helpScreen(follower ? 'run' : 'runs', bottom, size, color)
      : follower
        ? runScreen(follower.runId, this.watched, { ...bottom, canGoBack }, size, color)
        : runsScreen(this.runs, this.selected, bottom, size, color);
    terminal.draw(lines);
  }

  press(press: Press): void {
    try {
      if (this.asking) this.type(this.asking, press);
      else this.obey(commandOf(press, this.picture()));
      this.draw();
    } catch (error) {
      this.broken = error instanceof Error ? error : new Error(String(error));
      this.wake();
    }
  }

  // ---- keys --------------------------------------------------------------------------------------------------------

  private picture(): Picture {
    if (this.helping) return 'help';
    return this.follower ? 'run' : 'runs';
  }

  private obey(command: Command | undefined): void {
    switch (command) {
      case undefined:
        return;
      case 'quit':
      case 'interrupt':
        this.left = true;
        this.wake();
        return;
      case 'help':
        this.helping = !this.helping;
        return;
      case 'pause':
        this.order(pauseOrder);
        return;
      case 'resume':
        this.order(resumeOrder);
        return;
      case 'approve':
        this.order(approveOrder, undefined, this.shownDecision());
        return;
      case 'reject':
        this.askedAbout = this.shownDecision();
        this.asking = { question: 'Why is the round rejected?', text: '' };
        return;
      case 'report':
        this.writeReport();
        return;
      case 'back':
        this.backToList();
        return;
      case 'open':
        this.openSelected();
        return;
      case 'up':
      case 'down':
      case 'first':
      case 'last':
        this.select(command);
    }
  }

  private type(asking: Asking, press: Press): void {
    const typing = typed(asking.text, press);
    if (typing.kind === 'typing') {
      this.asking = { ...asking, text: typing.text };
      return;
    }
    this.asking = undefined;
    if (typing.kind === 'dropped') this.say('note', 'not rejected');
    // A key and Enter by mistake must not end a run; the command line needs a reason, too.
    else if (typing.text === '') this.say('refused', 'not rejected: a reason belongs to it, for whoever asks later');
    else this.order(rejectOrder, typing.text, this.askedAbout);
  }

  private select(command: 'up' | 'down' | 'first' | 'last'): void {
    const runs = this.runs ?? [];
    const at = runs.findIndex(({ runId }) => runId === this.selected);
    const to = { up: at - 1, down: at + 1, first: 0, last: runs.length - 1 }[command];
    this.selected = runs[Math.max(0, Math.min(to, runs.length - 1))]?.runId;
  }

  private openSelected(): void {
    if (this.selected === undefined) return;
    this.follower = new RunFollower(this.session, this.selected);
    this.watched = undefined;
    this.saying = undefined;
    this.wake();
  }

  private backToList(): void {
    if (!this.canGoBack) return;
    this.follower = undefined;
    this.watched = undefined;
    this.saying = undefined;
    this.wake();
  }

  // ---- what takes a while ------------------------------------------------------------------------------------------

  /** The decision that the person sees waiting. */
  private shownDecision(): JudgedDecision {
    const approval = this.watched?.view.progress.approval;
    return approval === undefined ? {} : { round: approval.round, key: approval.key };
  }

  private order({ name, update, done }: SteeringCommand, reason?: string, about: JudgedDecision = {}): void {
    const { follower, session } = this;
    if (!follower) return;
    const { runId } = follower;
    this.inBackground(`${name}: the order is given to ${runId}`, async () => {
      const began = Date.now();
      const given: VerdictOrder = { ...orderFor({ reason }), ...about };
      const progress = await steer(session, runId, update, given, name);
      const [said = ''] = done(progress, (Date.now() - began) / 1000);
      return said;
    });
  }

  private writeReport(): void {
    const { follower, session } = this;
    if (!follower) return;
    const { runId } = follower;
    this.inBackground('report: it is being written', async () => {
      const folder = join(dataDirectory(), 'reports');
      makeDataFolder(dataDirectory(), folder);
      const path = join(folder, `${runId}.html`);
      // In a folder of ours, and by an older version without the mark of a report page.
      await rm(path, { force: true });
      await writeReportPage(session.store, runId, path);
      const opened = await openOnDesktop(path);
      return opened ? `the report is ${path}, and is being opened` : `the report is ${path}`;
    });
  }

  /** Do it while the picture goes on; what comes of it, a refusal too, is said above the keys. */
  private inBackground(what: string, work: () => Promise<string>): void {
    if (this.ordering !== undefined) {
      this.say('refused', `wait for it: ${this.ordering}`);
      return;
    }
    this.ordering = what;
    this.say('note', what);
    void work()
      .then(
        (said) => this.say('done', said),
        (error: unknown) => this.say('refused', refusalOf(error)),
      )
      .finally(() => {
        this.ordering = undefined;
        this.wake();
        this.draw();
      });
  }

  private say(kind: Saying['kind'], text: string): void {
    this.saying = { kind, text: asTyped(text) };
  }

  private isOver(): boolean {
    return this.left || this.broken !== undefined;
  }

  /** Look, or leave, without waiting for the next time. */
  private wake(): void {
    this.waking.abort();
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What was refused, and why. */
function refusalOf(error: unknown): string {
  if (!(error instanceof ArteError)) return messageOf(error);
  const { what, why, next } = error.data;
  return [what, why, next].filter((text) => text !== '').join(' ');
}
