/**
 * Variable-length integers of QUIC (RFC 9000, section 16).
 *
 * The two high bits of the first byte tell the length: 1, 2, 4 or 8 bytes. They reach
 * 2^62-1, more than a number counts exactly, so they are bigints.
 */

/** The largest integer a varint holds. */
export const VARINT_MAX = (1n << 62n) - 1n;

/** A decoded integer and where the next field begins. */
export interface Varint {
  /** The integer, 0 to 2^62-1. */
  readonly value: bigint;
  /** Offset of the first byte behind it. */
  readonly next: number;
}

/** Bytes `value` takes as a varint: 1, 2, 4 or 8. */
export function varintLength(value: bigint): 1 | 2 | 4 | 8 {
  if (value < 0x40n) return 1;
  if (value < 0x4000n) return 2;
  if (value < 0x4000_0000n) return 4;
  return 8;
}

/** Reads the varint at `offset`; `undefined` when the bytes end inside it. */
export function decodeVarint(bytes: Uint8Array, offset = 0): Varint | undefined {
  const first = bytes[offset];
  if (first === undefined) return undefined;
  const length = 1 << (first >> 6);
  const next = offset + length;
  if (next > bytes.length) return undefined;
  let value = BigInt(first & 0x3f);
  for (let at = offset + 1; at < next; at++) value = (value << 8n) | BigInt(bytes[at] ?? 0);
  return { value, next };
}

/**
 * Writes `value` at `offset` in its shortest form and returns the offset behind it.
 *
 * @throws RangeError when `value` is out of range, or there is no room.
 */
export function encodeVarint(value: bigint, bytes: Uint8Array, offset = 0): number {
  if (value < 0n || value > VARINT_MAX) throw new RangeError(`${value} is out of range`);
  const length = varintLength(value);
  const next = offset + length;
  if (next > bytes.length) throw new RangeError('no room for a varint');
  let rest = value;
  for (let at = next - 1; at >= offset; at--) {
    bytes[at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  bytes[offset] = (bytes[offset] ?? 0) | (Math.log2(length) << 6);
  return next;
}
