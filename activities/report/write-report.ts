/**
 * report: the run's own account, from the rounds' records, the stages' manifests and the predictions. Written new each time (it holds what this
 * run reused), and honest: every accuracy has its interval, every comparison is paired on the same items, a gain within noise is called that.
 * Owns what stands in it and in which order; each part is a file of this folder.
 */
import type { ArtifactStore } from '../../drivers/store/store';
import { ledgerTotals } from '../../method/ledger';
import type { ArtifactRef } from '../../schemas/artifact-ref';
import type { JsonValue } from '../../schemas/json';
import type { ReportInput } from '../../schemas/messages';
import { reportVersion, type RunReport } from '../../schemas/report';
import { readLedger } from '../budget';
import { noticeWarnings, readNotices } from '../notices';
import { runKeys } from '../run-records';
import { reportLines, reportTransfer } from './arms';
import { gatherRun } from './gather';
import { earlierNotes, estimateNotes, lossNotes, paymentNotes } from './money-notes';
import { notesOf } from './notes';
import { bestRoundOf, reportRound } from './rounds';
import { plannedAndMade, reportStage } from './stages';
import { totalsOf, wallOf } from './totals';

/** Make and store the report; it replaces an earlier one of the same run. */
export async function writeReport(store: ArtifactStore, input: ReportInput): Promise<ArtifactRef> {
  const traces = await gatherRun(store, input);
  const { config, rounds, manifests, actions, kept } = traces;
  const stages = plannedAndMade(input.runId, traces);
  const earlier = traces.setAside.map((record) => reportStage(input.runId, record, manifests.get(record.key), config));
  const arms = await reportLines(store, rounds.at(-1)?.evaluations ?? [], rounds, manifests);
  const transfer = await reportTransfer(store, rounds, manifests, config);
  const { spent } = ledgerTotals(await readLedger(store, input.runId, config));
  const totals = { ...totalsOf([...stages, ...earlier], config), spent };
  const report: RunReport = {
    schemaVersion: reportVersion,
    runId: input.runId,
    name: config.name,
    status: input.status,
    rounds: rounds.flatMap((round) => reportRound(round, manifests)),
    ...bestRoundOf(rounds),
    arms,
    ...(transfer.length > 0 && { transfer }),
    stages,
    totals,
    ...wallOf(traces.startedAt, actions, Date.now()),
    leaksKept: config.hygiene.contamination.action === 'keep',
    answersGiven: { drafts: config.rationales.answer === 'given', tailored: config.tailor.answer === 'given' },
    ...(kept && { planned: { madeAt: kept.madeAt, left: kept.plan.prices.left } }),
    notes: [
      ...earlierNotes(earlier, config),
      ...lossNotes(stages, config),
      ...estimateNotes(stages),
      ...paymentNotes(input.runId, stages, totals, config),
      ...notesOf(config, stages, arms, rounds),
      ...noticeWarnings(await readNotices(store, input.runId)),
      ...(input.status === 'CANCELLED'
        ? [
            'Calls of stages that were broken off are not in this account; their answers are kept for when the run goes on.',
          ]
        : []),
    ],
    ...(actions.length > 0 ? { actions } : {}),
    writtenAt: new Date().toISOString(),
  };
  const text = JSON.stringify(report);
  await store.putDocument(runKeys.report(input.runId), report as unknown as JsonValue);
  return store.putBlob(text, { mediaType: 'application/json', rows: 1 });
}
