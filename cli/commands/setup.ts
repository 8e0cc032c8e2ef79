/** `arte setup`: the Python environment that serves and trains models, made once (and healed). For images, and for those who like to wait first. */
import type { Command } from 'commander';
import { ensurePythonEnv, setupWords } from '../../drivers/local/python-env';
import { printLine, progress } from '../output';

export function register(program: Command): void {
  program
    .command('setup')
    .description('make the Python environment with the model server, the trainer, Temporal and the S3 server')
    .option('--dev', 'also what the tests need')
    .action(async ({ dev }: { dev?: boolean }) => {
      const line = progress('looking at the Python environment');
      try {
        const env = await ensurePythonEnv({
          dev: dev === true,
          onProgress: (step) => line.update(setupWords(step)),
        });
        line.done('the Python environment is ready');
        printLine(env.root);
      } catch (error) {
        line.fail();
        throw error;
      }
    });
}
