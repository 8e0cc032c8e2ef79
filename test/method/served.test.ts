/**
 * Goal: a served identity changes with what changes answers and with nothing else.
 * Method: two configs that differ in one setting, parsed by the schema that parses a user's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { llamaCppVersion, servedIdentity, textScorer, transformersVersion } from '../../method/served';
import { endpointSchema } from '../../schemas/config/models';
import { runConfigSchema } from '../../schemas/run-config';

const identity = (settings: object): unknown => servedIdentity(endpointSchema.parse(settings));

describe('servedIdentity', () => {
  const managed = { kind: 'managed', slots: 4, context_tokens: 512, threads: 2 };
  const vllm = { kind: 'static', base_url: 'http://a:1/v1', model: 'm', dialect: 'vllm' };

  it.each([
    ['quantization', managed, { quantization: 'f16' }],
    ['context', managed, { context_tokens: 1024 }],
    ['dialect', vllm, { dialect: 'openai' }],
    ['fields that are sent', vllm, { capabilities: { extended_sampling: true } }],
    ['the name of the limit', vllm, { token_limit_field: 'max_completion_tokens' }],
    ['fields that are left out', vllm, { omit: ['temperature'] }],
    ['script', { kind: 'scripted', script: 'short' }, { script: 'long' }],
    ['options of a script', { kind: 'scripted', script: 'short' }, { options: { words: 3 } }],
  ])('changes with %s', (_name, base, change) => {
    expect(identity({ ...base, ...change })).not.toEqual(identity(base));
  });

  it.each([
    ['slots', managed, { slots: 32 }],
    ['threads', managed, { threads: 8 }],
    ['address', vllm, { base_url: 'http://b:2/v1' }],
    ['served name', vllm, { model: 'renamed' }],
    ['key', vllm, { api_key: '${env:KEY}' }],
    ['ceiling', vllm, { max_in_flight: 3 }],
    ['a limit of the usual name', vllm, { token_limit_field: 'max_tokens' }],
    ['no field left out', vllm, { omit: [] }],
    ['order of the fields left out', { ...vllm, omit: ['top_p', 'stop'] }, { omit: ['stop', 'top_p', 'stop'] }],
  ])('does not change with %s', (_name, base, change) => {
    expect(identity({ ...base, ...change })).toEqual(identity(base));
  });

  it('is what it was before fields could be renamed or left out', () => {
    const before = { server: 'static', dialect: 'vllm', seed: false, extendedSampling: false };
    expect(identity(vllm)).toEqual(before);
  });

  it('names the llama.cpp that is installed', () => {
    const pinned = readFileSync(join(__dirname, '../../python/requirements.txt'), 'utf8');
    expect(pinned).toContain(`xllamacpp==${llamaCppVersion}\n`);
  });

  it('names the transformers that is installed', () => {
    const pinned = readFileSync(join(__dirname, '../../python/requirements.txt'), 'utf8');
    expect(pinned).toContain(`transformers==${transformersVersion}\n`);
  });
});

describe('textScorer', () => {
  const asked = (student: object, scorer: object = {}) =>
    textScorer(
      runConfigSchema.parse({
        version: 1,
        name: 'x',
        tasks: [{ source: 'builtin', family: 'navigate' }],
        models: { teacher: { source: 'embedded:x' }, student: { source: 'hf:a/b', ...student } },
        score: { scorer },
      }),
    );
  const price = { input: 3, training_hour: 2 };
  const vllm = { kind: 'static', base_url: 'http://a:1/v1', model: 'm', dialect: 'vllm' };

  it('is the endpoint where that gives log-probabilities of a prompt, else the scorer', () => {
    const gives = { ...vllm, capabilities: { prompt_logprobs: true } };
    expect(asked({ endpoint: gives, price })).toMatchObject({ endpoint: gives, price });
    expect(asked({ endpoint: vllm }).endpoint).toEqual({ kind: 'scorer', dtype: 'float32', batch_rows: 32 });
    expect(asked({ endpoint: { ...gives, dialect: 'openai' } }).endpoint.kind).toBe('scorer');
    expect(asked({ endpoint: { kind: 'managed' } }).endpoint.kind).toBe('scorer');
    expect(asked({ endpoint: { kind: 'scripted', script: 'echo' } }).endpoint.kind).toBe('scripted');
  });

  it("does not charge another server's prices for what runs here", () => {
    expect(asked({ endpoint: vllm, price }).price).toMatchObject({ input: 0, training_hour: 2 });
    expect(asked({ endpoint: { kind: 'managed' }, price }).price).toMatchObject({ input: 3 });
  });

  it('has another identity in another precision, and the same for batches of another size', () => {
    const identity = (scorer: object) => servedIdentity(asked({}, scorer).endpoint);
    expect(identity({ dtype: 'bfloat16' })).not.toEqual(identity({}));
    expect(identity({ batch_rows: 4 })).toEqual(identity({}));
  });
});
