/** A problem of a config, as data: where, what, why, and what to write instead. The words are found by explain-shape.ts and check-config.ts. */

export type Segment = string | number;

export interface ConfigProblem {
  /** Where, as keys and indexes; empty for the file as a whole. */
  readonly segments: readonly Segment[];
  /** The same for people: `tasks[0].split.test`. */
  readonly path: string;
  /** Whether the key itself is the trouble (it is unknown), or the value that stands there. */
  readonly at: 'key' | 'value';
  readonly what: string;
  readonly why: string;
  readonly instead: string;
}

/** `['tasks', 0, 'split']` -> `tasks[0].split`. */
export function pathText(segments: readonly Segment[]): string {
  let text = '';
  for (const segment of segments) {
    if (typeof segment === 'number') text += `[${String(segment)}]`;
    else text += text === '' ? segment : `.${segment}`;
  }
  return text;
}

export function configProblem(
  segments: readonly Segment[],
  text: { readonly what: string; readonly why: string; readonly instead: string },
  at: 'key' | 'value' = 'value',
): ConfigProblem {
  return { segments, path: pathText(segments), at, ...text };
}

/** The value at a path, undefined where the path leads nowhere. */
export function valueAt(root: unknown, segments: readonly Segment[]): unknown {
  let value = root;
  for (const segment of segments) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as { readonly [key: string]: unknown })[segment];
  }
  return value;
}
