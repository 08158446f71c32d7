/**
 * The session across connections: dials, keeps what the page wants (channels, a station,
 * a valid token), and comes back whenever a connection ends. Runs in the worker; knows no
 * browser, so that its tests run under Node in virtual time.
 */
import { afterwards } from '../wire/ends.ts';
import { backoffMs } from '../backoff.ts';
import { ChannelTable } from './channels.ts';
import { decodeError } from '../wire/control.ts';
import { failure, messageOf, SkywaveError } from '../errors.ts';
import { isRecord } from '../wire/json.ts';
import { Listener } from './listener.ts';
import { LiveSession, parseUser, type SessionEnd, type Welcome } from './live.ts';
import { sleep, type Timers } from '../timers.ts';
import { TokenKeeper } from './tokens.ts';
import type { AudioSink } from './listening.ts';
import type { ClockEstimate } from '../clock.ts';
import type { ErrorObject, Push } from '../wire/control.ts';
import type {
  FromWorker,
  FromWorkletAudio,
  OpenMessage,
  SessionStatus,
  ToWorker,
} from '../messages.ts';
import type { Transport, TransportChoice, TransportKind } from '../transport/transport.ts';

/** What the session needs from where it runs. */
export interface Surroundings {
  /** Clocks and timers. */
  readonly timers: Timers;
  /** Uniform in [0, 1). */
  random(): number;
  /** Finds and connects to the server; must reject when `signal` aborts. */
  dial(request: DialRequest, signal: AbortSignal): Promise<Transport>;
  /** Tells the page. */
  post(message: FromWorker): void;
  /** Takes the audio. */
  readonly sink: AudioSink & { clock(clock: ClockEstimate): void };
}

/** Whom to dial and how. */
export interface DialRequest {
  readonly server: string;
  readonly choice: TransportChoice;
  readonly remembered: TransportKind | undefined;
}

// A session that lived this long was a good one: the next wait starts small again.
const PROVEN_MS = 10_000;
const FLOODING_WAIT_MS = 30_000;
const SUBSCRIBE_MS_MAX = 10_000;
const TICK_MS = 500;
// How a session ends here whose place another user's takes.
const NEW_IDENTITY = 'new_identity';
// Timers that slept this long mean that the machine did.
const SLEPT_MS = 5_000;

/** See the file's head. */
export class SessionCore {
  readonly #around: Surroundings;
  readonly #open: OpenMessage;
  readonly #channels = new ChannelTable();
  readonly #listener: Listener;
  readonly #tokens: TokenKeeper;
  readonly #closing = new AbortController();
  #live: LiveSession | undefined;
  #welcome: Welcome | undefined;
  #clock: ClockEstimate | undefined;
  #remembered: TransportKind | undefined;
  #attempt = 0;
  #pause = new AbortController();
  #resubscribing = new Set<string>();

  /** @param open how to reach and greet the server; call {@link run} to begin. */
  constructor(open: OpenMessage, around: Surroundings) {
    this.#open = open;
    this.#around = around;
    this.#tokens = new TokenKeeper(open.token, around.timers, () => {
      around.post({ type: 'token_needed' });
    });
    this.#remembered = open.remembered;
    this.#listener = new Listener(around.timers, around.sink, (listening) => {
      around.post({ type: 'listening', listening });
    });
  }

  /** Connects and reconnects until it is closed or the relay asks it to stay away. */
  async run(): Promise<void> {
    this.#status({ phase: 'connecting' });
    this.#tick(this.#around.timers.wallClock());
    while (!this.#isClosed()) {
      const end = await this.#runOnce();
      if (this.#isClosed() || !(await this.#prepareNext(end))) return;
    }
  }

  /** Takes a message from the page. */
  handle(message: Exclude<ToWorker, { type: 'open' | 'audio' }>): void {
    switch (message.type) {
      case 'listen':
        this.#listener.listen(message.station, message.rendition, message.rewindMs, message.bundle);
        break;
      case 'unlisten':
        this.#listener.unlisten();
        break;
      case 'subscribe':
        this.#channels.add(message.channel);
        void this.#subscribe(message.channel);
        break;
      case 'unsubscribe':
        this.#channels.delete(message.channel);
        this.#forget('unsubscribe', { channel: message.channel });
        break;
      case 'request':
        void this.#answer(message);
        break;
      case 'token':
        if (this.#tokens.handleAnswer(message.token)) void this.#authenticate();
        break;
      case 'identity':
        this.#changeIdentity(message.token);
        break;
      case 'datagram':
        this.#live?.sendDatagram(message.bytes);
        break;
      case 'wake':
        this.#wake(message.networkChanged);
        break;
      case 'close':
        this.#close();
        break;
    }
  }

  /** Takes what the worklet wants of the relay. */
  handleWorklet(message: FromWorkletAudio): void {
    const live = this.#live;
    if (!live) return;
    if (message instanceof ArrayBuffer) {
      // An ordered stream loses nothing.
      if (live.transport === 'webtransport') live.sendDatagram(new Uint8Array(message));
    } else if (message.type === 'redundancy') {
      this.#listener.setRedundancy(message.level);
    } else {
      const roundTripMs = this.#clock?.roundTripMs;
      const report = {
        ...message.reception,
        ...(roundTripMs === undefined ? {} : { round_trip_ms: roundTripMs }),
      };
      // The next one makes up for it.
      live.request('reception_report', report, SUBSCRIBE_MS_MAX).catch(() => undefined);
    }
  }

  // One connection

  async #runOnce(): Promise<SessionEnd> {
    let transport: Transport;
    try {
      const { server, choice } = this.#open;
      transport = await this.#around.dial(
        { server, choice, remembered: this.#remembered },
        this.#closing.signal,
      );
    } catch (error) {
      const final = error instanceof SkywaveError && !error.temporary;
      const code = error instanceof SkywaveError ? error.code : 'unreachable';
      return { code, reason: messageOf(error), final };
    }
    if (this.#isClosed()) {
      transport.close(0, 'closed');
      return { code: 'closed', reason: 'closed' };
    }
    this.#remember(transport.kind);
    return this.#serve(transport);
  }

  #serve(transport: Transport): Promise<SessionEnd> {
    return new Promise((resolve) => {
      const greeting = {
        token: this.#tokens.current,
        client: this.#open.client,
        subscriptions: this.#channels.all(),
      };
      const live = new LiveSession(transport, greeting, this.#around.timers, {
        onWelcome: (welcome) => {
          this.#handleWelcome(live, welcome);
        },
        onPush: (push) => {
          this.#handlePush(push);
        },
        onDatagram: (bytes) => {
          this.#listener.handleDatagram(bytes);
        },
        onClock: (clock) => {
          this.#handleClock(live, clock);
        },
        onEnd: (end) => {
          this.#handleEnd(live, end);
          resolve(end);
        },
      });
      this.#live = live;
      // Right behind `hello`, without waiting for its reply: one round trip less to sound.
      this.#listener.attach(live);
    });
  }

  #handleWelcome(live: LiveSession, welcome: Welcome): void {
    this.#welcome = welcome;
    const { subscriptions, user } = welcome;
    for (const subscribed of subscriptions) this.#tellSubscribed(subscribed);
    this.#tokens.watch(user?.expiresAt, this.#serverNow());
    this.#status({ phase: 'connected', ...connected(live, welcome, this.#clock) });
    // Channels that the page asked for while `hello` was on its way.
    const greeted = new Set(subscriptions.map((subscribed) => subscribed.channel));
    for (const { channel } of this.#channels.all()) {
      if (typeof channel === 'string' && !greeted.has(channel)) void this.#subscribe(channel);
    }
  }

  #handleClock(live: LiveSession, clock: ClockEstimate): void {
    this.#clock = clock;
    this.#around.sink.clock(clock);
    if (this.#welcome) {
      this.#status({ phase: 'connected', ...connected(live, this.#welcome, clock) });
    }
  }

  #handlePush(push: Push): void {
    if (push.channel.startsWith('station:')) {
      const station = push.channel.slice('station:'.length);
      if (this.#listener.handlePush(station, push)) {
        this.#around.post({ type: 'station', station, push });
      }
      return;
    }
    const verdict = this.#channels.handlePush(push);
    if (verdict !== 'ignore' && push.type === 'unsubscribed') {
      // Rights to a channel may end while one follows it.
      this.#refuse(push.channel, decodeError(isRecord(push.data.error) ? push.data.error : {}));
    } else if (verdict === 'deliver') {
      const update = { type: 'push', push } as const;
      this.#around.post({ type: 'channel', channel: push.channel, update });
      this.#listener.handleStationNews(push);
    } else if (verdict === 'gap') void this.#subscribe(push.channel);
  }

  #handleEnd(live: LiveSession, end: SessionEnd): void {
    this.#live = undefined;
    this.#welcome = undefined;
    this.#tokens.release();
    const proven = this.#around.timers.now() - live.startedAt >= PROVEN_MS;
    if (proven) this.#attempt = 0;
    // UDP that carries the handshake and not the sound: a tunnel with a small MTU does that.
    if (end.code === 'no_audio' && !this.#listener.heard) {
      this.#remember(live.transport === 'webtransport' ? 'websocket' : undefined);
    }
    this.#listener.detach();
  }

  // Between connections

  /** Waits for the next try; `false` when there is none. */
  async #prepareNext(end: SessionEnd): Promise<boolean> {
    const error = { code: end.code, message: end.reason, temporary: true };
    const next = end.final ? 'stop' : afterwards(end.code);
    if (next === 'stop') return this.#stop(error);
    if (next === 'new_token' && !(await this.#tokens.renew())) return this.#stop(error);
    const waitMs = this.#waitMs(end);
    this.#attempt++;
    const retryAt = this.#around.timers.wallClock() + waitMs;
    this.#status({ phase: 'reconnecting', error, retryAt });
    this.#pause = new AbortController();
    await sleep(this.#around.timers, waitMs, this.#pause.signal);
    return !this.#isClosed();
  }

  #waitMs({ code, reconnectAfterMs }: SessionEnd): number {
    if (code === NEW_IDENTITY) return 0;
    const jitterMs = backoffMs(this.#attempt, this.#around.random());
    if (reconnectAfterMs !== undefined) return reconnectAfterMs;
    return code === 'flooding' ? FLOODING_WAIT_MS + jitterMs : jitterMs;
  }

  #stop(error: ErrorObject): false {
    this.#closing.abort();
    this.#listener.unlisten();
    this.#status({ phase: 'closed', error: { ...error, temporary: false } });
    return false;
  }

  #close(): void {
    if (this.#isClosed()) return;
    this.#closing.abort();
    this.#pause.abort();
    this.#tokens.release();
    this.#tokens.handleAnswer(undefined);
    this.#listener.unlisten();
    this.#live?.end({ code: 'closed', reason: 'closed' });
    this.#status({ phase: 'closed' });
  }

  /** A session's user is for its life: somebody else has a session of their own. */
  #changeIdentity(token: string | undefined): void {
    this.#tokens.replace(token);
    this.#channels.restart();
    this.#pause.abort();
    this.#live?.end({ code: NEW_IDENTITY, reason: 'somebody else uses it now' });
  }

  #wake(networkChanged: boolean): void {
    const auto = this.#open.choice === 'auto';
    if (networkChanged && auto) this.#remember(undefined);
    // Another network may let more through than HTTP.
    if (networkChanged && auto && this.#live?.transport === 'http') {
      this.#live.end({ code: 'disconnected', reason: 'the network changed' });
    }
    this.#attempt = 0;
    this.#pause.abort();
    this.#live?.probe();
  }

  // Runs all the time: the watchdog for sound, and for machines that slept.
  #tick(lastMs: number): void {
    if (this.#isClosed()) return;
    const nowMs = this.#around.timers.wallClock();
    if (nowMs - lastMs > SLEPT_MS) this.#wake(false);
    else if (this.#listener.isSilent()) {
      this.#live?.end({ code: 'no_audio', reason: 'no sound came for three seconds' });
    }
    this.#around.timers.after(TICK_MS, () => {
      this.#tick(nowMs);
    });
  }

  #remember(winner: TransportKind | undefined): void {
    if (this.#open.choice !== 'auto' || this.#remembered === winner) return;
    this.#remembered = winner;
    this.#around.post({ type: 'winner', ...(winner === undefined ? {} : { winner }) });
  }

  #serverNow(): number {
    return this.#around.timers.wallClock() + (this.#clock?.offsetMs ?? 0);
  }

  #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #status(status: SessionStatus): void {
    this.#around.post({ type: 'status', status });
  }

  // Requests

  async #subscribe(channel: string): Promise<void> {
    // While connecting `hello` brings it; while one is on its way its reply brings it.
    if (!this.#live || !this.#welcome || this.#resubscribing.has(channel)) return;
    this.#resubscribing.add(channel);
    try {
      const params = this.#channels.params(channel);
      this.#tellSubscribed(await this.#live.request('subscribe', params, SUBSCRIBE_MS_MAX));
    } catch (error) {
      if (!(error instanceof SkywaveError)) throw error;
      // Without a connection the next `hello` asks again.
      if (error.temporary) return;
      this.#refuse(channel, error.toObject());
    } finally {
      this.#resubscribing.delete(channel);
    }
  }

  #refuse(channel: string, error: ErrorObject): void {
    this.#channels.delete(channel);
    this.#around.post({ type: 'channel', channel, update: { type: 'refused', error } });
  }

  #tellSubscribed(subscribed: Parameters<ChannelTable['handleSubscribed']>[0]): void {
    const { channel, updates } = this.#channels.handleSubscribed(subscribed);
    for (const update of updates) this.#around.post({ type: 'channel', channel, update });
  }

  #forget(method: string, params: { channel: string }): void {
    // Whether it was ever subscribed does not matter any more.
    this.#live?.request(method, params, SUBSCRIBE_MS_MAX).catch(() => undefined);
  }

  async #answer({ key, method, params, timeoutMs }: ToWorker & { type: 'request' }): Promise<void> {
    try {
      if (!this.#live) throw failure('disconnected', 'there is no connection', true);
      const result = await this.#live.request(method, params, timeoutMs);
      this.#around.post({ type: 'answer', key, result });
    } catch (error) {
      const refused = error instanceof SkywaveError ? error : failure('internal', messageOf(error));
      this.#around.post({ type: 'answer', key, error: refused.toObject() });
    }
  }

  async #authenticate(): Promise<void> {
    try {
      const token = this.#tokens.current ?? '';
      const result = await this.#live?.request('authenticate', { token }, SUBSCRIBE_MS_MAX);
      if (!result || !this.#live || !this.#welcome) return;
      this.#welcome = { ...this.#welcome, user: parseUser(result) };
      this.#tokens.watch(this.#welcome.user?.expiresAt, this.#serverNow());
      this.#status({
        phase: 'connected',
        ...connected(this.#live, this.#welcome, this.#clock),
      });
    } catch {
      // The session then ends with `token_expired`, which asks for another.
    }
  }
}

function connected(
  live: LiveSession,
  { sessionId, user }: Welcome,
  clock: ClockEstimate | undefined,
): Omit<SessionStatus, 'phase'> {
  return {
    transport: live.transport,
    sessionId,
    ...(user === undefined ? {} : { user }),
    ...(clock === undefined ? {} : { clock }),
  };
}
