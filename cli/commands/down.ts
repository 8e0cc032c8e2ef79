/** `arte down`: end the embedded platform with every process it started. What was under way goes on with the next `arte up`. */
import type { Command } from 'commander';
import { dataDirectory } from '../../drivers/local/directories';
import { stopPlatform } from '../../drivers/local/platform';
import { printJson, progress } from '../output';

export function register(program: Command): void {
  program
    .command('down')
    .description('stop the background services; runs that were under way go on with the next arte up')
    .option('--json', 'print whether there was something to stop, as JSON')
    .action(async ({ json }: { json?: boolean }) => {
      const line = progress('ending the platform');
      let stopped: boolean;
      try {
        stopped = await stopPlatform({ onProgress: (text) => line.update(text) });
      } catch (error) {
        line.fail('the platform did not end');
        throw error;
      }
      line.done(stopped ? 'the platform is down' : `no platform was running for ${dataDirectory()}`);
      if (json === true) printJson({ stopped, dataDir: dataDirectory() });
    });
}
