/**
 * Goal: from any mixture of journals and parts, damaged or not, a shard ends with the bytes of an undisturbed run; answered rows are
 * asked again only where their records were lost; everything found is paid for once; duplicates have one winner.
 * Method: random histories of attempts that end at random moments (the folder of journals is put back to its image of that moment, as
 * kill -9 leaves it), with journals wiped, cut or garbled and parts lost or garbled in between; then one attempt to the end.
 */
import * as fs from 'node:fs';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { runShard } from '../../../activities/row-engine/engine';
import { RecordBuffer } from '../../../activities/row-engine/records';
import { canonicalJson, seededRandom } from '../../../method/keys';
import { promptTokensMax } from '../../../method/ledger';
import { CallFailure } from '../../../drivers/model/model';
import { noUsage } from '../../../schemas/manifest';
import type { ModelRequest, RowResult, Usage } from '../../../schemas/rows';
import {
  indexOf,
  quickLimits,
  rightAnswer,
  rightBytes,
  rowsOf,
  scriptedEndpoint,
  Workplace,
  type Script,
} from './shards';

const concurrency = { start: 4, max: 4 };

/** Every sixth row is malformed the first time, every thirtieth always. */
function answerOf(request: ModelRequest): ReturnType<typeof rightAnswer> {
  const index = indexOf(request);
  const first = request.sampling.seed === index;
  return index % 30 === 5 || (index % 6 === 5 && first)
    ? { ...rightAnswer(request), text: `malformed ${request.sampling.seed}` }
    : rightAnswer(request);
}

interface Undisturbed {
  readonly bytes: string;
  readonly usage: Usage & { readonly calls: number };
}

async function undisturbed(length: number): Promise<Undisturbed> {
  const place = new Workplace();
  const output = await runShard(place.shard(rowsOf(length), scriptedEndpoint(answerOf, concurrency), { repairs: 2 }));
  const bytes = (await place.store.getBlob(output.results)).toString();
  place.remove();
  return { bytes, usage: output.usage };
}

/** Run an attempt until its `calls`-th call, then die as if killed: only what the disk and the store had at that moment is left. */
async function attemptUntil(
  place: Workplace,
  length: number,
  calls: number,
): Promise<{ finished: boolean; answered: number }> {
  const image = join(place.folder, 'image');
  rmSync(image, { recursive: true, force: true });
  const controller = new AbortController();
  let objects: Map<string, Buffer> | undefined;
  let answeredThen = 0;
  let made = 0;
  const endpoint = scriptedEndpoint(async (request) => {
    made += 1;
    if (made === calls) {
      mkdirSync(place.journalDir, { recursive: true });
      cpSync(place.journalDir, image, { recursive: true });
      objects = new Map(place.store.objects);
      answeredThen = endpoint.total.answered;
      controller.abort(new Error('killed'));
    }
    // Faults now and then: they leave traces in the journal too.
    if (made % 17 === 0) throw new CallFailure('reset', 'scripted');
    await Promise.resolve();
    return answerOf(request);
  }, concurrency);
  const finished = await runShard(
    place.shard(rowsOf(length), endpoint, { repairs: 2, signal: controller.signal }),
  ).then(
    () => true,
    () => false,
  );
  if (objects) {
    rmSync(place.journalDir, { recursive: true, force: true });
    cpSync(image, place.journalDir, { recursive: true });
    place.store.objects.clear();
    for (const [key, bytes] of objects) place.store.objects.set(key, bytes);
  }
  return { finished: finished && !objects, answered: objects ? answeredThen : endpoint.total.answered };
}

const damages = [
  'none',
  'wipe journals',
  'cut a journal',
  'garble a journal',
  'lose parts',
  'garble a part',
  'wipe all',
] as const;

function damage(place: Workplace, kind: (typeof damages)[number], seed: number): void {
  const random = seededRandom(seed);
  const pick = <T>(from: readonly T[]): T | undefined => from[Math.floor(random() * from.length)];
  const files = existsSync(place.journalDir)
    ? readdirSync(place.journalDir, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('.journal'))
        .map((name) => join(place.journalDir, name))
    : [];
  const parts = place.store.keys('parts/');
  if (kind === 'wipe journals' || kind === 'wipe all') rmSync(place.journalDir, { recursive: true, force: true });
  if (kind === 'wipe all') for (const key of parts) place.store.objects.delete(key);
  if (kind === 'lose parts') for (const key of parts) if (random() < 0.5) place.store.objects.delete(key);
  const file = pick(files);
  if (file && (kind === 'cut a journal' || kind === 'garble a journal')) {
    const bytes = fs.readFileSync(file);
    const at = Math.floor(random() * bytes.length);
    if (kind === 'garble a journal') bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    fs.writeFileSync(file, kind === 'cut a journal' ? bytes.subarray(0, at) : bytes);
  }
  const part = pick(parts);
  if (part && kind === 'garble a part') {
    const bytes = Buffer.from(place.store.objects.get(part) ?? '');
    const at = Math.floor(random() * bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ 0x10;
    place.store.objects.set(part, bytes);
  }
}

const history = fc.array(
  fc.record({ calls: fc.integer({ min: 1, max: 90 }), damage: fc.constantFrom(...damages), seed: fc.nat() }),
  {
    minLength: 1,
    maxLength: 5,
  },
);

it('ends with the bytes of an undisturbed run, whatever was lost or damaged on the way', async () => {
  const length = 120;
  const expected = await undisturbed(length);
  await fc.assert(
    fc.asyncProperty(history, async (attempts) => {
      const place = new Workplace();
      try {
        let answered = 0;
        for (const { calls, damage: kind, seed } of attempts) {
          const attempt = await attemptUntil(place, length, calls);
          answered += attempt.answered;
          if (attempt.finished) break;
          damage(place, kind, seed);
        }
        const last = scriptedEndpoint(answerOf, concurrency);
        const output = await runShard(place.shard(rowsOf(length), last, { repairs: 2 }));
        expect((await place.store.getBlob(output.results)).toString()).toBe(expected.bytes);
        // Damage may lose what was paid; it never makes an answer count twice.
        expect(output.usage.calls).toBeLessThanOrEqual(answered + last.total.answered);
        expect(place.store.keys('parts/')).toEqual([]);
      } finally {
        place.remove();
      }
    }),
    { seed: 4, numRuns: 40 },
  );
});

it('on the same machine repeats only what was in flight, and counts every answer once', async () => {
  const length = 120;
  const expected = await undisturbed(length);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 70 }), { minLength: 1, maxLength: 6 }), async (kills) => {
      const place = new Workplace();
      try {
        let answered = 0;
        for (const calls of kills) {
          const attempt = await attemptUntil(place, length, calls);
          answered += attempt.answered;
          if (attempt.finished) break;
        }
        const last = scriptedEndpoint(answerOf, concurrency);
        const run = place.shard(rowsOf(length), last, { repairs: 2 });
        const output = await runShard(run);
        answered += last.total.answered;
        expect((await place.store.getBlob(output.results)).toString()).toBe(expected.bytes);
        // Every answer that the journal got is in the usage; each kill may lose those on their way to it.
        expect(output.usage.calls).toBeLessThanOrEqual(answered);
        expect(output.usage.calls).toBeGreaterThanOrEqual(answered - kills.length * concurrency.max);
        expect(output.usage.calls).toBe(expected.usage.calls);
        expect(run.progress[0]?.usage.lostCalls ?? 0).toBeLessThanOrEqual(kills.length * concurrency.max);
      } finally {
        place.remove();
      }
    }),
    { seed: 5, numRuns: 30 },
  );
});

it('what the server had worked on for calls that failed is in the account, once, through a kill', async () => {
  const rows = rowsOf(10);
  const spent = { inputTokens: 100, cachedInputTokens: 10, outputTokens: 5 };
  const script: Script = (request, call) => {
    if (indexOf(request) !== 3 || call > 2) return rightAnswer(request);
    return call === 1
      ? new CallFailure('timeout', 'no answer in time', undefined, undefined, 'untold')
      : new CallFailure('garbage', 'no choice', undefined, 200, spent);
  };
  const answers = Array.from({ length: 10 }, (_, row) => rightAnswer(rows.row(row).request).usage);
  const expected = {
    ...noUsage,
    calls: 11,
    inputTokens: answers.reduce((sum, { inputTokens }) => sum + inputTokens, 100),
    cachedInputTokens: answers.reduce((sum, { cachedInputTokens }) => sum + cachedInputTokens, 10),
    outputTokens: answers.reduce((sum, { outputTokens }) => sum + outputTokens, 5),
  };
  const one = { start: 1, max: 1 };
  const prompt = promptTokensMax(rows.row(3).request);
  const { maxTokens } = rows.row(3).request.sampling;
  const whole = new Workplace();
  const { usage, paidBy } = await runShard(whole.shard(rows, scriptedEndpoint(script, one)));
  expect(usage).toEqual({ ...expected, lostCalls: 1, lostInputTokens: prompt, lostOutputTokens: maxTokens });
  expect(paidBy['run']).toEqual(usage);
  whole.remove();

  const place = new Workplace();
  const killed = new AbortController();
  // The last row is asked once the one with trouble is done, and is lost in flight.
  const until: Script = (request, call) => {
    if (indexOf(request) === 9 && (endpoint.asked.get(3) ?? 0) > 2) killed.abort(new Error('killed'));
    return indexOf(request) === 9 && (endpoint.asked.get(3) ?? 0) <= 2
      ? new CallFailure('overloaded', 'later')
      : script(request, call, killed.signal);
  };
  const endpoint = scriptedEndpoint(until, one);
  await expect(runShard(place.shard(rows, endpoint, { signal: killed.signal }))).rejects.toThrow('killed');
  const again = await runShard(place.shard(rows, scriptedEndpoint(rightAnswer, one)));
  // The same prompt in all rows: as many bytes, and the longest stands for each.
  expect(again.usage).toEqual({
    ...expected,
    lostCalls: 2,
    lostInputTokens: 2 * prompt,
    lostOutputTokens: 2 * maxTokens,
  });
  place.remove();
});

describe('a journal that is damaged in the middle', () => {
  const length = 200;

  /** A shard that was broken off after 180 rows, with only its journal left; returns the journal's path. */
  async function brokenOff(place: Workplace): Promise<{ path: string; madeBefore: number }> {
    const controller = new AbortController();
    const endpoint = scriptedEndpoint((request) => {
      if (indexOf(request) === 180) controller.abort(new Error('stop'));
      return rightAnswer(request);
    }, concurrency);
    const run = place.shard(rowsOf(length), endpoint, { signal: controller.signal });
    await expect(runShard(run)).rejects.toThrow('stop');
    for (const key of place.store.keys('parts/')) place.store.objects.delete(key);
    const folder = join(place.journalDir, run.shardKey);
    return { path: join(folder, fs.readdirSync(folder)[0] ?? ''), madeBefore: endpoint.total.calls };
  }

  it.each([
    // The first commit may hold one row only, where the machine is busy.
    ['its header', 12, 0],
    ['a record', 20_000, 2],
  ])('(%s) loses the few rows around, says so, and counts no answer twice', async (_, at, lostAbove) => {
    const place = new Workplace();
    const { path, madeBefore } = await brokenOff(place);
    const bytes = fs.readFileSync(path);
    bytes[at] = (bytes[at] ?? 0) ^ 0x04;
    fs.writeFileSync(path, bytes);
    const endpoint = scriptedEndpoint(rightAnswer, concurrency);
    const run = place.shard(rowsOf(length), endpoint);
    const output = await runShard(run);
    expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(rowsOf(length)));
    expect(endpoint.total.calls).toBeLessThan(20 + 30);
    expect(output.usage.calls).toBe(length);
    // Every call that was made is in the account, but for one whose own records the damage hit: answered and used, or paid for and lost.
    const made = madeBefore + endpoint.total.calls;
    expect(made - output.usage.calls).toBeGreaterThan(lostAbove);
    expect(output.usage.lostCalls).toBeGreaterThanOrEqual(made - output.usage.calls - 1);
    expect(output.usage.lostCalls).toBeLessThanOrEqual(made - output.usage.calls);
    expect(run.progress[0]?.note).toContain(`1 damaged place in ${path}; the rows lost there are made again`);
    place.remove();
  });

  it('puts no answer down to an attempt that may not have made it', async () => {
    const place = new Workplace();
    const run = place.shard(rowsOf(2), scriptedEndpoint(rightAnswer));
    const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
    const answer = (records: RecordBuffer, row: number): void => {
      const { key, meta } = run.rows.row(row);
      const line = canonicalJson({ key, meta, outcome: 'ok', text: 'first', usage, value: 1 });
      records.answer({ final: true, row, ask: 0, outcome: 'ok', answered: true, usage }, line);
    };
    // A journal in which the second attempt's name is damaged, and the part that holds the same answer under that name.
    const journal = new RecordBuffer();
    journal.header({ format: 1, shardKey: run.shardKey, rows: 2 });
    journal.attempt({ ordinal: 1, id: 'a' });
    answer(journal, 0);
    const damagedAt = journal.length + 20;
    journal.attempt({ ordinal: 2, id: 'b' });
    answer(journal, 1);
    const bytes = Buffer.from(journal.view());
    bytes[damagedAt] = (bytes[damagedAt] ?? 0) ^ 1;
    mkdirSync(join(place.journalDir, run.shardKey), { recursive: true });
    fs.writeFileSync(join(place.journalDir, run.shardKey, 'damaged.journal'), bytes);
    const part = new RecordBuffer();
    part.header({ format: 1, shardKey: run.shardKey, rows: 2 });
    part.attempt({ ordinal: 2, id: 'b' });
    answer(part, 1);
    place.store.objects.set(`parts/${run.shardKey}/000002.b-000000`, Buffer.from(part.view()));
    const output = await runShard(run);
    expect(output.usage.calls).toBe(2);
    expect(run.progress[0]?.note).toContain('1 damaged place');
    place.remove();
  });

  it('counts no call as lost whose answer is damaged here and whole elsewhere', async () => {
    const place = new Workplace();
    const run = place.shard(rowsOf(2), scriptedEndpoint(rightAnswer));
    const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };
    const written = (intents: boolean): Buffer => {
      const records = new RecordBuffer();
      records.header({ format: 1, shardKey: run.shardKey, rows: 2 });
      records.attempt({ ordinal: 1, id: 'a' });
      for (const row of [0, 1]) {
        const { key, meta } = run.rows.row(row);
        if (intents) records.intent(row, 0);
        const line = canonicalJson({ key, meta, outcome: 'ok', text: 'first', usage, value: 1 });
        records.answer({ final: true, row, ask: 0, outcome: 'ok', answered: true, usage }, line);
      }
      return Buffer.from(records.view());
    };
    const journal = written(true);
    const damagedAt = journal.indexOf('"outcome"');
    journal[damagedAt] = (journal[damagedAt] ?? 0) ^ 1;
    mkdirSync(join(place.journalDir, run.shardKey), { recursive: true });
    fs.writeFileSync(join(place.journalDir, run.shardKey, 'damaged.journal'), journal);
    place.store.objects.set(`parts/${run.shardKey}/000001.a-000000`, written(false));
    expect((await runShard(run)).usage.calls).toBe(2);
    expect(run.progress[0]).toMatchObject({ done: 2, usage: { lostCalls: 0 } });
    place.remove();
  });

  it('reads a part past the damage, too', async () => {
    const place = new Workplace();
    const { path } = await brokenOff(place);
    const run = place.shard(rowsOf(length), scriptedEndpoint(rightAnswer, concurrency));
    const part = fs.readFileSync(path);
    part[20_000] = (part[20_000] ?? 0) ^ 0x04;
    place.store.objects.set(`parts/${run.shardKey}/000001.a-000000`, part);
    fs.rmSync(path);
    await runShard(run);
    expect(run.progress[0]?.note).toContain('1 damaged part in the store');
    expect(run.progress[0]?.done).toBeGreaterThan(length - 50);
    place.remove();
  });
});

it('on another machine goes on from the parts', async () => {
  const length = 200;
  const place = new Workplace();
  let storedThen = 0;
  const controller = new AbortController();
  const endpoint = scriptedEndpoint(async (request) => {
    if (indexOf(request) === 150) {
      await new Promise((resolve) => setTimeout(resolve, 3 * quickLimits.partFlushIntervalMs));
      storedThen = endpoint.total.answered;
      controller.abort(new Error('machine lost'));
    }
    return answerOf(request);
  }, concurrency);
  const lost = runShard(
    place.shard(rowsOf(length), endpoint, { signal: controller.signal, limits: { ...quickLimits, abortFlushMs: 0 } }),
  );
  await expect(lost).rejects.toThrow('machine lost');
  place.remove();
  const elsewhere = scriptedEndpoint(answerOf, concurrency);
  await runShard(place.shard(rowsOf(length), elsewhere));
  expect(storedThen).toBeGreaterThan(140);
  expect(elsewhere.total.calls).toBeLessThanOrEqual(length - 140);
  place.remove();
});

it('never mixes up rows: results under other row keys are asked again', async () => {
  const place = new Workplace();
  const rows = rowsOf(40);
  const controller = new AbortController();
  const endpoint = scriptedEndpoint((request) => {
    if (indexOf(request) === 30) controller.abort(new Error('stop'));
    return rightAnswer(request);
  });
  await expect(runShard(place.shard(rows, endpoint, { signal: controller.signal }))).rejects.toThrow('stop');
  const others = rowsOf(40, ' of another wave');
  const run = place.shard(others, scriptedEndpoint(rightAnswer));
  const output = await runShard(run);
  expect((await place.store.getBlob(output.results)).toString()).toBe(rightBytes(others));
  expect(run.progress[0]?.note).toContain('belonged to other rows');
  place.remove();
});

it('leaves a journal of another shard alone, and says so', async () => {
  const place = new Workplace();
  const run = place.shard(rowsOf(5), scriptedEndpoint(rightAnswer));
  const foreign = new RecordBuffer();
  foreign.header({ format: 1, shardKey: 'f'.repeat(64), rows: 5 });
  const folder = join(place.journalDir, run.shardKey);
  mkdirSync(folder, { recursive: true });
  fs.writeFileSync(join(folder, 'stranger.journal'), foreign.view());
  expect((await runShard(run)).counts.ok).toBe(5);
  expect(run.progress[0]?.note).toContain('stranger.journal belongs to another shard');
  place.remove();
});

describe('duplicate attempts', () => {
  const usage = { inputTokens: 1, cachedInputTokens: 0, outputTokens: 1 };

  /** A part in which an attempt answered rows with a text of its own. */
  function partOf(
    place: Workplace,
    ordinal: number,
    id: string,
    rows: readonly number[],
    outcome: 'ok' | 'failed' = 'ok',
  ): void {
    const run = place.shard(rowsOf(10), scriptedEndpoint(rightAnswer));
    const records = new RecordBuffer();
    records.header({ format: 1, shardKey: run.shardKey, rows: 10 });
    records.attempt({ ordinal, id });
    for (const row of rows) {
      const { key, meta } = run.rows.row(row);
      const result = outcome === 'ok' ? { value: 1 } : { why: 'reset' };
      const line = canonicalJson({
        key,
        meta,
        outcome,
        text: `by ${ordinal} ${id}`,
        usage,
        ...result,
      });
      records.answer({ final: true, row, ask: 0, outcome, answered: outcome === 'ok', usage }, line);
    }
    place.store.objects.set(
      `parts/${run.shardKey}/${String(ordinal).padStart(6, '0')}.${id}-000000`,
      Buffer.from(records.view()),
    );
  }

  async function texts(place: Workplace): Promise<string[]> {
    const output = await runShard(place.shard(rowsOf(10), scriptedEndpoint(rightAnswer)));
    const found: string[] = [];
    for await (const line of place.store.getLines(output.results)) found.push((JSON.parse(line) as RowResult).text);
    return found;
  }

  it('have one winner, whoever is read first: the lower ordinal, then the lower id', async () => {
    const place = new Workplace();
    partOf(place, 2, 'a', [0, 1, 2]);
    partOf(place, 1, 'z', [1, 2]);
    partOf(place, 1, 'y', [2]);
    expect((await texts(place)).slice(0, 4)).toEqual([
      'by 2 a',
      'by 1 z',
      'by 1 y',
      rightAnswer(rowsOf(10).row(3).request).text,
    ]);
    place.remove();
  });

  it('never lose an answer to a failure', async () => {
    const place = new Workplace();
    partOf(place, 1, 'a', [0], 'failed');
    partOf(place, 2, 'b', [0]);
    expect((await texts(place))[0]).toBe('by 2 b');
    place.remove();
  });

  it('are both paid for, each once, however many copies of their records there are', async () => {
    const place = new Workplace();
    partOf(place, 1, 'a', [0, 1, 2, 3, 4]);
    partOf(place, 2, 'b', [3, 4, 5]);
    const [copy] = place.store.keys('parts/');
    place.store.objects.set(`${copy}-copy`, Buffer.from(place.store.objects.get(copy ?? '') ?? ''));
    const endpoint = scriptedEndpoint(rightAnswer);
    const output = await runShard(place.shard(rowsOf(10), endpoint));
    expect(endpoint.total.calls).toBe(4);
    expect(output.usage.calls).toBe(5 + 3 + 4);
    place.remove();
  });

  it('are both paid for where the other one puts its answers into the store only meanwhile', async () => {
    const place = new Workplace();
    partOf(place, 1, 'a', [0, 1]);
    const endpoint = scriptedEndpoint((request) => {
      if (indexOf(request) === 9) {
        partOf(place, 1, 'late', [2, 3, 4]);
        // As a part of its own again: what was there before it.
        const [first = ''] = place.store.keys('parts/');
        place.store.objects.set(`${first}-copy`, Buffer.from(place.store.objects.get(first) ?? ''));
      }
      return rightAnswer(request);
    });
    const output = await runShard(place.shard(rowsOf(10), endpoint));
    expect(endpoint.total.calls).toBe(8);
    expect(output.usage.calls).toBe(2 + 3 + 8);
    expect(output.paidBy['run']).toEqual(output.usage);
    place.remove();
  });

  it('are paid for once where a call that was taken for lost is answered after all', async () => {
    const place = new Workplace();
    // An attempt that still runs: its journal on this machine has calls in flight.
    const run = place.shard(rowsOf(10), scriptedEndpoint(rightAnswer));
    const records = new RecordBuffer();
    records.header({ format: 1, shardKey: run.shardKey, rows: 10 });
    records.attempt({ ordinal: 1, id: 'late', run: 'run' });
    for (const row of [0, 1, 2]) records.intent(row, 0);
    const folder = join(place.journalDir, run.shardKey);
    mkdirSync(folder, { recursive: true });
    fs.writeFileSync(join(folder, '000000.late-0.journal'), records.view());
    const endpoint = scriptedEndpoint((request) => {
      if (indexOf(request) === 9) partOf(place, 1, 'late', [0, 1]);
      return rightAnswer(request);
    });
    const after = place.shard(rowsOf(10), endpoint);
    const output = await runShard(after);
    const prompt = promptTokensMax(rowsOf(10).row(0).request);
    expect(after.progress[0]?.usage).toMatchObject({
      calls: 0,
      lostCalls: 3,
      lostInputTokens: 3 * prompt,
      lostOutputTokens: 48,
    });
    expect(endpoint.total.calls).toBe(10);
    expect(output.usage).toMatchObject({ calls: 2 + 10, lostCalls: 1, lostInputTokens: prompt, lostOutputTokens: 16 });
    expect(output.paidBy['run']).toEqual(output.usage);
    place.remove();
  });

  it('that run at the same time end with the same output: one record, written first', async () => {
    // Two machines, one store: a zombie and its successor, with answers of their own.
    const [here, there] = [new Workplace(), new Workplace()];
    const slow = scriptedEndpoint(async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return { ...rightAnswer(request), text: `zombie ${indexOf(request)}` };
    });
    const outputs = await Promise.all([
      runShard(here.shard(rowsOf(60), slow, { attemptId: 'zombie' })),
      runShard(there.shard(rowsOf(60), scriptedEndpoint(rightAnswer), { attemptId: 'successor', store: here.store })),
    ]);
    expect(outputs[0]).toEqual(outputs[1]);
    // On one machine too: each has a journal of its own.
    const together = new Workplace();
    const runs = ['zombie', 'successor'].map((attemptId) =>
      together.shard(rowsOf(60), scriptedEndpoint(rightAnswer), { attemptId }),
    );
    const [one, other] = await Promise.all(runs.map((run) => runShard(run)));
    expect(one).toEqual(other);
    expect((await together.store.getBlob(one!.results)).toString()).toBe(rightBytes(rowsOf(60)));
    for (const place of [here, there, together]) place.remove();
  });
});
