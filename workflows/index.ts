/** The exported workflows, and nothing else: every function exported here is registered with the worker. */
export { alignWorkflow } from './align';
export { notifyWorkflow } from './notify';
export { realignWorkflow } from './realign';
export { stageWorkflow } from './shards';
