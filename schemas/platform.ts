/** Where the platform is: addresses and credentials, resolved. Never stored in an artifact, never logged. Zod-free. */
export interface TemporalAddress {
  readonly address: string;
  readonly namespace: string;
  readonly tls: boolean | TemporalTls;
  readonly apiKey?: string;
}

/** Certificates of a connection, in the form that Temporal's clients take. */
export interface TemporalTls {
  readonly serverNameOverride?: string;
  readonly serverRootCACertificate?: Uint8Array;
  readonly clientCertPair?: { readonly crt: Uint8Array; readonly key: Uint8Array };
}

export interface StoreAddress {
  /** Left out: AWS itself. */
  readonly endpoint?: string;
  readonly bucket: string;
  readonly prefix: string;
  readonly region: string;
  readonly forcePathStyle: boolean;
  /** Left out: AWS's default provider chain. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: string };
}

export interface PlatformAddresses {
  readonly temporal: TemporalAddress;
  readonly store: StoreAddress;
}
