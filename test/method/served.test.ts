/**
 * Goal: a served identity changes with what changes answers and with nothing else.
 * Method: two configs that differ in one setting, parsed by the schema that parses a user's.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { llamaCppVersion, servedIdentity } from '../../method/served';
import { endpointSchema } from '../../schemas/run-config';

const identity = (settings: object): unknown => servedIdentity(endpointSchema.parse(settings));

describe('servedIdentity', () => {
  const managed = { kind: 'managed', slots: 4, context_tokens: 512, threads: 2 };
  const vllm = { kind: 'static', base_url: 'http://a:1/v1', model: 'm', dialect: 'vllm' };

  it.each([
    ['quantization', managed, { quantization: 'f16' }],
    ['context', managed, { context_tokens: 1024 }],
    ['dialect', vllm, { dialect: 'openai' }],
    ['fields that are sent', vllm, { capabilities: { extended_sampling: true } }],
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
  ])('does not change with %s', (_name, base, change) => {
    expect(identity({ ...base, ...change })).toEqual(identity(base));
  });

  it('names the llama.cpp that is installed', () => {
    const pinned = readFileSync(join(__dirname, '../../python/requirements.txt'), 'utf8');
    expect(pinned).toContain(`xllamacpp==${llamaCppVersion}\n`);
  });
});
