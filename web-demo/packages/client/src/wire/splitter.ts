/** Cuts a byte stream into frames: each a varint length and that many bytes. */
import { decodeVarint, encodeVarint, varintLength } from './varint.ts';

/** The most bytes of JSON in a frame. */
export const FRAME_BYTES_MAX = 65_536;

/** The peer announced a frame above {@link FRAME_BYTES_MAX}; the stream is of no more use. */
export class FrameTooLarge extends Error {
  /** Tells it from other errors. */
  override readonly name = 'FrameTooLarge';
}

/**
 * Holds what is left of an unfinished frame between chunks, at most
 * {@link FRAME_BYTES_MAX} plus one chunk.
 */
export class FrameSplitter {
  #held = new Uint8Array(0);

  /**
   * Takes the next chunk and returns the frames it completed, in order.
   *
   * @throws FrameTooLarge when a frame is announced that is above the limit.
   */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#held.length === 0 ? chunk : concat(this.#held, chunk);
    const frames: Uint8Array[] = [];
    let at = 0;
    for (;;) {
      const length = decodeVarint(bytes, at);
      if (!length) break;
      if (length.value > FRAME_BYTES_MAX) {
        throw new FrameTooLarge('a frame is above 65,536 bytes');
      }
      const end = length.next + Number(length.value);
      if (end > bytes.length) break;
      frames.push(bytes.subarray(length.next, end));
      at = end;
    }
    // A copy: the chunk belongs to the caller.
    this.#held = bytes.slice(at);
    return frames;
  }
}

/** Puts the length before a frame's bytes. */
export function encodeFrame(frame: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = BigInt(frame.length);
  const header = varintLength(length);
  const bytes = new Uint8Array(header + frame.length);
  encodeVarint(length, bytes);
  bytes.set(frame, header);
  return bytes;
}

function concat(head: Uint8Array, tail: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(head.length + tail.length);
  bytes.set(head);
  bytes.set(tail, head.length);
  return bytes;
}
