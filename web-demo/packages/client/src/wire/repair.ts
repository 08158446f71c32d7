/**
 * The request datagram: numbers of packets somebody wants to be sent once more.
 *
 * ```text
 * kind 0x02 | track varint | count u8 | first sequence varint | { gap varint }*
 * ```
 */
import { TRACK_MAX } from './datagram.ts';
import { decodeVarint, encodeVarint, VARINT_MAX, varintLength } from './varint.ts';

/** First byte of a request datagram. */
export const REPAIR_KIND = 0x02;

/** The most sequences one request names. */
export const REPAIR_SEQUENCES_MAX = 32;

/** Packets of a track that are wanted once more. */
export interface Repair {
  /** Relay-wide track id, 1 to 2^30-1. */
  readonly track: number;
  /** The packets' numbers, rising, 1 to {@link REPAIR_SEQUENCES_MAX}. */
  readonly sequences: readonly bigint[];
}

/**
 * Why bytes are no request: another kind of datagram; cut short; no track id; no sequence or
 * more than 32; sequences that do not rise; bytes behind the last one.
 */
export type RepairError = 'kind' | 'truncated' | 'track' | 'count' | 'order' | 'trailing';

/** Reads and validates one request; never throws, whatever the bytes. */
export function decodeRepair(bytes: Uint8Array): Repair | RepairError {
  if (bytes.length === 0) return 'truncated';
  if (bytes[0] !== REPAIR_KIND) return 'kind';
  const track = decodeVarint(bytes, 1);
  if (!track) return 'truncated';
  if (track.value === 0n || track.value > TRACK_MAX) return 'track';
  const count = bytes[track.next];
  if (count === undefined) return 'truncated';
  if (count === 0 || count > REPAIR_SEQUENCES_MAX) return 'count';
  const sequences: bigint[] = [];
  let at = track.next + 1;
  let before = 0n;
  while (sequences.length < count) {
    const gap = decodeVarint(bytes, at);
    if (!gap) return 'truncated';
    const sequence = before + gap.value;
    if (sequence > VARINT_MAX || (gap.value === 0n && sequences.length > 0)) return 'order';
    sequences.push(sequence);
    before = sequence;
    at = gap.next;
  }
  return at === bytes.length ? { track: Number(track.value), sequences } : 'trailing';
}

/**
 * Writes a request.
 *
 * @throws RangeError when the track is none, or the sequences are none, more than 32, out of
 * range or do not rise.
 */
export function encodeRepair({ track, sequences }: Repair): Uint8Array<ArrayBuffer> {
  if (track < 1 || track > TRACK_MAX) throw new RangeError(`${track} is no track id`);
  if (sequences.length === 0 || sequences.length > REPAIR_SEQUENCES_MAX) {
    throw new RangeError('a request names 1 to 32 sequences');
  }
  const gaps = sequences.map((sequence, index) => sequence - (sequences[index - 1] ?? 0n));
  if (gaps.some((gap, index) => gap <= 0n && index > 0)) {
    throw new RangeError('the sequences do not rise');
  }
  const length = gaps.reduce((sum, gap) => sum + varintLength(gap), 0);
  const bytes = new Uint8Array(2 + varintLength(BigInt(track)) + length);
  bytes[0] = REPAIR_KIND;
  let at = encodeVarint(BigInt(track), bytes, 1);
  bytes[at] = gaps.length;
  at += 1;
  for (const gap of gaps) at = encodeVarint(gap, bytes, at);
  return bytes;
}
