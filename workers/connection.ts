/** Options of a connection to Temporal, for workers and clients alike. Owns nothing but the translation. */
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
