/**
 * Every message between the threads: the page, the worker that holds the session, and the
 * audio worklet. Plain data only, as it is cloned on the way.
 */
import type { ClockEstimate } from './clock.ts';
import type { ErrorObject, Push } from './wire/control.ts';
import type { Json, JsonObject } from './wire/json.ts';
import type { Station, Track } from './wire/objects.ts';
import type { TransportChoice, TransportKind } from './transport/transport.ts';

/** How to reach and greet the server. */
export interface OpenMessage {
  readonly type: 'open';
  readonly server: string;
  readonly choice: TransportChoice;
  readonly token?: string;
  readonly client: { readonly name: string; readonly version: string };
  readonly remembered?: TransportKind;
}

/** From the page to the worker. */
export type ToWorker =
  | OpenMessage
  /** Where audio goes from now on; the port is transferred. */
  | { readonly type: 'audio'; readonly port: MessagePort }
  | {
      readonly type: 'listen';
      readonly station: string;
      readonly rendition?: string;
      /** How far back to begin. */
      readonly rewindMs?: number;
      /** How many packets share a datagram; 1 by default. */
      readonly bundle?: number;
    }
  | { readonly type: 'unlisten' }
  | { readonly type: 'subscribe'; readonly channel: string }
  | { readonly type: 'unsubscribe'; readonly channel: string }
  | {
      readonly type: 'request';
      readonly key: number;
      readonly method: string;
      readonly params: JsonObject;
      readonly timeoutMs: number;
    }
  /** Answers `token_needed`: null goes on without one, nothing ends the session. */
  | { readonly type: 'token'; readonly token?: string | null }
  /** Is somebody else from now on; without a token nobody. */
  | { readonly type: 'identity'; readonly token?: string }
  | { readonly type: 'datagram'; readonly bytes: Uint8Array<ArrayBuffer> }
  /** The page was woken or the network came back: see to the connection now. */
  | { readonly type: 'wake'; readonly networkChanged: boolean }
  | { readonly type: 'close' };

/** How far the session is. */
export type SessionPhase = 'connecting' | 'connected' | 'reconnecting' | 'closed';

/** The user a token named. */
export interface User {
  /** Who, as the token's issuer names them. */
  readonly sub: string;
  /** A name for people. */
  readonly name?: string;
  /** When the token runs out, in milliseconds since the Unix epoch. */
  readonly expiresAt?: number;
}

/** The state of a session. */
export interface SessionStatus {
  /** How far it is. */
  readonly phase: SessionPhase;
  /** What carries it while connected. */
  readonly transport?: TransportKind;
  /** The relay's name for it while connected. */
  readonly sessionId?: string;
  /** Whom its token names; absent when anonymous. */
  readonly user?: User;
  /** Why it is not connected. */
  readonly error?: ErrorObject;
  /** When the next try is due, in milliseconds since the Unix epoch. */
  readonly retryAt?: number;
  /** What is known of the server's clock. */
  readonly clock?: ClockEstimate;
}

/** What the session listens to. */
export interface Listening {
  /** The station asked for. */
  readonly station: string;
  /** The rendition asked for. */
  readonly rendition?: string;
  /** Whether the relay has been asked, has agreed, or has refused. */
  readonly phase: 'asking' | 'listening' | 'refused';
  /** The station as it was when the relay agreed. */
  readonly info?: Station;
  /** How much later than live it is heard, in milliseconds, once the relay has agreed. */
  readonly behindMs?: number;
  /** What flows; absent while the station is offline or the rendition not flowing yet. */
  readonly track?: Track;
  /** Why the relay refused. It is asked again when that may help. */
  readonly error?: ErrorObject;
}

/** News of a subscribed channel. */
export type ChannelUpdate =
  /** Replaces what was known. */
  | { readonly type: 'state'; readonly state: Json }
  /** One push, in order and once. */
  | { readonly type: 'push'; readonly push: Push }
  /** The relay refused the subscription. */
  | { readonly type: 'refused'; readonly error: ErrorObject };

/** From the worker to the page. */
export type FromWorker =
  /** Every second, so that a dead worker is noticed. */
  | { readonly type: 'alive' }
  | { readonly type: 'status'; readonly status: SessionStatus }
  | { readonly type: 'listening'; readonly listening: Listening | null }
  | { readonly type: 'channel'; readonly channel: string; readonly update: ChannelUpdate }
  /** A push about the station listened to. */
  | { readonly type: 'station'; readonly station: string; readonly push: Push }
  | {
      readonly type: 'answer';
      readonly key: number;
      readonly result?: JsonObject;
      readonly error?: ErrorObject;
    }
  | { readonly type: 'token_needed' }
  /** Remember this transport, or forget the one remembered. */
  | { readonly type: 'winner'; readonly winner?: TransportKind };

/** Period of `alive`, in milliseconds. */
export const ALIVE_MS = 1_000;

/** From the worker straight to the worklet: raw datagrams, and what they belong to. */
export type ToWorkletAudio =
  | ArrayBuffer
  /** A stream begins: datagrams of this track follow; null when nothing is to be heard. */
  | {
      readonly type: 'track';
      readonly track: Track | null;
      /** How much later than live its datagrams are sent, on purpose. */
      readonly behindMs: number;
      /** Whether it is on the media time of the track before, and follows it without a seam. */
      readonly goesOn: boolean;
    }
  /** Server clock minus `Date.now()`, in milliseconds. */
  | { readonly type: 'clock'; readonly offsetMs: number; readonly roundTripMs: number };

/** What the receiver is to weigh against each other. */
export interface Preferences {
  /** The smallest delay that holds, balanced, or smooth above all. */
  readonly latency: Latency;
  /** How many bytes repair may cost. */
  readonly repair: RepairBudget;
  /** Whether several packets share a datagram. */
  readonly bundled: boolean;
}

/** Less delay or fewer faults. */
export type Latency = 'interactive' | 'live' | 'safe';

/**
 * How many packets share a datagram: fewer datagrams for more delay. `auto` takes as many as
 * the latency allows, which for `interactive` is one.
 */
export type Bundle = 'auto' | 1 | 2 | 3 | 4;

/**
 * How many bytes repair of lost packets may cost: none, 1.15, 1.6 or 3 times the stream's own.
 */
export type RepairBudget = 'off' | 'economy' | 'auto' | 'robust';

/** What {@link ReceptionMessage} tells, as the protocol has it. */
export type Reception = Record<
  'interval_ms' | 'received' | 'lost' | 'concealed_ms' | 'played_ms' | 'jitter_ms' | 'buffer_ms',
  number
> & { readonly delay_ms?: Record<'p50' | 'p95' | 'p99', number> };

/** How sound arrived of late. */
export interface ReceptionMessage {
  readonly type: 'reception';
  readonly reception: Reception;
}

/** From the worklet straight to the worker: requests for packets, and what else it wants. */
export type FromWorkletAudio =
  | ArrayBuffer
  /** How much is to travel along against loss, 0 to 2. */
  | { readonly type: 'redundancy'; readonly level: number }
  | ReceptionMessage;

/** From the page to the worklet. */
export type ToWorklet =
  | { readonly type: 'prefer'; readonly preferences: Preferences }
  /** Where audio comes from, from now on; the port is transferred. */
  | { readonly type: 'audio'; readonly port: MessagePort }
  /** Asks for the latest `frames` samples that were played. */
  | { readonly type: 'capture'; readonly key: number; readonly frames: number }
  /** The processor is of no more use. */
  | { readonly type: 'close' };

/** What the receiver is doing. */
export type ReceiverState = 'buffering' | 'playing' | 'interrupted';

/** What the receiver counts and measures; totals since the worklet was made. */
export interface ReceiverStats {
  /** Packets that came by themselves: neither as copies nor as answers to requests, nor again. */
  readonly packets: number;
  /** Packets whose turn passed without them. */
  readonly lost: number;
  /** Packets that came after their turn. */
  readonly late: number;
  /** Packets that came again. */
  readonly duplicates: number;
  /** Packets that only a redundant copy brought in time. */
  readonly recovered: number;
  /** Packets that only the answer to a request brought in time. */
  readonly retransmitted: number;
  /** Datagrams and packets refused as malformed or absurd. */
  readonly rejected: number;
  /** Sound made up for missing packets, in ms. */
  readonly concealedMs: number;
  /** Sound passed over to reduce the delay, in ms. */
  readonly skippedMs: number;
  /** How often play-out ran dry. */
  readonly underruns: number;
  /** How often the stream began anew. */
  readonly restarts: number;
  /** Sound received and not yet played, in ms. */
  readonly bufferMs: number;
  /** The delay aimed for behind the luckiest packet, in ms. */
  readonly targetMs: number;
}

/** Where play-out is, told four times a second and at every change of state. */
export interface WorkletStatus {
  readonly type: 'status';
  readonly state: ReceiverState;
  /** Media time of the sample that left at `contextTime`; absent while nothing plays. */
  readonly position?: number;
  /** The audio context's time in seconds. */
  readonly contextTime: number;
  readonly stats: ReceiverStats;
  /** From the source's sending to that moment, in ms, once the server's clock is known. */
  readonly delayMs?: number;
}

/** From the worklet to the page. */
export type FromWorklet =
  | WorkletStatus
  | {
      readonly type: 'captured';
      readonly key: number;
      readonly left: Float32Array<ArrayBuffer>;
      readonly right: Float32Array<ArrayBuffer>;
    }
  /** The receiver is broken; the page makes a new one. */
  | { readonly type: 'failed'; readonly message: string };

/** What a worklet processor is made with. */
export interface ProcessorOptions {
  /** The receiver's WebAssembly, as bytes: not every browser lets a module cross threads. */
  readonly wasm: ArrayBuffer;
  /** What to weigh against each other. */
  readonly preferences: Preferences;
}

/** The processor's registered name. */
export const PROCESSOR = 'skywave-receiver';
