/**
 * Goal: the report on the screen fits a terminal, says what its columns mean, counts answers by how they were read, and says in words when there is
 * nothing to report.
 * Method: reports small and large (support/made-report.ts) through the command's own printing.
 */
import { runKeys } from '../../../../activities/run-records';
import { standingOf } from '../../../../cli/report/report-standing';
import { printReport } from '../../../../cli/report/screen/report-view';
import { escaped } from '../../../../cli/report/page/report-plots';
import { reportPage } from '../../../../cli/report/page/report-page';
import { verdict } from '../../../../cli/report/report-verdict';
import { reportWidthMax, textWidthMax } from '../../../../cli/report/report-words';
import { armNames } from '../../../../schemas/arms';
import type { RunStatus } from '../../../../schemas/messages';
import type { ReportArm, RunReport } from '../../../../schemas/report';
import { MemoryStore } from '../../../activities/row-engine/memory-store';
import { runCommand } from '../../../support/command';
import { madeReport } from '../../../support/made-report';

const printed = async (report: RunReport, full = true, standing?: string): Promise<string> =>
  (
    await runCommand(
      (program) =>
        void program.command('show').action(() => {
          printReport(report, { full, standing });
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
  for (const said of ['over tasks', 'over categories', 'sd over seeds', 'Round 2 promoted.'])
    expect(text).toContain(said);
  expect(text).not.toMatch(/NaN|undefined|\[object/);
});

describe('on one screen', () => {
  const several = () =>
    madeReport({ arms: armNames, rounds: 2, students: 2, items: 5, tasks: { sums: 'general', words: 'general' } });
  /** Lines of the default: more than a screen or two is not read. */
  const shortLinesMax = 80;

  it('has the verdict first, the arms, the rounds, and where the rest is', async () => {
    const report = { ...several(), bestRound: 1 };
    const text = await printed(report, false);
    const lines = text.trim().split('\n');
    expect(lines.length).toBeLessThan(shortLinesMax);
    expect(lines.filter((line) => line.length > reportWidthMax)).toEqual([]);
    const at = (said: string): number => lines.findIndex((line) => line.includes(said));
    const order = [
      'Round 1 of 2 is the best',
      'Round 2 promoted.',
      'Accuracy on the 10',
      'Rounds: what was decided',
      'note',
    ];
    expect(order.map(at)).toEqual(order.map(at).sort((one, other) => one - other));
    expect(order.map(at)).not.toContain(-1);
    expect(lines.at(-1)).toContain('arte report made --full');
    expect(text).not.toMatch(/NaN|undefined|\[object/);
    expect(text).not.toContain('What each stage took');
    const small = await printed(madeReport({ arms: standing, tasks: { sums: 'general' } }), false);
    expect(widest(small.split('Rounds: what')[0] ?? '')).toBeLessThanOrEqual(textWidthMax);
  });

  it('sets the aligned student beside both baselines, says further shot counts shortly, and the page the same', async () => {
    const report = madeReport({ arms: standing, shots: [0, 3], tasks: { sums: 'general' } });
    const text = (await printed(report, false)).replaceAll('\n', ' ');
    const own = report.arms.filter(({ name }) => name === 'arte');
    const figures = (arm: ReportArm, against: string, unit = ''): string => {
      const { difference, low, high } = arm.comparisons.find((one) => one.against === against)!;
      const signed = (share: number): string => `${share >= 0 ? '+' : ''}${(100 * share).toFixed(1)}`;
      return `${signed(difference)}${unit} (${signed(low)} to ${signed(high)})`;
    };
    expect(text).toContain(
      `That is ${figures(own[0]!, 'original_teacher', ' points')} against the unaligned teacher's student:`,
    );
    expect(text).toContain(`Against the untuned student it is ${figures(own[0]!, 'untuned', ' points')}:`);
    expect(text.match(/Trained on the/g)).toHaveLength(1);
    expect(text).toMatch(/ 3-shot: [\d.]+ \(/);
    expect(text).toContain(`; ${figures(own[1]!, 'untuned')} against the untuned student, `);
    const page = reportPage(report, { rounds: [], pairs: [] }, undefined);
    for (const sentence of verdict(report)) expect(page).toContain(`<p>${escaped(sentence)}</p>`);
    expect(page.indexOf('Trained on the')).toBeLessThan(page.indexOf('<dl class="tiles">'));
    expect(page).toContain('accuracy after alignment, 0-shot');
    expect(page).toContain('Against the untuned student</th>');
    for (const { comparisons } of report.arms)
      for (const { p, verdict: called } of comparisons) expect(page).toContain(`p ${p.toFixed(3)}: ${called}`);
  });

  it.each([
    ['gain', [0.1, 0.3], 'a gain beyond noise'],
    ['loss', [-0.3, -0.1], 'a loss beyond noise'],
    ['within noise', [-0.1, 0.3], 'within noise, so nothing may be claimed'],
    // A handful of items that differ all to one side: the bootstrap leaves out zero, the exact test does not.
    ['within noise', [0.1, 0.3], 'within noise by the exact test (adjusted p 0.250), so nothing may be claimed'],
  ] as const)('says of a %s with the interval %j what may be claimed', async (called, [low, high], said) => {
    const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
    const arms = report.arms.map((arm) => ({
      ...arm,
      comparisons: arm.comparisons.map((one) => ({ ...one, low, high, p: 0.25, verdict: called })),
    }));
    expect((await printed({ ...report, arms }, false)).replaceAll('\n', ' ')).toContain(`student: ${said}.`);
  });

  it("names the arm that did better at a shot count, also where the highest figure of all is the aligned student's", async () => {
    const report = madeReport({ arms: [...standing, 'task_consistent'], shots: [0, 3], tasks: { sums: 'general' } });
    const accuracies: Readonly<Record<string, readonly [number, number]>> = {
      ...{ untuned: [0.1, 0.1], original_teacher: [0.2, 0.2], task_consistent: [0.36, 0.44], arte: [0.3, 0.45] },
    };
    const arms = report.arms.map((arm) => ({ ...arm, accuracy: accuracies[arm.name]![arm.shots === 0 ? 0 : 1] }));
    const said = verdict({ ...report, arms }).filter((sentence) => sentence.includes('highest'));
    expect(said).toEqual([expect.stringMatching(/^The highest figure, 0-shot, is that of another arm, .*: 36\.0 /)]);
  });

  it('says how long the run took by the clock, and that stage times hold waits', async () => {
    const wall = { startedAt: '2026-01-01T00:00:00.000Z', seconds: 11_520, pausedSeconds: 600 };
    const text = (await printed({ ...several(), wall }, false)).replaceAll('\n', ' ');
    expect(text).toContain('3h 12m from start to end, 10m 0s of it paused');
    expect(text).toContain('with its waits for a model');
    const page = (of: RunReport): string => reportPage(of, { rounds: [], pairs: [] }, undefined);
    expect(page({ ...several(), wall })).toContain('<dt>from start to end, 10m 0s of it paused</dt><dd>3h 12m</dd>');
    expect(page(several())).toContain('in stages, summed');
  });
});

it('a stage that later rounds found again, and a gate that measured the same, stand once', async () => {
  const report = madeReport({ arms: standing, rounds: 2, tasks: { sums: 'general' } });
  const [stage] = report.stages;
  const tasks = { ...stage!, name: 'prepare-tasks' as const, arm: '', key: 'p'.repeat(64), round: 1 };
  const gates = {
    verdicts: [
      { gate: 'duplicates_max', value: 0.1, limit: 0.5, verdict: 'held' },
      { gate: 'icl_gain_min', value: null, limit: 0, verdict: 'not measured' },
    ],
  };
  const whole: RunReport = {
    ...report,
    stages: [tasks, { ...tasks, round: 2, reused: true }, ...report.stages],
    rounds: report.rounds.map((round) => ({ ...round, decision: { ...round.decision, gates } })),
  };
  const text = await printed(whole);
  expect(text.match(/^prepare-tasks .*$/gm)).toEqual([expect.stringMatching(/^prepare-tasks +1, 2 /)]);
  expect(text.match(/^duplicates_max .*$/gm)).toEqual([expect.stringMatching(/ 1, 2 +0\.100 +0\.5 +held$/)]);
  expect(text).toContain('duplicates_max: share of the questions that repeat an earlier one; at most 0.5.');
  expect(await printed(whole, false)).toMatch(/^ +1 {2}promoted +1 held, 1 not measured/m);
  expect(reportPage(whole, { rounds: [], pairs: [] }, undefined)).toContain('repeat an earlier one; at most 0.5');
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

it('shows what it cost, and nothing of cost where no model has a price', async () => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  expect(await printed(report)).toContain('What each stage took (cost in USD)');
  const free: RunReport = {
    ...report,
    stages: report.stages.map((stage) => ({ ...stage, cost: 0 })),
    totals: { ...report.totals, cost: 0 },
  };
  const text = (await printed(free)).split('What each stage took')[1] ?? '';
  expect(text).not.toMatch(/cost|0\.00/);
  const page = (of: RunReport): string => reportPage(of, { rounds: [], pairs: [] }, undefined);
  expect(page(free)).not.toMatch(/cost by the prices|Cost, USD/);
  expect(page(report)).toMatch(/cost by the prices[^]*Cost, USD/);
});

it("sets the run's time by the clock beside the plan's, without its pauses; without one it says that it is a sum", async () => {
  const nothing = { low: 0, high: 0 };
  const left = {
    ...{ calls: 1, inputTokens: nothing, outputTokens: nothing, cost: nothing },
    ...{ seconds: { low: 60, high: 600 }, deviceSeconds: nothing, diskBytes: nothing },
  };
  const report = {
    ...madeReport({ arms: standing, tasks: { sums: 'general' } }),
    planned: { madeAt: '2026-01-01T00:00:00.000Z', left },
  };
  const wall = { startedAt: '2026-01-01T00:00:00.000Z', seconds: 594, pausedSeconds: 60 };
  const planOf = async (of: RunReport): Promise<string> =>
    ((await printed(of)).split('Plan against actual')[1] ?? '').replace(/\s+/g, ' ');
  expect(await planOf({ ...report, wall })).toMatch(/in all .*: 8m 54s .*by the clock, planned and actual/);
  expect(await planOf(report)).toMatch(/in all .*: 3h 25m summed .*the actual one a sum over stages/);
});

it('tells of the training sets within 80 columns, and once what was left out of none', async () => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const [stage] = report.stages;
  const hygiene = {
    // More leaks were found than left out for being leaks: one had no answer tag.
    ...{ dropped: { 'in test': 2, 'overlaps test': 4, 'in validation': 7, 'no answer tag': 1 } },
    ...{ exactDuplicates: 12, nearDuplicates: 345, contaminatedTest: 7, contaminatedProbe: 7 },
    words: { rationale: { p10: 123, p50: 234, p90: 345 } },
  };
  const sets = (['original_teacher', 'arte'] as const).map((arm) => ({
    ...stage!,
    ...{ name: 'tailor-rationales' as const, arm, round: 1, facts: { examples: 6_750, agreeing: 6_000, hygiene } },
  }));
  const whole = { ...report, stages: [...report.stages, ...sets] };
  // What was put in place of the writer's answer agrees by itself, and nobody told the writer.
  const given = { ...whole, answersGiven: { drafts: false, tailored: true } };
  expect(await printed(given)).toMatch(/^unaligned teacher's data +6,750 +given /m);
  expect((await printed(given)).replaceAll('\n', ' ')).toContain(
    "(given: it was put in place of the writer's own answer",
  );
  expect(reportPage(given, { rounds: [], pairs: [] }, undefined)).toContain('given, not measured');
  const text = await printed(whole);
  const section = /^Training sets\n([^]*?)\n\n/m.exec(text)?.[1] ?? '';
  expect(section).toMatch(/^unaligned teacher's data +6,750 +88\.9 % +12 \+ 345 +6 \+ 7 +123\/234\/345$/m);
  expect(section).toMatch(/leaks out: left out/);
  expect(await printed({ ...whole, leaksKept: true })).toMatch(/ 6 \+ 7; 7 \+ 7 kept /);
  const counted = sets.map((set) => ({
    ...set,
    facts: { ...set.facts, hygiene: { ...hygiene, leaksKept: { test: 5, validation: 4 } } },
  }));
  const kept = { ...whole, leaksKept: true, stages: [...report.stages, ...counted] };
  expect(await printed(kept)).toMatch(/ 6 \+ 7; 5 \+ 4 kept /);
  expect(section.match(/Left out/g)).toHaveLength(1);
  expect(widest(section)).toBeLessThanOrEqual(textWidthMax);
});

it.each([
  [undefined, 'Reliability (split half)'],
  ['icl_loglik', 'Reliability (split half)'],
  ['student_prob', 'Reliability (by standard errors)'],
  ['combined', 'Reliability (by standard errors)'],
])('calls the reliability of scores by %s what it is', (signal, said) => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const { answers } = report.arms[0]!;
  const quality = { drafts: 4, cells: 8, meanStderr: 0.1, spread: 0.1, tiedShare: 0, reliability: 0.5, answers };
  const rounds = [{ round: 1, scores: [], quality, ...(signal !== undefined && { signal }) }];
  expect(reportPage(report, { rounds, pairs: [] }, undefined)).toContain(`${said}</th>`);
});

it('tells who rejected the only round, who did what to the run, and nothing of a run that was only started', async () => {
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const order = { schemaVersion: 1 as const, runId: 'made', by: 'ana@desk', at: '2026-01-01T10:00:00.000Z' };
  const start = { ...order, action: 'start' as const };
  expect(await printed({ ...report, actions: [start] })).not.toContain('What people did');
  const approval = { by: 'ana@desk', at: '2026-01-01T10:00:00.000Z', approved: false, reason: 'too thin' };
  const rejected: RunReport = {
    ...report,
    rounds: report.rounds.map((round) => ({
      ...round,
      decision: { ...round.decision, decision: 'rejected', reason: 'It is the best.', approval },
    })),
    actions: [start, { ...order, action: 'retry', set: ['align.batch_size=4'], reason: 'memory' }],
  };
  const text = await printed(rejected);
  expect(text).toContain('Round 1 rejected by a person. ana@desk, 2026-01-01 10:00: "too thin".');
  expect(text).not.toContain('It is the best.');
  expect(text).toMatch(/^2026-01-01 10:00 {2}retry {8}ana@desk align\.batch_size=4; "memory"$/m);
  const page = reportPage(rejected, { rounds: [], pairs: [] }, undefined);
  for (const said of ['rejected by a person', 'too thin', 'align.batch_size=4']) expect(page).toContain(said);
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

it('of a run that has gone on since says so at its top, on the screen and on the page', async () => {
  const store = new MemoryStore();
  const report = madeReport({ arms: standing, tasks: { sums: 'general' } });
  const goesOn = async (status: RunStatus): Promise<string | undefined> => {
    await store.putDocument(runKeys.progress(report.runId), { status, round: 2, rounds: 3 });
    return standingOf(store, report);
  };
  expect(await standingOf(store, report)).toBeUndefined();
  expect(await goesOn('DONE')).toBeUndefined();
  expect(await goesOn('NEEDS_ATTENTION')).toContain('This run has gone on, and is NEEDS_ATTENTION (round 2 of 3).');
  const said = await goesOn('RUNNING');
  expect(said).toMatch(/^This run is at work again \(round 2 of 3\)\. The figures are those of when it was done last/);
  const text = await printed(report, true, said);
  expect(text.indexOf('is at work again')).toBeGreaterThan(0);
  expect(text.indexOf('is at work again')).toBeLessThan(text.indexOf('student trained on'));
  const page = reportPage(report, { rounds: [], pairs: [], standing: said! }, undefined);
  expect(page.indexOf('is at work again')).toBeLessThan(page.indexOf('<dl'));
});

describe('a transfer', () => {
  const tasks = { piqa: 'commonsense', gsm8k: 'arithmetic' };
  const of = (more: Partial<Parameters<typeof madeReport>[0]> = {}): RunReport =>
    madeReport({ arms: standing, tasks, transfer: ['student-1', 'student-2', 'tasks'], ...more });

  it('has a table of its own, with intervals and paired tests, and says what the targets are', async () => {
    const report = of();
    const text = await printed(report);
    const own = text.slice(text.indexOf('Transfer: accuracy'), text.indexOf('What each stage took'));
    const figures = (share: number): string => (100 * share).toFixed(1);
    for (const { to, accuracy, low, high, comparisons } of report.transfer ?? []) {
      const title = to === 'tasks' ? 'unseen tasks' : to.replace('-', ' ');
      expect(own).toMatch(new RegExp(`${title} .*${figures(accuracy)} \\(${figures(low)} to ${figures(high)}\\)`));
      for (const { p, verdict } of comparisons)
        expect(own).toMatch(new RegExp(`${title} .*${p.toFixed(3)} +${verdict}`));
    }
    const said = own.replace(/\s+/g, ' ');
    expect(said).toContain('student 2 is hf:somebody/another-student-student-2: trained on the sets');
    expect(said).toContain('unseen tasks are piqa, gsm8k: both teachers wrote a set for them');
    expect(own).toMatch(/Unseen tasks by task.*\n.*piqa.*gsm8k/);
    expect(own).toContain('Unseen tasks: accuracy as a mean in which each counts the same');
    expect(await printed(madeReport({ arms: standing, tasks }))).not.toContain('ransfer');
  });

  it('fits, with all arms, shot counts and seeds', async () => {
    const text = await printed(of({ shots: [0, 3], students: 2 }));
    expect(text.split('\n').filter((line) => line.length > reportWidthMax)).toEqual([]);
    expect(text).not.toMatch(/NaN|undefined|\[object/);
  });

  it('stands on the page as it does on the screen', () => {
    const report = of({ shots: [0, 3], students: 2 });
    const page = reportPage(report, { rounds: [], pairs: [] }, undefined);
    const own = /<section id="transfer"[\s\S]*?<\/section>/.exec(page)?.[0] ?? '';
    expect(own.match(/<tr>/g)?.length).toBeGreaterThanOrEqual(2 + (report.transfer?.length ?? 0) + 6);
    for (const { comparisons } of report.transfer ?? [])
      for (const { p, verdict } of comparisons) expect(own).toContain(`p ${p.toFixed(3)}: ${verdict}`);
    expect(own).toContain('hf:somebody/another-student-student-1');
    expect(reportPage(madeReport({ arms: standing, tasks }), { rounds: [], pairs: [] }, undefined)).not.toContain(
      'id="transfer"',
    );
  });
});
