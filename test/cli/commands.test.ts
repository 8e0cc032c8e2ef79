/**
 * Goal: the commands that start nothing say what they should, in words and as JSON, and end with the documented exit codes.
 * Method: each command's own code in this process, on files in a folder of its own; main.ts as the process that a person starts.
 */
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { register as registerFamilies } from '../../cli/commands/families';
import { register as registerInit } from '../../cli/commands/init';
import { register as registerPlan } from '../../cli/commands/plan';
import { register as registerPreview } from '../../cli/commands/preview';
import { register as registerQuickstart } from '../../cli/commands/quickstart';
import { register as registerReject } from '../../cli/commands/reject';
import { register as registerSchema } from '../../cli/commands/schema';
import { register as registerValidate } from '../../cli/commands/validate';
import { packageRoot } from '../../drivers/package-root';
import { families } from '../../method/families';
import { openWorkspace, type CliResult } from '../support/cli';
import { runCommand } from '../support/command';

const custom = join(packageRoot(), 'examples', 'custom-tasks.yaml');
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-commands-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const lines = (items: readonly object[]): string => `${items.map((item) => JSON.stringify(item)).join('\n')}\n`;

describe('validate', () => {
  it('says what a sound config holds, and what to type next', async () => {
    const { stdout, exitCode } = await runCommand(registerValidate, ['validate', custom]);
    expect(stdout).toContain('animals (choice): 3 seeds, 30 validation, 40 test');
    expect(stdout).toContain(`arte plan ${custom}`);
    expect(exitCode).toBe(0);
  });

  it('lists all problems as JSON, with their places, and ends with 2', async () => {
    const path = write('arte.yaml', 'version: 1\nname: X Y\nquestions: { per_tsk: 1 }\n');
    const { stdout, exitCode } = await runCommand(registerValidate, ['validate', path, '--json']);
    const { valid, problems } = JSON.parse(stdout) as {
      valid: boolean;
      problems: { path: string; line: number; what: string; why: string; instead: string }[];
    };
    expect(valid).toBe(false);
    expect(problems.map(({ path: at }) => at).sort()).toEqual(['models', 'name', 'questions.per_tsk', 'tasks']);
    for (const { line, what, why, instead } of problems) {
      expect(line).toBeGreaterThan(0);
      expect(Math.min(what.length, why.length, instead.length)).toBeGreaterThan(0);
    }
    expect(exitCode).toBe(2);
  });
});

describe('plan', () => {
  it('is a table with totals and notes', async () => {
    const { stdout } = await runCommand(registerPlan, ['plan', custom]);
    expect(stdout).toMatch(/1 {2}score-drafts\s+student\s+288/);
    expect(stdout).toContain('counted as if the store were empty');
    expect(stdout).toMatch(/one step of a score is 16\.7 points/);
    expect(stdout).not.toContain('\u001b');
  });

  it('shows cost where there are prices', async () => {
    const priced = readFileSync(custom, 'utf8')
      .replace('path: tasks/animals.jsonl', `path: ${join(packageRoot(), 'examples', 'tasks', 'animals.jsonl')}`)
      .replace('prompt_style: completion', 'price: { input: 1000, output: 2000 }\n    prompt_style: completion');
    const { stdout } = await runCommand(registerPlan, ['plan', write('arte.yaml', priced)]);
    expect(stdout).toMatch(/cost \(USD\)/);
    // Prompts are estimated: no figure of money is one that cannot be passed.
    expect(stdout).toMatch(/about \d+\.\d\d USD for tokens/);
    expect(stdout).not.toMatch(/at most \d+\.\d\d USD/);
  });

  it('is refused for a config with problems', async () => {
    await expect(runCommand(registerPlan, ['plan', write('arte.yaml', 'version: 1\n')])).rejects.toMatchObject({
      data: { code: 'InvalidConfig' },
    });
  });
});

describe('init', () => {
  const questions = Array.from({ length: 40 }, (_, index) => `Is ${index} larger than ${39 - index}?`);

  it.each([
    [
      'JSONL',
      'mine.jsonl',
      lines(questions.map((question, index) => ({ question, target: index > 19 ? 'Yes' : 'No' }))),
      'source: jsonl',
      'type: yes-no',
    ],
    [
      'JSONL with other fields',
      'mine.jsonl',
      lines(questions.map((input, index) => ({ id: index, input, label: index > 19 }))),
      'question_field: input',
      'type: boolean',
    ],
    [
      'BIG-Bench-Hard',
      'web_of_lies.json',
      JSON.stringify({ examples: questions.map((input, index) => ({ input, target: index > 19 ? 'Yes' : 'No' })) }),
      'source: bbh-json',
      'type: yes-no',
    ],
    [
      'GSM8K',
      'gsm.jsonl',
      lines(questions.map((question, index) => ({ question, answer: `It is ${index}.\n#### ${index}` }))),
      'source: gsm8k-jsonl',
      'type: number',
    ],
    [
      'ARC',
      'ARC-Easy-Dev.jsonl',
      lines(
        questions.map((question, index) => ({
          question,
          choices: { text: ['a', 'b'], label: ['A', 'B'] },
          answerKey: index > 19 ? 'B' : 'A',
        })),
      ),
      'source: arc-jsonl',
      'type: choice',
    ],
    [
      'MMLU',
      'abstract_algebra.jsonl',
      lines(questions.map((question, index) => ({ question, subject: 's', choices: ['a', 'b'], answer: index % 2 }))),
      'choices_field: choices',
      'labels: ["(A)", "(B)"]',
    ],
    [
      'options that stand in the question already',
      'mine.jsonl',
      lines(
        questions.map((question, index) => ({
          question: `${question}\nOptions:\n(A) a\n(B) b`,
          choices: ['a', 'b'],
          target: index % 2 ? '(A)' : '(B)',
        })),
      ),
      'source: jsonl\n    # Relative to the folder of this config.\n    path: mine.jsonl\n    name: mine\n    # Opens',
      'type: choice',
    ],
    [
      'CommonsenseQA',
      'dev.jsonl',
      lines(
        questions.map((stem, index) => ({
          question: { question_concept: 'c', stem, choices: ['a', 'b'].map((text) => ({ label: text, text })) },
          answerKey: index > 19 ? 'b' : 'a',
        })),
      ),
      'source: commonsenseqa-jsonl',
      'type: choice',
    ],
    [
      'PIQA',
      'valid.jsonl',
      lines(questions.map((goal, index) => ({ goal, sol1: 'a', sol2: 'b', label: index % 2 }))),
      'source: piqa-jsonl',
      'type: choice',
    ],
  ])('%s: the config that it writes is sound', async (_, name, text, source, type) => {
    const output = join(folder, 'arte.yaml');
    await runCommand(registerInit, ['init', write(name, text), '-o', output]);
    const written = readFileSync(output, 'utf8');
    expect(written).toContain(source);
    expect(written).toContain(type);
    const { exitCode } = await runCommand(registerValidate, ['validate', output, '--json']);
    expect(exitCode).toBe(0);
    // As examples/quickstart.yaml has it, whose measured speeds are then this config's, too.
    expect(written).toContain('context_tokens: 1024');
  });

  it('names files so that they are found: in the config from its folder, in words as they were typed', async () => {
    mkdirSync(join(folder, 'my configs'));
    const output = join(folder, 'my configs', 'arte.yaml');
    const items = questions.slice(0, 29).map((question, index) => ({ question, target: index > 14 ? 'Yes' : 'No' }));
    const file = write('mine.jsonl', lines([...items, items[0]!]));
    const { stdout } = await runCommand(registerInit, ['init', file, '-o', output]);
    expect(stdout).toContain(`arte plan '${output}'`);
    const written = readFileSync(output, 'utf8');
    expect(written).toContain('from mine.jsonl (30 items, of which 1 repeats a question: 29 items).');
    expect(written).toMatch(/^ {4}path: "?\.\.\/mine\.jsonl"?$/m);
    expect(written).toContain('split: { seeds: 3, validation: 13, test: 13 }');
    const few = write('few.jsonl', lines(items.slice(0, 5)));
    await expect(runCommand(registerInit, ['init', few, '-o', output])).rejects.toMatchObject({
      data: { what: expect.stringContaining(`${few} has 5 distinct items`) as string },
    });
  });

  it('does not replace a file unless told to', async () => {
    const tasks = write(
      'mine.jsonl',
      lines(questions.map((question, index) => ({ question, target: index > 19 ? 'Yes' : 'No' }))),
    );
    const output = write('arte.yaml', 'mine');
    await expect(runCommand(registerInit, ['init', tasks, '-o', output])).rejects.toMatchObject({
      data: { code: 'InvalidInput', next: expect.stringContaining('--force') },
    });
    expect(readFileSync(output, 'utf8')).toBe('mine');
    await runCommand(registerInit, ['init', tasks, '-o', output, '--force']);
    expect(readFileSync(output, 'utf8')).toContain('version: 1');
  });

  it.each([
    ['', 'It is empty.'],
    ['hello', 'no JSON object'],
    ['[{"question": "a", "target": "b"}]', 'one JSON list'],
    ['{"foo": 1, "bar": "x"}', 'not clear which hold the question'],
    [lines([{ question: 'a', target: 'b' }]), 'are shown to the teacher'],
  ])('%j is no task file', async (text, why) => {
    const output = join(folder, 'arte.yaml');
    await expect(runCommand(registerInit, ['init', write('x.jsonl', text), '-o', output])).rejects.toMatchObject({
      data: { code: 'InvalidTaskFile', why: expect.stringContaining(why) },
    });
    expect(() => readFileSync(output)).toThrow('ENOENT');
  });
});

describe('preview', () => {
  it('shows every stage that asks or trains a model, and no slot is left unfilled', async () => {
    const { stdout } = await runCommand(registerPreview, ['preview', custom]);
    for (const stage of [
      'sample-questions',
      'sample-rationales',
      'score-drafts',
      'train-dpo',
      'tailor-questions',
      'tailor-rationales',
      'train-sft',
      'evaluate',
    ]) {
      expect(stdout).toContain(`━━ ${stage}`);
    }
    expect(stdout.match(/technique /g)).toHaveLength(4);
    expect(stdout).not.toMatch(/\{(description|reminder|question|seeds|count|technique|demonstrations?)\}/);
  });

  it('as JSON has the prompts and rows themselves', async () => {
    const { stdout } = await runCommand(registerPreview, ['preview', custom, '--json']);
    const { task, question, steps } = JSON.parse(stdout) as {
      task: string;
      question: string;
      steps: { stage: string; request?: { prompt: { text: string } }; row?: object }[];
    };
    expect(task).toBe('animals');
    expect(steps.filter(({ request }) => request?.prompt.text.includes(question)).length).toBeGreaterThan(6);
    expect(steps.filter(({ row }) => row !== undefined).map(({ stage }) => stage)).toEqual([
      'train-dpo',
      'train-dpo',
      'train-sft',
    ]);
  });

  it('names the nearest task', async () => {
    await expect(runCommand(registerPreview, ['preview', custom, '--task', 'animal'])).rejects.toMatchObject({
      data: { what: expect.stringContaining('"animals"') },
    });
  });

  it('needs items', async () => {
    const paper = join(packageRoot(), 'examples', 'paper-bbh.yaml');
    await expect(runCommand(registerPreview, ['preview', paper])).rejects.toMatchObject({
      data: { code: 'InvalidInput' },
    });
  });
});

describe('families', () => {
  it('lists all of them', async () => {
    const { stdout } = await runCommand(registerFamilies, ['families', '--json']);
    expect((JSON.parse(stdout) as { name: string }[]).map(({ name }) => name)).toEqual([...families.keys()]);
  });

  it('prints items as JSONL, the same under the same seed', async () => {
    const items = async (seed: string): Promise<string> =>
      (await runCommand(registerFamilies, ['families', 'navigate', '--items', '5', '--seed', seed])).stdout;
    expect(
      (await items('1'))
        .trim()
        .split('\n')
        .map((line) => Object.keys(JSON.parse(line) as object)),
    ).toEqual(Array(5).fill(['question', 'target']));
    expect(await items('1')).toBe(await items('1'));
    expect(await items('1')).not.toBe(await items('2'));
  });

  it('refuses what it does not have', async () => {
    await expect(runCommand(registerFamilies, ['families', 'navigat'])).rejects.toMatchObject({
      data: { why: expect.stringContaining('"navigate"') },
    });
    await expect(
      runCommand(registerFamilies, ['families', 'one-digit-addition', '--items', '100000']),
    ).rejects.toMatchObject({ data: { code: 'FamilyTooSmall' } });
  });
});

it.each([[[]], [['--reason', ' ']]])('reject asks for its reason before it asks anybody: %j', async (options) => {
  await expect(runCommand(registerReject, ['reject', 'some-run', ...options])).rejects.toMatchObject({
    data: { code: 'InvalidInput', next: 'arte reject some-run --reason WHY, in a few words.' },
  });
});

it('a word names its round by the number', async () => {
  const words = ['reject', 'some-run', '--reason', 'worse', '--round', 'first'];
  await expect(runCommand(registerReject, words)).rejects.toMatchObject({
    data: { code: 'InvalidInput', what: '--round first cannot be used.' },
  });
});

it('quickstart takes the id of another run, for a store that has the quickstart of an earlier version', async () => {
  await expect(runCommand(registerQuickstart, ['quickstart', '--id', 'no id'])).rejects.toMatchObject({
    data: { code: 'InvalidInput', what: '"no id" cannot be the id of a run.' },
  });
});

describe('what is made from the schema', () => {
  it.each([
    ['schemas/run-config.schema.json', []],
    ['docs/config.md', ['--markdown']],
  ])('%s is current; `npm run schema` makes it so', async (path, options) => {
    const { stdout } = await runCommand(registerSchema, ['schema', ...options]);
    expect(readFileSync(join(packageRoot(), path), 'utf8')).toBe(stdout);
  });
});

describe('the program', () => {
  const run = async (...words: string[]): Promise<CliResult> => {
    const workspace = openWorkspace();
    try {
      return await workspace.start(...words).result;
    } finally {
      rmSync(workspace.dir, { recursive: true, force: true });
    }
  };

  it('helps, with every command and the exit codes', async () => {
    const { code, stdout } = await run('--help');
    expect(code).toBe(0);
    const names = readdirSync(join(packageRoot(), 'cli', 'commands')).map((name) => name.replace(/\.ts$/, ''));
    expect(names).toContain('quickstart');
    for (const name of names) expect(stdout).toMatch(new RegExp(`^ {2}${name}\\b`, 'm'));
    expect(stdout).toContain('3 a run waits for a person');
  });

  it('ends with 2 for a bad config, in words on stderr and as one JSON document on stdout', async () => {
    const path = write('arte.yaml', 'version: 1\n');
    const { code, stdout, stderr } = await run('plan', path, '--json');
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'InvalidConfig' } });
    expect(stderr).toContain('models is missing');
    expect(stderr).toContain('code   InvalidConfig');
    expect(stderr).not.toContain('    at ');
  });

  it('tells a mistake in the form of every error, with the nearest command, and ends with 2', async () => {
    const { code, stdout, stderr } = await run('validat', 'x');
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^error {2}There is no command "validat"\.\nwhy {4}.*\nnext {3}Type arte validate, if .*\ncode {3}InvalidInput\n$/,
    );
    expect(stdout).toBe('');
  });

  it.each([
    [['plan', 'x.yaml', '--json', '--nonsense'], 'no option --nonsense'],
    [['validat', '--json'], 'no command "validat"'],
  ])('%j is one JSON document, too', async (words, what) => {
    const { code, stdout, stderr } = await run(...words);
    expect(code).toBe(2);
    expect(JSON.parse(stdout)).toMatchObject({
      error: { code: 'InvalidInput', what: expect.stringContaining(what) as string },
    });
    expect(stderr).toContain(what);
  });

  it('goes on when nobody reads its words any more', async () => {
    const main = join(packageRoot(), 'dist', 'cli', 'main.js');
    const child = spawn(process.execPath, [main, 'plan', 'nowhere.yaml', '--json'], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stderr.destroy();
    const stdout = await text(child.stdout);
    expect(JSON.parse(stdout)).toHaveProperty('error');
    expect(child.exitCode ?? (await new Promise<number | null>((resolve) => child.once('exit', resolve)))).toBe(2);
  });

  it('prints the stack with --verbose, wherever it stands', async () => {
    expect((await run('--verbose', 'plan', 'nowhere.yaml')).stderr).toContain('    at ');
    expect((await run('plan', 'nowhere.yaml', '--verbose')).stderr).toContain('    at ');
  });

  it('knows its version', async () => {
    const { version } = JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { version: string };
    expect((await run('--version')).stdout.trim()).toBe(version);
  });
});
