/** A player's figures, put together from worklet, session and output. */
import type { ReceiverStats, WorkletStatus } from './messages.ts';
import type { Session } from './session.ts';
import type { TransportKind } from './transport/transport.ts';

/** Counts and measurements of a player; counts are totals since it first played. */
export interface PlayerStats extends ReceiverStats {
  /** From the source's sending to the ear, in ms, as far as browser and clocks tell. */
  readonly delayMs?: number;
  /** The part of it that the audio device takes, in ms. */
  readonly outputMs?: number;
  /** What carries the session. */
  readonly transport?: TransportKind;
  /** Round trip to the relay, in ms. */
  readonly roundTripMs?: number;
  /** What the station's stream takes, in bits per second. */
  readonly bitrate?: number;
  /** Which rendition flows. */
  readonly rendition?: string;
}

const NOTHING: ReceiverStats = {
  packets: 0,
  lost: 0,
  late: 0,
  duplicates: 0,
  recovered: 0,
  retransmitted: 0,
  rejected: 0,
  concealedMs: 0,
  skippedMs: 0,
  underruns: 0,
  restarts: 0,
  bufferMs: 0,
  targetMs: 0,
};

/** @param latency seconds from worklet to ear. */
export function playerStats(
  status: WorkletStatus | undefined,
  { status: session, listening }: Pick<Session, 'status' | 'listening'>,
  latency: number | undefined,
): PlayerStats {
  const receiver = status?.stats ?? NOTHING;
  const outputMs = latency === undefined ? undefined : latency * 1000;
  const delayMs = status?.delayMs;
  const track = listening?.track;
  return {
    ...receiver,
    ...(delayMs === undefined ? {} : { delayMs: delayMs + (outputMs ?? 0) }),
    ...(outputMs === undefined ? {} : { outputMs }),
    ...(session.transport === undefined ? {} : { transport: session.transport }),
    ...(session.clock === undefined ? {} : { roundTripMs: session.clock.roundTripMs }),
    ...(track === undefined ? {} : { bitrate: track.bitrate, rendition: track.rendition }),
  };
}
