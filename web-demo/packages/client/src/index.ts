/**
 * Live radio with no delay in the browser.
 *
 * {@link Player} plays a station, {@link connect} opens a session for more than that, and
 * `@skywave/client/define` registers the `<skywave-player>` element.
 */
export { connect, Session } from './session.ts';
export type { ConnectOptions, SessionEvents } from './session.ts';
export { Player } from './player.ts';
export type { PlayerEvents, PlayerOptions } from './player.ts';
export type { PlayerState } from './player-state.ts';
export type { PlayerStats } from './player-stats.ts';
export type { Assets } from './assets.ts';
export type { Capture } from './audio-output.ts';
export { SkywaveError } from './errors.ts';
export { Directory } from './directory.ts';
export type { DirectoryChange } from './directory.ts';
export type { Unsubscribe } from './emitter.ts';
export type {
  ChannelUpdate,
  Listening,
  ReceiverState,
  ReceiverStats,
  SessionPhase,
  SessionStatus,
  User,
} from './messages.ts';
export type { ClockEstimate } from './clock.ts';
export type { TransportChoice, TransportKind } from './transport/transport.ts';
export * as wire from './wire.ts';
export type { ErrorObject, Push } from './wire/control.ts';
export type { Json, JsonObject } from './wire/json.ts';
export type { Listeners, Metadata, Station, StationState, Track } from './wire/objects.ts';
export { VERSION } from './version.ts';
export { delayLabel, listenersLabel, nowPlayingLabel, stateLabel } from './labels.ts';
