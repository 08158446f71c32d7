/** The messages of a channel that are known here, in order. Pure. */
import type { Author, Message } from '../wire/chat.ts';
import type { MessageChange, RoomEvent } from '../wire/chat-events.ts';

/** Messages kept at most, by default; beyond it the oldest go and `history` brings them back. */
export const MESSAGES_MAX = 2_000;

/** What was sent and acknowledged here, before its own push comes. */
export interface Sent {
  readonly seq: number;
  readonly at: number;
}

/**
 * Merges a channel's state, its pushes and pages of its history. It does not matter whether
 * a message comes by two ways, nor in which order changes of it arrive: only a version above
 * the known one counts.
 */
export class Timeline {
  readonly #max: number;
  #messages: Message[] = [];
  #more = false;

  /** @param max how many messages are kept. */
  constructor(max = MESSAGES_MAX) {
    this.#max = max;
  }

  /** All known messages, oldest first. The list is a new one after every change. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** Whether the channel has older ones. */
  get more(): boolean {
    return this.#more;
  }

  /** One message. */
  get(seq: number): Message | undefined {
    const at = this.#place(seq);
    return this.#messages[at]?.seq === seq ? this.#messages[at] : undefined;
  }

  /** Takes the channel's state in place of everything: between the two others may be missing. */
  handleState(messages: readonly Message[], more: boolean): void {
    this.#messages = [...messages].sort((left, right) => left.seq - right.seq);
    this.#more = more;
  }

  /** Takes a page of older messages that ends where the timeline begins. */
  handleOlder(messages: readonly Message[], more: boolean): void {
    const oldest = this.#messages[0]?.seq ?? Infinity;
    const older = messages.filter(({ seq }) => seq < oldest);
    this.#messages = [...older.sort((left, right) => left.seq - right.seq), ...this.#messages];
    this.#more = more;
  }

  /** Takes a page of newer messages that begins where the timeline ends. */
  handleNewer(messages: readonly Message[]): void {
    for (const message of messages) this.#put(message, false);
  }

  /** Takes an event of the channel; `false` when it changes no message. */
  handle(event: RoomEvent, me: string | undefined): boolean {
    switch (event.type) {
      case 'message':
        return this.#put(event.message);
      case 'edited':
      case 'deleted':
        return this.#change(event.type, event);
      case 'reactions':
        return this.#update(event.seq, event.version, (message) => ({
          ...message,
          reactions: event.reactions,
          mine: event.by === me ? ownReactions(message, event.reactions) : message.mine,
        }));
      default:
        return false;
    }
  }

  /** Shows what was acknowledged at once; the push that follows replaces it. */
  handleSent({ seq, at }: Sent, from: Author, message: Partial<Message>): void {
    if (this.get(seq)) return;
    const blank = { version: 0, replies: 0, mentions: [], reactions: {}, mine: [] };
    this.#put({ ...blank, ...message, seq, at, from });
  }

  #put(message: Message, isNew = true): boolean {
    const at = this.#place(message.seq);
    const known = this.#messages[at];
    if (known?.seq === message.seq) {
      if (known.version >= message.version) return false;
      this.#messages = replaced(this.#messages, at, message);
      return true;
    }
    this.#messages = [...this.#messages.slice(0, at), message, ...this.#messages.slice(at)];
    if (isNew && message.thread !== undefined) this.#countReply(message.thread);
    const excess = this.#messages.length - this.#max;
    if (excess > 0) {
      this.#messages = this.#messages.slice(excess);
      this.#more = true;
    }
    return true;
  }

  #countReply(seq: number): void {
    const at = this.#place(seq);
    const head = this.#messages[at];
    if (head?.seq !== seq) return;
    this.#messages = replaced(this.#messages, at, { ...head, replies: head.replies + 1 });
  }

  #change(type: 'edited' | 'deleted', { seq, version, content, at }: MessageChange): boolean {
    return this.#update(seq, version, (message) => {
      if (type === 'deleted') return emptied(message);
      return { ...message, editedAt: at, ...(content === undefined ? {} : { content }) };
    });
  }

  #update(seq: number, version: number, change: (message: Message) => Message): boolean {
    const at = this.#place(seq);
    const known = this.#messages[at];
    if (known?.seq !== seq || known.version >= version) return false;
    this.#messages = replaced(this.#messages, at, { ...change(known), version });
    return true;
  }

  /** Where `seq` is, or would be. */
  #place(seq: number): number {
    // Nearly everything happens at the end.
    let [low, high] = [0, this.#messages.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#messages[middle]?.seq ?? Infinity) < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function replaced(messages: readonly Message[], at: number, message: Message): Message[] {
  return messages.map((known, place) => (place === at ? message : known));
}

function emptied(message: Message): Message {
  const left: Message & { content?: unknown } = { ...message, reactions: {}, mine: [] };
  delete left.content;
  return left;
}

/**
 * One's own reactions after one's own change, maybe on another device: a push tells all
 * counts and who changed one of them, so the one that differs is the one.
 */
function ownReactions(
  { reactions: before, mine }: Message,
  after: Readonly<Record<string, number>>,
): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const own = new Set(mine);
  for (const name of names) {
    const difference = (after[name] ?? 0) - (before[name] ?? 0);
    if (difference > 0) own.add(name);
    if (difference < 0) own.delete(name);
  }
  return [...own];
}
