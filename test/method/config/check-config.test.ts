/**
 * Goal: whatever is wrong with a config is said once, with its place, its reason and what to write instead; a sound one passes.
 * Method: a small sound config, one change at a time, and the problem it must cause; then many at once.
 */
import { judgeConfig, type Judgement } from '../../../method/config/check-config';
import type { ConfigPurpose } from '../../../method/config/finding';
import { secretReferences } from '../../../method/config/named-parts';
import { judgeTask } from '../../../method/config/task-findings';
import { nearestName } from '../../../method/config/explain-shape';
import { embeddedModels } from '../../../schemas/model-ref';
import { runConfigJsonSchema, type JsonSchemaNode } from '../../../schemas/run-config-json';
import type { TaskRecord } from '../../../schemas/task';

type Json = Record<string, unknown>;

/** A sound config, as a person would write it: counts small, models hosted nowhere. */
function soundConfig(): Json {
  return {
    version: 1,
    name: 'trial',
    tasks: [{ source: 'builtin', family: 'larger-number', split: { seeds: 3, validation: 40, test: 10 } }],
    models: {
      teacher: { source: 'embedded:SmolLM2-135M-Instruct' },
      student: { source: 'embedded:SmolLM2-135M-Instruct' },
    },
  };
}

const endpoint = (capabilities: Json = {}): Json => ({
  kind: 'static',
  base_url: 'http://127.0.0.1:8000/v1',
  model: 'm',
  capabilities,
});

/** Sets the value at a dotted path of a sound config; undefined takes it out. */
function withSetting(path: string, value: unknown, config: Json = soundConfig()): Json {
  const keys = path.split('.');
  let place: Json = config;
  for (const key of keys.slice(0, -1)) {
    place[key] ??= {};
    place = place[key] as Json;
  }
  const last = keys.at(-1) ?? '';
  if (value === undefined) Reflect.deleteProperty(place, last);
  else place[last] = value;
  return config;
}

function judge(config: unknown, purpose: ConfigPurpose = 'plan', environment: Record<string, string> = {}): Judgement {
  return judgeConfig(config, { purpose, environment });
}

describe('a sound config', () => {
  it('has no problems and its defaults filled in', () => {
    const { config, problems, notes } = judge(soundConfig(), 'run');
    expect(problems).toEqual([]);
    expect(notes).toEqual([]);
    expect(config?.align.learning_rate).toBe(1e-7);
    expect(config?.probe.size).toBe(40);
  });

  it.each(['', null, undefined, [], 'text', 3])('is a mapping, so %p is refused with one problem', (input) => {
    const { config, problems } = judge(input);
    expect(config).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(problems[0]?.instead).toContain('arte init');
  });
});

describe('the shape', () => {
  it.each([
    ['questions', { per_tsk: 5 }, 'questions.per_tsk', 'Write "per_task"'],
    ['evaluate', { learning_rate: 1 }, 'evaluate.learning_rate', 'align.learning_rate or sft.learning_rate'],
    ['algin', { beta: 1 }, 'algin', 'Write "align"'],
    ['sede', 3, 'sede', 'Write "seed"'],
    [
      'models.teacher.endpoint',
      { kind: 'managed', context_token: 5 },
      'models.teacher.endpoint.context_token',
      'Write "context_tokens"',
    ],
    ['zebra', 1, 'zebra', 'Take it out. Settings of the file: version, name'],
    ['probe', { 'size:5': null }, 'probe.size:5', 'a space behind the colon'],
  ])('an unknown key in %s is refused, with the nearest known one', (path, value, at, instead) => {
    const [problem, ...others] = judge(withSetting(path, value)).problems;
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: at, at: 'key', instead: expect.stringContaining(instead) });
  });

  it('what follows from the default that stands where a misspelt setting was meant is not told', () => {
    const split = { seeds: 3, validation: 20, test: 10 };
    const config = { ...soundConfig(), tasks: [{ source: 'builtin', family: 'larger-number', split }] };
    expect(judge(config).problems[0]?.what).toContain('the probe set is to have 40');
    for (const slip of [{ proeb: { size: 5 } }, { probe: { sise: 5 } }])
      expect(judge({ ...config, ...slip }).problems.map(({ at }) => at)).toEqual(['key']);
  });

  it('a section that is a text without a space behind its colon is told so', () => {
    expect(judge(withSetting('probe', 'size:5')).problems).toMatchObject([
      { path: 'probe', instead: expect.stringContaining('a space behind the colon') as string },
    ]);
  });

  it('of every section every key is known again when two neighbours of it are exchanged', () => {
    const sections = (node: JsonSchemaNode): string[][] => [
      ...(node.properties === undefined ? [] : [Object.keys(node.properties)]),
      ...[...Object.values(node.properties ?? {}), ...(node.items ? [node.items] : []), ...(node.oneOf ?? [])].flatMap(
        sections,
      ),
    ];
    let tried = 0;
    for (const keys of sections(runConfigJsonSchema())) {
      for (const key of keys) {
        for (let at = 0; at + 1 < key.length; at += 1) {
          const written = `${key.slice(0, at)}${key.charAt(at + 1)}${key.charAt(at)}${key.slice(at + 2)}`;
          expect([written, nearestName(written, keys)]).toEqual([written, key]);
          tried += 1;
        }
      }
    }
    expect(tried).toBeGreaterThan(500);
    // What has nothing in common is nobody's slip.
    expect(nearestName('zebra', ['seed', 'score', 'sft'])).toBeUndefined();
  });

  it.each([
    [
      'seed',
      2 ** 64,
      'is 18446744073709552000, but must be a whole number of at least 0, and at most 9007199254740991',
      '',
    ],
    ['probe.size', NaN, 'is NaN, but must be a whole number of at least 1.', ''],
    ['questions.per_task', 'many', 'is "many", but must be a whole number of at least 1', 'Left out, it is 250.'],
    ['align.learning_rate', -1, 'is -1, but must be a number above 0', ''],
    ['questions.per_task', 0, 'is 0, but must be a whole number of at least 1', ''],
    ['questions.per_task', 2.5, 'is 2.5, but must be a whole number', ''],
    ['questions.format', 'jsonn', 'one of tagged, json', 'Write "json"'],
    ['rationales.temperature', 3, 'a number of at least 0 and at most 2', ''],
    ['rounds', 3, 'rounds is 3, but must be a section of settings', ''],
    ['models.student.source', undefined, 'models.student.source is missing.', 'Write a text.'],
    ['models.student', undefined, 'models.student is missing.', ''],
    ['name', 'My Run', 'is "My Run", but must be a name of lower-case letters, digits and -', ''],
    ['version', 2, 'version is 2, but must be 1', ''],
    ['evaluate.shots', [], 'a list that is not empty', ''],
    ['models.teacher.endpoint', { kind: 'statik' }, 'one of managed, static, scripted', 'Write "static"'],
    ['models.teacher.endpoint', { kind: 'static', base_url: 'ftp://x', model: 'm' }, 'an http(s) address', ''],
    ['platform.store', { endpoint: 'host:9000', bucket: 'b' }, 'but must be an http(s) address', ''],
    ['rounds.gates.icl_gain_min', 'none', 'but must be a number or null', 'Left out, it is 0.'],
    ['promotion.floor', 3, 'but must be NAME: VALUE pairs, each VALUE a number of at least 0 and at most 1', ''],
    ['score.combine', 3, 'but must be NAME: VALUE pairs, each NAME one of icl_accuracy, icl_loglik', ''],
    [
      'models.teacher.endpoint',
      { kind: 'scripted', script: 'echo', options: { latency_ms: null } },
      'models.teacher.endpoint.options.latency_ms is empty',
      'a text or a number or true or false',
    ],
    ['tasks', [{ source: 'jsnol', path: 'x', name: 'x' }], 'one of builtin, jsonl, bbh-json', 'Write "jsonl"'],
    ['tasks', [], 'a list that is not empty', ''],
    ['seed', null, 'seed is empty.', 'leave the whole line out'],
  ])('%s = %p says what may stand there', (path, value, what, instead) => {
    const { config, problems } = judge(withSetting(path, value));
    expect(config).toBeUndefined();
    expect(problems).toHaveLength(1);
    expect(problems[0]?.what).toContain(what);
    expect(problems[0]?.instead).toContain(instead);
    expect(problems[0]?.why).not.toBe('');
  });

  it('all problems are said at once, and only once', () => {
    const config = soundConfig();
    withSetting('questions.per_tsk', 5, config);
    withSetting('rationales.temperature', 'hot', config);
    withSetting('evaluate.shots', [0, 5], config);
    withSetting('rounds.accept_margin', 5, config);
    withSetting(
      'models.teacher.endpoint.api_key',
      'abcdefgh',
      withSetting('models.teacher.endpoint', endpoint(), config),
    );
    expect(
      judge(config)
        .problems.map(({ path }) => path)
        .sort(),
    ).toEqual([
      'models.teacher.endpoint.api_key',
      'questions.per_tsk',
      'rationales.temperature',
      'rounds.accept_margin',
      'tasks[0].split.seeds',
    ]);
  });

  it('says nothing that only follows from another problem', () => {
    const config = withSetting('models.teacher.endpoint', endpoint({ structured: 'yes' }));
    withSetting('questions.format', 'json', config);
    expect(judge(config).problems.map(({ path }) => path)).toEqual(['models.teacher.endpoint.capabilities.structured']);
  });

  it.each([
    ['tasks', 'all of them'],
    ['models', { teacher: 3 }],
    ['models', []],
    ['probe', { respondents: [{ source: 5 }, { surce: 'x' }] }],
    ['pairs', { question: { per_task: 'x' }, rationale: 7 }],
  ])('a broken section %s does not hide the others', (path, value) => {
    const config = withSetting('rounds.accept_margin', 5, withSetting(path, value));
    expect(judge(config).problems.map((problem) => problem.path)).toContain('rounds.accept_margin');
  });
});

describe('tasks', () => {
  const declared = (change: Json): Json =>
    withSetting('tasks', [{ source: 'declared', name: 'd', description: 'x', test_items: 5, ...change }]);

  it('two tasks of one name are refused', () => {
    const config = withSetting(
      'tasks',
      [0, 1].map(() => ({ source: 'builtin', family: 'navigate' })),
    );
    expect(judge(config).problems).toMatchObject([
      { path: 'tasks[1]', instead: expect.stringContaining('navigate-2') },
    ]);
  });

  it('a task that is only declared can be planned, not run', () => {
    expect(judge(declared({}), 'plan').problems).toEqual([]);
    expect(judge(declared({}), 'run').problems).toMatchObject([{ path: 'tasks[0].source' }]);
  });

  it.each([
    [{ type: 'boolean', labels: ['Yes', 'No'] }, 'Write "type: yes-no"'],
    [{ type: 'yes-no', labels: ['True', 'False'] }, 'Write "type: boolean"'],
    [{ type: 'boolean', labels: ['valid', 'invalid'] }, 'Write "type: choice"'],
    [{ type: 'number', labels: ['few', 'many'] }, 'Write "type: choice"'],
    [{ type: 'choice', labels: ['(A)', '(a)'] }, 'Write every label once.'],
  ])('labels that do not fit the answer type are refused: %p', (answer, instead) => {
    expect(judge(declared({ answer })).problems).toMatchObject([
      { path: 'tasks[0].answer.labels', instead: expect.stringContaining(instead) },
    ]);
  });

  it('a description is needed where the source brings none', () => {
    expect(judge(declared({ description: undefined })).problems).toMatchObject([{ path: 'tasks[0].description' }]);
  });

  it('more shots than seeds, and a probe set larger than the validation items, are refused', () => {
    const { problems } = judge(declared({ seed_items: 2, validation_items: 30 }));
    expect(problems.map(({ path }) => path).sort()).toEqual([
      'tasks[0].seed_items',
      'tasks[0].seed_items',
      'tasks[0].validation_items',
    ]);
  });
});

describe('the items of a task', () => {
  const record = (change: Partial<TaskRecord>): TaskRecord => ({
    name: 't',
    category: 'general',
    description: 'x',
    answer: { type: 'boolean', labels: [] },
    seeds: [{ id: '1', question: 'a', target: 'True' }],
    validation: [],
    test: [{ id: '2', question: 'b', target: 'False' }],
    techniques: [{ name: 'plain', instruction: 'Answer.' }],
    ...change,
  });

  it('pass when every target can be answered', () => {
    expect(judgeTask(record({}), ['tasks', 0])).toEqual([]);
  });

  it.each([
    [{ answer: { type: 'yes-no' as const, labels: [] } }, '2 of 2 targets of "t" do not fit answers of type yes-no'],
    [{ test: [{ id: '2', question: 'b', target: '7' }] }, '1 of 2 targets'],
    [
      { answer: { type: 'choice' as const, labels: ['True', 'Maybe'] } },
      'with the labels "True", "Maybe", the first is "False"',
    ],
  ])('are refused when a target could never be answered', (change, what) => {
    const problems = judgeTask(record(change), ['tasks', 0]);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.path).toBe('tasks[0]');
    expect(problems[0]?.what).toContain(what);
  });

  it("are judged against a reminder of the user's own", () => {
    const prompts = judge(
      withSetting('prompts.answer_reminder', { boolean: 'End with {open}Yes{close} or {open}No{close}.' }),
    ).config?.prompts;
    const problems = judgeTask(record({}), ['tasks', 0], prompts);
    expect(problems).toMatchObject([{ path: 'prompts.answer_reminder.boolean' }]);
    expect(problems[0]?.what).toContain('True');
  });
});

describe('the answer filter', () => {
  const filtered = (filter: string, answer = 'free'): Json => withSetting('tailor', { filter, answer });

  it('is refused where every answer is the target itself', () => {
    expect(judge(filtered('target', 'given')).problems).toMatchObject([{ path: 'tailor.filter' }]);
    expect(judge(filtered('majority', 'given')).problems).toHaveLength(1);
    for (const sound of [filtered('verifier', 'given'), filtered('off', 'given'), filtered('target')])
      expect(judge(sound).problems).toEqual([]);
  });

  it('by verifier needs one of every task', () => {
    const task = (verifier?: TaskRecord['verifier']): TaskRecord => ({
      ...{ name: 't', category: 'general', description: 'x', answer: { type: 'number', labels: [] }, validation: [] },
      ...{ seeds: [{ id: '1', question: 'a', target: '1' }], test: [], techniques: [{ name: 'p', instruction: 'A.' }] },
      ...(verifier && { verifier }),
    });
    const { config } = judge(filtered('verifier'));
    const problems = (verifier?: TaskRecord['verifier']): string[] =>
      judgeTask(task(verifier), ['tasks', 0], config?.prompts, config?.tailor).map(({ what }) => what);
    expect(problems({ kind: 'arithmetic' })).toEqual([]);
    expect(problems()).toEqual([expect.stringContaining('has none')]);
  });
});

describe('a floor', () => {
  it('is of a task of the config', () => {
    const { problems } = judge(withSetting('promotion.floor', { nosuch: 0.5 }));
    expect(problems).toMatchObject([
      { path: 'promotion.floor.nosuch', what: 'There is no task "nosuch" to have a floor.' },
    ]);
  });
});

describe('a cap', () => {
  const priced = (): Json => withSetting('models.student.price', { output: 2 }, withSetting('budget.cap', 5));

  it('counts what the models cost', () => {
    expect(judge(priced()).problems).toEqual([]);
    expect(judge(withSetting('budget.cap', null)).problems).toEqual([]);
  });

  it('without any price is refused: it would never be reached', () => {
    const { problems } = judge(withSetting('budget.cap', 5));
    expect(problems).toMatchObject([{ path: 'budget.cap', what: 'There is a cap, but no model has a price.' }]);
  });

  it.each([-1, 'much'])('of %p is refused', (cap) => {
    expect(judge(withSetting('budget.cap', cap, priced())).problems).toMatchObject([{ path: 'budget.cap' }]);
  });
});

describe('prompts', () => {
  it.each([
    ['naive', '{description} {qestion}', ['{qestion}', 'lacks the slot {question}', 'neither has the slot {reminder}']],
    ['student_one_shot', '{reminder} {question}', ['lacks the slot {demonstrations}']],
    ['rationale', '{technique} {question}', ['neither has the slot {reminder}']],
    ['question', 'Write more.', ['lacks the slot {seeds}']],
  ])('prompts.%s: slots that are unknown or missing are refused', (name, text, whats) => {
    const { problems } = judge(withSetting(`prompts.${name}`, text));
    for (const what of whats) expect(problems.map((problem) => problem.what).join('\n')).toContain(what);
    expect(problems).toHaveLength(whats.length);
  });

  it('a prompt that writes the answer tag itself needs no reminder', () => {
    expect(judge(withSetting('prompts.naive', '{question} End with <ans>X</ans>.')).problems).toEqual([]);
  });

  it('an answer tag that closes as it opens, or inside a label, is refused', () => {
    const same = withSetting('prompts', { answer_open: '##', answer_close: '##' });
    expect(judge(same).problems).toMatchObject([{ path: 'prompts.answer_close' }]);
    const inside = withSetting('tasks', [
      {
        source: 'declared',
        name: 'd',
        description: 'x',
        test_items: 5,
        answer: { type: 'choice', labels: ['3.5', '4'] },
      },
    ]);
    withSetting('prompts', { answer_open: 'The answer is ', answer_close: '.' }, inside);
    expect(judge(inside).problems).toMatchObject([
      { path: 'prompts.answer_close', what: expect.stringContaining('3.5') },
    ]);
  });
});

describe('models', () => {
  it.each(['hf:gemma', 'hosted:openai', 's3://bucket', 'https://huggingface.co/x/y', '', 'embedded:SmolLM2'])(
    'a source %p is refused',
    (source) => {
      expect(judge(withSetting('models.student.source', source)).problems).toMatchObject([
        { path: 'models.student.source' },
      ]);
    },
  );

  it.each(['embedded:smollm2-135m-instruct', 'embedded:SmolLM2-135M-Instuct'])(
    'the misspelt embedded model %s is told its right name, and which there are',
    (source) => {
      const [problem] = judge(withSetting('models.student.source', source)).problems;
      expect(problem?.instead).toContain('Write "embedded:SmolLM2-135M-Instruct", if that is what was meant.');
      expect(problem?.instead).toContain(`Embedded models that there are: embedded:${embeddedModels.join(', ')}.`);
    },
  );

  it('a hosted teacher or student cannot be trained, and cannot be managed; a hosted respondent may answer', () => {
    const config = withSetting('models.teacher.source', 'hosted:somewhere/big');
    expect(judge(config).problems.map(({ path }) => path)).toEqual([
      'models.teacher.source',
      'models.teacher.endpoint',
    ]);
    const respondent = { source: 'hosted:somewhere/small', endpoint: endpoint({ per_request_sampling: true }) };
    expect(judge(withSetting('probe.respondents', [respondent])).problems).toEqual([]);
  });

  it("takes no more answers per call than the teacher's server has slots", () => {
    const slots = (count: number): Json =>
      withSetting(
        'models.teacher.endpoint',
        { kind: 'managed', slots: count },
        withSetting('questions.answers_per_call', 4),
      );
    expect(judge(slots(3)).problems.map(({ path }) => path)).toEqual(['questions.answers_per_call']);
    expect(judge(slots(4)).problems).toEqual([]);
  });

  it.each(['questions', 'tailor.questions'])(
    '%s: several answers of greedy sampling are one answer several times',
    (place) => {
      const config = withSetting('questions.answers_per_call', 2, withSetting(`${place}.temperature`, 0));
      expect(judge(config).problems.map(({ path }) => path)).toEqual([`${place}.temperature`]);
    },
  );

  it('a hosted teacher that need not be trained may be used', () => {
    const config = withSetting('models.teacher', { source: 'hosted:somewhere/big', endpoint: endpoint() });
    expect(judge(config).problems.map(({ path }) => path)).toEqual(['models.teacher.source']);
    const { problems, notes } = judge(withSetting('align.method', 'none', config));
    expect(problems).toEqual([]);
    // It is what its source says: another name at the endpoint alone would change no key.
    expect(notes).toEqual([expect.stringContaining('is hosted:somewhere/big by its source')]);
    const named = { source: 'hosted:somewhere/m', endpoint: endpoint() };
    expect(judge(withSetting('models.teacher', named, config)).notes).toEqual([]);
    const student = withSetting('models.student', { source: 'hosted:somewhere/small', endpoint: endpoint() }, config);
    expect(judge(student).problems.map(({ path }) => path)).toEqual(['models.student.source']);
  });

  it.each([
    ['questions', { format: 'json' }, 'structured'],
    ['questions', { answers_per_call: 4 }, 'n'],
    ['questions', { top_k: 40 }, 'extended_sampling'],
    ['tailor', { rationales: { min_p: 0.1 } }, 'extended_sampling'],
    ['models.teacher.prompt_style', 'completion', 'completion'],
  ])('%s = %p needs a capability that the endpoint does not declare', (path, value, capability) => {
    const config = withSetting('models.teacher.endpoint', endpoint({ [capability]: false }), withSetting(path, value));
    expect(judge(config).problems).toMatchObject([{ path: `models.teacher.endpoint.capabilities.${capability}` }]);
    withSetting('models.teacher.endpoint', endpoint({ [capability]: true }), config);
    expect(judge(config).problems).toEqual([]);
  });

  it('an endpoint that ignores sampling settings is refused', () => {
    const config = withSetting('models.student.endpoint', endpoint({ per_request_sampling: false }));
    expect(judge(config).problems).toMatchObject([
      { path: 'models.student.endpoint.capabilities.per_request_sampling' },
    ]);
  });

  it('says of what settings no server is told, and takes no other field out', () => {
    const config = withSetting('align.method', 'none');
    const omitting = (omit: unknown): Json => ({ ...endpoint(), token_limit_field: 'max_completion_tokens', omit });
    const { problems, notes } = judge(
      withSetting('models.teacher.endpoint', omitting(['temperature', 'stop']), config),
    );
    expect(problems).toEqual([]);
    expect(notes).toEqual([expect.stringContaining('models.teacher.endpoint.omit has temperature: ')]);
    expect(judge(withSetting('models.teacher.endpoint', omitting(['stop']), config)).notes).toEqual([]);
    const [problem] = judge(withSetting('models.teacher.endpoint', omitting(['max_tokens']), config)).problems;
    expect(problem).toMatchObject({ path: 'models.teacher.endpoint.omit[0]' });
  });

  it('says that a static endpoint cannot be asked for a trained model', () => {
    const { problems, notes } = judge(withSetting('models.teacher.endpoint', endpoint()));
    expect(problems).toEqual([]);
    expect(notes).toEqual([expect.stringContaining('the trained teacher cannot be asked there')]);
  });

  it.each([
    ['racing by another signal', { signal: 'icl_loglik', mode: 'racing' }, 'score.mode', 'mode: exhaustive'],
    ['racing by several', { signal: 'combined', mode: 'racing' }, 'score.mode', 'signal: icl_accuracy'],
    ['a combination of one', { signal: 'combined', combine: { icl_loglik: 1 } }, 'score.combine', 'signal: icl_loglik'],
    ['a combination of none', { signal: 'combined', combine: {} }, 'score.combine', 'two or more of icl_accuracy'],
  ])('%s is refused', (_name, score, path, instead) => {
    const [problem, ...others] = judge(withSetting('score', score)).problems;
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path, instead: expect.stringContaining(instead) });
  });

  it('a hosted student whose endpoint gives no log-probabilities is refused by the signals that need them, and by no other', () => {
    const student = (dialect: string, prompt_logprobs: boolean, source = 'hosted:someone/model') =>
      withSetting('models.student', {
        source,
        endpoint: { ...endpoint({ prompt_logprobs, completion: true }), dialect },
      });
    const judged = (score: Json, ...of: Parameters<typeof student>): readonly string[] =>
      judge(withSetting('score', score, student(...of)))
        .problems.filter(({ what }) => what.includes('probable'))
        .map(({ path, instead }) => `${path}: ${instead}`);
    const loglik = { signal: 'icl_loglik' };
    expect(judged(loglik, 'openai', false)).toEqual([
      expect.stringMatching(/^models\.student\.endpoint\.capabilities\.prompt_logprobs: .*hf:ORG\/NAME/),
    ]);
    expect(judged({ signal: 'combined' }, 'openai', true)).toHaveLength(1);
    expect(judged(loglik, 'vllm', true)).toEqual([]);
    expect(judged(loglik, 'openai', false, 'hf:someone/model')).toEqual([]);
    expect(judged({}, 'openai', false)).toEqual([]);
  });

  it('says when the first wave of racing is cut', () => {
    const racing = (size: number) =>
      withSetting('score', { mode: 'racing' }, withSetting('probe', { method: 'random', size }));
    expect(judge(racing(8)).notes).toEqual([expect.stringMatching(/asks 2 probe items .*score.first_block = 8/)]);
    expect(judge(racing(40)).notes).toEqual([]);
  });

  it('an answer as long as the context is refused', () => {
    const config = withSetting('models.student.endpoint', { kind: 'managed', context_tokens: 256 });
    const problems = judge(config).problems;
    expect(problems.map(({ path }) => path)).toEqual(Array(2).fill('models.student.endpoint.context_tokens'));
  });
});

describe('counts', () => {
  it.each([
    [{ loss: ['sigmoid', 'sft'], loss_weights: [1] }, 'align.loss_weights', '1 weights for 2 losses (sigmoid, sft)'],
    [{ loss: ['robust'] }, 'align.label_smoothing', 'has robust, but align.label_smoothing is 0'],
    [{ label_smoothing: 0.1 }, 'align.label_smoothing', 'align.loss has no robust'],
  ])('losses of DPO that would not do what they say are refused: %j', (align, place, said) => {
    const { problems } = judge(withSetting('align', align));
    expect(problems.map(({ path, what }) => [path, what])).toEqual([[place, expect.stringContaining(said)]]);
    expect(
      judge(withSetting('align', { loss: ['robust', 'sft'], loss_weights: [1, 0.1], label_smoothing: 0.1 })).problems,
    ).toEqual([]);
  });

  it('items outside of the preference set cannot be asked where it has all of them', () => {
    const asked = withSetting(
      'rounds.gates.icl_examples',
      4,
      withSetting('probe.agreement_questions', 2, withSetting('probe.size', 20)),
    );
    expect(judge(asked).problems).toEqual([]);
    expect(judge(withSetting('probe.method', 'full', asked)).problems.map(({ path }) => path)).toEqual([
      'rounds.gates.icl_examples',
      'probe.agreement_questions',
    ]);
  });

  it.each([
    ['signal', { signal: 'combined' }, 'score.signal is combined'],
    ['signal', { signal: 'icl_loglik' }, 'score.signal is icl_loglik'],
    ['mode', { mode: 'racing' }, 'score.mode is racing'],
  ])('agreement of choices is told of accuracies on every probe item only (%s)', (_, score, words) => {
    const config = withSetting('probe', { agreement_questions: 2, size: 20 }, withSetting('score', score));
    const { problems } = judge(config);
    expect(problems.map(({ path }) => path)).toEqual(['probe.agreement_questions']);
    expect(problems[0]?.what).toContain(words);
    expect(judge(withSetting('probe.agreement_questions', 0, config)).problems).toEqual([]);
  });

  it('no length could pass both gates', () => {
    const crossed = withSetting('rounds.gates.length_ratio_min', 4);
    expect(judge(crossed).problems.map(({ path }) => path)).toEqual(['rounds.gates.length_ratio_min']);
    expect(judge(withSetting('rounds.gates.length_ratio_max', null, crossed)).problems).toEqual([]);
    expect(judge(withSetting('rounds.gates.length_ratio_min', 3)).problems).toEqual([]);
  });

  it('fewer pairs than the minimum can be made', () => {
    const config = withSetting('pairs', { question: { per_task: 0 }, rationale: { per_task: 3 } });
    expect(judge(config).problems).toMatchObject([
      { path: 'pairs.minimum', what: expect.stringContaining('At most 3 pairs') },
    ]);
  });

  it('one technique makes no rationale pairs', () => {
    const config = withSetting('pairs', { question: { per_task: 2 } });
    withSetting('prompts.techniques', [{ name: 'plain', instruction: 'Answer.' }], config);
    expect(judge(config).problems).toMatchObject([
      { path: 'pairs.minimum', what: expect.stringContaining('At most 2 pairs') },
    ]);
  });
});

describe('platform and environment', () => {
  it.each([
    [{ store: { endpoint: 'http://127.0.0.1:9000' } }, 'platform.store.bucket'],
    [{ store: { bucket: 'b', access_key_id: '${env:A}' } }, 'platform.store.secret_access_key'],
    [{ temporal: { api_key: '${env:A}' } }, 'platform.temporal.address'],
    [{ temporal: { namespace: 'team' } }, 'platform.temporal.namespace'],
    [{ store: { prefix: 'arte/' } }, 'platform.store.prefix'],
    [{ store: { region: 'eu-west-1' } }, 'platform.store.region'],
    [{ store: { force_path_style: false } }, 'platform.store.force_path_style'],
  ])('half of a platform is refused: %p', (platform, path) => {
    expect(judge(withSetting('platform', platform)).problems).toMatchObject([{ path }]);
  });

  it('a whole one is not', () => {
    const platform = {
      temporal: { address: 'engine:7233', namespace: 'team' },
      store: { bucket: 'b', prefix: 'arte/', region: 'eu-west-1', force_path_style: false },
    };
    expect(judge(withSetting('platform', platform)).problems).toEqual([]);
  });

  it("a variable that is not set stops a run, is a note in a plan, and none of a worker's business", () => {
    const config = withSetting('models.teacher.endpoint', { ...endpoint(), api_key: '${env:TEACHER_KEY}' });
    expect(judge(config, 'run').problems).toMatchObject([{ path: 'models.teacher.endpoint.api_key' }]);
    expect(judge(config, 'run', { TEACHER_KEY: 'x' }).problems).toEqual([]);
    expect(judge(config, 'plan').notes.join('\n')).toContain('TEACHER_KEY is not set');
    expect(judge(config, 'worker').problems).toEqual([]);
    expect(judge(config, 'worker').notes.join('\n')).not.toContain('TEACHER_KEY');
  });

  it("a worker needs the platform's secrets", () => {
    const config = withSetting('platform.store', {
      bucket: 'b',
      access_key_id: '${env:A}',
      secret_access_key: '${env:B}',
    });
    expect(judge(config, 'worker', { A: 'x' }).problems).toMatchObject([{ path: 'platform.store.secret_access_key' }]);
  });

  it('finds every reference to a secret', () => {
    const config = withSetting('models.teacher.endpoint', { ...endpoint(), api_key: '${env:TEACHER_KEY}' });
    withSetting('platform.store', { bucket: 'b', access_key_id: '${env:A}', secret_access_key: '${env:B}' }, config);
    const parsed = judge(config).config;
    expect(parsed && secretReferences(parsed).map(({ name }) => name)).toEqual(['TEACHER_KEY', 'A', 'B']);
  });

  it('the environment is read for secrets only', () => {
    const config = withSetting('models.teacher.endpoint', { ...endpoint(), model: '${env:MODEL}' });
    expect(judge(config).problems).toMatchObject([{ path: 'models.teacher.endpoint.model' }]);
  });
});

describe('arms', () => {
  const withArms = (...arms: string[]): Json => withSetting('arms', arms);

  it('of all kinds may be asked for', () => {
    const all = ['teacher', 'self_instruct', 'random_rationale', 'most_preferred', 'task_consistent'];
    expect(judge(withArms(...all, 'question_only', 'rationale_only')).problems).toEqual([]);
  });

  it('that are not known are named with what there is', () => {
    const { problems } = judge(withArms('arte', 'task-consistent'));
    expect(problems).toMatchObject([{ path: 'arms[1]' }]);
    expect(`${problems[0]?.why ?? ''} ${problems[0]?.instead ?? ''}`).toContain('task_consistent');
  });

  it('that are chosen from drafts need a draft question for every example', () => {
    const config = withSetting('questions.per_task', 100, withArms('random_rationale', 'most_preferred'));
    expect(judge(config).problems).toMatchObject([
      { path: 'questions.per_task', what: expect.stringContaining('random_rationale, most_preferred take') as string },
    ]);
    expect(judge(withSetting('tailor.per_task', 100, config)).problems).toEqual([]);
    expect(judge(withSetting('questions.per_task', 100)).problems).toEqual([]);
    const none = withSetting('align.method', 'none', withSetting('questions.per_task', 100));
    expect(judge(none).problems.map(({ path }) => path)).toEqual(['questions.per_task']);
  });

  it('that need pairs of one kind need enough of them', () => {
    const without = withSetting('pairs.question.per_task', 0, withArms('question_only'));
    expect(judge(without).problems).toMatchObject([
      { path: 'pairs.minimum', what: expect.stringContaining('0 question pairs') as string },
    ]);
    expect(judge(withSetting('pairs.question.per_task', 0, withArms('rationale_only'))).problems).toEqual([]);
  });

  it('that train the teacher, and further rounds, need a teacher that is trained', () => {
    const arms = withSetting('align.method', 'none', withArms('question_only', 'rationale_only', 'task_consistent'));
    expect(judge(arms).problems).toMatchObject([
      { path: 'arms', what: expect.stringContaining('question_only and rationale_only') as string },
    ]);
    const rounds = withSetting('align.method', 'none', withSetting('rounds.count', 2));
    expect(judge(rounds).problems.map(({ path }) => path)).toEqual(['rounds.count']);
    expect(judge(withSetting('align.method', 'none', withSetting('pairs.minimum', 10_000))).problems).toEqual([]);
  });
});

describe('transfer', () => {
  const other = (change: Json = {}): Json => ({ source: 'hf:google/gemma-7b', ...change });
  const unseen = (change: Json = {}): Json => ({
    ...{ source: 'builtin', family: 'navigate', split: { seeds: 3, validation: 8, test: 10 } },
    ...change,
  });
  const judged = (transfer: Json, config: Json = soundConfig()): Judgement =>
    judge(withSetting('transfer', transfer, config));

  it('to other students and unseen tasks is sound, and is nothing where nothing is asked for', () => {
    expect(judged({ students: [other()], tasks: [unseen()] }).problems).toEqual([]);
    expect(judge(soundConfig()).config?.transfer).toEqual({ students: [], tasks: [] });
  });

  it('needs no probe items of an unseen task', () => {
    expect(judged({ tasks: [unseen({ split: { seeds: 3, validation: 0, test: 10 } })] }).problems).toEqual([]);
  });

  it.each<[string, Json, string, string]>([
    [
      'the student of the run itself',
      { students: [{ source: 'embedded:SmolLM2-135M-Instruct' }] },
      'transfer.students[0]',
      'models.student',
    ],
    ['one student twice', { students: [other(), other()] }, 'transfer.students[1]', 'transfer.students[0]'],
    [
      'a hosted student',
      { students: [other({ source: 'hosted:openai/gpt', endpoint: endpoint({ per_request_sampling: true }) })] },
      'transfer.students[0].source',
      'cannot be trained',
    ],
    [
      'a source that says nothing',
      { students: [other({ source: 'hf:gemma' })] },
      'transfer.students[0].source',
      'ORG/NAME',
    ],
    [
      'an endpoint that takes no raw text',
      { students: [other({ prompt_style: 'completion', endpoint: endpoint() })] },
      'transfer.students[0].endpoint.capabilities.completion',
      'completion',
    ],
    [
      'a context as long as an answer',
      { students: [other({ endpoint: { kind: 'managed', context_tokens: 256 } })] },
      'transfer.students[0].endpoint.context_tokens',
      'evaluate.max_tokens',
    ],
    [
      'a task of the run',
      { tasks: [unseen({ family: 'larger-number' })] },
      'transfer.tasks[0]',
      'Two tasks are called "larger-number": tasks[0] and transfer.tasks[0]',
    ],
    ['gold examples', { tasks: [unseen({ gold: 'gold.jsonl' })] }, 'transfer.tasks[0].gold', 'would not be unseen'],
    [
      'fewer seeds than shots',
      { tasks: [unseen({ split: { seeds: 1, validation: 8, test: 10 } })] },
      'transfer.tasks[0].split.seeds',
      'evaluate.shots asks for 3 shots',
    ],
    [
      'no description',
      { tasks: [{ source: 'jsonl', path: 'a.jsonl', name: 'a' }] },
      'transfer.tasks[0].description',
      'has no description',
    ],
    ['a key that is not known', { studens: [] }, 'transfer.studens', 'students'],
  ])('%s is refused', (_, transfer, path, words) => {
    const { problems } = judged(transfer);
    expect(problems.map((problem) => problem.path)).toEqual([path]);
    expect([problems[0]?.what, problems[0]?.why, problems[0]?.instead].join(' ')).toContain(words);
  });

  it('of the same weights prompted in another form is to another student', () => {
    const student = { source: 'embedded:SmolLM2-135M-Instruct', prompt_style: 'completion' };
    expect(judged({ students: [student] }).problems).toEqual([]);
  });

  it('to unseen tasks needs an aligned teacher; to students it does not', () => {
    const none = (): Json => withSetting('questions.per_task', 250, withSetting('align', { method: 'none' }));
    expect(judged({ students: [other()] }, none()).problems).toEqual([]);
    const { problems } = judged({ tasks: [unseen()] }, none());
    expect(problems.map(({ path }) => path)).toEqual(['transfer.tasks']);
    expect(problems[0]?.what).toContain('only one teacher');
  });

  it('says what a declared unseen task and a static endpoint are good for', () => {
    const declared = { source: 'declared', name: 'piqa', description: 'Choose.', test_items: 9 };
    expect(judged({ tasks: [declared] }).problems).toEqual([]);
    const { problems } = judge(withSetting('transfer', { tasks: [declared] }), 'run');
    expect(problems.map(({ path }) => path)).toEqual(['transfer.tasks[0].source']);
    const { notes } = judged({ students: [other({ endpoint: endpoint({ per_request_sampling: true }) })] });
    expect(notes).toEqual([expect.stringContaining('transfer.students[0] has a static endpoint')]);
  });
});

describe('whom a run tells', () => {
  const hook = (change: Json = {}): Json =>
    withSetting('notify', [{ kind: 'webhook', url: 'https://example.org/x', ...change }]);

  it.each<[string, Json]>([
    ['https', {}],
    ['http on this machine', { url: 'http://127.0.0.1:9000/x' }],
    ['http to another one, where that is said', { url: 'http://example.org/x', allow_http: true }],
    ['an address from the environment', { url: '${env:HOOK}' }],
    ['a header from the environment', { headers: { Authorization: 'Bearer ${env:HOOK}' } }],
  ])('%s is accepted', (_, change) => {
    expect(judge(hook(change), 'run', { HOOK: 'x' }).problems).toEqual([]);
  });

  it.each<[string, Json, string, string]>([
    ['http to another machine', { url: 'http://example.org/x' }, 'notify[0].url', 'plain http'],
    ['no URL', { url: 'example.org' }, 'notify[0].url', 'no URL'],
    ['another protocol', { url: 'ftp://example.org' }, 'notify[0].url', 'neither http nor https'],
    ['a user in the address', { url: 'https://me@example.org' }, 'notify[0].url', 'user name'],
    ['a written header', { headers: { 'X-Token': 'hunter22' } }, 'notify[0].headers.X-Token', 'written out'],
    [
      'a key in a header',
      { headers: { Authorization: 'Bearer hunter22' } },
      'notify[0].headers.Authorization',
      'written out',
    ],
    ['an unknown event', { on: ['stopped'] }, 'notify[0].on[0]', 'stopped'],
    [
      'an address that is a secret',
      { url: ['https://hooks.slack', '.com/services/T0/B0/abcdef'].join('') },
      'notify[0].url',
      'a secret itself',
    ],
  ])('%s is refused, and no secret repeated', (_, change, path, what) => {
    const { problems } = judge(hook(change), 'run');
    expect(problems).toMatchObject([{ path, what: expect.stringContaining(what) as string }]);
    expect(JSON.stringify(problems)).not.toMatch(/hunter22|abcdef/);
  });

  it('needs its secrets set before it starts', () => {
    const { problems } = judge(hook({ headers: { Authorization: 'Bearer ${env:HOOK_TOKEN}' } }), 'run');
    expect(problems).toMatchObject([
      { path: 'notify[0].headers.Authorization', what: expect.stringContaining('HOOK_TOKEN') as string },
    ]);
  });
});
