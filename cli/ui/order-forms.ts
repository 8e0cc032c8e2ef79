/**
 * The orders on the page: a button for each, and the form that asks what else an order needs. Owns their words and fields; carrying them out is
 * orders.ts. Every order can be asked for in every state: one that does not fit is answered with the reason.
 */
import type { RunStatus } from '../../schemas/messages';
import { escaped } from '../report/page/report-plots';
import type { PageOrder } from './orders';

interface OrderForm {
  readonly order: PageOrder['order'];
  readonly button: string;
  /** Said above the fields. */
  readonly means: string;
  /** HTML of the fields besides the reason; names are those of the order. */
  readonly fields?: string;
  /** The command would refuse it without. */
  readonly needsReason?: true;
  /** In these states it is what one is likely to want. */
  readonly fits: readonly RunStatus[];
}

const field = (name: string, label: string, hint: string, more = ''): string =>
  `<p><label for="field-${name}">${label}</label><input id="field-${name}" name="${name}" autocomplete="off" aria-describedby="hint-${name}"${more}><span class="hint" id="hint-${name}">${hint}</span></p>`;
const check = (name: string, label: string): string =>
  `<p><label class="check"><input type="checkbox" name="${name}" value="true"> ${label}</label></p>`;

const forms: readonly OrderForm[] = [
  {
    order: 'pause',
    button: 'Pause',
    means:
      'Stops what the run does, keeping all it has, until it is resumed: no model is asked, no device held. It may take 15 seconds.',
    fits: ['RUNNING'],
  },
  {
    order: 'resume',
    button: 'Resume',
    means: 'Goes on after a pause: finished stages and rows come from the store, a training from its checkpoint.',
    fits: ['PAUSED'],
  },
  {
    order: 'approve',
    button: 'Approve',
    means: 'Says yes to the round that waits for a word: the run goes on.',
    fits: ['NEEDS_APPROVAL'],
  },
  {
    order: 'reject',
    button: 'Reject',
    means: 'Says no to the round that waits for a word: the best one before it stays the best, and the run ends.',
    needsReason: true,
    fits: ['NEEDS_APPROVAL'],
  },
  {
    order: 'retry',
    button: 'Retry',
    means:
      'Goes on with a run that waits for you or has ended without being done. Under changed settings only what depends on them is made again; to start the services again with a new key, use arte retry RUN --restart-workers in a shell.',
    fields: `<p><label for="field-set">Settings to change, one a line (optional)</label><textarea id="field-set" name="set" rows="3" spellcheck="false" aria-describedby="hint-set"></textarea><span class="hint" id="hint-set">as after --set, for example align.batch_size=4</span></p>
${check('dryRun', 'only say what it would change')}`,
    fits: ['NEEDS_ATTENTION', 'FAILED', 'CANCELLED'],
  },
  {
    order: 'budget',
    button: 'Set budget',
    means: 'Sets what the run may spend in all, while it is not done.',
    fields: `${field('amount', 'New cap', 'a number in the currency of its config, or none', ' required')}${check('retry', 'go on at once if it is parked or has ended')}`,
    fits: ['RUNNING', 'NEEDS_ATTENTION', 'PAUSED', 'NEEDS_APPROVAL'],
  },
  {
    order: 'concurrency',
    button: 'Set concurrency',
    means: 'A ceiling for the calls that the run has in flight in each worker process; it takes effect in seconds.',
    fields: field('calls', 'Calls at most', 'a whole number, or none to take the ceiling away', ' required'),
    fits: ['RUNNING', 'PAUSED'],
  },
  {
    order: 'cancel',
    button: 'Cancel run',
    means: 'Ends the run: its rows are kept, and its report is written. Retry starts it again.',
    fits: ['RUNNING', 'PAUSED', 'NEEDS_APPROVAL', 'NEEDS_ATTENTION'],
  },
];

/** The buttons under a run. Those that fit its state stand out. `round`: the one that waits for a word, which a verdict is then about. */
export function orderButtons(runId: string, status: RunStatus, round?: number): string {
  const about = (order: PageOrder['order']): string =>
    round !== undefined && (order === 'approve' || order === 'reject') ? ` data-round="${round}"` : '';
  const button = ({ order, button: name, fits }: OrderForm): string =>
    `<button type="button" data-key="${order}" data-order="${order}" data-run="${escaped(runId)}"${fits.includes(status) ? ' class="fits"' : ''}${about(order)} aria-haspopup="dialog">${name}</button>`;
  return `<div class="orders" role="group" aria-label="Orders to ${escaped(runId)}" data-key="order-buttons">${forms.map(button).join('')}</div>`;
}

/** What the script puts into the dialog, one template an order. */
export function orderTemplates(): string {
  return forms
    .map(
      ({ order, button, means, fields = '', needsReason = false }) => `<template id="form-${order}">
<h2 id="dialog-title">${button}: <span data-run-name></span></h2>
<p>${means}</p>
${fields}
${field('reason', needsReason ? 'Why' : 'Why (optional)', 'kept with the order, for whoever asks later', ` maxlength="1000"${needsReason ? ' required' : ''}`)}
<div data-answer></div>
<div class="orders"><button type="submit" class="fits">${button}</button><button type="button" data-close>Close</button></div>
</template>`,
    )
    .join('\n');
}
