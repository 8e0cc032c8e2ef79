/** A row's trace on the screen: from the row back, one step after another. Owns words and layout. */
import type { TracedCall, TracedModel } from '../activities/lineage';
import { canonicalJson } from '../method/keys';
import type { CellRow, Prompt } from '../schemas/rows';
import { stageLabel } from '../schemas/stage-names';
import { colorsFor, printLine } from './output';
import { scoreText } from './score-text';
import type { RowTrace } from './trace-row';

/** Print a trace; what it came from follows, each with its role. */
export function printTrace(trace: RowTrace, role = ''): void {
  const color = colorsFor(process.stdout);
  const { stage } = trace;
  printLine();
  printLine(color.bold(`━━ ${role === '' ? '' : `${role}: `}${trace.kind} ${trace.address}, round ${trace.round}`));
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
  if (trace.call) printCall(trace.call);
  if (trace.note !== undefined) field('note', color.yellow(trace.note));
  for (const { role: next, trace: behind } of trace.from) printTrace(behind, next);
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

function printCall({ rowKey, index, result, request, sample, repairsMax, served, model }: TracedCall): void {
  const color = colorsFor(process.stdout);
  printLine();
  field('row key', `${rowKey} (row ${index} of the stage)`);
  printModel(model);
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

function printModel({ contentSha256, baseSha256, source, layers }: TracedModel): void {
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

function field(name: string, value: string): void {
  const color = colorsFor(process.stdout);
  const [first = '', ...rest] = value.split('\n');
  // A name that is longer than its column still keeps a space before the value.
  printLine(`${color.dim(name.padEnd(nameWidth - 1))} ${first}`);
  for (const line of rest) printLine(`${' '.repeat(nameWidth)}${line}`);
}
