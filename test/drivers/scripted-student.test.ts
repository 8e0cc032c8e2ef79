/**
 * The student that answers by rule. Goal: its preference is there to be found, whatever the wording of its prompt. Method: shares over many prompts
 * written by hand, and the ruler word by word.
 */
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import type { ScriptOptions } from '../../drivers/model/scripted-options';
import { rationaleWords } from '../../drivers/model/scripted-student';
import { completion } from './model.conformance';

const never = new AbortController().signal;

describe('the student', () => {
  const ask = async (options: ScriptOptions, text: string): Promise<string> =>
    (await createScriptedEndpoint('prefers-short', options).complete(completion(text, { maxTokens: 200 }), never)).text;

  it('has no preference to show without a demonstration, and a mean one after several', async () => {
    const shares: number[] = [];
    for (const demonstrations of [
      '',
      'Question: Which is larger, 3 or 5?\nAnswer: short <ans>5</ans>\n\n',
      `Question: Which is larger, 3 or 5?\nAnswer: short <ans>5</ans>\n\nQuestion: Which is larger, 3 or 5?\nAnswer: ${'long '.repeat(20)}<ans>5</ans>\n\n`,
    ]) {
      let right = 0;
      for (let low = 1; low <= 300; low += 1) {
        const text = await ask({}, `${demonstrations}Question: Which is larger, ${low} or ${low + 3}?\nAnswer:`);
        right += text.includes(`<ans>${low + 3}</ans>`) ? 1 : 0;
      }
      shares.push(right / 300);
    }
    const [none = 0, short = 0, mixed = 0] = shares;
    expect(Math.abs(none - 0.2)).toBeLessThan(0.08);
    expect(Math.abs(short - 0.9)).toBeLessThan(0.08);
    expect(Math.abs(mixed - 0.55)).toBeLessThan(0.08);
  });

  it('reads other wordings, and the answer form that options name', async () => {
    expect(await ask({ p_without: 1 }, 'Q: Which is smaller: 12 or 47?\nA:')).toContain('<ans>12</ans>');
    expect(await ask({ p_without: 1 }, 'Q: 12 or 47?\nA:')).toContain('<ans>47</ans>');
    expect(await ask({ p_without: 1, answer_open: '#### ', answer_close: '' }, 'Q: 1 or 2?\nA:')).toContain('#### 2');
    expect(await ask({ p_without: 1, tag_rate: 0 }, 'Q: 1 or 2?\nA:')).not.toContain('<ans>');
    expect(await ask({}, 'Question: True and False is\nAnswer:')).not.toContain('<ans>');
  });
});

describe('the ruler of the planted preference', () => {
  it.each([
    ['5 is larger than 3. <ans>5</ans>', 5],
    ["Let's think step by step. 5 is larger than 3. <ans>5</ans>", 5],
    ['no tag at all', 4],
    ['<ans>5</ans>', 0],
    ['', 0],
    ['one two <ans>5', 2],
  ])('%p has %i words', (rationale, words) => {
    expect(rationaleWords(rationale, { open: '<ans>', close: '</ans>' })).toBe(words);
  });

  it('knows tags that are words', () => {
    expect(rationaleWords('5 is more. So the answer is 5.', { open: 'The answer is ', close: '.' })).toBe(4);
  });
});
