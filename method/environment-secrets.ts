/** Secrets of a process's environment, by the names that variables with secrets have: what is taken out of a log before anybody else reads it. */

const secretName = /(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)(?:_?\d+)?$/i;
/** A shorter value is a word or a number: taking it out would tear up the text, and hide nothing. */
const secretLengthMin = 8;

/** The values, longest first: one may be part of another. */
export function secretsIn(environment: { readonly [name: string]: string | undefined }): string[] {
  return Object.entries(environment)
    .flatMap(([name, value]) => (value !== undefined && secretName.test(name) ? [value] : []))
    .filter((value) => value.length >= secretLengthMin)
    .sort((one, other) => other.length - one.length);
}
