/**
 * What a finished run left in the store, as far as two runs of one config can be compared by it: stages with their keys and the hashes of their
 * outputs, rows by their identity, arms, and the account. Owns reading it; judging it is compare.ts.
 */
import { readLedger } from '../../activities/budget';
import { readStages } from '../../activities/run-records';
import type { ArtifactStore } from '../../drivers/store/store';
import { costOfLostCalls, ledgerTotals, priceOf } from '../../method/ledger';
import { mediaTypes, type ArtifactRef } from '../../schemas/artifact-ref';
import { stageManifestSchema } from '../../schemas/manifest';
import type { RunConfig } from '../../schemas/run-config';
import { stageLabel, type StageName } from '../../schemas/stage-names';
import { readReport } from '../report/read-report';

export interface OutputSnapshot {
  readonly sha256: string;
  readonly rows: number;
  /** Identities of its rows in order, where rows have one. */
  readonly ids?: readonly string[];
}

export interface StageSnapshot {
  /** "round 1 evaluate/arte-0shot". */
  readonly place: string;
  readonly stage: StageName;
  readonly key: string;
  readonly outputs: Readonly<Record<string, OutputSnapshot>>;
  /** Calls that this run was answered and paid for. */
  readonly calls: number;
  /** Of a training: what it ran on. */
  readonly device?: string;
}

export interface Account {
  /** By the ledger. */
  readonly spent: number;
  /** By the stages' recorded answers, and at most for calls that died in flight. */
  readonly cost: number;
  readonly lost: number;
  /** Pieces of work that the ledger still holds open. */
  readonly open: number;
}

export interface RunSnapshot {
  readonly stages: readonly StageSnapshot[];
  /** Accuracy by "round arm". */
  readonly arms: Readonly<Record<string, number>>;
  readonly account: Account;
  readonly calls: number;
  readonly lostCalls: number;
}

export async function takeSnapshot(store: ArtifactStore, runId: string, config: RunConfig): Promise<RunSnapshot> {
  const report = await readReport(store, runId);
  const stages: StageSnapshot[] = [];
  for (let round = 1; round <= config.rounds.count; round += 1)
    for (const { stage, arm, key, usage } of await readStages(store, runId, round)) {
      const document = await store.getDocument(`stages/${key}.json`);
      const { outputs, facts } = stageManifestSchema.parse(document);
      const seen: Record<string, OutputSnapshot> = {};
      for (const [name, ref] of Object.entries(outputs)) seen[name] = await outputOf(store, ref);
      const place = `round ${round} ${stageLabel(stage, arm)}`;
      const { device } = facts;
      const on = typeof device === 'string' ? { device } : {};
      stages.push({ place, stage, key, outputs: seen, calls: usage.calls, ...on });
    }
  const ledger = await readLedger(store, runId, config);
  const lost = report.stages.reduce((sum, stage) => {
    const price = priceOf(config, stage.name, stage.arm);
    return sum + (price ? costOfLostCalls(stage, price) : 0);
  }, 0);
  return {
    stages,
    arms: Object.fromEntries(
      report.arms.map(({ name, round, shots, accuracy }) => [`round ${round} ${name} ${shots}-shot`, accuracy]),
    ),
    account: {
      spent: ledgerTotals(ledger).spent,
      cost: report.totals.cost,
      lost,
      open: Object.keys(ledger.open).length,
    },
    calls: report.totals.calls,
    lostCalls: report.totals.lostCalls,
  };
}

async function outputOf(store: ArtifactStore, ref: ArtifactRef): Promise<OutputSnapshot> {
  const { sha256, rows, mediaType } = ref;
  if (mediaType !== mediaTypes.jsonl) return { sha256, rows };
  const ids: string[] = [];
  for await (const line of store.getLines(ref)) {
    const id = identityOf(JSON.parse(line) as Record<string, unknown>);
    if (id === undefined) return { sha256, rows };
    ids.push(id);
  }
  return { sha256, rows, ids };
}

/** What makes a row this row and no other: its key or id, its cell, or its item; undefined where rows have nothing of the kind. */
function identityOf(row: Record<string, unknown>): string | undefined {
  for (const names of [['key'], ['id'], ['draftId', 'probeId'], ['task', 'itemId', 'shots']])
    if (typeof row[names[0] ?? ''] === 'string') {
      const [last = ''] = names.slice(-2);
      if (names.length < 3 || typeof row[last] === 'string')
        return JSON.stringify(names.map((name) => row[name] ?? null));
    }
  return undefined;
}
