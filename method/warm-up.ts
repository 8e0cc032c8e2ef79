/**
 * Warm-up of the teacher: from a task's gold examples to the rows it is trained on before the first round.
 *
 * Owns what an example may be and what it teaches. Leaves reading lines to readers/gold.ts, wording to prompts.ts, training to activities/warm-up.ts.
 *
 * Invariants
 * 1. No gold question stands in a split of its task, compared as splits are among themselves (hygiene.ts).
 * 2. A row's prompt is made by what makes the teacher's prompts later: the technique prompt, the naive prompt, or the question prompt for one question.
 *    That one is what the teacher is asked, byte for byte, where per_call is 1; where it is more, its words for several differ.
 * 3. Pure; the order of the rows follows from the seed.
 */
import { ArteError } from '../schemas/errors';
import type { RunConfig } from '../schemas/run-config';
import type { GoldExample, TaskRecord } from '../schemas/task';
import { normaliseQuestion } from './hygiene';
import { seedFrom, shuffled } from './keys';
import { demonstrationOf, naivePrompt, questionPrompt, questionResponse, rationalePrompt } from './prompts';
import { readGold } from './readers/gold';
import { problemsShownMax } from './readers/items';
import { completionRow, type SftRow } from './training-rows';

/** Whether the run begins with a warm-up of its teacher. */
export function hasGold({ tasks }: Pick<RunConfig, 'tasks'>): boolean {
  return tasks.some(({ gold }) => gold !== undefined);
}

/**
 * The gold examples of a task.
 * @throws ArteError InvalidTaskFile: bad lines, a technique that the task does not have, questions that stand in one of its splits.
 */
export function goldExamples(task: TaskRecord, text: string, path: string): GoldExample[] {
  const examples = readGold(
    text,
    `The gold file ${path}`,
    task.techniques.map(({ name }) => name),
  );
  const splits = (['seeds', 'validation', 'test'] as const).flatMap((part) =>
    task[part].map(({ question }) => [normaliseQuestion(question), part] as const),
  );
  const held = new Map(splits);
  const seen = examples.flatMap(({ question }) => {
    const part = held.get(normaliseQuestion(question));
    return part === undefined ? [] : [`${part}: ${JSON.stringify(question.slice(0, 80))}`];
  });
  if (seen.length > 0) {
    const rest = seen.length - problemsShownMax;
    throw new ArteError('InvalidTaskFile', {
      what: `${seen.length} gold ${seen.length === 1 ? 'question' : 'questions'} of the task "${task.name}" ${seen.length === 1 ? 'stands' : 'stand'} in its seeds, validation or test items.`,
      why: 'The teacher would learn by heart what its own questions and the students are measured against.',
      next: `Take them out of ${path}.`,
      details: rest > 0 ? [...seen.slice(0, problemsShownMax), `and ${rest} more`] : seen,
    });
  }
  return examples.map((example) => ({ task: task.name, ...example }));
}

/**
 * Rows for the teacher: every example as the answer to its technique prompt or the naive prompt, and (warm_up.questions) as the question of a
 * question prompt, with the seeds in one of their orders.
 */
export function warmUpRows(
  examples: readonly GoldExample[],
  tasks: ReadonlyMap<string, TaskRecord>,
  config: RunConfig,
): SftRow[] {
  const style = config.models.teacher.prompt_style;
  const rows = examples.flatMap((example, index): SftRow[] => {
    const task = tasks.get(example.task);
    if (!task) throw new Error(`a gold example is of the task ${example.task}, which there is not`);
    const technique = task.techniques.find(({ name }) => name === example.technique);
    const asked = technique
      ? rationalePrompt(task, technique, example.question, config, style)
      : naivePrompt(task, example.question, config, style);
    const { rationale } = demonstrationOf({ id: '', ...example }, task, config);
    const worked = completionRow(asked.prompt, rationale, ' ');
    if (!config.warm_up.questions) return [worked];
    const request = questionPrompt(task, config, style, 1, index);
    const response = questionResponse([example], config.questions.format, 1);
    const written = response.startsWith(request.assistantPrefix)
      ? response.slice(request.assistantPrefix.length)
      : response;
    return [worked, completionRow(request.prompt, written, '')];
  });
  return shuffled(rows, seedFrom(config.seed, 'warm-up'));
}
