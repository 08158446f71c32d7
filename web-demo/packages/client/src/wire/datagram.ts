/**
 * The audio datagram: one Opus packet, optionally with copies of earlier ones.
 *
 * ```text
 * kind 0x01 | track varint | sequence varint | timestamp varint | send time u32
 *           | copies u8 | { distance u8 | age varint | length varint | packet }* | packet
 * ```
 */
import { decodeVarint, encodeVarint, varintLength } from './varint.ts';

/** First byte of an audio datagram. */
export const AUDIO_KIND = 0x01;

/** The largest datagram, in bytes. */
export const DATAGRAM_BYTES_MAX = 1200;

/** The most copies a datagram holds besides its own packet. */
export const COPIES_MAX = 7;

/** The largest track id, 2^30-1. */
export const TRACK_MAX = 0x3fff_ffff;

/** Samples per second of every media timestamp. */
export const SAMPLE_RATE = 48_000;

/** An earlier packet inside a datagram. */
export interface Copy {
  /** How many packets before the datagram's own: 1 to 255. */
  readonly distance: number;
  /** How many samples before the datagram's own timestamp. */
  readonly age: bigint;
  /** The Opus packet, at least one byte. */
  readonly packet: Uint8Array;
}

/** An audio datagram. Packets are views into the bytes it was decoded from. */
export interface Datagram {
  /** Relay-wide track id, 1 to 2^30-1. */
  readonly track: number;
  /** Packet number within the track. */
  readonly sequence: bigint;
  /** Media time of the packet's first sample, in samples at 48 kHz. */
  readonly timestamp: bigint;
  /** Server time of sending in microseconds, modulo 2^32. */
  readonly sendTime: number;
  /** Earlier packets that travel along, at most {@link COPIES_MAX}. */
  readonly copies: readonly Copy[];
  /** The Opus packet, at least one byte. */
  readonly packet: Uint8Array;
}

/**
 * Why bytes are no audio datagram: another kind of datagram; cut short; above 1,200 bytes;
 * no track id; more than seven copies; a copy that is empty or lies outside the track.
 */
export type DatagramError =
  'kind' | 'truncated' | 'too_large' | 'track' | 'too_many_copies' | 'copy';

/** Reads and validates one datagram; never throws, whatever the bytes. */
export function decodeDatagram(bytes: Uint8Array): Datagram | DatagramError {
  if (bytes.length > DATAGRAM_BYTES_MAX) return 'too_large';
  if (bytes.length === 0) return 'truncated';
  if (bytes[0] !== AUDIO_KIND) return 'kind';
  const track = decodeVarint(bytes, 1);
  if (!track) return 'truncated';
  if (track.value === 0n || track.value > TRACK_MAX) return 'track';
  const sequence = decodeVarint(bytes, track.next);
  const timestamp = sequence && decodeVarint(bytes, sequence.next);
  if (!timestamp) return 'truncated';
  let at = timestamp.next;
  if (at + 5 > bytes.length) return 'truncated';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sendTime = view.getUint32(at);
  const count = view.getUint8(at + 4);
  at += 5;
  if (count > COPIES_MAX) return 'too_many_copies';
  const copies: Copy[] = [];
  for (let index = 0; index < count; index++) {
    const copy = decodeCopy(bytes, at);
    if (typeof copy === 'string') return copy;
    if (!liesWithin(copy, sequence.value, timestamp.value)) {
      return 'copy';
    }
    copies.push(copy);
    at = copy.next;
  }
  if (at >= bytes.length) return 'truncated';
  return {
    track: Number(track.value),
    sequence: sequence.value,
    timestamp: timestamp.value,
    sendTime,
    copies,
    packet: bytes.subarray(at),
  };
}

function decodeCopy(bytes: Uint8Array, offset: number): (Copy & { next: number }) | DatagramError {
  const distance = bytes[offset];
  if (distance === undefined) return 'truncated';
  const age = decodeVarint(bytes, offset + 1);
  if (!age) return 'truncated';
  const length = decodeVarint(bytes, age.next);
  if (!length) return 'truncated';
  if (length.value > bytes.length - length.next) return 'truncated';
  const next = length.next + Number(length.value);
  return { distance, age: age.value, packet: bytes.subarray(length.next, next), next };
}

/** Whether a copy holds a packet and lies within the track. */
function liesWithin({ distance, age, packet }: Copy, sequence: bigint, timestamp: bigint): boolean {
  const early = distance >= 1 && BigInt(distance) <= sequence && age <= timestamp;
  return early && packet.length > 0;
}

/**
 * Reads no more than the track id of a datagram, to sort it: `undefined` when it is no
 * audio datagram. Costs a few nanoseconds and allocates one small object.
 */
export function datagramTrack(bytes: Uint8Array): number | undefined {
  if (bytes.length > DATAGRAM_BYTES_MAX || bytes[0] !== AUDIO_KIND) return undefined;
  const track = decodeVarint(bytes, 1);
  return track && Number(track.value);
}

/**
 * Writes a datagram.
 *
 * @throws RangeError when a field is out of range, a packet is empty, or the whole would
 * take more than 1,200 bytes.
 */
export function encodeDatagram(datagram: Datagram): Uint8Array<ArrayBuffer> {
  check(datagram);
  const bytes = new Uint8Array(encodedLength(datagram));
  if (bytes.length > DATAGRAM_BYTES_MAX) {
    throw new RangeError(`the datagram would take ${bytes.length} bytes, above 1,200`);
  }
  bytes[0] = AUDIO_KIND;
  let at = encodeVarint(BigInt(datagram.track), bytes, 1);
  at = encodeVarint(datagram.sequence, bytes, at);
  at = encodeVarint(datagram.timestamp, bytes, at);
  new DataView(bytes.buffer).setUint32(at, datagram.sendTime);
  bytes[at + 4] = datagram.copies.length;
  at += 5;
  for (const copy of datagram.copies) {
    bytes[at] = copy.distance;
    at = encodeVarint(copy.age, bytes, at + 1);
    at = encodeVarint(BigInt(copy.packet.length), bytes, at);
    bytes.set(copy.packet, at);
    at += copy.packet.length;
  }
  bytes.set(datagram.packet, at);
  return bytes;
}

function check({ track, sequence, timestamp, copies, packet }: Datagram): void {
  if (track < 1 || track > TRACK_MAX) throw new RangeError(`${track} is no track id`);
  if (copies.length > COPIES_MAX) throw new RangeError('more than seven copies');
  if (packet.length === 0) throw new RangeError('the packet is empty');
  for (const copy of copies) {
    const within = copy.distance <= 255 && liesWithin(copy, sequence, timestamp);
    if (!within) throw new RangeError('a copy is empty or lies outside the track');
  }
}

function encodedLength({ track, sequence, timestamp, copies, packet }: Datagram): number {
  let length =
    1 + varintLength(BigInt(track)) + varintLength(sequence) + varintLength(timestamp) + 5;
  for (const copy of copies) {
    const size = copy.packet.length;
    length += 1 + varintLength(copy.age) + varintLength(BigInt(size)) + size;
  }
  return length + packet.length;
}
