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
  Bundle,
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
export { createChat } from './chat/browser.ts';
export { Chat } from './chat/chat.ts';
export { Devices } from './chat/devices.ts';
export type { Subscription } from './chat/devices.ts';
export type { ChatEvents, ChatSurroundings, Hit } from './chat/chat.ts';
export { People } from './chat/context.ts';
export type { ChatSession } from './chat/context.ts';
export { previewOf, stationRoom } from './chat/preview.ts';
export { Room } from './chat/room.ts';
export type { RoomPhase, SendOptions } from './chat/room.ts';
export { RoomRequests } from './chat/room-requests.ts';
export type { RoomChange, RoomEvents, Version } from './chat/room-requests.ts';
export { Thread } from './chat/thread.ts';
export { Inbox, channelTarget } from './chat/inbox.ts';
export type { Conversation, InboxEvents } from './chat/inbox.ts';
export { PresenceList } from './chat/presence.ts';
export type { OwnStatus, PresenceEvents } from './chat/presence.ts';
export { LOG_PAGE, Moderation } from './chat/moderation.ts';
export type { AuditEntry, Report, Sanction, SanctionOptions } from './chat/moderation.ts';
export type { Delivery } from './chat/receipts.ts';
export { OUTGOING_MAX } from './chat/outbox.ts';
export type { Draft, Outgoing, OutgoingState, OutboxStorage } from './chat/outbox.ts';
export { signInAsGuest } from './chat/guest.ts';
export type { Guest } from './chat/guest.ts';
export { fetchUpload, upload } from './chat/uploads.ts';
export type { UploadOptions } from './chat/uploads.ts';
export { canRecordVoice, VoiceRecorder, VOICE_MS_MAX } from './chat/voice-recorder.ts';
export type { Recording } from './chat/voice-recorder.ts';
export * as wire from './wire.ts';
export type {
  Author,
  Content,
  InteractionKind,
  Interactions,
  Marks,
  MediaKind,
  Member,
  Membership,
  Message,
  Notification,
  NotificationEvent,
  Presence,
  PresenceStatus,
  Role,
  RoomInfo,
  RoomKind,
} from './wire/chat.ts';
export type { InboxEvent, MessageChange, PresenceEvent, RoomEvent } from './wire/chat-events.ts';
export type { ErrorObject, Push } from './wire/control.ts';
export type { Json, JsonObject } from './wire/json.ts';
export type { Listeners, Metadata, Station, StationState, Track } from './wire/objects.ts';
export { VERSION } from './version.ts';
export { delayLabel, listenersLabel, nowPlayingLabel, stateLabel } from './labels.ts';
