/** `arte diff A B`: what differs between two runs, where it begins, and what came of it. */
import type { Command } from 'commander';
import { openLineage } from '../../activities/lineage';
import { diffRuns } from '../lineage/diff-runs';
import { printDiff } from '../lineage/diff-view';
import { printJson } from '../output';
import { roundNumber } from '../report/report-round';
import { openSession } from '../session';

export function register(program: Command): void {
  program
    .command('diff')
    .argument('<a>', 'id of a run')
    .argument('<b>', 'id of another run')
    .description('what differs between two runs: settings, stages and why, rows, accuracies')
    .option('--round <n>', "compare the accuracies of this round (default: each run's best)")
    .option('--json', 'as JSON')
    .action(async (a: string, b: string, options: { round?: string; json?: boolean }) => {
      const round = roundNumber(options.round);
      const session = await openSession({ start: false });
      try {
        const { store } = session;
        const open = async (runId: string) => openLineage(store, runId);
        const diff = await diffRuns(store, await open(a), await open(b), round);
        if (options.json) printJson(diff);
        else printDiff(diff);
      } finally {
        await session.close();
      }
    });
}
