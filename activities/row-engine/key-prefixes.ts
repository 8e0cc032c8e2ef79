/** The beginnings of a shard's row keys, in row order: enough to tell which rows are worth a look. */

/** Bytes of a row key by which it is looked up: as many as a number holds exactly. The whole key is compared afterwards. */
export const prefixBytes = 6;

/** The beginning of a row key as a number. */
export function prefixOf(key: string): number {
  return Number.parseInt(key.slice(0, 2 * prefixBytes), 16);
}

export class KeyPrefixes {
  private readonly bytes: Buffer;
  private length = 0;

  constructor(rows: number) {
    this.bytes = Buffer.alloc(rows * prefixBytes);
  }

  add(key: string): void {
    this.bytes.write(key.slice(0, 2 * prefixBytes), this.length, 'hex');
    this.length += prefixBytes;
  }

  whole(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
