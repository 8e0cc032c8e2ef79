/** `arte notify test CONFIG`: a message to every target of a config, on the way that a run's own take. */
import { randomUUID } from 'node:crypto';
import { WorkflowIdConflictPolicy } from '@temporalio/client';
import type { Command } from 'commander';
import { ArteError } from '../../schemas/errors';
import { notifyLifeMs, notifyTestPatienceMs } from '../../schemas/limits';
import { taskQueues } from '../../schemas/messages';
import type { Notice, NotifyInput } from '../../schemas/notification';
import type { notifyWorkflow } from '../../workflows';
import { loadConfig } from '../config/load-config';
import { colorsFor, exitCodes, printJson, printLine, progress } from '../output';
import { openSession, type Session } from '../session';
import { storeBundle } from '../run/start-run';

export function register(program: Command): void {
  const notify = program.command('notify').description('who is told of a run: the targets of `notify` in a config');
  notify
    .command('test')
    .argument('<config>', "the run's YAML file")
    .description('send a test message to every target, once, from where the io worker runs')
    .option('--json', 'what became of it, as JSON: [{to, state, why}]')
    .action(async (path: string, { json }: { json?: boolean }) => {
      const loaded = await loadConfig(path, { env: process.env, purpose: 'run' });
      const { notify: targets, name, platform } = loaded.config;
      if (targets.length === 0) {
        throw new ArteError('InvalidInput', {
          what: `${path} names nobody to tell.`,
          why: 'Its list `notify` is empty or left out.',
          next: 'Write a target into it: docs/notify.md has examples.',
        });
      }
      const line = progress('connecting');
      const session = await openSession({ platform, start: true, onProgress: (text) => line.update(text) }).catch(
        (error: unknown) => {
          line.fail();
          throw error;
        },
      );
      try {
        line.update('sending');
        const news: NotifyInput['news'] = {
          ...{ id: randomUUID(), event: 'test', at: new Date().toISOString(), status: 'RUNNING', round: 0, rounds: 0 },
          what: `This is a test message of arte for the config ${name}.`,
          next: 'Nothing is to be done.',
        };
        const notices = await send(session, {
          ...{ runId: name, bundle: await storeBundle(session.store, loaded), news, attempts: 1, record: false },
          targets: targets.map((_, place) => place),
        });
        line.done('sent');
        if (json === true) printJson(notices.map(({ to, state, why }) => ({ to, state, why })));
        else for (const notice of notices) printLine(outcomeLine(notice));
        const failed = notices.some(({ state }) => state !== 'delivered');
        process.exitCode = failed ? exitCodes.failed : exitCodes.done;
      } catch (error) {
        line.fail();
        throw error;
      } finally {
        await session.close();
      }
    });
}

/** By a workflow of its own, so that worker, environment and network are those of a run. Errors: NotificationFailed when no worker takes it up. */
async function send({ client }: Session, input: NotifyInput): Promise<readonly Notice[]> {
  const handle = await client.workflow.start<typeof notifyWorkflow>('notifyWorkflow', {
    workflowId: `notify-test-${input.news.id}`,
    taskQueue: taskQueues.workflows,
    args: [input],
    workflowIdConflictPolicy: WorkflowIdConflictPolicy.FAIL,
    workflowExecutionTimeout: notifyLifeMs,
    staticSummary: 'a test message',
  });
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), notifyTestPatienceMs);
  try {
    const outcomes = await client.connection.withAbortSignal(late.signal, () => handle.result());
    return outcomes.map((outcome): Notice => outcome ?? lost(input));
  } catch (error) {
    if (!late.signal.aborted) throw error;
    await handle.terminate('nobody waits for it any more').catch(() => undefined);
    throw new ArteError('NotificationFailed', {
      what: `The test message was not sent within ${notifyTestPatienceMs / 1000} s.`,
      why: 'No worker of the roles orchestrator and io has taken it up.',
      next: 'Look at the workers: arte doctor looks at each part.',
    });
  } finally {
    clearTimeout(timer);
  }
}

function lost({ news: { id, event, at } }: NotifyInput): Notice {
  const why = 'The worker could not try it; its log says why.';
  return { schemaVersion: 1, id, event, at, to: 'a target', state: 'failed', attempts: 1, why };
}

function outcomeLine({ to, state, why }: Notice): string {
  const color = colorsFor(process.stdout);
  return state === 'delivered'
    ? `${color.green('✓')} ${to}: delivered`
    : `${color.red('✗')} ${to}: not delivered. ${why ?? ''}`;
}
