/**
 * Goal: a secret that is written out is found wherever it stands, and never repeated in a message.
 * Method: keys of many providers' forms, made up here, in places that are made for secrets and in places that are not.
 */
import { judgeConfig } from '../../../method/config/check-config';
import { redacted, secretKind, showable, writtenSecrets } from '../../../method/config/written-secrets';

/** Made up, in the providers' forms; put together here so that no scanner takes this file for a leak. */
const made = [
  ['sk', '-proj-', 'abcdefghijklmnop1234'].join(''),
  ['hf', '_', 'abcdefghijklmnopqrstuv'].join(''),
  ['AK', 'IA', 'ABCDEFGHIJKLMNOP'].join(''),
  ['gh', 'p_', 'abcdefghijklmnopqrstuvwxyz0123456789'].join(''),
  ['xox', 'b-', '1234567890-abcdef'].join(''),
  ['-----BEGIN RSA ', 'PRIVATE KEY-----'].join(''),
  ['http://user:', 'hunter22', '@127.0.0.1:8000/v1'].join(''),
];

it.each(made)('%# is known for a secret and taken out of texts', (secret) => {
  expect(secretKind(secret)).toBeDefined();
  expect(redacted(`before ${secret} after`)).not.toContain(secret.slice(12));
  expect(showable(['models', 'teacher', 'source'], secret)).toBe(false);
});

it.each(made)('%# is found anywhere in a config, and not repeated', (secret) => {
  const document = {
    version: 1,
    name: 'x',
    tasks: [{ source: 'jsonl', path: 'x', name: 'x', description: secret }],
    [secret]: 1,
  };
  const { problems } = judgeConfig(document, { purpose: 'plan', environment: {} });
  expect(problems.some(({ path }) => path === 'tasks[0].description')).toBe(true);
  const said = problems.map(({ path, what, why, instead }) => `${path}${what}${why}${instead}`).join('\n');
  expect(said).not.toContain(secret);
});

it('a setting that is made for a secret takes a reference and nothing else', () => {
  const at = (value: string) => writtenSecrets({ models: { teacher: { endpoint: { api_key: value } } } });
  expect(at('${env:TEACHER_KEY}')).toEqual([]);
  expect(at('whatever')).toMatchObject([
    { path: 'models.teacher.endpoint.api_key', instead: expect.stringContaining('${env:TEACHER_API_KEY}') },
  ]);
  expect(at('whatever')[0]?.what).not.toContain('whatever');
});

it.each([
  'main',
  '0123456789abcdef0123456789abcdef01234567',
  'google/gemma-2b',
  'http://127.0.0.1:8000/v1',
  'The answer is ',
])('%s is no secret', (text) => {
  expect(writtenSecrets({ models: { teacher: { revision: text, source: text } } })).toEqual([]);
});

it('in a page it is taken out with nothing of the markup around it', () => {
  const [address, hook] = [
    ['http://user:', 'hunter22', '@127.0.0.1:8000/v1'].join(''),
    ['https://hooks.', 'slack.com/services/T0/B0/abc'].join(''),
  ];
  expect(redacted(`<p title="${hook}">${hook}</p><b>12:30</b> a@b <i>${address}</i>`)).toBe(
    '<p title="<removed>"><removed></p><b>12:30</b> a@b <i><removed>127.0.0.1:8000/v1</i>',
  );
  expect(redacted('<a href="http://one.example">one:</a> me@two.example')).toBe(
    '<a href="http://one.example">one:</a> me@two.example',
  );
});
