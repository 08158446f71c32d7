/** The page's side of a session: the connection itself lives in a worker. */
import { ALIVE_MS } from './messages.ts';
import { Directory, type DirectoryChange } from './directory.ts';
import { Emitter, type Unsubscribe } from './emitter.ts';
import { failure, SkywaveError } from './errors.ts';
import { RememberedTransport } from './remembered.ts';
import { startWorker, type Assets } from './assets.ts';
import { VERSION } from './version.ts';
import { browserStorage, networkName, watchWakeUps } from './surroundings.ts';
import type { ChannelUpdate, FromWorker, Listening, SessionStatus, ToWorker } from './messages.ts';
import type { JsonObject } from './wire/json.ts';
import type { Push } from './wire/control.ts';
import type { TransportChoice } from './transport/transport.ts';

/** How to connect. */
export interface ConnectOptions {
  /** The server's address, such as `https://radio.example`; by default the page's origin. */
  readonly server?: string;
  /**
   * `auto` (the default) races WebTransport against WebSocket, falls back to HTTP alone,
   * which carries no sound, and remembers the winner.
   */
  readonly transport?: TransportChoice;
  /** A token; without one the session may look and listen. */
  readonly token?: string;
  /**
   * Called when the token is about to run out or was refused; gives the next one, null to
   * go on without one, or `undefined` when there is none, which ends the session.
   */
  readonly refreshToken?: () => Promise<string | null | undefined>;
  /** A name for the relay's logs; by default this library's. */
  readonly clientName?: string;
  /** Where worker and worklet come from; see {@link Assets}. */
  readonly assets?: Assets;
}

/** What a session tells. */
export interface SessionEvents {
  /** The connection's state changed, or its clock was measured. */
  status: SessionStatus;
  /** What is listened to changed; null when nothing is. */
  listening: Listening | null;
  /** A push about the station listened to. */
  station: { readonly station: string; readonly push: Push };
  /** The directory changed; only once {@link Session.stations} was asked for. */
  stations: { readonly directory: Directory; readonly change: DirectoryChange };
}

/** How long {@link Session.request} waits unless told otherwise. */
export const REQUEST_MS_MAX = 10_000;

// The page's own timers may be a minute apart in a hidden tab, and messages that wait are
// delivered before them: two looks in a row without a sign of life are a dead worker.
const LOOK_MS = 3 * ALIVE_MS;
const MISSED_MAX = 2;
// A worker that fails this often without ever telling anything cannot run here.
const FAILED_STARTS_MAX = 4;

interface Waiting {
  readonly resolve: (result: JsonObject) => void;
  readonly reject: (error: SkywaveError) => void;
}

/** Opens a session with a server. It connects by itself and keeps connecting until closed. */
export function connect(options: ConnectOptions = {}): Session {
  return new Session(options);
}

/**
 * A session with a server: listening, subscriptions, requests.
 *
 * It survives lost connections, restarts of the server and the death of its own worker;
 * what was asked for (a station, channels) is asked for again. Made by {@link connect}.
 */
export class Session extends Emitter<SessionEvents> {
  /** The server's origin. */
  readonly server: string;
  readonly #options: ConnectOptions;
  readonly #channels = new Map<string, Set<(update: ChannelUpdate) => void>>();
  readonly #waiting = new Map<number, Waiting>();
  readonly #unwatch: Unsubscribe;
  readonly #looking: ReturnType<typeof setInterval>;
  #worker: Worker;
  #token: string | undefined;
  #status: SessionStatus = { phase: 'connecting' };
  #listening: Listening | null = null;
  #wanted: { station: string; rendition?: string; rewindMs?: number; bundle?: number } | undefined;
  #audioPort: (() => MessagePort) | undefined;
  #directory: Directory | undefined;
  #nextKey = 0;
  #alive = true;
  #missed = 0;
  #failedStarts = 0;

  constructor(options: ConnectOptions = {}) {
    super();
    this.server = serverOrigin(options.server);
    this.#options = options;
    this.#token = options.token;
    this.#worker = this.#start();
    this.#unwatch = watchWakeUps((networkChanged) => {
      this.wake(networkChanged);
    });
    this.#looking = setInterval(() => {
      this.#look();
    }, LOOK_MS);
  }

  /** How far it is. */
  get status(): SessionStatus {
    return this.#status;
  }

  /** What is listened to. */
  get listening(): Listening | null {
    return this.#listening;
  }

  /**
   * Listens to a station from now on, in place of any other.
   *
   * @param rewindMs how far back to begin, as far as the relay keeps; 0 is live.
   * @param bundle how many packets share a datagram, 1 to 4.
   */
  listen(station: string, rendition?: string, rewindMs = 0, bundle = 1): void {
    this.#wanted = {
      station,
      ...(rendition === undefined ? {} : { rendition }),
      ...(rewindMs === 0 ? {} : { rewindMs }),
      ...(bundle === 1 ? {} : { bundle }),
    };
    this.#post({ type: 'listen', ...this.#wanted });
  }

  /** Listens to nothing. */
  unlisten(): void {
    this.#wanted = undefined;
    this.#post({ type: 'unlisten' });
  }

  /**
   * The stations on air, kept up to date: the `stations` event tells of every change.
   * Empty until the first one.
   */
  stations(): Directory {
    if (!this.#directory) {
      const directory = new Directory();
      this.#directory = directory;
      this.subscribe('stations', (update) => {
        if (update.type === 'refused') return;
        const change =
          update.type === 'state'
            ? directory.handleState(update.state)
            : directory.handlePush(update.push);
        if (change) this.emit('stations', { directory, change });
      });
    }
    return this.#directory;
  }

  /**
   * Follows a channel: first its state, then its pushes in order and once. After a
   * connection was lost either the missed pushes come, or the state anew.
   *
   * @returns ends it.
   */
  subscribe(channel: string, listener: (update: ChannelUpdate) => void): Unsubscribe {
    const listeners = this.#channels.get(channel) ?? new Set();
    const entry = (update: ChannelUpdate): void => {
      listener(update);
    };
    listeners.add(entry);
    // Whoever joins later needs the state as well, so it is asked for once more.
    this.#channels.set(channel, listeners);
    this.#post({ type: 'subscribe', channel });
    return () => {
      if (!listeners.delete(entry) || listeners.size > 0) return;
      this.#channels.delete(channel);
      this.#post({ type: 'unsubscribe', channel });
    };
  }

  /**
   * Sends a request of the protocol and gives its result.
   *
   * @throws SkywaveError with the relay's code, or `timeout`, `disconnected`, `closed`,
   * `worker_failed`; after the latter ones it may or may not have taken effect.
   */
  request(method: string, params: JsonObject = {}, timeoutMs = REQUEST_MS_MAX) {
    if (this.#status.phase === 'closed') {
      return Promise.reject(failure('closed', 'the session is closed'));
    }
    const key = this.#nextKey++;
    return new Promise<JsonObject>((resolve, reject) => {
      this.#waiting.set(key, { resolve, reject });
      this.#post({ type: 'request', key, method, params, timeoutMs });
    });
  }

  /** Replaces the session's token, as before it expires. */
  authenticate(token: string): void {
    this.#token = token;
    this.#post({ type: 'token', token });
  }

  /**
   * Is another user from now on, or nobody without a token: the session connects anew as
   * that user, goes on listening, and every channel begins with its state.
   */
  signIn(token: string | undefined): void {
    this.#token = token;
    this.#post({ type: 'identity', ...(token === undefined ? {} : { token }) });
  }

  /** The token the session goes by, as uploads need it; `undefined` for visitors. */
  get token(): string | undefined {
    return this.#token;
  }

  /** Sends an audio datagram as a station's source; it may be lost. The bytes are taken over. */
  sendDatagram(bytes: Uint8Array<ArrayBuffer>): void {
    this.#worker.postMessage({ type: 'datagram', bytes } satisfies ToWorker, [bytes.buffer]);
  }

  /**
   * Reconnects at once if disconnected, else probes the connection. Called by itself when
   * the page becomes visible, the machine wakes or the network comes back.
   */
  wake(networkChanged = false): void {
    this.#post({ type: 'wake', networkChanged });
  }

  /** Ends the session for good. */
  close(): void {
    if (this.#status.phase === 'closed') return;
    this.#status = { phase: 'closed' };
    this.#post({ type: 'close' });
    this.#release();
    this.emit('status', this.#status);
    this.removeAllListeners();
  }

  /**
   * Where the worker sends audio: called now and whenever a new worker needs a port.
   *
   * @internal
   */
  connectAudio(port: () => MessagePort): void {
    this.#audioPort = port;
    this.#giveAudioPort();
  }

  #start(): Worker {
    const worker = startWorker(this.#options.assets ?? {});
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (worker === this.#worker) this.#handle(data);
    };
    worker.onerror = (event) => {
      event.preventDefault();
      if (worker === this.#worker) this.#restart(event.message);
    };
    const remembered = this.#memory().read(Date.now());
    const open: ToWorker = {
      type: 'open',
      server: this.server,
      choice: this.#options.transport ?? 'auto',
      client: { name: this.#options.clientName ?? 'skywave-web', version: VERSION },
      ...(this.#token === undefined ? {} : { token: this.#token }),
      ...(remembered === undefined ? {} : { remembered }),
    };
    worker.postMessage(open);
    return worker;
  }

  #handle(message: FromWorker): void {
    this.#alive = true;
    this.#failedStarts = 0;
    switch (message.type) {
      case 'alive':
        break;
      case 'status':
        this.#handleStatus(message.status);
        break;
      case 'listening':
        this.#listening = message.listening;
        this.emit('listening', message.listening);
        break;
      case 'station':
        this.emit('station', message);
        break;
      case 'channel':
        for (const listener of [...(this.#channels.get(message.channel) ?? [])]) {
          listener(message.update);
        }
        break;
      case 'answer': {
        const waiting = this.#waiting.get(message.key);
        this.#waiting.delete(message.key);
        if (message.error) waiting?.reject(new SkywaveError(message.error));
        else waiting?.resolve(message.result ?? {});
        break;
      }
      case 'token_needed':
        void this.#refreshToken();
        break;
      case 'winner':
        this.#memory().write(message.winner, Date.now());
        break;
    }
  }

  #handleStatus(status: SessionStatus): void {
    // Our own `close` was told already.
    if (this.#status.phase === 'closed') return;
    this.#status = status;
    if (status.phase === 'closed') this.#release();
    this.emit('status', status);
  }

  async #refreshToken(): Promise<void> {
    let token: string | null | undefined;
    try {
      token = await this.#options.refreshToken?.();
    } catch {
      // No token then; the session's end tells why one was needed.
    }
    if (token !== undefined) this.#token = token ?? undefined;
    this.#post({ type: 'token', ...(token === undefined ? {} : { token }) });
  }

  #look(): void {
    this.#missed = this.#alive ? 0 : this.#missed + 1;
    this.#alive = false;
    if (this.#missed >= MISSED_MAX) this.#restart('it gave no sign of life');
  }

  /** Replaces a worker that died, and asks for everything again. */
  #restart(reason: string): void {
    if (this.#status.phase === 'closed') return;
    this.#worker.terminate();
    this.#missed = 0;
    this.#alive = true;
    const error = failure('worker_failed', `the session's worker failed: ${reason}`, true);
    this.#failWaiting(error);
    this.#failedStarts++;
    if (this.#failedStarts >= FAILED_STARTS_MAX) {
      this.#handleStatus({ phase: 'closed', error: { ...error.toObject(), temporary: false } });
      return;
    }
    this.#status = { phase: 'reconnecting', error: error.toObject() };
    this.emit('status', this.#status);
    this.#worker = this.#start();
    this.#giveAudioPort();
    for (const channel of this.#channels.keys()) this.#post({ type: 'subscribe', channel });
    if (this.#wanted) this.#post({ type: 'listen', ...this.#wanted });
  }

  #giveAudioPort(): void {
    if (!this.#audioPort) return;
    const port = this.#audioPort();
    this.#worker.postMessage({ type: 'audio', port } satisfies ToWorker, [port]);
  }

  #release(): void {
    clearInterval(this.#looking);
    this.#unwatch();
    this.#failWaiting(failure('closed', 'the session is closed'));
    // The worker ends itself a moment later, after the farewell has left.
    const worker = this.#worker;
    setTimeout(() => {
      worker.terminate();
    }, 1_000);
  }

  #failWaiting(error: SkywaveError): void {
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
  }

  #memory(): RememberedTransport {
    return new RememberedTransport(browserStorage(), this.server, networkName());
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}

function serverOrigin(server: string | undefined): string {
  const url = new URL(server === undefined || server === '' ? '/' : server, location.href);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw failure('bad_request', `${server ?? ''} is no http(s) address`);
  }
  return url.origin;
}
