/**
 * Secrets that stand written out in a config, and keeping them out of messages.
 * Owns what a secret looks like. A text that may be one is never repeated, not even in part.
 */
import { headerReferencePattern, secretReferencePattern } from '../../schemas/secrets';
import { configProblem, type ConfigProblem, type Segment } from './config-problem';

/** Settings that hold a secret by their meaning, whatever it looks like. */
const secretKeys: ReadonlySet<string> = new Set(['api_key', 'access_key_id', 'secret_access_key']);

/** Sections whose every value is one: headers of a request. */
const secretSections: ReadonlySet<string> = new Set(['headers']);

/** Settings that hold content hashes, ids or revisions, which look as random as a key does. */
const lookalikes: ReadonlySet<string> = new Set(['revision']);

/** Forms that providers give their keys. Prefixes are public knowledge; what follows them is the secret. */
const secretForms: readonly { readonly pattern: RegExp; readonly kind: string }[] = [
  { pattern: /\bsk-[A-Za-z0-9_-]{16,}/, kind: 'an API key' },
  { pattern: /\b(?:hf|gsk|r8|xai|glpat|ghp|gho|ghs|ghu)[_-][A-Za-z0-9_-]{16,}/, kind: 'an access token' },
  { pattern: /\bgithub_pat_[A-Za-z0-9_]{20,}/, kind: 'an access token' },
  { pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/, kind: 'an AWS access key' },
  { pattern: /\bAIza[A-Za-z0-9_-]{30,}/, kind: 'an API key' },
  { pattern: /\bxox[abprs]-[A-Za-z0-9-]{10,}/, kind: 'an access token' },
  { pattern: /\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{5,}/, kind: 'a signed token' },
  {
    pattern:
      /\bhttps:\/\/(?:hooks\.slack\.com\/|[\w.-]*\.webhook\.office\.com\/|discord(?:app)?\.com\/api\/webhooks\/)[^\s<>"']+/,
    kind: 'the address of a webhook, which is a secret itself',
  },
  { pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----/, kind: 'a private key' },
  { pattern: /\b[a-z][a-z0-9+.-]*:\/\/[^/\s:@<>"]*:[^/\s@<>"]+@/i, kind: 'a password in an address' },
];

/** What kind of secret a text looks like, or undefined. */
export function secretKind(text: string): string | undefined {
  return secretForms.find(({ pattern }) => pattern.test(text))?.kind;
}

/** A text with everything that looks like a secret taken out: for parts of a file that are quoted in a message. */
export function redacted(text: string): string {
  let clean = text;
  for (const { pattern } of secretForms)
    clean = clean.replaceAll(new RegExp(pattern.source, `${pattern.flags}g`), '<removed>');
  return clean;
}

/** Whether a setting's value may be shown in a message. */
export function showable(segments: readonly Segment[], value: unknown): boolean {
  if (
    segments.some((segment) => typeof segment === 'string' && (secretKeys.has(segment) || secretSections.has(segment)))
  )
    return false;
  return typeof value !== 'string' || secretKind(value) === undefined;
}

/** Every secret that is written out anywhere in the document, keys and comments of YAML aside. */
export function writtenSecrets(document: unknown): ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  const visit = (value: unknown, segments: readonly Segment[]): void => {
    if (Array.isArray(value)) {
      for (const [index, item] of value.entries()) visit(item, [...segments, index]);
    } else if (typeof value === 'object' && value !== null) {
      for (const [key, item] of Object.entries(value)) visit(item, [...segments, key]);
    } else if (typeof value === 'string' || typeof value === 'number') {
      const found = judge(String(value), segments);
      if (found !== undefined) problems.push(found);
    }
  };
  visit(document, []);
  return problems;
}

function judge(text: string, segments: readonly Segment[]): ConfigProblem | undefined {
  const key = segments.findLast((segment): segment is string => typeof segment === 'string') ?? '';
  const inSection = segments.slice(0, -1).some((segment) => secretSections.has(String(segment)));
  if (secretKeys.has(key) || inSection) {
    if ((inSection ? headerReferencePattern : secretReferencePattern).test(text)) return undefined;
    return configProblem(segments, {
      what: 'A secret is written out here.',
      why: 'Configs are stored as artifacts and shown in reports; secrets are read from the environment and nowhere else.',
      instead: `Write \${env:${suggestedName(segments)}}, set that variable where arte and its workers run, and change the secret if this file was shared.`,
    });
  }
  const kind = lookalikes.has(key) ? undefined : secretKind(text);
  if (kind === undefined) return undefined;
  return configProblem(segments, {
    what: `This looks like ${kind}.`,
    why: 'Configs are stored as artifacts and shown in reports, so nothing secret may stand in one.',
    instead:
      'Take it out; a secret belongs in a setting made for it (api_key, access_key_id, secret_access_key, url and headers of notify) as ${env:NAME}.',
  });
}

function suggestedName(segments: readonly Segment[]): string {
  const [first, second] = segments;
  if (first === 'models' && typeof second === 'string') return `${second.toUpperCase()}_API_KEY`;
  if (first === 'probe') return 'RESPONDENT_API_KEY';
  if (first === 'notify') return 'WEBHOOK_TOKEN';
  if (second === 'temporal') return 'TEMPORAL_API_KEY';
  return segments.at(-1) === 'access_key_id' ? 'AWS_ACCESS_KEY_ID' : 'AWS_SECRET_ACCESS_KEY';
}
