/**
 * The identity of a model that was trained: a base and the layers on top of it. Pure, so that activities may use it without the
 * clients that fetch models.
 */
import { createHash } from 'node:crypto';
import type { ModelLayer, ModelRef } from '../../schemas/model-ref';

/**
 * sha256 over a base and its layers. No layers: the base's own. A full layer replaces what is below it, so equal weights
 * are equal models whatever they were trained from.
 */
export function contentSha256(baseSha256: string, layers: readonly ModelLayer[]): string {
  const lastFull = layers.findLastIndex(({ kind }) => kind === 'full');
  const counted = layers.slice(Math.max(lastFull, 0)).map(({ kind, files }) => [kind, files.sha256]);
  if (counted.length === 0) {
    return baseSha256;
  }
  return createHash('sha256')
    .update(JSON.stringify(lastFull === -1 ? [['base', baseSha256], ...counted] : counted))
    .digest('hex');
}

/** The model with what one more training put on it. */
export function withLayer(model: ModelRef, layer: ModelLayer, name: string): ModelRef {
  const layers = [...model.layers, layer];
  return { ...model, name, layers, contentSha256: contentSha256(model.baseSha256, layers) };
}
