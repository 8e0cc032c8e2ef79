/**
 * The files of recorded matrices: what bench/record-matrix.ts writes, a draft at a time, and bench/racing.ts reads.
 *
 * A line that says where the matrix is from, then a line a draft: its answers to the probe items as digits, 1 right. Texts stay out:
 * `rationale` tells equal ones apart. While one is recorded its finished drafts stand in a file beside it whose name begins with a dot; whoever
 * is killed goes on from there.
 */
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { WholeMatrix } from './racing-simulation';

const recordedDraftSchema = z.object({
  id: z.string(),
  questionId: z.string(),
  technique: z.string(),
  rationale: z.string(),
  agrees: z.boolean(),
  answers: z.string().regex(/^[01]+$/),
});
export type RecordedDraft = z.infer<typeof recordedDraftSchema>;

/** The recorded matrices of a folder, by name. */
export function matrixFiles(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.jsonl') && !name.startsWith('.'))
    .sort()
    .map((name) => join(folder, name));
}

/** @throws Error when drafts have different numbers of answers: the file is no matrix. */
export function readMatrix(file: string): WholeMatrix {
  const [, ...lines] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const drafts = lines.map((line) => recordedDraftSchema.parse(JSON.parse(line)));
  const items = drafts[0]?.answers.length ?? 0;
  if (drafts.some(({ answers }) => answers.length !== items)) throw new Error(`${file}: drafts have unequal rows`);
  return {
    task: {
      name: basename(file, '.jsonl'),
      drafts,
      probes: Array.from({ length: items }, (_, at) => `p${String(at).padStart(3, '0')}`),
    },
    answers: drafts.map(({ answers }) => Int8Array.from(answers, Number)),
  };
}

/** A matrix that is being recorded. */
export interface Recording {
  /** Answers of the drafts that are finished, by the draft's index. */
  readonly finished: ReadonlyMap<number, string>;
  add(draft: number, answers: string): void;
  /** Write the whole file, and forget the way there. */
  finish(about: string, drafts: readonly Omit<RecordedDraft, 'answers'>[]): void;
}

const finishedRowSchema = z.object({ draft: z.number().int(), answers: z.string() });

/** Begin, or go on: `setup` names all that the answers follow from, and what was recorded of another one is dropped. */
export function openRecording(file: string, setup: string): Recording {
  const partial = besideFile(file, 'partial');
  const finished = new Map<number, string>();
  const lines = existsSync(partial) ? readFileSync(partial, 'utf8').split('\n') : [];
  if (lines[0] === setup) {
    // The last line may be cut off; what stands after a line's end is whole.
    for (const line of lines.slice(1, -1)) {
      const { draft, answers } = finishedRowSchema.parse(JSON.parse(line));
      finished.set(draft, answers);
    }
  }
  const rows = [...finished].map(([draft, answers]) => JSON.stringify({ draft, answers }));
  writeFileSync(partial, `${[setup, ...rows].join('\n')}\n`);
  return {
    finished,
    add(draft, answers) {
      finished.set(draft, answers);
      appendFileSync(partial, `${JSON.stringify({ draft, answers })}\n`);
    },
    finish(about, drafts) {
      const whole = drafts.map((draft, at) => JSON.stringify({ ...draft, answers: finished.get(at) }));
      writeFileSync(`${partial}.whole`, `${[JSON.stringify({ about }), ...whole].join('\n')}\n`);
      renameSync(`${partial}.whole`, file);
      rmSync(partial);
    },
  };
}

/** A file that is needed until the recording of another is whole. */
export function besideFile(file: string, what: string): string {
  return join(dirname(file), `.${basename(file, '.jsonl')}.${what}.jsonl`);
}
