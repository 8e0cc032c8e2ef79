/** `arte preview CONFIG`: one question through every prompt and stage, shown, and with --ask answered by the models. Nothing is kept. */
import type { Command } from 'commander';
import { nearestName } from '../../method/config/explain-shape';
import { lintPrompts, type LintFinding } from '../../method/lint-prompts';
import { previewItem, previewTask } from '../../method/preview';
import { ArteError } from '../../schemas/errors';
import type { JsonValue } from '../../schemas/json';
import type { ModelRequest, Prompt } from '../../schemas/rows';
import type { TaskRecord } from '../../schemas/task';
import type { AskedStep } from '../ask-models';
import { loadConfig, type LoadedConfig } from '../config/load-config';
import { colorsFor, exitCodes, forVerbatim, printJson, printLine, printVerbatim, progress } from '../output';

interface Options {
  readonly task?: string;
  readonly ask?: boolean;
  readonly lint?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('preview')
    .argument('<config>', "the run's YAML file")
    .description('one question through every prompt and stage, as the models will see it; nothing is kept')
    .option('--task <name>', 'a task of the config (default: the first)')
    .option('--ask', 'ask the models, one call a prompt: each answer goes into the next prompt')
    .option(
      '--lint',
      'only say what may be wrong with the prompts, of every task or the one named; exit code 1 if anything',
    )
    .option('--json', 'as JSON: {task, question, steps}; with --lint {findings}')
    .action(async (path: string, { task: name, ask, lint, json }: Options) => {
      if (lint === true) {
        process.exitCode = await lintAll(path, name, json === true);
        return;
      }
      const loaded = await loadConfig(path, { env: process.env, purpose: ask === true ? 'run' : 'plan' });
      const task = chosenTask(loaded.tasks, name, path);
      const steps = ask === true ? await askedSteps(loaded, task) : previewTask(task, loaded.config);
      const { question, target } = previewItem(task);
      if (json === true) printJson({ task: task.name, question, target, steps });
      else printPreview(task, steps, ask === true);
    });
}

/** Ask, with a line of progress; Ctrl-C ends the servers first. */
async function askedSteps(loaded: LoadedConfig, task: TaskRecord): Promise<readonly AskedStep[]> {
  const interrupted = new AbortController();
  const stop = (): void => interrupted.abort(new Error('interrupted'));
  const line = progress('asking the models');
  try {
    // Loaded only here: the drivers take longer to load than a preview takes to show.
    const { askModels } = await import('../ask-models.js');
    const { ensurePythonEnv } = await import('../../drivers/local/python-env.js');
    // Setting Python up knows no signal: until it is done Ctrl-C ends this process, as it does by default, and pip with it.
    await ensurePythonEnv({ onProgress: ({ what }) => line.update(`setting up Python: ${what}`) });
    process.once('SIGINT', stop);
    const steps = await askModels(loaded, task, {
      onProgress: (text) => line.update(text),
      signal: interrupted.signal,
    });
    line.done('asked; nothing is kept');
    return steps;
  } catch (error) {
    line.fail();
    if (!interrupted.signal.aborted) throw error;
    process.exit(exitCodes.interrupted);
  } finally {
    process.removeListener('SIGINT', stop);
  }
}

/** Look over the prompts of the tasks; nothing is asked. */
async function lintAll(path: string, name: string | undefined, json: boolean): Promise<number> {
  const { config, tasks } = await loadConfig(path, { env: process.env, purpose: 'plan' });
  const chosen = name === undefined && tasks.length > 0 ? tasks : [chosenTask(tasks, name, path)];
  const findings = chosen.flatMap((task) => lintPrompts(task, config));
  if (json) printJson({ findings });
  else printFindings(findings, chosen);
  return findings.length > 0 ? exitCodes.failed : exitCodes.done;
}

function printFindings(findings: readonly LintFinding[], tasks: readonly TaskRecord[]): void {
  const color = colorsFor(process.stdout);
  if (findings.length === 0) {
    printLine(`${color.green('clean')}  the prompts of ${tasks.map(({ name }) => name).join(', ')}`);
    return;
  }
  for (const { rule, task, where, what, instead } of findings) {
    printLine(`${color.yellow(rule)}  ${task}${where.length === 0 ? '' : `, ${where.join(', ')}`}`);
    printLine(`  ${what}`);
    printLine(`  ${color.dim(instead)}`);
  }
}

function chosenTask(tasks: readonly TaskRecord[], name: string | undefined, path: string): TaskRecord {
  const task = name === undefined ? tasks[0] : tasks.find((known) => known.name === name);
  if (task !== undefined) return task;
  if (name === undefined) {
    throw new ArteError('InvalidInput', {
      what: `${path} has no task with items.`,
      why: 'Its tasks are only declared: how many items they have is known, not which.',
      next: 'Name the items of a task: source: jsonl with a path, bbh-json, gsm8k-jsonl, arc-jsonl, commonsenseqa-jsonl, piqa-jsonl, files, or builtin.',
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

function printPreview(task: TaskRecord, steps: readonly AskedStep[], asked: boolean): void {
  const color = colorsFor(process.stdout);
  printLine(`${color.bold(task.name)} (${task.answer.type}): ${task.description}`);
  if (!asked)
    printLine(
      color.dim('A validation item stands in for drafted questions, "…" for words that a model has yet to write.'),
    );
  for (const { stage, title, model, request, row, answer, reading } of forVerbatim(steps)) {
    printLine();
    printLine(`${color.cyan('━━')} ${color.bold(stage)}  ${title}  ${color.dim(`(${model})`)}`);
    if (request !== undefined) {
      const { temperature, maxTokens, stop } = request.sampling;
      const settings =
        request.given === undefined
          ? [`temperature ${temperature}`, `at most ${maxTokens} tokens`]
          : ['what stands in brackets is scored, nothing is written'];
      if (stop.length > 0) settings.push(`stops at ${stop.map((text) => JSON.stringify(text)).join(', ')}`);
      if (request.jsonSchema !== undefined) settings.push('constrained by a JSON Schema');
      printLine(color.dim(`   ${settings.join(' · ')}`));
      printVerbatim(promptText(request.prompt) + givenText(request, color.dim));
    }
    if (row !== undefined) printVerbatim(rowText(row, color.dim));
    if (answer !== undefined) {
      printVerbatim(color.green(answer.trim() === '' ? '(nothing)' : answer));
      printLine(color.dim(`   read as: ${reading ?? ''}`));
    }
  }
}

function promptText(prompt: Prompt): string {
  if (prompt.kind === 'completion') return prompt.text;
  return prompt.messages.map(({ role, content }) => `[${role}]\n${content}`).join('\n');
}

/** The text whose probability is asked for, after the words that lead to it. */
function givenText({ given }: ModelRequest, dim: (text: string) => string): string {
  return given === undefined ? '' : `${given.lead}${dim('[')}${given.text}${dim(']')}`;
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
