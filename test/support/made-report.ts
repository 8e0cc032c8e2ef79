/** A report without a run: arms, rounds, shot counts and tasks as many as a test wants, with figures by method/'s own code. For tests of its views. */
import { compareArms, linesOf } from '../../method/comparisons';
import { evaluatePredictions, macroAverage } from '../../method/evaluate';
import { seededRandom } from '../../method/keys';
import { mean, sampleVariance } from '../../method/statistics';
import type { ArmName } from '../../schemas/arms';
import type { ModelRef } from '../../schemas/model-ref';
import { reportVersion, type ReportArm, type ReportTransfer, type RunReport } from '../../schemas/report';
import type { PredictionRow, RowOutcome } from '../../schemas/rows';
import { taughtArms, type TransferTarget } from '../../schemas/transfer';

export interface MadeReport {
  readonly arms: readonly ArmName[];
  readonly rounds?: number;
  readonly shots?: readonly number[];
  readonly students?: number;
  /** Items a task. Default: 30. */
  readonly items?: number;
  /** Targets that the standing arms are carried over to. */
  readonly transfer?: readonly TransferTarget[];
  /** Task -> category. */
  readonly tasks: Readonly<Record<string, string>>;
}

/** Every tenth answer ends as none; two of them are cut off. */
const endings: readonly RowOutcome[] = [
  ...(['ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'truncated', 'truncated', 'malformed', 'ok'] as const),
];

export function madeReport({
  arms,
  rounds = 1,
  shots = [0],
  students = 1,
  items = 30,
  transfer = [],
  tasks,
}: MadeReport): RunReport {
  const random = seededRandom(1);
  const predictions = (): PredictionRow[] =>
    Object.keys(tasks).flatMap((task) =>
      Array.from({ length: items }, (_, item): PredictionRow => {
        const outcome = endings[item % endings.length] ?? 'ok';
        const read = outcome === 'ok';
        return {
          ...{ task, itemId: String(item), shots: 0, answer: read ? '1' : null, target: '1', outcome, from: 'x' },
          correct: read && random() < 0.5,
          tagged: read && item % endings.length < 5,
        };
      }),
    );
  const evaluated = (arm: ArmName, round: number, to?: TransferTarget) =>
    shots.flatMap((count) =>
      Array.from({ length: arm === 'untuned' || arm === 'teacher' ? 1 : students }, () => ({
        ...{ arm, round, shots: count, key: 'e'.repeat(64), predictions: predictions() },
        ...(to && { to }),
      })),
    );
  const lines = linesOf(
    Array.from({ length: rounds }, (_, at) => at + 1).flatMap((round) =>
      arms.filter((arm) => round === 1 || arm === 'arte').flatMap((arm) => evaluated(arm, round)),
    ),
  );
  const carried = linesOf(
    transfer.flatMap((to) => (['untuned', ...taughtArms] as const).flatMap((arm) => evaluated(arm, rounds, to))),
  );
  const usage = { calls: 6_261, inputTokens: 12_345_678, cachedInputTokens: 9_876_543, outputTokens: 1_234_567 };
  const lost = { lostCalls: 0, lostInputTokens: 0 };
  return {
    ...{
      schemaVersion: reportVersion,
      runId: 'made',
      name: 'made',
      status: 'DONE',
      writtenAt: '2026-01-01T00:00:00.000Z',
    },
    rounds: Array.from({ length: rounds }, (_, at) => ({
      round: at + 1,
      decision: {
        decision: 'promote',
        reason: `Round ${at + 1} is the best so far: 50.0 % against 40.0 % of round 1 (${'+10.0 points, '.repeat(4)}).`,
      },
      ...{ teacher: model, student: model, artifacts: {} },
    })),
    arms: reported(lines, tasks),
    ...(carried.length > 0 && {
      transfer: reported(carried, tasks).map((arm, at): ReportTransfer => {
        const to = carried[at]?.to ?? 'tasks';
        return { ...arm, to, ...(to === 'tasks' ? {} : { model: `hf:somebody/another-student-${to}` }) };
      }),
    }),
    stages: lines.map(({ arm, round, shots: count, key }) => ({
      ...{ name: 'evaluate', round, arm: `${arm}-${count}shot`, key, ...usage, ...lost },
      ...{ seconds: 4_321, reused: false, cost: 1_234.5, paidByOthers: [], outcomes: {}, facts: {} },
    })),
    totals: { ...usage, ...lost, seconds: 12_345, spent: 0, cost: 12_345, currency: 'USD' },
    notes: [
      'What a reader must not miss is said in a sentence that is longer than a line of a terminal, '.repeat(2).trim(),
    ],
  };
}

type Lines = ReturnType<typeof linesOf<PredictionRow>>;

function reported(lines: Lines, tasks: MadeReport['tasks']): ReportArm[] {
  const comparisons = compareArms(lines);
  return lines.map((line, at): ReportArm => {
    const { overall, byTask, byCategory } = evaluatePredictions(
      line.predictions,
      new Map(Object.entries(tasks)),
      line.students,
    );
    const accuracies = line.byStudent.map((own) => mean(own.map(({ correct }) => Number(correct))));
    const macro = (groups: typeof byTask) => ({
      groups: Object.keys(groups).length,
      ...macroAverage(Object.values(groups)),
    });
    return {
      ...overall,
      tagRate: overall.answers.tagged / overall.n,
      ...{ name: line.arm, round: line.round, shots: line.shots, stageKey: line.key, byTask, byCategory },
      macro: { overTasks: macro(byTask), overCategories: macro(byCategory) },
      students: { accuracies, standardDeviation: Math.sqrt(sampleVariance(accuracies)) },
      ...(line.arm === 'untuned' || line.arm === 'teacher' ? {} : { training: { examples: 6_750, steps: 422 } }),
      comparisons: comparisons[at] ?? [],
    };
  });
}

const model: ModelRef = {
  name: 'm',
  source: { kind: 'embedded', name: 'm' },
  baseSha256: 'a'.repeat(64),
  layers: [],
  contentSha256: 'b'.repeat(64),
};
