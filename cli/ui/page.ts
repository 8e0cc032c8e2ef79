/** What the server hands to the page's script for one address: a part of the page as HTML, and what is said of it to those who hear it. */
import { escaped } from '../report/page/report-plots';
import type { RunStatus } from '../../schemas/messages';

export interface Page {
  /** Of the browser's window. */
  readonly title: string;
  /** The inside of <main>. Everything in it that a model, a config or a person wrote is escaped. */
  readonly html: string;
  /** Read out when it has changed: where the run is, not every row that it makes. */
  readonly said: string;
}

/** A status as a word with its colour; the word alone says it. */
export function badge(status: RunStatus): string {
  return `<span class="badge ${status.toLowerCase()}">${words[status]}</span>`;
}

const words: Readonly<Record<RunStatus, string>> = {
  RUNNING: 'running',
  PAUSED: 'paused',
  NEEDS_APPROVAL: 'needs approval',
  NEEDS_ATTENTION: 'needs attention',
  DONE: 'done',
  FAILED: 'failed',
  CANCELLED: 'cancelled',
};

export function statusWords(status: RunStatus): string {
  return words[status];
}

/** A time for a person as the report has it: UTC, to the second. The script says the reader's own time to who points at it. */
export function time(iso: string): string {
  const [day, clock] = [iso.slice(0, 10), iso.slice(11, 19)].map(escaped);
  return `<time datetime="${escaped(iso)}"><span>${day}</span> <span>${clock} UTC</span></time>`;
}

export function runLink(runId: string): string {
  return `<a href="#/runs/${escaped(encodeURIComponent(runId))}">${escaped(runId)}</a>`;
}

export function tiles(shown: readonly (readonly [value: string, name: string])[]): string {
  if (shown.length === 0) return '';
  return `<dl class="tiles">${shown.map(([value, name]) => `<div><dt>${escaped(name)}</dt><dd>${escaped(value)}</dd></div>`).join('')}</dl>`;
}

/** A part of a page under a heading of its own. Nothing where there is nothing in it. */
export function section(id: string, title: string, body: string): string {
  if (body === '') return '';
  return `<section id="${id}" data-key="${id}" aria-labelledby="${id}-heading"><h2 id="${id}-heading">${escaped(title)}</h2>\n${body}</section>`;
}

/** How far something is, as a bar and in words. */
export function bar(name: string, done: number, total: number, said: string): string {
  return `<progress max="${total}" value="${Math.min(done, total)}" aria-label="${escaped(name)}"></progress> <span>${escaped(said)}</span>`;
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.1 && share > 0 ? 1 : 0)} %`;
}
