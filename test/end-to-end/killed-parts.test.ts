/**
 * Goal: any part may die at any moment and the run ends as if nothing had been: no finished stage is made again, a killed training goes on at
 * its last checkpoint, no process is left over.
 * Method: the smoke config on the real parts (Temporal, SeaweedFS, llama.cpp, TRL); kill -9 of the model server, the worker, Temporal, the
 * trainer and the S3 server, each in the middle of a stage that needs it.
 */
import { readFileSync, writeFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { packageRoot } from '../../drivers/package-root';
import type { RunReport } from '../../schemas/report';
import { stageLabel } from '../../schemas/stage-names';
import type { LiveStage } from '../../cli/run/run-progress';
import { openWorkspace, processesOf, succeed, waitFor, type Workspace } from '../support/cli';
import { openRunLook, type RunLook } from '../support/run-look';

jest.setTimeout(15 * 60_000);

/** What is killed where. `when` says that the stage is under way, not about to begin or to end. */
const killings: readonly { part: string; matches: RegExp; stages: RegExp; when?: (live: LiveStage) => boolean }[] = [
  { part: 'model server', matches: /serve\.py/, stages: /^(sample-|score-)/ },
  { part: 'worker', matches: /main\.js (worker )?--role/, stages: /^score-drafts$/, when: ({ done }) => done >= 3 },
  {
    part: 'Temporal',
    matches: /temporal.* server start-dev/,
    stages: /^(score-drafts|train-dpo|.*untuned|.*original)/,
  },
  { part: 'trainer', matches: /train\.py/, stages: /^train-dpo$/, when: ({ done }) => done >= 2 },
  { part: 'S3 server', matches: /weed .*mini/, stages: /^(tailor-.*\/arte|train-sft)/ },
];

describe('a run whose parts are killed', () => {
  let workspace: Workspace;
  let run: RunLook;
  beforeAll(() => {
    workspace = openWorkspace();
    run = openRunLook(workspace, 'killed');
  });
  afterAll(async () => {
    await run.close();
    await workspace.close();
  });

  it('ends, makes no finished stage again, and leaves no process', async () => {
    const document = parseDocument(readFileSync(join(packageRoot(), 'examples', 'smoke.yaml'), 'utf8'));
    document.set('name', 'killed');
    // Enough of everything that there is a middle to be killed in; a checkpoint after each step.
    document.setIn(['questions', 'per_task'], 12);
    document.setIn(['pairs', 'rationale', 'per_task'], 12);
    document.setIn(['tailor', 'per_task'], 24);
    document.setIn(['align', 'max_steps'], 6);
    document.setIn(['align', 'checkpoint_steps'], 1);
    const path = join(workspace.dir, 'killed.yaml');
    writeFileSync(path, document.toString());
    await succeed(workspace, 'run', path, '--detach');

    const finishedBefore = new Map<string, number>();
    const killed: string[] = [];
    for (const { part, matches, stages, when = () => true } of killings) {
      const victims = await waitFor(`the ${part} to be at work in ${String(stages)}`, 240_000, async () => {
        const view = await run.view();
        if (view === undefined) return undefined;
        const { progress, finished, live } = view;
        if (progress.attention) throw new Error(`parked: ${JSON.stringify(progress.attention)}`);
        if (progress.status === 'DONE') throw new Error(`the run ended before the ${part} could be killed`);
        if (!live.some((stage) => stages.test(stage.label) && when(stage))) return undefined;
        for (const record of finished) finishedBefore.set(stageLabel(record.stage, record.arm), record.seconds);
        const found = processesOf(workspace).filter(
          ({ command }) => matches.test(command) && !command.includes('guard.py'),
        );
        return found.length > 0 ? found : undefined;
      });
      for (const { pid } of victims) process.kill(pid, 'SIGKILL');
      killed.push(part);
    }
    expect(killed).toHaveLength(killings.length);

    await waitFor('the run to end', 300_000, async () => {
      const progress = (await run.view())?.progress;
      if (progress?.attention) throw new Error(`parked: ${JSON.stringify(progress.attention)}`);
      return progress?.status === 'DONE' ? true : undefined;
    });
    const report = JSON.parse((await succeed(workspace, 'report', 'killed', '--json')).stdout) as RunReport;
    expect(finishedBefore.size).toBeGreaterThan(5);
    const told = new Map(
      report.stages.map(({ name, arm, seconds, reused }) => [stageLabel(name, arm), { seconds, reused }]),
    );
    // Made again would mean another manifest, with another time.
    expect([...finishedBefore.keys()].map((label) => [label, told.get(label)])).toEqual(
      [...finishedBefore].map(([label, seconds]) => [label, { seconds, reused: false }]),
    );
    const training = report.stages.find(({ name }) => name === 'train-dpo');
    expect(training?.facts['steps']).toBe(6);
    expect((training?.facts['resumedFromSteps'] as number[]).at(0)).toBeGreaterThanOrEqual(1);

    await succeed(workspace, 'down');
    expect(processesOf(workspace)).toEqual([]);
    expect(readdirSync(join(workspace.dataDir, 'journals'))).toEqual([]);
  });
});
