/**
 * docs/config.md: every setting with its meaning and default, read from the schema, so that it is never out of date.
 * Owns the layout; the words are the descriptions in schemas/run-config.ts and schemas/task.ts.
 */
import { inWords } from '../../method/config/explain-shape';
import { runConfigJsonSchema, type JsonSchemaNode } from '../../schemas/run-config-json';

/** The reference as Markdown: one heading per section of the file, one row per setting. */
export function configReference(): string {
  const written = new Map<string, string>();
  const schema = runConfigJsonSchema();
  const required = new Set(schema.required ?? []);
  const sections = Object.entries(schema.properties ?? {});
  const simple = sections.filter(([, node]) => !isSection(node));
  const lines = [
    '# The config file',
    '',
    'One YAML file is one run. This page is made from the schema by `npm run schema`; `arte schema` prints the same as JSON Schema, which',
    'editors use for completion (put `# yaml-language-server: $schema=…/schemas/run-config.schema.json` on the first line).',
    '',
    '"Paper" is arXiv 2406.19227. Unknown keys are refused. Secrets are written `${env:NAME}` and read from the environment. Paths are',
    'relative to the config file.',
    '',
    ...settingTable(simple, required),
  ];
  for (const [name, node] of sections.filter(([, child]) => isSection(child)))
    lines.push(...section(name, node, 2, written));
  return `${lines
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trimEnd()}\n`;
}

type Setting = readonly [name: string, node: JsonSchemaNode];

function isSection(node: JsonSchemaNode): boolean {
  return (
    node.properties !== undefined || node.oneOf !== undefined || (node.items !== undefined && isSection(node.items))
  );
}

/** A section of the file; one that has the settings of an earlier one (by `written`: their schema -> that section) refers to it. */
function section(path: string, node: JsonSchemaNode, depth: number, written: Map<string, string>): string[] {
  const title = node.items === undefined ? path : `${path}[]`;
  const lines = ['', `${'#'.repeat(Math.min(depth, 5))} ${title}`, ''];
  if (node.description !== undefined) lines.push(node.description, '');
  const content = node.items ?? node;
  const { description: _, default: __, ...form } = content;
  const earlier = written.get(JSON.stringify(form));
  if (earlier !== undefined) return [...lines, `Settings as in ${earlier}.`];
  written.set(JSON.stringify(form), title);
  if (content.oneOf === undefined) return [...lines, ...settings(title, content, depth, written)];
  const shared = sharedSettings(content.oneOf);
  for (const option of content.oneOf) {
    const own = Object.entries(option.properties ?? {}).filter(([name]) => !shared.some(([known]) => known === name));
    const [choice] = own.filter(([, child]) => child.const !== undefined);
    if (choice === undefined) continue;
    lines.push('', `**${choice[0]}: ${String(choice[1].const)}**`, '');
    const rest = own.filter(([, child]) => child.const === undefined);
    const variant = { properties: Object.fromEntries(rest), required: option.required ?? [] };
    lines.push(...(rest.length === 0 ? ['No settings of its own.'] : settings(title, variant, depth, written)));
  }
  if (shared.length > 0) {
    lines.push(
      '',
      '**For each of them**',
      '',
      ...settings(title, { properties: Object.fromEntries(shared), ...requiredOf(content.oneOf) }, depth, written),
    );
  }
  return lines;
}

/** Settings that every option of a union has, in the same form. */
function sharedSettings(options: readonly JsonSchemaNode[]): Setting[] {
  const [first, ...others] = options;
  return Object.entries(first?.properties ?? {}).filter(
    ([name, node]) =>
      node.const === undefined &&
      others.every((other) => JSON.stringify(other.properties?.[name]) === JSON.stringify(node)),
  );
}

function requiredOf(options: readonly JsonSchemaNode[]): { required: string[] } {
  const [first, ...others] = options;
  return {
    required: (first?.required ?? []).filter((name) => others.every((other) => other.required?.includes(name))),
  };
}

function settings(path: string, node: JsonSchemaNode, depth: number, written: Map<string, string>): string[] {
  const all = Object.entries(node.properties ?? {});
  const simple = all.filter(([, child]) => !isSection(child));
  const lines = simple.length === 0 ? [] : settingTable(simple, new Set(node.required ?? []));
  for (const [name, child] of all.filter(([, child]) => isSection(child)))
    lines.push(...section(`${path}.${name}`, child, depth + 1, written));
  return lines;
}

function settingTable(rows: readonly Setting[], required: ReadonlySet<string>): string[] {
  return [
    '| setting | takes | default | what it is |',
    '|---|---|---|---|',
    ...rows.map(([name, node]) => {
      const fallback =
        'default' in node ? `\`${JSON.stringify(node.default)}\`` : required.has(name) ? '**needed**' : '–';
      return `| \`${name}\` | ${cell(inWords(node))} | ${cell(fallback)} | ${cell(node.description ?? '')} |`;
    }),
  ];
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', '<br>');
}
