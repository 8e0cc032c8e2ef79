/**
 * Which key does what, in which picture. Owns the map and its words: what the footer and the help list is this table. What a key sets in motion
 * is full-screen.ts.
 */

/** A key as Node's readline tells it. */
export interface Press {
  readonly name?: string | undefined;
  readonly ctrl?: boolean | undefined;
  /** What was typed, where it is a character. */
  readonly text?: string | undefined;
}

export type Command =
  | 'pause'
  | 'resume'
  | 'approve'
  | 'reject'
  | 'report'
  | 'quit'
  | 'help'
  | 'back'
  | 'up'
  | 'down'
  | 'first'
  | 'last'
  | 'open'
  | 'interrupt';

/** What is shown: all runs, one run, or the help over either. */
export type Picture = 'runs' | 'run' | 'help';

export interface KeyDoc {
  /** As it is written for a person. */
  readonly key: string;
  readonly command: Command;
  /** In the footer. */
  readonly short: string;
  /** In the help. */
  readonly words: string;
}

export const keyDocs: Readonly<Record<Exclude<Picture, 'help'>, readonly KeyDoc[]>> = {
  run: [
    {
      key: 'p',
      command: 'pause',
      short: 'pause',
      words: 'stop what the run does, keeping all it has, like arte pause',
    },
    { key: 'r', command: 'resume', short: 'resume', words: 'go on after a pause, like arte resume' },
    { key: 'a', command: 'approve', short: 'approve', words: 'say yes to the round that waits, like arte approve' },
    {
      key: 'x',
      command: 'reject',
      short: 'reject',
      words: 'say no to it: asks for the reason in a line, like arte reject',
    },
    {
      key: 'o',
      command: 'report',
      short: 'report',
      words: 'write the report as an HTML page, say where, and open it on a desktop',
    },
    { key: '?', command: 'help', short: 'help', words: 'this list; any key closes it' },
    { key: 'q', command: 'quit', short: 'quit', words: 'leave; the run goes on. Ctrl-C does the same' },
    { key: 'Esc', command: 'back', short: 'all runs', words: 'back to all runs, where you came from there' },
  ],
  runs: [
    { key: 'up/down', command: 'down', short: 'select', words: 'select a run; k and j do the same, Home and End jump' },
    { key: 'Enter', command: 'open', short: 'open', words: 'look at the selected run' },
    { key: '?', command: 'help', short: 'help', words: 'this list; any key closes it' },
    { key: 'q', command: 'quit', short: 'quit', words: 'leave; all runs go on. Ctrl-C does the same' },
  ],
};

const ofRuns: Readonly<Record<string, Command>> = {
  up: 'up',
  k: 'up',
  down: 'down',
  j: 'down',
  home: 'first',
  end: 'last',
  return: 'open',
  enter: 'open',
  right: 'open',
};

const ofRun: Readonly<Record<string, Command>> = {
  p: 'pause',
  r: 'resume',
  a: 'approve',
  x: 'reject',
  o: 'report',
  escape: 'back',
  left: 'back',
  backspace: 'back',
};

/** What a key means in a picture; undefined: nothing. */
export function commandOf({ name, ctrl, text }: Press, picture: Picture): Command | undefined {
  if (ctrl === true) return name === 'c' ? 'interrupt' : undefined;
  if (picture === 'help') return name === 'q' ? 'quit' : 'help';
  if (text === '?') return 'help';
  if (name === 'q') return 'quit';
  return (picture === 'run' ? ofRun : ofRuns)[name ?? ''];
}
