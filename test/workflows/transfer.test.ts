/**
 * Goal: what a transfer asks for is made after the last round with the teacher and the set of the best one, at the budget of the arms: other students
 * learn from the sets as they are, unseen tasks get sets of their own from both teachers; it is planned, reported, and found again.
 * Method: the workflow and the activities as workers run them, on a real Temporal server and a real S3 store. Models answer by script; the
 * trainer is a stand-in that notes its jobs. Students that are told apart by their script answer the run's tasks in shares of their own.
 */
import { readRows } from '../../activities/read-rows';
import { finishedStage } from '../../activities/stage';
import { planRun } from '../../method/plan';
import type { ReportTransfer, RunReport } from '../../schemas/report';
import { draftRowSchema, predictionRowSchema, tailoredRowSchema } from '../../schemas/rows';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import { taskRecordSchema } from '../../schemas/task';
import { modelRef, startWorkflowRuns, type WorkflowRuns } from '../support/workflow-run';

jest.setTimeout(10 * 60_000);

const perTask = 6;
const testItems = 10;
const batch = 4;
const seeds = 2;

function scripted(script: string, options: object = {}, style = 'completion'): Record<string, unknown> {
  return { source: `folder/${script}`, prompt_style: style, endpoint: { kind: 'scripted', script, options } };
}

const task = (name: string, split_seed: number): unknown => ({
  source: 'builtin',
  family: 'larger-number',
  name,
  split: { seeds: 3, validation: 8, test: testItems },
  split_seed,
});

const transfer = {
  students: [
    { ...scripted('prefers-short', { p_without: 1 }), source: 'folder/able' },
    { ...scripted('prefers-short', { p_without: 0 }, 'chat'), source: 'folder/talker' },
  ],
  tasks: [task('unseen', 7), task('unheard', 8)],
};

function configOf(change: Record<string, unknown> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'transfer',
    seed: 11,
    tasks: [task('known', 0)],
    models: { teacher: scripted('teacher'), student: scripted('prefers-short') },
    probe: { method: 'random', size: 6 },
    questions: { per_task: 10, per_call: 1, format: 'json', max_tokens: 100 },
    pairs: { question: { per_task: 3 }, minimum: 2 },
    tailor: { per_task: perTask },
    sft: { batch_size: batch, seeds },
    align: { batch_size: batch },
    evaluate: { shots: [0] },
    ...change,
  });
}

const label = ({ name, arm, round }: { name: string; arm: string; round: number }): string => `${round} ${name} ${arm}`;

describe('transfer', () => {
  let runs: WorkflowRuns;
  beforeAll(async () => {
    runs = await startWorkflowRuns('transfer');
  });
  afterAll(() => runs.stop());

  /** The manifest of a stage of the report, by its name and arm; of several rounds, the last. */
  async function manifestOf(report: RunReport, name: string, arm: string, round?: number) {
    const stage = report.stages.findLast(
      (one) => one.name === name && one.arm === arm && (round === undefined || one.round === round),
    );
    const manifest = stage && (await finishedStage(runs.store, stage.key));
    if (!manifest) throw new Error(`the run has no ${name} of ${arm}`);
    return manifest;
  }
  const output = async (report: RunReport, name: string, arm: string, of: string, round?: number) => {
    const ref = (await manifestOf(report, name, arm, round)).outputs[of];
    if (!ref) throw new Error(`${name} of ${arm} left no ${of}`);
    return ref;
  };

  describe('of two rounds, of which the first is the best', () => {
    const config = configOf({ rounds: { count: 2 }, transfer });
    let report: RunReport;
    let plain: RunReport;
    let plainJobs: number;
    beforeAll(async () => {
      plain = await runs.run('plain', configOf({ rounds: { count: 2 } }));
      plainJobs = runs.jobs.length;
      report = await runs.run('whole', config);
    });

    const lines = (to: string): ReportTransfer[] => (report.transfer ?? []).filter((line) => line.to === to);
    const students = (base: string) =>
      runs.jobs.slice(plainJobs).filter(({ kind, model }) => kind === 'sft' && model.contentSha256 === base);

    it('makes nothing anew of a run that there is, and leaves its table and decisions as they were', () => {
      expect(report.status).toBe('DONE');
      expect(report.bestRound).toBe(1);
      expect(report.arms).toEqual(plain.arms);
      expect(report.rounds.map(({ decision }) => decision)).toEqual(plain.rounds.map(({ decision }) => decision));
      const made = report.stages.filter(({ reused }) => !reused).map(({ arm }) => arm);
      expect(made.every((arm) => arm.startsWith('transfer-'))).toBe(true);
      expect(plain.transfer).toBeUndefined();
    });

    it('is made of the stages and calls that the plan has', () => {
      const sizes = (name: string) => ({ name, validation: 8, test: testItems });
      const facts = { tasks: [sizes('known')], unseen: ['unseen', 'unheard'].map(sizes) };
      const planned = planRun(config, facts).stages.filter(({ name }) => name !== 'report');
      // What does not depend on the round is found in the second one, and planned once.
      const again = ['2 prepare-tasks ', '2 select-probes '];
      const made = report.stages.map(label).filter((stage) => !again.includes(stage));
      expect(made.sort()).toEqual(planned.map(label).sort());
      const callsOf = (stages: readonly { name: string; arm: string; round: number; calls: number }[]) =>
        Object.fromEntries(
          stages.filter(({ arm }) => arm.startsWith('transfer-')).map((stage) => [label(stage), stage.calls]),
        );
      expect(callsOf(report.stages)).toEqual(callsOf(planned));
      expect(planned.reduce((sum, { calls, model }) => sum + (model === 'other' ? calls : 0), 0)).toBe(
        2 * (1 + 2 * seeds) * testItems,
      );
    });

    it('trains every other student on both sets as often, from the same seeds, as the run trained its own', async () => {
      for (const index of [0, 1]) {
        const own = students(modelRef(`other-${index}`).contentSha256);
        expect(own.map(({ rows, settings }) => [rows, settings.maxSteps])).toEqual(
          Array.from({ length: 2 * seeds }, () => [perTask, Math.ceil(perTask / batch)]),
        );
        const used = new Set(own.map(({ settings }) => settings.seed));
        const ofRun = runs.jobs.slice(0, plainJobs).filter(({ kind }) => kind === 'sft');
        expect(used).toEqual(new Set(ofRun.map(({ settings }) => settings.seed)));
      }
      // The first is prompted as the run's student is: its rows are the very ones. arte's set is that of round 1, the best.
      const text = async (arm: string) =>
        (await runs.store.getBlob(await output(report, 'tailor-rationales', arm, 'sft', 1))).toString('utf8').trim();
      const given = students(modelRef('other-0').contentSha256).map(({ data }) => data.trim());
      expect(new Set(given)).toEqual(new Set([await text('original_teacher'), await text('arte')]));
      expect(report.stages.some(({ name, arm }) => name === 'reword-set' && arm.includes('student-1'))).toBe(false);
    });

    it('puts the examples into messages for a student that is prompted by chat', async () => {
      const chat = students(modelRef('other-1').contentSha256);
      const rows = chat.flatMap(({ data }) =>
        data
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as { prompt: unknown; completion: { role: string; content: string }[] }),
      );
      expect(rows.every(({ prompt }) => Array.isArray(prompt))).toBe(true);
      const written = await Promise.all(
        ['original_teacher', 'arte'].map(async (arm) =>
          readRows(runs.store, await output(report, 'tailor-rationales', arm, 'tailored', 1), tailoredRowSchema),
        ),
      );
      expect(new Set(rows.map(({ completion }) => completion[0]?.content))).toEqual(
        new Set(written.flat().map(({ rationale }) => rationale)),
      );
    });

    it('has both teachers write for the unseen tasks, which nothing of the alignment has seen', async () => {
      const asked = async (arm: string) =>
        (await manifestOf(report, 'tailor-questions', `transfer-tasks-${arm}`)).inputs['model'];
      expect(await asked('original_teacher')).toBe(modelRef('teacher').contentSha256);
      expect(await asked('arte')).toBe(report.rounds[0]?.teacher.contentSha256);
      const ownTasks = async (arm: string) =>
        (
          await readRows(
            runs.store,
            await output(report, 'tailor-rationales', `transfer-tasks-${arm}`, 'tailored'),
            tailoredRowSchema,
          )
        ).map((row) => row.task);
      for (const arm of ['original_teacher', 'arte'])
        expect(new Set(await ownTasks(arm))).toEqual(new Set(['unseen', 'unheard']));
      const drafts = await readRows(
        runs.store,
        await output(report, 'sample-rationales', '', 'drafts', 1),
        draftRowSchema,
      );
      expect(new Set(drafts.map((row) => row.task))).toEqual(new Set(['known']));
      const own = students(modelRef('student').contentSha256);
      expect(own.map(({ rows, settings }) => [rows, settings.maxSteps])).toEqual(
        Array.from({ length: 2 * seeds }, () => [2 * perTask, Math.ceil((2 * perTask) / batch)]),
      );
    });

    it('stands in the report with the answers of the student and the tasks that it is about', async () => {
      expect(report.transfer?.map(({ to, name }) => `${to} ${name}`)).toEqual(
        ['student-1', 'student-2', 'tasks'].flatMap((to) =>
          ['untuned', 'original_teacher', 'arte'].map((name) => `${to} ${name}`),
        ),
      );
      expect(lines('student-1').map(({ model, accuracy }) => [model, accuracy])).toEqual(
        Array.from({ length: 3 }, () => ['folder/able', 1]),
      );
      expect(lines('student-2').map(({ accuracy }) => accuracy)).toEqual([0, 0, 0]);
      const unseen = lines('tasks');
      expect(unseen.map(({ byTask }) => Object.keys(byTask).sort())).toEqual(
        Array.from({ length: 3 }, () => ['unheard', 'unseen']),
      );
      for (const line of unseen) {
        // Counted again from the rows: of all its students.
        const answers = (
          await Promise.all(
            report.stages
              .filter(({ name, arm }) => name === 'evaluate' && arm.startsWith(`transfer-tasks-${line.name}`))
              .map(async ({ arm }) =>
                readRows(runs.store, await output(report, 'evaluate', arm, 'predictions'), predictionRowSchema),
              ),
          )
        ).flat();
        expect(line.n).toBe(answers.length);
        expect(line.correct).toBe(answers.filter(({ correct }) => correct).length);
      }
      const trained = { examples: perTask, steps: Math.ceil(perTask / batch) };
      expect(lines('student-1').map(({ training }) => training)).toEqual([undefined, trained, trained]);
      for (const { to, name, comparisons } of report.transfer ?? [])
        expect([to, ...comparisons.map(({ against }) => against)]).toEqual([
          to,
          ...(name === 'untuned' ? [] : name === 'arte' ? ['untuned', 'original_teacher'] : ['untuned']),
        ]);
    });

    it('looks for test items of the unseen tasks in what was written for them', async () => {
      const tasks = await readRows(
        runs.store,
        await output(report, 'prepare-tasks', 'transfer-tasks', 'tasks'),
        taskRecordSchema,
      );
      expect(tasks.map(({ name, test }) => [name, test.length])).toEqual([
        ['unseen', testItems],
        ['unheard', testItems],
      ]);
      const items = new Set(tasks.flatMap(({ test }) => test.map(({ question }) => question)));
      const written = await readRows(
        runs.store,
        await output(report, 'tailor-rationales', 'transfer-tasks-arte', 'tailored'),
        tailoredRowSchema,
      );
      expect(written.filter(({ question }) => items.has(question))).toEqual([]);
      const { inputs } = await manifestOf(report, 'tailor-questions', 'transfer-tasks-arte');
      expect(inputs['tasks']).toBe((await output(report, 'prepare-tasks', 'transfer-tasks', 'tasks')).sha256);
    });

    it('is found again, whole, by another run', async () => {
      const before = runs.jobs.length;
      const again = await runs.run('again', config);
      expect(runs.jobs).toHaveLength(before);
      expect(again.stages.filter(({ reused }) => !reused)).toEqual([]);
      expect(again.transfer).toEqual(report.transfer);
    });
  });

  it('is not made when no round was accepted, and the report says so', async () => {
    const gates = { action: 'roll-back', length_ratio_min: null, length_ratio_max: 0.001 };
    const report = await runs.run('rejected', configOf({ rounds: { gates }, transfer }));
    expect(report.bestRound).toBe(0);
    expect(report.transfer).toBeUndefined();
    expect(report.notes.join('\n')).toContain('nothing was carried over');
  });
});
