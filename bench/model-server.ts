/**
 * A mock OpenAI-compatible server for benchmarks, in a process of its own: seeded lognormal latency, a fixed answer, counts of what it got.
 * Argument: JSON {meanMs, sigma, answerTokens, seed}. Prints {port} when it listens; GET /counts tells calls and most in flight.
 * Faults are not its business yet; it must only never be the bottleneck: the answer is one buffer, the body is not parsed.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { seededRandom } from '../method/keys';

interface Settings {
  readonly meanMs: number;
  readonly sigma: number;
  readonly answerTokens: number;
  readonly seed: number;
}

const settings = JSON.parse(process.argv[2] ?? '') as Settings;
const random = seededRandom(settings.seed);
const counts = { calls: 0, inFlight: 0, mostInFlight: 0 };
const answer = Buffer.from(
  JSON.stringify({
    id: 'mock',
    object: 'text_completion',
    choices: [{ index: 0, text: 'word '.repeat(settings.answerTokens), finish_reason: 'stop' }],
    usage: {
      prompt_tokens: 300,
      completion_tokens: settings.answerTokens,
      prompt_tokens_details: { cached_tokens: 0 },
    },
  }),
);
const headers = { 'content-type': 'application/json', 'content-length': answer.length };

function latencyMs(): number {
  const normal = Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  return settings.meanMs * Math.exp(settings.sigma * normal - settings.sigma ** 2 / 2);
}

const server = createServer((request, response) => {
  if (request.url === '/counts') {
    response.end(JSON.stringify(counts));
    return;
  }
  request.resume();
  request.on('end', () => {
    counts.calls += 1;
    counts.inFlight += 1;
    counts.mostInFlight = Math.max(counts.mostInFlight, counts.inFlight);
    setTimeout(() => {
      counts.inFlight -= 1;
      response.writeHead(200, headers).end(answer);
    }, latencyMs());
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () =>
  process.stdout.write(`${JSON.stringify({ port: (server.address() as AddressInfo).port })}\n`),
);
// Ends with its parent.
process.stdin.resume().on('end', () => process.exit(0));
