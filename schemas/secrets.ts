/**
 * How a secret is written in a config, and how its value is taken out of a text that goes on to a store, a log or a person. Zod-free.
 * Owns the forms in which a value comes back: a server may echo a header as it is, encoded, or as part of something that it encoded.
 */

/** `${env:NAME}`: the only form in which a secret may stand in a config. */
export const secretReferencePattern = /^\$\{env:([A-Z_][A-Z0-9_]*)\}$/;

/** A header's value: a secret, or a scheme and a secret, as in `Bearer ${env:NAME}`. */
export const headerReferencePattern = /^((?:[A-Za-z][A-Za-z0-9-]* )?)\$\{env:([A-Z_][A-Z0-9_]*)\}$/;

/** A value that is shorter is a placeholder such as `none` or `EMPTY`: taking it out would eat words. */
export const secretCharactersMin = 8;

const removed = '[secret]';

/** Every form of a secret that is known here; none of a placeholder. */
export function formsOf(secret: string): readonly string[] {
  if (secret.length < secretCharactersMin) return [];
  const inJson = JSON.stringify(secret).slice(1, -1);
  const inUrl = encodeURIComponent(secret);
  const forms = [
    secret,
    inJson,
    // As PHP and Go write it.
    inJson.replaceAll('/', '\\/'),
    inJson.replaceAll(/[<>&]/g, (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`),
    inUrl,
    inUrl.replaceAll(/%../g, (code) => code.toLowerCase()),
    ...base64Forms(Buffer.from(secret)),
  ];
  // The longest first: a form may be part of another one.
  return [...new Set(forms)].sort((one, other) => other.length - one.length);
}

/** What is the same in the base64 of every text that holds the secret, for each of the three places where it may begin in a group. */
function base64Forms(secret: Buffer): string[] {
  return [0, 1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), secret])
      .toString('base64')
      .replaceAll('=', '');
    // Characters that also depend on what stands before and after it.
    const from = Math.ceil((before * 8) / 6);
    const whole = ((before + secret.length) * 8) % 6 === 0;
    const stable = text.slice(from, whole ? undefined : -1);
    return [stable, stable.replaceAll('+', '-').replaceAll('/', '_')];
  });
}

/** Takes these values, in whatever form, out of texts. */
export function secretRemover(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.flatMap(formsOf);
  return (text) => forms.reduce((clean, form) => clean.replaceAll(form, removed), text);
}

/** The text without these values. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secretRemover(secrets)(text);
}
