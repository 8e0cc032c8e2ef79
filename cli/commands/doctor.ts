/** `arte doctor`: is everything there that a run needs? A line for each part; exit code 1 when something is wrong. */
import type { Command } from 'commander';
import { doctorChecks, type CheckResult, type CheckStatus } from '../doctor/doctor-checks';
import { loadConfig } from '../config/load-config';
import { colorsFor, exitCodes, printJson, printLine, progress } from '../output';

export function register(program: Command): void {
  program
    .command('doctor')
    .description(
      'check Node, Python, disk, Temporal, the store, the weights and the clock, with a fix for what is wrong',
    )
    .option('--config <file>', "check the platform of this config instead of the environment's")
    .option('--json', 'print the checks as JSON')
    .action(async ({ config, json }: { config?: string; json?: boolean }) => {
      const platform =
        config === undefined ? undefined : (await loadConfig(config, { env: process.env })).config.platform;
      process.exitCode = await doctor(platform, json === true);
    });
}

type Platform = Parameters<typeof doctorChecks>[0];

async function doctor(platform: Platform, json: boolean): Promise<number> {
  const checks = await doctorChecks(platform);
  const width = Math.max(...checks.map(({ name }) => name.length));
  const results: CheckResult[] = [];
  const line = progress('checking');
  for (const check of checks) {
    line.update(`checking ${check.name}`);
    results.push(await check.run());
  }
  const problems = results.filter(({ status }) => status === 'problem').length;
  if (problems === 0) line.done('everything that was checked is in order');
  else line.fail(problems === 1 ? 'one problem' : `${String(problems)} problems`);
  if (json) printJson({ ok: problems === 0, checks: results });
  else for (const result of results) printResult(result, width);
  return problems === 0 ? exitCodes.done : exitCodes.failed;
}

function printResult({ name, status, says, fix }: CheckResult, width: number): void {
  const color = colorsFor(process.stdout);
  const marks: Readonly<Record<CheckStatus, string>> = {
    ok: color.green('ok     '),
    note: color.yellow('note   '),
    problem: color.red('problem'),
  };
  printLine(`${marks[status]}  ${name.padEnd(width)}  ${says}`);
  if (fix !== undefined) printLine(`${' '.repeat(width + 11)}${color.dim('fix:')} ${fix}`);
}
