/**
 * Goal: a recording that is killed goes on with the drafts that were whole, never with those of another setup, and what it leaves reads back.
 * Method: a folder, recordings opened again over what the one before left, a line cut off as a kill leaves it.
 */
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { besideFile, matrixFiles, openRecording, readMatrix } from '../../bench/matrix-file';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-matrix-'));
  file = join(folder, 'guess-1.jsonl');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const drafts = ['a', 'b'].map((rationale, at) => ({
  id: `d00-${at}`,
  questionId: 'q00',
  technique: 'step-by-step',
  rationale,
  agrees: true,
}));

it('goes on with the drafts that were whole', () => {
  openRecording(file, 'one').add(1, '0110');
  appendFileSync(besideFile(file, 'partial'), '{"draft":0,"answ');
  const again = openRecording(file, 'one');
  expect([...again.finished]).toEqual([[1, '0110']]);
  again.add(0, '1111');
  expect([...openRecording(file, 'one').finished.keys()].sort()).toEqual([0, 1]);
});

it('begins anew where anything that the answers follow from is another', () => {
  openRecording(file, 'one').add(1, '0110');
  expect(openRecording(file, 'other').finished.size).toBe(0);
  expect(openRecording(file, 'one').finished.size).toBe(0);
});

it('leaves one file, which is read as a matrix', () => {
  const recording = openRecording(file, 'one');
  recording.add(1, '0110');
  expect(matrixFiles(folder)).toEqual([]);
  recording.add(0, '1111');
  recording.finish('by hand', drafts);
  expect(readdirSync(folder)).toEqual(['guess-1.jsonl']);
  expect(matrixFiles(folder)).toEqual([file]);
  const { task, answers } = readMatrix(file);
  expect(task).toMatchObject({ name: 'guess-1', drafts, probes: ['p000', 'p001', 'p002', 'p003'] });
  expect(answers.map((row) => [...row])).toEqual([
    [1, 1, 1, 1],
    [0, 1, 1, 0],
  ]);
});

it('is no matrix where drafts have different numbers of answers', () => {
  const recording = openRecording(file, 'one');
  recording.add(0, '11');
  recording.add(1, '1');
  recording.finish('by hand', drafts);
  expect(() => readMatrix(file)).toThrow(/unequal/);
  writeFileSync(file, readFileSync(file, 'utf8').replaceAll('"answers":"1"', '"answers":"1?"'));
  expect(() => readMatrix(file)).toThrow(/answers/);
});
