/**
 * Goal: a config file is read and judged whole: YAML, shape, and every file it names, each problem with its line; nothing is started.
 * Method: files written into a folder of their own, one vice each, then several at once.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ConfigError, type PlacedProblem } from '../../../cli/config/config-error';
import { loadConfig, type LoadedConfig } from '../../../cli/config/load-config';
import { ArteError } from '../../../schemas/errors';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-config-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const models = `models:
  teacher: { source: embedded:SmolLM2-135M-Instruct }
  student: { source: embedded:SmolLM2-135M-Instruct }
`;

/** 60 sums with their results: enough for a split. */
const sums = Array.from({ length: 60 }, (_, index) => ({
  question: `What is ${index} + 1?`,
  target: String(index + 1),
}));

function write(name: string, content: string | readonly object[]): string {
  const path = join(folder, name);
  writeFileSync(
    path,
    typeof content === 'string' ? content : `${content.map((line) => JSON.stringify(line)).join('\n')}\n`,
  );
  return path;
}

/** A config around a tasks section; the tasks begin on line 3. */
function configWith(tasks: string, rest = ''): string {
  return write('arte.yaml', `version: 1\nname: trial\ntasks:\n${tasks}\n${models}probe: { size: 5 }\n${rest}`);
}

const jsonlTask =
  '  - { source: jsonl, path: sums.jsonl, name: sums, description: Add., split: { seeds: 3, validation: 20, test: 10 } }';

async function load(path: string, options: Partial<Parameters<typeof loadConfig>[1]> = {}): Promise<LoadedConfig> {
  return loadConfig(path, { env: {}, ...options });
}

async function problemsOf(
  path: string,
  options: Partial<Parameters<typeof loadConfig>[1]> = {},
): Promise<readonly PlacedProblem[]> {
  const error: unknown = await load(path, options).then(
    () => new Error('the config was accepted'),
    (caught: unknown) => caught,
  );
  if (!(error instanceof ConfigError)) throw error;
  return error.problems;
}

it('a sound config comes with its tasks, split as it says', async () => {
  write('sums.jsonl', sums);
  const { config, configDir, tasks, notes } = await load(configWith(jsonlTask), { purpose: 'run' });
  expect(config.name).toBe('trial');
  expect(configDir).toBe(folder);
  expect(notes).toEqual([]);
  expect(tasks).toMatchObject([
    {
      name: 'sums',
      answer: { type: 'number' },
      seeds: { length: 3 },
      validation: { length: 20 },
      test: { length: 10 },
    },
  ]);
});

describe('the file itself', () => {
  it.each([
    ['missing.yaml', 'There is no such file.'],
    ['.', 'It is a folder.'],
  ])('%s cannot be read: %s', async (name, why) => {
    await expect(load(join(folder, name))).rejects.toMatchObject({ data: { code: 'InvalidConfig', why } });
  });

  it('a part that refers to itself is refused', async () => {
    expect(await problemsOf(write('arte.yaml', 'a: &a [*a]\n'))).toMatchObject([
      {
        what: expect.stringContaining('This is not YAML') as string,
        why: expect.stringContaining('hold the text') as string,
      },
    ]);
  });

  it('an alias of nothing is refused', async () => {
    expect(await problemsOf(write('arte.yaml', 'version: 1\nname: *nobody\n'))).toMatchObject([
      { what: expect.stringContaining('Unresolved alias') },
    ]);
  });

  it('a secret in a line that is no YAML is not repeated', async () => {
    const secret = ['sk', '-proj-', 'abcdefghijklmnop1234'].join('');
    const error = await load(write('arte.yaml', `name: "x\nkey: ${secret}: [\n*${secret}\n`)).catch(
      (caught: unknown) => caught,
    );
    expect(error).toBeInstanceOf(ConfigError);
    expect(JSON.stringify((error as ConfigError).data)).not.toContain(secret.slice(8));
  });

  it.each([
    ['README.md', '# arte\n\nTeach a model: with data\n\n* one\n* two: x\n', 'no line begins with'],
    ['prose.txt', 'Some models need a key.\nOthers do not.\n', 'one text or number'],
    ['list.yaml', '- question: a\n  target: b\n', 'It is a list'],
    ['package.json', '{"name": "x", "version": "1", "private": true, "bin": {}, "engines": {}}', '"private", "bin"'],
    ['compose.yaml', 'version: 3\nservices: { db: { image: x } }\n', '"services"'],
    ['picture.png', '\u0089PNG\r\n\u001a\n\u0000\u0000: @', 'no YAML'],
  ])('%s is no config at all, and told so once', async (name, text, why) => {
    await expect(load(write(name, text))).rejects.toMatchObject({
      data: {
        code: 'InvalidConfig',
        what: expect.stringContaining('does not look like an arte config') as string,
        why: expect.stringContaining(why) as string,
        next: expect.stringContaining('arte init') as string,
      },
    });
  });

  it.each(['version: 1\n', 'verison: 1\nnaem: x\ntaks: []\nmodells: {}\n', 'name: x\nmodels: {}\nfoo: 1\nbar: 2\n'])(
    '%j is a config, if a bad one',
    async (text) => {
      expect((await problemsOf(write('arte.yaml', text))).length).toBeGreaterThan(0);
    },
  );

  it('a file that is too large, and what is none, are not read', async () => {
    const large = write('large.yaml', `version: 1 # ${'x'.repeat(1024 * 1024)}`);
    for (const [path, why] of [
      [large, 'files of up to 1 MB are read'],
      ['/dev/zero', 'no file'],
    ] as const) {
      await expect(load(path)).rejects.toMatchObject({ data: { why: expect.stringContaining(why) as string } });
      await expect(load(configWith(jsonlTask.replace('sums.jsonl', path)))).rejects.toMatchObject({
        data: path === large ? {} : { details: [expect.stringContaining(why)] },
      });
    }
  });

  it('a misspelt path is told the nearest file that is there', async () => {
    mkdirSync(join(folder, 'examples'));
    write('examples/smoke.yaml', '');
    await expect(load(join(folder, 'exampels', 'smoke.yml'))).rejects.toMatchObject({
      data: { next: `Name ${join(folder, 'examples', 'smoke.yaml')}, if that is what was meant.` },
    });
    await expect(load(join(folder, 'examples', 'smoke'))).rejects.toMatchObject({
      data: { next: expect.stringContaining('smoke.yaml') as string },
    });
    await expect(load(join(folder, 'examples', 'nothing-like-it'))).rejects.toMatchObject({
      data: { next: expect.stringContaining('arte init') as string },
    });
    write('sums.jsonl', sums);
    const [problem] = await problemsOf(configWith(jsonlTask.replace('sums.jsonl', 'smus.jsonl')));
    expect(problem?.instead).toBe('Write "sums.jsonl", if that is what was meant.');
  });

  it('an empty file is told so', async () => {
    expect(await problemsOf(write('arte.yaml', '# nothing\n'))).toMatchObject([{ what: 'The file is empty.' }]);
  });
});

describe('places', () => {
  it('an unknown key, a wrong value, an item of a list and a missing setting each have their line', async () => {
    write('sums.jsonl', sums);
    const path = configWith(
      jsonlTask,
      'questions:\n  per_task: 5\n  fromat: json\nrationales:\n  temperature: hot\nevaluate:\n  shots:\n    - 0\n    - few\n',
    );
    const problems = await problemsOf(path);
    expect(problems.map(({ path: at, line, column }) => [at, line, column])).toEqual([
      ['questions.fromat', 11, 3],
      ['rationales.temperature', 13, 3],
      ['evaluate.shots[1]', 17, 7],
    ]);
  });

  it('what is missing is looked for where it belongs', async () => {
    const path = write(
      'arte.yaml',
      `version: 1\nname: trial\ntasks:\n  - source: builtin\nmodels:\n  teacher: { source: embedded:SmolLM2-135M-Instruct }\n`,
    );
    expect((await problemsOf(path)).map(({ path: at, line }) => [at, line])).toEqual([
      ['tasks[0].family', 4],
      ['models.student', 5],
    ]);
  });

  it('the error says all of it in words, in the order of the file', async () => {
    const path = configWith(
      '  - { source: jsonl, path: no.jsonl, name: sums, description: Add. }',
      'rounds: { cuont: 3 }\n',
    );
    const error = await load(path).catch((caught: unknown) => caught);
    const { what, next, details } = (error as ConfigError).data;
    expect(what).toContain('2 problems');
    expect(next).toContain(`arte validate ${path}`);
    expect(details?.[0]).toContain(`${path}:4:22  tasks[0].path`);
    expect(details?.[0]).toMatch(/why {4}There is no such file\./);
    expect(details?.[1]).toContain('write  Write "count"');
  });
});

describe('task files', () => {
  const threeFiles =
    '  - { source: files, name: sums, description: Add., seeds: s.jsonl, validation: v.jsonl, test: t.jsonl }';

  it('every missing file is named, with the whole path', async () => {
    write('v.jsonl', sums);
    const problems = await problemsOf(configWith(threeFiles));
    expect(problems.map(({ path }) => path)).toEqual(['tasks[0].seeds', 'tasks[0].test']);
    expect(problems[0]?.why).toContain(join(folder, 's.jsonl'));
  });

  it.each([
    ['a test item inside the validation items', sums.slice(10, 40), 'probe'],
    ['a test item inside the seeds', sums.slice(40), 'seeds'],
  ])('%s is refused', async (_, test) => {
    write('s.jsonl', sums.slice(40, 43));
    write('v.jsonl', sums.slice(0, 30));
    write('t.jsonl', test);
    const problems = await problemsOf(configWith(threeFiles));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ path: 'tasks[0]', line: 4 });
    expect(problems[0]?.why).toContain('held-out set');
  });

  it('fewer seeds than shots are refused: what is called 3-shot would be asked with two', async () => {
    write('s.jsonl', sums.slice(40, 42));
    write('v.jsonl', sums.slice(0, 30));
    write('t.jsonl', sums.slice(43));
    const problems = await problemsOf(configWith(threeFiles));
    expect(problems.map(({ path, what }) => [path, what])).toEqual([
      ['tasks[0].seeds', 'The seeds file of the task "sums" has 2 questions, but evaluate.shots asks for 3 shots.'],
      ['tasks[0].seeds', expect.stringContaining('probe.respondent_shots asks for 3 shots.') as string],
    ]);
    write('s.jsonl', sums.slice(40, 43));
    expect((await load(configWith(threeFiles))).tasks[0]?.seeds).toHaveLength(3);
  });

  it('a seed without target is told with its line', async () => {
    write('s.jsonl', [...sums.slice(0, 2), { question: 'What is 9 + 9?' }]);
    write('v.jsonl', sums.slice(10, 20));
    write('t.jsonl', sums.slice(30));
    const problems = await problemsOf(configWith(threeFiles));
    expect(problems).toHaveLength(1);
    expect(`${problems[0]?.what ?? ''} ${problems[0]?.why ?? ''}`).toMatch(/seeds file.*line 3.*target/s);
  });

  it('several bad lines are listed, each once', async () => {
    write('sums.jsonl', [{ question: 'a' }, { question: 'b', target: null }, ...sums]);
    const [problem] = await problemsOf(configWith(jsonlTask));
    expect(problem?.why.match(/line 1:/g)).toHaveLength(1);
    expect(problem?.why.match(/line 2:/g)).toHaveLength(1);
  });

  it('targets that do not fit the answer type are refused', async () => {
    write('sums.jsonl', sums);
    const problems = await problemsOf(
      configWith(jsonlTask.replace('description', 'answer: { type: yes-no }, description')),
    );
    expect(problems).toMatchObject([
      { path: 'tasks[0]', what: expect.stringContaining('do not fit answers of type yes-no') },
    ]);
  });

  it('a family with fewer distinct items than asked is refused', async () => {
    const problems = await problemsOf(
      configWith('  - { source: builtin, family: one-digit-addition, split: { validation: 5000 } }'),
    );
    expect(problems).toMatchObject([{ path: 'tasks[0]', what: expect.stringContaining('distinct items') }]);
  });

  it('a misspelt family is told the nearest', async () => {
    const problems = await problemsOf(configWith('  - { source: builtin, family: larger-numbr }'));
    expect(problems[0]?.why).toContain('larger-number');
  });

  it('are judged even when another part of the file is broken', async () => {
    const problems = await problemsOf(
      configWith('  - { source: jsonl, path: no.jsonl, name: sums, description: Add. }', 'rounds: many\n'),
    );
    expect(problems.map(({ path }) => path)).toEqual(['tasks[0].path', 'rounds']);
  });

  it('are not read for a worker, whose machine need not have them', async () => {
    const { tasks } = await load(configWith('  - { source: jsonl, path: no.jsonl, name: sums, description: Add. }'), {
      purpose: 'worker',
    });
    expect(tasks).toEqual([]);
  });

  it('techniques for all tasks go before those of a family, and their examples are no items', async () => {
    const config = configWith(
      '  - { source: builtin, family: larger-number, split: { seeds: 3, validation: 10, test: 10 } }',
      'prompts: { techniques: [{ name: mine, instruction: Compare. }, { name: other, instruction: Decide. }] }\n',
    );
    expect((await load(config)).tasks[0]?.techniques.map(({ name }) => name)).toEqual(['mine', 'other']);
  });
});

describe('tasks and lengths that no run can make sense of', () => {
  const split = 'split: { seeds: 3, validation: 20, test: 10 }';
  const task = (file: string, more = '') =>
    `  - { source: jsonl, path: ${file}, name: t, description: Answer., ${split}${more} }`;
  const colours = (target: (index: number) => string) =>
    sums.map((_, index) => ({ question: `Which one, ${index}?\nOptions:\n(A) red\n(B) blue`, target: target(index) }));
  const larger = `  - { source: builtin, family: larger-number, ${split} }`;

  it('targets that all are the same are refused', async () => {
    write(
      'one.jsonl',
      sums.map(({ question }, index) => ({ question, target: index % 2 === 0 ? '7' : '7.0' })),
    );
    const [problem, ...others] = await problemsOf(configWith(task('one.jsonl')));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: 'tasks[0]', line: 4, what: 'All 33 targets of "t" are "7".' });
  });

  it('one value in a part of them is worth a warning', async () => {
    // Which items are held out follows from the split: the targets are made so that the test items alone are equal.
    write('sums.jsonl', sums);
    const { tasks } = await load(configWith(task('sums.jsonl')));
    const held = new Set(tasks[0]!.test.map(({ question }) => question));
    write(
      'held.jsonl',
      sums.map((item) => (held.has(item.question) ? { ...item, target: '0' } : item)),
    );
    const { warnings } = await load(configWith(task('held.jsonl')));
    expect(warnings).toMatchObject([{ path: 'tasks[0]', line: 4, what: 'All 10 test targets of "t" are "0".' }]);
  });

  it.each([
    ['targets', '', 'The targets of "t" write the letter of an option in 2 forms'],
    ['labels', ', answer: { type: choice, labels: [A, (B)] }', 'The labels of "t" write the letter'],
  ])('%s that write letters in two forms are refused', async (what, more, said) => {
    const mixed = what === 'targets' ? ['A', '(B)'] : ['(A)', '(B)'];
    write(
      'mixed.jsonl',
      colours((index) => mixed[index % 2]!),
    );
    const [problem, ...others] = await problemsOf(configWith(task('mixed.jsonl', more)));
    expect(others).toEqual([]);
    expect(problem?.what).toContain(said);
    expect(problem?.what).toMatch(/"(A|\(B\))" and "(A|\(B\))"/);
  });

  it('letters in one form and words are fine', async () => {
    write(
      'letters.jsonl',
      colours((index) => ['(A)', '(B)'][index % 2]!),
    );
    expect((await load(configWith(task('letters.jsonl')))).warnings).toEqual([]);
    write(
      'words.jsonl',
      colours((index) => ['a', 'red', 'blue'][index % 3]!),
    );
    expect((await load(configWith(task('words.jsonl')))).warnings).toEqual([]);
  });

  it('repeated questions are told, with what is left', async () => {
    write('twice.jsonl', [...sums.slice(0, 40), ...sums.slice(0, 7)]);
    const { warnings } = await load(configWith(task('twice.jsonl')));
    expect(warnings).toMatchObject([{ path: 'tasks[0]', line: 4 }]);
    expect(warnings[0]?.what).toBe('7 items of "t" repeat questions that stand there before; 33 items are used.');
  });

  it('options that no setting names are told, with the setting', async () => {
    const items = sums.map(({ question }, index) => ({
      question,
      choices: ['red', 'blue'],
      target: index % 3 ? 'red' : 'blue',
    }));
    write('options.jsonl', items);
    const { warnings } = await load(configWith(task('options.jsonl')));
    expect(warnings).toMatchObject([{ path: 'tasks[0].choices_field', line: 4 }]);
    expect(warnings[0]?.instead).toContain('"choices_field: choices"');
    const named = `  - { name: t, source: jsonl, path: options.jsonl, choices_field: choices, description: Add., ${split} }`;
    expect((await load(configWith(named))).warnings).toEqual([]);
  });

  it('a description that nobody wrote is told, one that somebody wrote is not', async () => {
    const examples = sums.map(({ question }, index) => ({ input: question, target: index % 2 === 0 ? 'Yes' : 'No' }));
    write('odd_things.json', JSON.stringify({ examples }));
    const described = (more: string) => configWith(`  - { source: bbh-json, path: odd_things.json, ${split}${more} }`);
    const { warnings } = await load(described(''));
    expect(warnings).toMatchObject([{ path: 'tasks[0].description', line: 4 }]);
    expect(warnings[0]?.what).toContain('"Answer questions about odd things.');
    expect((await load(described(', description: Decide.'))).warnings).toEqual([]);
  });

  const context = (tokens: number) =>
    write(
      'arte.yaml',
      readFileSync(configWith(larger), 'utf8').replace(
        /(student: .*) \}/,
        `$1, endpoint: { kind: managed, context_tokens: ${tokens} } }`,
      ),
    );

  it('a context that the longest prompt and max_tokens do not fit into is refused, or told where that is near', async () => {
    const [problem, ...others] = await problemsOf(context(300));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: 'models.student.endpoint.context_tokens', line: 7 });
    expect(problem?.what).toMatch(/about \d+ tokens \(task "larger-number"\), and score\.max_tokens is 256/);
    const enough = Number(/at least (\d+)/.exec(problem?.instead ?? '')?.[1]);
    expect((await load(context(enough))).warnings).toEqual([]);
    const { warnings } = await load(context(enough - 64));
    expect(warnings).toMatchObject([
      {
        path: 'models.student.endpoint.context_tokens',
        what: problem!.what.replace('holds 300', `holds ${enough - 64}`),
      },
    ]);
  });

  it('settings of the embedded model beside one that follows instructions are told, all of them in one warning a model', async () => {
    const path = configWith(larger, 'questions: { format: json, top_k: 40 }\ntailor: { answer: given }');
    const yaml = readFileSync(path, 'utf8');
    const named = (role: string, source: string) => (text: string) =>
      text.replace(
        new RegExp(`(${role}: \\{) source: \\S+`),
        `$1 source: ${source}, prompt_style: completion, add_bos: false`,
      );
    const instructed = named('student', 'hf:org/small-it')(named('teacher', 'hf:Qwen/Qwen2.5-0.5B-Instruct')(yaml));
    const { warnings } = await load(write('arte.yaml', instructed));
    expect(warnings.map(({ path }) => path)).toEqual(['models.teacher.prompt_style', 'models.student.prompt_style']);
    expect(warnings[0]?.instead).toMatch(
      /Take out models\.teacher\.prompt_style, models\.teacher\.add_bos, questions\.format, questions\.top_k and tailor\.answer/,
    );
    const base = named('student', 'hf:org/items-1B')(yaml);
    expect((await load(write('arte.yaml', base))).warnings).toEqual([]);
  });

  it('a training whose every prompt alone fills max_length is refused, one whose rows are cut is told', async () => {
    const [problem, ...others] = await problemsOf(configWith(larger, 'sft: { max_length: 8 }'));
    expect(others).toEqual([]);
    expect(problem).toMatchObject({ path: 'sft.max_length', line: 9 });
    expect(problem?.why).toContain('nothing would be left to train on');
    const { warnings } = await load(configWith(larger, 'align: { max_length: 100 }'));
    expect(warnings).toMatchObject([{ path: 'align.max_length', line: 9 }]);
    expect(warnings[0]?.why).toContain('cut at its end');
  });
});

describe('unseen tasks', () => {
  const transfer = (tasks: string, students = ''): string => `transfer:\n  tasks:\n  ${tasks}\n${students}`;
  const other = Array.from({ length: 40 }, (_, index) => ({
    question: `What is ${index} times 3?`,
    target: String(3 * index),
  }));
  const unseen = jsonlTask.replace('sums.jsonl', 'products.jsonl').replace('name: sums', 'name: products');

  it('are read, and come apart from the tasks of the run', async () => {
    write('sums.jsonl', sums);
    write('products.jsonl', other);
    const { tasks, unseen: read } = await load(configWith(jsonlTask, transfer(unseen)), { purpose: 'run' });
    expect(tasks.map(({ name }) => name)).toEqual(['sums']);
    expect(read).toMatchObject([{ name: 'products', seeds: { length: 3 }, test: { length: 10 } }]);
  });

  it('with test items of a task of the run are refused, at their place', async () => {
    write('sums.jsonl', sums);
    // Of 40 lines 17 are test items, so some of the 30 are among them.
    write('products.jsonl', [...other.slice(0, 10), ...sums.slice(0, 30)]);
    const [all, rest] = [jsonlTask, unseen].map((task) => task.replace('test: 10', 'test: rest'));
    const problems = await problemsOf(configWith(all ?? '', transfer(rest ?? '')));
    expect(problems).toMatchObject([{ path: 'transfer.tasks[0]', line: 11 }]);
    expect(problems[0]?.what).toMatch(
      /^\d+ of 17 test items of the unseen task "products" stand in the task "sums" of the run, the first is "What is \d+ \+ 1\?"\.$/,
    );
  });

  it('that are not there, and other students that are no model, are told with their lines', async () => {
    write('sums.jsonl', sums);
    const students = '  students:\n    - { source: ./no-such-model }\n';
    const problems = await problemsOf(
      configWith(jsonlTask, transfer(unseen.replace('products.jsonl', 'gone.jsonl'), students)),
    );
    expect(problems.map(({ path }) => path)).toEqual(['transfer.tasks[0].path', 'transfer.students[0].source']);
    expect(problems[0]?.what).toContain('gone.jsonl');
  });
});

describe('models on this machine', () => {
  const withTeacher = (source: string): string => {
    write('sums.jsonl', sums);
    const tasks = `version: 1\nname: trial\ntasks:\n${jsonlTask}\nprobe: { size: 5 }\n`;
    return write('arte.yaml', tasks + models.replace('embedded:SmolLM2-135M-Instruct', source));
  };

  it('a folder that is not there is refused', async () => {
    expect(await problemsOf(withTeacher('./nowhere'))).toMatchObject([
      { path: 'models.teacher.source', why: expect.stringContaining(join(folder, 'nowhere')) },
    ]);
  });

  it('a folder without tokenizer or weights says what it lacks', async () => {
    mkdirSync(join(folder, 'model'));
    write('model/config.json', '{}');
    write('model/model.safetensors', '');
    expect(await problemsOf(withTeacher('./model'))).toMatchObject([{ why: expect.stringContaining('tokenizer') }]);
  });

  it('a whole folder is taken, by its absolute path', async () => {
    mkdirSync(join(folder, 'model'));
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) write(`model/${name}`, '{}');
    expect((await load(withTeacher('./model'))).config.models.teacher.source).toBe(join(folder, 'model'));
  });

  it('a file that is no GGUF is refused', async () => {
    write('weights.bin', '');
    expect(await problemsOf(withTeacher('weights.bin'))).toMatchObject([{ path: 'models.teacher.source' }]);
  });
});

describe('secrets', () => {
  it('that are not set stop a run and are a note in a plan', async () => {
    const platform =
      'platform: { store: { bucket: b, access_key_id: "${env:KEY_A}", secret_access_key: "${env:KEY_B}" } }\n';
    write('sums.jsonl', sums);
    const path = configWith(jsonlTask, platform);
    expect((await load(path)).notes).toHaveLength(2);
    expect((await problemsOf(path, { purpose: 'run', env: { KEY_A: 'x' } })).map(({ path: at }) => at)).toEqual([
      'platform.store.secret_access_key',
    ]);
    const { config } = await load(path, { purpose: 'run', env: { KEY_A: 'secret-a', KEY_B: 'secret-b' } });
    expect(JSON.stringify(config)).not.toContain('secret-');
  });
});

it('counts beyond what was ever measured are worth a warning that names the setting', async () => {
  write('sums.jsonl', sums);
  const warned = async (rest: string) => (await load(configWith(jsonlTask, rest))).warnings;
  expect(await warned('questions: { per_task: 100000 }\n')).toEqual([]);
  const [warning, ...others] = await warned('questions: { per_task: 250000000 }\nrounds: { count: 100 }\n');
  expect(others).toEqual([]);
  expect(warning).toMatchObject({ path: 'questions.per_task', line: 9 });
  expect(warning?.what).toBe('questions.per_task is 250,000,000: score-drafts makes 5,000,000,000 calls a round.');
});

it('rounds beyond what a plan and a report can hold are refused', async () => {
  write('sums.jsonl', sums);
  const [problem, ...others] = await problemsOf(configWith(jsonlTask, 'rounds: { count: 101 }\n'));
  expect(others).toEqual([]);
  expect(problem?.what).toBe('rounds.count is 101, but must be a whole number of at least 1 and at most 100.');
});

it('is an ArteError, so that every command ends alike', async () => {
  await expect(load(write('arte.yaml', 'version: 1\n'))).rejects.toBeInstanceOf(ArteError);
});
