/**
 * Goal: whatever is typed and is no command line is said once, in the form of every error, with what is near or the form that fits.
 * Method: a program like arte's, with commands of each kind, given words that do not fit.
 */
import { Argument, Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { commandMistake } from '../../cli/command-mistake';
import { exitCodeOf } from '../../cli/output';

function program(): Command {
  const made = new Command('arte').exitOverride().showSuggestionAfterError(false);
  made.configureOutput({ outputError: () => undefined }).option('--verbose', 'all of it');
  const nothing = (): void => undefined;
  const plan = made.command('plan').argument('<config>', "the run's YAML file").option('--json', 'as JSON');
  plan.addOption(new Option('--secretly').hideHelp()).option('-o, --output <file>', 'where').action(nothing);
  made.command('validate').argument('<config>').action(nothing);
  const count = (): never => {
    throw new InvalidArgumentError('It must be a whole number.');
  };
  made.command('families').option('--items <count>', 'so many', count).action(nothing);
  made.command('clone').argument('<run>').requiredOption('--id <run>', 'id of the new run').action(nothing);
  const what = new Argument('<what>').choices(['dataset', 'pairs']);
  made.command('export').addArgument(what).argument('<run>').action(nothing);
  const budget = made.command('budget');
  budget.command('set').argument('<run>').argument('<amount>', 'the new cap').action(nothing);
  budget.command('show').argument('<run>').action(nothing);
  return made;
}

it.each([
  [['validat', 'x'], 'There is no command "validat".', 'Type arte validate, if that is what was meant.'],
  [['xyzzy'], 'There is no command "xyzzy".', 'arte --help lists what there is.'],
  [['budget', 'sett', 'x'], 'arte budget has no command "sett".', 'Type arte budget set, if that is what was meant.'],
  [['plan', 'x', '--jsn'], 'arte plan has no option --jsn.', 'Write --json, if that is what was meant.'],
  [['plan', 'x', '--verbos'], 'arte plan has no option --verbos.', 'Write --verbose, if that is what was meant.'],
  [['plan', 'x', '--secretl'], 'arte plan has no option --secretl.', 'arte plan --help lists its options.'],
  [['plan', 'x', '-z'], 'arte plan has no option -z.', 'arte plan --help lists its options.'],
  [['plan'], "arte plan needs <config>: the run's YAML file.", 'Type: arte plan [options] <config>.'],
  [
    ['budget', 'set', 'x'],
    'arte budget set needs <amount>: the new cap.',
    'Type: arte budget set [options] <run> <amount>.',
  ],
  [['plan', 'a', 'b'], 'arte plan takes one argument, and 2 were given.', 'Type: arte plan [options] <config>.'],
  [['families', 'a'], 'arte families takes no argument, and one was given.', 'Type: arte families [options].'],
  [['clone', 'x'], 'arte clone needs the option --id <run>: id of the new run.', 'Type: arte clone [options] <run>.'],
  [['plan', 'x', '-o'], 'The option -o, --output <file> of arte plan has no value.', 'Type: arte plan [options]'],
  [['export', 'datset', 'x'], '"datset" is no value of <what>.', 'Write dataset, if that is what was meant.'],
  [['families', '--items', 'x'], '"x" is no value of --items <count>.', 'arte families --help says more.'],
])('%j: %s', (words, what, next) => {
  const made = program();
  let thrown: unknown;
  try {
    made.parse(words, { from: 'user' });
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(CommanderError);
  const mistake = commandMistake(thrown as CommanderError, made, words);
  expect(mistake.data).toMatchObject({ code: 'InvalidInput', what });
  expect(mistake.data.next).toContain(next);
  expect(mistake.data.why).toMatch(/\S/);
  expect(exitCodeOf(mistake)).toBe(2);
});
