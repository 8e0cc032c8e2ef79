/**
 * Goal: the report's account of money: whose price a stage pays, and what kills may have cost beside it. Method: a round's record and its
 * manifests in a store in memory; the tables' statistics are method/'s tests.
 */
import { notesOf } from '../../activities/report/notes';
import { wallOf } from '../../activities/report/totals';
import { writeReport } from '../../activities/report/write-report';
import { putStageRecord, runKeys, saveRound } from '../../activities/run-records';
import { manifestKey, noCounts } from '../../activities/stage';
import { emptyLedger } from '../../method/ledger';
import type { Ledger } from '../../schemas/ledger';
import { noUsage, type StageManifest, type StageUsage } from '../../schemas/manifest';
import type { JsonValue } from '../../schemas/json';
import type { StageRecord } from '../../schemas/messages';
import type { RunReport } from '../../schemas/report';
import { runConfigSchema } from '../../schemas/run-config';
import { madeReport } from '../support/made-report';
import { MemoryStore } from './row-engine/memory-store';

async function reportOf(
  stages: readonly (Pick<StageRecord, 'stage' | 'arm' | 'reused' | 'usage'> &
    Partial<Pick<StageManifest, 'paidBy' | 'facts'>>)[],
  settled?: Ledger['settled'],
): Promise<RunReport> {
  const store = new MemoryStore();
  const config = {
    version: 1,
    name: 'accounts',
    tasks: [{ source: 'declared', name: 't', test_items: 1 }],
    models: {
      teacher: { source: 'hosted:p/t', price: { input: 1 } },
      student: { source: 'hosted:p/s', price: { input: 2 } },
    },
    probe: { respondents: [{ source: 'hosted:p/r', price: { input: 4 } }] },
  };
  const bundle = await store.putBlob(JSON.stringify({ schemaVersion: 1, config, files: {} }), {
    mediaType: 'application/json',
    rows: 1,
  });
  const records = stages.map(({ paidBy: _, facts: __, ...stage }, index): StageRecord => ({
    ...stage,
    round: 1,
    key: String(index).repeat(64),
    seconds: 1,
  }));
  for (const [index, { stage, key, usage }] of records.entries()) {
    const paidBy = stages[index]?.paidBy ?? {};
    const manifest: StageManifest = {
      ...{
        schemaVersion: 1,
        stage,
        version: 1,
        key,
        inputs: {},
        settings: null,
        outputs: {},
        counts: noCounts,
        usage,
        paidBy,
      },
      ...{ facts: stages[index]?.facts ?? {}, seconds: 1, finishedAt: '2026-01-01T00:00:00.000Z' },
    };
    await store.putDocument(manifestKey(key), manifest);
  }
  if (settled)
    await store.putDocument(runKeys.ledger('run'), { ...emptyLedger(null), settled } as unknown as JsonValue);
  for (const record of records) await putStageRecord(store, 'run', record);
  await saveRound(store, { runId: 'run', round: 1, models: {}, decision: {} });
  const ref = await writeReport(store, { runId: 'run', bundle, rounds: 1, status: 'DONE' });
  return (await store.getJson(ref)) as unknown as RunReport;
}

const usageOf = (change: Partial<StageUsage>): StageUsage => ({
  ...noUsage,
  calls: 1,
  inputTokens: 1_000_000,
  ...change,
});

it('charges each stage at the price of the model that it asks, respondents of their own too', async () => {
  const { stages, totals } = await reportOf([
    { stage: 'sample-questions', arm: '', reused: false, usage: usageOf({}) },
    { stage: 'evaluate', arm: 'untuned-0shot', reused: false, usage: usageOf({}) },
    { stage: 'evaluate', arm: 'respondent-0-3shot', reused: false, usage: usageOf({}) },
    { stage: 'evaluate', arm: 'arte-0shot', reused: true, usage: usageOf({}) },
  ]);
  expect(stages.map(({ cost }) => cost)).toEqual([1, 2, 4, 2]);
  // What was found in the store was not paid here.
  expect(totals.cost).toBe(7);
});

it('says what calls that were lost in flight can have cost, apart from what is known', async () => {
  const { totals, notes } = await reportOf([
    {
      stage: 'score-drafts',
      arm: '',
      reused: false,
      usage: usageOf({ lostCalls: 3, lostInputTokens: 500_000, lostOutputTokens: 7 }),
    },
    {
      stage: 'evaluate',
      arm: 'respondent-0-0shot',
      reused: false,
      usage: usageOf({ lostCalls: 2, lostInputTokens: 250_000, lostOutputTokens: 250_000 }),
    },
    { stage: 'evaluate', arm: 'arte-0shot', reused: true, usage: usageOf({ lostCalls: 9, lostInputTokens: 9 }) },
  ]);
  expect(totals).toMatchObject({
    calls: 2,
    cost: 6,
    lostCalls: 5,
    lostInputTokens: 750_000,
    lostOutputTokens: 250_007,
  });
  expect(notes[0]).toContain('5 calls were in flight when a worker was killed');
  expect(notes[0]).toContain('at most 750000 input and 250007 output tokens, 2.00 USD');
});

it('says which token counts are estimates', async () => {
  const { totals, notes } = await reportOf([
    { stage: 'score-drafts', arm: '', reused: false, usage: usageOf({ calls: 8, estimatedCalls: 3 }) },
    { stage: 'evaluate', arm: 'arte-0shot', reused: false, usage: usageOf({}) },
    { stage: 'evaluate', arm: 'untuned-0shot', reused: true, usage: usageOf({ estimatedCalls: 1 }) },
  ]);
  expect(totals.estimatedCalls).toBe(3);
  expect(notes.filter((note) => note.includes('token counts'))).toEqual([
    expect.stringMatching(/^3 of 8 answers of score-drafts came without usable token counts\. /),
  ]);
});

it('says how many texts were cut off before the target was put behind them', async () => {
  const made = (stage: 'sample-rationales' | 'tailor-rationales', arm: string, facts: StageManifest['facts']) => ({
    ...{ stage, arm, reused: false, usage: noUsage, facts },
  });
  const { notes } = await reportOf([
    made('sample-rationales', '', { drafts: 8, cut: 5, dropped: {} }),
    made('tailor-rationales', 'arte', { examples: 4, cut: 3 }),
    made('tailor-rationales', 'original_teacher', { examples: 4 }),
  ]);
  expect(notes.filter((text) => text.includes('answer: given'))).toEqual([
    expect.stringContaining(
      'sample-rationales (round 1) 5 of 8 drafts, tailor-rationales/arte (round 1) 3 of 4 examples. ',
    ),
  ]);
});

it('says where the alignment changed nothing: one student in both lines', () => {
  const made = madeReport({ arms: ['untuned', 'original_teacher', 'arte'], rounds: 2, tasks: { t: 'c' } });
  const arms = made.arms.map((arm, at) => ({ ...arm, stageKey: String(at) }));
  const config = runConfigSchema.parse({
    ...{ version: 1, name: 'n', tasks: [{ source: 'declared', name: 't', test_items: 1 }] },
    models: { teacher: { source: 'hosted:p/t' }, student: { source: 'hosted:p/s' } },
  });
  const said = (of: typeof arms): string[] => notesOf(config, [], of, []).filter((note) => note.includes('row by row'));
  expect(said(arms)).toEqual([]);
  const theirs = arms.find(({ name }) => name === 'original_teacher')!.stageKey;
  const same = arms.map((arm) => (arm.name === 'arte' && arm.round === 2 ? { ...arm, stageKey: theirs } : arm));
  expect(said(same)).toEqual([expect.stringContaining("round 2's aligned teacher is the unaligned teacher's")]);
});

it('says which trainings had rows longer than max_length, an arm once and not where they are few', async () => {
  const made = (arm: string, rows: number, rows_cut: number, rows_dropped = 0) => ({
    ...{ stage: 'train-sft' as const, arm, reused: false, usage: noUsage },
    facts: { rows, metrics: { rows_cut, rows_dropped } },
  });
  const { notes } = await reportOf([
    ...[made('arte', 50, 10, 1), made('arte-seed2', 50, 10, 1)],
    made('original_teacher', 50, 2),
  ]);
  const [note, ...more] = notes.filter((text) => text.includes('max_length'));
  expect(note).toMatch(
    /^Rows longer than sft\.max_length: train-sft\/arte \(round 1\) 10 of 50 rows cut and 1 left out\. /,
  );
  expect(more).toEqual([]);
});

it('says how reliable scores are, and how many probe items would help only where scores are means over them', async () => {
  const quality = { drafts: 10, meanStderr: 0.1, spread: 0.1, tiedShare: null, reliability: 0.5 };
  const noteOf = async (signal: object, cells: number): Promise<string | undefined> => {
    const facts = { ...signal, quality: { ...quality, cells } };
    const { notes } = await reportOf([{ stage: 'score-drafts', arm: '', reused: false, usage: noUsage, facts }]);
    return notes.find((text) => text.includes('reliability'));
  };
  expect(await noteOf({}, 60)).toMatch(
    /split-half reliability of 0\.50 with 6 probe items; .* 14 items would bring it/,
  );
  expect(await noteOf({ signal: 'student_prob' }, 10)).toBe(
    'The scores of round 1 by student_prob have a reliability of 0.50 by their standard errors; 0.7 is what is usual.',
  );
});

it('says of a preference set that nearly all of it wants one answer, where the validation items do not', async () => {
  const notesOf = async (commonest: number, commonestOfAll: number): Promise<string[]> => {
    const facts = { tasks: { navigate: { probes: 8, commonest, commonestOfAll } } };
    const { notes } = await reportOf([{ stage: 'select-probes', arm: '', reused: false, usage: noUsage, facts }]);
    return notes.filter((text) => text.includes('want the same answer'));
  };
  expect(await notesOf(0.88, 0.5)).toEqual([
    expect.stringMatching(/^88 % of the probe items of navigate want the same answer, of its validation items 50 %/),
  ]);
  expect([...(await notesOf(0.5, 0.5)), ...(await notesOf(0.9, 0.85)), ...(await notesOf(0.5, 0.1))]).toEqual([]);
});

it('has no word about losses where there were none', async () => {
  const { notes } = await reportOf([{ stage: 'score-drafts', arm: '', reused: false, usage: usageOf({}) }]);
  expect(notes.join()).not.toContain('in flight');
});

it('says who else has paid, counts that in no total, and agrees with the ledger', async () => {
  const [mine, theirs] = [usageOf({ calls: 2 }), usageOf({ calls: 3, inputTokens: 3_000_000 })];
  const both = usageOf({ calls: 5, inputTokens: 4_000_000 });
  const shared = { stage: 'sample-questions', arm: '', reused: false, usage: mine } as const;
  const found = { stage: 'evaluate', arm: 'arte-0shot', reused: true, usage: noUsage } as const;
  const { stages, totals, notes } = await reportOf(
    [
      { ...shared, paidBy: { run: mine, other: theirs } },
      { ...found, paidBy: { other: both } },
    ],
    { 'sample-questions': 1 },
  );
  expect(stages.map(({ paidByOthers }) => paidByOthers)).toEqual([
    [{ runId: 'other', calls: 3, cost: 3 }],
    [{ runId: 'other', calls: 5, cost: 8 }],
  ]);
  expect(totals).toMatchObject({ calls: 2, cost: 1, spent: 1 });
  expect(notes).toContain(
    "8 calls (11.00 USD at this run's prices) of sample-questions, evaluate were paid for by the run other: they are used here and in no total.",
  );
  expect(notes.join()).not.toContain('The ledger of this run');
});

it('says what the ledger has beside the table', async () => {
  const stage = { stage: 'sample-questions', arm: '', reused: false, usage: usageOf({}) } as const;
  const { totals, notes } = await reportOf([stage], { 'sample-questions': 1, 'train-dpo': 0.25 });
  expect(totals).toMatchObject({ cost: 1, spent: 1.25 });
  expect(notes.join()).toContain('has 1.25 USD as spent, 0.25 more than the table');
});

it("has the run's time by the clock, and what of it was paused", () => {
  const at = (minute: number): string => new Date(Date.UTC(2026, 0, 1, 0, minute)).toISOString();
  const orders = [
    ...[
      { action: 'start', at: at(0) },
      { action: 'pause', at: at(10) },
      { action: 'budget', at: at(12) },
    ],
    ...[
      { action: 'resume', at: at(15) },
      { action: 'pause', at: at(20) },
      { action: 'cancel', at: at(22) },
    ],
  ] as const;
  const { wall } = wallOf(at(0), orders, Date.parse(at(30)));
  expect(wall).toEqual({ startedAt: at(0), seconds: 1800, pausedSeconds: 420 });
  expect(wallOf(undefined, orders, 0)).toEqual({});
});
