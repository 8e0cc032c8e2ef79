/** The environment's word on where workers show their metrics. Read before anything is started, because a worker that cannot start is no platform. */
import { ArteError } from '../../schemas/errors';

/**
 * Where this process shows its metrics: $ARTE_METRICS_ADDRESS, host:port; a port alone is one of 127.0.0.1. Nowhere when it is not set.
 * Errors: InvalidConfig for anything else.
 */
export function metricsAddress({ ARTE_METRICS_ADDRESS: given }: NodeJS.ProcessEnv): string | undefined {
  if (given === undefined || given === '') return undefined;
  const [, host, port] = /^(?:(.+):)?(\d{1,5})$/.exec(given) ?? [];
  if (port === undefined || Number(port) === 0 || Number(port) > 65_535) {
    throw new ArteError('InvalidConfig', {
      what: `ARTE_METRICS_ADDRESS is ${JSON.stringify(given)}, which is no address.`,
      why: 'A worker shows its metrics at host:port.',
      next: 'Write a port of this machine, such as 9464, or an address, such as 0.0.0.0:9464. Every worker process needs its own.',
    });
  }
  return `${host ?? '127.0.0.1'}:${port}`;
}
