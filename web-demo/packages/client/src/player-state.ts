/** What a player is doing, in one word, from everything that plays a part. Pure. */
import type { Listening, ReceiverState, SessionStatus } from './messages.ts';
import type { StationState } from './wire/objects.ts';

/**
 * - `idle`: not asked to play
 * - `connecting`: on the way to the server
 * - `buffering`: sound is about to come
 * - `playing`: it is heard
 * - `interrupted`: the station's source is away; it is expected back
 * - `reconnecting`: the connection was lost
 * - `offline`: the station is not on air; it plays when it starts
 * - `error`: it cannot play; see the player's `error`
 */
export type PlayerState =
  | 'idle'
  | 'connecting'
  | 'buffering'
  | 'playing'
  | 'interrupted'
  | 'reconnecting'
  | 'offline'
  | 'error';

/** Everything that plays a part. */
export interface Circumstances {
  /** Whether the listener wants to hear it. */
  readonly wanted: boolean;
  /** Whether something failed for good. */
  readonly failed: boolean;
  readonly session: Pick<SessionStatus, 'phase'>;
  readonly listening: Listening | null;
  /** The station as last heard of. */
  readonly station: StationState | undefined;
  readonly receiver: ReceiverState;
}

/** See the file's head. */
export function playerState(now: Circumstances): PlayerState {
  if (now.failed || now.session.phase === 'closed') return 'error';
  if (!now.wanted) return 'idle';
  // What was received before the connection broke still sounds.
  if (now.receiver === 'playing') return 'playing';
  if (now.session.phase === 'reconnecting') return 'reconnecting';
  if (now.session.phase === 'connecting') return 'connecting';
  if (now.listening?.phase === 'refused') {
    const { code, temporary } = now.listening.error ?? { code: '', temporary: true };
    if (code === 'unknown_station') return 'offline';
    return temporary ? 'connecting' : 'error';
  }
  if (now.listening?.phase !== 'listening') return 'connecting';
  if (now.station === 'interrupted') return 'interrupted';
  if (now.station === 'offline') return 'offline';
  return 'buffering';
}
