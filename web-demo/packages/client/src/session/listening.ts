/** The track listened to: which datagrams belong to it, and whether they still come. */
import { datagramTrack } from '../wire/datagram.ts';
import {
  parseStation,
  parseTrack,
  type Station,
  type StationState,
  type Track,
} from '../wire/objects.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Push } from '../wire/control.ts';

/** The protocol's figure: a live track that is silent for this long means a dead session. */
export const SILENCE_MS_MAX = 3_000;

// Datagrams overtake the reply to `listen` on WebTransport, by a round trip at most:
// a second of 20 ms packets covers it.
const EARLY_MAX = 50;

/** Where datagrams and the news about them go. */
export interface AudioSink {
  /** One datagram of the current track; the sink keeps the bytes. */
  datagram(bytes: Uint8Array<ArrayBuffer>): void;
  /** A stream begins, which may be of the track before on another media time; or none. */
  track(track: Track | null): void;
}

/** The listening of one connection. */
export class ListeningState {
  /** What flows now. */
  track: Track | undefined;
  /** The station as the reply to `listen` told it. */
  info: Station | undefined;
  /** Whether any audio came on this connection. */
  heard = false;

  readonly #station: string;
  readonly #sink: AudioSink;
  #live = false;
  #early: { track: number; bytes: Uint8Array<ArrayBuffer> }[] = [];
  #heardAt = 0;

  /**
   * @param former the track that plays until the relay has switched to another rendition of
   * the same station; their media time is one, so that the change is not heard.
   */
  constructor(station: string, sink: AudioSink, former?: Track) {
    this.#station = station;
    this.#sink = sink;
    this.track = former;
  }

  /** Takes the reply to `listen`. */
  handleReply(result: JsonObject, now: number): void {
    this.info = parseStation(result.station);
    this.#live = this.info?.state === 'live';
    this.#play(parseTrack(result.track), now);
  }

  /** Takes a push about the station; `true` when `track` changed. */
  handlePush(push: Push, now: number): boolean {
    switch (push.type) {
      case 'started':
        this.#become('live');
        this.#play(parseTrack(push.data.track), now);
        return true;
      case 'interrupted':
        this.#become('interrupted');
        return false;
      case 'resumed':
        this.#become('live');
        this.#heardAt = now;
        return false;
      case 'stopped':
        this.#become('offline');
        this.#play(undefined, now);
        return true;
      default:
        return false;
    }
  }

  /** Takes a datagram and passes it on when it belongs to the track. */
  handleDatagram(bytes: Uint8Array<ArrayBuffer>, now: number): void {
    const track = datagramTrack(bytes);
    if (track === undefined) return;
    if (track === this.track?.id) {
      this.heard = true;
      this.#heardAt = now;
      this.#sink.datagram(bytes);
      return;
    }
    // A straggler of a former track, or one that overtook the news of its track.
    this.#early.push({ track, bytes });
    if (this.#early.length > EARLY_MAX) this.#early.shift();
  }

  /** Whether a track that should flow has been silent for too long. */
  isSilent(now: number): boolean {
    return this.#live && this.track !== undefined && now - this.#heardAt > SILENCE_MS_MAX;
  }

  /** Whether this is about that station. */
  isFor(station: string): boolean {
    return station === this.#station;
  }

  #become(state: StationState): void {
    this.#live = state === 'live';
    if (this.info) this.info = { ...this.info, state };
  }

  #play(track: Track | undefined, now: number): void {
    const goesOn = track !== undefined && track.id === this.track?.id;
    this.track = track;
    this.#heardAt = now;
    if (!goesOn) this.#sink.track(track ?? null);
    const early = this.#early.splice(0);
    if (!track) return;
    for (const { track: id, bytes } of early) {
      if (id === track.id) this.#sink.datagram(bytes);
    }
  }
}
