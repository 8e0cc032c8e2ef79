/** What a reader of the report must know beside its tables: a sentence each, in the order in which the run came to it. */
import { armTitle } from '../../method/arm-titles';
import type { NextRound } from '../../method/gates';
import { moreShotsNote } from '../../method/shots';
import { transferTargets } from '../../method/transfer';
import type { RoundRecord } from '../../schemas/messages';
import type { ReportArm, ReportStage } from '../../schemas/report';
import type { RunConfig } from '../../schemas/run-config';
import { signalsOf } from '../../schemas/signals';
import { bestRoundOf } from './rounds';
import { probeNotes, qualityNotes, racingNote, scoreNotes } from './score-notes';
import { cutNotes, leakNotes, lengthNotes, sizeNotes, unseenNotes } from './training-notes';

export function notesOf(
  config: RunConfig,
  stages: readonly ReportStage[],
  arms: readonly ReportArm[],
  rounds: readonly RoundRecord[],
): string[] {
  const notes: string[] = [];
  const asked = signalsOf(config.score);
  if (asked.includes('icl_accuracy')) notes.push(...scoreNotes(config, stages), ...probeNotes(stages));
  for (const stage of stages) {
    const short = stage.facts['short'];
    if (Array.isArray(short) && short.length > 0)
      notes.push(
        `${stage.name} (round ${stage.round}${stage.arm === '' ? '' : `, ${stage.arm}`}) came short: ${short.join('; ')}.`,
      );
  }
  if (config.score.signal !== 'icl_accuracy')
    notes.push(
      `Drafts were scored by ${config.score.signal}${asked.length > 1 ? ` (${asked.join(', ')}, by rank)` : ''}, not by the paper's icl_accuracy; docs/signals.md says what it is.`,
    );
  for (const stage of stages) {
    const note = racingNote(stage);
    if (note !== undefined) notes.push(note);
  }
  notes.push(...qualityNotes(stages), ...roundNotes(rounds, config));
  for (const [role, model] of Object.entries(config.models)) {
    if (model.source.startsWith('hosted:'))
      notes.push(`The ${role} is hosted: its identity is what its provider declares, not its content.`);
  }
  if (config.align.method === 'none')
    notes.push(
      "The teacher was not trained (align.method: none): the student's choice of drafts stands in the place of an aligned teacher's data: of the unaligned teacher's drafts those of the questions with the highest s_q under each task's best technique. What DPO adds is left out: preferences about questions do not reach what the teacher writes, no new questions are written, and no further round can build on this one.",
    );
  notes.push(...sizeNotes(arms, stages));
  const shotsNote = moreShotsNote(arms, bestRoundOf(rounds).bestRound, (arm) => armTitle(arm, { stages }));
  if (shotsNote !== undefined) notes.push(shotsNote);
  notes.push(...cutNotes(stages), ...lengthNotes(stages), ...leakNotes(stages, config), ...unseenNotes(stages));
  if (config.sft.seeds > 1)
    notes.push(
      `Accuracies are means over ${config.sft.seeds} students from seeds of their own. Intervals and p values are about the items, for these students; how far students of one arm lie apart is the standard deviation beside them.`,
    );
  const aligned = arms.filter((arm) => arm.name === 'arte');
  const unchanged = aligned.filter(({ stageKey }) =>
    arms.some((arm) => arm.name === 'original_teacher' && arm.stageKey === stageKey),
  );
  for (const round of new Set(unchanged.map((arm) => arm.round)))
    notes.push(
      `The training set of round ${round}'s aligned teacher is the unaligned teacher's, row by row: one student stands in both lines, and they cannot differ. The alignment did not change what the teacher writes.`,
    );
  const gains = aligned.flatMap((arm) =>
    arm.comparisons.filter((comparison) => comparison.against === 'original_teacher' && comparison.verdict === 'gain'),
  );
  const theirs = `the ${armTitle({ name: 'arte' }, { stages }).replace(/^the /, '')}`;
  if (aligned.length > 0 && gains.length === 0)
    notes.push(
      `The student trained on ${theirs} does not beat the unaligned teacher's student beyond noise: nothing may be claimed for ${config.align.method === 'none' ? 'the choice of drafts' : 'the alignment'} here.`,
    );
  return notes;
}

/** What the rounds decided, and what choosing among them does to the figures. */
function roundNotes(rounds: readonly RoundRecord[], config: RunConfig): string[] {
  const decided = rounds.filter(({ decision }) => typeof decision['bestRound'] === 'number');
  const last = decided.at(-1);
  if (!last) return [];
  const best = Number(last.decision['bestRound']);
  const next = last.decision['next'] as unknown as NextRound | undefined;
  const failures = decided.flatMap(({ round, decision }) => {
    const gates = decision['gates'] as { readonly sentences?: readonly string[] } | undefined;
    return (gates?.sentences ?? []).map((sentence) => `Round ${round}: ${sentence}`);
  });
  return [
    ...failures,
    ...(best === 0
      ? [
          'No round was accepted: nothing that was trained here may be used for the result of the run.',
          ...(transferTargets(config).length > 0
            ? ['No round was accepted, so nothing was carried over (transfer).']
            : []),
        ]
      : []),
    ...(decided.length > 1 && best > 0
      ? [
          `The result of the run is round ${best} of ${decided.length}, chosen by its accuracy on the test items: the more rounds there are to choose from, the more that figure flatters it.`,
        ]
      : []),
    ...(next?.stop && last.round < config.rounds.count
      ? [`The run stopped after round ${last.round} of ${config.rounds.count}: ${next.why}`]
      : []),
  ];
}
