/**
 * A run on the screen: the same few lines for `status`, `watch` and `run`. Owns words and layout; figures come from run-progress.ts.
 * Pure: takes a view and the time, returns text. Invariant: what endpoints and people wrote is in it without anything that a terminal would obey.
 */
import { costOf, hasPrices } from '../../method/ledger';
import type { ErrorData } from '../../schemas/errors';
import type { RunConfig } from '../../schemas/run-config';
import type { StageRecord } from '../../schemas/messages';
import type { RunAction } from '../../schemas/run-action';
import { stageLabel } from '../../schemas/stage-names';
import { foreign } from '../cells';
import type { Colors } from '../output';
import { formatCount, formatSeconds } from '../output';
import { stoppedStages } from './broken-off';
import { minute } from './minute';
import type { LiveStage, RunView } from './run-progress';
import { paceOf, type Rate } from './stage-pace';

/** What the run has spent so far by its finished stages; reused ones cost nothing. */
export function spentSoFar(records: readonly StageRecord[], config: RunConfig | undefined): number {
  if (!config) return 0;
  return records
    .filter((record) => !record.reused)
    .reduce((sum, record) => sum + costOf(record, record.usage, record.paidSeconds ?? 0, config), 0);
}

/** The whole picture, one string per line. */
export function renderRun(
  view: RunView,
  rates: ReadonlyMap<string, Rate>,
  config: RunConfig | undefined,
  color: Colors,
  secondsLeft?: number,
): string[] {
  const { progress } = view;
  const lines = [
    `${color.bold(progress.runId)}  ${statusWord(progress.status, color)}  round ${progress.round} of ${progress.rounds}`,
    '',
  ];
  for (const record of view.finished) lines.push(finishedLine(record, color));
  for (const stage of view.live) lines.push(...liveLines(stage, rates.get(stage.label), color, secondsLeft));
  for (const { label, words } of stoppedStages(progress))
    lines.push(`${color.yellow('‖')} ${label.padEnd(41)} ${words}`);
  const made = view.finished.filter((record) => !record.reused);
  const calls = made.reduce((sum, record) => sum + record.usage.calls, 0);
  const tokens = made.reduce((sum, record) => sum + record.usage.inputTokens + record.usage.outputTokens, 0);
  // Records of an older version have no such count.
  const estimated = made.reduce((sum, { usage }) => sum + (usage.estimatedCalls || 0), 0);
  const counted =
    estimated > 0 ? ` (those of ${formatCount(estimated)} calls are estimates: the server gave no usable ones)` : '';
  // Without prices nothing is known of money, and 0.00 would say that it costs none.
  const cost =
    config && hasPrices(config)
      ? `, cost ${spentSoFar(view.finished, config).toFixed(2)} ${config.platform.currency}`
      : '';
  const which = isOver(progress.status) ? `round ${progress.round}` : 'this round so far';
  lines.push('', color.dim(`${which}: ${formatCount(calls)} calls, ${formatCount(tokens)} tokens${counted}${cost}`));
  if (secondsLeft !== undefined) lines.push(color.dim(endsIn(secondsLeft)));
  lines.push(...unattendedLines(view, color), ...failedLines(view, color));
  if (progress.attention && progress.status === 'NEEDS_ATTENTION') lines.push(...attentionLines(view, color));
  lines.push(...orderLines(view, color));
  return lines;
}

/** `the run ends in about 12m 30s`: by the plan, corrected by what was seen. */
export function endsIn(secondsLeft: number): string {
  return `the run ends in about ${formatSeconds(Math.ceil(secondsLeft))}`;
}

/**
 * The finished stages that no look has shown yet, in the order of their rounds. Between two looks a run goes through whole rounds where their stages come
 * out of the store: a look at the round under way alone would miss the end of every round before it.
 */
export class FinishedStages {
  /** Rounds before this one came to their end before the last look. */
  private round = 1;
  private readonly shown = new Set<string>();

  constructor(private readonly stagesOf: (round: number) => Promise<readonly StageRecord[]>) {}

  async unshown({ progress, finished }: Pick<RunView, 'progress' | 'finished'>): Promise<StageRecord[]> {
    const found: StageRecord[] = [];
    for (let { round } = this; round < progress.round; round += 1) found.push(...(await this.stagesOf(round)));
    // Backwards, too: under a changed config a run begins again in an earlier round.
    this.round = progress.round;
    return [...found, ...finished].filter(({ round, stage, arm, key }) => {
      const name = [round, stage, arm, key].join(' ');
      return !this.shown.has(name) && this.shown.add(name);
    });
  }
}

/** What was said of a stage already, and is not said at length again. */
export interface AlreadySaid {
  readonly trouble?: boolean;
  readonly wave?: boolean;
}

/** One line per event, for terminals that are none: what changed since the last look. */
export function eventLine(
  stage: LiveStage,
  rate: Rate | undefined,
  secondsLeft?: number,
  said: AlreadySaid = {},
): string {
  const { trouble, held } = stage;
  const troubled = said.trouble ? held && `still: ${held}` : trouble;
  const aside = [said.wave ? '' : waveWords(stage), troubled ?? '']
    .filter(Boolean)
    .map((text) => `  (${foreign(text)})`);
  const end = secondsLeft === undefined ? '' : `, ${endsIn(secondsLeft)}`;
  return `${stage.label}: ${amount(stage)}${pace(stage, rate, secondsLeft)}${end}${aside.join('')}`;
}

/** What two troubles have in common that differ in their figures only (`attempt 4`, `for 49 s`). */
export function sameTrouble(trouble: string): string {
  return trouble.replaceAll(/\d+/g, '#');
}

export function finishedLine(record: StageRecord, color: Colors): string {
  const label = stageLabel(record.stage, record.arm);
  const detail = record.reused
    ? color.dim('from the store')
    : [formatSeconds(record.seconds), record.usage.calls > 0 ? `${formatCount(record.usage.calls)} calls` : '']
        .filter(Boolean)
        .join(', ');
  const says = record.says === undefined ? '' : `  ${foreign(record.says)}`;
  return `${color.green('✓')} r${record.round} ${label.padEnd(38)} ${detail}${says}`;
}

function liveLines(stage: LiveStage, rate: Rate | undefined, color: Colors, secondsLeft: number | undefined): string[] {
  const lines = [`${color.cyan('▸')} ${stage.label.padEnd(41)} ${amount(stage)}${pace(stage, rate, secondsLeft)}`];
  const wave = waveWords(stage);
  if (wave !== '') lines.push(color.dim(`    ${wave}`));
  const metrics = Object.entries(stage.metrics)
    .filter(([name]) => /loss|margin|accurac/.test(name))
    .slice(0, 4);
  if (metrics.length > 0)
    lines.push(
      color.dim(`    ${metrics.map(([name, value]) => `${foreign(name)} ${value.toPrecision(3)}`).join('  ')}`),
    );
  if (stage.trouble !== undefined) lines.push(color.yellow(`    ${foreign(stage.trouble)}`));
  return lines;
}

/** What an activity's own words for what it does mean to somebody who watches. */
const phaseWords: Readonly<Record<string, string>> = {
  model: 'waits for its model to be served',
  'model-form': 'its model is made ready to be served',
  'model-turn': 'waits for its model to be served: another model is being asked',
  'model-training': 'waits for its model to be served: a training has the device',
  'model-device': 'waits for its model to be served: another process has the device',
  'model-load': 'its model is being loaded',
  reserve: 'waits for the device: a model is being asked',
  device: 'waits for the device: another process has it',
  working: 'at work, nothing to count',
  load: 'loads model and data',
  checkpoint: 'writes a checkpoint',
  save: 'saves the result',
  upload: 'puts the result into the store',
};

/** `1,234/4,000 rows`, or what it does where nothing is counted. */
export function amount(stage: LiveStage): string {
  const phase = phaseWords[stage.phase] ?? foreign(stage.phase);
  if (stage.total === 0) return phase;
  const of = stage.wave && stage.wave.number > 1 ? ` of wave ${stage.wave.number}` : '';
  return `${formatCount(stage.done)}/${formatCount(stage.total)} ${stage.unit}${of}${stage.phase === stage.unit || stage.phase === 'step' ? '' : ` (${phase})`}`;
}

/** What a stage of several waves asks from the second on. */
const waveReasons: Readonly<Record<string, string>> = {
  'sample-questions': 'asked again for what was unusable, said twice or is missing yet',
  'tailor-questions': 'asked again for what was unusable, said twice or is missing yet',
  'tailor-rationales': 'spare questions in place of those without a usable answer',
  'score-drafts': 'cells that the answers so far leave open',
};

/** `wave 2: 17 after 20, asked again for …`: why rows are counted from nothing again. Empty in a stage's first wave. */
export function waveWords({ label, total, wave }: LiveStage): string {
  if (!wave || wave.number < 2) return '';
  const after = wave.rowsBefore === undefined ? '' : ` after ${formatCount(wave.rowsBefore)}`;
  const why = waveReasons[label.split('/')[0] ?? ''];
  return `wave ${wave.number}: ${formatCount(total)}${after}${why === undefined ? '' : `, ${why}`}`;
}

function pace(stage: LiveStage, rate: Rate | undefined, secondsLeft: number | undefined): string {
  const facts = paceOf(stage, rate, secondsLeft);
  return facts.length === 0 ? '' : `  ${facts.join(', ')}`;
}

function statusWord(status: RunView['progress']['status'], color: Colors): string {
  return statusPaint(status, color)(status);
}

/** The colour of a status. */
export function statusPaint(status: RunView['progress']['status'], color: Colors): (text: string) => string {
  return {
    RUNNING: color.cyan,
    PAUSED: color.yellow,
    NEEDS_APPROVAL: color.yellow,
    NEEDS_ATTENTION: color.yellow,
    DONE: color.green,
    FAILED: color.red,
    CANCELLED: color.yellow,
  }[status];
}

/** Nothing of it goes on, unless somebody starts it again. */
export function isOver(status: RunView['progress']['status']): boolean {
  return status === 'DONE' || status === 'FAILED' || status === 'CANCELLED';
}

/** What to type next, of a run that has ended. */
export function endLines({ progress }: RunView, color: Colors): string[] {
  const { runId, status } = progress;
  if (status === 'DONE') return ['', `${color.bold('next')}   arte report ${runId}`];
  if (status === 'CANCELLED')
    return ['', `${color.bold('next')}   arte report ${runId}, or arte retry ${runId} to go on from what it has`];
  if (status === 'FAILED')
    return ['', `${color.bold('next')}   arte retry ${runId} starts it again from what it has in the store`];
  return [];
}

/** Of a run that is under way and has nobody to work on it. */
export function unattendedLines({ unattended, outdated, progress }: RunView, color: Colors): string[] {
  if (unattended !== true) return [];
  const { runId } = progress;
  if (outdated === true)
    return [
      '',
      color.yellow('No worker is left of the version of arte that this run began with: it stands still.'),
      'what   This is what it last wrote. Workers of another version are there, and leave it alone.',
      `next   arte retry ${runId}   starts it again on this version; what is finished comes from the store`,
      `       where workers are not started by arte up: temporal workflow terminate --workflow-id ${runId} first; or start an orchestrator of the old version, which goes on with it`,
    ];
  return [
    '',
    color.yellow('No worker answers for this run: it stands still until one does.'),
    'what   This is what it last wrote, or, of one that has not begun, that it was started.',
    `next   arte doctor looks at each part; arte status ${runId} again, where a worker is just starting`,
    '       one that hangs, or that somebody stopped (SIGSTOP), is replaced by arte down, then arte up: the run goes on where it was',
  ];
}

/** What a run says of a stage that failed while another is still at work: nothing is asked of anybody yet. */
export function failedLines({ progress }: RunView, color: Colors): string[] {
  const { failed, status } = progress;
  if (!failed || status !== 'RUNNING') return [];
  const beside = progress.current.map(({ stage, arm }) => stageLabel(stage, arm)).join(', ');
  return [
    '',
    color.yellow(`Stage ${failed.stage} failed (${failed.error.code}, since ${failed.since}).`),
    ...errorLines(failed.error),
    color.dim(
      `       The run parks once nothing else of it runs${beside && ` (now: ${beside})`}; what that finishes is kept.`,
    ),
  ];
}

/** What a run says that waits for a person's word, and not because something failed. */
export function orderLines({ progress }: RunView, color: Colors): string[] {
  const { runId, status, paused, approval, current } = progress;
  if (status === 'PAUSED' && paused) {
    const why = paused.reason === undefined ? '' : `: ${foreign(paused.reason)}`;
    const still = current.map(({ stage, arm }) => stageLabel(stage, arm)).join(', ');
    return [
      '',
      color.yellow(`Paused since ${paused.since} by ${paused.by}${why}`),
      still === ''
        ? 'now    nothing of it runs; rows that a stage has done are kept, and found when it goes on'
        : `now    comes to rest: ${still}`,
      `next   arte resume ${runId}`,
      `       arte retry ${runId} --set SETTING=VALUE   goes on under a changed config`,
    ];
  }
  if (status === 'NEEDS_APPROVAL' && approval) {
    return [
      '',
      color.yellow(`Round ${approval.round} waits for a word since ${approval.since}.`),
      `next   arte approve ${runId} --round ${approval.round}   goes on`,
      `       arte reject ${runId} --round ${approval.round} --reason WHY   ends the run; ${approval.round === 1 ? 'no round is then the best' : 'the best round before stays the best'}`,
    ];
  }
  return [];
}

/** What of an action is shown, of a run's and of a schedule's. */
type ShownAction = Pick<RunAction, 'at' | 'by' | 'set' | 'round' | 'reason'> & { readonly action: string };

/** The last things that people did to the run, newest last. */
export function actionLines(actions: readonly ShownAction[], color: Colors): string[] {
  return actions
    .slice(-actionsShownMax)
    .map(({ at, action, by, set = [], round, reason }) =>
      color.dim(
        [
          `${minute(at)}  ${action.padEnd(11)} ${by}`,
          ...(round === undefined ? [] : [`round ${round}`]),
          ...(set.length === 0 ? [] : [set.join(', ')]),
          ...(reason === undefined ? [] : [`"${foreign(reason)}"`]),
        ].join('  '),
      ),
    );
}

/** `--json` has all of them. */
const actionsShownMax = 5;

function errorLines({ what, why, details, next }: ErrorData): string[] {
  return [
    `what   ${what}`,
    `why    ${why}`,
    ...(details ?? []).flatMap((detail) => detail.split('\n').map((line) => `       ${line}`)),
    `next   ${next}`,
  ].map(foreign);
}

/** What a parked run says: what happened, why, and the command that goes on. */
export function attentionLines({ progress, engine }: RunView, color: Colors): string[] {
  const attention = progress.attention;
  if (!attention) return [];
  const { stage, error, since } = attention;
  return [
    '',
    color.yellow(`The run waits for you since ${since} (stage ${stage}, ${error.code}).`),
    ...errorLines(error),
    engine !== 'RUNNING'
      ? `       arte retry ${progress.runId}   starts it again; what is finished comes from the store`
      : error.code === 'BudgetExhausted'
        ? `       arte budget show ${progress.runId}   says where the money went; a retry alone would stop here again`
        : needsOtherConfig.has(error.code)
          ? `       arte retry ${progress.runId} --set SETTING=VALUE   goes on under a changed config; a retry alone would stop here again`
          : `       arte retry ${progress.runId}   goes on where it stopped; nothing that is finished is made again`,
  ];
}

/** What the run's own config decides for good. */
const needsOtherConfig: ReadonlySet<string> = new Set(['NotEnoughPairs', 'InvalidConfig', 'TrainerOutOfMemory']);
