/** `arte families [NAME]`: the task families the project generates, or items of one of them as JSONL. */
import { InvalidArgumentError, type Command } from 'commander';
import { nearestName } from '../../method/config/explain-shape';
import { families, type Family } from '../../method/families';
import { ArteError } from '../../schemas/errors';
import { formatCount, printJson, printLine, printVerbatim, table } from '../output';

interface Options {
  readonly items?: number;
  readonly seed: number;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('families')
    .argument('[name]', 'a family; all of them when left out')
    .description('the task families the project generates, and items of them')
    .option('--items <count>', 'print so many items of the family as JSONL {"question", "target"}', wholeNumber)
    .option('--seed <number>', 'other items under another seed', wholeNumber, 0)
    .option('--json', 'as JSON')
    .action((name: string | undefined, options: Options) => {
      if (name === undefined) printAll(options.json === true);
      else printOne(familyOf(name), options);
    });
}

function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new InvalidArgumentError('It must be a whole number of at least 0.');
  return value;
}

function familyOf(name: string): Family {
  const family = families.get(name);
  if (family !== undefined) return family;
  const names = [...families.keys()];
  const nearest = nearestName(name, names);
  throw new ArteError('InvalidInput', {
    what: `There is no family called "${name}".`,
    why: nearest === undefined ? 'No family has a name like it.' : `The nearest is "${nearest}".`,
    next: `Choose one of: ${names.join(', ')}.`,
  });
}

function described({ name, category, answer, distinct, description }: Family) {
  return { name, category, answer, distinct, description };
}

function printAll(json: boolean): void {
  const all = [...families.values()];
  if (json) {
    printJson(all.map(described));
    return;
  }
  printLine(
    table(
      [
        { title: 'family' },
        { title: 'answers' },
        { title: 'distinct items', align: 'right' },
        { title: 'what is asked' },
      ],
      all.map(({ name, answer, distinct, description }) => [name, answer.type, formatCount(distinct), description]),
    ),
  );
}

function printOne(family: Family, { items, seed, json }: Options): void {
  if (items === undefined) {
    if (json === true) {
      printJson(described(family));
      return;
    }
    const [example] = family.generate(1, seed);
    printLine(`${family.name} (${family.answer.type}): ${family.description}`);
    printLine(`At most ${formatCount(family.distinct)} distinct items. One of them:`);
    printLine(`  ${example?.question ?? ''}\n  -> ${example?.target ?? ''}`);
    return;
  }
  for (const { question, target } of family.generate(items, seed)) printVerbatim(JSON.stringify({ question, target }));
}
