/** A room or a conversation, followed. Pure: it speaks through the session it is given. */
import { asMember, type ChatContext } from './context.ts';
import { Emitter, type Unsubscribe } from '../emitter.ts';
import { failure, SkywaveError } from '../errors.ts';
import { MarkSender, Receipts, type Delivery } from './receipts.ts';
import { parseMembers, parseMessages, parseRoom, parseRoomState } from '../wire/chat.ts';
import { parseRoomEvent, type RoomEvent } from '../wire/chat-events.ts';
import { Timeline, type Sent } from './timeline.ts';
import { TypingSender } from './typing.ts';
import type {
  Author,
  Content,
  Interactions,
  Marks,
  Member,
  Message,
  RoomInfo,
} from '../wire/chat.ts';
import type { ChannelUpdate } from '../messages.ts';
import type { Draft, Outgoing } from './outbox.ts';
import type { ErrorObject } from '../wire/control.ts';
import type { Json } from '../wire/json.ts';

/** What a room tells. */
export interface RoomEvents {
  /** Messages, or what is on its way, changed. */
  messages: { readonly room: Room };
  /** The room itself, its members, marks or one's place in it changed. */
  room: { readonly room: Room };
  /** Others began or ceased to write. */
  typing: { readonly users: readonly Author[] };
  /** The station's likes and so on changed; in a station's room. */
  interactions: Interactions;
  /** Every push as it came, after it was taken in. */
  event: RoomEvent;
}

/** Whether a room's content is there. */
export type RoomPhase = 'loading' | 'open' | 'refused';

/** How a message is sent beside what it says. */
export type SendOptions = Pick<Draft, 'replyTo' | 'thread' | 'mentions'>;

const HISTORY_LIMIT = 50;

/** See the file's head. Made by `Chat.open`; {@link close} it when nobody looks any more. */
export class Room extends Emitter<RoomEvents> {
  /** Its channel, such as `room:@demo` or `conversation:...`. */
  readonly channel: string;
  readonly #context: ChatContext;
  readonly #timeline = new Timeline();
  readonly #receipts = new Receipts();
  #marks: MarkSender;
  readonly #writing: TypingSender;
  readonly #onClose: () => void;
  #unsubscribe: Unsubscribe | undefined;
  #phase: RoomPhase = 'loading';
  #error: ErrorObject | undefined;
  #info: RoomInfo | undefined;
  #members = new Map<string, Member>();
  #typing: readonly Author[] = [];
  #online: number | undefined;
  #loadingOlder: Promise<void> | undefined;

  /** @internal */
  constructor(channel: string, context: ChatContext, onClose: () => void) {
    super();
    this.channel = channel;
    this.#context = context;
    this.#onClose = onClose;
    const { session, timers } = context;
    this.#marks = this.#makeMarks();
    this.#writing = new TypingSender((on) => {
      session.request('typing', { channel, on }).catch((error: unknown) => {
        // Whoever writes will want to be in by the time it is sent. It is not said again:
        // that might come after the message itself.
        const join = error instanceof SkywaveError && error.code === 'not_member' && on;
        if (join) session.request('join_room', { channel }).catch(() => undefined);
      });
    }, timers);
  }

  /** Whether its content is there. */
  get phase(): RoomPhase {
    return this.#phase;
  }

  /** Why it was refused. */
  get error(): ErrorObject | undefined {
    return this.#error;
  }

  /** The room as it is now. */
  get info(): RoomInfo | undefined {
    return this.#info;
  }

  /** Known messages, oldest first. */
  get messages(): readonly Message[] {
    return this.#timeline.messages;
  }

  /** Whether {@link loadOlder} brings more. */
  get more(): boolean {
    return this.#timeline.more;
  }

  /** One's own messages that are not acknowledged yet, in order. */
  get outgoing(): readonly Outgoing[] {
    return this.#context.outbox?.of(this.channel) ?? [];
  }

  /** Who writes now, oneself left out. */
  get typing(): readonly Author[] {
    return this.#typing.filter(({ sub }) => sub !== this.#context.me?.sub);
  }

  /** Members as far as they are known: all in a conversation, those who came in a room. */
  get members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** How many sessions look at it now, once told. */
  get online(): number | undefined {
    return this.#online;
  }

  /** One message. */
  get(seq: number): Message | undefined {
    return this.#timeline.get(seq);
  }

  /** Whether somebody may delete others' messages and so on here. */
  get moderates(): boolean {
    const role = this.#info?.mine?.role;
    return role === 'moderator' || role === 'owner';
  }

  /** How far a message of one's own has come; `sent` in rooms, which have no receipts. */
  delivery(seq: number): Delivery {
    return this.#receipts.delivery(seq, this.#context.me?.sub ?? '');
  }

  /** How far a member of a conversation is. */
  marks(sub: string): Marks | undefined {
    return this.#receipts.get(sub);
  }

  /**
   * Sends a message, or keeps it until there is a connection. It is in {@link outgoing}
   * until it is acknowledged and in {@link messages} from then on.
   *
   * @throws SkywaveError `unauthorized` for visitors, `outbox_full`.
   */
  send(content: Content, options: SendOptions = {}): Outgoing {
    const { outbox } = this.#context;
    if (!outbox) throw failure('unauthorized', 'sign in first');
    this.#writing.handleSent();
    return outbox.add({ channel: this.channel, content, ...options });
  }

  /** Sends text; see {@link send}. */
  say(text: string, options?: SendOptions): Outgoing {
    return this.send({ type: 'text', text }, options);
  }

  /** Tries a message again that failed for good. */
  retry(clientId: string): void {
    this.#context.outbox?.retry(this.channel, clientId);
  }

  /** Gives a message up that was not acknowledged. */
  discard(clientId: string): void {
    this.#context.outbox?.discard(this.channel, clientId);
  }

  /** Changes one's own text. */
  async edit(seq: number, text: string): Promise<void> {
    await this.#request('edit', { seq, text });
  }

  /** Deletes one's own message, or anybody's for moderators. */
  async delete(seq: number): Promise<void> {
    await this.#request('delete', { seq });
  }

  /** Gives a reaction or takes it back. */
  async react(seq: number, reaction: string, on: boolean): Promise<void> {
    const { channel } = this;
    await asMember(this.#context.session, channel, 'react', { channel, seq, reaction, on });
  }

  /** Reports a message to the moderators. */
  async report(seq: number, reason: string): Promise<void> {
    await this.#request('report', { seq, reason });
  }

  /** A key was pressed in the field for a message: says so to the others, now and then. */
  handleInput(): void {
    if (this.#context.me) this.#writing.handleInput();
  }

  /** The field was emptied or left. */
  handleInputStopped(): void {
    this.#writing.handleStopped();
  }

  /** One has seen messages up to this one. */
  markRead(seq: number): void {
    if (this.#info?.mine) this.#marks.raise({ read: seq });
  }

  /** Becomes a member. */
  async join(): Promise<void> {
    this.#takeRoom((await this.#request('join_room')).room);
  }

  /** Is no member any more. */
  async leave(): Promise<void> {
    await this.#request('leave_room');
    this.#dropMembership();
  }

  /** Invites somebody; in a group they are in at once. */
  async invite(user: string): Promise<void> {
    await this.#request('invite', { user });
  }

  /** Sends a member away. */
  async kick(user: string): Promise<void> {
    await this.#request('kick', { user });
  }

  /** Changes name, topic and rules. */
  async update(change: {
    readonly name?: string;
    readonly topic?: string;
    readonly slowModeS?: number;
    readonly followersOnly?: boolean;
  }): Promise<void> {
    const { slowModeS, followersOnly, ...rest } = change;
    const result = await this.#request('update_room', {
      ...rest,
      ...(slowModeS === undefined ? {} : { slow_mode_s: slowModeS }),
      ...(followersOnly === undefined ? {} : { followers_only: followersOnly }),
    });
    this.#takeRoom(result.room);
  }

  /** Brings a page of older messages; several calls at once are one. */
  loadOlder(): Promise<void> {
    this.#loadingOlder ??= this.#load().finally(() => {
      this.#loadingOlder = undefined;
    });
    return this.#loadingOlder;
  }

  /** Stops following it. What is on its way goes on. */
  close(): void {
    this.#onClose();
  }

  // For `Chat`

  /** @internal Follows the channel from its state on, as whoever the session is of now. */
  start(): void {
    this.#unsubscribe?.();
    this.#phase = 'loading';
    // What another user has read is not what this one has.
    this.#marks.close();
    this.#marks = this.#makeMarks();
    this.#unsubscribe = this.#context.session.subscribe(this.channel, (update) => {
      this.#handle(update);
    });
  }

  /** @internal */
  stop(): void {
    this.#writing.handleStopped();
    this.#marks.close();
    this.#unsubscribe?.();
    this.removeAllListeners();
  }

  /** @internal The connection is back: what is volatile may have been missed. */
  handleReconnected(): void {
    this.#setTyping([]);
    if (this.#isConversation() && this.#phase === 'open') void this.#refreshMembers();
  }

  /** @internal */
  handleOutgoing(): void {
    this.emit('messages', { room: this });
  }

  /** @internal */
  handleSent({ clientId, content, replyTo, thread }: Outgoing, sent: Sent): void {
    const { me } = this.#context;
    if (!me || this.#phase !== 'open') return;
    this.#timeline.handleSent(sent, me, {
      clientId,
      content,
      ...(replyTo === undefined ? {} : { replyTo }),
      ...(thread === undefined ? {} : { thread }),
    });
    this.emit('messages', { room: this });
  }

  #handle(update: ChannelUpdate): void {
    switch (update.type) {
      case 'state':
        this.#handleState(update.state);
        break;
      case 'push': {
        const event = parseRoomEvent(update.push);
        if (!event) return;
        this.#handleEvent(event);
        this.emit('event', event);
        break;
      }
      case 'refused':
        this.#phase = 'refused';
        this.#error = update.error;
        this.#dropMembership();
        break;
    }
  }

  #handleState(json: Json): void {
    const state = parseRoomState(json);
    if (!state) return;
    this.#phase = 'open';
    this.#error = undefined;
    this.#takeRoom(state.room, false);
    this.#timeline.handleState(state.messages, state.more);
    for (const message of state.messages) this.#meet(message);
    if (this.#isConversation()) this.#takeMembers(state.participants);
    this.#setTyping([]);
    this.emit('room', { room: this });
    this.emit('messages', { room: this });
  }

  #handleEvent(event: RoomEvent): void {
    if (event.type === 'message') this.#handleMessage(event.message);
    if (this.#timeline.handle(event, this.#context.me?.sub)) {
      this.emit('messages', { room: this });
      return;
    }
    switch (event.type) {
      case 'room_updated':
        if (this.#info && event.room.version <= this.#info.version) return;
        this.#takeRoom(event.room);
        break;
      case 'member_joined':
      case 'member_changed':
        this.#takeMember(event.member);
        break;
      case 'member_left':
        this.#members.delete(event.user);
        this.#receipts.handleLeft(event.user);
        if (event.user === this.#context.me?.sub) this.#dropMembership();
        break;
      case 'members':
        this.#online = event.online;
        if (this.#info) this.#info = { ...this.#info, members: event.members };
        break;
      case 'typing':
        this.#setTyping(event.users);
        return;
      case 'receipts':
        if (!this.#receipts.handle(event.marks)) return;
        break;
      case 'interactions':
        this.emit('interactions', event.interactions);
        return;
      default:
        return;
    }
    this.emit('room', { room: this });
  }

  #handleMessage(message: Message): void {
    this.#meet(message);
    const { me, outbox } = this.#context;
    if (this.#info) this.#info = { ...this.#info, lastMessage: message.seq };
    if (message.from === undefined || message.from.sub !== me?.sub) {
      if (this.#isConversation()) this.#marks.raise({ delivered: message.seq });
    } else if (message.clientId !== undefined) {
      outbox?.handleSeen(this.channel, message.clientId);
    }
  }

  #takeRoom(json: Json | RoomInfo | undefined, tell = true): void {
    const parsed = isParsed(json) ? json : parseRoom(json);
    if (!parsed) return;
    // What all are told does not say what one is oneself.
    const mine = parsed.mine ?? (tell ? this.#info?.mine : undefined);
    this.#info = { ...parsed, ...(mine === undefined ? {} : { mine }) };
    if (mine) this.#marks.handleKnown(mine);
    if (this.#isConversation()) this.#marks.raise({ delivered: parsed.lastMessage });
    if (tell) this.emit('room', { room: this });
  }

  #takeMembers(members: readonly Member[]): void {
    this.#members = new Map(members.map((member) => [member.sub, member]));
    this.#receipts.handleMembers(members);
    for (const member of members) this.#context.people.meet(member);
  }

  #takeMember(member: Member): void {
    const { me, people } = this.#context;
    people.meet(member);
    this.#members.set(member.sub, member);
    if (this.#isConversation()) {
      this.#receipts.handle(new Map([[member.sub, member.marks ?? { delivered: 0, read: 0 }]]));
    }
    if (member.sub !== me?.sub || !this.#info) return;
    const blank = { delivered: 0, read: 0, unread: 0 };
    this.#info = { ...this.#info, mine: { ...blank, ...this.#info.mine, role: member.role } };
  }

  #dropMembership(): void {
    if (this.#info?.mine) {
      const info: { -readonly [Key in keyof RoomInfo]: RoomInfo[Key] } = { ...this.#info };
      delete info.mine;
      this.#info = info;
    }
    this.emit('room', { room: this });
  }

  #meet({ from }: Message): void {
    if (from) this.#context.people.meet(from);
  }

  #setTyping(users: readonly Author[]): void {
    if (users.length === 0 && this.#typing.length === 0) return;
    this.#typing = users;
    this.emit('typing', { users: this.typing });
  }

  #makeMarks(): MarkSender {
    const { session, timers } = this.#context;
    return new MarkSender(async ({ delivered, read }) => {
      await session.request('mark', { channel: this.channel, delivered, read });
    }, timers);
  }

  async #refreshMembers(): Promise<void> {
    try {
      this.#takeMembers(parseMembers(await this.#request('members', { limit: 100 })));
      this.emit('room', { room: this });
    } catch {
      // The next push of receipts or the next connection brings them.
    }
  }

  async #load(): Promise<void> {
    const oldest = this.messages[0]?.seq;
    if (!this.more || oldest === undefined) return;
    const page = await this.#request('history', { before: oldest, limit: HISTORY_LIMIT });
    const older = parseMessages(page);
    for (const message of older) this.#meet(message);
    this.#timeline.handleOlder(older, page.more === true && older.length > 0);
    this.emit('messages', { room: this });
  }

  #request(method: string, params: Record<string, Json> = {}) {
    return this.#context.session.request(method, { channel: this.channel, ...params });
  }

  #isConversation(): boolean {
    return this.channel.startsWith('conversation:');
  }
}

function isParsed(json: Json | RoomInfo | undefined): json is RoomInfo {
  return typeof json === 'object' && json !== null && 'lastMessage' in json;
}
