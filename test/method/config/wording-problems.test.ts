/**
 * Goal: what is wrong with a config's own wordings is said all at once, before anything is asked with them.
 * Method: wordings with every slot that they may have, then one vice each.
 */
import { promptProblems, reminderProblem } from '../../../method/config/wording-problems';
import { runConfigSchema, type RunConfig, type RunConfigInput } from '../../../schemas/run-config';
import { ownWordings } from '../../support/own-wordings';

const bare = { source: 'embedded:tiny' };
const promptsOf = (prompts: RunConfigInput['prompts']): RunConfig['prompts'] =>
  runConfigSchema.parse({
    version: 1,
    name: 'test',
    tasks: [{ source: 'builtin', family: 'larger-number' }],
    models: { teacher: bare, student: bare },
    prompts,
  }).prompts;
const builtIn = promptsOf({});
const own = promptsOf(ownWordings);

describe("a config's own wordings", () => {
  it('are judged all at once', () => {
    const problems = promptProblems({
      ...builtIn,
      naive: '{nonsense}',
      question: 'write some',
      answer_close: ' ',
    });
    expect(problems.map(({ segments, what }) => [segments.join('.'), what])).toEqual([
      ['prompts.question', 'prompts.question lacks the slot {seeds}.'],
      ['prompts.naive', 'prompts.naive has a slot {nonsense} that does not exist.'],
      ['prompts.naive', 'prompts.naive lacks the slot {question}.'],
      ['prompts.answer_close', 'prompts.answer_close is only white space.'],
    ]);
    expect(promptProblems(own)).toEqual([]);
  });

  it('a reminder that does not fit the labels is noticed', () => {
    const wrong = {
      ...own,
      answer_reminder: { ...own.answer_reminder, boolean: 'Say Yes or No in {open}X{close}' },
    };
    expect(reminderProblem({ type: 'boolean', labels: [] }, wrong as RunConfig['prompts'])).toContain('True, False');
    expect(reminderProblem({ type: 'choice', labels: ['(A)', '(B)'] }, own)).toBeNull();
    expect(reminderProblem({ type: 'boolean', labels: [] }, builtIn)).toBeNull();
    const tagless = { ...own, answer_reminder: { ...own.answer_reminder, number: 'Say a number.' } };
    expect(reminderProblem({ type: 'number', labels: [] }, tagless as RunConfig['prompts'])).toContain('answer tag');
  });
});
