/** Rooms, messages and people, parsed once where they enter: section 9 of the protocol. */
import { isRecord, number, objects, text, type Json, type JsonObject } from './json.ts';

/** Who wrote something. */
export interface Author {
  /** The user's id. */
  readonly sub: string;
  /** A name for people, if the token had one. */
  readonly name?: string;
}

/** What a message says. Text is to be shown as text, never as HTML. */
export type Content =
  | { readonly type: 'text'; readonly text: string }
  | {
      readonly type: 'location';
      readonly latitude: number;
      readonly longitude: number;
      readonly label?: string;
    }
  | {
      readonly type: 'media';
      readonly upload: string;
      readonly kind: MediaKind;
      readonly durationMs?: number;
      readonly caption?: string;
    }
  | { readonly type: 'system'; readonly text: string };

/** What an upload is shown as. */
export type MediaKind = 'image' | 'voice' | 'file';

/** A message of a room or a conversation. */
export interface Message {
  /** Its place in its channel, which is its name there. */
  readonly seq: number;
  /** Who wrote it; absent when the server did. */
  readonly from?: Author;
  /** The id its author's client gave it. */
  readonly clientId?: string;
  /** When it was stored, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Rises with every change. */
  readonly version: number;
  /** What it says; absent once deleted. */
  readonly content?: Content;
  /** The message it answers. */
  readonly replyTo?: number;
  /** The message whose thread it belongs to. */
  readonly thread?: number;
  /** How many messages its own thread has. */
  readonly replies: number;
  /** Who is mentioned. */
  readonly mentions: readonly string[];
  /** How often each reaction was given. */
  readonly reactions: Readonly<Record<string, number>>;
  /** The reactions given by oneself. */
  readonly mine: readonly string[];
  /** When it was last edited, in milliseconds since the Unix epoch. */
  readonly editedAt?: number;
}

/** What kind of room it is; `direct` and `group` are conversations. */
export type RoomKind = 'station' | 'public' | 'private' | 'direct' | 'group';

/** What one may do in a room. */
export type Role = 'member' | 'moderator' | 'owner';

/** How far somebody has received and read; both only rise. */
export interface Marks {
  /** The last message that reached a device of theirs. */
  readonly delivered: number;
  /** The last message they have seen. */
  readonly read: number;
}

/** One's own place in a room. */
export interface Membership extends Marks {
  /** What one may do. */
  readonly role: Role;
  /** How many messages one has not read, counted up to 1,000. */
  readonly unread: number;
}

/** A room or a conversation. */
export interface RoomInfo {
  /** Its channel, such as `room:@demo`. */
  readonly channel: string;
  /** What kind it is. */
  readonly kind: RoomKind;
  /** Its name; empty for a direct conversation. */
  readonly name: string;
  /** What it is about; may be empty. */
  readonly topic: string;
  /** Who owns it. */
  readonly owner?: string;
  /** How many members it has. */
  readonly members: number;
  /** Seconds each member waits between two messages; 0 for none. */
  readonly slowModeS: number;
  /** Whether only the station's followers write here. */
  readonly followersOnly: boolean;
  /** When it was made, in milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** Rises with every change of the room itself. */
  readonly version: number;
  /** The last message's seq; 0 when there is none. */
  readonly lastMessage: number;
  /** One's own place; absent for visitors. */
  readonly mine?: Membership;
  /** What one's token allows here, a member or not. */
  readonly elevated?: Role;
  /** The newest message, its text cut short; in lists of conversations alone. */
  readonly latest?: Message;
  /** Others in it, the first four; in lists of conversations alone. */
  readonly others?: readonly Author[];
}

/** A member of a room. Marks are told in conversations only. */
export interface Member extends Author {
  /** What they may do. */
  readonly role: Role;
  /** How far they have received and read. */
  readonly marks?: Marks;
}

/** State of a room's channel. */
export interface RoomState {
  /** The room. */
  readonly room: RoomInfo;
  /** The newest messages, oldest first. */
  readonly messages: readonly Message[];
  /** Whether there are older ones. */
  readonly more: boolean;
  /** Everybody in it; conversations only. */
  readonly participants: readonly Member[];
}

/** Something told to oneself. */
export type Notification = {
  /** Its place in the inbox. */
  readonly seq: number;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Whether it was read, on whichever device. */
  readonly read: boolean;
} & NotificationEvent;

/** What a notification is about; `other` is a kind this version does not know. */
export type NotificationEvent =
  | {
      readonly kind: 'mention' | 'message';
      readonly channel: string;
      readonly message: number;
      readonly from: Author;
      readonly preview: string;
    }
  | {
      readonly kind: 'invitation';
      readonly channel: string;
      readonly name: string;
      readonly from: Author;
    }
  | { readonly kind: 'station_live'; readonly station: string; readonly name: string }
  | { readonly kind: 'announcement'; readonly text: string }
  | { readonly kind: 'other' };

/** Whether somebody is there. */
export type PresenceStatus = 'online' | 'away' | 'offline';

/** Whether and how somebody is there. */
export interface Presence {
  /** Online, away or offline. */
  readonly status: PresenceStatus;
  /** What they say about it. */
  readonly text?: string;
  /** On how many devices. */
  readonly devices: number;
  /** When they were last there, in milliseconds since the Unix epoch. */
  readonly lastSeen?: number;
}

/** What listeners can do with a station. */
export type InteractionKind = 'like' | 'favourite' | 'follow' | 'share';

/** How often a station was liked and so on; always all of it, never a difference. */
export interface Interactions {
  /** How many like it. */
  readonly likes: number;
  /** How many keep it. */
  readonly favourites: number;
  /** How many are told when it goes on air. */
  readonly followers: number;
  /** How many passed it on. */
  readonly shares: number;
  /** Rises with every change. */
  readonly version: number;
  /** What oneself did; absent in pushes, which are the same for all. */
  readonly mine?: readonly InteractionKind[];
}

/** Reads an Author; `undefined` without a sub. */
export function parseAuthor(json: Json | undefined): Author | undefined {
  if (!isRecord(json)) return undefined;
  const sub = text(json, 'sub');
  const name = text(json, 'name');
  return sub === undefined ? undefined : { sub, ...(name === undefined ? {} : { name }) };
}

/** Reads content; `undefined` when it is of a kind this version does not know. */
export function parseContent(json: Json | undefined): Content | undefined {
  if (!isRecord(json)) return undefined;
  const written = text(json, 'text') ?? '';
  switch (json.type) {
    case 'text':
      return { type: 'text', text: written };
    case 'system':
      return { type: 'system', text: written };
    case 'location': {
      const [latitude, longitude] = [number(json, 'latitude'), number(json, 'longitude')];
      const label = text(json, 'label');
      if (latitude === undefined || longitude === undefined) return undefined;
      return { type: 'location', latitude, longitude, ...(label === undefined ? {} : { label }) };
    }
    case 'media': {
      const upload = text(json, 'upload');
      const durationMs = number(json, 'duration_ms');
      const caption = text(json, 'caption');
      if (upload === undefined) return undefined;
      return {
        type: 'media',
        upload,
        kind: json.kind === 'image' || json.kind === 'voice' ? json.kind : 'file',
        ...(durationMs === undefined ? {} : { durationMs }),
        ...(caption === undefined ? {} : { caption }),
      };
    }
    default:
      return undefined;
  }
}

/** Writes content as the relay takes it. */
export function encodeContent(content: Content): JsonObject {
  if (content.type !== 'media') return { ...content };
  const { durationMs, ...rest } = content;
  return durationMs === undefined ? rest : { ...rest, duration_ms: Math.round(durationMs) };
}

/** Reads a Message; `undefined` without a seq. */
export function parseMessage(json: Json | undefined): Message | undefined {
  if (!isRecord(json)) return undefined;
  const seq = number(json, 'seq');
  if (seq === undefined) return undefined;
  const from = parseAuthor(json.from);
  const clientId = text(json, 'client_id');
  const content = parseContent(json.content);
  const [replyTo, thread] = [number(json, 'reply_to'), number(json, 'thread')];
  const editedAt = number(json, 'edited_at');
  return {
    seq,
    at: (number(json, 'at') ?? 0) / 1000,
    version: number(json, 'version') ?? 0,
    replies: number(json, 'replies') ?? 0,
    mentions: strings(json.mentions),
    reactions: parseReactions(json.reactions),
    mine: strings(json.mine),
    ...(from === undefined ? {} : { from }),
    ...(clientId === undefined ? {} : { clientId }),
    ...(content === undefined ? {} : { content }),
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(thread === undefined ? {} : { thread }),
    ...(editedAt === undefined ? {} : { editedAt: editedAt / 1000 }),
  };
}

/** Reads the messages of a list; those without a seq are left out. */
export function parseMessages(json: JsonObject): Message[] {
  return objects(json, 'messages')
    .map(parseMessage)
    .filter((message) => message !== undefined);
}

/** Reads counts by reaction. */
export function parseReactions(json: Json | undefined): Record<string, number> {
  if (!isRecord(json)) return {};
  const counts = Object.entries(json).filter(([, count]) => typeof count === 'number' && count > 0);
  return Object.fromEntries(counts) as Record<string, number>;
}

const KINDS: readonly RoomKind[] = ['station', 'public', 'private', 'direct', 'group'];

/** Reads a Room; `undefined` without a channel. */
export function parseRoom(json: Json | undefined): RoomInfo | undefined {
  if (!isRecord(json)) return undefined;
  const channel = text(json, 'channel');
  if (channel === undefined) return undefined;
  const owner = text(json, 'owner');
  const mine = isRecord(json.mine) ? json.mine : undefined;
  const latest = parseMessage(json.latest);
  const others = objects(json, 'others').map(parseAuthor);
  return {
    channel,
    kind: KINDS.find((kind) => kind === json.kind) ?? 'public',
    name: text(json, 'name') ?? '',
    topic: text(json, 'topic') ?? '',
    members: number(json, 'members') ?? 0,
    slowModeS: number(json, 'slow_mode_s') ?? 0,
    followersOnly: json.followers_only === true,
    createdAt: (number(json, 'created_at') ?? 0) / 1000,
    version: number(json, 'version') ?? 0,
    lastMessage: number(json, 'last_message') ?? 0,
    ...(owner === undefined ? {} : { owner }),
    ...(mine === undefined
      ? {}
      : {
          mine: {
            role: parseRole(mine.role),
            ...parseMarks(mine),
            unread: number(mine, 'unread') ?? 0,
          },
        }),
    ...(json.elevated === undefined ? {} : { elevated: parseRole(json.elevated) }),
    ...(latest === undefined ? {} : { latest }),
    ...(others.length === 0 ? {} : { others: others.filter((other) => other !== undefined) }),
  };
}

/** Reads the rooms of a list. */
export function parseRooms(json: JsonObject): RoomInfo[] {
  return objects(json, 'rooms')
    .map(parseRoom)
    .filter((room) => room !== undefined);
}

function parseRole(json: Json | undefined): Role {
  return json === 'moderator' || json === 'owner' ? json : 'member';
}

/** Reads watermarks; what is missing is 0. */
export function parseMarks(json: JsonObject): Marks {
  return { delivered: number(json, 'delivered') ?? 0, read: number(json, 'read') ?? 0 };
}

/** Reads a Member; `undefined` without a sub. */
export function parseMember(json: Json | undefined): Member | undefined {
  const author = parseAuthor(json);
  if (!author || !isRecord(json)) return undefined;
  const marked = number(json, 'read') !== undefined || number(json, 'delivered') !== undefined;
  return {
    ...author,
    role: parseRole(json.role),
    ...(marked ? { marks: parseMarks(json) } : {}),
  };
}

/** Reads the members of a list under `key`. */
export function parseMembers(json: JsonObject, key = 'members'): Member[] {
  return objects(json, key)
    .map(parseMember)
    .filter((member) => member !== undefined);
}

/** Reads the state of a room's channel; `undefined` without a room. */
export function parseRoomState(json: Json | undefined): RoomState | undefined {
  if (!isRecord(json)) return undefined;
  const room = parseRoom(json.room);
  return (
    room && {
      room,
      messages: parseMessages(json),
      more: json.more === true,
      participants: parseMembers(json, 'participants'),
    }
  );
}

/** Reads a Notification; `undefined` without a seq. */
export function parseNotification(json: Json | undefined): Notification | undefined {
  if (!isRecord(json)) return undefined;
  const seq = number(json, 'seq');
  if (seq === undefined) return undefined;
  const at = (number(json, 'at') ?? 0) / 1000;
  return { seq, at, read: json.read === true, ...parseEvent(json) };
}

function parseEvent(json: JsonObject): NotificationEvent {
  const from = parseAuthor(json.from) ?? { sub: '' };
  const channel = text(json, 'channel') ?? '';
  const name = text(json, 'name') ?? '';
  switch (json.kind) {
    case 'mention':
    case 'message': {
      const preview = text(json, 'preview') ?? '';
      return { kind: json.kind, channel, message: number(json, 'message') ?? 0, from, preview };
    }
    case 'invitation':
      return { kind: 'invitation', channel, name, from };
    case 'station_live':
      return { kind: 'station_live', station: text(json, 'station') ?? '', name };
    case 'announcement':
      return { kind: 'announcement', text: text(json, 'text') ?? '' };
    default:
      return { kind: 'other' };
  }
}

/** Reads a Presence. */
export function parsePresence(json: JsonObject): Presence {
  const said = text(json, 'text');
  const lastSeen = number(json, 'last_seen');
  const { status } = json;
  return {
    status: status === 'online' || status === 'away' ? status : 'offline',
    devices: number(json, 'devices') ?? 0,
    ...(said === undefined ? {} : { text: said }),
    ...(lastSeen === undefined ? {} : { lastSeen: lastSeen / 1000 }),
  };
}

const INTERACTIONS: readonly InteractionKind[] = ['like', 'favourite', 'follow', 'share'];

/** Reads a station's interactions. */
export function parseInteractions(json: JsonObject): Interactions {
  const mine = Array.isArray(json.mine) ? strings(json.mine) : undefined;
  return {
    likes: number(json, 'likes') ?? 0,
    favourites: number(json, 'favourites') ?? 0,
    followers: number(json, 'followers') ?? 0,
    shares: number(json, 'shares') ?? 0,
    version: number(json, 'version') ?? 0,
    ...(mine === undefined ? {} : { mine: INTERACTIONS.filter((kind) => mine.includes(kind)) }),
  };
}

function strings(json: Json | undefined): string[] {
  return Array.isArray(json) ? json.filter((item) => typeof item === 'string') : [];
}
