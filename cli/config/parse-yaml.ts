/**
 * YAML of a person's file: parsed, with lines, and with what is wrong in plain words (method/config/yaml-slips.ts).
 * Invariant: a secret is never repeated, not even out of a line that is no YAML.
 */
import { isMap, isPair, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node } from 'yaml';
import { configProblem, type ConfigProblem } from '../../method/config/config-problem';
import { redacted } from '../../method/config/written-secrets';
import { yamlSlip, type YamlSlip } from '../../method/config/yaml-slips';
import { ConfigError, type PlacedProblem } from './config-error';

export interface ParsedYaml {
  readonly document: Document.Parsed;
  readonly lines: LineCounter;
}

/** Errors: ConfigError with a problem for each line that is no YAML, up to one after which nothing was read as it was meant. */
export function parseYaml(path: string, text: string): ParsedYaml {
  const lines = new LineCounter();
  // prettyErrors would quote the line, which may hold a secret.
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: true });
  const faults = [...document.errors, ...document.warnings].sort((one, other) => one.pos[0] - other.pos[0]);
  const problems: PlacedProblem[] = [];
  const told = new Set<number | undefined>();
  for (const { code, message, pos } of faults) {
    const slip = yamlSlip(text, { code, message, at: pos[0] });
    const problem = slipProblem(slip, lines);
    // One slip is often told twice: of the line where it was noticed, or of the one where it was made.
    const noticed = lines.linePos(pos[0]).line;
    if (!told.has(noticed) && !told.has(problem.line)) problems.push(problem);
    told.add(noticed).add(problem.line);
    if (slip.spoilsRest) break;
  }
  if (problems.length > 0) throw new ConfigError(path, problems);
  return { document, lines };
}

function slipProblem({ at, what, instead }: YamlSlip, lines: LineCounter): PlacedProblem {
  const { line, col } = lines.linePos(at);
  const problem = configProblem([], {
    what: `This is not YAML: ${what}.`,
    why: 'The file is read as YAML: "name: value" lines, sections indented by two spaces, lists with "- ".',
    instead,
  });
  return { ...problem, line, column: col };
}

/** Uses of one marked part, all nesting counted: more is a mistake, or a file made to fill the memory. */
const aliasesMax = 100;

/** The document as plain values. Aliases are resolved here: one that names nothing, or far too much, is a fault of the file. */
export function valueOf(path: string, document: Document.Parsed): unknown {
  try {
    const value: unknown = document.toJS({ maxAliasCount: aliasesMax });
    // What refers to itself has no end, and no JSON.
    JSON.stringify(value);
    return value;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const problem = configProblem([], {
      what: `This is not YAML: ${redacted(message.split('\n')[0] ?? '').replace(/\.$/, '')}.`,
      why: 'A text that begins with * refers to a part of the file that is marked with & before, and that does not hold the text itself.',
      instead: 'Mark the part with &, or put the text in quotes.',
    });
    throw new ConfigError(path, [problem]);
  }
}

/** Where a problem stands: the key for an unknown setting, the key's line for a value, the nearest section for what is missing. */
export function placeOf(
  { document, lines }: ParsedYaml,
  { segments }: ConfigProblem,
): { line?: number; column?: number } {
  let node: unknown = document.contents;
  let offset = isNode(node) ? node.range?.[0] : undefined;
  for (const segment of segments) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(segment));
      if (!isPair(pair)) break;
      offset = isNode(pair.key) ? (pair.key.range?.[0] ?? offset) : offset;
      node = pair.value;
    } else if (isSeq(node) && typeof segment === 'number') {
      node = node.items[segment];
      offset = isNode(node) ? (node.range?.[0] ?? offset) : offset;
    } else {
      break;
    }
  }
  if (offset === undefined) return {};
  const { line, col } = lines.linePos(offset);
  return { line, column: col };
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'range' in value;
}
