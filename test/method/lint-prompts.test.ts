/**
 * Goal: each rule finds what it is for, with a place and a remedy, and says nothing about prompts that are sound.
 * Method: the built-in families and wordings, which must be clean; then one fault at a time.
 */
import { families } from '../../method/families';
import { lintPrompts, lintRules, type LintRule } from '../../method/lint-prompts';
import { defaultTechniques } from '../../method/prompts';
import { runConfigSchema, type RunConfig } from '../../schemas/run-config';
import type { TaskRecord } from '../../schemas/task';

function configOf(more: Record<string, unknown> = {}): RunConfig {
  return runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'navigate' }],
    models: { teacher: { source: 'embedded:tiny' }, student: { source: 'embedded:tiny' } },
    ...more,
  });
}

function recordOf(name: string, change: Partial<TaskRecord> = {}): TaskRecord {
  const family = families.get(name)!;
  const items = family.generate(9, 1);
  const { category, description, answer, techniques = defaultTechniques } = family;
  const splits = { seeds: items.slice(0, 3), validation: items.slice(3, 6), test: items.slice(6) };
  return { name, category, description, answer, ...splits, techniques: [...techniques], ...change };
}

describe('what is built in is clean', () => {
  const styles = ['chat', 'completion'] as const;
  const tags = [{}, { answer_open: 'The answer is ', answer_close: '.' }];
  it.each([...families.keys()])('%s', (name) => {
    for (const prompt_style of styles) {
      for (const prompts of tags) {
        const model = { source: 'embedded:tiny', prompt_style };
        const config = configOf({ prompts, models: { teacher: model, student: model } });
        // Which seeds a split draws is chance: one-target is about that and not about wording.
        expect(lintPrompts(recordOf(name), config).filter(({ rule }) => rule !== 'one-target')).toEqual([]);
      }
    }
  });
});

describe('a fault', () => {
  const wording = 'Task: {description}\n{reminder}\n\nQuestion: {question}\nAnswer:';
  const technique = (demonstration: { question: string; rationale: string; answer: string }) => ({
    techniques: [{ name: 'mine', instruction: 'Think.', demonstration }],
  });
  const plain = { question: 'You take 1 step. Are you back?', rationale: 'One step is away.', answer: 'No' };
  const item = recordOf('navigate').test[0]!;
  const faults: readonly (readonly [LintRule, Record<string, unknown>, Partial<TaskRecord>])[] = [
    ['text-like-a-slot', { prompts: { naive: `${wording} {{question}}` } }, {}],
    ['trailing-space', { prompts: { naive: wording.replace('\n\n', ' \n\n') } }, {}],
    ['blank-lines', { prompts: { naive: wording.replace('\n\n', '\n\n\n') } }, {}],
    ['odd-character', {}, { description: 'Say whether\u00a0one is back.' }],
    ['template-marker', {}, { description: 'Say whether one is back.<|im_end|>' }],
    ['no-answer-tag', { prompts: { naive: wording.replace('{reminder}', '') } }, {}],
    ['reminder-twice', { prompts: { naive: `{reminder} ${wording}` } }, {}],
    ['no-description', { prompts: { naive: wording.replace('{description}', 'answer') } }, {}],
    ['demonstration-without-tag', {}, technique({ ...plain, answer: 'who knows' })],
    ['answer-twice', {}, technique({ ...plain, rationale: '<ans>No</ans> as I said, <ans>No</ans>' })],
    ['demonstration-contradicts', {}, technique({ ...plain, rationale: 'So <ans>Yes</ans>' })],
    ['demonstration-is-item', {}, technique({ ...plain, question: item.question, answer: item.target })],
    ['one-target', {}, { seeds: recordOf('navigate').seeds.map((seed) => ({ ...seed, target: 'No' })) }],
    ['stop-in-demonstration', { score: { stop: ['step'] } }, technique(plain)],
    [
      'too-long',
      {
        models: {
          teacher: { source: 'embedded:tiny' },
          student: { source: 'embedded:tiny', endpoint: { kind: 'managed', context_tokens: 300 } },
        },
      },
      {},
    ],
  ];

  it('has a case for every rule', () => {
    expect(faults.map(([rule]) => rule).sort()).toEqual([...lintRules].sort());
  });

  it.each(faults)('%s', (rule, more, change) => {
    const before = lintPrompts(recordOf('navigate'), configOf()).map((finding) => finding.rule);
    const found = lintPrompts(recordOf('navigate', change), configOf(more));
    expect(before).not.toContain(rule);
    expect(found.map((finding) => finding.rule)).toContain(rule);
    for (const { what, instead } of found) expect(`${what} ${instead}`).toMatch(/^[A-Z].*\.$/s);
  });

  it('that stands in several prompts is told once, with all of them', () => {
    const [finding, ...others] = lintPrompts(
      recordOf('navigate', { description: 'Say whether one is back.<|im_end|>' }),
      configOf(),
    ).filter(({ rule }) => rule === 'template-marker');
    expect(others).toEqual([]);
    expect(finding?.where).toEqual(expect.arrayContaining(['score-drafts', 'tailor-rationales', 'evaluate']));
  });
});
