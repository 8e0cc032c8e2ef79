/**
 * Puts into words what zod says of a config's shape: unknown keys with the nearest known one, missing and mistyped values.
 * Owns the wording; what is known and allowed is read from the JSON Schema of schemas/run-config.ts, so it is never out of date.
 */
import { distance } from 'fastest-levenshtein';
import { runConfigJsonSchema, type JsonSchemaNode } from '../../schemas/run-config-json';
import { configProblem, pathText, valueAt, type ConfigProblem, type Segment } from './config-problem';
import { showable } from './written-secrets';

/** The parts of a zod issue that are used here. */
export interface ShapeIssue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[] | undefined;
  readonly discriminator?: string | undefined;
  readonly expected?: string | undefined;
}

/** A name is taken for misspelt when at most this share of its letters is wrong. */
const misspeltShareMax = 0.4;
/** A value is quoted in a message up to this many characters. */
const shownCharactersMax = 60;
/** `size:5`, which is a text and no setting. */
const withoutSpace = /^[\w.-]+:\S/;
const spaceNeeded = 'Write "name: value", with a space behind the colon.';
/** So many settings of a section are listed in a message. */
const listedKeysMax = 12;

/** The known name that was probably meant, or undefined when none is near. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  const wanted = name.toLowerCase();
  let nearest: string | undefined;
  let fewest = Infinity;
  for (const candidate of known) {
    const count = slips(wanted, candidate.toLowerCase());
    const allowed = Math.max(1, Math.floor(Math.max(wanted.length, candidate.length) * misspeltShareMax));
    if (count > allowed || count >= fewest) continue;
    nearest = candidate;
    fewest = count;
  }
  return nearest;
}

/** Edits from what was written to what was meant. Two neighbours exchanged ("sede") are one slip of the fingers; Levenshtein counts two. */
function slips(written: string, meant: string): number {
  let fewest = distance(written, meant);
  for (let at = 0; at + 1 < written.length; at += 1) {
    const exchanged = `${written.slice(0, at)}${written[at + 1] ?? ''}${written[at] ?? ''}${written.slice(at + 2)}`;
    fewest = Math.min(fewest, 1 + distance(exchanged, meant));
  }
  return fewest;
}

/** One problem per issue, one per key for unknown keys. */
export function explainShape(input: unknown, issues: readonly ShapeIssue[]): ConfigProblem[] {
  const schema = runConfigJsonSchema();
  return issues.flatMap((issue) => {
    const segments = issue.path.map((segment) => (typeof segment === 'symbol' ? String(segment) : segment));
    if (issue.code === 'unrecognized_keys')
      return (issue.keys ?? []).map((key) => unknownKey(schema, input, segments, key));
    return [wrongValue(schema, input, segments, issue)];
  });
}

// ---- unknown keys ------------------------------------------------------------------------------------------------

function unknownKey(schema: JsonSchemaNode, input: unknown, section: readonly Segment[], key: string): ConfigProblem {
  const known = knownKeys(nodeAt(schema, input, section));
  const nearest = nearestName(key, known);
  const place = section.length === 0 ? 'the file' : pathText(section);
  const elsewhere = pathsOfKey(schema, key);
  const list = known.slice(0, listedKeysMax).join(', ') + (known.length > listedKeysMax ? ', …' : '');
  let instead = `Take it out. Settings of ${place}: ${list}.`;
  if (elsewhere.length > 0) instead = `Move it to ${elsewhere.slice(0, 4).join(' or ')}, if that is what was meant.`;
  if (nearest !== undefined) instead = `Write "${nearest}", if that is what was meant.`;
  if (withoutSpace.test(key)) instead = spaceNeeded;
  const named = showable([...section, key], key) ? key : '…';
  const problem = configProblem(
    [...section, key],
    {
      what: `"${named}" is not a setting of ${place}.`,
      why: 'A misspelt setting would silently change nothing, so unknown keys are refused.',
      instead,
    },
    'key',
  );
  return { ...problem, path: pathText([...section, named]) };
}

function knownKeys(node: JsonSchemaNode | undefined): string[] {
  if (node === undefined) return [];
  if (node.properties !== undefined) return Object.keys(node.properties);
  if (node.propertyNames?.enum !== undefined) return node.propertyNames.enum.map(String);
  return [...new Set((node.oneOf ?? []).flatMap((option) => Object.keys(option.properties ?? {})))];
}

/** Where in the config a setting of this very name exists. */
function pathsOfKey(schema: JsonSchemaNode, key: string): string[] {
  const found = new Set<string>();
  const visit = (node: JsonSchemaNode, path: string): void => {
    for (const [name, child] of Object.entries(node.properties ?? {})) {
      const at = path === '' ? name : `${path}.${name}`;
      if (name === key) found.add(at);
      visit(child, at);
    }
    if (node.items !== undefined) visit(node.items, `${path}[]`);
    for (const option of [...(node.oneOf ?? []), ...(node.anyOf ?? [])]) visit(option, path);
  };
  visit(schema, '');
  return [...found];
}

// ---- wrong values ------------------------------------------------------------------------------------------------

function wrongValue(
  schema: JsonSchemaNode,
  input: unknown,
  segments: readonly Segment[],
  issue: ShapeIssue,
): ConfigProblem {
  const node = nodeAt(schema, input, segments);
  const value = valueAt(input, segments);
  const name = segments.length === 0 ? 'the file' : pathText(segments);
  const known = node === undefined ? (issue.expected ?? 'something else') : inWords(node);
  // JSON's numbers are whole and exact up to there.
  const isBeyond = node?.type === 'integer' && typeof value === 'number' && value > Number.MAX_SAFE_INTEGER;
  const expected = isBeyond ? `${known}, and at most ${String(Number.MAX_SAFE_INTEGER)}` : known;
  const choice = issue.discriminator === undefined ? undefined : choices(schema, input, segments, issue.discriminator);
  const description = node?.description ?? '';
  const why = description === '' ? 'The setting takes nothing else.' : `The setting is described as "${description}"`;
  const fallback =
    node !== undefined && 'default' in node && isSmall(node.default)
      ? ` Left out, it is ${JSON.stringify(node.default)}.`
      : '';
  if (value === undefined) {
    return configProblem(segments, {
      what: `${name} is missing.`,
      why: why === 'The setting takes nothing else.' ? 'It has no default.' : `It has no default. ${why}`,
      instead: `Write ${choice ?? expected}.`,
    });
  }
  if (value === null) {
    return configProblem(segments, {
      what: `${name} is empty.`,
      why,
      instead: `Write ${choice ?? expected}, or leave the whole line out.${fallback}`,
    });
  }
  const options =
    choice === undefined ? enumOf(node) : discriminatorValues(schema, input, segments, issue.discriminator ?? '');
  const nearest = typeof value === 'string' ? nearestName(value, options) : undefined;
  const isSetting = typeof value === 'string' && withoutSpace.test(value) && expected === 'a section of settings';
  return configProblem(segments, {
    what: `${name} is ${shown(segments, value)}, but must be ${choice ?? expected}.`,
    why,
    instead: isSetting
      ? spaceNeeded
      : `Write ${nearest === undefined ? (choice ?? expected) : `"${nearest}", if that is what was meant`}.${fallback}`,
  });
}

function isSmall(value: unknown): boolean {
  return typeof value !== 'object' || value === null || (Array.isArray(value) && value.length < 6);
}

/** A value as a message quotes it. */
export function shown(segments: readonly Segment[], value: unknown): string {
  if (!showable(segments, value)) return 'a text that is not shown here';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'a section of settings';
  const text = typeof value === 'number' ? String(value) : JSON.stringify(value);
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}…` : text;
}

function enumOf(node: JsonSchemaNode | undefined): string[] {
  return (node?.enum ?? (node?.const === undefined ? [] : [node.const])).map(String);
}

/** The values a discriminator (`source`, `kind`) may have: read from the union one level up. */
function discriminatorValues(
  schema: JsonSchemaNode,
  input: unknown,
  segments: readonly Segment[],
  discriminator: string,
): string[] {
  const union = nodeAt(schema, input, segments.at(-1) === discriminator ? segments.slice(0, -1) : segments);
  return (union?.oneOf ?? []).flatMap((option) => {
    const value = option.properties?.[discriminator]?.const;
    return typeof value === 'string' ? [value] : [];
  });
}

function choices(schema: JsonSchemaNode, input: unknown, segments: readonly Segment[], discriminator: string): string {
  return `one of ${discriminatorValues(schema, input, segments, discriminator).join(', ')}`;
}

/** What may stand at a place, in words: `a whole number of at least 1`. */
export function inWords(node: JsonSchemaNode): string {
  if (node.const !== undefined) return JSON.stringify(node.const);
  if (node.enum !== undefined) return `one of ${node.enum.map(String).join(', ')}`;
  if (node.anyOf !== undefined) return node.anyOf.map(inWords).join(' or ');
  if (node.oneOf !== undefined) return 'a section of settings';
  // Plain types side by side, as of a number that may be null, stand in one node.
  if (typeof node.type === 'object') return node.type.map((type) => inWords({ ...node, type })).join(' or ');
  switch (node.type) {
    case 'integer':
      return `a whole number${bounds(node)}`;
    case 'number':
      return `a number${bounds(node)}`;
    case 'boolean':
      return 'true or false';
    case 'array':
      return `a list${(node.minItems ?? 0) > 0 ? ' that is not empty' : ''}${node.items === undefined ? '' : `, each ${inWords(node.items)}`}`;
    case 'object':
      return node.properties === undefined ? pairsInWords(node) : 'a section of settings';
    case 'string':
      return textInWords(node);
    case 'null':
      return 'null';
    default:
      return 'something else';
  }
}

/** A section whose keys are the user's own, or some of a set. */
function pairsInWords({ propertyNames, additionalProperties }: JsonSchemaNode): string {
  const name = propertyNames?.enum === undefined ? '' : `, each NAME ${inWords(propertyNames)}`;
  const value = typeof additionalProperties === 'object' ? `, each VALUE ${inWords(additionalProperties)}` : '';
  return `NAME: VALUE pairs${name}${value}`;
}

function textInWords(node: JsonSchemaNode): string {
  if (node.format === 'uri') return 'an http(s) address';
  if (node.pattern?.includes('env:') === true) return 'the name of an environment variable, as ${env:NAME}';
  if (node.pattern === '^[a-z0-9][a-z0-9_-]*$') return 'a name of lower-case letters, digits, - and _';
  if (node.pattern === '^[a-z0-9][a-z0-9-]*$') return 'a name of lower-case letters, digits and -';
  return (node.minLength ?? 0) > 0 ? 'a text that is not empty' : 'a text';
}

function bounds(node: JsonSchemaNode): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, type } = node;
  const low =
    exclusiveMinimum === 0 && type === 'integer'
      ? 'at least 1'
      : exclusiveMinimum !== undefined
        ? `above ${exclusiveMinimum}`
        : minimum === undefined
          ? ''
          : `at least ${minimum}`;
  const high =
    exclusiveMaximum !== undefined ? `below ${exclusiveMaximum}` : maximum === undefined ? '' : `at most ${maximum}`;
  if (low === '' && high === '') return '';
  const both = [low, high].filter((text) => text !== '').join(' and ');
  return /^(above|below)/.test(both) ? ` ${both}` : ` of ${both}`;
}

// ---- navigation --------------------------------------------------------------------------------------------------

/** The schema of the value at a path; unions are resolved by what the input says (`source`, `kind`), else left whole. */
function nodeAt(schema: JsonSchemaNode, input: unknown, segments: readonly Segment[]): JsonSchemaNode | undefined {
  let node: JsonSchemaNode | undefined = schema;
  let value = input;
  for (const segment of segments) {
    node = step(resolved(node, value), segment);
    value = valueAt(value, [segment]);
    if (node === undefined) return undefined;
  }
  return resolved(node, value);
}

function step(node: JsonSchemaNode, segment: Segment): JsonSchemaNode | undefined {
  if (typeof segment === 'number') return node.items;
  const property = node.properties?.[segment];
  if (property !== undefined) return property;
  if (typeof node.additionalProperties === 'object') return node.additionalProperties;
  // A union that the input does not decide: any option that has the key will do for words.
  for (const option of node.oneOf ?? [])
    if (option.properties?.[segment] !== undefined) return option.properties[segment];
  return undefined;
}

function resolved(node: JsonSchemaNode, value: unknown): JsonSchemaNode {
  if (node.oneOf === undefined) return node;
  const match = node.oneOf.find((option) =>
    Object.entries(option.properties ?? {}).some(
      ([name, property]) => property.const !== undefined && valueAt(value, [name]) === property.const,
    ),
  );
  return match === undefined
    ? node
    : { ...match, ...(node.description === undefined ? {} : { description: node.description }) };
}
