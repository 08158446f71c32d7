/** A room or a conversation, followed. Pure: it speaks through the session it is given. */
import { failure, SkywaveError } from '../errors.ts';
import { MarkSender, type Delivery } from './receipts.ts';
import { isParsed, rankIn, withOwnPlace, withoutMembership, withRole } from './own-place.ts';
import { parseMembers, parseMessages, parseRoom, parseRoomState } from '../wire/chat.ts';
import { parseRoomEvent, type RoomEvent } from '../wire/chat-events.ts';
import { Reading } from './reading.ts';
import { RoomRequests, type RoomChange } from './room-requests.ts';
import { Roster } from './roster.ts';
import { Thread } from './thread.ts';
import { TypingSender } from './typing.ts';
import type { Author, Content, Marks, Member, Message, Role, RoomInfo } from '../wire/chat.ts';
import type { ChannelUpdate } from '../messages.ts';
import type { ChatContext } from './context.ts';
import type { Draft, Outgoing } from './outbox.ts';
import type { ErrorObject } from '../wire/control.ts';
import type { Json } from '../wire/json.ts';
import type { Sent } from './timeline.ts';
import type { Unsubscribe } from '../emitter.ts';

/** Whether a room's content is there. */
export type RoomPhase = 'loading' | 'open' | 'refused';

/** How a message is sent beside what it says. */
export type SendOptions = Pick<Draft, 'replyTo' | 'thread' | 'mentions'>;

const GONE: ErrorObject = { code: 'unknown_room', message: 'it was deleted', temporary: false };

/** See the file's head. Made by `Chat.open`; {@link close} it when nobody looks any more. */
export class Room extends RoomRequests {
  readonly #reading: Reading;
  readonly #roster: Roster;
  #marks: MarkSender;
  readonly #writing: TypingSender;
  readonly #onClose: () => void;
  #unsubscribe: Unsubscribe | undefined;
  #phase: RoomPhase = 'loading';
  #error: ErrorObject | undefined;
  #info: RoomInfo | undefined;
  #online: number | undefined;

  /** @internal */
  constructor(channel: string, context: ChatContext, onClose: () => void) {
    super(channel, context);
    this.#onClose = onClose;
    this.#roster = new Roster(context.people);
    this.#reading = new Reading((params) => this.#fetch(params));
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

  /** Messages where one reads, oldest first: the newest, or those around a jump. */
  get messages(): readonly Message[] {
    return this.#reading.messages;
  }

  /** Whether {@link loadOlder} brings more. */
  get more(): boolean {
    return this.#reading.more;
  }

  /** Whether one reads back in history, so that {@link loadNewer} brings more. */
  get newer(): boolean {
    return this.#reading.newer;
  }

  /** Who writes now, oneself left out. */
  get typing(): readonly Author[] {
    return this.#roster.typing.filter(({ sub }) => sub !== this.context.me?.sub);
  }

  /** Members as far as they are known: all in a conversation, those who came in a room. */
  get members(): readonly Member[] {
    return this.#roster.members;
  }

  /** How many sessions look at it now, once told. */
  get online(): number | undefined {
    return this.#online;
  }

  /** One message. */
  get(seq: number): Message | undefined {
    return this.#reading.get(seq);
  }

  /** What one may do here, as a member or by one's token; `undefined` for visitors. */
  get rank(): Role | undefined {
    return rankIn(this.#info);
  }

  /** Whether one may delete others' messages and so on here. */
  get moderates(): boolean {
    return this.rank === 'moderator' || this.rank === 'owner';
  }

  /** How far a message of one's own has come; `sent` in rooms, which have no receipts. */
  delivery(seq: number): Delivery {
    return this.#roster.delivery(seq, this.context.me?.sub ?? '');
  }

  /** How far a member of a conversation is. */
  marks(sub: string): Marks | undefined {
    return this.#roster.marks(sub);
  }

  /**
   * Sends a message, or keeps it until there is a connection. It is in {@link outgoing}
   * until it is acknowledged and in {@link messages} from then on.
   *
   * @throws SkywaveError `unauthorized` for visitors, `outbox_full`.
   */
  send(content: Content, options: SendOptions = {}): Outgoing {
    const { outbox } = this.context;
    if (!outbox) throw failure('unauthorized', 'sign in first');
    this.#writing.handleSent();
    return outbox.add({ channel: this.channel, content, ...options });
  }

  /** Sends text; see {@link send}. */
  say(text: string, options?: SendOptions): Outgoing {
    return this.send({ type: 'text', text }, options);
  }

  /** A key was pressed in the field for a message: says so to the others, now and then. */
  handleInput(): void {
    if (this.context.me) this.#writing.handleInput();
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
    this.#takeRoom((await this.request('join_room')).room);
    // Who was not let in before is now.
    if (this.#phase === 'refused') this.start();
  }

  /** Is no member any more. */
  async leave(): Promise<void> {
    await this.request('leave_room');
    this.#dropMembership();
  }

  /** Changes name, topic and rules. */
  async update(change: RoomChange): Promise<void> {
    const { slowModeS, followersOnly, ...rest } = change;
    const result = await this.request('update_room', {
      ...rest,
      ...(slowModeS === undefined ? {} : { slow_mode_s: slowModeS }),
      ...(followersOnly === undefined ? {} : { followers_only: followersOnly }),
    });
    this.#takeRoom(result.room);
  }

  /** Brings a page of older messages; several calls at once are one. */
  async loadOlder(): Promise<void> {
    await this.#reading.loadOlder();
    this.emit('messages', { room: this });
  }

  /** Brings a page of newer messages, when one reads back in history. */
  async loadNewer(): Promise<void> {
    await this.#reading.loadNewer();
    this.emit('messages', { room: this });
  }

  /** Shows the neighbourhood of a message; `false` when it is not there. */
  async jumpTo(seq: number): Promise<boolean> {
    const found = await this.#reading.jumpTo(seq);
    this.emit('messages', { room: this });
    return found;
  }

  /** Shows the newest messages again. */
  toEnd(): void {
    if (!this.newer) return;
    this.#reading.toEnd();
    this.emit('messages', { room: this });
  }

  /** Follows the answers to a message; `onChange` is called whenever they are others. */
  thread(seq: number, onChange: () => void): Thread {
    const fetch = (params: Record<string, Json>) => this.#fetch(params);
    return new Thread(this, seq, fetch, () => this.context.me?.sub, onChange);
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
    this.#unsubscribe = this.context.session.subscribe(this.channel, (update) => {
      this.#handle(update);
    });
  }

  /** @internal */
  stop(): void {
    this.#writing.handleStopped();
    this.#marks.finish();
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
    const { me } = this.context;
    if (!me || this.#phase !== 'open') return;
    this.#reading.end.handleSent(sent, me, {
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
        this.#refuse(update.error);
        break;
    }
  }

  #handleState(json: Json): void {
    const state = parseRoomState(json);
    if (!state) return;
    this.#phase = 'open';
    this.#error = undefined;
    this.#takeRoom(state.room, false);
    this.#reading.handleState(state.messages, state.more);
    for (const message of state.messages) this.#meet(message);
    if (this.#isConversation()) this.#roster.handleMembers(state.participants);
    this.#setTyping([]);
    this.emit('room', { room: this });
    this.emit('messages', { room: this });
  }

  #handleEvent(event: RoomEvent): void {
    if (event.type === 'message') this.#handleMessage(event.message);
    if (this.#reading.handle(event, this.context.me?.sub)) {
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
        this.#roster.handleLeft(event.user);
        if (event.user === this.context.me?.sub) this.#dropMembership();
        break;
      case 'members':
        this.#online = event.online;
        if (this.#info) this.#info = { ...this.#info, members: event.members };
        break;
      case 'typing':
        this.#setTyping(event.users);
        return;
      case 'receipts':
        if (!this.#roster.handleReceipts(event.marks)) return;
        break;
      case 'interactions':
        this.emit('interactions', event.interactions);
        return;
      case 'room_deleted':
        this.#refuse(GONE);
        return;
      default:
        return;
    }
    this.emit('room', { room: this });
  }

  #handleMessage(message: Message): void {
    this.#meet(message);
    const { me, outbox } = this.context;
    if (this.#info) this.#info = { ...this.#info, lastMessage: message.seq };
    if (message.from === undefined || message.from.sub !== me?.sub) {
      if (this.#isConversation()) this.#marks.raise({ delivered: message.seq });
    } else if (message.clientId !== undefined) {
      outbox?.handleSeen(this.channel, message.clientId);
    }
  }

  #refuse(error: ErrorObject): void {
    this.#phase = 'refused';
    this.#error = error;
    this.#dropMembership();
  }

  #takeRoom(json: Json | RoomInfo | undefined, tell = true): void {
    const parsed = isParsed(json) ? json : parseRoom(json);
    if (!parsed) return;
    // What all are told does not say what one is oneself.
    this.#info = tell ? withOwnPlace(parsed, this.#info) : parsed;
    const { mine } = this.#info;
    if (mine) this.#marks.handleKnown(mine);
    if (this.#isConversation()) this.#marks.raise({ delivered: parsed.lastMessage });
    if (tell) this.emit('room', { room: this });
  }

  #takeMember(member: Member): void {
    this.#roster.handleMember(member, this.#isConversation());
    if (member.sub !== this.context.me?.sub || !this.#info) return;
    this.#info = withRole(this.#info, member.role);
  }

  #dropMembership(): void {
    this.#info = this.#info && withoutMembership(this.#info);
    this.emit('room', { room: this });
  }

  #meet({ from }: Message): void {
    if (from) this.context.people.meet(from);
  }

  #setTyping(users: readonly Author[]): void {
    if (this.#roster.handleTyping(users)) this.emit('typing', { users: this.typing });
  }

  #makeMarks(): MarkSender {
    const { session, timers } = this.context;
    return new MarkSender(async ({ delivered, read }) => {
      await session.request('mark', { channel: this.channel, delivered, read });
    }, timers);
  }

  async #refreshMembers(): Promise<void> {
    try {
      this.#roster.handleMembers(parseMembers(await this.request('members', { limit: 100 })));
      this.emit('room', { room: this });
    } catch {
      // The next push of receipts or the next connection brings them.
    }
  }

  async #fetch(params: Record<string, Json>) {
    const page = await this.request('history', params);
    for (const message of parseMessages(page)) this.#meet(message);
    return page;
  }

  #isConversation(): boolean {
    return this.channel.startsWith('conversation:');
  }
}
