/**
 * Settings for a very small model that were left beside one that follows instructions: a run can be made with them, and its answers are worse than they
 * need be. Owns which settings these are; whether a model follows instructions is a guess by its name, so it is a warning.
 */
import type { RunConfig } from '../../schemas/run-config';
import { configProblem, pathText, type ConfigProblem } from './config-problem';
import { namedModels } from './named-parts';

/** How makers name a model that was tuned on conversations: …-Instruct, …-Chat, …-it. */
const instructedName = /(?:^|[-_.])(?:instruct|chat|it)(?![a-z])/i;

/** A warning for each model that is asked in raw text though its name says that it was tuned on conversations. */
export function styleWarnings(config: RunConfig): ConfigProblem[] {
  return namedModels(config).flatMap(({ role, segments, model }) => {
    const { source, prompt_style: style } = model;
    // The embedded model has the name, and is too small to follow.
    if (style !== 'completion' || source.startsWith('embedded:')) return [];
    const name = source.split('/').at(-1) ?? source;
    if (!instructedName.test(name)) return [];
    const place = pathText(segments);
    const out = [
      `${place}.prompt_style`,
      ...(!model.add_bos ? [`${place}.add_bos`] : []),
      ...(role === 'teacher' ? teacherSettings(config) : []),
    ];
    return [
      configProblem([...segments, 'prompt_style'], {
        what: `${name} is asked in raw text (prompt_style: completion), and its name says that it was tuned to follow requests in a conversation.`,
        why: 'Raw text is for base models and for very small ones, such as the embedded one that arte init writes a config for: others do better in their chat template.',
        instead: `Take out ${listed(out)}${role === 'teacher' ? ', and see whether max_tokens and the learning rates suit it' : ''}. If its name misleads, leave it as it is.`,
      }),
    ];
  });
}

/** What arte init and quickstart set for the embedded teacher, as far as this config has it. */
function teacherSettings({ questions, rationales, tailor, prompts }: RunConfig): string[] {
  const sampling = (place: string, { top_k, min_p }: { readonly top_k: number; readonly min_p: number }): string[] => [
    ...(top_k > 0 ? [`${place}.top_k`] : []),
    ...(min_p > 0 ? [`${place}.min_p`] : []),
  ];
  return [
    ...(prompts.answer_open.startsWith('<') ? [] : ['prompts.answer_open', 'prompts.answer_close']),
    ...(questions.format === 'json' ? ['questions.format'] : []),
    ...sampling('questions', questions),
    ...sampling('tailor.questions', tailor.questions),
    ...(rationales.answer === 'given' ? ['rationales.answer'] : []),
    ...(tailor.answer === 'given' ? ['tailor.answer'] : []),
  ];
}

function listed(settings: readonly string[]): string {
  return settings.length < 2 ? settings.join('') : `${settings.slice(0, -1).join(', ')} and ${settings.at(-1)}`;
}
