/**
 * What the row engine costs on top of asking: distinct prompts of about 300 tokens, answers of about 200, mean latency 100 ms, with journal
 * and parts to the real S3 server; beside it, in the same run and against the same mock server, a bare undici loop that keeps nothing.
 * Each in a process of its own, so that CPU is theirs alone. Last line: one JSON object with figures and ratios.
 *
 * Rows come in shards as a stage has them. Started from nothing; the limiter's slots start at the ceiling.
 *
 * Run: node -r ./test/fixtures/run-typescript.cjs bench/engine.ts [rows] [in flight …]
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ensurePythonEnv } from '../drivers/local/python-env';
import { startS3Server } from '../drivers/local/s3-server';
import type { EngineFigures, EngineSettings } from './engine-process';

const latency = { meanMs: 100, sigma: 0.5, answerTokens: 200, seed: 1 };

/** Start a file of this folder; resolves with its first line of JSON. */
async function start(file: string, argument: unknown): Promise<{ child: ChildProcess; line: unknown }> {
  const register = join(__dirname, '..', 'test', 'fixtures', 'run-typescript.cjs');
  const child = spawn(process.execPath, ['-r', register, join(__dirname, file), JSON.stringify(argument)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const line = await new Promise<string>((resolve, reject) => {
    lines.once('line', resolve);
    child.once('exit', (code) => reject(new Error(`${file} ended with ${String(code)} before it said anything`)));
  });
  return { child, line: JSON.parse(line) as unknown };
}

function log(line: string): void {
  process.stderr.write(`${line}\n`);
}

async function main(): Promise<void> {
  const [rows = 20_000, ...levels] = process.argv.slice(2).map(Number);
  const env = await ensurePythonEnv();
  const folder = mkdtempSync(join(tmpdir(), 'arte-bench-'));
  const s3 = await startS3Server({ env, dataDir: join(folder, 's3'), bucket: 'arte' });
  const model = await start('model-server.ts', latency);
  const { port } = model.line as { port: number };
  const results: Record<string, unknown>[] = [];
  try {
    for (const inFlight of levels.length > 0 ? levels : [64, 256]) {
      const figures = {} as Record<EngineSettings['mode'], EngineFigures>;
      for (const mode of ['bare', 'engine'] as const) {
        const settings: EngineSettings = {
          mode,
          rows,
          inFlight,
          port,
          journalDir: join(folder, `journals-${inFlight}`),
          s3: {
            endpoint: s3.endpoint,
            bucket: s3.bucket,
            region: s3.region,
            forcePathStyle: true,
            credentials: { accessKeyId: s3.accessKeyId, secretAccessKey: s3.secretAccessKey },
            prefix: `bench-${inFlight}`,
            spoolDir: join(folder, 'spool'),
          },
        };
        const { line, child } = await start('engine-process.ts', settings);
        child.stdin?.end();
        const measured = line as EngineFigures;
        figures[mode] = measured;
        log(
          `${mode} at ${inFlight}: ${measured.rowsPerSecond.toFixed(0)} rows/s, ${measured.cpuSecondsPer1000.toFixed(3)} CPU s per 1,000`,
        );
      }
      const { bare, engine } = figures;
      results.push({
        inFlight,
        ...figures,
        throughputRatio: engine.rowsPerSecond / bare.rowsPerSecond,
        addedCpuSecondsPer1000: engine.cpuSecondsPer1000 - bare.cpuSecondsPer1000,
      });
    }
    process.stdout.write(`${JSON.stringify({ bench: 'engine', rows, latency, results })}\n`);
  } finally {
    model.child.stdin?.end();
    await s3.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
