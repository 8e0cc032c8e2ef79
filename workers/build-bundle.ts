/** `npm run build` runs this after the compiler: the workflow bundle of the orchestrator, made once instead of at every start. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundleWorkflowCode } from '@temporalio/worker';
import { packageRoot } from '../drivers/package-root';

async function main(): Promise<void> {
  const { code } = await bundleWorkflowCode({
    workflowsPath: require.resolve('../workflows'),
    logger: { log: () => undefined, trace: () => undefined, debug: () => undefined, info: () => undefined, warn: console.warn, error: console.error },
  });
  writeFileSync(join(packageRoot(), 'dist', 'workflow-bundle.js'), code);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
