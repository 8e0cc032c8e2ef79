/**
 * A certificate of our own for servers on this machine that speak TLS with each other (the parts of SeaweedFS).
 *
 * Owns: one authority and one certificate signed by it, both made for one data directory and trusted by nothing else.
 * Node signs but does not write X.509, and asking for an openssl program would be one more thing to install, so the few
 * structures of RFC 5280 that are needed are written here in DER.
 */
import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';

export interface CertificateFiles {
  /** PEM of the authority's certificate; its key is thrown away. */
  readonly authority: string;
  /** PEM of the certificate for 127.0.0.1, valid for servers and clients. */
  readonly certificate: string;
  /** PEM of its key (PKCS #8). A secret. */
  readonly key: string;
}

/** Begin and end of validity. The end is X.509's "no well-defined end" (RFC 5280 4.1.2.5): the files live as long as the data. */
const validFrom = '200101000000Z';
const validUntil = '99991231235959Z';

/** A new authority and a certificate signed by it. P-256 and SHA-256. */
export function makeCertificate(): CertificateFiles {
  const authority = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const authorityName = 'arte local authority';
  const keyId = createHash('sha256').update(publicKeyDer(authority.publicKey)).digest().subarray(0, 20);
  return {
    authority: certificate({
      subject: authorityName,
      issuer: authorityName,
      publicKey: authority.publicKey,
      signer: authority.privateKey,
      extensions: [
        extension(oids.basicConstraints, sequence(boolean(true)), true),
        extension(oids.keyUsage, bits([0x06], 1), true), // keyCertSign, cRLSign
        extension(oids.subjectKeyId, octets(keyId)),
      ],
    }),
    certificate: certificate({
      subject: 'arte local server',
      issuer: authorityName,
      publicKey: leaf.publicKey,
      signer: authority.privateKey,
      extensions: [
        extension(oids.basicConstraints, sequence(), true),
        extension(oids.keyUsage, bits([0x80], 7), true), // digitalSignature
        extension(oids.extendedKeyUsage, sequence(oid(oids.serverAuth), oid(oids.clientAuth))),
        extension(oids.authorityKeyId, sequence(tagged(0x80, keyId))),
        extension(
          oids.subjectAltName,
          sequence(tagged(0x82, Buffer.from('localhost')), tagged(0x87, Buffer.from([127, 0, 0, 1]))),
        ),
      ],
    }),
    key: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  };
}

const oids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyId: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyId: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const;

function certificate(options: {
  subject: string;
  issuer: string;
  publicKey: KeyObject;
  signer: KeyObject;
  extensions: readonly Buffer[];
}): string {
  const algorithm = sequence(oid(oids.ecdsaWithSha256));
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and no leading zero
  const body = sequence(
    tagged(0xa0, integer(Buffer.from([2]))), // version 3
    integer(serial),
    algorithm,
    name(options.issuer),
    // RFC 5280: years before 2050 as UTCTime, later ones as GeneralizedTime.
    sequence(tagged(0x17, Buffer.from(validFrom)), tagged(0x18, Buffer.from(validUntil))),
    name(options.subject),
    publicKeyDer(options.publicKey),
    tagged(0xa3, sequence(...options.extensions)),
  );
  const signature = sign('sha256', body, options.signer);
  const der = sequence(body, algorithm, tagged(0x03, Buffer.concat([Buffer.from([0]), signature])));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}

function publicKeyDer(key: KeyObject): Buffer {
  return key.export({ type: 'spki', format: 'der' });
}

function name(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid(oids.commonName), tagged(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), octets(value));
}

// ---- DER (ITU-T X.690) -------------------------------------------------------------------------------------------

function tagged(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.from([value ? 0xff : 0]));
}

function integer(bytes: Buffer): Buffer {
  return tagged(0x02, bytes);
}

function octets(bytes: Buffer): Buffer {
  return tagged(0x04, bytes);
}

function bits(bytes: readonly number[], unused: number): Buffer {
  return tagged(0x03, Buffer.from([unused, ...bytes]));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second];
  for (const arc of rest) {
    const groups = [arc & 0x7f];
    for (let left = arc >>> 7; left > 0; left >>>= 7) {
      groups.unshift((left & 0x7f) | 0x80);
    }
    bytes.push(...groups);
  }
  return tagged(0x06, Buffer.from(bytes));
}
