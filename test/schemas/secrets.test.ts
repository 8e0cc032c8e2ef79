/**
 * Goal: a secret is taken out of a text in every form in which a server may give it back.
 * Method: properties over random secrets and texts, against the encoders of Node itself.
 */
import fc from 'fast-check';
import { formsOf, secretCharactersMin, withoutSecrets } from '../../schemas/secrets';

const secretText = fc.string({ minLength: secretCharactersMin, maxLength: 40, unit: 'grapheme-ascii' });
const around = fc.string({ maxLength: 12, unit: 'grapheme-ascii' });

it.each([
  ['as it is', (text: string) => text],
  ['URL-encoded', encodeURIComponent],
  [
    'URL-encoded in lower case',
    (text: string) => encodeURIComponent(text).replaceAll(/%../g, (code) => code.toLowerCase()),
  ],
  ['in JSON', (text: string) => JSON.stringify(text).slice(1, -1)],
])('%s', (_, encode) => {
  fc.assert(
    fc.property(secretText, (secret) => {
      expect(withoutSecrets(`<${encode(secret)}>`, [secret])).toBe('<[secret]>');
    }),
  );
});

it.each(['base64', 'base64url'] as const)(
  'in %s, also with something before it, as in Basic credentials',
  (encoding) => {
    fc.assert(
      fc.property(secretText, around, around, (secret, before, after) => {
        const encoded = Buffer.from(before + secret + after).toString(encoding);
        const clean = withoutSecrets(encoded, [secret]);
        expect(clean).toContain('[secret]');
      }),
    );
  },
);

it('leaves placeholders alone: they are words', () => {
  expect(formsOf('none')).toEqual([]);
  expect(withoutSecrets('none of it', ['none'])).toBe('none of it');
});
