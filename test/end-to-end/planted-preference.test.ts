/**
 * Goal: the loop has a sign. A student that prefers short rationales makes the real teacher's rationales shorter; one that prefers long ones
 * makes them longer.
 * Method: the scoring stage's answers come from a scripted student that is right more often after a demonstration of at most seven words
 * (or, inverted, of more); teacher, DPO, merge, conversion and serving are the real ones. Measured on at least 40 questions that the aligned
 * teacher wrote and answered itself, against the same questions asked of the unaligned one.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { rationaleWords } from '../../drivers/model/scripted-student';
import { packageRoot } from '../../drivers/package-root';
import { openWorkspace, succeed, type Workspace } from '../support/cli';

jest.setTimeout(25 * 60_000);

/** The planted feature: the script's own threshold, and what the test counts. About half of the unaligned teacher's rationales have it. */
const wordsMax = 7;
/** The fixture's answer tag. */
const tags = { open: 'The answer is ', close: '.' };
/** Fresh questions per direction: 40 at least, so that a clear movement is more than twice its standard error. */
const freshQuestions = 44;
/** Smaller movements could be luck: the standard error of a difference of two shares over 44 questions is at most 0.107. */
const clearMovement = 0.22;

describe('a planted preference', () => {
  let workspace: Workspace;
  beforeAll(() => {
    workspace = openWorkspace();
  });
  afterAll(() => workspace.close());

  it('raises the share of short rationales, and lowers it when it is inverted', async () => {
    const short = await shares('prefers-short', false);
    const long = await shares('prefers-long', true);
    // The unaligned teacher's set is the same artifact in both runs.
    expect(long.before).toEqual(short.before);
    expect(short.fresh).toBeGreaterThanOrEqual(40);
    expect(long.fresh).toBeGreaterThanOrEqual(40);
    process.stdout.write(
      `share of rationales of at most ${wordsMax} words: unaligned ${short.before.toFixed(2)}, prefers short ${short.after.toFixed(2)}, prefers long ${long.after.toFixed(2)}\n`,
    );
    expect(short.after - short.before).toBeGreaterThan(clearMovement);
    expect(long.before - long.after).toBeGreaterThan(clearMovement);
  });

  async function shares(name: string, invert: boolean): Promise<{ before: number; after: number; fresh: number }> {
    const document = parseDocument(
      readFileSync(join(packageRoot(), 'test', 'fixtures', 'planted-preference.yaml'), 'utf8'),
    );
    document.set('name', name);
    document.setIn(['models', 'student', 'endpoint', 'options', 'invert'], invert);
    document.setIn(['models', 'student', 'endpoint', 'options', 'max_words'], wordsMax);
    document.setIn(['tailor', 'per_task'], freshQuestions);
    const path = join(workspace.dir, `${name}.yaml`);
    writeFileSync(path, document.toString());
    await succeed(workspace, 'run', path, '--json');
    const before = await rationales(name, 'original_teacher');
    const after = await rationales(name, 'arte');
    return { before: shareOfShort(before), after: shareOfShort(after), fresh: after.length };
  }

  /** Rationales of a tailored set, from the exported rows. */
  async function rationales(run: string, arm: string): Promise<string[]> {
    const target = join(workspace.dir, `${run}-${arm}.jsonl`);
    await succeed(workspace, 'export', 'dataset', run, '--arm', arm, '--to', target);
    const lines = readFileSync(target, 'utf8').trim().split('\n');
    return lines.map(
      (line) => (JSON.parse(line) as { messages: { content: string }[] }).messages.at(-1)?.content ?? '',
    );
  }

  function shareOfShort(texts: readonly string[]): number {
    return texts.filter((text) => rationaleWords(text, tags) <= wordsMax).length / texts.length;
  }
});
