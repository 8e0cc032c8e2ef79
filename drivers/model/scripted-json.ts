/** JSON by rule: a value that fits the schema of a request, as far as our own schemas go. Leaves the texts in it to the script that has some. */
import type { JsonValue } from '../../schemas/json';

/** Texts that fit the patterns of our own schemas; a string with another pattern is left empty. */
const patternSamples = ['1', '(A)', 'True', 'a'];

type Item = { readonly question: string; readonly target: string };

/** A value that fits a JSON Schema, as far as our schemas go; `items` fills objects that ask for a question and its target. */
export function instanceOf(
  schema: JsonValue,
  draw: (purpose: string) => number,
  path: string,
  items?: (index: number) => Item,
  index = 0,
): JsonValue {
  const {
    type,
    properties,
    items: each,
    minItems,
    pattern,
    ...rest
  } = (schema ?? {}) as {
    type?: string;
    properties?: { [name: string]: JsonValue };
    items?: JsonValue;
    minItems?: number;
    pattern?: string;
    enum?: readonly JsonValue[];
    const?: JsonValue;
  };
  if (rest.const !== undefined) {
    return rest.const;
  }
  if (rest.enum !== undefined) {
    return rest.enum[Math.floor(draw(`enum ${path}`) * rest.enum.length)] ?? null;
  }
  switch (type) {
    case 'object': {
      const item = items?.(index);
      const members = Object.entries(properties ?? {}).map(([name, member]): [string, JsonValue] => {
        const free = (member as { enum?: unknown }).enum === undefined;
        const written = free && (name === 'question' || name === 'target') ? item?.[name] : undefined;
        return [name, written ?? instanceOf(member, draw, `${path}.${name}`, items, index)];
      });
      return Object.fromEntries(members);
    }
    case 'array':
      return Array.from({ length: minItems ?? 1 }, (_, at) =>
        instanceOf(each ?? {}, draw, `${path}[${String(at)}]`, items, at),
      );
    case 'integer':
    case 'number':
      return Math.floor(draw(`number ${path}`) * 100);
    case 'boolean':
      return draw(`boolean ${path}`) < 0.5;
    default:
      return pattern === undefined
        ? 'words'
        : (patternSamples.find((sample) => new RegExp(pattern, 'u').test(sample)) ?? '');
  }
}
