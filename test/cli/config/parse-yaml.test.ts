/**
 * Goal: of each common slip in YAML a person is told the line where it was made, what it is in plain words, and what to write; once.
 * Method: a table of small files with one slip each, read with the real parser.
 */
import { ConfigError, type PlacedProblem } from '../../../cli/config/config-error';
import { parseYaml } from '../../../cli/config/parse-yaml';

function problemsOf(text: string): readonly PlacedProblem[] {
  try {
    parseYaml('arte.yaml', text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

it.each([
  // what was written, line, what is said, what to write
  ['name evidence\nversion: 1\n', 1, 'a setting has no colon', 'name: value'],
  ['version: 1\nname evidence\nseed: 0\n', 2, 'a setting has no colon', 'name: value'],
  ['version: 1\nname evidence\n', 2, 'a setting has no colon', 'name: value'],
  ['probe:\n  method random\n  size: 5\n', 2, 'a setting has no colon', 'name: value'],
  ['tasks:\n  - source builtin\n    family: x\n', 2, 'a setting has no colon', 'name: value'],
  ['version: 1\nprobe\n  size: 5\n', 2, 'the name of a section has no colon', '"name:"'],
  ['version: 1\nname:evidence\nseed: 0\n', 2, 'no space behind the colon', 'space behind'],
  ['version: 1\nname = evidence\nseed: 0\n', 2, '"="', 'name: value'],
  ['shots:\n  - 0\n  -3\nname: x\n', 3, 'the "-"', '- item'],
  ['version: 1\n<<<<<<< HEAD\nname: x\n=======\nname: y\n>>>>>>> b\n', 2, 'git left a conflict', '<<<<<<<'],
  ['probe:\n\tsize: 5\n', 2, 'a tab', 'spaces'],
  ['probe:\n  \tsize: 5\n', 2, 'a tab', 'spaces'],
  ['version: 1\n  name: x\n', 2, 'indented as if it belonged', 'like the line above'],
  ['probe: 5\n  size: 5\n', 2, 'indented as if it belonged', 'nothing behind the colon'],
  ['probe:\n    size: 5\n  method: random\n', 3, 'otherwise than its neighbours', 'Indent'],
  ['tasks:\n  - source: x\n   path: y\n', 3, 'the list item', 'two to the right'],
  ['probe:\n  size: 5\n  - x\nname: y\n', 3, 'an item of a list', 'below the setting'],
  ['version: 1\nname: "x\nseed: 0\n', 2, 'the quote that is opened here', 'Close it with "'],
  ["version: 1\nname: 'it''s\nseed: 0\n", 2, 'the quote that is opened here', "Close it with '"],
  ['name: "x\nseed: 0\ntask: "y"\n', 1, 'the quote that is opened here', 'Close it with "'],
  ["name: 'it's'\nseed: 0\n", 1, 'behind the closing quote', "''"],
  ['name: "a\\d"\n', 1, 'backslash', '\\\\'],
  ['seed: 0\nname: x\nseed: 1\n', 3, 'twice', 'Keep one'],
  ['description: Decide: which is larger\n', 1, 'a text holds ": "', 'in quotes'],
  ['tasks:\n  - description: Answer: yes or no\n    path: x\n', 2, 'a text holds ": "', 'in quotes'],
  ['name: {x\nseed: 0\n', 1, 'what "{" opens here', 'Close it with "}"'],
  ['shots: [0,\n  3\nseed: 0\n', 1, 'what "[" opens here', 'Close it with "]"'],
  ['description: {question} and more\n', 1, 'begins with "{" or "["', 'in quotes'],
  ['models: {a: ${env:X}}\n', 1, 'begins with "{" or "["', 'in quotes'],
  ['probe: { size: 5 }}\n', 1, 'a "}" too many', 'Take it out'],
  ['probe: { size: 5 method: random }\n', 1, 'no comma', 'comma'],
  ['name: %x\n', 1, 'begins with "%"', 'in quotes'],
  ['%x: 1\nversion: 1\n', 1, 'begins with "%"', 'in quotes'],
  ['name: @x\n', 1, 'begins with "@"', 'in quotes'],
  ['name: `x`\n', 1, 'begins with "`"', 'in quotes'],
  ['name: & x\n', 1, 'begins with "&"', 'in quotes'],
  ['name: !x y\n', 1, 'begins with "!"', 'in quotes'],
  ['name: ? x\n', 1, 'begins with "?"', 'in quotes'],
  ['name: > 5 of them\nseed: 0\n', 1, '"|" or ">"', 'in quotes'],
  ['name: - x\nseed: 0\n', 1, 'on the line of its setting', '"- "'],
  ['name: "x"# no\nseed: 0\n', 1, 'no space before "#"', 'a space before'],
  ['version: 1\n---\nversion: 1\n', 2, 'a second document', '---'],
])('%j, line %i: %s', (text, line, what, instead) => {
  const [problem, ...others] = problemsOf(text);
  expect(others).toEqual([]);
  expect(problem?.what).toMatch(/^This is not YAML: [^.]+\.$/);
  expect(problem?.what).toContain(what);
  expect(problem?.instead).toContain(instead);
  expect(problem?.line).toBe(line);
});

it('two slips in two places are told at once', () => {
  const problems = problemsOf('seed: 0\nseed: 1\nprobe:\n  \tsize: 5\n');
  expect(problems.map(({ line }) => line)).toEqual([2, 4]);
});
