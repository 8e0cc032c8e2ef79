/** What an activity of a stage is given, for tests over a store in memory: a model in a folder that nobody reads, and a config as the store has it. */
import type { ArtifactStore } from '../../drivers/store/store';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { ModelRef } from '../../schemas/model-ref';

export const folderModel: ModelRef = {
  name: 'student',
  source: { kind: 'folder', path: '/nowhere' },
  baseSha256: '0'.repeat(64),
  layers: [],
  contentSha256: '0'.repeat(64),
};

/** `config` as its file has it: defaults are filled in by who reads it. */
export const bundleOf = (store: Pick<ArtifactStore, 'putBlob'>, config: object): Promise<ArtifactRef> =>
  store.putBlob(JSON.stringify({ schemaVersion: 1, config, files: {} }), { mediaType: 'application/json', rows: 1 });
