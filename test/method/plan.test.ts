/**
 * Goal: a plan is the method's arithmetic, exactly; the paper's own set-up gives the paper's numbers.
 * Method: the paper's figures, counted here by hand, and small configs in which each setting changes one figure.
 */
import { planRun } from '../../method/plan';
import { questionPairsOfTask, trainingSteps, type PlannedTask } from '../../method/plan-counts';
import { armNames } from '../../schemas/arms';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { Plan, PlannedStage } from '../../schemas/plan';
import { rowStageNames, stageNames } from '../../schemas/stage-names';

const model = { source: 'embedded:SmolLM2-135M-Instruct' };

function configOf(change: Record<string, unknown> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'trial',
    tasks: [{ source: 'builtin', family: 'navigate' }],
    models: { teacher: model, student: model },
    ...change,
  });
}

function tasksOf(count: number, test = 250): PlannedTask[] {
  return Array.from({ length: count }, (_, index) => ({ name: `t${index}`, validation: 100, test }));
}

function stagesOf(plan: Plan, name: string, arm?: string): PlannedStage[] {
  return plan.stages.filter((stage) => stage.name === name && (arm === undefined || stage.arm === arm));
}

const sum = (stages: readonly PlannedStage[], of: (stage: PlannedStage) => number): number =>
  stages.reduce((total, stage) => total + of(stage), 0);

describe('the paper', () => {
  const respondents = Array.from({ length: 5 }, () => model);
  const plan = planRun(configOf({ probe: { respondents }, align: { adapter: 'full' } }), { tasks: tasksOf(23) });

  it.each([
    [
      'evaluate respondents',
      () =>
        sum(
          plan.stages.filter(({ model: who }) => who === 'respondent'),
          ({ calls }) => calls,
        ),
      23 * 20 * 100,
    ],
    ['probe items', () => sum(stagesOf(plan, 'select-probes'), ({ rows }) => rows), 23 * 40],
    ['question calls', () => sum(stagesOf(plan, 'sample-questions'), ({ calls }) => calls), 1_150],
    ['questions', () => sum(stagesOf(plan, 'sample-questions'), ({ rows }) => rows), 5_750],
    ['rationales', () => sum(stagesOf(plan, 'sample-rationales'), ({ calls }) => calls), 23_000],
    ['student calls for scoring', () => sum(stagesOf(plan, 'score-drafts'), ({ calls }) => calls), 920_000],
    ['pairs', () => sum(stagesOf(plan, 'build-pairs'), ({ rows }) => rows), 1_150 + 5_750],
    ['DPO steps', () => sum(stagesOf(plan, 'train-dpo'), ({ steps }) => steps), 432],
    ['tailored questions', () => sum(stagesOf(plan, 'tailor-questions', 'arte'), ({ rows }) => rows), 5_750],
    ['tailored rationales', () => sum(stagesOf(plan, 'tailor-rationales', 'arte'), ({ calls }) => calls), 5_750],
    [
      'the baseline at equal budget',
      () => sum(stagesOf(plan, 'tailor-rationales', 'original_teacher'), ({ calls }) => calls),
      5_750,
    ],
    [
      'evaluations of three arms with two shot counts',
      () =>
        sum(
          stagesOf(plan, 'evaluate').filter(({ model: who }) => who === 'student'),
          ({ calls }) => calls,
        ),
      3 * 2 * 23 * 250,
    ],
  ])('%s', (_, figure, expected) => {
    expect(figure()).toBe(expected);
  });

  it('27 subtasks have 6,750 tailored examples', () => {
    const subtasks = planRun(configOf(), { tasks: tasksOf(27) });
    expect(stagesOf(subtasks, 'train-sft', 'arte')[0]?.rows).toBe(6_750);
  });

  it('says how coarse a score is', () => {
    expect(plan.notes.join('\n')).toContain('one step of a score is 2.5 points, and its standard error up to 7.9');
  });
});

describe('a plan', () => {
  it('counts a row a draft or a cell for each signal, and what the combination makes of them', () => {
    const scoring = (score: object) =>
      planRun(configOf({ score }), { tasks: tasksOf(2) })
        .stages.filter(({ name }) => name.endsWith('-drafts') || name === 'combine-scores')
        .map(({ name, arm, calls, rows, outputTokens }) => [name, arm, calls, rows, outputTokens]);
    const [drafts, cells] = [2_000, 80_000];
    expect(scoring({ signal: 'icl_loglik' })).toEqual([['score-drafts', '', cells, cells, 0]]);
    expect(scoring({ signal: 'student_prob' })).toEqual([['score-drafts', '', drafts, drafts, 0]]);
    expect(scoring({ signal: 'combined', combine: { rank_surprisal: 1, icl_accuracy: 1 } })).toEqual([
      ['score-drafts', 'icl_accuracy', cells, cells, cells * 256],
      ['score-drafts', 'rank_surprisal', drafts, drafts, 0],
      ['combine-scores', '', 0, drafts, 0],
    ]);
  });

  it('keeps the ceiling of calls under racing, and says what is expected as an estimate', () => {
    const exhaustive = planRun(configOf(), { tasks: tasksOf(1) });
    const racing = planRun(configOf({ score: { mode: 'racing' } }), { tasks: tasksOf(1) });
    expect(racing.totals).toEqual(exhaustive.totals);
    expect(racing.notes.filter((note) => !exhaustive.notes.includes(note))).toEqual([
      expect.stringMatching(/score-drafts are a ceiling.*estimate/),
    ]);
  });

  it('calls output tokens a ceiling, and what prompts cost an estimate', () => {
    const { notes } = planRun(configOf(), { tasks: tasksOf(1) });
    expect(notes.at(-1)).toMatch(/Output tokens are ceilings.*Prompts, and what they cost, are estimates/);
    // A rationale of 512 tokens may be shown, and is not counted as one.
    const asked = (most: number) =>
      planRun(configOf({ rationales: { max_tokens: most } }), { tasks: tasksOf(1) }).totals.inputTokens;
    expect(asked(512)).toBe(asked(120));
  });

  it('has the stages of the method in order, and only their names', () => {
    const { stages } = planRun(configOf(), { tasks: tasksOf(1) });
    expect(stages.every(({ name }) => stageNames.includes(name))).toBe(true);
    expect(stages.map(({ name }) => name).filter((name) => name !== 'evaluate')).toEqual([
      'prepare-tasks',
      'select-probes',
      'sample-questions',
      'sample-rationales',
      'score-drafts',
      'build-pairs',
      'train-dpo',
      'tailor-questions',
      'tailor-rationales',
      'check-round',
      'train-sft',
      'tailor-questions',
      'tailor-rationales',
      'train-sft',
      'decide',
      'report',
    ]);
    expect(stagesOf({ stages } as Plan, 'evaluate').map(({ arm }) => arm)).toEqual([
      'respondent-0-0shot',
      'respondent-0-1shot',
      'respondent-0-2shot',
      'respondent-0-3shot',
      'arte-0shot',
      'arte-3shot',
      'untuned-0shot',
      'untuned-3shot',
      'original_teacher-0shot',
      'original_teacher-3shot',
    ]);
  });

  it('calls models only in row stages, and trains only in training stages', () => {
    for (const { name, calls, steps } of planRun(configOf({ rounds: { count: 2 } }), { tasks: tasksOf(2) }).stages) {
      if (!(rowStageNames as readonly string[]).includes(name)) expect([name, calls]).toEqual([name, 0]);
      expect(steps > 0).toBe(name.startsWith('train-'));
    }
  });

  it('counts what checks ask and what accumulated pairs train', () => {
    const config = configOf({
      rounds: { count: 3, gates: { icl_examples: 4, icl_items: 10 } },
      probe: { agreement_questions: 5 },
      score: { reliability_min: 0.5 },
      pairs: { accumulate: 1 },
    });
    const plan = planRun(config, { tasks: tasksOf(2) });
    const plain = planRun(configOf({ rounds: { count: 3 } }), { tasks: tasksOf(2) });
    // Two tasks: 4 examples and 4 drafts on 10 of the 60 items that are left of 100; 5 questions' 4 drafts on all 60.
    expect(stagesOf(plan, 'score-sample', 'gain').map(({ calls }) => calls)).toEqual([160, 160, 160]);
    expect(stagesOf(plan, 'score-sample', 'agreement').map(({ calls }) => calls)).toEqual([2_400, 2_400, 2_400]);
    expect(stagesOf(plan, 'check-scores')).toHaveLength(3);
    const rows = (of: Plan) => stagesOf(of, 'train-dpo').map((stage) => stage.rows);
    expect(rows(plain)).toEqual([600, 600, 600]);
    expect(rows(plan)).toEqual([600, 1_200, 1_200]);
  });

  it('multiplies by rounds what depends on the round, and nothing else', () => {
    const once = planRun(configOf(), { tasks: tasksOf(2) });
    const thrice = planRun(configOf({ rounds: { count: 3 } }), { tasks: tasksOf(2) });
    const perRound = (plan: Plan, round: number): number =>
      sum(
        plan.stages.filter((stage) => stage.round === round),
        ({ calls }) => calls,
      );
    const common = perRound(once, 1) - perRound(thrice, 2);
    expect(perRound(thrice, 1)).toBe(perRound(once, 1));
    expect(perRound(thrice, 3)).toBe(perRound(thrice, 2));
    // Respondents, the untuned student, and the unaligned teacher's set with its student: 4 x 100 + 2 x 2 x 250 + 50 + 250, twice.
    expect(common).toBe(2 * (400 + 1_000 + 50 + 250));
    expect(stagesOf(thrice, 'report')).toHaveLength(1);
  });

  it.each([
    [{ probe: { method: 'full' } }, 'score-drafts', 250 * 4 * 100],
    [{ probe: { method: 'random', size: 10 } }, 'score-drafts', 250 * 4 * 10],
    [{ probe: { size: 400 } }, 'score-drafts', 250 * 4 * 100],
    [{ prompts: { techniques: [{ name: 'a', instruction: 'b' }] } }, 'sample-rationales', 250],
    [{ questions: { per_task: 7, per_call: 3 } }, 'sample-questions', 3],
    [{ questions: { per_task: 13, per_call: 3, answers_per_call: 2 } }, 'sample-questions', 3],
    [{ tailor: { per_task: 9 }, questions: { per_call: 2 } }, 'tailor-questions', 5],
    [{ tailor: { per_task: 9, filter: 'target' } }, 'tailor-rationales', 9],
    [{ tailor: { per_task: 9, filter: 'majority', majority: { samples: 4 } } }, 'tailor-rationales', 45],
    [{ tailor: { per_task: 9 }, questions: { per_call: 2, answers_per_call: 4 } }, 'tailor-questions', 2],
  ])('%p: %s makes %i calls', (change, name, calls) => {
    expect(stagesOf(planRun(configOf(change), { tasks: tasksOf(1) }), name)[0]?.calls).toBe(calls);
  });

  it('takes the techniques of a task from the task', () => {
    const [task] = tasksOf(1);
    expect(stagesOf(planRun(configOf(), { tasks: [{ ...task!, techniques: 2 }] }), 'sample-rationales')[0]?.calls).toBe(
      500,
    );
  });

  it('counts what each model is called, and its tokens and cost by the prices', () => {
    const prices = {
      teacher: { ...model, price: { input: 2, output: 10 } },
      student: { ...model, price: { output: 1 } },
    };
    const { stages, totals, currency } = planRun(configOf({ models: prices, probe: { method: 'random' } }), {
      tasks: tasksOf(1),
    });
    expect(totals.calls).toBe(totals.teacherCalls + totals.studentCalls);
    expect(totals.respondentCalls).toBe(0);
    const questions = stages.find(({ name }) => name === 'sample-questions');
    expect(questions?.outputTokens).toBe(50 * 1024);
    expect(questions?.cost).toBeCloseTo(((questions?.inputTokens ?? 0) * 2 + 50 * 1024 * 10) / 1_000_000, 3);
    expect(totals.cost).toBeCloseTo(
      sum(stages, ({ cost }) => cost),
      6,
    );
    expect(currency).toBe('USD');
  });

  it('does not know what the store holds, unless it is told', () => {
    const unknown = planRun(configOf(), { tasks: tasksOf(1) });
    expect(unknown.stages.every(({ reused }) => reused === null)).toBe(true);
    expect(unknown.left).toMatchObject({ calls: unknown.totals.calls, cost: unknown.totals.cost });
    const told = planRun(configOf(), {
      tasks: tasksOf(1),
      reuseOf: ({ name }) =>
        name === 'score-drafts' ? { reused: true } : { reused: null, dependsOn: 'sample-questions of round 1' },
    });
    const scored = told.stages.filter(({ reused }) => reused === true);
    expect(scored.map(({ name }) => name)).toEqual(['score-drafts']);
    expect(told.left.calls).toBe(told.totals.calls - (scored[0]?.calls ?? 0));
    expect(told.stages[0]?.dependsOn).toBe('sample-questions of round 1');
  });

  it('longer questions make longer prompts', () => {
    const [task] = tasksOf(1);
    const tokens = (questionCharacters: number): number =>
      planRun(configOf(), { tasks: [{ ...task!, questionCharacters }] }).totals.inputTokens;
    expect(tokens(4_000)).toBeGreaterThan(4 * tokens(400));
  });
});

describe('the arms of a plan', () => {
  const all = planRun(configOf({ arms: [...armNames], rounds: { count: 2 } }), { tasks: tasksOf(23) });
  const inRound = (round: number, name: string): PlannedStage[] =>
    stagesOf(all, name).filter((stage) => stage.round === round);

  it('train on as many examples in as many steps, each once, in the first round', () => {
    const trained = armNames.filter((arm) => arm !== 'teacher' && arm !== 'untuned');
    expect(
      inRound(1, 'train-sft')
        .map(({ arm }) => arm)
        .sort(),
    ).toEqual([...trained].sort());
    for (const { rows, steps } of stagesOf(all, 'train-sft')) expect([rows, steps]).toEqual([5_750, 360]);
    expect(inRound(2, 'train-sft').map(({ arm }) => arm)).toEqual(['arte']);
  });

  it('share drafts and scores, and align with the pairs of their kind', () => {
    for (const name of ['sample-questions', 'sample-rationales', 'score-drafts'])
      expect(inRound(1, name)).toHaveLength(1);
    expect(inRound(1, 'build-pairs').map(({ arm, rows }) => [arm, rows])).toEqual([
      ['', 6_900],
      ['question_only', 1_150],
      ['rationale_only', 5_750],
    ]);
    expect(
      inRound(1, 'train-dpo')
        .map(({ arm, steps }) => [arm, steps])
        .sort(),
    ).toEqual([
      ['', 432],
      ['question_only', 72],
      ['rationale_only', 360],
    ]);
    expect(inRound(1, 'select-drafts').map(({ calls, rows }) => [calls, rows])).toEqual([
      [0, 5_750],
      [0, 5_750],
      [0, 5_750],
    ]);
  });

  it('train and evaluate as many students as there are seeds', () => {
    const { stages } = planRun(configOf({ sft: { seeds: 3 } }), { tasks: tasksOf(1) });
    const arms = (name: string): string[] =>
      stagesOf({ stages } as Plan, name)
        .filter(({ arm }) => arm.startsWith('arte'))
        .map(({ arm }) => arm);
    expect(arms('train-sft')).toEqual(['arte', 'arte-seed2', 'arte-seed3']);
    expect(arms('evaluate')).toHaveLength(3 * 2);
    expect(arms('tailor-questions')).toEqual(['arte']);
  });

  it("count the ceiling as the teacher's calls, at its price", () => {
    const teacher = { ...model, price: { output: 3 } };
    const { stages } = planRun(configOf({ arms: ['teacher'], models: { teacher, student: model } }), {
      tasks: tasksOf(1),
    });
    const [ceiling] = stagesOf({ stages } as Plan, 'evaluate', 'teacher-0shot');
    expect(ceiling).toMatchObject({ model: 'teacher', calls: 250 });
    expect(ceiling?.cost).toBeGreaterThan(0);
  });

  it('without an alignment: no pairs, no training of the teacher, a set chosen from the drafts', () => {
    const plan = planRun(configOf({ align: { method: 'none' } }), { tasks: tasksOf(1) });
    expect(stagesOf(plan, 'build-pairs')).toEqual([]);
    expect(stagesOf(plan, 'train-dpo')).toEqual([]);
    expect(stagesOf(plan, 'select-drafts').map(({ arm, rows }) => [arm, rows])).toEqual([['arte', 250]]);
    expect(stagesOf(plan, 'tailor-questions').map(({ arm }) => arm)).toEqual(['original_teacher']);
  });
});

describe('training steps', () => {
  const budget = { batch_size: 16, gradient_accumulation: 1, epochs: 1, max_steps: 0 };

  // As transformers 5.18's Trainer counts: batches, then accumulation, then epochs, each rounded up.
  it.each([
    [6_900, {}, 432],
    [5_750, {}, 360],
    [16, {}, 1],
    [17, {}, 2],
    [1, {}, 1],
    [0, {}, 0],
    [100, { gradient_accumulation: 4 }, 2],
    [100, { epochs: 1.5 }, 11],
    [100, { epochs: 0.1 }, 1],
    [100, { max_steps: 3 }, 3],
  ])('%i rows with %p are %i steps', (rows, change, steps) => {
    expect(trainingSteps(rows, { ...budget, ...change })).toBe(steps);
  });
});

describe('question pairs of a task', () => {
  it.each([
    [250, 50, 'quartiles', 'one', 50],
    [12, 20, 'quartiles', 'one', 9],
    [1, 20, 'quartiles', 'one', 0],
    [12, 20, 'extremes', 'one', 6],
    [40, 99, 'quartiles', 'list', 20],
    [12, 20, 'quartiles', 'list', 0],
    [40, 99, 'extremes', 'list', 4],
  ] as const)('%i questions, %i wanted, %s, %s: %i', (questions, wanted, method, response, pairs) => {
    const config = configOf({
      questions: { per_task: questions },
      pairs: { question: { per_task: wanted, method, response } },
    });
    expect(questionPairsOfTask(config)).toBe(pairs);
  });
});

describe('a cap', () => {
  const priced = (cap: number | null, price: object = { input: 1, output: 1 }): Plan =>
    planRun(configOf({ models: { teacher: { ...model, price }, student: model }, budget: { cap } }), {
      tasks: tasksOf(1),
    });

  it('that the cost passes is said, with both figures', () => {
    const { cost } = priced(null).totals;
    expect(cost).toBeGreaterThan(0.2);
    expect(priced(0.1).notes.join()).toContain(
      `About ${cost.toFixed(2)} USD, with answers of max_tokens, pass the cap of 0.10`,
    );
    expect(priced(cost + 1).notes.join()).not.toContain('cap');
    expect(priced(null).notes.join()).not.toContain('cap');
  });

  it('holds for trainings too, whose price is not in the cost of the tokens', () => {
    expect(priced(1_000, { training_hour: 5 }).notes.join()).toContain(
      'How many hours the trainings take is not known',
    );
  });
});
