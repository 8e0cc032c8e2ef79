/** How Temporal is connected to, for workers and clients alike, and what is said when it does not answer. */
import { ArteError } from '../schemas/errors';
import type { TemporalAddress, TemporalTls } from '../schemas/platform';

interface Options {
  address: string;
  tls?: true | TemporalTls;
  apiKey?: string;
}

/** As NativeConnection.connect and Connection.connect take them. */
export function temporalConnectionOptions(temporal: TemporalAddress): Options {
  return {
    address: temporal.address,
    ...(temporal.tls === false ? {} : { tls: temporal.tls }),
    ...(temporal.apiKey === undefined ? {} : { apiKey: temporal.apiKey }),
  };
}

/** Nothing answers at the address, or refuses the connection. `next`: what to do, as far as the caller knows. */
export function temporalDown({ address }: TemporalAddress, cause: unknown, next: string): ArteError {
  return new ArteError(
    'PlatformDown',
    {
      what: `Temporal does not answer at ${address}.`,
      why: cause instanceof Error ? cause.message : String(cause),
      next,
    },
    { cause },
  );
}
