/** `arte schema`: the JSON Schema of the config file for editors, or its reference as Markdown. */
import type { Command } from 'commander';
import { runConfigJsonSchema } from '../../schemas/run-config-json';
import { configReference } from '../config/config-reference';
import { printNote } from '../output';
import { writeTextFile } from '../write-file';

interface Options {
  readonly markdown?: boolean;
  readonly output?: string;
}

export function register(program: Command): void {
  program
    .command('schema')
    .description('print the JSON Schema of the config file, for editors')
    .option('--markdown', 'print the reference of all settings instead')
    .option('-o, --output <file>', 'write it to a file')
    .action(async ({ markdown, output }: Options) => {
      const text = markdown === true ? configReference() : `${JSON.stringify(runConfigJsonSchema(), null, 2)}\n`;
      if (output === undefined) {
        process.stdout.write(text);
        return;
      }
      await writeTextFile(output, text);
      printNote(`wrote ${output}`);
    });
}
