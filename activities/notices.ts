/** What became of the messages about a run (`notify`), in its records. Owns the documents and the words of a warning; sending is notify.ts. */
import type { ArtifactStore } from '../drivers/store/store';
import { notifyLifeMs } from '../schemas/limits';
import type { Notice } from '../schemas/notification';
import { asIfGone } from './damaged';
import { runKeys } from './run-records';

/** `place`: of the target in the config's list. */
export function noticeKey(runId: string, { at, id }: Notice, place: number): string {
  // The time first: a listing is then in the order of events.
  return `${runKeys.notices(runId)}${at.replaceAll(/[:.]/g, '-')}-${id}-${String(place)}.json`;
}

/** What became of the messages about a run, oldest first. */
export async function readNotices(store: ArtifactStore, runId: string): Promise<Notice[]> {
  const notices: Notice[] = [];
  for await (const { key } of store.list(runKeys.notices(runId))) {
    const document = await asIfGone(store, key);
    if (document !== undefined) notices.push(document as unknown as Notice);
  }
  return notices;
}

/** A sentence for each message that did not arrive. One whose last attempt was lost with its worker, or that nobody was there to try, has ended with its life. */
export function noticeWarnings(notices: readonly Notice[], nowMs = Date.now()): string[] {
  return notices
    .filter(({ state }) => state !== 'delivered')
    .map(({ event, at, to, state, attempts, why = '' }) => {
      const when = `${at.slice(0, 16).replace('T', ' ')} UTC`;
      const tried = `${attempts} ${attempts === 1 ? 'attempt' : 'attempts'}`;
      const reason = why === '' || /[.!?]$/.test(why) ? why : `${why}.`;
      return state === 'failed' || nowMs - Date.parse(at) > notifyLifeMs
        ? `The message "${event}" of ${when} was not delivered to ${to} (${tried}). ${reason}`
        : `The message "${event}" of ${when} has not reached ${to} yet (${tried}; it is tried again). ${reason}`;
    });
}
