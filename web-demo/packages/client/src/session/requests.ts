/** Requests that wait for their replies. */
import { encodeRequest, type Frame } from '../wire/control.ts';
import { failure, SkywaveError } from '../errors.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Timer, Timers } from '../timers.ts';

// The relay allows 50 requests a second; more than this waiting means it has stopped answering.
const PENDING_MAX = 64;

interface Pending {
  readonly resolve: (result: JsonObject) => void;
  readonly reject: (error: SkywaveError) => void;
  readonly timeout: Timer;
}

/** Numbers requests and matches replies, for the life of one connection. */
export class RequestTable {
  readonly #pending = new Map<number, Pending>();
  readonly #timers: Timers;
  readonly #send: (text: string) => void;
  #nextId = 0;

  /** @param send puts a frame on the connection. */
  constructor(timers: Timers, send: (text: string) => void) {
    this.#timers = timers;
    this.#send = send;
  }

  /**
   * Sends a request and gives its result.
   *
   * Rejects with the relay's error, with `timeout`, with `disconnected` when the connection
   * ends first, or with `overloaded` while 64 others wait.
   */
  request(method: string, params: JsonObject, timeoutMs: number): Promise<JsonObject> {
    if (this.#pending.size >= PENDING_MAX) {
      return Promise.reject(failure('overloaded', 'too many requests wait for a reply', true));
    }
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timeout = this.#timers.after(timeoutMs, () => {
        this.#pending.delete(id);
        reject(failure('timeout', `no reply to ${method} within ${timeoutMs} ms`, true));
      });
      this.#pending.set(id, { resolve, reject, timeout });
      this.#send(encodeRequest(id, method, params));
    });
  }

  /** Takes a reply; one that nobody waits for (any more) is ignored. */
  handleReply(frame: Exclude<Frame, { kind: 'push' }>): void {
    const pending = this.#pending.get(frame.id);
    if (!pending) return;
    this.#pending.delete(frame.id);
    pending.timeout.cancel();
    if (frame.kind === 'result') pending.resolve(frame.result);
    else pending.reject(new SkywaveError(frame.error));
  }

  /** Fails all that wait. */
  close(error: SkywaveError): void {
    for (const pending of this.#pending.values()) {
      pending.timeout.cancel();
      pending.reject(error);
    }
    this.#pending.clear();
  }
}
