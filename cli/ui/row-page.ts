/** A row and what it came from, as `arte trace` shows it, and the way to open one. Owns the layout; the words are trace-view.ts. */
import type { StageRecord } from '../../schemas/messages';
import { stageLabel } from '../../schemas/stage-names';
import { noColors } from '../output';
import { escaped } from '../report/page/report-plots';
import { callFields, madeWords, rowFields, type TraceField } from '../lineage/trace-view';
import { tracedStages, type RowTrace } from '../lineage/trace-row';
import { runLink, type Page } from './page';

/** The way to a row: by its name, or from the first row of a stage. */
export function rowForm(runId: string, stages: readonly StageRecord[]): string {
  const traced = stages.filter(({ stage }) => tracedStages.has(stage));
  const links = traced.map(({ stage, arm, round }) => {
    const label = stageLabel(stage, arm);
    return `<li>${rowLink(runId, `${label}:0`, round, `${label}, round ${round}`)}</li>`;
  });
  return `<form data-form="row" data-run="${escaped(runId)}" data-keep="row-form" class="inline">
<p><label for="row-name">Row</label><input id="row-name" name="row" required autocomplete="off" spellcheck="false" aria-describedby="row-hint"><label for="row-round">Round</label><input id="row-round" name="round" inputmode="numeric" pattern="[1-9][0-9]*" size="3"> <button type="submit">Open the row</button></p>
<p class="hint" id="row-hint">a row key, an id, or ARM:INDEX (also STAGE:INDEX), counted from 0: arte-0shot:3, arte:0, build-pairs:7. The round only where several have it.</p></form>
${links.length === 0 ? '' : `<details data-key="row-links"><summary>First rows of finished stages</summary><ul class="links">${links.join('')}</ul></details>`}`;
}

function rowLink(runId: string, row: string, round: number, words: string): string {
  const [run, name] = [runId, row].map((each) => escaped(encodeURIComponent(each)));
  return `<a href="#/runs/${run}/rows/${name}?round=${round}">${escaped(words)}</a>`;
}

export function rowPage(runId: string, trace: RowTrace): Page {
  const { address, round, kind } = trace;
  const [, stage = '', digits = '0'] = /^(.*):(\d+)$/.exec(address) ?? [];
  const index = Number(digits);
  const beside = [
    ...(index > 0 ? [rowLink(runId, `${stage}:${index - 1}`, round, 'row before')] : []),
    rowLink(runId, `${stage}:${index + 1}`, round, 'next row'),
  ];
  const html = `<h1 tabindex="-1">${kind} ${escaped(address)}, round ${round}</h1>
<p class="facts">of ${runLink(runId)}; ${beside.join(', ')}. The same on the command line: <code>arte trace ${escaped(runId)} ${escaped(address)} --round ${round} --full</code></p>
${step(trace, '', new Set())}`;
  return { title: `${address} of ${runId}`, html, said: `${kind} ${address} of ${runId}, round ${round}` };
}

function step(trace: RowTrace, role: string, shown: Set<string>): string {
  const title = `${role === '' ? '' : `${role}: `}${trace.kind} ${trace.address}, round ${trace.round}`;
  const identity = `${trace.kind} ${trace.address} ${trace.round}`;
  if (shown.has(identity)) return `<section><h2>${escaped(title)}</h2><p>as above</p></section>`;
  shown.add(identity);
  const made: TraceField[] = [
    ['stage', madeWords(trace.stage)],
    ['key', trace.stage.key],
  ];
  const note: TraceField[] = trace.note === undefined ? [] : [['note', trace.note]];
  return `<section><h2>${escaped(title)}</h2>
${fields([...made, ...rowFields(trace, noColors), ...note])}
${trace.call ? `<h3>The call</h3>${fields(callFields(trace.call, noColors))}` : ''}</section>
${trace.from.map(({ role: next, trace: behind }) => step(behind, next, shown)).join('\n')}`;
}

/** A field without a name goes on with the one before. */
function fields(all: readonly TraceField[]): string {
  const body = all.map(
    ([name, value]) => `${name === '' ? '' : `<dt>${escaped(name)}</dt>`}<dd><pre>${escaped(value)}</pre></dd>`,
  );
  return `<dl class="fields">${body.join('')}</dl>`;
}
