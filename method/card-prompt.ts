/** The part of a student's card that says how it wants to be asked: the prompts it was trained on, as a run sends them (method/prompts.ts). */
import type { RunConfig } from '../schemas/run-config';
import type { TaskRecord } from '../schemas/task';
import { studentPrompt } from './prompts';

/** Of a run with more tasks the others are named: they differ in their description and labels alone. */
const tasksShownMax = 5;

/** Markdown blocks: a heading, the way in which the text is given, and the prompt of each task with `{question}` for the question. */
export function promptForm(tasks: readonly TaskRecord[], config: RunConfig): string[] {
  const style = config.models.student.prompt_style;
  const shown = tasks.slice(0, tasksShownMax);
  const others = tasks.slice(tasksShownMax).map(({ name }) => name);
  const built = shown.map((task) => ({ task, ...studentPrompt(task, [], '{question}', config, style) }));
  const stops = [...new Set(built.flatMap(({ stop }) => stop))].map((stop) => `\`${JSON.stringify(stop)}\``);
  return [
    '## Prompt form',
    `${
      style === 'chat'
        ? "One user message, through the model's chat template."
        : 'Plain text to be continued, without a chat template: one that lies beside the weights is that of the base.'
    } \`{question}\` is the question.${stops.length > 0 ? ` The run ended an answer at ${stops.join(' or ')}.` : ''}`,
    ...built.flatMap(({ task, prompt }) => [
      `${task.name}:`,
      `\`\`\`text\n${prompt.kind === 'chat' ? prompt.messages.map(({ content }) => content).join('\n\n') : prompt.text}\n\`\`\``,
    ]),
    ...(others.length > 0 ? [`The same with their own descriptions and labels: ${others.join(', ')}.`] : []),
  ];
}
