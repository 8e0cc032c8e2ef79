/** Options of a connection to Temporal, for workers and clients alike. Owns nothing but the translation. */
import type { TemporalAddress } from '../schemas/platform';

/** As NativeConnection.connect and Connection.connect take them. */
export function temporalConnectionOptions(temporal: TemporalAddress): { address: string; tls?: true; apiKey?: string } {
  return {
    address: temporal.address,
    ...(temporal.tls ? { tls: true as const } : {}),
    ...(temporal.apiKey === undefined ? {} : { apiKey: temporal.apiKey }),
  };
}
