/**
 * Where an OpenAI-compatible endpoint is, and by which key it is asked.
 * Owns what cannot be an address or a key: both are refused before the first call. Leaves reading them from the config and the environment to callers.
 */
import { ArteError } from '../../schemas/errors';

/** Up to and including `/v1`. Errors: InvalidConfig. */
export function parseBaseUrl(baseUrl: string): URL {
  const wrong = (why: string): ArteError =>
    new ArteError('InvalidConfig', {
      what: 'base_url of an endpoint cannot be used.',
      why,
      next: 'Write it like http://host:8000/v1, with the key as api_key: ${env:NAME}.',
    });
  if (!URL.canParse(baseUrl)) {
    throw wrong('It is no URL.');
  }
  const url = new URL(baseUrl);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw wrong('It is neither http nor https.');
  }
  if (url.username !== '' || url.password !== '') {
    throw wrong('It holds a user name or a password, and secrets are only ever read from the environment.');
  }
  return url;
}

/** The key as it was given. Errors: InvalidConfig for what no header can hold. */
export function checkedKey(apiKey: string): string {
  if (!/^[\x21-\x7e]+$/.test(apiKey)) {
    throw new ArteError('InvalidConfig', {
      what: 'The API key of an endpoint cannot be sent.',
      why: 'It is empty or holds a space, a line break or a character that no HTTP header may hold.',
      next: 'Look at the environment variable it comes from; a line break at its end is the usual cause.',
    });
  }
  return apiKey;
}
