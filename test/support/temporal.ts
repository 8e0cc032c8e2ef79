/** A real Temporal dev server for a test file, from the binary that set-up installed. */
import { defineSearchAttributeKey } from '@temporalio/common';
import { TestWorkflowEnvironment } from '@temporalio/testing';
import { bundleWorkflowCode, DefaultLogger, Runtime, type WorkflowBundle } from '@temporalio/worker';
import { ensurePythonEnv } from '../../drivers/local/python-env';
import { promptDispatch } from '../../drivers/local/temporal';

/** The SDK gives its server five seconds, and has no setting for it: too few for the first start of a 150 MB program that no cache holds. */
const startAttempts = 6;

export async function startTemporal(extraArgs: readonly string[] = []): Promise<TestWorkflowEnvironment> {
  const env = await ensurePythonEnv({});
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startServer(env.bin('temporal'), extraArgs);
    } catch (error) {
      if (attempt === startAttempts || !String(error).includes('did not start within')) throw error;
    }
  }
}

function startServer(path: string, extraArgs: readonly string[]): Promise<TestWorkflowEnvironment> {
  return TestWorkflowEnvironment.createLocal({
    server: {
      executable: { type: 'existing-path', path },
      searchAttributes: [
        defineSearchAttributeKey('ArteStudent', 'KEYWORD'),
        defineSearchAttributeKey('ArteRound', 'INT'),
        defineSearchAttributeKey('ArteStage', 'KEYWORD'),
        defineSearchAttributeKey('ArteStatus', 'KEYWORD'),
      ],
      extraArgs: [...promptDispatch, ...extraArgs],
    },
  });
}

/** Only warnings of the SDK in a test's output. Once per process, before anything else of the SDK. */
export function quietRuntime(): void {
  Runtime.install({ logger: new DefaultLogger('WARN'), shutdownSignals: [] });
}

let bundle: Promise<WorkflowBundle> | undefined;

/** The workflow bundle, made once per test process (1.4 s). */
export function workflowBundle(): Promise<WorkflowBundle> {
  bundle ??= bundleWorkflowCode({
    workflowsPath: require.resolve('../../workflows'),
    logger: new DefaultLogger('WARN'),
  });
  return bundle;
}
