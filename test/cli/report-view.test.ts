/**
 * Goal: the report on the screen fits a terminal, says what its columns mean, counts answers by how they were read, and says in words when there is
 * nothing to report.
 * Method: reports small and large (support/made-report.ts) through the command's own printing.
 */
import { printReport, reportWidthMax, textWidthMax } from '../../cli/report-view';
import { reportPage } from '../../cli/report-page';
import { armNames } from '../../schemas/arms';
import type { RunReport } from '../../schemas/report';
import { runCommand } from '../support/command';
import { madeReport } from '../support/made-report';

const printed = async (report: RunReport): Promise<string> =>
  (
    await runCommand(
      (program) =>
        void program.command('show').action(() => {
          printReport(report);
        }),
      ['show'],
    )
  ).stdout;
const widest = (text: string): number => Math.max(...text.split('\n').map((line) => line.length));
const standing = ['untuned', 'original_teacher', 'arte'] as const;

it('of three arms fits 80 columns', async () => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  expect(widest(await printed(report))).toBeLessThanOrEqual(reportWidthMax);
  const students = (await printed(report)).split('What each stage took')[0] ?? '';
  expect(widest(students)).toBeLessThanOrEqual(textWidthMax);
});

it('of all arms, rounds, shot counts, seeds and 23 tasks fits too', async () => {
  const tasks = Object.fromEntries(
    Array.from({ length: 23 }, (_, at) => [`a_task_with_a_long_name_${at}`, at % 2 ? 'algorithmic' : 'language']),
  );
  const text = await printed(madeReport({ arms: armNames, rounds: 2, shots: [0, 3], students: 2, items: 2, tasks }));
  expect(text.split('\n').filter((line) => line.length > reportWidthMax)).toEqual([]);
  for (const task of Object.keys(tasks)) expect(text.match(new RegExp(`${task}(?!\\d)`, 'g'))).toHaveLength(1);
  for (const said of ['over tasks', 'over categories', 'sd over seeds', 'What the rounds decided'])
    expect(text).toContain(said);
  expect(text).not.toMatch(/NaN|undefined|\[object/);
});

it('counts answers by how they were read, and says what each kind is', async () => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const { arms } = report;
  expect(arms[0]?.answers).toEqual({ tagged: 15, untagged: 6, truncated: 6, unreadable: 3, refused: 0, failed: 0 });
  const text = await printed(report);
  expect(text).toMatch(/student trained on +tagged +untagged +truncated +unreadable\n/);
  expect(text).toMatch(/nothing \(untuned\) +15 +6 +6 +3\n/);
  for (const kind of ['tagged', 'untagged', 'truncated', 'unreadable'])
    expect(text).toMatch(new RegExp(`^ +${kind}: `, 'm'));
  expect(text).not.toContain('refused');
  const refused: RunReport = {
    ...report,
    arms: arms.map((arm) => ({ ...arm, answers: { ...arm.answers, refused: 2 } })),
  };
  expect(await printed(refused)).toMatch(/^ +refused: +by the provider/m);
});

it('shows both baselines, with p and what may be claimed', async () => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const text = await printed(report);
  for (const { name, comparisons } of report.arms)
    for (const { p, verdict } of comparisons)
      expect([name, text]).toEqual([name, expect.stringContaining(`${p.toFixed(3)}  ${verdict}`)]);
  expect(text).toContain("Against the unaligned teacher's student");
  expect(text).toContain('Against the untuned student');
});

it('of a run that was cancelled before a student was evaluated says so instead of an empty table', async () => {
  const whole = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const [stage] = whole.stages;
  const cancelled: RunReport = {
    ...whole,
    ...{ status: 'CANCELLED', rounds: [], arms: [] },
    stages: [
      { ...stage!, name: 'score-drafts', arm: '', facts: { quality: { answers: { ...whole.arms[0]!.answers } } } },
    ],
  };
  const text = await printed(cancelled);
  expect(text.replaceAll('\n', ' ')).toContain(
    'No student was evaluated in a whole round: the run was cancelled after score-drafts in round 1.',
  );
  expect(text).not.toContain('student trained on');
  // What it had scored is still told.
  expect(text).toMatch(
    /behind the scores of the drafts were read\nround +tagged +untagged +truncated +unreadable\n +1 +15 +6 +6 +3\n/,
  );
  expect(reportPage(cancelled, { rounds: [], pairs: [] }, undefined)).toContain(
    'How the answers behind the scores were read',
  );
  expect((await printed({ ...cancelled, stages: [] })).replaceAll('\n', ' ')).toContain('before its first stage');
});
