/** Keeps the session listening to the station the page wants, across connections. */
import { backoffMs } from '../backoff.ts';
import { ListeningState, type AudioSink } from './listening.ts';
import { SkywaveError } from '../errors.ts';
import { text } from '../wire/json.ts';
import type { Listening } from '../messages.ts';
import type { LiveSession } from './live.ts';
import type { Push } from '../wire/control.ts';
import type { Timer, Timers } from '../timers.ts';

const LISTEN_MS_MAX = 8_000;
// A relay that restarted knows its stations again within seconds: ask at 1, 2, 4, 8, 8, ... s.
const ASK_AGAIN = { baseMs: 1_000, maxMs: 8_000 };

/** Why nothing is heard where HTTP alone comes through. */
const NO_SOUND = {
  code: 'no_sound',
  message: 'This network lets neither WebTransport nor WebSockets through, which carry the sound.',
  temporary: false,
};

interface Wanted {
  readonly station: string;
  readonly rendition: string | undefined;
  readonly rewindMs: number;
  readonly bundle: number;
}

/** See the file's head. */
export class Listener {
  readonly #timers: Timers;
  readonly #sink: AudioSink;
  readonly #tell: (listening: Listening | null) => void;
  #wanted: Wanted | undefined;
  #live: LiveSession | undefined;
  #state: ListeningState | undefined;
  #retry: Timer | undefined;
  #refusals = 0;
  // Replies to requests that were overtaken by a newer one are recognised by this.
  #round = 0;
  #redundancy = 0;

  /** @param tell gets every change of what is listened to. */
  constructor(timers: Timers, sink: AudioSink, tell: (listening: Listening | null) => void) {
    this.#timers = timers;
    this.#sink = sink;
    this.#tell = tell;
  }

  /** Whether this connection brought any sound. */
  get heard(): boolean {
    return this.#state?.heard ?? false;
  }

  /**
   * Listens to a station from now on, in place of any other; live or from so far back on, and
   * with so many packets in a datagram.
   */
  listen(station: string, rendition: string | undefined, rewindMs = 0, bundle = 1): void {
    if (this.#wanted?.station !== station) this.#sink.track(null, 0, false);
    this.#wanted = { station, rendition, rewindMs, bundle };
    this.#refusals = 0;
    this.#ask();
  }

  /** Listens to nothing. */
  unlisten(): void {
    if (!this.#wanted) return;
    this.#wanted = undefined;
    this.#round++;
    this.#retry?.cancel();
    this.#state = undefined;
    this.#sink.track(null, 0, false);
    // `not_listening` and a dead connection come to the same.
    this.#live?.request('unlisten', {}, LISTEN_MS_MAX).catch(() => undefined);
    this.#tell(null);
  }

  /** How much is to travel along against loss, 0 to 2; on WebSocket nothing is lost. */
  setRedundancy(level: number): void {
    this.#redundancy = level;
    if (this.#live?.transport !== 'webtransport') return;
    // `not_listening` and a dead connection come to the same: `listen` tells it again.
    this.#live.request('set_redundancy', { level }, LISTEN_MS_MAX).catch(() => undefined);
  }

  /** There is a connection again. */
  attach(live: LiveSession): void {
    this.#live = live;
    this.#refusals = 0;
    this.#ask();
  }

  /** The connection is gone; what has arrived plays on. */
  detach(): void {
    this.#live = undefined;
    this.#state = undefined;
    this.#round++;
    this.#retry?.cancel();
    if (this.#wanted) this.#tell({ ...described(this.#wanted), phase: 'asking' });
  }

  /** Takes a datagram. */
  handleDatagram(bytes: Uint8Array<ArrayBuffer>): void {
    this.#state?.handleDatagram(bytes, this.#timers.now());
  }

  /** Takes a push of a station; `false` when it is about another than the one listened to. */
  handlePush(station: string, push: Push): boolean {
    const state = this.#state;
    if (!state?.isFor(station)) return false;
    if (state.handlePush(push, this.#timers.now()) && state.info) this.#tellListening(state);
    return true;
  }

  /** Takes news of all stations: one that was unknown and went on air is asked for at once. */
  handleStationNews({ type, data }: Push): void {
    const started = type === 'started' && text(data, 'id') === this.#wanted?.station;
    if (started && this.#refusals > 0) this.#ask();
  }

  /** Whether sound that should come has been missing for too long. */
  isSilent(): boolean {
    return this.#state?.isSilent(this.#timers.now()) ?? false;
  }

  #ask(): void {
    this.#retry?.cancel();
    const wanted = this.#wanted;
    if (!wanted) return;
    const round = ++this.#round;
    this.#tell({ ...described(wanted), phase: 'asking' });
    if (!this.#live) return;
    if (this.#live.transport === 'http') {
      this.#sink.track(null, 0, false);
      this.#tell({ ...described(wanted), phase: 'refused', error: NO_SOUND });
      return;
    }
    const former = this.#state?.isFor(wanted.station) ? this.#state : undefined;
    const state = new ListeningState(wanted.station, this.#sink, former);
    this.#state = state;
    const redundancy = this.#live.transport === 'webtransport' ? this.#redundancy : 0;
    const params = {
      ...described(wanted),
      ...(redundancy === 0 ? {} : { redundancy }),
      ...(wanted.bundle === 1 ? {} : { bundle: wanted.bundle }),
      ...(wanted.rewindMs === 0 ? {} : { rewind_ms: wanted.rewindMs }),
    };
    this.#live.request('listen', params, LISTEN_MS_MAX).then(
      (result) => {
        if (round !== this.#round) return;
        this.#refusals = 0;
        state.handleReply(result, this.#timers.now());
        this.#tellListening(state);
      },
      (error: unknown) => {
        if (round === this.#round && error instanceof SkywaveError) this.#refused(wanted, error);
      },
    );
  }

  #refused(wanted: Wanted, error: SkywaveError): void {
    // The end of the connection is told by `detach`.
    if (error.code === 'disconnected') return;
    this.#sink.track(null, 0, false);
    this.#tell({ ...described(wanted), phase: 'refused', error: error.toObject() });
    const mayChange = error.temporary || error.code === 'unknown_station';
    if (!mayChange) return;
    // The upper half of the range: nobody else waits for the same moment as on a restart.
    const waitMs = error.retryAfterMs ?? backoffMs(this.#refusals, 1, ASK_AGAIN);
    this.#refusals++;
    this.#retry = this.#timers.after(waitMs, () => {
      this.#ask();
    });
  }

  #tellListening(state: ListeningState): void {
    const wanted = this.#wanted;
    if (!wanted) return;
    this.#tell({
      ...described(wanted),
      phase: 'listening',
      behindMs: state.behindMs,
      ...(state.info === undefined ? {} : { info: state.info }),
      ...(state.track === undefined ? {} : { track: state.track }),
    });
  }
}

function described({ station, rendition }: Wanted): { station: string; rendition?: string } {
  return { station, ...(rendition === undefined ? {} : { rendition }) };
}
