/** Runs one command's own code in this process and catches what it prints: for commands that start nothing. */
import { Command } from 'commander';

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** As the command set it; an error that it threw is thrown on. */
  readonly exitCode: number;
}

/** Run `arte WORDS` by the command's `register`. The exit code of this process stays what it was. */
export async function runCommand(
  register: (program: Command) => void,
  words: readonly string[],
): Promise<CommandResult> {
  const program = new Command('arte').exitOverride().configureOutput({ writeErr: () => undefined });
  register(program);
  const stdout: string[] = [];
  const stderr: string[] = [];
  const before = process.exitCode;
  // The runner forces colours on its workers, and a command would believe it.
  const colors = process.env['NO_COLOR'];
  process.env['NO_COLOR'] = '1';
  const spies = [
    jest.spyOn(process.stdout, 'write').mockImplementation((chunk) => stdout.push(String(chunk)) > 0),
    jest.spyOn(process.stderr, 'write').mockImplementation((chunk) => stderr.push(String(chunk)) > 0),
  ];
  try {
    process.exitCode = undefined;
    await program.parseAsync([...words], { from: 'user' });
    return { stdout: stdout.join(''), stderr: stderr.join(''), exitCode: exitCodeNow() };
  } finally {
    process.exitCode = before;
    if (colors === undefined) delete process.env['NO_COLOR'];
    else process.env['NO_COLOR'] = colors;
    for (const spy of spies) spy.mockRestore();
  }
}

/** Read through a function, because the compiler takes the assignment above for its last word. */
function exitCodeNow(): number {
  return Number(process.exitCode ?? 0);
}
