/** The worker of a benchmark: arte's own, with the stage of synthetic rows (stage.ts) where score-drafts stands. The supervisor keeps it alive. */
import { rowStages } from '../activities';
import { runWorker } from '../workers/main';
import { benchStage } from './stage';

void runWorker({ ...rowStages, 'score-drafts': benchStage });
