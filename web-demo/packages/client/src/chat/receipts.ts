/** How far everybody has received and read, and telling how far oneself has. Pure. */
import type { Marks, Member } from '../wire/chat.ts';
import type { Timer, Timers } from '../timers.ts';

/** How far a message of one's own has come. */
export type Delivery = 'sent' | 'delivered' | 'read';

/** The watermarks of a conversation's members. They never go back, whatever arrives late. */
export class Receipts {
  readonly #marks = new Map<string, Marks>();

  /** Takes everybody's marks, as a state or a list of members tells them. */
  handleMembers(members: readonly Member[]): void {
    const here = new Set(members.map(({ sub }) => sub));
    for (const sub of this.#marks.keys()) if (!here.has(sub)) this.#marks.delete(sub);
    for (const { sub, marks } of members) this.#raise(sub, marks ?? { delivered: 0, read: 0 });
  }

  /** Takes some marks; `false` when they are known. */
  handle(marks: ReadonlyMap<string, Marks>): boolean {
    let changed = false;
    for (const [sub, mark] of marks) changed = this.#raise(sub, mark) || changed;
    return changed;
  }

  /** Somebody is no member any more. */
  handleLeft(sub: string): void {
    this.#marks.delete(sub);
  }

  /** How far a member is. */
  get(sub: string): Marks | undefined {
    return this.#marks.get(sub);
  }

  /** How far a message of `me` has come: as far as with the slowest of the others. */
  delivery(seq: number, me: string): Delivery {
    const others = [...this.#marks].filter(([sub]) => sub !== me).map(([, marks]) => marks);
    if (others.length === 0) return 'sent';
    if (others.every(({ read }) => read >= seq)) return 'read';
    return others.every(({ delivered, read }) => Math.max(delivered, read) >= seq)
      ? 'delivered'
      : 'sent';
  }

  #raise(sub: string, { delivered, read }: Marks): boolean {
    const known = this.#marks.get(sub);
    const raised = {
      delivered: Math.max(delivered, known?.delivered ?? 0),
      read: Math.max(read, known?.read ?? 0),
    };
    if (known?.delivered === raised.delivered && known.read === raised.read) return false;
    this.#marks.set(sub, raised);
    return true;
  }
}

const RETRY_MS = 3_000;

/** How often marks are told at most, in milliseconds. */
export const MARK_MS = 500;

/**
 * Tells one's own marks: the highest only, at most every {@link MARK_MS}, again after a
 * failure, and never a lower one.
 */
export class MarkSender {
  readonly #send: (marks: Marks) => Promise<void>;
  readonly #timers: Timers;
  #told: Marks = { delivered: 0, read: 0 };
  #wanted: Marks = { delivered: 0, read: 0 };
  #timer: Timer | undefined;
  #sending = false;
  #closed = false;

  /** @param send tells the relay; rejects when it is to be told again. */
  constructor(send: (marks: Marks) => Promise<void>, timers: Timers) {
    this.#send = send;
    this.#timers = timers;
  }

  /** Wants a mark told that is at least this. */
  raise({ delivered = 0, read = 0 }: Partial<Marks>): void {
    this.#wanted = {
      delivered: Math.max(this.#wanted.delivered, delivered, read),
      read: Math.max(this.#wanted.read, read),
    };
    this.#schedule(MARK_MS);
  }

  /** Takes what the relay knows of already. */
  handleKnown(marks: Marks): void {
    this.#told = maxima(this.#told, marks);
    this.#wanted = maxima(this.#wanted, marks);
  }

  /** Tells what waits to be told, and nothing after that: nobody looks any more. */
  finish(): void {
    const waits = this.#timer !== undefined && !this.#sending && !this.#closed;
    this.close();
    if (waits) this.#send(this.#wanted).catch(() => undefined);
  }

  /** Stops telling. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  #schedule(ms: number): void {
    const [wanted, told] = [this.#wanted, this.#told];
    const higher = wanted.delivered > told.delivered || wanted.read > told.read;
    if (this.#closed || this.#sending || this.#timer || !higher) return;
    this.#timer = this.#timers.after(ms, () => {
      this.#timer = undefined;
      void this.#tell();
    });
  }

  async #tell(): Promise<void> {
    this.#sending = true;
    const marks = this.#wanted;
    let wait = MARK_MS;
    try {
      await this.#send(marks);
      this.#told = maxima(this.#told, marks);
    } catch {
      wait = RETRY_MS;
    }
    this.#sending = false;
    this.#schedule(wait);
  }
}

function maxima(left: Marks, right: Marks): Marks {
  return {
    delivered: Math.max(left.delivered, right.delivered),
    read: Math.max(left.read, right.read),
  };
}
