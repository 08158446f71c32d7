/** Which transport won lately, by server and kind of network. */
import type { TransportKind } from './transport/transport.ts';

/** The part of `localStorage` this needs. */
export interface Storage {
  /** The text kept under `key`, or null. */
  getItem(key: string): string | null;
  /** Keeps `value` under `key`; may throw when storage is full or forbidden. */
  setItem(key: string, value: string): void;
  /** Forgets what is kept under `key`. */
  removeItem(key: string): void;
}

const PREFIX = 'skywave.transport:';

// A network that blocks UDP tends to keep blocking it, but one laptop sees several
// networks a day and browsers do not name them: retrying WebTransport after an hour costs
// one head start. Knowing that WebTransport works saves nothing but a second socket.
// HTTP alone has no sound: anything else is tried first the next time.
const KEPT_MS: Record<Exclude<TransportKind, 'http'>, number> = {
  websocket: 3_600_000,
  webtransport: 7 * 86_400_000,
};

/**
 * Remembers winners in a storage. A storage that is missing, full or forbidden makes it
 * forgetful, never broken.
 */
export class RememberedTransport {
  readonly #storage: Storage | undefined;
  readonly #key: string;

  /**
   * @param server the server's origin.
   * @param network whatever the browser tells about the network, such as `wifi`; may be empty.
   */
  constructor(storage: Storage | undefined, server: string, network: string) {
    this.#storage = storage;
    this.#key = `${PREFIX}${server}|${network}`;
  }

  /** The winner, unless it is unknown or was seen too long ago. */
  read(nowMs: number): TransportKind | undefined {
    try {
      const [kind, until] = (this.#storage?.getItem(this.#key) ?? '').split(' ');
      const known = kind === 'webtransport' || kind === 'websocket' ? kind : undefined;
      return known !== undefined && Number(until) > nowMs ? known : undefined;
    } catch {
      return undefined;
    }
  }

  /** Keeps the winner; `undefined` forgets it. */
  write(winner: TransportKind | undefined, nowMs: number): void {
    try {
      if (winner === undefined || winner === 'http') this.#storage?.removeItem(this.#key);
      else this.#storage?.setItem(this.#key, `${winner} ${nowMs + KEPT_MS[winner]}`);
    } catch {
      // Private windows and full storages: the next connect merely races again.
    }
  }
}
