/** Goal: `arte init` writes a config for a task file of any length. Method: a file of more lines than a call takes arguments. */
import { detectFormat, initialConfig } from '../../../cli/config/initial-config';
import { preparedTasks } from '../../../method/prepared-tasks';
import { runConfigSchema } from '../../../schemas/run-config';

const linesMany = 150_000;

const lines = (line: (at: number) => object): string =>
  Array.from({ length: linesMany }, (_, at) => JSON.stringify(line(at))).join('\n');

it('counts fit a file of very many lines', () => {
  const text = lines((at) => ({ question: `What is ${at} + 1?`, target: String(at + 1) }));
  const format = detectFormat('sums.jsonl', text);
  const config = initialConfig({ file: 'sums.jsonl', path: 'sums.jsonl', name: 'sums', format, text });
  expect(config).toMatch(/path: .*sums\.jsonl/);
});

it('so do the gold examples of a task', () => {
  const gold = lines((at) => ({ question: `What is ${at} + 2?`, target: String(at + 2), rationale: 'Count on.' }));
  const { tasks, prompts } = runConfigSchema.parse({
    version: 1,
    name: 'gold',
    tasks: [{ source: 'builtin', family: 'larger-number', gold: 'gold.jsonl' }],
    models: { teacher: { source: 'hf:a/b' }, student: { source: 'hf:a/c' } },
  });
  expect(preparedTasks({ tasks, prompts }, new Map([['gold.jsonl', gold]])).facts).toMatchObject({ gold: linesMany });
});
