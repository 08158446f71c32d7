/** One's own notifications and conversations, the same on all one's devices. Pure. */
import { Emitter, type Unsubscribe } from '../emitter.ts';
import {
  parseNotification,
  parseRoom,
  parseRooms,
  type Author,
  type Message,
  type Notification,
  type RoomInfo,
} from '../wire/chat.ts';
import { parseInboxEvent, type InboxEvent } from '../wire/chat-events.ts';
import { isRecord, number, objects, text, type Json, type JsonObject } from '../wire/json.ts';
import type { ChannelUpdate } from '../messages.ts';
import type { ChatContext } from './context.ts';

/** A conversation as the list of all shows it. */
export interface Conversation {
  /** The conversation. */
  readonly room: RoomInfo;
  /** How many of its messages one has not read. */
  readonly unread: number;
  /** Its last message; in lists its text is cut short. */
  readonly last?: Message;
  /** Who else is in it, the first few. */
  readonly others: readonly Author[];
}

/** What an inbox tells. */
export interface InboxEvents {
  /** Something came now, not while one was away. */
  notification: Notification;
  /** Notifications or their read state changed. */
  notifications: { readonly inbox: Inbox };
  /** Conversations, their order or unread counts changed. */
  conversations: { readonly inbox: Inbox };
}

// As many as a state has at most.
const STATE_MAX = 20;
// Older ones are brought by `notifications`.
const NOTIFICATIONS_MAX = 500;

/** See the file's head. Part of a `Chat`. */
export class Inbox extends Emitter<InboxEvents> {
  readonly #context: ChatContext;
  readonly #unsubscribe: Unsubscribe;
  #notifications: readonly Notification[] = [];
  #unread = 0;
  #conversations = new Map<string, Conversation>();
  #moreNotifications = false;
  #listing: Promise<void> | undefined;
  #ready = false;

  /** @internal */
  constructor(context: ChatContext) {
    super();
    this.#context = context;
    this.#unsubscribe = context.session.subscribe('inbox', (update) => {
      this.#handle(update);
    });
  }

  /** Whether its state is there. */
  get ready(): boolean {
    return this.#ready;
  }

  /** Notifications, newest first. */
  get notifications(): readonly Notification[] {
    return this.#notifications;
  }

  /** How many notifications are unread. */
  get unreadNotifications(): number {
    return this.#unread;
  }

  /** Whether {@link loadOlder} brings more notifications. */
  get more(): boolean {
    return this.#moreNotifications;
  }

  /** Conversations, the last written to first. */
  get conversations(): readonly Conversation[] {
    return [...this.#conversations.values()].sort((left, right) => lastAt(right) - lastAt(left));
  }

  /** One conversation. */
  conversation(channel: string): Conversation | undefined {
    return this.#conversations.get(channel);
  }

  /** How many messages of all conversations are unread. */
  get unreadMessages(): number {
    let unread = 0;
    for (const conversation of this.#conversations.values()) unread += conversation.unread;
    return unread;
  }

  /** What a conversation is called: its name, or the others' names. */
  title(channel: string): string {
    const conversation = this.#conversations.get(channel);
    if (!conversation) return 'Conversation';
    if (conversation.room.name !== '') return conversation.room.name;
    const names = conversation.others.map(({ sub }) => this.#context.people.name(sub));
    return names.length === 0 ? 'Conversation' : names.join(', ');
  }

  /** Marks notifications read: some, or all up to one. */
  async markRead(what: { readonly seqs?: readonly number[]; readonly upTo?: number }) {
    const { seqs, upTo } = what;
    this.#read(seqs ?? [], upTo);
    const result = await this.#context.session.request('read_notifications', {
      ...(seqs === undefined ? {} : { seqs: [...seqs] }),
      ...(upTo === undefined ? {} : { up_to: upTo }),
    });
    this.#unread = number(result, 'unread') ?? this.#unread;
    this.emit('notifications', { inbox: this });
  }

  /** Brings older notifications. */
  async loadOlder(): Promise<void> {
    const oldest = this.#notifications.at(-1)?.seq;
    const params = { limit: 50, ...(oldest === undefined ? {} : { before: oldest }) };
    const page = await this.#context.session.request('notifications', params);
    this.#moreNotifications = page.more === true;
    const known = new Set(this.#notifications.map(({ seq }) => seq));
    const older = parseNotifications(page).filter(({ seq }) => !known.has(seq));
    this.#notifications = [...this.#notifications, ...older];
    this.emit('notifications', { inbox: this });
  }

  /**
   * Begins a conversation, or finds the one that is there.
   *
   * @param users whom with: one for a direct conversation; several need a name.
   * @returns its channel.
   */
  async begin(users: readonly string[], name?: string): Promise<string> {
    const result = await this.#context.session.request('create_conversation', {
      users: [...users],
      ...(name === undefined ? {} : { name }),
    });
    const room = parseRoom(result.room);
    if (room) {
      this.#takeRooms([{ others: users.map((sub) => ({ sub })), ...room }]);
    }
    return room?.channel ?? '';
  }

  /** Deletes a conversation: a group's owner for all, else for oneself. */
  async delete(channel: string): Promise<void> {
    await this.#context.session.request('delete_conversation', { channel });
    this.#drop(channel);
  }

  /** @internal */
  close(): void {
    this.#unsubscribe();
    this.removeAllListeners();
  }

  /** @internal What conversations look like is volatile: asked for again after a gap. */
  async handleReconnected(): Promise<void> {
    if (this.#ready) await this.#list();
  }

  /** Asks for the conversations last written to: one request, however many they are. */
  #list(): Promise<void> {
    const { session } = this.#context;
    this.#listing ??= session
      .request('conversations')
      .then((page) => {
        const rooms = parseRooms(page);
        if (text(page, 'next') === undefined) this.#keepOnly(rooms);
        this.#takeRooms(rooms);
      })
      // The next connection asks again.
      .catch(() => undefined)
      .finally(() => {
        this.#listing = undefined;
      });
    return this.#listing;
  }

  #handle(update: ChannelUpdate): void {
    if (update.type === 'state') this.#handleState(update.state);
    if (update.type !== 'push') return;
    const event = parseInboxEvent(update.push);
    if (event) this.#handleEvent(event);
  }

  #handleState(state: Json): void {
    if (!isRecord(state)) return;
    this.#ready = true;
    this.#notifications = parseNotifications(state);
    this.#unread = number(state, 'unread') ?? 0;
    // The state says nothing of older ones; below a whole page there are none, but for what
    // did not fit a frame.
    const count = this.#notifications.length;
    this.#moreNotifications = count >= STATE_MAX || this.#unread > count;
    this.#takeRooms(parseRooms({ rooms: objects(state, 'conversations') }));
    this.emit('notifications', { inbox: this });
  }

  #handleEvent(event: InboxEvent): void {
    switch (event.type) {
      case 'notification': {
        const { notification } = event;
        if ('from' in notification) this.#context.people.meet(notification.from);
        const rest = this.#notifications.filter(({ seq }) => seq !== notification.seq);
        this.#notifications = [notification, ...rest].slice(0, NOTIFICATIONS_MAX);
        if (!notification.read) this.#unread++;
        this.emit('notification', notification);
        this.emit('notifications', { inbox: this });
        break;
      }
      case 'notifications_read':
        this.#read(event.seqs, event.upTo);
        this.emit('notifications', { inbox: this });
        break;
      case 'conversation':
        this.#handleConversation(event);
        break;
      case 'conversation_deleted':
      case 'room_deleted':
        this.#drop(event.channel);
        break;
    }
  }

  #handleConversation(event: InboxEvent & { readonly type: 'conversation' }): void {
    const { channel, unread, message } = event;
    if (!channel.startsWith('conversation:')) return;
    if (message?.from) this.#context.people.meet(message.from);
    const known = this.#conversations.get(channel);
    if (known) {
      const lastMessage = message?.seq ?? known.room.lastMessage;
      const last = message ?? known.last;
      const room = { ...known.room, lastMessage };
      this.#put({ ...known, room, unread, ...(last === undefined ? {} : { last }) });
      this.emit('conversations', { inbox: this });
    } else void this.#list();
    if (message && message.from?.sub !== this.#context.me?.sub)
      this.#received(channel, message.seq);
  }

  /** This device has it, which is what `delivered` says. */
  #received(channel: string, seq: number): void {
    const { session } = this.#context;
    session.request('mark', { channel, delivered: seq }).catch(() => undefined);
  }

  #takeRooms(rooms: readonly RoomInfo[]): void {
    for (const room of rooms) {
      const { people } = this.#context;
      for (const other of room.others ?? []) people.meet(other);
      const before = this.#conversations.get(room.channel);
      const newer = (room.latest?.seq ?? 0) >= (before?.last?.seq ?? 0);
      const last = newer ? (room.latest ?? before?.last) : before?.last;
      const others = room.others ?? before?.others ?? [];
      const unread = room.mine?.unread ?? 0;
      this.#put({ room, unread, others, ...(last === undefined ? {} : { last }) });
      const delivered = room.mine?.delivered ?? 0;
      if (room.lastMessage > delivered && unread > 0)
        this.#received(room.channel, room.lastMessage);
    }
    this.emit('conversations', { inbox: this });
  }

  /** What is not among all there are was deleted meanwhile. */
  #keepOnly(rooms: readonly RoomInfo[]): void {
    const there = new Set(rooms.map(({ channel }) => channel));
    for (const channel of this.#conversations.keys()) {
      if (!there.has(channel)) this.#conversations.delete(channel);
    }
  }

  #put(conversation: Conversation): void {
    this.#conversations.set(conversation.room.channel, conversation);
  }

  #drop(channel: string): void {
    if (this.#conversations.delete(channel)) this.emit('conversations', { inbox: this });
  }

  #read(seqs: readonly number[], upTo = -1): void {
    let count = 0;
    this.#notifications = this.#notifications.map((notification) => {
      const hit = notification.seq <= upTo || seqs.includes(notification.seq);
      if (notification.read || !hit) return notification;
      count++;
      return { ...notification, read: true };
    });
    this.#unread = Math.max(0, this.#unread - count);
  }
}

function parseNotifications(json: JsonObject): Notification[] {
  return objects(json, 'notifications')
    .map(parseNotification)
    .filter((notification) => notification !== undefined);
}

function lastAt({ room, last }: Conversation): number {
  // A conversation just begun comes first; its room says when that was.
  return last?.at ?? room.createdAt;
}

/** What a channel belongs to, for links. */
export function channelTarget(channel: string): {
  readonly kind: 'station' | 'room' | 'conversation';
  readonly id: string;
} {
  const id = channel.slice(channel.indexOf(':') + 1);
  if (channel.startsWith('conversation:')) return { kind: 'conversation', id };
  return id.startsWith('@') ? { kind: 'station', id: id.slice(1) } : { kind: 'room', id };
}
