/** The latest sound, kept to be looked at. Writing allocates nothing. */

/** A ring of stereo samples. */
export class CaptureRing {
  readonly #left: Float32Array<ArrayBuffer>;
  readonly #right: Float32Array<ArrayBuffer>;
  #at = 0;
  #filled = 0;

  /** Takes 8 bytes a frame. */
  constructor(frames: number) {
    this.#left = new Float32Array(frames);
    this.#right = new Float32Array(frames);
  }

  /** Appends a block, at most as long as the ring; the oldest samples give way. */
  write(left: Float32Array, right: Float32Array): void {
    const size = this.#left.length;
    const count = left.length;
    const first = Math.min(count, size - this.#at);
    if (first === count) {
      this.#left.set(left, this.#at);
      this.#right.set(right, this.#at);
    } else {
      for (let index = 0; index < count; index++) {
        const at = (this.#at + index) % size;
        this.#left[at] = left[index] ?? 0;
        this.#right[at] = right[index] ?? 0;
      }
    }
    this.#at = (this.#at + count) % size;
    this.#filled = Math.min(size, this.#filled + count);
  }

  /** Copies the latest `frames` out, oldest first; fewer when there are not as many. */
  latest(frames: number): { left: Float32Array<ArrayBuffer>; right: Float32Array<ArrayBuffer> } {
    const count = Math.max(0, Math.min(Math.floor(frames), this.#filled));
    const size = this.#left.length;
    const start = (this.#at - count + size) % size;
    return { left: unroll(this.#left, start, count), right: unroll(this.#right, start, count) };
  }
}

function unroll(ring: Float32Array, start: number, count: number): Float32Array<ArrayBuffer> {
  const samples = new Float32Array(count);
  const first = Math.min(count, ring.length - start);
  samples.set(ring.subarray(start, start + first));
  samples.set(ring.subarray(0, count - first), first);
  return samples;
}
