/** How answers were read: the kinds in words, those worth a column, and the answers that scores rest on. */
import type { AnswerCounts, RunReport } from '../../schemas/report';

/** The kinds of answers in words: column titles and what they mean. */
export const answerKinds: Readonly<Record<keyof AnswerCounts, { readonly title: string; readonly means: string }>> = {
  tagged: { title: 'tagged', means: 'the answer stood in the answer tag' },
  untagged: { title: 'untagged', means: 'found without the tag, by the rules of evaluate.extraction: flexible' },
  truncated: {
    title: 'truncated',
    means: 'cut off at max_tokens before a tag was closed: no answer, counts as wrong; raise max_tokens',
  },
  unreadable: { title: 'unreadable', means: 'ended by itself without an answer that can be read: counts as wrong' },
  refused: { title: 'refused', means: 'by the provider: counts as wrong' },
  failed: { title: 'failed', means: 'the call failed for good: counts as wrong' },
};

/** The kinds worth a column: refused and failed only where there are some. */
export function answerKindsIn(counts: readonly AnswerCounts[]): (keyof AnswerCounts)[] {
  const always: readonly (keyof AnswerCounts)[] = ['tagged', 'untagged', 'truncated', 'unreadable'];
  return (Object.keys(answerKinds) as (keyof AnswerCounts)[]).filter(
    (kind) => always.includes(kind) || counts.some((count) => count[kind] > 0),
  );
}

/** The answers that each round's scores rest on, from the facts of its score-drafts stage. */
export function scoredAnswers({ stages }: Pick<RunReport, 'stages'>): { round: number; answers: AnswerCounts }[] {
  return stages.flatMap(({ name, round, facts }) => {
    // The signals that read no answer have none to count.
    const answered = name === 'score-drafts' && (facts['signal'] ?? 'icl_accuracy') === 'icl_accuracy';
    const quality = answered ? (facts['quality'] as { answers?: AnswerCounts } | undefined) : undefined;
    return quality?.answers ? [{ round, answers: quality.answers }] : [];
  });
}
