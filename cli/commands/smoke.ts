/**
 * `arte smoke`: does it work on my machine? The whole loop in its smallest form on the real parts, offline. Its seed is new each time, so
 * that nothing comes from the store and every part really runs.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { parseDocument } from 'yaml';
import { packageRoot } from '../../drivers/package-root';
import { exitCodes, formatSeconds, printLine } from '../output';
import { runConfig } from './run';

export function register(program: Command): void {
  program
    .command('smoke')
    .description('the whole loop in its smallest form on the real parts: does it work on this machine?')
    .action(async () => {
      const started = Date.now();
      const seed = started % 1_000_000_000;
      const runId = `smoke-${seed}`;
      const folder = await mkdtemp(join(tmpdir(), 'arte-smoke-'));
      try {
        const document = parseDocument(await readFile(join(packageRoot(), 'examples', 'smoke.yaml'), 'utf8'));
        document.set('seed', seed);
        const path = join(folder, 'smoke.yaml');
        await writeFile(path, document.toString());
        process.exitCode = await runConfig(path, { id: runId });
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
      if (process.exitCode !== exitCodes.done) return;
      printLine(`\nEvery part works on this machine (${formatSeconds((Date.now() - started) / 1000)}).`);
      printLine(`The background services go on; arte down stops them. The report again: arte report ${runId}`);
    });
}
