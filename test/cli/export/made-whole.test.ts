/** Goal: what is made stands whole at its place or not at all, and nothing of the user's is touched on the way. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { madeWhole } from '../../../cli/export/made-whole';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'arte-whole-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

it('stands at its place only when it is whole, also after an attempt that was cut off', async () => {
  const target = join(folder, 'model.gguf');
  writeFileSync(join(folder, 'model.gguf.partial'), 'the user has it');
  // What a killed process leaves.
  mkdirSync(join(folder, '.arte-part-model.gguf'));
  await expect(
    madeWhole(target, async (part) => {
      await writeFile(part, 'half');
      throw new Error('the disk is full');
    }),
  ).rejects.toThrow('the disk is full');
  expect(readdirSync(folder)).toEqual(['model.gguf.partial']);
  await madeWhole(target, async (part) => {
    await writeFile(part, 'whole');
    expect(existsSync(target)).toBe(false);
  });
  expect(readFileSync(target, 'utf8')).toBe('whole');
  expect(readdirSync(folder).sort()).toEqual(['model.gguf', 'model.gguf.partial']);
});

it('a full disk is said to be one, and leaves nothing', async () => {
  const target = join(folder, 'set');
  const attempt = madeWhole(target, async (part) => {
    await writeFile(part, 'half');
    await writeFile('/dev/full', 'the rest');
  });
  await expect(attempt).rejects.toMatchObject({
    data: { code: 'DiskFull', what: `${target} was not written: the disk is full.` },
  });
  expect(readdirSync(folder)).toEqual([]);
});
