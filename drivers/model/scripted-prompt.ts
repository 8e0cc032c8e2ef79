/**
 * What a script reads in a prompt: what any wording of ours holds ("Question:", "Answer:", the reminder's answer form), nothing more.
 *
 * Leaves the wording of prompts to method/prompts.ts, what is said to them to the scripts.
 */
import type { ScriptOptions } from './scripted-options';

/** The answer form that the reminder shows: `"<ans>X</ans>"`, `"The answer is X."`; options come first. */
export function tagsOf(prompt: string, options: ScriptOptions): { open: string; close: string } {
  const shown = /"([^"\n]*?)X([^"\n]*?)"/.exec(prompt);
  return {
    open: String(options.answer_open) || (shown?.[1] ?? '<ans>'),
    close: String(options.answer_close) || (shown?.[2] ?? '</ans>'),
  };
}

/** The last question of a prompt, and the rationales of the questions before it that have an answer. */
export function readPrompt(prompt: string): { question: string; demonstrations: string[] } {
  const parts = prompt.split(/^[ \t]*(?:Question|Q):/im);
  const last = parts.at(-1) ?? '';
  const demonstrations = parts.slice(1, -1).flatMap((part) => {
    const answer = part.split(/^[ \t]*(?:Answer|A):/im)[1];
    return answer === undefined ? [] : [answer.trim()];
  });
  return { question: last.split(/^[ \t]*(?:Answer|A):/im)[0] ?? '', demonstrations };
}

/** The last two integers of a question, as its right and its wrong answer. */
export function numbersIn(question: string): { answer: number; other: number; word: 'larger' | 'smaller' } | undefined {
  const [first, second] = (question.match(/-?\d+/g) ?? []).slice(-2).map(Number);
  if (first === undefined || second === undefined) {
    return undefined;
  }
  const smaller = /\b(smaller|smallest|less|lower|lesser|minimum)\b/i.test(question);
  const [low, high] = [Math.min(first, second), Math.max(first, second)];
  return smaller ? { answer: low, other: high, word: 'smaller' } : { answer: high, other: low, word: 'larger' };
}
