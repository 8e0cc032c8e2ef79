/**
 * Goal: the loop's order, rounds, parking, cancelling and payload sizes hold on a real Temporal server.
 * Method: alignWorkflow and stageWorkflow from the bundle that workers run, with named activity stand-ins that record what they were asked.
 */
import { noUsage } from '../../schemas/manifest';
import { ApplicationFailure, WithStartWorkflowOperation, WorkflowFailedError } from '@temporalio/client';
import { CancelledFailure, Context } from '@temporalio/activity';
import type { TestWorkflowEnvironment } from '@temporalio/testing';
import { Worker } from '@temporalio/worker';
import type { InferActivities, IoActivities, TrainActivities } from '../../activities';
import { openShardAccount, readLedger, setCap } from '../../activities/budget';
import { asFailure } from '../../activities/failures';
import { noteRowsDone } from '../../activities/rows-done';
import { ledgerTotals, promptTokensMax, usageOfCallMax } from '../../method/ledger';
import { colorsFor } from '../../cli/output';
import { renderRun } from '../../cli/run/run-view';
import { armNames, recipeOf, standingArms } from '../../schemas/arms';
import { ArteError } from '../../schemas/errors';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import { payloadBytesMax, shardRowsMax } from '../../schemas/limits';
import {
  activityQueues,
  taskQueues,
  type AlignInput,
  type RoundEnd,
  type RunProgress,
  type ShardInput,
  type StageInput,
  type StageResult,
} from '../../schemas/messages';
import type { ModelRef } from '../../schemas/model-ref';
import { runConfigSchema } from '../../schemas/run-config';
import {
  approveUpdate,
  pauseUpdate,
  progressQuery,
  rejectUpdate,
  resumeUpdate,
  retryUpdate,
  stageProgressQuery,
} from '../../workflows/messages';
import { MemoryStore } from '../activities/row-engine/memory-store';
import { rowsOf } from '../activities/row-engine/shards';
import { quietRuntime, startTemporal, workflowBundle } from '../support/temporal';

jest.setTimeout(120_000);

const sha = (name: string): string => Buffer.from(name.padEnd(32, '.').slice(0, 32)).toString('hex');
const ref = (name: string): ArtifactRef => ({
  uri: `blobs/${sha(name)}`,
  sha256: sha(name),
  bytes: 1,
  rows: 1,
  mediaType: 'application/json',
  schemaVersion: 1,
});
const model = (name: string): ModelRef => ({
  name,
  source: { kind: 'embedded', name },
  baseSha256: sha(name),
  layers: [],
  contentSha256: sha(name),
});
const usage = { ...noUsage, calls: 1, inputTokens: 1, outputTokens: 1 };
const counts = { ok: 1, malformed: 0, refused: 0, truncated: 0, failed: 0 };

/** The name that a ref was made of. */
const nameOf = (uri: string): string => Buffer.from(uri.replace('blobs/', ''), 'hex').toString().replace(/\.+$/, '');

/** What each stage hands on, by the names that later stages ask for. */
const outputsOf: Record<string, readonly string[]> = {
  'prepare-tasks': ['tasks', 'gold'],
  'select-probes': ['probes'],
  'sample-questions': ['questions'],
  'sample-rationales': ['drafts'],
  'score-drafts': ['scores', 'cells'],
  'combine-scores': ['scores'],
  'build-pairs': ['pairs', 'dpo'],
  'select-drafts': ['tailored', 'sft'],
  'reword-set': ['sft'],
  'tailor-questions': ['questions'],
  'tailor-rationales': ['tailored', 'sft'],
  evaluate: ['predictions', 'metrics'],
  decide: ['decision'],
};

interface Recorded {
  readonly stages: StageInput[];
  readonly shards: ShardInput[];
  readonly saved: RunProgress[];
  readonly rounds: RoundEnd[];
  readonly payloads: number[];
  reports: number;
}

function result(input: StageInput, recorded: Recorded): StageResult {
  recorded.stages.push(input);
  const label = `${input.stage} ${JSON.stringify(input.extra ?? {})} ${input.model?.name ?? ''} ${Object.values(
    input.inputs,
  )
    .map(({ sha256 }) => sha256.slice(0, 4))
    .join()}`;
  const trained = ['train-dpo', 'train-sft', 'warm-up'].includes(input.stage)
    ? { model: model(`${input.model?.name ?? ''}+`) }
    : {};
  return {
    stage: input.stage,
    key: sha(label),
    reused: false,
    outputs: Object.fromEntries((outputsOf[input.stage] ?? []).map((name) => [name, ref(`${input.stage}/${name}`)])),
    counts,
    usage,
    seconds: 1,
    facts: input.stage === 'decide' ? { bestRound: 1 } : {},
    ...trained,
  };
}

const noFiring = (): never => {
  throw new Error('a run fires no schedule');
};

function standIns(
  recorded: Recorded,
  change: Partial<IoActivities & InferActivities & TrainActivities> = {},
): IoActivities & InferActivities & TrainActivities {
  const whole = async (input: StageInput): Promise<StageResult> => result(input, recorded);
  const all: IoActivities & InferActivities & TrainActivities = {
    prepareTasks: whole,
    selectProbes: whole,
    combineScores: whole,
    checkScores: whole,
    buildPairs: whole,
    selectDrafts: whole,
    checkRound: whole,
    checkUnseen: whole,
    rewordSet: whole,
    decide: whole,
    trainDpo: whole,
    trainSft: whole,
    warmUp: whole,
    resolveModels: async () => ({ teacher: model('teacher'), student: model('student'), respondents: [], others: [] }),
    openRowStage: async (input) => ({ done: false, key: sha(`${input.stage}${input.model?.name ?? ''}`), rows: 3 }),
    runShard: async (shard) => {
      recorded.shards.push(shard);
      return { results: ref('shard'), counts, usage, madeBy: 'run', paidBy: { run: usage } };
    },
    commitWave: async (wave) => ({ done: true, result: result(wave.stage, recorded) }),
    saveProgress: async (progress) => {
      recorded.saved.push(progress);
    },
    sendNotification: async () => {
      throw new Error('nobody is to be told');
    },
    collectEvaluations: async ({ round }) => ref(`evaluations ${round}`),
    saveRound: async (end) => {
      recorded.rounds.push(end);
    },
    writeReport: async () => {
      recorded.reports += 1;
      return ref('report');
    },
    ...{
      planFiring: noFiring,
      startAlignment: noFiring,
      followAlignments: noFiring,
      judgeAlignment: noFiring,
      saveFiring: noFiring,
    },
    recordAction: async () => undefined,
    findVerdict: async () => undefined,
    reviseRun: async () => undefined,
    ...change,
  };
  const measured = Object.entries(all).map(([name, activity]) => [
    name,
    async (input: unknown) => {
      const output: unknown = await (activity as (input: unknown) => Promise<unknown>)(input);
      recorded.payloads.push(JSON.stringify(input).length, JSON.stringify(output ?? null).length);
      return output;
    },
  ]);
  return Object.fromEntries(measured) as typeof all;
}

const input = (runId: string, change: Partial<AlignInput> = {}): AlignInput => ({
  runId,
  bundle: ref('bundle'),
  rounds: 2,
  shots: [0, 3],
  reference: 'previous',
  align: 'dpo',
  warmUp: false,
  arms: standingArms,
  trainingSeeds: 1,
  respondentShots: [],
  checkScores: false,
  measureAgreement: false,
  measureGain: false,
  accumulate: 0,
  approval: 'off',
  ...change,
});

describe('alignWorkflow', () => {
  let env: TestWorkflowEnvironment;
  let recorded: Recorded;

  beforeAll(async () => {
    quietRuntime();
    env = await startTemporal();
  });
  afterAll(async () => {
    await env.teardown();
  });
  beforeEach(() => {
    recorded = { stages: [], shards: [], saved: [], rounds: [], payloads: [], reports: 0 };
  });

  async function withWorkers<T>(
    activities: IoActivities & InferActivities & TrainActivities,
    work: () => Promise<T>,
    on = env,
  ): Promise<T> {
    const { nativeConnection: connection } = on;
    const workers = await Promise.all([
      Worker.create({ connection, taskQueue: taskQueues.workflows, workflowBundle: await workflowBundle() }),
      ...activityQueues.map((taskQueue) =>
        Worker.create({ connection, taskQueue, activities, maxHeartbeatThrottleInterval: 100 }),
      ),
    ]);
    const running = Promise.all(workers.map((worker) => worker.run()));
    try {
      return await work();
    } finally {
      for (const worker of workers) worker.shutdown();
      await running;
    }
  }

  const start = (of: AlignInput, on = env) =>
    on.client.workflow.start('alignWorkflow', { workflowId: of.runId, taskQueue: taskQueues.workflows, args: [of] });

  it("walks the method's table, trains round 2 from the teacher of round 1, and evaluates the baselines once", async () => {
    const done = await withWorkers(
      standIns(recorded),
      async () => (await start(input('order'))).result() as Promise<RunProgress>,
    );
    expect(done.status).toBe('DONE');
    const order = recorded.stages.map(({ stage, model: of }) => (of ? `${stage}:${of.name}` : stage));
    const preferences = (teacher: string): string[] => [
      'prepare-tasks',
      'select-probes',
      `sample-questions:${teacher}`,
      `sample-rationales:${teacher}`,
      'score-drafts:student',
      'build-pairs',
    ];
    const alignment = (teacher: string): string[] => [
      `train-dpo:${teacher}`,
      `tailor-questions:${teacher}+`,
      `tailor-rationales:${teacher}+`,
      // What the gates compare with, once more asked for: the baseline's own set.
      ...(teacher === 'teacher' ? ['tailor-questions:teacher', 'tailor-rationales:teacher'] : []),
      'check-round',
      'train-sft:student',
      'evaluate:student+',
      'evaluate:student+',
    ];
    const baselines = [
      'evaluate:student',
      'evaluate:student',
      'tailor-questions:teacher',
      'tailor-rationales:teacher',
      'train-sft:student',
      'evaluate:student+',
      'evaluate:student+',
    ];
    // Round 1: the baselines beside the alignment, each in its order. Round 2: no baselines again.
    const together = order.slice(6, 22);
    expect(order.slice(0, 6)).toEqual(preferences('teacher'));
    expect([...together].sort()).toEqual([...alignment('teacher'), ...baselines].sort());
    for (const branch of [alignment('teacher'), baselines]) expect(inThisOrder(branch, together)).toBe(true);
    expect(order.slice(22)).toEqual(['decide', ...preferences('teacher+'), ...alignment('teacher+'), 'decide']);
    expect(recorded.reports).toBe(1);
    expect(recorded.saved.at(-1)?.status).toBe('DONE');
    expect(Math.max(...recorded.payloads)).toBeLessThan(payloadBytesMax);
  });

  it('hands the first teacher to DPO as the reference in later rounds when the config says initial', async () => {
    await withWorkers(standIns(recorded), async () =>
      (await start(input('reference', { reference: 'initial' }))).result(),
    );
    const references = recorded.stages
      .filter(({ stage }) => stage === 'train-dpo')
      .map(({ reference }) => reference?.name);
    expect(references).toEqual([undefined, 'teacher']);
  });

  it('warms the teacher up once, before the first round, and every arm and the initial reference begin with that teacher', async () => {
    await withWorkers(standIns(recorded), async () =>
      (await start(input('warm', { warmUp: true, reference: 'initial', arms: ['teacher', ...standingArms] }))).result(),
    );
    const of = (name: StageInput['stage']) => recorded.stages.filter(({ stage }) => stage === name);
    expect(of('warm-up').map(({ model: from, inputs }) => [from?.name, Object.keys(inputs)])).toEqual([
      ['teacher', ['tasks', 'gold']],
    ]);
    expect(of('sample-questions').map(({ model: asked }) => asked?.name)).toEqual(['teacher+', 'teacher++']);
    expect(of('train-dpo').map(({ reference }) => reference?.name)).toEqual([undefined, 'teacher+']);
    const asTeacher = of('evaluate').filter(({ extra }) => extra?.['role'] === 'teacher');
    expect(asTeacher.map(({ model: asked }) => asked?.name)).toEqual(['teacher+', 'teacher+']);
    expect(of('tailor-questions').map(({ model: asked }) => asked?.name)).toEqual(
      expect.arrayContaining(['teacher+', 'teacher++', 'teacher+++']),
    );
  });

  describe('honours what a round decides', () => {
    /** What decide would say, round by round; the rest of the loop are stand-ins. */
    const decisions =
      (facts: readonly StageResult['facts'][]): IoActivities['decide'] =>
      async (asked) => {
        const { round } = asked.extra as unknown as { round: number };
        return { ...result(asked, recorded), facts: facts[round - 1] ?? {} };
      };
    /** Sets are told apart by the teacher that wrote them, pairs by their round. */
    const tailored: IoActivities['commitWave'] = async ({ stage }) => {
      const made = result(stage, recorded);
      if (stage.stage !== 'tailor-rationales') return { done: true, result: made };
      const writer = stage.model?.name ?? '';
      return {
        done: true,
        result: { ...made, outputs: { tailored: ref(`set ${writer}`), sft: ref(`sft ${writer}`) } },
      };
    };
    const paired: IoActivities['buildPairs'] = async (asked) => ({
      ...result(asked, recorded),
      outputs: { pairs: ref(`pairs ${asked.place?.round ?? 0}`), dpo: ref('dpo') },
    });
    const walk = async (runId: string, change: Partial<AlignInput>, facts: readonly StageResult['facts'][]) =>
      withWorkers(
        standIns(recorded, { decide: decisions(facts), commitWave: tailored, buildPairs: paired }),
        async () => (await start(input(runId, { shots: [0], ...change }))).result() as Promise<RunProgress>,
      );
    const next = (from: number, stop = false) => ({ from, stop, why: 'as it was told' });
    const of = (name: StageInput['stage']): StageInput[] => recorded.stages.filter(({ stage }) => stage === name);

    it('rolls back to the teacher of the best round, with drafts drawn anew and the first teacher as the reference', async () => {
      const facts = [
        { decision: 'promote', bestRound: 1, next: next(1) },
        { decision: 'keep-best', bestRound: 1, next: next(1) },
        { decision: 'keep-best', bestRound: 1, next: next(1) },
        { decision: 'promote', bestRound: 4, next: next(4) },
        { decision: 'promote', bestRound: 5, next: next(5) },
      ];
      const done = await walk('roll-back', { rounds: 5, reference: 'initial' }, facts);
      expect(done.status).toBe('DONE');
      const begun = of('sample-questions').map(({ model: from, extra }) => [from?.name, extra?.['draw'] ?? 0]);
      // After a promotion the draw stays: what matters is that no two rounds from one teacher have the same.
      expect(begun).toEqual([
        ['teacher', 0],
        ['teacher+', 0],
        ['teacher+', 1],
        ['teacher+', 2],
        ['teacher++', 2],
      ]);
      const trained = of('train-dpo').map(({ model: policy, reference }) => [policy?.name, reference?.name]);
      expect(trained.slice(1)).toEqual([...Array<string[]>(3).fill(['teacher+', 'teacher']), ['teacher++', 'teacher']]);
      // pairs.accumulate is off.
      expect(
        of('build-pairs')
          .flatMap(({ inputs }) => Object.keys(inputs))
          .join(),
      ).not.toContain('earlier');
      // Drift is measured from the set of the teacher as it came, in every round.
      const sets = of('check-round').map(({ inputs }) =>
        [inputs['before'], inputs['tailored']].map((set) => nameOf(set?.uri ?? '')),
      );
      expect(sets).toEqual([
        ['set teacher', 'set teacher+'],
        ...Array<string[]>(3).fill(['set teacher', 'set teacher++']),
        ['set teacher', 'set teacher+++'],
      ]);
    });

    it('builds on nothing that a gate rejected, and tells later decisions so', async () => {
      const facts = [
        { decision: 'reject', bestRound: 0, next: next(0) },
        { decision: 'promote', bestRound: 2, next: next(2) },
      ];
      await walk('rejected', { rounds: 2 }, facts);
      expect(of('sample-questions').map(({ model: from, extra }) => [from?.name, extra?.['draw'] ?? 0])).toEqual([
        ['teacher', 0],
        ['teacher', 1],
      ]);
      expect(of('decide').map(({ extra }) => extra?.['rejected'])).toEqual([undefined, [1]]);
      expect(of('decide').map(({ extra }) => typeof extra?.['gates'])).toEqual(['string', 'string']);
    });

    it('carries over the teacher and the set of the best round, after the last one and out of its decision', async () => {
      const facts = [
        { decision: 'promote', bestRound: 1, next: next(1) },
        { decision: 'keep-best', bestRound: 1, next: next(1) },
      ];
      const transfer = { students: [{ reworded: false }, { reworded: true }], tasks: true };
      await withWorkers(
        standIns(recorded, {
          decide: decisions(facts),
          commitWave: tailored,
          resolveModels: async () => ({
            ...{ teacher: model('teacher'), student: model('student'), respondents: [] },
            others: [model('other'), model('another')],
          }),
        }),
        async () => (await start(input('transfer', { shots: [0], transfer }))).result(),
      );
      const last = recorded.stages.map(({ stage }) => stage).lastIndexOf('decide');
      const carried = recorded.stages.slice(last + 1);
      expect(recorded.stages.slice(0, last).some((stage) => stage.transfer !== undefined)).toBe(false);
      expect(
        carried.every(({ transfer: to, place }) => to !== undefined && place?.arm.startsWith(`transfer-${to}`)),
      ).toBe(true);
      const shown = carried.map(({ stage, model: of_, inputs, place }) =>
        [
          place?.arm.replace('transfer-', ''),
          stage,
          of_?.name ?? '',
          ...Object.values(inputs).map(({ uri }) => nameOf(uri)),
        ].join(' '),
      );
      expect(shown).toEqual([
        'student-1-untuned-0shot evaluate other prepare-tasks/tasks',
        'student-1-original_teacher train-sft other sft teacher',
        'student-1-original_teacher-0shot evaluate other+ prepare-tasks/tasks',
        // Of the first round, the best; the second one's teacher is teacher++.
        'student-1-arte train-sft other sft teacher+',
        'student-1-arte-0shot evaluate other+ prepare-tasks/tasks',
        'student-2-untuned-0shot evaluate another prepare-tasks/tasks',
        'student-2-original_teacher reword-set  prepare-tasks/tasks set teacher',
        'student-2-original_teacher train-sft another reword-set/sft',
        'student-2-original_teacher-0shot evaluate another+ prepare-tasks/tasks',
        'student-2-arte reword-set  prepare-tasks/tasks set teacher+',
        'student-2-arte train-sft another reword-set/sft',
        'student-2-arte-0shot evaluate another+ prepare-tasks/tasks',
        'tasks prepare-tasks ',
        'tasks check-unseen  prepare-tasks/tasks sample-rationales/drafts sample-rationales/drafts',
        'tasks-untuned-0shot evaluate student prepare-tasks/tasks',
        'tasks-original_teacher tailor-questions teacher prepare-tasks/tasks',
        'tasks-original_teacher tailor-rationales teacher prepare-tasks/tasks tailor-questions/questions',
        'tasks-original_teacher train-sft student sft teacher',
        'tasks-original_teacher-0shot evaluate student+ prepare-tasks/tasks',
        'tasks-arte tailor-questions teacher+ prepare-tasks/tasks',
        'tasks-arte tailor-rationales teacher+ prepare-tasks/tasks tailor-questions/questions',
        'tasks-arte train-sft student sft teacher+',
        'tasks-arte-0shot evaluate student+ prepare-tasks/tasks',
      ]);
      // Saved when it was decided, and again with what was carried over.
      expect(recorded.rounds.map(({ round }) => round)).toEqual([1, 2, 2]);
      expect(Math.max(...recorded.payloads)).toBeLessThan(payloadBytesMax);
    });

    it('carries nothing over where no round was accepted', async () => {
      const transfer = { students: [{ reworded: false }], tasks: true };
      await walk('none-accepted', { rounds: 1, transfer }, [{ decision: 'reject', bestRound: 0, next: next(0) }]);
      expect(recorded.stages.some((stage) => stage.transfer !== undefined)).toBe(false);
      expect(recorded.reports).toBe(1);
    });

    it('stops on a plateau, with a report of the rounds that were made', async () => {
      const reports: number[] = [];
      const plateau = [
        { decision: 'promote', bestRound: 1, next: next(1) },
        { decision: 'keep-best', bestRound: 1, next: next(1, true) },
      ];
      const done = await withWorkers(
        standIns(recorded, {
          decide: decisions(plateau),
          writeReport: async ({ rounds }) => {
            reports.push(rounds);
            return ref('report');
          },
        }),
        async () => (await start(input('plateau', { rounds: 5, shots: [0] }))).result() as Promise<RunProgress>,
      );
      expect(done).toMatchObject({ status: 'DONE', round: 2, rounds: 5 });
      expect(recorded.rounds.map(({ round }) => round)).toEqual([1, 2]);
      expect(reports).toEqual([2]);
    });

    it.each([
      ['those of one round before', 1, [[], ['pairs 1'], ['pairs 2']]],
      ['all', null, [[], ['pairs 1'], ['pairs 1', 'pairs 2']]],
    ] as const)('hands DPO the pairs of earlier rounds: %s', async (name, accumulate, expected) => {
      await walk(`pairs-${name.replaceAll(' ', '-')}`, { rounds: 3, accumulate }, []);
      const earlier = of('build-pairs').map(({ inputs }) =>
        Object.entries(inputs).flatMap(([key, { uri }]) => (key.startsWith('earlier-') ? [nameOf(uri)] : [])),
      );
      expect(earlier).toEqual(expected);
      expect(Math.max(...recorded.payloads)).toBeLessThan(payloadBytesMax);
    });

    it('checks scores before DPO and measures the gain before SFT, where the config asks for it', async () => {
      await walk('checked', { rounds: 1, checkScores: true, measureAgreement: true, measureGain: true }, []);
      const order = recorded.stages.map(({ stage, extra }) =>
        stage === 'score-sample' ? `${stage} ${JSON.stringify(extra?.['purpose'])}` : stage,
      );
      const own = [
        'score-drafts',
        'check-scores',
        'score-sample "agreement"',
        'build-pairs',
        'train-dpo',
        'score-sample "gain"',
        'check-round',
        'decide',
      ];
      expect(inThisOrder(own, order)).toBe(true);
      expect(order.indexOf('score-sample "gain"')).toBeLessThan(order.lastIndexOf('train-sft'));
    });
  });

  it('makes every arm in the first round, with everything they share made once', async () => {
    await withWorkers(standIns(recorded), async () =>
      (await start(input('arms', { arms: armNames, shots: [0] }))).result(),
    );
    const of = (...names: StageInput['stage'][]) => recorded.stages.filter(({ stage }) => names.includes(stage));
    const evaluated = (round: number): string[] =>
      of('evaluate').flatMap(({ place }) =>
        place?.evaluates && place.round === round ? [`${place.evaluates.arm} ${place.evaluates.shots}`] : [],
      );
    expect(evaluated(1).sort()).toEqual(armNames.map((arm) => `${arm} 0`).sort());
    expect(evaluated(2)).toEqual(['arte 0']);
    expect(of('decide').map(({ inputs }) => inputs)).toEqual(
      [1, 2].map((round) => ({ evaluations: ref(`evaluations ${round}`) })),
    );
    for (const name of ['sample-questions', 'sample-rationales', 'score-drafts'] as const)
      expect(of(name)).toHaveLength(2);
    expect(of('build-pairs').map(({ extra }) => extra?.['only'])).toEqual([
      undefined,
      'question',
      'rationale',
      undefined,
    ]);
    expect(of('train-dpo')).toHaveLength(3 + 1);
    expect(of('select-drafts').map(({ extra }) => extra)).toEqual(
      ['random', 'most-preferred', 'task-consistent'].map((rationale) => ({ questions: 'drawn', rationale })),
    );
    expect(of('tailor-questions').filter(({ extra }) => extra?.['shown'] === 'own')).toHaveLength(1);
    const trained = armNames.filter((arm) => recipeOf(arm, 'dpo').kind !== 'asked');
    expect(of('train-sft').map(({ model: base }) => base?.name)).toEqual(
      Array.from({ length: trained.length + 1 }, () => 'student'),
    );
    const asTeacher = of('evaluate').filter(({ extra }) => extra?.['role'] === 'teacher');
    expect(asTeacher.map(({ model: asked }) => asked?.name)).toEqual(['teacher']);
    expect(Math.max(...recorded.payloads)).toBeLessThan(payloadBytesMax);
  });

  it('chooses among the drafts and trains no teacher when the teacher is not to be aligned', async () => {
    await withWorkers(standIns(recorded), async () =>
      (await start(input('unaligned', { rounds: 1, align: 'none' }))).result(),
    );
    const names = recorded.stages.map(({ stage }) => stage);
    expect(names).not.toContain('build-pairs');
    expect(names).not.toContain('train-dpo');
    const [selected] = recorded.stages.filter(({ stage }) => stage === 'select-drafts');
    expect(selected?.extra).toEqual({ questions: 'preferred', rationale: 'task-consistent' });
    expect(recorded.rounds[0]?.models['teacher']?.name).toBe('teacher');
    expect(recorded.stages.map(({ place }) => place?.evaluates?.arm)).toContain('arte');
  });

  it('scores drafts by every signal in a stage of its own, and pairs them by the combination', async () => {
    await withWorkers(standIns(recorded), async () =>
      (await start(input('signals', { rounds: 1, signals: ['icl_accuracy', 'icl_loglik'] }))).result(),
    );
    const of = (name: string) => recorded.stages.filter(({ stage }) => stage === name);
    // The paper's own is asked for as where it is the only one, so that either finds what the other has made.
    expect(of('score-drafts').map(({ extra }) => extra)).toEqual([undefined, { signal: 'icl_loglik' }]);
    const [combined] = of('combine-scores');
    expect(Object.keys(combined?.inputs ?? {})).toEqual(['icl_accuracy', 'icl_loglik']);
    expect(of('build-pairs')[0]?.inputs['scores']).toEqual(ref('combine-scores/scores'));
  });

  it('asks every respondent with every shot count before it selects the preference set by IRT', async () => {
    const respondents = [model('small'), model('smaller')];
    const activities = standIns(recorded, {
      resolveModels: async () => ({ teacher: model('teacher'), student: model('student'), respondents, others: [] }),
    });
    await withWorkers(activities, async () =>
      (await start(input('irt', { rounds: 1, respondentShots: [0, 1] }))).result(),
    );
    const asked = recorded.stages.filter(
      ({ stage, extra }) => stage === 'evaluate' && extra?.['split'] === 'validation',
    );
    expect(asked.map(({ model: of, extra }) => `${of?.name ?? ''} ${JSON.stringify(extra?.['shots'])}`)).toEqual([
      'small 0',
      'smaller 0',
      'small 1',
      'smaller 1',
    ]);
    const select = recorded.stages.find(({ stage }) => stage === 'select-probes');
    expect(Object.keys(select?.inputs ?? {}).sort()).toEqual([
      'responses-0-0',
      'responses-0-1',
      'responses-1-0',
      'responses-1-1',
      'tasks',
    ]);
  });

  it('cuts a large stage into shards, and asks another wave when the stage needs more', async () => {
    let waves = 0;
    const activities = standIns(recorded, {
      openRowStage: async ({ stage }) =>
        stage === 'sample-questions'
          ? { done: false, key: sha('big'), rows: shardRowsMax * 2 + 7 }
          : { done: false, key: sha(stage), rows: 1 },
      commitWave: async (wave) => {
        if (wave.stage.stage === 'sample-questions' && wave.wave === 0) {
          waves += 1;
          return { done: false, wave: ref('wave0'), rows: 5 };
        }
        return { done: true, result: result(wave.stage, recorded) };
      },
    });
    await withWorkers(activities, async () => (await start(input('shards', { rounds: 1 }))).result());
    const mine = recorded.shards.filter((shard) => shard.stage.stage === 'sample-questions');
    expect(waves).toBe(1);
    const slices = mine.filter(({ wave }) => wave === 0).map(({ offset, length }) => [offset, length] as const);
    expect(slices.sort(([a], [b]) => a - b)).toEqual([
      [0, shardRowsMax],
      [shardRowsMax, shardRowsMax],
      [shardRowsMax * 2, 7],
    ]);
    expect(mine.filter(({ wave }) => wave === 1)).toMatchObject([{ offset: 0, length: 5, waves: [ref('wave0')] }]);
  });

  it('parks on a final failure, says what and what next, refuses a retry while it works, and goes on when told', async () => {
    let broken = true;
    const data = {
      code: 'NotEnoughPairs',
      what: 'Only 2 pairs.',
      why: 'Ties.',
      next: 'More probes.',
      retryable: false,
    };
    const activities = standIns(recorded, {
      buildPairs: async (of) => {
        if (broken)
          throw ApplicationFailure.create({ message: data.what, type: data.code, nonRetryable: true, details: [data] });
        return result(of, recorded);
      },
    });
    await withWorkers(activities, async () => {
      const handle = await start(input('parked', { rounds: 1 }));
      const parked = await until(async () => {
        const progress = await handle.query(progressQuery);
        return progress.status === 'NEEDS_ATTENTION' ? progress : undefined;
      });
      expect(parked.attention).toMatchObject({ stage: 'build-pairs', error: data });
      await until(async () => (recorded.saved.at(-1)?.attention?.error.code === 'NotEnoughPairs' ? true : undefined));
      broken = false;
      await handle.executeUpdate(retryUpdate, { args: [{ by: 'test' }] });
      expect(((await handle.result()) as RunProgress).status).toBe('DONE');
    });
    await withWorkers(standIns(recorded, { buildPairs: () => new Promise(() => undefined) }), async () => {
      const handle = await start(input('busy', { rounds: 1 }));
      await until(async () => ((await handle.query(progressQuery)).current.length > 0 ? true : undefined));
      await expect(handle.executeUpdate(retryUpdate, { args: [{ by: 'test' }] })).rejects.toMatchObject({
        cause: { type: 'RunStateConflict' },
      });
      await handle.terminate();
    });
  });

  it('parks before work that could pass the cap, and goes on from there when the cap is raised', async () => {
    const store = new MemoryStore();
    const rows = rowsOf(1);
    const ceiling = promptTokensMax(rows.row(0).request);
    // Every shard reserves the prompt of one call, and costs 1.
    const cap = ceiling + 2;
    const price = { input: 1e6 };
    const config = runConfigSchema.parse({
      version: 1,
      name: 'capped',
      tasks: [{ source: 'declared', name: 't', test_items: 1 }],
      models: { teacher: { source: 'hosted:p/t', price }, student: { source: 'hosted:p/s', price } },
      budget: { cap },
    });
    const openMax = usageOfCallMax(rows.row(0).request);
    let asked = 0;
    const activities = standIns(recorded, {
      runShard: async ({ key, stage: of }) => {
        const work = { key, stage: of.stage, attempt: '1' };
        const account = openShardAccount(store, 'capped', config, config.models.student.price, work);
        await account?.admit({ paid: noUsage, openMax }).catch((error: unknown) => {
          throw asFailure(error, 1);
        });
        asked += 1;
        const output = { results: ref('shard'), counts, usage, madeBy: 'capped', paidBy: { capped: usage } };
        return account ? account.settleWith(Promise.resolve(output)) : output;
      },
    });
    await withWorkers(activities, async () => {
      const handle = await start(input('capped', { rounds: 1 }));
      const parked = await until(async () => {
        const progress = await handle.query(progressQuery);
        return progress.status === 'NEEDS_ATTENTION' ? progress : undefined;
      });
      expect(parked.attention?.error).toMatchObject({
        code: 'BudgetExhausted',
        next: 'arte budget set capped AMOUNT --retry raises the cap and goes on.',
      });
      const stopped = asked;
      const { spent, reserved } = ledgerTotals(await readLedger(store, 'capped', config));
      expect({ spent, reserved }).toEqual({ spent: stopped, reserved: 0 });
      expect(spent + ceiling).toBeGreaterThan(cap);
      // Raised in the ledger, not in the config: no key changes, and the walk finds what is finished.
      await setCap(store, 'capped', config, 10 * ceiling);
      await handle.executeUpdate(retryUpdate, { args: [{ by: 'test' }] });
      expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      expect(asked).toBeGreaterThan(stopped);
    });
    expect(ledgerTotals(await readLedger(store, 'capped', config))).toEqual({ spent: asked, reserved: 0 });
  });

  it('waits, and says so, while other work has reserved what a shard or a training needs', async () => {
    const reserved = {
      code: 'BudgetReserved',
      what: 'It does not fit beside other work.',
      why: '-',
      next: '-',
      retryable: false,
    };
    const refuse = (): never => {
      throw ApplicationFailure.create({ type: reserved.code, nonRetryable: true, details: [reserved] });
    };
    const told = new Set<string>();
    const refuseOnce = (name: string): void => {
      if (told.has(name)) return;
      told.add(name);
      refuse();
    };
    let atOnce = 0;
    let mostAtOnce = 0;
    const activities = standIns(recorded, {
      openRowStage: async ({ stage, extra }) => ({
        done: false,
        key: sha(`${stage}${JSON.stringify(extra ?? {})}`),
        rows: stage === 'score-drafts' ? shardRowsMax * 6 : 1,
      }),
      runShard: async (shard) => {
        const { stage } = shard.stage;
        if (stage === 'evaluate') refuseOnce(stage);
        if (stage === 'score-drafts') {
          if (atOnce >= 2) refuse();
          atOnce += 1;
          mostAtOnce = Math.max(mostAtOnce, atOnce);
          await new Promise((resolve) => setTimeout(resolve, 500));
          atOnce -= 1;
        }
        recorded.shards.push(shard);
        return { results: ref('shard'), counts, usage, madeBy: 'run', paidBy: { run: usage } };
      },
      trainDpo: async (of) => {
        refuseOnce('train-dpo');
        return result(of, recorded);
      },
    });
    await withWorkers(activities, async () => {
      const handle = await start(input('narrow', { rounds: 1 }));
      const waiting = await until(async () => {
        const { current } = await handle.query(progressQuery);
        return current.find(({ stage, waits }) => stage === 'train-dpo' && waits !== undefined);
      });
      expect(waiting.waits).toBe(reserved.what);
      const child = env.client.workflow.getHandle('narrow/r1/evaluate/untuned-0shot');
      await until(async () => ((await child.query(stageProgressQuery)).waits === reserved.what ? true : undefined));
      expect(((await handle.result()) as RunProgress).status).toBe('DONE');
    });
    // The window narrowed to what there was room for, and every shard was made once all the same.
    expect(mostAtOnce).toBe(2);
    const scored = recorded.shards.filter(({ stage }) => stage.stage === 'score-drafts');
    expect(scored.map(({ offset }) => offset / shardRowsMax).sort()).toEqual([0, 1, 2, 3, 4, 5]);
    expect(told).toEqual(new Set(['evaluate', 'train-dpo']));
  });

  it('says at once when the alignment fails, lets the baselines come to their end, then parks', async () => {
    const data = { code: 'TrainerFailed', what: 'it broke', why: 'memory', next: 'look', retryable: false };
    let broken = true;
    let finishBaseline: () => void = () => undefined;
    const untilTold = new Promise<void>((resolve) => (finishBaseline = resolve));
    const activities = standIns(recorded, {
      trainSft: async (of) => {
        await untilTold;
        return result(of, recorded);
      },
      trainDpo: async (of) => {
        if (broken)
          throw ApplicationFailure.create({ message: data.what, type: data.code, nonRetryable: true, details: [data] });
        return result(of, recorded);
      },
    });
    await withWorkers(activities, async () => {
      const handle = await start(input('branch', { rounds: 1 }));
      const failed = await until(async () => {
        const progress = await handle.query(progressQuery);
        return progress.failed && progress.current.some(({ stage }) => stage === 'train-sft') ? progress : undefined;
      });
      expect(failed).toMatchObject({ status: 'RUNNING', failed: { stage: 'train-dpo', error: data } });
      const shown = renderRun(
        { progress: failed, finished: [], live: [], engine: 'RUNNING' },
        new Map(),
        undefined,
        colorsFor(process.stdout),
      ).join('\n');
      expect(shown).toContain('Stage train-dpo failed (TrainerFailed');
      expect(shown).toContain('what   it broke');
      expect(shown).toContain('The run parks once nothing else of it runs (now: train-sft/original_teacher)');
      finishBaseline();
      const parked = await until(async () => {
        const progress = await handle.query(progressQuery);
        return progress.status === 'NEEDS_ATTENTION' ? progress : undefined;
      });
      expect(parked.attention).toMatchObject({ stage: 'train-dpo', error: data });
      expect(parked.current).toEqual([]);
      expect(parked.failed).toBeUndefined();
      expect(recorded.stages.map(({ stage, place }) => `${stage}/${place?.arm ?? ''}`)).toEqual(
        expect.arrayContaining(['train-sft/original_teacher', 'evaluate/original_teacher-3shot']),
      );
      broken = false;
      await handle.executeUpdate(retryUpdate, { args: [{ by: 'test' }] });
      expect(((await handle.result()) as RunProgress).status).toBe('DONE');
    });
  });

  it('parks on a failure of the transfer and goes on with it when told; cancelled there it keeps the round with what was made since', async () => {
    let broken = true;
    const data = { code: 'TrainingFailed', what: 'No memory.', why: 'Too large.', next: 'Smaller.', retryable: false };
    const activities = standIns(recorded, {
      trainSft: async (of) => {
        if (broken && of.transfer)
          throw ApplicationFailure.create({ message: data.what, type: data.code, nonRetryable: true, details: [data] });
        return result(of, recorded);
      },
    });
    const transfer = { students: [{ reworded: false }], tasks: false };
    const parked = async (runId: string) => {
      const handle = await start(input(runId, { rounds: 1, shots: [0], transfer }));
      const seen = await until(async () => {
        const progress = await handle.query(progressQuery);
        return progress.status === 'NEEDS_ATTENTION' ? progress : undefined;
      });
      expect(seen.attention).toMatchObject({ stage: 'train-sft', error: { code: 'TrainingFailed' } });
      expect(recorded.rounds.map(({ round }) => round)).toEqual([1]);
      return handle;
    };
    await withWorkers(activities, async () => {
      const handle = await parked('transfer-cancelled');
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
      expect(recorded.rounds.map(({ round, decision }) => [round, decision['bestRound']])).toEqual([
        [1, 1],
        [1, 1],
      ]);
      recorded.rounds.length = 0;
      const again = await parked('transfer-parked');
      broken = false;
      await again.executeUpdate(retryUpdate, { args: [{ by: 'somebody' }] });
      expect(((await again.result()) as RunProgress).status).toBe('DONE');
    });
    expect(recorded.stages.filter(({ stage, transfer: to }) => stage === 'train-sft' && to)).toHaveLength(2);
    expect(recorded.rounds.length).toBeGreaterThanOrEqual(3);
  });

  it('cancels with cleanup: the shard sees it, the report is written, the store says CANCELLED', async () => {
    let running = false;
    let stopped = false;
    const activities = standIns(recorded, {
      runShard: async () => {
        running = true;
        const context = Context.current();
        const beating = setInterval(() => context.heartbeat(), 50);
        try {
          await context.cancelled;
        } finally {
          clearInterval(beating);
          stopped = true;
        }
        throw new Error('not reached');
      },
    });
    await withWorkers(activities, async () => {
      const handle = await start(input('cancelled', { rounds: 1 }));
      // The stage is reported as begun before its first shard is: a cancellation in between would find no shard to stop.
      await until(async () => (running ? true : undefined));
      expect((await handle.query(progressQuery)).current.map(({ stage }) => stage)).toContain('sample-questions');
      await handle.cancel();
      await expect(handle.result()).rejects.toThrow(WorkflowFailedError);
    });
    expect(stopped).toBe(true);
    expect(recorded.saved.at(-1)?.status).toBe('CANCELLED');
    // What was made before knew its place in the round, under which it is recorded; the round itself did not come to its end.
    expect(recorded.stages.map(({ stage, place }) => [stage, place])).toEqual(
      ['prepare-tasks', 'select-probes'].map((stage) => [stage, { round: 1, arm: '' }]),
    );
    expect(recorded.rounds).toEqual([]);
    expect(recorded.reports).toBe(1);
  });

  describe('keeps its word', () => {
    const by = { by: 'test' };
    const failure = (code: string): ApplicationFailure => {
      const data = { code, what: `It was ${code}.`, why: 'So.', next: 'See to it.', retryable: false };
      return ApplicationFailure.create({ message: data.what, type: code, nonRetryable: true, details: [data] });
    };
    const parked = (handle: Awaited<ReturnType<typeof start>>): Promise<RunProgress> =>
      until(async () => {
        const progress = await handle.query(progressQuery);
        return progress.status === 'NEEDS_ATTENTION' ? progress : undefined;
      });
    const said = { what: 'It was full.', why: 'So.', next: 'See to it.' };
    /** What waits for it goes on when it is opened. */
    const gate = () => {
      let open: () => void = () => undefined;
      let reach: () => void = () => undefined;
      const opened = new Promise<void>((resolve) => (open = resolve));
      const reached = new Promise<void>((resolve) => (reach = resolve));
      return { open, reached, wait: () => (reach(), opened) };
    };
    /** Works until it is told to stop. */
    const untilStopped = async (): Promise<void> => {
      const context = Context.current();
      const beating = setInterval(() => context.heartbeat(), 50);
      await context.cancelled.catch(() => undefined).finally(() => clearInterval(beating));
    };

    it('parks, goes on and says why when it is the store that takes no word of it, and is done only when it has', async () => {
      let broken: 'all' | 'store' | undefined = 'all';
      const activities = standIns(recorded, {
        saveProgress: async (progress) => {
          if (broken !== undefined) throw failure('StoreFull');
          recorded.saved.push(progress);
        },
        buildPairs: async (of) => {
          if (broken === 'all') throw failure('StoreFull');
          return result(of, recorded);
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('full', { rounds: 1 }));
        expect((await parked(handle)).attention).toMatchObject({ stage: 'build-pairs', error: { code: 'StoreFull' } });
        broken = 'store';
        await handle.executeUpdate(retryUpdate, { args: [by] });
        await until(async () => (recorded.reports > 0 ? true : undefined));
        expect((await parked(handle)).attention).toMatchObject({ stage: 'report', error: { code: 'StoreFull' } });
        broken = undefined;
        await handle.executeUpdate(retryUpdate, { args: [by] });
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      });
      expect(recorded.saved.at(-1)?.status).toBe('DONE');
    });

    it('says how many rows are done where a pause or a failure ends a stage in its middle, until that is begun again', async () => {
      let as: 'paused' | 'failed' | 'unopened' | 'sooner' | 'whole' = 'paused';
      let waiting = 0;
      const rowsDone: Readonly<Record<string, number | undefined>> = {
        ...{ 'paused 2000': 500, 'paused 7': 3, 'failed 2000': 600, 'failed 7': undefined, 'sooner 2000': 0 },
      };
      const whole = standIns(recorded);
      const activities = {
        ...whole,
        openRowStage: async (of: StageInput) => {
          if (as === 'unopened') throw asFailure(new ArteError('StoreFull', said), 1);
          const rows = of.stage === 'sample-questions' ? shardRowsMax * 2 + 7 : 1;
          return { done: false as const, key: sha(of.stage), rows };
        },
        runShard: async (shard: ShardInput) => {
          if (as === 'whole' || shard.stage.stage !== 'sample-questions' || shard.offset === 0)
            return whole.runShard(shard);
          waiting += 1;
          if (as === 'paused') await untilStopped();
          const error = as === 'paused' ? new CancelledFailure('paused') : new ArteError('StoreFull', said);
          const rows = rowsDone[`${as} ${shard.length}`];
          if (rows !== undefined) noteRowsDone(error, rows);
          throw asFailure(error, 1);
        },
      };
      // What runs beside it may have been met in its middle, too.
      const questionsOf = ({ brokenOff }: RunProgress): unknown =>
        brokenOff?.filter(({ stage }) => stage === 'sample-questions');
      const stopped = { stage: 'sample-questions', arm: '', wave: 0, rows: shardRowsMax * 2 + 7 };
      await withWorkers(activities, async () => {
        const handle = await start(input('in-the-middle', { rounds: 1 }));
        const child = env.client.workflow.getHandle('in-the-middle/r1/sample-questions');
        await until(async () => (waiting === 2 ? true : undefined));
        await until(async () =>
          (await child.query(stageProgressQuery)).rowsInFinishedShards === shardRowsMax ? true : undefined,
        );
        const paused = await handle.executeUpdate(pauseUpdate, { args: [by] });
        expect(paused.current).toEqual([]);
        expect(questionsOf(paused)).toEqual([{ ...stopped, rowsDone: shardRowsMax + 503 }]);
        as = 'failed';
        await handle.executeUpdate(resumeUpdate, { args: [by] });
        const failed = [{ ...stopped, rowsDone: shardRowsMax + 600, atLeast: true }];
        expect(questionsOf(await parked(handle))).toEqual(failed);
        await until(async () => (recorded.saved.at(-1)?.status === 'NEEDS_ATTENTION' ? true : undefined));
        expect(recorded.saved.at(-1)).toMatchObject({ brokenOff: expect.arrayContaining(failed) as unknown });
        // Ended again before it has come to all that it had: the rows are there.
        for (as of ['unopened', 'sooner'] as const) {
          await handle.executeUpdate(retryUpdate, { args: [by] });
          expect(questionsOf(await parked(handle))).toEqual(failed);
        }
        as = 'whole';
        await handle.executeUpdate(retryUpdate, { args: [by] });
        const done = (await handle.result()) as RunProgress;
        expect([done.status, done.brokenOff]).toEqual(['DONE', undefined]);
      });
    });

    it('leaves its words in the store in their order, however long one takes', async () => {
      let met = false;
      const activities = standIns(recorded, {
        saveProgress: async (progress) => {
          if (met && progress.status === 'RUNNING') await new Promise((resolve) => setTimeout(resolve, 6_000));
          recorded.saved.push(progress);
        },
        buildPairs: async (of) => {
          if (met) return result(of, recorded);
          met = true;
          await untilStopped();
          throw new Error('stopped');
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('ordered', { rounds: 1 }));
        await until(async () => (met ? true : undefined));
        await handle.executeUpdate(pauseUpdate, { args: [by] });
        const resumed = handle.executeUpdate(resumeUpdate, { args: [by] });
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
        await resumed;
      });
      expect(recorded.saved.map(({ status }) => status)).toEqual(['RUNNING', 'PAUSED', 'RUNNING', 'DONE']);
    });

    it('is CANCELLED whatever its clean-up came to; meanwhile it takes no order', async () => {
      const writing = gate();
      let met = false;
      const activities = standIns(recorded, {
        buildPairs: async () => {
          met = true;
          await untilStopped();
          // Not because it was stopped: all the same there is nothing to see to.
          throw failure('NotEnoughPairs');
        },
        saveProgress: async (progress) => {
          recorded.saved.push(progress);
          if (progress.status === 'CANCELLED') throw failure('StoreFull');
        },
        writeReport: async () => {
          await writing.wait();
          throw failure('BlobMissing');
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('unclean', { rounds: 1 }));
        await until(async () => (met ? true : undefined));
        await handle.cancel();
        await writing.reached;
        const refused = { type: 'RunStateConflict', message: expect.stringContaining('is being cancelled') as string };
        for (const ordered of [
          handle.executeUpdate(pauseUpdate, { args: [by] }),
          handle.executeUpdate(retryUpdate, { args: [by] }),
        ])
          await expect(ordered).rejects.toMatchObject({ cause: refused });
        writing.open();
        await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
        expect((await handle.describe()).status.name).toBe('CANCELLED');
        expect((await handle.query(progressQuery)).status).toBe('CANCELLED');
      });
      expect(recorded.saved.map(({ status }) => status)).toEqual(['RUNNING', 'CANCELLED']);
    });

    it('takes no other order while its config is changed, and begins again under the changed one', async () => {
      const revising = gate();
      const activities = standIns(recorded, { reviseRun: () => revising.wait() });
      await withWorkers(activities, async () => {
        const handle = await start(input('revised', { rounds: 1, approval: 'every' }));
        await until(async () => ((await handle.query(progressQuery)).approval ? true : undefined));
        const change = { input: input('revised', { rounds: 1, shots: [0] }), set: ['evaluate.shots=[0]'] };
        const changed = handle.executeUpdate(retryUpdate, { args: [{ ...by, change }] });
        await revising.reached;
        await expect(handle.executeUpdate(approveUpdate, { args: [by] })).rejects.toMatchObject({
          cause: { type: 'RunStateConflict', message: expect.stringContaining('about to begin again') as string },
        });
        revising.open();
        await changed;
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      });
      expect(recorded.saved.at(-1)?.status).toBe('DONE');
      expect(recorded.stages.filter(({ stage }) => stage === 'prepare-tasks')).toHaveLength(2);
    });

    it('changes its config only when what a pause has broken off has come to rest', async () => {
      const stopping = gate();
      const order: string[] = [];
      let met = false;
      const activities = standIns(recorded, {
        buildPairs: async (of) => {
          if (met) return result(of, recorded);
          met = true;
          await untilStopped();
          await stopping.wait();
          order.push('at rest');
          throw new Error('stopped');
        },
        reviseRun: async () => {
          order.push('revised');
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('resting', { rounds: 1 }));
        await until(async () => (met ? true : undefined));
        const paused = handle.executeUpdate(pauseUpdate, { args: [by] });
        await stopping.reached;
        const change = { input: input('resting', { rounds: 1 }), set: [] };
        const changed = handle.executeUpdate(retryUpdate, { args: [{ ...by, change }] });
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        stopping.open();
        await Promise.all([paused, changed]);
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      });
      expect(order).toEqual(['at rest', 'revised']);
    });

    it('that is cancelled while a changed config is being recorded ends as cancelled', async () => {
      const recording = gate();
      const activities = standIns(recorded, {
        buildPairs: async () => {
          throw failure('NotEnoughPairs');
        },
        recordAction: () => recording.wait(),
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('changed-mind', { rounds: 1 }));
        await parked(handle);
        const change = { input: input('changed-mind', { rounds: 1 }), set: [] };
        const changed = handle.executeUpdate(retryUpdate, { args: [{ ...by, change }] }).catch(() => undefined);
        await recording.reached;
        await handle.cancel();
        await until(async () => (recorded.saved.at(-1)?.status === 'CANCELLED' ? true : undefined));
        recording.open();
        await changed;
        await expect(handle.result()).rejects.toMatchObject({ cause: { name: 'CancelledFailure' } });
      });
      expect(recorded.reports).toBe(1);
    });

    it('asks for a word after a pause that came while it looked for one', async () => {
      const looking = gate();
      let looked = 0;
      const activities = standIns(recorded, {
        findVerdict: async () => {
          looked += 1;
          if (looked === 1) await looking.wait();
          return undefined;
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('looked', { rounds: 1, approval: 'every' }));
        await looking.reached;
        const pausing = handle.executeUpdate(pauseUpdate, { args: [by] });
        await until(async () => ((await handle.query(progressQuery)).paused ? true : undefined));
        looking.open();
        expect(await pausing).toMatchObject({ status: 'PAUSED', current: [] });
        await handle.executeUpdate(resumeUpdate, { args: [by] });
        await until(async () => ((await handle.query(progressQuery)).status === 'NEEDS_APPROVAL' ? true : undefined));
        await handle.executeUpdate(approveUpdate, { args: [by] });
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      });
    });

    it('is asked about a decision that was made anew, whatever was said about the one before', async () => {
      let decided = 0;
      let broken = true;
      const activities = standIns(recorded, {
        decide: async (of) => ({ ...result(of, recorded), key: sha(`decided ${(decided += 1)}`) }),
        writeReport: async () => {
          if (broken) throw failure('BlobMissing');
          return ref('report');
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('anew', { rounds: 1, approval: 'every' }));
        const asked = (at: number) =>
          until(async () => {
            const { approval } = await handle.query(progressQuery);
            return approval?.key === sha(`decided ${at}`) ? true : undefined;
          });
        await asked(1);
        await handle.executeUpdate(approveUpdate, { args: [by] });
        // Its report could not be written, so the round was walked again, and decided anew.
        await asked(2);
        broken = false;
        // Who has looked at another decision has not judged this one.
        for (const [about, what] of [
          [{ round: 1, key: sha('decided 1') }, 'The word was about an earlier decision on round 1 of anew.'],
          [{ round: 2 }, 'The word was about round 2 of anew, and round 1 waits for one now.'],
        ] as const)
          await expect(handle.executeUpdate(rejectUpdate, { args: [{ ...by, ...about }] })).rejects.toMatchObject({
            cause: { type: 'RunStateConflict', message: expect.stringContaining(what) as string },
          });
        await handle.executeUpdate(approveUpdate, { args: [{ ...by, round: 1, key: sha('decided 2') }] });
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      });
    });

    it('takes an order that came with its start', async () => {
      await withWorkers(standIns(recorded), async () => {
        const startWorkflowOperation = new WithStartWorkflowOperation('alignWorkflow', {
          ...{ workflowId: 'at-once', taskQueue: taskQueues.workflows },
          workflowIdConflictPolicy: 'FAIL',
          args: [input('at-once', { rounds: 1 })],
        });
        const paused = await env.client.workflow.executeUpdateWithStart(pauseUpdate, {
          args: [by],
          startWorkflowOperation,
        });
        expect(paused.status).toBe('PAUSED');
        const handle = env.client.workflow.getHandle('at-once');
        await handle.executeUpdate(resumeUpdate, { args: [by] });
        expect(((await handle.result()) as RunProgress).status).toBe('DONE');
      });
    });

    it('waits for a stage that an earlier start of it has left', async () => {
      const activities = standIns(recorded, {
        openRowStage: async (of) => {
          if (of.extra?.['left'] === true) await untilStopped();
          return { done: false, key: sha(of.stage), rows: 1 };
        },
      });
      await withWorkers(activities, async () => {
        const stage = { stage: 'sample-questions', bundle: ref('bundle'), inputs: {}, extra: { left: true } };
        const left = await env.client.workflow.start('stageWorkflow', {
          ...{ workflowId: 'drained/r1/sample-questions', taskQueue: taskQueues.workflows, args: [{ stage }] },
        });
        const handle = await start(input('drained', { rounds: 1 }));
        await until(async () =>
          (await handle.query(progressQuery)).current.some((each) => each.stage === 'sample-questions')
            ? true
            : undefined,
        );
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        await left.terminate();
        await until(async () => {
          const { status, attention } = await handle.query(progressQuery);
          expect(attention).toBeUndefined();
          return status === 'DONE' ? true : undefined;
        });
      });
    });

    it('makes what an earlier round has lost when it is told to go on: it begins at the first', async () => {
      let resolved = 0;
      const activities = standIns(recorded, {
        resolveModels: async () => {
          resolved += 1;
          return { teacher: model('teacher'), student: model('student'), respondents: [], others: [] };
        },
        decide: async (of) => {
          // An evaluation of round 1 is gone, until that round is walked again.
          if (of.extra?.['round'] === 2 && resolved === 1) throw failure('BlobMissing');
          return result(of, recorded);
        },
      });
      await withWorkers(activities, async () => {
        const handle = await start(input('lost', { rounds: 2 }));
        const { startedAt, attention } = await parked(handle);
        expect(attention).toMatchObject({ stage: 'decide', error: { code: 'BlobMissing' } });
        await handle.executeUpdate(retryUpdate, { args: [by] });
        const done = (await handle.result()) as RunProgress;
        expect(done).toMatchObject({ status: 'DONE', round: 2, startedAt });
      });
      expect(recorded.rounds.map(({ round }) => round)).toEqual([1, 1, 2]);
    });

    it('that is walked again goes on in a new history when this one has grown long', async () => {
      const short = await startTemporal(['--dynamic-config-value', 'limit.historyCount.suggestContinueAsNew=20']);
      let broken = true;
      let resolved = 0;
      const activities = standIns(recorded, {
        resolveModels: async () => {
          resolved += 1;
          return { teacher: model('teacher'), student: model('student'), respondents: [], others: [] };
        },
        buildPairs: async (of) => {
          if (broken) throw failure('NotEnoughPairs');
          return result(of, recorded);
        },
      });
      try {
        await withWorkers(
          activities,
          async () => {
            const handle = await start(input('long', { rounds: 1 }), short);
            const { startedAt } = await parked(handle);
            broken = false;
            await handle.executeUpdate(retryUpdate, { args: [by] });
            const done = (await handle.result()) as RunProgress;
            expect(done).toMatchObject({ status: 'DONE', round: 1, startedAt });
            const { runId } = await short.client.workflow.getHandle('long').describe();
            expect(runId).not.toBe(handle.firstExecutionRunId);
          },
          short,
        );
      } finally {
        await short.teardown();
      }
      expect(resolved).toBe(1);
    });
  });
});

/** Whether all of `wanted` stand in `all` in this order, with whatever between them. */
function inThisOrder(wanted: readonly string[], all: readonly string[]): boolean {
  let at = -1;
  return wanted.every((name) => (at = all.indexOf(name, at + 1)) !== -1);
}

async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
