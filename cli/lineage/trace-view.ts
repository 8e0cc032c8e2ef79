/**
 * A row's trace on the screen: from the row back, one step after another. Owns words and layout; the page of `arte ui` shows the same words. Long
 * texts, and what was shown above already, are folded unless everything is asked for.
 */
import type { TracedCall, TracedModel } from '../../activities/lineage';
import { canonicalJson } from '../../method/keys';
import type { JsonValue } from '../../schemas/json';
import type { CellRow, Prompt } from '../../schemas/rows';
import { stageLabel } from '../../schemas/stage-names';
import { colorsFor, forVerbatim, printVerbatim as printLine, type Colors } from '../output';
import { areShares, scoreText } from '../report/score-text';
import type { RowTrace } from './trace-row';

/** Lines of a text, and characters of a line, that are shown of it unless all of it is wanted. */
const textFold = { lines: 6, characters: 300 } as const;
/** The same of a prompt: what was asked stands at its end, so it is whole unless it would fill screens by itself. */
const promptFold = { lines: 60, characters: 2_000 } as const;

/** Print a trace; what it came from follows, each with its role. `full`: nothing is folded. */
export function printTrace(trace: RowTrace, { full }: { readonly full: boolean }): void {
  const folds = printStep(forVerbatim(trace), '', full, new Set());
  if (folds > 0)
    printLine(`\n${colorsFor(process.stdout).dim(`${folds} texts are cut (…): --full shows all of them.`)}`);
}

/** Returns how many texts were cut. */
function printStep(trace: RowTrace, role: string, full: boolean, shown: Set<string>): number {
  const color = colorsFor(process.stdout);
  const { stage } = trace;
  let folds = 0;
  const field = (name: string, value: string): void => {
    const said = full ? value : folded(value, name === 'prompt' ? promptFold : textFold);
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
  printLine(`stage    ${madeWords(stage)}`);
  printLine(`key      ${stage.key}`);
  printLine();
  for (const [name, value] of rowFields(trace, color)) field(name, value);
  if (trace.call) {
    printLine();
    for (const [name, value] of callFields(trace.call, color)) field(name, value);
  }
  if (trace.note !== undefined) printField('note', color.yellow(trace.note));
  for (const { role: next, trace: behind } of trace.from) folds += printStep(behind, next, full, shown);
  return folds;
}

/** A name and a text of any length; without a name it goes on with the one before. */
export type TraceField = readonly [name: string, value: string];

/** `evaluate/arte-0shot, version 3, made 2026-…`. */
export function madeWords({ name, arm, version, reused, finishedAt }: RowTrace['stage']): string {
  return `${stageLabel(name, arm)}, version ${version}, ${reused ? 'from the store, made' : 'made'} ${finishedAt}`;
}

/** What is told of the row itself, of its scores and of its cells. */
export function rowFields(trace: RowTrace, color: Colors): TraceField[] {
  const own = Object.entries(trace.row)
    .filter(([name]) => name !== 'prompt')
    .map(([name, value]): TraceField => [name, valueText(name, value, trace)]);
  const scores = (trace.scores ?? []).map(({ draftId, score, stderr, n }): TraceField => {
    const words = `${scoreText(score, score >= 0)} ± ${scoreText(stderr, score >= 0)} over ${n} ${countedOf(trace)}`;
    return ['score', `${words}  (${draftId})`];
  });
  const cells = trace.cells?.map((cell) => cellText(cell, color)).join('\n');
  return [...own, ...scores, ...(cells === undefined ? [] : [['cells', cells] as const])];
}

const givenWords = "given: the target was put in place of the writer's own answer, so nothing was measured";

/** A value of the row. Scores have the form of the score lines, and an agreement that was given is not called one. */
function valueText(name: string, value: JsonValue | undefined, { row, given }: RowTrace): string {
  if (name === 'agrees' && given) return givenWords;
  if ((name === 'chosenScore' || name === 'rejectedScore') && typeof value === 'number')
    return scoreText(value, areShares([row['chosenScore'], row['rejectedScore']].map(Number)));
  return typeof value === 'string' ? value : canonicalJson(value ?? null);
}

/** The beginning of a text. Each line that is left is at most so long. */
function folded(
  value: string,
  { lines: linesMax, characters }: { readonly lines: number; readonly characters: number },
): string {
  const lines = value.split('\n');
  const kept = lines
    .slice(0, linesMax)
    .map((line) => (line.length > characters ? `${line.slice(0, characters - 1)}…` : line));
  const left = lines.length - linesMax;
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
function cellText({ probeId, correct, value, outcome }: CellRow, color: Colors): string {
  const worth =
    correct === undefined
      ? (value?.toFixed(4) ?? color.red('no value'))
      : correct
        ? color.green('right')
        : color.red('wrong');
  return `${probeId ?? 'the draft alone'} ${worth} (${outcome})`;
}

/** What is told of the call: model, sampling, prompt, answer. */
export function callFields(
  { rowKey, index, result, request, sample, repairsMax, served, model }: TracedCall,
  color: Colors,
): TraceField[] {
  const { inputTokens, cachedInputTokens, outputTokens } = result.usage;
  const tokens = `${inputTokens} tokens in, ${cachedInputTokens} of them cached, ${outputTokens} out`;
  const asked: TraceField[] = request
    ? [
        ['sampling', `${canonicalJson(request.sampling)}${sample ? `, sample ${sample}` : ''}`],
        ...(repairsMax > 0 ? [['', color.dim(repairWords(repairsMax))] as const] : []),
        ...(request.jsonSchema === undefined ? [] : [['schema', canonicalJson(request.jsonSchema)] as const]),
        ['prompt', promptText(request.prompt)],
        ...(request.given === undefined
          ? []
          : [
              [
                'given',
                `${color.dim(request.given.lead)}${request.given.text}  ${color.dim('(how probable is it?)')}`,
              ] as const,
            ]),
      ]
    : [['prompt', color.yellow(otherRequest)]];
  return [
    [
      'row key',
      `${rowKey} (asked as row ${index} of the stage, counted from 0; rows whose answer was dropped count too)`,
    ],
    ...modelFields(model),
    ['served', canonicalJson(served)],
    ...asked,
    ['answer', result.text === '' ? color.dim('(none)') : result.text],
    ['outcome', `${result.outcome}${result.why === undefined ? '' : ` (${result.why})`}; ${tokens}`],
  ];
}

const otherRequest =
  'This version of arte lists another request for this row than the one that was sent; the answer below is the one that was received.';

function repairWords(repairsMax: number): string {
  return `a malformed answer is asked again up to ${repairsMax} times, under seeds that follow from it`;
}

function modelFields({ contentSha256, baseSha256, source, layers }: TracedModel): TraceField[] {
  return [
    ['model', contentSha256],
    ['', `base ${baseSha256}${source ? ` (${Object.values(source).join(' ')})` : ''}`],
    ...layers.map(({ kind, files, madeBy }): TraceField => {
      const by = `${stageLabel(madeBy.stage, madeBy.arm)} of round ${madeBy.round}, key ${madeBy.key.slice(0, 12)}`;
      return ['', `+ ${kind} ${files.sha256} by ${by}`];
    }),
  ];
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
