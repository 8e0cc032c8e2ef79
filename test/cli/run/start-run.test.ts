/**
 * Goal: of several commands that start one run at once one has started it, and says so in the run's actions; the others attach.
 * Method: a store in memory, and an engine of the test that keeps Temporal's promise: one of the starts of an id wins.
 */
import {
  WorkflowExecutionAlreadyStartedError,
  WorkflowIdConflictPolicy,
  WorkflowNotFoundError,
  type Client,
  type WorkflowStartOptions,
} from '@temporalio/client';
import { readActions } from '../../../activities/run-actions';
import { startRun } from '../../../cli/run/start-run';
import { runConfigSchema } from '../../../schemas/run-config';
import { MemoryStore } from '../../activities/row-engine/memory-store';

const config = runConfigSchema.parse({
  version: 1,
  name: 'racing',
  models: {
    teacher: { source: 'hf:scripts/teacher', endpoint: { kind: 'scripted', script: 'teacher' } },
    student: { source: 'hf:scripts/student', endpoint: { kind: 'scripted', script: 'student' } },
  },
  tasks: [{ source: 'builtin', family: 'larger-number' }],
});

function engine() {
  const state = { status: undefined as string | undefined, starts: 0 };
  const client = {
    workflow: {
      getHandle: (id: string) => ({
        describe: () =>
          state.status === undefined
            ? Promise.reject(new WorkflowNotFoundError('none', id, undefined))
            : Promise.resolve({ status: { name: state.status } }),
      }),
      start: async (type: string, { workflowId, workflowIdConflictPolicy }: WorkflowStartOptions) => {
        await new Promise((resolve) => setImmediate(resolve));
        if (state.status === 'COMPLETED' || state.status === 'RUNNING') {
          if (state.status === 'RUNNING' && workflowIdConflictPolicy === WorkflowIdConflictPolicy.USE_EXISTING) return;
          throw new WorkflowExecutionAlreadyStartedError('already started', workflowId, type);
        }
        state.status = 'RUNNING';
        state.starts += 1;
      },
    },
  } as unknown as Client;
  return { client, state };
}

it('of three at once one has started the run, and the start is recorded once', async () => {
  const store = new MemoryStore();
  const { client, state } = engine();
  const session = { client, store, embedded: false, close: () => Promise.resolve() };
  const start = () => startRun(session, { config, configDir: '.' }, 'racing');
  const how = (await Promise.all([start(), start(), start()])).map((started) => started.how);
  expect(how.sort()).toEqual(['attached', 'attached', 'started']);
  expect(state.starts).toBe(1);
  expect((await readActions(store, 'racing')).map(({ action }) => action)).toEqual(['start']);

  state.status = 'FAILED';
  const again = (await Promise.all([start(), start()])).map((started) => started.how);
  expect(again.sort()).toEqual(['attached', 'resumed']);
  expect((await readActions(store, 'racing')).map(({ action }) => action)).toEqual(['start', 'restart']);

  state.status = 'COMPLETED';
  expect((await start()).how).toBe('done');
});
