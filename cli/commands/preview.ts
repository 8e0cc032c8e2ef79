/** `arte preview CONFIG`: one question through every prompt and stage, shown. Nothing is kept. */
import type { Command } from 'commander';
import { nearestName } from '../../method/explain-shape';
import { previewItem, previewTask, type PreviewStep } from '../../method/preview';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import type { Prompt } from '../../schemas/rows';
import type { TaskRecord } from '../../schemas/task';
import { loadConfig } from '../load-config';
import { colorsFor, printJson, printLine } from '../output';

interface Options {
  readonly task?: string;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('preview')
    .argument('<config>', "the run's YAML file")
    .description('one question through every prompt and stage, as the models will see it; nothing is kept')
    .option('--task <name>', 'a task of the config (default: the first)')
    .option('--json', 'as JSON: {task, question, steps}')
    .action(async (path: string, { task: name, json }: Options) => {
      const { config, tasks } = await loadConfig(path, { env: process.env });
      const task = chosenTask(tasks, name, path);
      const steps = previewTask(task, config);
      const { question, target } = previewItem(task);
      if (json === true) printJson({ task: task.name, question, target, steps });
      else printPreview(task, steps);
    });
}

function chosenTask(tasks: readonly TaskRecord[], name: string | undefined, path: string): TaskRecord {
  const task = name === undefined ? tasks[0] : tasks.find((known) => known.name === name);
  if (task !== undefined) return task;
  if (name === undefined) {
    throw new ArteError('InvalidInput', {
      what: `${path} has no task with items.`,
      why: 'Its tasks are only declared: how many items they have is known, not which.',
      next: 'Name the items of a task: source: jsonl with a path, bbh-json, gsm8k-jsonl, files, or builtin.',
    });
  }
  const names = tasks.map((known) => known.name);
  const nearest = nearestName(name, names);
  throw new ArteError('InvalidInput', {
    what: `${path} has no task "${name}"${nearest === undefined ? '' : `; the nearest is "${nearest}"`}.`,
    why: 'A preview needs the items of the task.',
    next: `Choose one of: ${names.join(', ')}.`,
  });
}

function printPreview(task: TaskRecord, steps: readonly PreviewStep[]): void {
  const color = colorsFor(process.stdout);
  printLine(`${color.bold(task.name)} (${task.answer.type}): ${task.description}`);
  printLine(
    color.dim('A validation item stands in for drafted questions, "…" for words that a model has yet to write.'),
  );
  for (const { stage, title, model, call, row } of steps) {
    printLine();
    printLine(`${color.cyan('━━')} ${color.bold(stage)}  ${title}  ${color.dim(`(${model})`)}`);
    if (call !== undefined) {
      const settings = [`temperature ${call.temperature}`, `at most ${call.maxTokens} tokens`];
      if (call.stop.length > 0) settings.push(`stops at ${call.stop.map((text) => JSON.stringify(text)).join(', ')}`);
      if (call.jsonSchema !== undefined) settings.push('constrained by a JSON Schema');
      printLine(color.dim(`   ${settings.join(' · ')}`));
      printLine(promptText(call.prompt));
    }
    if (row !== undefined) printLine(rowText(row, color.dim));
  }
}

function promptText(prompt: Prompt): string {
  if (prompt.kind === 'completion') return prompt.text;
  return prompt.messages.map(({ role, content }) => `[${role}]\n${content}`).join('\n');
}

/** A training row: each column under its name. */
function rowText(row: JsonValue, dim: (text: string) => string): string {
  return Object.entries(row as { readonly [column: string]: JsonValue })
    .map(([column, value]) => `${dim(`${column}:`)}\n${columnText(value)}`)
    .join('\n');
}

function columnText(value: JsonValue): string {
  if (typeof value === 'string') return value;
  return (value as unknown as readonly { role: string; content: string }[])
    .map(({ role, content }) => `[${role}]\n${content}`)
    .join('\n');
}
