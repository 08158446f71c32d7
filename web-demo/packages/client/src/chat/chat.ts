/** Rooms, conversations, presence and notifications over one session. Pure. */
import { asMember, People, type ChatContext, type ChatSession } from './context.ts';
import { Devices } from './devices.ts';
import { Emitter, type Unsubscribe } from '../emitter.ts';
import { failure } from '../errors.ts';
import { Inbox } from './inbox.ts';
import { Moderation } from './moderation.ts';
import { number, objects, text, type JsonObject } from '../wire/json.ts';
import { Outbox, sendParams, type Outgoing, type OutboxStorage } from './outbox.ts';
import {
  parseInteractions,
  parseMembers,
  parseMessage,
  parseRoom,
  parseRooms,
  type InteractionKind,
  type Interactions,
  type Member,
  type Message,
  type RoomInfo,
} from '../wire/chat.ts';
import { PresenceList } from './presence.ts';
import { Room } from './room.ts';
import type { SessionStatus, User } from '../messages.ts';
import type { Sent } from './timeline.ts';
import type { Timers } from '../timers.ts';

/** What a chat needs from where it runs. */
export interface ChatSurroundings {
  /** Clocks and timers. */
  readonly timers: Timers;
  /** Uniform in [0, 1). */
  random(): number;
  /** A new id nobody else has, of at most 64 characters. */
  newId(): string;
  /** Keeps unsent messages over a reload of the page; none keeps them in memory. */
  readonly storage?: OutboxStorage;
}

/** What a chat tells. */
export interface ChatEvents {
  /** Another user signed in, or nobody is any more: inbox and presence are others. */
  user: { readonly user: User | undefined };
  /** The connection was made or lost. */
  connected: { readonly connected: boolean };
}

/** Where a search found something. */
export interface Hit {
  /** The room or conversation. */
  readonly channel: string;
  /** The message. */
  readonly message: Message;
}

interface Opened {
  readonly room: Room;
  users: number;
}

/** See the file's head. It follows who the session is of by itself. */
export class Chat extends Emitter<ChatEvents> {
  /** Names by sub, of everybody met. */
  readonly people = new People();
  /** What moderators do. */
  readonly moderation: Moderation;
  /** Devices that are told while one has no session. */
  readonly devices: Devices;
  readonly #session: ChatSession;
  readonly #around: ChatSurroundings;
  readonly #rooms = new Map<string, Opened>();
  readonly #unsubscribe: Unsubscribe;
  readonly #context: ChatContext;
  #me: User | undefined;
  #inbox: Inbox | undefined;
  #presence: PresenceList | undefined;
  #outbox: Outbox | undefined;
  #connected = false;

  /** `createChat` makes one with the browser's surroundings. */
  constructor(session: ChatSession, around: ChatSurroundings) {
    super();
    this.#session = session;
    this.#around = around;
    this.moderation = new Moderation(session, this.people);
    this.devices = new Devices(session);
    this.#context = this.#makeContext();
    this.#unsubscribe = session.on('status', (status) => {
      this.#handleStatus(status);
    });
    this.#handleStatus(session.status);
  }

  /** Whom the session is of; `undefined` for visitors. */
  get me(): User | undefined {
    return this.#me;
  }

  /** Whether there is a connection now. */
  get connected(): boolean {
    return this.#connected;
  }

  /** One's notifications and conversations; `undefined` for visitors. */
  get inbox(): Inbox | undefined {
    return this.#inbox;
  }

  /** Who is there; `undefined` for visitors. */
  get presence(): PresenceList | undefined {
    return this.#presence;
  }

  /** Follows a room or a conversation until it is closed as often as it was opened. */
  open(channel: string): Room {
    const known = this.#rooms.get(channel);
    if (known) {
      known.users++;
      return known.room;
    }
    const room = new Room(channel, this.#context, () => {
      this.#leave(channel);
    });
    this.#rooms.set(channel, { room, users: 1 });
    room.start();
    return room;
  }

  /** A page of rooms one may see. */
  async rooms(query: { query?: string; joined?: boolean; after?: string; limit?: number } = {}) {
    const result = await this.#session.request('rooms', query);
    const next = text(result, 'next');
    return { rooms: parseRooms(result), ...(next === undefined ? {} : { next }) };
  }

  /** Makes a room of one's own. */
  async createRoom(
    name: string,
    options: { topic?: string; private?: boolean; transient?: boolean } = {},
  ): Promise<RoomInfo> {
    const result = await this.#session.request('create_room', { name, ...options });
    const room = parseRoom(result.room);
    if (!room) throw failure('internal', 'the relay told no room');
    return room;
  }

  /** A page of a room's members. */
  async members(channel: string, after?: string): Promise<{ members: Member[]; next?: string }> {
    const params = { channel, ...(after === undefined ? {} : { after }) };
    const result = await this.#session.request('members', params);
    const members = parseMembers(result);
    for (const member of members) this.people.meet(member);
    const next = text(result, 'next');
    return { members, ...(next === undefined ? {} : { next }) };
  }

  /** Looks for words in what one may read, newest first. */
  async search(
    query: string,
    options: { channel?: string; before?: number; limit?: number } = {},
  ): Promise<{ hits: Hit[]; next?: number }> {
    const result = await this.#session.request('search', { query, ...options });
    const hits = objects(result, 'hits').map(parseHit);
    const next = number(result, 'next');
    return {
      hits: hits.filter((hit) => hit !== undefined),
      ...(next === undefined ? {} : { next }),
    };
  }

  /** Likes a station, keeps it, follows it or passes it on; or takes that back. */
  async interact(station: string, kind: InteractionKind, on: boolean): Promise<Interactions> {
    return parseInteractions(await this.#session.request('interact', { station, kind, on }));
  }

  /** A station's likes and so on, and one's own. */
  async interactions(station: string): Promise<Interactions> {
    return parseInteractions(await this.#session.request('interactions', { station }));
  }

  /** The stations one keeps and follows. */
  async favourites(): Promise<{ favourites: string[]; follows: string[] }> {
    const result = await this.#session.request('favourites');
    return { favourites: names(result, 'favourites'), follows: names(result, 'follows') };
  }

  /** Stops following everything. The session goes on; what is unsent is kept. */
  close(): void {
    this.#unsubscribe();
    for (const { room } of this.#rooms.values()) room.stop();
    this.#rooms.clear();
    this.#signOut();
    this.removeAllListeners();
  }

  #makeContext(): ChatContext {
    const read = { me: () => this.#me, outbox: () => this.#outbox };
    const { people } = this;
    return {
      session: this.#session,
      timers: this.#around.timers,
      people,
      get me() {
        return read.me();
      },
      get outbox() {
        return read.outbox();
      },
    };
  }

  #handleStatus({ phase, user }: SessionStatus): void {
    const connected = phase === 'connected';
    const back = connected && !this.#connected;
    const changed = connected !== this.#connected;
    this.#connected = connected;
    let isNew = false;
    if (connected && user?.sub !== this.#me?.sub) {
      this.#signIn(user);
      isNew = true;
    } else if (connected) this.#me = user;
    if (changed) {
      this.#outbox?.handleConnected(connected);
      this.emit('connected', { connected });
    }
    if (!back || isNew) return;
    void this.#inbox?.handleReconnected();
    void this.#presence?.handleReconnected();
    for (const { room } of this.#rooms.values()) room.handleReconnected();
  }

  #signIn(user: User | undefined): void {
    this.#signOut();
    this.#me = user;
    if (user) {
      this.people.meet(user);
      this.#outbox = this.#makeOutbox(user.sub);
      this.#inbox = new Inbox(this.#context);
      this.#presence = new PresenceList(this.#context);
      this.#outbox.handleConnected(this.#connected);
    }
    // As this user one may see more, or less.
    for (const { room } of this.#rooms.values()) room.start();
    this.emit('user', { user });
  }

  #signOut(): void {
    this.#outbox?.close();
    this.#inbox?.close();
    this.#presence?.close();
    this.#outbox = undefined;
    this.#inbox = undefined;
    this.#presence = undefined;
    this.#me = undefined;
  }

  #makeOutbox(owner: string): Outbox {
    const outbox = new Outbox(owner, {
      ...this.#around,
      send: (message) => this.#send(message),
    });
    outbox.on('change', ({ channel }) => {
      this.#rooms.get(channel)?.room.handleOutgoing();
    });
    outbox.on('sent', ({ message, ...sent }) => {
      this.#rooms.get(message.channel)?.room.handleSent(message, sent);
    });
    return outbox;
  }

  async #send(message: Outgoing): Promise<Sent> {
    const { channel } = message;
    const result = await asMember(this.#session, channel, 'send', sendParams(message));
    return { seq: number(result, 'seq') ?? 0, at: (number(result, 'at') ?? 0) / 1000 };
  }

  #leave(channel: string): void {
    const opened = this.#rooms.get(channel);
    if (!opened) return;
    opened.users--;
    if (opened.users > 0) return;
    this.#rooms.delete(channel);
    opened.room.stop();
  }
}

function parseHit(json: JsonObject): Hit | undefined {
  const message = parseMessage(json.message);
  return message && { channel: text(json, 'channel') ?? '', message };
}

function names(json: JsonObject, key: string): string[] {
  const list = json[key];
  return Array.isArray(list) ? list.filter((name) => typeof name === 'string') : [];
}
