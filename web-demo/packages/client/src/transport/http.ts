/** The last resort: frames from the relay as server-sent events, frames to it by POST. No sound. */
import { messageOf } from '../errors.ts';
import type { Transport, TransportEvents } from './transport.ts';

/** The part of an `EventSource` this needs. */
export interface EventStream {
  /** Told of events by their type; `message` is a frame, `session` the secret. */
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void;
  /** Ends it. */
  close(): void;
}

/** Posts frames, one JSON text a line; gives the status, or rejects. */
export type PostFrames = (secret: string, body: string) => Promise<number>;

// The relay takes 128 KiB in one request. What waits beyond this, a relay that reads nothing
// would never get.
const POST_CHARS_MAX = 32 * 1024;
const WAITING_CHARS_MAX = 512 * 1024;
// The relay itself gives up on a request after 10 s.
const POST_MS_MAX = 15_000;
const ACCEPTED = 202;

/** Connects; rejects when it cannot, or when `signal` aborts. */
export function openHttp(url: string, signal: AbortSignal): Promise<Transport> {
  const events = new EventSource(`${url}/v1/events`);
  const post: PostFrames = async (secret, body) => {
    const response = await fetch(`${url}/v1/frames`, {
      method: 'POST',
      headers: { 'Skywave-Session': secret },
      body,
      credentials: 'omit',
      signal: AbortSignal.timeout(POST_MS_MAX),
    });
    return response.status;
  };
  return greet(events, post, signal);
}

/** Waits for the session's secret. */
export function greet(
  events: EventStream,
  post: PostFrames,
  signal: AbortSignal,
): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const fail = (reason: string): void => {
      signal.removeEventListener('abort', abort);
      events.close();
      reject(new Error(`server-sent events did not open: ${reason}`));
    };
    const abort = (): void => {
      fail('aborted');
    };
    let transport: HttpTransport | undefined;
    events.addEventListener('session', ({ data }) => {
      if (transport || typeof data !== 'string') return;
      signal.removeEventListener('abort', abort);
      transport = new HttpTransport(events, post, data);
      resolve(transport);
    });
    events.addEventListener('message', ({ data }) => {
      if (typeof data !== 'string') return;
      if (transport) transport.handleFrame(data);
      // A relay that takes no more sessions says so in place of the secret.
      else fail(data);
    });
    events.addEventListener('error', () => {
      // An `EventSource` would come back by itself, to a session that is not this one.
      if (transport) transport.handleEnd('the stream of events ended');
      else fail('no answer');
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

class HttpTransport implements Transport {
  readonly kind = 'http';
  readonly #stream: EventStream;
  readonly #post: PostFrames;
  readonly #secret: string;
  #events: TransportEvents | undefined;
  #early: string[] = [];
  #waiting: string[] = [];
  #waitingChars = 0;
  #posting = false;
  #ended = false;

  constructor(stream: EventStream, post: PostFrames, secret: string) {
    this.#stream = stream;
    this.#post = post;
    this.#secret = secret;
  }

  start(events: TransportEvents): void {
    this.#events = events;
    for (const frame of this.#early.splice(0)) events.onFrame(frame);
    if (!this.#ended) return;
    queueMicrotask(() => {
      events.onEnd({ reason: 'closed before it was used' });
    });
  }

  sendFrame(text: string): void {
    if (this.#ended) return;
    this.#waiting.push(text);
    this.#waitingChars += text.length;
    if (this.#waitingChars > WAITING_CHARS_MAX) this.handleEnd('the relay takes nothing');
    else void this.#pump();
  }

  sendDatagram(): void {
    // There is nothing it could travel on, and datagrams may be lost.
  }

  close(_code: number, reason: string): void {
    this.handleEnd(reason);
  }

  handleFrame(text: string): void {
    if (this.#ended) return;
    if (this.#events) this.#events.onFrame(text);
    else this.#early.push(text);
  }

  handleEnd(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#waiting = [];
    this.#stream.close();
    this.#events?.onEnd({ reason });
  }

  /** One request at a time: between two the order of frames would be anybody's guess. */
  async #pump(): Promise<void> {
    if (this.#posting) return;
    this.#posting = true;
    // What is sent in one turn of the event loop travels together.
    await Promise.resolve();
    while (this.#waiting.length > 0 && !this.#ended) {
      const body = this.#next();
      try {
        const status = await this.#post(this.#secret, body);
        if (status !== ACCEPTED) this.handleEnd(`the relay answered ${status}`);
      } catch (error) {
        this.handleEnd(messageOf(error));
      }
    }
    this.#posting = false;
  }

  #next(): string {
    let chars = 0;
    let count = 0;
    for (const frame of this.#waiting) {
      if (count > 0 && chars + frame.length > POST_CHARS_MAX) break;
      chars += frame.length;
      count++;
    }
    this.#waitingChars -= chars;
    return `${this.#waiting.splice(0, count).join('\n')}\n`;
  }
}
