/** What the student preferred, on the page: the scores of the drafts, how far they can be trusted, and the widest pairs side by side. */
import { isByItems } from '../../../method/signals';
import type { RunReport } from '../../../schemas/report';
import type { PairRow, Prompt } from '../../../schemas/rows';
import { formatCount } from '../../output';
import {
  agreementColumns,
  agreementNote,
  agreementRows,
  agreementTitle,
  signalRows,
  signalsColumns,
  signalsTitle,
} from '../report-agreement';
import { scoredAnswers } from '../report-answers';
import type { ReportDetails, RoundDetails } from '../report-details';
import { points } from '../report-words';
import { areShares, scoreText } from '../score-text';
import { capital, table } from './html-table';
import { escaped, histogram, type HistogramBin } from './report-plots';
import { answersTable } from './students';

/** Rounds whose scores are drawn: the last ones, so that a run of many rounds stays a page. */
const roundsDrawnMax = 3;
/** A histogram has a bar for every possible score up to so many probe items, else this many bins. */
const scoreBinsMax = 24;
/** A text of a pair is cut to this on the page; arte trace has all of it. */
const pairCharactersMax = 1_200;

export function preferences({ rounds }: ReportDetails, report: RunReport): string {
  const shown = rounds.filter(({ scores, quality }) => scores.length > 0 || quality).slice(-roundsDrawnMax);
  // Of a round that was broken off there are the stages, and no round.
  const read = scoredAnswers(report)
    .filter(({ round }) => shown.length === 0 || shown.some((one) => one.round === round))
    .slice(-roundsDrawnMax)
    .map(({ round, answers }) => ({ name: `Round ${round}`, answers }));
  const [chosen, ranked] = [agreementRows(report), signalRows(report)];
  if (shown.length + read.length + chosen.length + ranked.length === 0) return '';
  const plots = shown
    .filter(({ scores }) => scores.length > 0)
    .map((round) => {
      const share = areShares(round.scores.map(({ score }) => score));
      const bins = share ? scoreBins(round) : valueBins(round);
      const unit = share ? ' %' : '';
      const description = bins.filter(({ count }) => count > 0).map(({ name, count }) => `${name}${unit}: ${count}`);
      return histogram(
        {
          id: `scores-${round.round}`,
          title: `Scores of the drafts in round ${round.round}: ${scoreWords(round, share)}`,
          description: `${round.scores.length} drafts. ${description.join('; ')}`,
        },
        bins,
        'arm-aligned',
      );
    });
  const optional = (value: number | null | undefined): string =>
    typeof value === 'number' ? value.toFixed(2) : 'cannot be told';
  const shares = new Map(shown.map(({ round, scores }) => [round, areShares(scores.map(({ score }) => score))]));
  const rows = shown.flatMap(({ round, quality }) =>
    quality
      ? [
          [
            `Round ${round}`,
            formatCount(quality.drafts),
            formatCount(quality.cells),
            optional(quality.reliability),
            scoreText(quality.spread, shares.get(round) !== false),
            scoreText(quality.meanStderr, shares.get(round) !== false),
            quality.tiedShare === null ? 'cannot be told' : `${points(quality.tiedShare)} %`,
          ],
        ]
      : [],
  );
  const columns = [
    'Scores of',
    'Drafts',
    'Cells',
    // Of a signal without probe items, and of a combination, there are no halves.
    shown.every(({ signal }) => isByItems(signal)) ? 'Reliability (split half)' : 'Reliability (by standard errors)',
    ...([...shares.values()].every(Boolean)
      ? ['Spread, points', 'Standard error, points']
      : ['Spread', 'Standard error']),
    'Questions whose drafts tie',
  ];
  return `${plots.join('\n')}
${rows.length > 0 ? table('quality-table', 'How far the scores can be trusted', columns, rows) : ''}
${chosen.length > 0 ? `${table('agreement-table', agreementTitle, agreementColumns.map(capital), chosen)}<p class="legend">${escaped(agreementNote)}</p>` : ''}
${ranked.length > 0 ? table('signals-table', signalsTitle, signalsColumns.map(capital), ranked) : ''}
${read.length > 0 ? answersTable('scored-answers-table', 'How the answers behind the scores were read', 'Scores of', read) : ''}`;
}

function scoreWords({ signal }: RoundDetails, share: boolean): string {
  if (signal === 'combined') return 'mean share of ranks, %, by several signals';
  return share ? 'share of probe items, %, that the student got right after one' : (signal ?? 'by another signal');
}

/** Equal bins from the lowest to the highest score. */
function valueBins({ scores }: RoundDetails): HistogramBin[] {
  const values = scores.map(({ score }) => score);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const width = (high - low) / scoreBinsMax || 1;
  const counts = new Array<number>(scoreBinsMax).fill(0);
  for (const value of values) {
    const at = Math.min(scoreBinsMax - 1, Math.floor((value - low) / width));
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((count, index) => ({ name: (low + (index + 0.5) * width).toFixed(2), count }));
}

/** A bar for every score that is possible where the probe items are few, else equal bins. */
function scoreBins({ scores }: RoundDetails): HistogramBin[] {
  const items = Math.max(...scores.map(({ n }) => n));
  const steps = Math.min(items, scoreBinsMax);
  const counts = new Array<number>(steps + 1).fill(0);
  for (const { score } of scores) {
    const at = Math.round(score * steps);
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return counts.map((count, index) => ({ name: String(Math.round((100 * index) / steps)), count }));
}

export function pairs({ pairs: shown, pairsRound }: ReportDetails): string {
  if (shown.length === 0) return '';
  return `<p>The widest gaps of round ${pairsRound ?? ''}: what the student learns better from, beside what it learns worse from.</p>
${shown.map(pairOf).join('\n')}`;
}

function pairOf(pair: PairRow): string {
  const share = areShares([pair.chosenScore, pair.rejectedScore]);
  const side = (name: string, score: number, text: string, kind: string): string =>
    `<div class="side ${kind}"><h4>${name} <span>score ${scoreText(score, share)}</span></h4><pre>${escaped(shortened(text))}</pre></div>`;
  const prompt = pair.prompt as unknown as Prompt;
  const asked =
    prompt.kind === 'completion'
      ? prompt.text
      : prompt.messages.map(({ role, content }) => `[${role}]\n${content}`).join('\n');
  return `<article class="pair"><h3>${pair.kind === 'question' ? 'Questions' : 'Rationales'} of ${escaped(pair.task)} <code>${escaped(pair.id)}</code></h3>
<details><summary>Prompt</summary><pre>${escaped(shortened(asked))}</pre></details>
<div class="sides">${side('Chosen', pair.chosenScore, pair.chosen, 'chosen')}${side('Rejected', pair.rejectedScore, pair.rejected, 'rejected')}</div></article>`;
}

function shortened(text: string): string {
  return text.length > pairCharactersMax ? `${text.slice(0, pairCharactersMax)}…` : text;
}
