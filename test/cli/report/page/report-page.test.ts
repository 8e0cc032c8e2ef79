/**
 * Goal: the report page shows every plot in a real browser, in light and in dark, asks for nothing outside itself, can be walked by keyboard,
 * names everything for those who hear it, and shows what models wrote as text.
 * Method: a run of two rounds on the real S3 server (support/made-run.ts), its page opened from disk in Chromium.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Page } from 'playwright-core';
import { readReport } from '../../../../cli/report/read-report';
import { readDetails } from '../../../../cli/report/report-details';
import { reportPage } from '../../../../cli/report/page/report-page';
import { histogram, intervalPlot, roundsPlot } from '../../../../cli/report/page/report-plots';
import { openBundleOf } from '../../../../cli/run/run-config-of';
import type { ArtifactStore } from '../../../../drivers/store/store';
import { isPaperSetUp } from '../../../../method/paper-results';
import type { RunReport } from '../../../../schemas/report';
import type { RunConfig } from '../../../../schemas/run-config';
import { startChromium } from '../../../support/chromium';
import { madeReport } from '../../../support/made-report';
import { makeRun } from '../../../support/made-run';
import { startTestS3, type TestS3 } from '../../../support/s3';

jest.setTimeout(10 * 60_000);

const hostile =
  '</pre><script>document.title = "taken"</script><img src="https://example.org/x.png" onerror="alert(1)">';

let s3: TestS3;
let store: ArtifactStore;
let folder: string;
let browser: Browser;
let report: RunReport;
let config: RunConfig;
let file: string;

beforeAll(async () => {
  browser = await startChromium();
  s3 = await startTestS3();
  store = s3.fresh();
  folder = mkdtempSync(join(tmpdir(), 'arte-page-'));
  await makeRun(store, folder, {
    runId: 'shown',
    rounds: 2,
    teacher: { p_malformed: 0.2 },
    student: { p_without: 0.4 },
  });
  report = await readReport(store, 'shown');
  config = (await openBundleOf(store, 'shown'))!;
  file = join(folder, 'report.html');
  const details = await readDetails(store, report);
  const [pair, ...others] = details.pairs;
  writeFileSync(file, reportPage(report, { ...details, pairs: [{ ...pair!, chosen: hostile }, ...others] }, config));
});
afterAll(async () => {
  await browser.close();
  store.close();
  rmSync(folder, { recursive: true, force: true });
  await s3.stop();
});

/** What the functions below use of the browser that runs them; the project is compiled without the DOM. */
interface InBrowser {
  readonly getComputedStyle: (
    element: unknown,
  ) => Readonly<Record<'fill' | 'stroke' | 'color' | 'backgroundColor', string>>;
  readonly document: {
    querySelector(selector: string): unknown;
    readonly activeElement: { readonly tagName: string; getAttribute(name: string): string | null };
  };
}
interface Box {
  readonly width: number;
  readonly height: number;
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
}

interface Opened {
  readonly page: Page;
  readonly complaints: readonly string[];
  readonly requests: readonly string[];
}

async function open(colorScheme: 'light' | 'dark', path = file): Promise<Opened> {
  const page = await browser.newPage({ colorScheme, viewport: { width: 1000, height: 900 } });
  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(pathToFileURL(path).href);
  return { page, complaints, requests };
}

it('shows every content and key of the lineage whole, in a window of 1,000 pixels', async () => {
  const { page } = await open('light');
  for (const id of ['models-table', 'keys-table']) {
    const frame = page.locator(`[aria-labelledby="${id}-caption"]`);
    const hidden = await frame.evaluate((element) => {
      const { scrollWidth, clientWidth } = element as unknown as { scrollWidth: number; clientWidth: number };
      return scrollWidth - clientWidth;
    });
    expect({ id, hidden }).toEqual({ id, hidden: 0 });
  }
  const names = await page.locator('[aria-labelledby="models-table-caption"] tbody th').allTextContents();
  const models = ['Base of the teacher', 'Base of the student'];
  for (const round of [1, 2]) models.push(`Teacher of round ${round}`, `Student of round ${round}`);
  expect(names).toEqual(models);
  await page.close();
});

it.each(['light', 'dark'] as const)('draws every plot in %s, without a complaint or a request', async (scheme) => {
  const { page, complaints, requests } = await open(scheme);
  const plots = await page.locator('svg').all();
  const ids = await page.locator('svg > title').evaluateAll((titles) => titles.map(({ id }) => id));
  expect(ids).toEqual(
    [
      ...['rounds-0', 'arms-0', 'scores-1', 'scores-2'],
      ...['train-dpo-loss', 'train-sft-loss', 'time', 'outcome-shares'],
    ].map((id) => `${id}-title`),
  );
  for (const plot of plots) {
    expect((await plot.boundingBox())!.height).toBeGreaterThan(60);
    // Every mark has a size and is painted in a colour that is not the ground's.
    const marks = await plot.locator('.fill, .whisker').evaluateAll((all) =>
      all.map((mark) => {
        const { width, height } = mark.getBoundingClientRect() as Box;
        const { fill, stroke } = (globalThis as unknown as InBrowser).getComputedStyle(mark);
        return { size: width + height, paint: mark.classList.contains('whisker') ? stroke : fill };
      }),
    );
    expect(marks.length).toBeGreaterThan(0);
    for (const { size, paint } of marks) {
      expect(size).toBeGreaterThan(0);
      expect(paint).toMatch(/^rgb\(/);
      expect(paint).not.toBe('rgb(0, 0, 0)');
    }
    // No text leaves its plot.
    const cutOff = await plot.evaluate((svg) => {
      const frame = svg.getBoundingClientRect() as Box;
      return [...svg.querySelectorAll('text')]
        .filter((text) => {
          const box = text.getBoundingClientRect() as Box;
          return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
        })
        .map((text) => text.textContent);
    });
    expect(cutOff).toEqual([]);
  }
  expect(complaints).toEqual([]);
  expect(requests.filter((url) => url !== pathToFileURL(file).href && !url.startsWith('data:'))).toEqual([]);
  await page.close();
});

it('is dark where the reader is, and its text can be read on both grounds', async () => {
  const contrastOf = async (scheme: 'light' | 'dark'): Promise<{ ground: number; contrasts: number[] }> => {
    const { page } = await open(scheme);
    const colors = await page.evaluate(() => {
      const { document, getComputedStyle: styleOf } = globalThis as unknown as InBrowser;
      const of = (selector: string) => styleOf(document.querySelector(selector));
      return {
        card: of('section').backgroundColor,
        texts: [
          of('body').color,
          of('thead th').color,
          of('nav a').color,
          of('.plot text').fill,
          of('.plot .muted').fill,
        ],
      };
    });
    await page.close();
    const ground = luminance(colors.card);
    const contrast = (text: string): number => {
      const [high, low] = [luminance(text), ground].sort((one, other) => other - one) as [number, number];
      return (high + 0.05) / (low + 0.05);
    };
    return { ground, contrasts: colors.texts.map(contrast) };
  };
  const [light, dark] = [await contrastOf('light'), await contrastOf('dark')];
  expect(light.ground).toBeGreaterThan(0.8);
  expect(dark.ground).toBeLessThan(0.05);
  // WCAG AA for text.
  expect(Math.min(...light.contrasts, ...dark.contrasts)).toBeGreaterThan(4.5);
});

function luminance(color: string): number {
  const [r = 0, g = 0, b = 0] = (color.match(/\d+/g) ?? []).map((part) => {
    const share = Number(part) / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

it('can be walked by keyboard: skip link, sections, tables, prompts', async () => {
  const { page } = await open('light');
  const reached: string[] = [];
  for (let step = 0; step < 40; step += 1) {
    await page.keyboard.press('Tab');
    reached.push(
      await page.evaluate(() => {
        const at = (globalThis as unknown as InBrowser).document.activeElement;
        return at.getAttribute('href') ?? at.getAttribute('aria-labelledby') ?? at.tagName;
      }),
    );
  }
  expect(reached[0]).toBe('#main');
  expect(reached).toEqual(
    expect.arrayContaining(['#students', '#lineage', 'students-table-caption', 'cost-table-caption', 'SUMMARY']),
  );
  await page.locator('summary').first().focus();
  await page.keyboard.press('Enter');
  await expect(page.locator('details[open] pre').first().isVisible()).resolves.toBe(true);
  await page.close();
});

it('names its plots, tables and columns', async () => {
  const { page } = await open('light');
  const count = (selector: string): Promise<number> => page.locator(selector).count();
  for (const svg of await page.locator('svg').all()) {
    const [title, description] = ((await svg.getAttribute('aria-labelledby')) ?? '').split(' ');
    expect(await svg.getAttribute('role')).toBe('img');
    expect((await page.locator(`#${title!}`).textContent())!.length).toBeGreaterThan(10);
    expect((await page.locator(`#${description!}`).textContent())!.length).toBeGreaterThan(10);
  }
  expect(await count('table')).toBe(await count('table > caption'));
  expect(await count('thead th:not([scope=col])')).toBe(0);
  expect(await count('tbody tr')).toBe(await count('tbody th[scope=row]'));
  expect(await page.locator('html').getAttribute('lang')).toBe('en');
  const ids = await page.locator('[id]').evaluateAll((all) => all.map(({ id }) => id));
  expect(new Set(ids).size).toBe(ids.length);
  await page.close();
});

it('shows what a model wrote as text', async () => {
  const { page, requests } = await open('light');
  await expect(page.locator('.side.chosen pre').first().textContent()).resolves.toBe(hostile);
  expect(await page.title()).toBe('shown: report');
  expect(await page.locator('script, img, iframe').count()).toBe(0);
  expect(requests.some((url) => url.includes('example.org'))).toBe(false);
  await page.close();
});

it('holds the figures of the report', async () => {
  const { page } = await open('light');
  const text = (await page.locator('main').textContent()) ?? '';
  const best = report.arms.findLast(({ name, round }) => name === 'arte' && round === report.bestRound)!;
  expect(report.bestRound).toBeGreaterThan(0);
  expect(await page.locator('dl.tiles').first().textContent()).toContain(
    `accuracy after alignment of round ${best.round}, ${best.shots}-shot${(100 * best.accuracy).toFixed(1)} %`,
  );
  for (const { accuracy, low, high } of report.arms)
    expect(text).toContain(`${(100 * accuracy).toFixed(1)} (${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)})`);
  for (const { key } of report.stages) expect(text).toContain(key);
  expect(text).not.toContain('The paper');
  expect(text).not.toMatch(/NaN|undefined|\[object/);
  await page.close();
});

it("puts the paper's figures beside its own set-up, and beside no other", async () => {
  const paper = {
    ...config,
    tasks: Array.from({ length: 23 }, () => ({ ...config.tasks[0], source: 'bbh-json' })),
    models: {
      teacher: { ...config.models.teacher, source: 'hf:meta-llama/Meta-Llama-3-70B-Instruct' },
      student: { ...config.models.student, source: 'hf:google/gemma-2b' },
    },
  } as unknown as RunConfig;
  expect(isPaperSetUp(paper)).toBe(true);
  expect(isPaperSetUp({ ...paper, tasks: paper.tasks.slice(1) })).toBe(false);
  expect(isPaperSetUp({ ...paper, models: { ...paper.models, student: config.models.student } })).toBe(false);
  const path = join(folder, 'paper.html');
  writeFileSync(path, reportPage(report, await readDetails(store, report), paper));
  const { page } = await open('light', path);
  const row = page.locator('#students tbody tr', { hasText: 'aligned teacher' }).first();
  await expect(page.locator('#students thead').first().textContent()).resolves.toContain('The paper, %');
  await expect(row.textContent()).resolves.toMatch(/41\.9[56]|42\.0|37\.[56]/);
  expect(await page.locator('.hollow').count()).toBeGreaterThan(0);
  await page.close();
});

it('shows means over tasks and categories, the spread over seeds, and how answers were read, where there are several', async () => {
  const several = madeReport({
    arms: ['untuned', 'original_teacher', 'arte'],
    students: 3,
    tasks: { sums: 'algorithmic', words: 'language', rhymes: 'language' },
  });
  const path = join(folder, 'several.html');
  writeFileSync(path, reportPage(several, { rounds: [], pairs: [] }, undefined));
  const { page, complaints } = await open('light', path);
  const rows = page.locator('#students tbody tr');
  const aligned = several.arms.at(-1)!;
  const head = await page.locator('#students thead').first().textContent();
  for (const column of ['Mean over tasks, %', 'Mean over categories, %', 'SD over seeds', 'Answers'])
    expect(head).toContain(column);
  const shown = (share: number) => (100 * share).toFixed(1);
  const { macro, students, answers } = aligned;
  const text = await rows.nth(several.arms.length - 1).textContent();
  expect(text).toContain(`${shown(macro.overTasks.accuracy)} ± ${shown(macro.overTasks.stderr)}`);
  expect(text).toContain(`${shown(macro.overCategories.accuracy)} ± ${shown(macro.overCategories.stderr)}`);
  expect(text).toContain(shown(students.standardDeviation));
  const read = await page
    .locator('table', { hasText: 'How the answers were read' })
    .locator('tbody tr')
    .last()
    .locator('td')
    .allTextContents();
  expect(read).toEqual([answers.tagged, answers.untagged, answers.truncated, answers.unreadable].map(String));
  await expect(page.locator('dl.legend').first().textContent()).resolves.toContain('cut off at max_tokens');
  expect(complaints).toEqual([]);
  await page.close();
  const one = reportPage(report, { rounds: [], pairs: [] }, undefined);
  expect(one).not.toMatch(/Mean over|SD over seeds<\/th>/);
});

it('the last decision has the intervals of the report, and every score rests on answers that are counted', () => {
  const { decision } = report.rounds.at(-1)!;
  const aligned = report.arms.filter(({ name, round }) => name === 'arte' && round === 2);
  expect(decision['against']).toEqual(
    aligned.flatMap(({ shots, comparisons }) => comparisons.map((comparison) => ({ shots, ...comparison }))),
  );
  expect(decision['against']).toHaveLength(2);
  for (const { facts, outcomes } of report.stages.filter(({ name }) => name === 'score-drafts')) {
    const { answers, cells } = facts['quality'] as { answers: Record<string, number>; cells: number };
    expect(Object.values(answers).reduce((sum, count) => sum + count, 0)).toBe(cells);
    expect([answers['unreadable'], answers['truncated']]).toEqual([outcomes['malformed'], outcomes['truncated']]);
  }
});

it('a report without students says why', () => {
  const cancelled = reportPage({ ...report, status: 'CANCELLED', arms: [] }, { rounds: [], pairs: [] }, undefined);
  expect(cancelled).toContain(
    'No student was evaluated in a whole round: the run was cancelled after decide in round 2.',
  );
});

it('a report with nothing in it is a page all the same', async () => {
  const empty: RunReport = { ...report, rounds: [], arms: [], stages: [], notes: [] };
  const path = join(folder, 'empty.html');
  writeFileSync(path, reportPage(empty, { rounds: [], pairs: [] }, undefined));
  const { page, complaints } = await open('dark', path);
  await expect(page.locator('h1').textContent()).resolves.toBe('shown');
  expect(complaints).toEqual([]);
  await page.close();
});

it('the table of training sets is seen whole, with as much in it as a small run has', async () => {
  const path = join(folder, 'sets.html');
  const dropped = { in_seeds: 3, duplicate: 1 };
  const stages = report.stages.map((stage) =>
    stage.facts['hygiene'] === undefined
      ? stage
      : { ...stage, facts: { ...stage.facts, hygiene: { ...(stage.facts['hygiene'] as object), dropped } } },
  );
  const answersGiven = { drafts: true, tailored: true };
  writeFileSync(path, reportPage({ ...report, stages, answersGiven }, { rounds: [], pairs: [] }, config));
  const { page } = await open('light', path);
  const [frame] = await page
    .locator('#training-sets .frame')
    .evaluateAll((all) => all.map(({ scrollWidth, clientWidth }) => ({ scrollWidth, clientWidth })));
  expect(frame!.scrollWidth).toBe(frame!.clientWidth);
  await page.close();
});

it('plots hold at their ends: nothing right, all right, one of a kind', () => {
  const text = { id: 'p', title: 't', description: 'd' };
  const marks = [0, 1].map((accuracy) => ({
    name: String(accuracy),
    color: 'arm-1',
    round: 1,
    accuracy,
    low: 0,
    high: 1,
  }));
  const drawn = [
    intervalPlot(text, marks),
    roundsPlot(text, marks),
    histogram(text, [{ name: '0', count: 0 }], 'arm-1'),
  ];
  for (const svg of drawn) expect(svg).not.toMatch(/NaN|Infinity/);
});
