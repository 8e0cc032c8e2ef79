/** What can be set of a scripted endpoint. Goal: nothing is set by mistake. Method: one mistake each, and every explanation looked at. */
import { createScriptedEndpoint } from '../../drivers/model/scripted';
import { scriptedScripts } from '../../drivers/model/scripted-options';
import { ArteError } from '../../schemas/errors';

describe('options', () => {
  it.each<[string, Record<string, string | number | boolean>, RegExp]>([
    ['nobody', {}, /no script nobody.*echo, prefers-short, teacher, faulty/s],
    ['toString', {}, /no script toString/],
    ['echo', { texts: 'x' }, /no option texts.*latency_ms, max_in_flight, text/s],
    ['prefers-short', { max_words: '15' }, /is a number, not a string/],
    ['faulty', { script: 'faulty' }, /behind itself/],
    ['faulty', { script: 'echo', texts: 'x' }, /echo has no option texts/],
  ])('%s %p is refused with what there is', (script, options, expected) => {
    let thrown: unknown;
    try {
      createScriptedEndpoint(script, options);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ArteError);
    const { code, what, next } = (thrown as ArteError).data;
    expect(code).toBe('InvalidConfig');
    expect(`${what} ${next}`).toMatch(expected);
  });

  it('are all told', () => {
    for (const doc of Object.values(scriptedScripts)) {
      expect(doc.summary).toMatch(/\.$/);
      for (const option of Object.values(doc.options)) {
        expect(option.describe).not.toBe('');
      }
    }
  });
});
