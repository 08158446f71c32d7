/** The track listened to: which datagrams belong to it, and whether they still come. */
import { datagramTrack, decodeDatagram, SAMPLE_RATE } from '../wire/datagram.ts';
import { number, type JsonObject } from '../wire/json.ts';
import {
  parseStation,
  parseTrack,
  type Station,
  type StationState,
  type Track,
} from '../wire/objects.ts';
import type { Push } from '../wire/control.ts';

/** The protocol's figure: a live track that is silent for this long means a dead session. */
export const SILENCE_MS_MAX = 3_000;
// Who hears the past hears an interruption when it is over for others.
const SILENCE_BEHIND_MS_MAX = 15_000;

// After a step in time datagrams from before it come for a moment; they are this far off.
const STRAGGLERS_MS = 1_000;
const EXPECTED_REACH = 2 * SAMPLE_RATE;

// Datagrams overtake the reply to `listen` on WebTransport, by a round trip at most:
// a second of 20 ms packets covers it.
const EARLY_MAX = 50;

/** Where datagrams and the news about them go. */
export interface AudioSink {
  /** One datagram of the current track; the sink keeps the bytes. */
  datagram(bytes: Uint8Array<ArrayBuffer>): void;
  /**
   * A stream begins, which may be of the track before on another media time; or none. It is
   * sent `behindMs` later than live. With `goesOn` it is on the media time of the track
   * before, and follows it without a seam.
   */
  track(track: Track | null, behindMs: number, goesOn: boolean): void;
}

/** The listening of one connection. */
export class ListeningState {
  /** What flows now. */
  track: Track | undefined;
  /** The station as the reply to `listen` told it. */
  info: Station | undefined;
  /** Whether any audio came on this connection. */
  heard = false;
  /** How much later than live the track is sent, in milliseconds. */
  behindMs: number;

  readonly #station: string;
  readonly #sink: AudioSink;
  #live = false;
  #early: { track: number; bytes: Uint8Array<ArrayBuffer> }[] = [];
  #heardAt = 0;
  // Where sound begins, until it came or until then.
  #expected: { readonly timestamp: number; readonly until: number } | undefined;

  /**
   * @param former what plays until the relay has switched to another rendition of
   * the same station; their media time is one, so that the change is not heard.
   */
  constructor(station: string, sink: AudioSink, former?: ListeningState) {
    this.#station = station;
    this.#sink = sink;
    this.track = former?.track;
    this.behindMs = former?.behindMs ?? 0;
  }

  /** Takes the reply to `listen`. */
  handleReply(result: JsonObject, now: number): void {
    this.info = parseStation(result.station);
    this.#live = this.info?.state === 'live';
    const timestamp = number(result, 'timestamp');
    const behindMs = number(result, 'rewind_ms') ?? 0;
    if (behindMs !== this.behindMs && timestamp !== undefined) {
      this.#expected = { timestamp, until: now + STRAGGLERS_MS };
    }
    const follows = this.track !== undefined && behindMs === this.behindMs;
    this.#play(parseTrack(result.track), now, behindMs, follows);
  }

  /** Takes a push about the station; `true` when `track` changed. */
  handlePush(push: Push, now: number): boolean {
    switch (push.type) {
      case 'started':
        this.#become('live');
        this.#play(parseTrack(push.data.track), now, 0);
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
        this.#play(undefined, now, 0);
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
      this.#pass(bytes, now);
      return;
    }
    // A straggler of a former track, or one that overtook the news of its track.
    this.#early.push({ track, bytes });
    if (this.#early.length > EARLY_MAX) this.#early.shift();
  }

  /** Whether a track that should flow has been silent for too long. */
  isSilent(now: number): boolean {
    const silenceMs = this.behindMs === 0 ? SILENCE_MS_MAX : SILENCE_BEHIND_MS_MAX;
    return this.#live && this.track !== undefined && now - this.#heardAt > silenceMs;
  }

  /** Whether this is about that station. */
  isFor(station: string): boolean {
    return station === this.#station;
  }

  #become(state: StationState): void {
    this.#live = state === 'live';
    if (this.info) this.info = { ...this.info, state };
  }

  #pass(bytes: Uint8Array<ArrayBuffer>, now: number): void {
    const expected = this.#expected;
    if (expected) {
      const datagram = now < expected.until ? decodeDatagram(bytes) : 'kind';
      const off =
        typeof datagram === 'string' ? 0 : Number(datagram.timestamp) - expected.timestamp;
      if (Math.abs(off) > EXPECTED_REACH) return;
      this.#expected = undefined;
    }
    this.heard = true;
    this.#heardAt = now;
    this.#sink.datagram(bytes);
  }

  #play(track: Track | undefined, now: number, behindMs: number, follows = false): void {
    const same = track !== undefined && track.id === this.track?.id;
    const stays = same && behindMs === this.behindMs;
    this.track = track;
    this.behindMs = behindMs;
    this.#heardAt = now;
    if (!stays) this.#sink.track(track ?? null, behindMs, follows && track !== undefined);
    const early = this.#early.splice(0);
    if (!track) return;
    for (const { track: id, bytes } of early) {
      if (id === track.id) this.#pass(bytes, now);
    }
  }
}
