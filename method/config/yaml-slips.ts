/**
 * Common slips in YAML in plain words: what the parser says of them is about its grammar, and often about another line.
 *
 * Owns what a slip is called, where a person finds it and what to write instead. The parser and lines belong to cli/config/parse-yaml.ts.
 * Invariant: no value of the file is repeated, for it may be a secret.
 */
import { redacted } from './written-secrets';

/** A fault as the yaml package tells it. */
export interface YamlFault {
  readonly code: string;
  readonly message: string;
  /** Where it was noticed, as an offset. */
  readonly at: number;
}

export interface YamlSlip {
  /** Where it was made. */
  readonly at: number;
  /** Ends the sentence "This is not YAML: ". */
  readonly what: string;
  readonly instead: string;
  /** What comes after it was read as something else, and says nothing. */
  readonly spoilsRest?: true;
}

const inQuotes = 'Put the text in quotes.';

/** What was probably meant by a fault of a file's text. */
export function yamlSlip(text: string, { code, message, at }: YamlFault): YamlSlip {
  switch (code) {
    case 'TAB_AS_INDENT':
      return { at, what: 'the line is indented with a tab', instead: 'Indent with spaces; YAML takes no tabs.' };
    case 'DUPLICATE_KEY':
      return { at, what: 'this setting stands twice in its section', instead: 'Keep one of the two lines.' };
    case 'MULTIPLE_DOCS':
      return {
        ...{ at, what: 'a second document begins here', spoilsRest: true },
        instead: 'Take the line "---" or "..." out: one file is one run.',
      };
    case 'MULTILINE_IMPLICIT_KEY':
      return withoutColon(text, at);
    case 'BLOCK_AS_IMPLICIT_KEY':
      return message.includes('sequence') ? itemAmongSettings(at) : settingInValue(text, at);
    case 'BAD_INDENT':
      return /flow/i.test(message) ? unclosedBracket(text, at) : otherIndent(text, at);
    case 'BLOCK_IN_FLOW':
      return withoutComma(at);
    case 'BAD_DQ_ESCAPE':
      return {
        ...{ at, what: 'between double quotes a backslash begins something that YAML does not know' },
        instead: 'Write \\\\ for a backslash, or put the text in single quotes.',
      };
    case 'BAD_SCALAR_START':
    case 'BAD_ALIAS':
    case 'TAG_RESOLVE_FAILED':
      return specialStart(at, text.charAt(at));
    case 'BAD_DIRECTIVE':
      return { ...specialStart(at, '%'), spoilsRest: true };
    case 'MISSING_CHAR':
      return missing(text, message, at);
    case 'UNEXPECTED_TOKEN':
      return unexpected(text, message, at);
    default:
      return asSaid(message, at);
  }
}

function asSaid(message: string, at: number): YamlSlip {
  const line = redacted(message.split('\n')[0] ?? '').replace(/[.:]$/, '');
  return { at, what: line, instead: 'Put texts that hold ": ", "#" or quotes in quotes, and check the indentation.' };
}

function missing(text: string, message: string, at: number): YamlSlip {
  if (message.includes('closing')) return unclosedQuote(text, at, message.includes('"') ? '"' : "'");
  if (message.includes('map keys')) return withoutColon(text, at);
  if (message.includes('directives-end')) return specialStart(at, '%');
  if (message.startsWith('Missing ,')) return withoutComma(at);
  if (message.includes('end with')) return unclosedBracket(text, at);
  if (message.includes('Sequence item')) {
    const instead = 'Indent it like the other settings of the item, which begin two to the right of its "-".';
    return { at, what: 'the line is indented otherwise than the list item that it belongs to', instead };
  }
  if (message.startsWith('Comments')) {
    const instead = 'Put a space before the "#" if a comment begins there, else the whole text in quotes.';
    return { at, what: 'there is no space before "#"', instead };
  }
  return asSaid(message, at);
}

function unexpected(text: string, message: string, at: number): YamlSlip {
  if (message.includes('at node end')) {
    const before = text.slice(0, at).trimEnd().at(-1) ?? '';
    return before === '"' || before === "'"
      ? textBehindQuote(at)
      : { ...specialStart(at, '{" or "['), spoilsRest: true };
  }
  const closing = /-end/.test(message) && /"([\]}])"/.exec(message)?.[1];
  if (closing) return { at, what: `there is a "${closing}" too many`, instead: 'Take it out.', spoilsRest: true };
  if (message.includes('block-seq-ind')) {
    const instead =
      'Begin the list on the line below, each item after "- "; a text that begins with "- " stands in quotes.';
    return { at, what: 'a list begins on the line of its setting', instead };
  }
  if (/Not a YAML token|Block scalar header/.test(message)) {
    const instead = 'Put the text in quotes, or begin it on the line below the | or >, indented.';
    return { at, what: 'more text stands on the line of a "|" or ">"', instead };
  }
  return asSaid(message, at);
}

function withoutComma(at: number): YamlSlip {
  const instead = 'Put a comma between what stands together in { } or [ ].';
  return { at, what: 'there is no comma before the next setting or item', instead };
}

function itemAmongSettings(at: number): YamlSlip {
  const instead = 'Put it below the setting whose list it belongs to, or write it as "name: value".';
  return { at, what: 'an item of a list ("- ") stands among settings', instead };
}

function specialStart(at: number, sign: string): YamlSlip {
  return { at, what: `a text begins with "${sign}", which has a meaning of its own in YAML`, instead: inQuotes };
}

function textBehindQuote(at: number): YamlSlip {
  const instead =
    "Put the whole text in quotes; between double quotes a quote is written \\\", between single ones ''. If that is right here, a line above has a quote that is not closed.";
  return { at, what: 'there is more text behind the closing quote', instead, spoilsRest: true };
}

// ---- a line that is no setting -----------------------------------------------------------------------------------

/** A line that should be a setting, and has no ": ". */
function withoutColon(text: string, at: number): YamlSlip {
  const line = restOfLine(text, at).trim();
  if (/^(<{7}|={7}|>{7}|\|{7})/.test(line)) {
    const instead = 'Keep one of the versions, and take the lines with <<<<<<<, ======= and >>>>>>> out.';
    return { at, what: 'git left a conflict here', instead, spoilsRest: true };
  }
  if (/^[\w.-]+\s*=/.test(line)) {
    return {
      at,
      what: 'there is a "=" where a colon belongs',
      instead: 'Write "name: value", with a space behind the colon.',
    };
  }
  if (/^["']?[\w.-]+["']?:\S/.test(line)) {
    return {
      at,
      what: 'there is no space behind the colon',
      instead: 'Write "name: value", with a space behind the colon.',
    };
  }
  if (/^-\S/.test(line)) return withoutSpaceBehindDash(at);
  const { next } = linesAround(text, at);
  if (/^[\w.-]+$/.test(line) && next !== undefined && next.indent > indentAt(text, at)) {
    return {
      at,
      what: 'the name of a section has no colon',
      instead: 'Write it as "name:", and what belongs to it indented below.',
    };
  }
  return { at, what: 'a setting has no colon', instead: 'Write "name: value", with a space behind the colon.' };
}

function withoutSpaceBehindDash(at: number): YamlSlip {
  return { at, what: 'there is no space behind the "-"', instead: 'Write each item of a list as "- item".' };
}

function otherIndent(text: string, at: number): YamlSlip {
  if (/^-\S/.test(restOfLine(text, at).trim())) return withoutSpaceBehindDash(at);
  return { at, what: 'the line is indented otherwise than its neighbours', instead: 'Indent it like them.' };
}

/** A value that holds a setting: its own text has ": ", or the line below is indented as if it belonged to the value. */
function settingInValue(text: string, at: number): YamlSlip {
  const value = restOfLine(text, at);
  if (value.startsWith('? ')) return specialStart(at, '?');
  const { next } = linesAround(text, at);
  if (/:(\s|$)/.test(value) || next === undefined) return { at, what: 'a text holds ": "', instead: inQuotes };
  return {
    at: next.at,
    what: 'the line is indented as if it belonged to the setting above, which has a value already',
    instead: 'Indent it like the line above; a section has nothing behind the colon of its name.',
  };
}

// ---- what is not closed ------------------------------------------------------------------------------------------

/** Looked for backwards: what opens last closes nowhere. */
function unclosedBracket(text: string, noticed: number): YamlSlip {
  let closed = 0;
  for (let at = noticed - 1; at >= 0; at -= 1) {
    const sign = text.charAt(at);
    if (sign === '}' || sign === ']') closed += 1;
    else if ((sign === '{' || sign === '[') && closed > 0) closed -= 1;
    else if (sign === '{' || sign === '[') return notClosed(at, sign, sign === '{' ? '}' : ']');
  }
  return notClosed(noticed, '{" or "[', '}" or "]');
}

function notClosed(at: number, opening: string, closing: string): YamlSlip {
  const instead = `Close it with "${closing}"; a text that begins with "${opening}" stands in quotes.`;
  return { at, what: `what "${opening}" opens here is not closed`, instead, spoilsRest: true };
}

/** An unclosed text ends with the file: it begins at the last quote that is not written out as a part of it (\\" or ''). */
function unclosedQuote(text: string, noticed: number, quote: string): YamlSlip {
  const quotes = [...text.slice(0, noticed).matchAll(quote === '"' ? /(?<!\\)(?:\\\\)*"/g : /'+/g)];
  const last = quotes.findLast(([found]) => quote === '"' || found.length % 2 === 1);
  const at = last ? last.index + (quote === '"' ? last[0].length - 1 : 0) : noticed;
  const instead = `Close it with ${quote}.`;
  return { at, what: 'the quote that is opened here is not closed', instead, spoilsRest: true };
}

// ---- lines -------------------------------------------------------------------------------------------------------

function restOfLine(text: string, at: number): string {
  return text.slice(at).split('\n', 1)[0] ?? '';
}

function indentAt(text: string, at: number): number {
  return at - (text.lastIndexOf('\n', at - 1) + 1);
}

/** The next line that is neither empty nor a comment. */
function linesAround(text: string, at: number): { readonly next?: { readonly at: number; readonly indent: number } } {
  const found = /\n([ \t]*)(?=[^\s#])/.exec(text.slice(at));
  if (!found) return {};
  const indent = found[1]?.length ?? 0;
  return { next: { at: at + found.index + 1 + indent, indent } };
}
