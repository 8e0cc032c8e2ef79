/**
 * A row's trace on the screen: from the row back, one step after another. Owns words and layout. Long texts, and what was shown above already, are
 * folded unless everything is asked for.
 */
import type { TracedCall, TracedModel } from '../activities/lineage';
import { canonicalJson } from '../method/keys';
import type { CellRow, Prompt } from '../schemas/rows';
import { stageLabel } from '../schemas/stage-names';
import { colorsFor, printVerbatim as printLine } from './output';
import { scoreText } from './score-text';
import type { RowTrace } from './trace-row';

/** Lines of a text, and characters of a line, that are shown of it unless all of it is wanted. */
const foldedLinesMax = 6;
const foldedCharactersMax = 300;

/** Print a trace; what it came from follows, each with its role. `full`: nothing is folded. */
export function printTrace(trace: RowTrace, { full }: { readonly full: boolean }): void {
  const folds = printStep(trace, '', full, new Set());
  if (folds > 0)
    printLine(`\n${colorsFor(process.stdout).dim(`${folds} texts are cut (…): --full shows all of them.`)}`);
}

/** Returns how many texts were cut. */
function printStep(trace: RowTrace, role: string, full: boolean, shown: Set<string>): number {
  const color = colorsFor(process.stdout);
  const { stage } = trace;
  let folds = 0;
  const field = (name: string, value: string): void => {
    const said = full ? value : folded(value);
    if (said !== value) folds += 1;
    printField(name, said);
  };
  printLine();
  printLine(color.bold(`━━ ${role === '' ? '' : `${role}: `}${trace.kind} ${trace.address}, round ${trace.round}`));
  const identity = `${trace.kind} ${trace.address} ${trace.round}`;
  if (!full && shown.has(identity)) {
    printLine(color.dim('as above'));
    return 0;
  }
  shown.add(identity);
  printLine(
    `stage    ${stageLabel(stage.name, stage.arm)}, version ${stage.version}, ${stage.reused ? 'from the store, made' : 'made'} ${stage.finishedAt}`,
  );
  printLine(`key      ${stage.key}`);
  printLine();
  for (const [name, value] of Object.entries(trace.row)) {
    if (name !== 'prompt') field(name, typeof value === 'string' ? value : canonicalJson(value ?? null));
  }
  for (const { draftId, score, stderr, n } of trace.scores ?? [])
    field(
      'score',
      `${scoreText(score, score >= 0)} ± ${scoreText(stderr, score >= 0)} over ${n} ${countedOf(trace)}  (${draftId})`,
    );
  if (trace.cells) {
    field('cells', trace.cells.map((cell) => cellText(cell)).join('\n'));
  }
  if (trace.call) printCall(trace.call, field);
  if (trace.note !== undefined) printField('note', color.yellow(trace.note));
  for (const { role: next, trace: behind } of trace.from) folds += printStep(behind, next, full, shown);
  return folds;
}

/** The beginning of a text. Each line that is left is at most so long. */
function folded(value: string): string {
  const lines = value.split('\n');
  const kept = lines
    .slice(0, foldedLinesMax)
    .map((line) => (line.length > foldedCharactersMax ? `${line.slice(0, foldedCharactersMax - 1)}…` : line));
  const left = lines.length - foldedLinesMax;
  return [...kept, ...(left > 0 ? [`… ${left} more line${left === 1 ? '' : 's'}`] : [])].join('\n');
}

/** What a score is a mean over, as far as its cells tell. */
function countedOf({ cells = [], scores = [] }: RowTrace): string {
  const [first] = cells;
  const n = scores[0]?.n;
  if (first === undefined || (first.probeId !== null && n === cells.length)) return 'probe items';
  return first.probeId === null && n === first.tokens ? 'tokens' : 'signals';
}

/** Right or wrong, or what the signal makes of it. */
function cellText({ probeId, correct, value, outcome }: CellRow): string {
  const color = colorsFor(process.stdout);
  const worth =
    correct === undefined
      ? (value?.toFixed(4) ?? color.red('no value'))
      : correct
        ? color.green('right')
        : color.red('wrong');
  return `${probeId ?? 'the draft alone'} ${worth} (${outcome})`;
}

type Field = (name: string, value: string) => void;

function printCall(
  { rowKey, index, result, request, sample, repairsMax, served, model }: TracedCall,
  field: Field,
): void {
  const color = colorsFor(process.stdout);
  printLine();
  field('row key', `${rowKey} (row ${index} of the stage)`);
  printModel(model, field);
  field('served', canonicalJson(served));
  if (request) {
    field('sampling', `${canonicalJson(request.sampling)}${sample ? `, sample ${sample}` : ''}`);
    if (repairsMax > 0)
      field(
        '',
        color.dim(`a malformed answer is asked again up to ${repairsMax} times, under seeds that follow from it`),
      );
    if (request.jsonSchema !== undefined) field('schema', canonicalJson(request.jsonSchema));
    field('prompt', promptText(request.prompt));
    if (request.given !== undefined)
      field('given', `${color.dim(request.given.lead)}${request.given.text}  ${color.dim('(how probable is it?)')}`);
  } else {
    field(
      'prompt',
      color.yellow(
        'This version of arte lists another request for this row than the one that was sent; the answer below is the one that was received.',
      ),
    );
  }
  field('answer', result.text === '' ? color.dim('(none)') : result.text);
  const { inputTokens, cachedInputTokens, outputTokens } = result.usage;
  field(
    'outcome',
    `${result.outcome}${result.why === undefined ? '' : ` (${result.why})`}; ${inputTokens} tokens in, ${cachedInputTokens} of them cached, ${outputTokens} out`,
  );
}

function printModel({ contentSha256, baseSha256, source, layers }: TracedModel, field: Field): void {
  field('model', contentSha256);
  field('', `base ${baseSha256}${source ? ` (${Object.values(source).join(' ')})` : ''}`);
  for (const { kind, files, madeBy } of layers)
    field(
      '',
      `+ ${kind} ${files.sha256} by ${stageLabel(madeBy.stage, madeBy.arm)} of round ${madeBy.round}, key ${madeBy.key.slice(0, 12)}`,
    );
}

/** As it was sent: a conversation keeps its roles, raw text stays as it is. */
function promptText(prompt: Prompt): string {
  return prompt.kind === 'completion'
    ? prompt.text
    : prompt.messages.map(({ role, content }) => `[${role}]\n${content}`).join('\n');
}

const nameWidth = 9;

function printField(name: string, value: string): void {
  const color = colorsFor(process.stdout);
  const [first = '', ...rest] = value.split('\n');
  // A name that is longer than its column still keeps a space before the value.
  printLine(`${color.dim(name.padEnd(nameWidth - 1))} ${first}`);
  for (const line of rest) printLine(`${' '.repeat(nameWidth)}${line}`);
}
