/** What the row engine is compared with: undici alone, one loop per call in flight, nothing kept. Argument: BareLoopSettings; prints {cpuSeconds}. */
import { Pool } from 'undici';
import { llamaCppCapabilities } from '../drivers/model/llama-cpp';
import { requestBody } from '../drivers/model/openai-request';
import { requestOf } from './stage';

export interface BareLoopSettings {
  readonly rows: number;
  readonly inFlight: number;
  readonly port: number;
}

async function main({ rows, inFlight, port }: BareLoopSettings): Promise<void> {
  const cpu = process.cpuUsage();
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: inFlight, pipelining: 1 });
  const options = { model: 'mock', dialect: 'llama.cpp' as const, capabilities: llamaCppCapabilities };
  let next = 0;
  const loop = async (): Promise<void> => {
    while (next < rows) {
      const body = JSON.stringify(requestBody(requestOf(next), options));
      next += 1;
      const response = await pool.request({
        method: 'POST',
        path: '/v1/completions',
        headers: { 'content-type': 'application/json' },
        body,
      });
      JSON.parse(await response.body.text());
    }
  };
  await Promise.all(Array.from({ length: inFlight }, loop));
  await pool.close();
  const { user, system } = process.cpuUsage(cpu);
  process.stdout.write(`${JSON.stringify({ cpuSeconds: (user + system) / 1e6 })}\n`);
}

void main(JSON.parse(process.argv[2] ?? '{}') as BareLoopSettings);
