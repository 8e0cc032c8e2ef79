/**
 * Which address something may be sent to. Owns the rule; who asks is the judgement of a config, a worker that reads the address of a webhook from its
 * environment, and the command that writes to a tracking server.
 */

/** The end of a sentence that begins with what the address is called; undefined of one that may be used. It repeats nothing of the address. `option`: what allows it. */
export function urlProblem(text: string, allowHttp: boolean, option = 'allow_http'): string | undefined {
  if (!URL.canParse(text)) return 'is no URL.';
  const { protocol, hostname, username, password } = new URL(text);
  if (protocol !== 'http:' && protocol !== 'https:') return 'is neither http nor https.';
  if (username !== '' || password !== '') return 'holds a user name or a password.';
  if (protocol === 'http:' && !allowHttp && !isLoopback(hostname))
    return `is plain http to another machine, and ${option} is not set.`;
  return undefined;
}

function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d+){3}$/.test(hostname);
}
