/** Every push of rooms, inbox and presence, as a type of its own. */
import {
  parseAuthor,
  parseContent,
  parseInteractions,
  parseMarks,
  parseMember,
  parseMessage,
  parseNotification,
  parsePresence,
  parseReactions,
  parseRoom,
  type Author,
  type Content,
  type Interactions,
  type Marks,
  type Member,
  type Message,
  type Notification,
  type Presence,
  type RoomInfo,
} from './chat.ts';
import { isRecord, number, objects, text, type JsonObject } from './json.ts';
import type { Push } from './control.ts';

/** A push on a room or a conversation. */
export type RoomEvent =
  | { readonly type: 'message'; readonly message: Message }
  | ({ readonly type: 'edited' | 'deleted' } & MessageChange)
  | {
      readonly type: 'reactions';
      readonly seq: number;
      readonly version: number;
      readonly reactions: Readonly<Record<string, number>>;
      readonly by: string;
    }
  | { readonly type: 'member_joined' | 'member_changed'; readonly member: Member }
  | { readonly type: 'member_left'; readonly user: string }
  | { readonly type: 'room_updated'; readonly room: RoomInfo }
  | { readonly type: 'members'; readonly members: number; readonly online: number }
  /** It is gone, a conversation too. */
  | { readonly type: 'room_deleted' }
  | { readonly type: 'typing'; readonly users: readonly Author[] }
  | { readonly type: 'receipts'; readonly marks: ReadonlyMap<string, Marks> }
  | { readonly type: 'interactions'; readonly interactions: Interactions };

/** A message was edited or deleted. */
export interface MessageChange {
  /** Which one. */
  readonly seq: number;
  /** Its version now. */
  readonly version: number;
  /** What it says now; absent when deleted. */
  readonly content?: Content;
  /** Who did it. */
  readonly by: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** A push on one's inbox. */
export type InboxEvent =
  | { readonly type: 'notification'; readonly notification: Notification }
  | {
      readonly type: 'notifications_read';
      readonly seqs: readonly number[];
      readonly upTo?: number;
    }
  | {
      readonly type: 'conversation';
      readonly channel: string;
      readonly unread: number;
      readonly read: number;
      readonly message?: Message;
    }
  | { readonly type: 'conversation_deleted' | 'room_deleted'; readonly channel: string };

/** A push on `presence`. */
export interface PresenceEvent {
  /** What it is. */
  readonly type: 'presence';
  /** Whose. */
  readonly user: string;
  /** How it is now. */
  readonly presence: Presence;
}

/** Reads a push of a room's channel; `undefined` for what this version does not know. */
export function parseRoomEvent({ type, data }: Push): RoomEvent | undefined {
  switch (type) {
    case 'message': {
      const message = parseMessage(data);
      return message && { type, message };
    }
    case 'edited':
    case 'deleted':
      return { type, ...parseChange(data) };
    case 'reactions': {
      const { seq, version, by } = parseChange(data);
      return { type, seq, version, by, reactions: parseReactions(data.reactions) };
    }
    case 'member_joined':
    case 'member_changed': {
      const member = parseMember(data);
      return member && { type, member };
    }
    case 'member_left':
      return { type, user: text(data, 'user') ?? '' };
    case 'room_updated': {
      const room = parseRoom(data);
      return room && { type, room };
    }
    case 'room_deleted':
    case 'conversation_deleted':
      return { type: 'room_deleted' };
    case 'members':
      return { type, members: number(data, 'members') ?? 0, online: number(data, 'online') ?? 0 };
    case 'typing': {
      const users = objects(data, 'users').map(parseAuthor);
      return { type, users: users.filter((user) => user !== undefined) };
    }
    case 'receipts': {
      const marks = Object.entries(isRecord(data.marks) ? data.marks : {});
      return {
        type,
        marks: new Map(marks.map(([sub, mark]) => [sub, parseMarks(isRecord(mark) ? mark : {})])),
      };
    }
    case 'interactions':
      return { type, interactions: parseInteractions(data) };
    default:
      return undefined;
  }
}

function parseChange(data: JsonObject): MessageChange {
  const content = parseContent(data.content);
  return {
    seq: number(data, 'seq') ?? 0,
    version: number(data, 'version') ?? 0,
    by: text(data, 'by') ?? '',
    at: (number(data, 'at') ?? 0) / 1000,
    ...(content === undefined ? {} : { content }),
  };
}

/** Reads a push of the inbox; `undefined` for what this version does not know. */
export function parseInboxEvent({ type, data }: Push): InboxEvent | undefined {
  const channel = text(data, 'channel') ?? '';
  switch (type) {
    case 'notification': {
      const notification = parseNotification(data);
      return notification && { type, notification };
    }
    case 'notifications_read': {
      const upTo = number(data, 'up_to');
      const seqs = Array.isArray(data.seqs) ? data.seqs : [];
      return {
        type,
        seqs: seqs.filter((seq) => typeof seq === 'number'),
        ...(upTo === undefined ? {} : { upTo }),
      };
    }
    case 'conversation': {
      const message = parseMessage(data.message);
      return {
        type,
        channel,
        unread: number(data, 'unread') ?? 0,
        read: number(data, 'read') ?? 0,
        ...(message === undefined ? {} : { message }),
      };
    }
    case 'conversation_deleted':
    case 'room_deleted':
      return { type, channel };
    default:
      return undefined;
  }
}

/** Reads a push of `presence`; `undefined` for what this version does not know. */
export function parsePresenceEvent({ type, data }: Push): PresenceEvent | undefined {
  const user = text(data, 'user');
  if (type !== 'presence' || user === undefined) return undefined;
  return { type, user, presence: parsePresence(data) };
}
