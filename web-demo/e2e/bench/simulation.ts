/**
 * Source, network and relay of one scenario in the virtual time of the audio clock, on the
 * very thread that is measured. Pure, the same under Node and in a worklet.
 */
import {
  DATAGRAM_BYTES_MAX,
  decodeDatagram,
  decodeRepair,
  encodeDatagram,
  type Datagram,
} from '../../packages/client/src/wire.ts';
import { WEATHER_S, type Scenario, type Weather } from './scenarios.ts';

/** A datagram under way. */
interface Flight {
  readonly atMs: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** What a datagram takes besides its packets, and what a copy does besides its own. */
const HEADER_BYTES_MAX = 32;
const COPY_BYTES_MAX = 8;

/** How far before a packet its copies lie, by level. */
const COPIES: readonly (readonly number[])[] = [[], [1], [1, 4]];

/** See the file's head. The same scenario and packets make the same run. */
export class Simulation {
  readonly #scenario: Scenario;
  readonly #packets: readonly Datagram[];
  readonly #frameMs: number;
  readonly #random = seeded(1);
  #flights: Flight[] = [];
  #sent = 0;
  #level = 0;
  #inBurst = false;

  constructor(scenario: Scenario, datagrams: readonly Uint8Array[]) {
    this.#scenario = scenario;
    this.#packets = datagrams.map((bytes) => {
      const datagram = decodeDatagram(bytes);
      if (typeof datagram === 'string') throw new Error(`a bad datagram: ${datagram}`);
      return datagram;
    });
    this.#frameMs = scenario.stream.frameUs / 1000;
  }

  /** The longest round trip that is the rule. */
  get roundTripMs(): number {
    const trips = this.#scenario.weathers.map(
      ({ delayMs = 0, jitterMs = 0 }) => 2 * (delayMs + jitterMs),
    );
    return Math.max(...trips);
  }

  /** What arrives up to `nowMs`, in order of arrival. */
  arrivals(nowMs: number): Uint8Array<ArrayBuffer>[] {
    while ((this.#sent + 1) * this.#frameMs <= nowMs) {
      this.#send(this.#sent, this.#level, (this.#sent + 1) * this.#frameMs);
      this.#sent++;
    }
    const due = this.#flights.filter(({ atMs }) => atMs <= nowMs);
    if (due.length > 0) this.#flights = this.#flights.filter(({ atMs }) => atMs > nowMs);
    return due.sort((a, b) => a.atMs - b.atMs).map(({ bytes }) => bytes);
  }

  /** The receiver asks for packets: the request takes the same way as they do. */
  request(bytes: Uint8Array, nowMs: number): void {
    const request = decodeRepair(bytes);
    if (typeof request === 'string') throw new Error(`a bad request: ${request}`);
    const takesMs = this.#takesMs(nowMs);
    if (takesMs === undefined) return;
    const first = Number(this.#packets[0]?.sequence ?? 0n);
    for (const sequence of request.sequences) {
      const index = Number(sequence) - first;
      if (index < this.#sent) this.#send(index, 0, nowMs + takesMs);
    }
  }

  /** The receiver wants copies to travel along: 0 to 2. */
  setLevel(level: number): void {
    this.#level = level;
  }

  #send(index: number, level: number, atMs: number): void {
    const takesMs = this.#takesMs(atMs);
    const packet = this.#packets[index];
    if (takesMs === undefined || !packet) return;
    // As the relay does: copies that would not fit are left out, the oldest first.
    let room = DATAGRAM_BYTES_MAX - HEADER_BYTES_MAX - packet.packet.length;
    const copies = (COPIES[level] ?? []).flatMap((distance) => {
      const earlier = this.#packets[index - distance];
      const age = earlier && packet.timestamp - earlier.timestamp;
      if (!earlier || age === undefined) return [];
      room -= COPY_BYTES_MAX + earlier.packet.length;
      return room < 0 ? [] : [{ distance, age, packet: earlier.packet }];
    });
    this.#flights.push({ atMs: atMs + takesMs, bytes: encodeDatagram({ ...packet, copies }) });
  }

  #takesMs(nowMs: number): number | undefined {
    const { weathers } = this.#scenario;
    const at = Math.floor(nowMs / (WEATHER_S * 1000)) % weathers.length;
    const weather: Weather = weathers[at] ?? {};
    const { loss = 0, burst = 1, delayMs = 0, jitterMs = 0 } = weather;
    const jittersMs = -jitterMs * Math.log(1 - this.#random());
    // Gilbert's model: the mean of a burst and the share of all that it makes up.
    const enter = loss === 1 ? 1 : loss / (burst * (1 - loss));
    const stays = burst === 1 ? loss : 1 - 1 / burst;
    this.#inBurst = this.#random() < (this.#inBurst ? stays : enter);
    return this.#inBurst || loss === 1 ? undefined : delayMs + jittersMs;
  }
}

/** Uniform in [0, 1), the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
