/**
 * Relates media time to the source's clock by what datagrams say of themselves: a packet's
 * timestamp and when it was sent. Pure.
 */
import { SAMPLE_RATE } from '../wire/datagram.ts';

const WRAP_US = 2 ** 32;
// Sources send on a timer that is a millisecond or two off; some eight packets even that out.
const WEIGHT = 1 / 8;
const JUMP_US = 100_000;

/** See the file's head. Numbers above 2^53 would lose their last bits, which no clock shows. */
export class SourceClock {
  /** Send time minus media time in µs, modulo 2^32. */
  #offsetUs: number | undefined;

  /** Takes note of a datagram; what is none changes nothing. */
  observe(bytes: Uint8Array): void {
    const track = skipVarint(bytes, 1);
    const sequence = skipVarint(bytes, track);
    const end = skipVarint(bytes, sequence);
    if (bytes[0] !== 1 || end + 4 > bytes.length) return;
    let timestamp = (bytes[sequence] ?? 0) & 0x3f;
    for (let at = sequence + 1; at < end; at++) timestamp = timestamp * 256 + (bytes[at] ?? 0);
    let sentUs = 0;
    for (let at = end; at < end + 4; at++) sentUs = sentUs * 256 + (bytes[at] ?? 0);
    const offsetUs = wrap(sentUs - mediaUs(timestamp));
    const known = this.#offsetUs;
    const moved = known === undefined ? Infinity : signed(offsetUs - known);
    this.#offsetUs =
      known === undefined || Math.abs(moved) > JUMP_US ? offsetUs : wrap(known + moved * WEIGHT);
  }

  /**
   * From the sending of the sample at `position` to `serverMs`, in ms; right while below 35
   * minutes. `undefined` before any datagram.
   */
  delayMs(position: number, serverMs: number): number | undefined {
    if (this.#offsetUs === undefined) return undefined;
    return signed(serverMs * 1000 - mediaUs(position) - this.#offsetUs) / 1000;
  }

  /** Forgets what is known: another track follows. */
  reset(): void {
    this.#offsetUs = undefined;
  }
}

/** Media time in µs modulo 2^32, exact to a fraction of one. */
function mediaUs(samples: number): number {
  const seconds = Math.floor(samples / SAMPLE_RATE);
  const rest = samples - seconds * SAMPLE_RATE;
  return ((seconds % WRAP_US) * 1_000_000 + (rest * 1_000_000) / SAMPLE_RATE) % WRAP_US;
}

function wrap(us: number): number {
  return ((us % WRAP_US) + WRAP_US) % WRAP_US;
}

function signed(us: number): number {
  const wrapped = wrap(us);
  return wrapped < WRAP_US / 2 ? wrapped : wrapped - WRAP_US;
}

function skipVarint(bytes: Uint8Array, offset: number): number {
  return offset + (1 << ((bytes[offset] ?? 0) >> 6));
}
