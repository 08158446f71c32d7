/** One session on one connection, from `hello` to its end. */
import { afterwards, closeCodeName, DONE, parseBye, type Bye } from '../wire/ends.ts';
import { ClockEstimator } from '../clock.ts';
import { decodeFrame, PROTOCOL, type Push } from '../wire/control.ts';
import { failure, SkywaveError } from '../errors.ts';
import { isRecord, number, objects, text, type JsonObject } from '../wire/json.ts';
import { RequestTable } from './requests.ts';
import type { ClockEstimate } from '../clock.ts';
import type { Timer, Timers } from '../timers.ts';
import type { Transport, TransportEnd } from '../transport/transport.ts';
import type { User } from '../messages.ts';

/** How a session ended. */
export interface SessionEnd {
  /** The relay's code, or `disconnected`, `timeout`, `no_audio`, `closed` of our own. */
  readonly code: string;
  /** For people and logs. */
  readonly reason: string;
  /** Not to come back before this many milliseconds. */
  readonly reconnectAfterMs?: number;
  /** Whether coming back is no use at all, whatever the code says. */
  readonly final?: boolean;
}

/** What a session tells its owner. */
export interface LiveEvents {
  /** `hello` was accepted. */
  onWelcome(welcome: Welcome): void;
  /** A push other than `bye`. */
  onPush(push: Push): void;
  /** A datagram, of whatever kind. */
  onDatagram(bytes: Uint8Array<ArrayBuffer>): void;
  /** Round trip and offset were measured again. */
  onClock(clock: ClockEstimate): void;
  /** The last event, once. */
  onEnd(end: SessionEnd): void;
}

/** What `hello` was answered. */
export interface Welcome {
  /** The relay's name for the session. */
  readonly sessionId: string;
  /** Whom the token names. */
  readonly user: User | undefined;
  /** A `Subscribed` for each subscription asked for. */
  readonly subscriptions: readonly JsonObject[];
}

/** What `hello` says. */
export interface Greeting {
  readonly token: string | undefined;
  readonly client: { readonly name: string; readonly version: string };
  readonly subscriptions: readonly JsonObject[];
}

const HELLO_MS_MAX = 8_000;
const PING_MS_MAX = 5_000;
const WAKE_PING_MS_MAX = 2_000;
// The first pings come quickly: one lucky fast round trip makes a good clock.
const FIRST_PINGS_MS = [150, 300, 600, 1_200];
const PING_PERIOD_MS = 5_000;

/** A connected session. It ends once, by `onEnd`; there is nothing to clean up after that. */
export class LiveSession {
  /** When it began, on the monotonic clock. */
  readonly startedAt: number;
  readonly #transport: Transport;
  readonly #timers: Timers;
  readonly #events: LiveEvents;
  readonly #requests: RequestTable;
  readonly #clock = new ClockEstimator();
  #pingTimer: Timer | undefined;
  #pings = 0;
  #pingPeriodMs = PING_PERIOD_MS;
  #heardAt = 0;
  #bye: Bye | undefined;
  #ended = false;

  constructor(transport: Transport, greeting: Greeting, timers: Timers, events: LiveEvents) {
    this.#transport = transport;
    this.#timers = timers;
    this.#events = events;
    this.startedAt = timers.now();
    this.#requests = new RequestTable(timers, (text) => {
      transport.sendFrame(text);
    });
    transport.start({
      onFrame: (text) => {
        this.#handleFrame(text);
      },
      onDatagram: (bytes) => {
        this.#heardAt = timers.now();
        if (!this.#ended) events.onDatagram(bytes);
      },
      onEnd: (end) => {
        this.#finish(this.#endOf(end));
      },
    });
    void this.#greet(greeting);
  }

  /** What carries it. */
  get transport(): Transport['kind'] {
    return this.#transport.kind;
  }

  /** Sends a request; see {@link RequestTable.request} for how it fails. */
  request(method: string, params: JsonObject, timeoutMs: number): Promise<JsonObject> {
    if (this.#ended) return Promise.reject(failure('disconnected', 'the session ended', true));
    return this.#requests.request(method, params, timeoutMs);
  }

  /** Sends a datagram; it may be lost. */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#ended) this.#transport.sendDatagram(bytes);
  }

  /** Finds out quickly whether the connection has survived, say, a closed lid. */
  probe(): void {
    void this.#ping(WAKE_PING_MS_MAX);
  }

  /** Ends the session from our side. */
  end(end: SessionEnd): void {
    // In this order: the transport may tell of its end while it is being closed.
    this.#finish(end);
    this.#transport.close(DONE, end.code);
  }

  async #greet({ token, client, subscriptions }: Greeting): Promise<void> {
    const params: JsonObject = {
      protocol: PROTOCOL,
      ...(token === undefined ? {} : { token }),
      client,
      ...(subscriptions.length === 0 ? {} : { subscriptions }),
    };
    const sentMs = this.#timers.wallClock();
    try {
      const result = await this.#requests.request('hello', params, HELLO_MS_MAX);
      this.#sampleClock(sentMs, result);
      this.#pingPeriodMs = Math.min(
        PING_PERIOD_MS,
        (number(result, 'ping_interval_ms') ?? 2 * PING_PERIOD_MS) / 2,
      );
      this.#events.onWelcome({
        sessionId: text(result, 'session') ?? '',
        user: parseUser(result),
        subscriptions: objects(result, 'subscriptions'),
      });
      this.#schedulePing();
    } catch (error) {
      if (error instanceof SkywaveError) this.end(endOfRefusal(error));
      else throw error;
    }
  }

  #schedulePing(): void {
    if (this.#ended) return;
    const periodMs = FIRST_PINGS_MS[this.#pings] ?? this.#pingPeriodMs;
    this.#pings++;
    this.#pingTimer = this.#timers.after(periodMs, () => {
      void this.#ping(PING_MS_MAX).then(() => {
        this.#schedulePing();
      });
    });
  }

  async #ping(timeoutMs: number): Promise<void> {
    const startedAt = this.#timers.now();
    const sentMs = this.#timers.wallClock();
    try {
      const result = await this.request('ping', {}, timeoutMs);
      this.#sampleClock(sentMs, result);
    } catch (error) {
      const late = error instanceof SkywaveError && error.code === 'timeout';
      // Audio that keeps coming proves the connection; the reply merely queues behind it.
      if (late && this.#heardAt <= startedAt) {
        this.end({ code: 'timeout', reason: 'the relay does not answer' });
      }
    }
  }

  #sampleClock(sentMs: number, result: JsonObject): void {
    const serverUs = number(result, 'server_time');
    if (serverUs === undefined) return;
    const receivedMs = this.#timers.wallClock();
    this.#clock.add({ sentMs, receivedMs, serverMs: serverUs / 1000 });
    const estimate = this.#clock.estimate();
    if (estimate) this.#events.onClock(estimate);
  }

  #handleFrame(textFrame: string): void {
    if (this.#ended) return;
    this.#heardAt = this.#timers.now();
    const frame = decodeFrame(textFrame);
    if (!frame) return;
    if (frame.kind !== 'push') this.#requests.handleReply(frame);
    else if (frame.push.channel === 'session' && frame.push.type === 'bye') {
      this.#bye = parseBye(frame.push.data);
      // The close that follows may never be seen; the relay has said all it will.
      this.end(endOfBye(this.#bye));
    } else this.#events.onPush(frame.push);
  }

  #endOf({ code, reason }: TransportEnd): SessionEnd {
    if (this.#bye) return endOfBye(this.#bye);
    const name = code === undefined ? undefined : closeCodeName(code);
    return { code: name ?? 'disconnected', reason };
  }

  #finish(end: SessionEnd): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#pingTimer?.cancel();
    this.#requests.close(failure('disconnected', `the session ended: ${end.reason}`, true));
    this.#events.onEnd(end);
  }
}

function endOfBye({ code, reason, reconnectAfterMs }: Bye): SessionEnd {
  return { code, reason, ...(reconnectAfterMs === undefined ? {} : { reconnectAfterMs }) };
}

function endOfRefusal(error: SkywaveError): SessionEnd {
  return {
    code: error.code,
    reason: error.message,
    ...(error.retryAfterMs === undefined ? {} : { reconnectAfterMs: error.retryAfterMs }),
    final: !error.temporary && afterwards(error.code) !== 'new_token',
  };
}

/** Reads the `user` of a reply to `hello` or `authenticate`. */
export function parseUser(result: JsonObject): User | undefined {
  const { user } = result;
  if (!isRecord(user)) return undefined;
  const sub = text(user, 'sub');
  if (sub === undefined) return undefined;
  const name = text(user, 'name');
  const expiresAt = number(user, 'expires_at');
  return {
    sub,
    ...(name === undefined ? {} : { name }),
    ...(expiresAt === undefined ? {} : { expiresAt: expiresAt * 1000 }),
  };
}
