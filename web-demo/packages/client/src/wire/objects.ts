/** Stations, tracks and metadata, parsed once where they enter. */
import { isRecord, number, objects, text, type Json, type JsonObject } from './json.ts';

/** Whether a station can be heard now. */
export type StationState = 'live' | 'interrupted' | 'offline';

/** What is playing. */
export interface Metadata {
  /** Media time from which it holds, in samples at 48 kHz. */
  readonly timestamp?: number;
  /** The piece's title. */
  readonly title: string;
  /** Who plays it. */
  readonly artist?: string;
  /** The record it is from. */
  readonly album?: string;
  /** A page about it, `http:` or `https:`. */
  readonly url?: string;
  /** A picture, `http:` or `https:`. */
  readonly artworkUrl?: string;
}

/** A station as the relay describes it. */
export interface Station {
  /** Its id, as in URLs. */
  readonly id: string;
  /** Its name for people. */
  readonly name: string;
  /** What it is about; may be empty. */
  readonly description: string;
  /** Whether it can be heard now. */
  readonly state: StationState;
  /** When it went on air, in milliseconds since the Unix epoch; `undefined` while offline. */
  readonly startedAt?: number;
  /** How many listen now. */
  readonly listeners: number;
  /** The most that listened at once. */
  readonly listenersPeak: number;
  /** What is playing, if told. */
  readonly metadata?: Metadata;
  /** The renditions one may ask for, `source` first. */
  readonly renditions: readonly string[];
  /** How far back one may begin at most, in milliseconds; 0 where only live is heard. */
  readonly rewindMs: number;
}

/** A stream of Opus packets. */
export interface Track {
  /** Relay-wide id, as in every datagram. */
  readonly id: number;
  /** Which rendition it is. */
  readonly rendition: string;
  /** 1 or 2. */
  readonly channels: number;
  /** Duration of a packet in microseconds. */
  readonly frameUs: number;
  /** Bits per second. */
  readonly bitrate: number;
}

/** How many listen, and the most that did. */
export interface Listeners {
  /** Listeners now. */
  readonly count: number;
  /** The most at once. */
  readonly peak: number;
}

/** Reads a Station; `undefined` without an id. */
export function parseStation(json: Json | undefined): Station | undefined {
  if (!isRecord(json)) return undefined;
  const id = text(json, 'id');
  if (id === undefined) return undefined;
  const startedAt = number(json, 'started_at');
  const metadata = parseMetadata(json.metadata);
  const renditions = json.renditions;
  const name = text(json, 'name');
  return {
    id,
    name: name === undefined || name === '' ? id : name,
    description: text(json, 'description') ?? '',
    state: parseState(json.state),
    ...(startedAt === undefined ? {} : { startedAt: startedAt / 1000 }),
    listeners: number(json, 'listeners') ?? 0,
    listenersPeak: number(json, 'listeners_peak') ?? 0,
    ...(metadata === undefined ? {} : { metadata }),
    renditions: Array.isArray(renditions)
      ? renditions.filter((name) => typeof name === 'string')
      : ['source'],
    rewindMs: number(json, 'rewind_ms') ?? 0,
  };
}

function parseState(json: Json | undefined): StationState {
  return json === 'live' || json === 'interrupted' ? json : 'offline';
}

/** Reads the stations of a list; those without an id are left out. */
export function parseStations(json: JsonObject): Station[] {
  return objects(json, 'stations')
    .map(parseStation)
    .filter((station) => station !== undefined);
}

/** Reads a Track; `undefined` when it could not be played. */
export function parseTrack(json: Json | undefined): Track | undefined {
  if (!isRecord(json)) return undefined;
  const id = number(json, 'id');
  const codec = text(json, 'codec');
  if (id === undefined || codec !== 'opus') return undefined;
  return {
    id,
    rendition: text(json, 'rendition') ?? 'source',
    channels: number(json, 'channels') === 1 ? 1 : 2,
    frameUs: number(json, 'frame_us') ?? 20_000,
    bitrate: number(json, 'bitrate') ?? 0,
  };
}

/** Reads Metadata; `undefined` without a title. Addresses that are not http(s) are left out. */
export function parseMetadata(json: Json | undefined): Metadata | undefined {
  if (!isRecord(json)) return undefined;
  const title = text(json, 'title');
  if (title === undefined) return undefined;
  const timestamp = number(json, 'timestamp');
  const artist = text(json, 'artist');
  const album = text(json, 'album');
  const url = webAddress(text(json, 'url'));
  const artworkUrl = webAddress(text(json, 'artwork_url'));
  return {
    title,
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(artist === undefined ? {} : { artist }),
    ...(album === undefined ? {} : { album }),
    ...(url === undefined ? {} : { url }),
    ...(artworkUrl === undefined ? {} : { artworkUrl }),
  };
}

/** Reads `{count, peak}`. */
export function parseListeners(json: Json | undefined): Listeners | undefined {
  if (!isRecord(json)) return undefined;
  const count = number(json, 'count');
  if (count === undefined) return undefined;
  return { count, peak: number(json, 'peak') ?? count };
}

// The relay refuses other schemes already; a page must not trust that, as these become links.
function webAddress(address: string | undefined): string | undefined {
  return address !== undefined && /^https?:\/\//i.test(address) ? address : undefined;
}
