/**
 * Endpoints that answer by rule, without a model: for planted preferences, faults, and loops that must take seconds.
 *
 * Owns the endpoint: which script answers, in JSON where that is asked, and how probable a given text is. It passes the same conformance suite as real
 * endpoints and can be named in a run config (`endpoint: {kind: scripted, script: NAME, options: {…}}`). Leaves options to scripted-options.ts, what is
 * said to scripted-student.ts and scripted-teacher.ts, what an answer may depend on to scripted-call.ts, cutting it as a server does to
 * scripted-serving.ts, calls that fail to scripted-faults.ts.
 *
 * Invariants:
 * 1. The same request gets the same answer, on every machine; with temperature 0 whatever its seed.
 * 2. A given text is as probable as the script is likely to say it: a student with a preference finds right answers and rationales of the kind it
 *    prefers more probable, word by word; the others draw a probability for each word.
 * 3. Tokens are words: usage, maxTokens and the stop words are honoured as a server does.
 */
import type { GivenText, ModelAnswer } from '../../schemas/rows';
import type { Capabilities, ModelEndpoint } from './model';
import { identityOf, textOf, uniform, type Script, type ScriptCall } from './scripted-call';
import { faultyEndpoint } from './scripted-faults';
import { instanceOf } from './scripted-json';
import {
  concurrencyOf,
  scriptedScripts,
  scriptName,
  settle,
  type ScriptName,
  type ScriptOptions,
} from './scripted-options';
import { asServed, pass, together, wordsOf } from './scripted-serving';
import { likelihood, prefersShort } from './scripted-student';
import { teacher } from './scripted-teacher';

const scripts: Record<Exclude<ScriptName, 'faulty'>, Script> = { echo, 'prefers-short': prefersShort, teacher };

const capabilities: Capabilities = {
  n: true,
  promptLogprobs: true,
  structured: true,
  seed: true,
  perRequestSampling: true,
  completion: true,
  extendedSampling: true,
};

/**
 * An endpoint that answers by a script of `scriptedScripts`.
 * Errors: InvalidConfig for a script or an option that does not exist or has the wrong type, with those that do.
 */
export function createScriptedEndpoint(script: string, options: ScriptOptions = {}): ModelEndpoint {
  const name = scriptName(script);
  if (name === 'faulty') {
    return faultyEndpoint(options, createScriptedEndpoint);
  }
  const settled = settle(name, scriptedScripts[name].options, options);
  const answerBy = scripts[name];
  return {
    id: `scripted/${name}`,
    capabilities,
    concurrency: concurrencyOf(settled),
    async complete(request, signal) {
      await pass(Number(settled.latency_ms), signal);
      const prompt = textOf(request);
      if (request.given !== undefined) {
        return scored(name, prompt, request.given, settled);
      }
      const answer = (index: number): ModelAnswer => {
        const identity = identityOf(request, prompt, index);
        const draw = (purpose: string): number => uniform(`${purpose}\u0000${identity}`);
        const text =
          request.jsonSchema !== undefined && name !== 'teacher'
            ? JSON.stringify(instanceOf(request.jsonSchema, draw, ''))
            : answerBy({ prompt, request, options: settled, draw });
        return asServed(text, prompt, request);
      };
      return together(Array.from({ length: request.answers ?? 1 }, (_, index) => answer(index)));
    },
  };
}

/** Log-probabilities and ranks of a given text. */
function scored(name: ScriptName, prompt: string, { lead, text }: GivenText, options: ScriptOptions): ModelAnswer {
  const words = wordsOf(text);
  const likely = name === 'prefers-short' ? likelihood(prompt, `${lead}${text}`, options) : 0.5;
  const tokens = words.map((word, at) => {
    // Some noise, so that no two texts are the same.
    const draw = uniform(`given\u0000${String(at)}\u0000${word}\u0000${prompt}`);
    const probability = Math.min(0.99, likely * (0.6 + 0.4 * draw));
    return { logprob: Math.log(probability), rank: Math.max(1, Math.round(1 / probability)) };
  });
  const inputTokens = wordsOf(prompt).length + wordsOf(lead).length + words.length;
  return { text: '', finish: 'stop', tokens, usage: { inputTokens, cachedInputTokens: 0, outputTokens: 0 } };
}

function echo({ options }: ScriptCall): string {
  return String(options.text);
}
