/**
 * What was typed and is no command line of arte: an unknown word, a missing one, one too many, in the form of every other error. Owns the words;
 * what there is to type is read from the commands themselves.
 */
import type { Command, CommanderError } from 'commander';
import { nearestName } from '../method/config/explain-shape';
import { ArteError } from '../schemas/errors';

/** The error of the command line's reader as one of ours: InvalidInput, with what is near or the form that fits. */
export function commandMistake(error: CommanderError, program: Command, words: readonly string[]): ArteError {
  const command = commandOf(program, words);
  const message = error.message.replace(/^error: /, '');
  const mistake = (of[error.code] ?? asSaid)({ command, path: pathOf(command), message });
  return new ArteError('InvalidInput', { why: 'Nothing was started.', ...mistake }, { cause: error });
}

interface Said {
  readonly command: Command;
  /** `arte budget set` */
  readonly path: string;
  /** The reader's own. */
  readonly message: string;
}

interface Mistake {
  readonly what: string;
  readonly why?: string;
  readonly next: string;
}

const of: Readonly<Record<string, (said: Said) => Mistake>> = {
  'commander.unknownCommand'({ command, path, message }) {
    const name = quotedIn(message);
    const known = command.commands.map((each) => each.name());
    const nearest = nearestName(name, known);
    return {
      what: command.parent ? `${path} has no command "${name}".` : `There is no command "${name}".`,
      next: meant(nearest && `Type ${path} ${nearest}`, `${path} --help lists what there is.`),
    };
  },
  'commander.unknownOption'({ command, path, message }) {
    const flag = quotedIn(message);
    const known = [command, ...(command.parent ? ancestors(command) : [])].flatMap(({ options }) =>
      options.flatMap(({ long, hidden }) => (long && !hidden ? [long.slice(2)] : [])),
    );
    const nearest = flag.startsWith('--') ? nearestName(flag.slice(2), known) : undefined;
    return {
      what: `${path} has no option ${flag}.`,
      next: meant(nearest && `Write --${nearest}`, `${path} --help lists its options.`),
    };
  },
  'commander.missingArgument'({ command, path, message }) {
    const name = quotedIn(message);
    const description = command.registeredArguments.find((each) => each.name() === name)?.description ?? '';
    return {
      what: `${path} needs <${name}>${description === '' ? '' : `: ${description}`}.`,
      next: usage(command, path),
    };
  },
  'commander.optionMissingArgument'({ command, path, message }) {
    return { what: `The option ${quotedIn(message)} of ${path} has no value.`, next: usage(command, path) };
  },
  'commander.missingMandatoryOptionValue'({ command, path, message }) {
    const flags = quotedIn(message);
    const description = command.options.find((option) => option.flags === flags)?.description ?? '';
    return {
      what: `${path} needs the option ${flags}${description === '' ? '' : `: ${description}`}.`,
      next: usage(command, path),
    };
  },
  'commander.excessArguments'({ command, path }) {
    const takes = command.registeredArguments.length;
    const given = command.args.length;
    return {
      what: `${path} takes ${takes === 0 ? 'no argument' : takes === 1 ? 'one argument' : `${takes} arguments`}, and ${given === 1 ? 'one was' : `${given} were`} given.`,
      next: `${usage(command, path)} A value with spaces stands in quotes.`,
    };
  },
  'commander.invalidArgument'({ command, path, message }) {
    const [, flags, ofOption, why = ''] = /^option '(.*?)' argument '(.*)' is invalid\. ?(.*)$/s.exec(message) ?? [];
    const [, ofArgument, name, whyOf = ''] =
      /^command-argument value '(.*)' is invalid for argument '(.*?)'\. ?(.*)$/s.exec(message) ?? [];
    const value = ofOption ?? ofArgument;
    const place = flags ?? (name && `<${name}>`);
    if (value === undefined || place === undefined) return asSaid({ command, path, message });
    const choices =
      command.options.find((option) => option.flags === flags)?.argChoices ??
      command.registeredArguments.find((argument) => argument.name() === name)?.argChoices;
    const nearest = nearestName(value, choices ?? []);
    return {
      what: `"${value}" is no value of ${place}.`,
      why: choices ? `It is one of ${choices.join(', ')}.` : why + whyOf,
      next: meant(nearest && `Write ${nearest}`, `${path} --help says more.`),
    };
  },
};

function asSaid({ path, message }: Said): Mistake {
  return { what: `${message.replace(/\.$/, '')}.`, next: `${path} --help says what there is.` };
}

function meant(near: string | undefined, otherwise: string): string {
  return near === undefined ? otherwise : `${near}, if that is what was meant. ${otherwise}`;
}

function usage(command: Command, path: string): string {
  return `Type: ${path} ${command.usage()}.`;
}

/** The first text in single quotes. */
function quotedIn(message: string): string {
  return /'(.*?)'/s.exec(message)?.[1] ?? '';
}

/** The innermost command that the words name. */
function commandOf(program: Command, words: readonly string[]): Command {
  let command = program;
  for (const word of words) command = command.commands.find((each) => each.name() === word) ?? command;
  return command;
}

function ancestors(command: Command): Command[] {
  return command.parent ? [command.parent, ...ancestors(command.parent)] : [];
}

function pathOf(command: Command): string {
  return [command, ...ancestors(command)]
    .map((each) => each.name())
    .reverse()
    .join(' ');
}
