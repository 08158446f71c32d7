import { createSocket, type Socket } from 'node:dgram';

/** How a shaped network treats packets, each way. */
export interface LinkOptions {
  /** Share of packets lost at random, 0 to 1. */
  loss?: number;
  /** Gilbert-Elliott: probability per packet of entering and of leaving a state that loses all. */
  burst?: { enter: number; leave: number };
  /** Delay of every packet, in ms. */
  delayMs?: number;
  /** Mean of the exponentially distributed delay on top, in ms; packets may overtake. */
  jitterMs?: number;
  /** Bits per second; what would wait longer than 200 ms is lost. */
  bitsPerSecond?: number;
  /** The same seed loses the same packets. */
  seed?: number;
}

/** A UDP proxy that is a bad network. */
export interface Shaper {
  readonly port: number;
  /** Packets lost so far, both ways. */
  readonly lost: number;
  /** Packets carried so far, both ways. */
  readonly carried: number;
  close(): Promise<void>;
}

const QUEUE_MS_MAX = 200;

/** One direction of one client's traffic. */
class Link {
  readonly #options: LinkOptions;
  readonly #random: () => number;
  #inBurst = false;
  #freeAt = 0;

  constructor(options: LinkOptions, seed: number) {
    this.#options = options;
    this.#random = seeded(seed);
  }

  /** How long a packet of so many bytes takes, in ms; `undefined` when it is lost. */
  takes(bytes: number, nowMs: number): number | undefined {
    const { loss = 0, burst, delayMs = 0, jitterMs = 0, bitsPerSecond } = this.#options;
    if (burst) {
      const turn = this.#inBurst ? burst.leave : burst.enter;
      if (this.#random() < turn) this.#inBurst = !this.#inBurst;
    }
    if (this.#random() < loss || this.#inBurst) return undefined;
    let queueMs = 0;
    if (bitsPerSecond !== undefined) {
      const sentAt = Math.max(nowMs, this.#freeAt) + (bytes * 8_000) / bitsPerSecond;
      queueMs = sentAt - nowMs;
      if (queueMs > QUEUE_MS_MAX) return undefined;
      this.#freeAt = sentAt;
    }
    return queueMs + delayMs - jitterMs * Math.log(1 - this.#random());
  }
}

/** Carries what comes to `port` of 127.0.0.1 (any by default) to `target` and back. */
export async function openShaper(
  target: { host: string; port: number },
  options: LinkOptions,
  port = 0,
): Promise<Shaper> {
  const front = createSocket('udp4');
  const flows = new Map<string, { back: Socket; up: Link; down: Link }>();
  let [lost, carried, open] = [0, 0, true];
  const carry = (link: Link, bytes: Buffer, send: () => void): void => {
    const ms = link.takes(bytes.length, performance.now());
    if (ms === undefined) {
      lost++;
      return;
    }
    carried++;
    setTimeout(() => {
      if (open) send();
    }, ms);
  };
  const flow = (client: { address: string; port: number }) => {
    const name = `${client.address}:${client.port}`;
    const known = flows.get(name);
    if (known) return known;
    const seed = (options.seed ?? 1) + 2 * flows.size;
    const back = createSocket('udp4');
    const made = { back, up: new Link(options, seed), down: new Link(options, seed + 1) };
    back.on('message', (bytes) => {
      carry(made.down, bytes, () => {
        front.send(bytes, client.port, client.address);
      });
    });
    // A relay that is not there yet: the packet is lost, as on any network.
    back.on('error', () => undefined);
    flows.set(name, made);
    return made;
  };
  front.on('message', (bytes, client) => {
    const { back, up } = flow(client);
    carry(up, bytes, () => {
      back.send(bytes, target.port, target.host);
    });
  });
  await new Promise<void>((resolve, reject) => {
    front.once('error', reject);
    front.bind(port, '127.0.0.1', resolve);
  });
  return {
    port: front.address().port,
    get lost() {
      return lost;
    },
    get carried() {
      return carried;
    },
    async close() {
      open = false;
      const sockets = [front, ...[...flows.values()].map(({ back }) => back)];
      await Promise.all(
        sockets.map((socket) => new Promise<void>((done) => socket.close(() => done()))),
      );
    },
  };
}

/** Uniform in [0, 1), the same for the same seed. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
