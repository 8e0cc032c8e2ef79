/**
 * Whether the small documents of runs and stages can be read, and what to do about each that cannot. Owns that advice, for every kind of document there
 * is; `arte doctor` is where every error about a damaged document sends to.
 *
 * Invariant: reads only, and a bounded number (limits.ts): the newest, because what is damaged while it is in use is.
 */
import { isDamage } from '../../activities/damaged';
import type { ArtifactStore, StoredObject } from '../../drivers/store/store';
import { doctorDocumentsMax, doctorListedMax, runLooksAtOnce } from '../../schemas/limits';

export interface DamagedDocument {
  readonly key: string;
  readonly what: string;
  readonly fix: string;
}

export interface DocumentsFound {
  readonly read: number;
  /** Not read, because there are more than doctorDocumentsMax. */
  readonly left: number;
  readonly damaged: readonly DamagedDocument[];
}

/** Read the newest documents of runs and stages. Errors: the store's, but for damage. */
export async function readDocuments(store: ArtifactStore): Promise<DocumentsFound> {
  const found: StoredObject[] = [];
  for (const prefix of ['runs/', 'stages/']) {
    let listed = 0;
    for await (const object of store.list(prefix)) {
      if (object.key.endsWith('.json')) found.push(object);
      listed += 1;
      if (listed >= doctorListedMax) break;
    }
  }
  found.sort((one, other) => other.modifiedAt.getTime() - one.modifiedAt.getTime());
  const looked = found.slice(0, doctorDocumentsMax);
  const damaged: DamagedDocument[] = [];
  for (let from = 0; from < looked.length; from += runLooksAtOnce) {
    const some = looked.slice(from, from + runLooksAtOnce);
    const seen = await Promise.all(some.map(({ key }) => lookAt(store, key)));
    damaged.push(...seen.filter((each) => each !== undefined));
  }
  // By key, not by time: a run's documents stand together, and the same state is always told alike.
  damaged.sort((one, other) => (one.key < other.key ? -1 : 1));
  return { read: looked.length, left: found.length - looked.length, damaged };
}

async function lookAt(store: ArtifactStore, key: string): Promise<DamagedDocument | undefined> {
  try {
    await store.getDocument(key);
    return undefined;
  } catch (error) {
    if (!isDamage(error)) throw error;
    return { key, what: error.data.what, fix: adviceFor(key) };
  }
}

/** What becomes of a damaged document, and what a person does. */
export function adviceFor(key: string): string {
  const [folder, runId = '', ...rest] = key.split('/');
  const name = rest.join('/');
  if (folder === 'stages') return 'Nothing: the stage is made again when a run next needs it.';
  if (folder !== 'runs') return 'Nothing that `arte doctor` knows reads it.';
  const another = `\`arte run CONFIG --id OTHER\` with the same config makes a run anew from what is still there; \`arte gc --drop ${runId}\` removes this one.`;
  if (name === 'progress.json')
    return `A run under way writes it anew with its next word, and \`arte retry ${runId}\` lets one that stands go on. \`arte status\` tells of it what can be told without.`;
  if (name.endsWith('.stages.json'))
    return `Those of the round under way are written anew by themselves (\`arte retry ${runId}\` where the run waits); those of an earlier round are not: ${another}`;
  if (name === 'plan.json' || name.startsWith('plans/'))
    return 'Nothing: without it the run tells no time of its end, and its report compares with no plan.';
  if (name === 'ceiling.json')
    return `\`arte concurrency ${runId} CALLS\` sets it anew, while the run is under way; \`none\` takes it away.`;
  if (name === 'edge.json') return `\`arte edge ${runId}\` measures it again.`;
  if (/^(actions|notices|stalls)\//.test(name)) return 'Nothing: what it tells of is missing where the run is told of.';
  if (name === 'report.json') return `The figures are in the store, the report is not. ${another}`;
  if (name === 'ledger.json')
    return `What the run has spent cannot be told any more, so it spends nothing more. ${another}`;
  return `The run cannot go on without it. ${another}`;
}
