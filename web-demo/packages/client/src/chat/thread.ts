/** The answers to one message, followed beside the room. Pure. */
import { parseMessages, type Message } from '../wire/chat.ts';
import { Timeline } from './timeline.ts';
import type { Json, JsonObject } from '../wire/json.ts';
import type { Outgoing } from './outbox.ts';
import type { Room } from './room.ts';
import type { Unsubscribe } from '../emitter.ts';

const PAGE = 50;

/** See the file's head. Made by `Room.thread`; {@link close} it when nobody looks any more. */
export class Thread {
  /** The room it is in. */
  readonly room: Room;
  /** The message it is about. */
  readonly head: number;
  readonly #fetch: (params: Record<string, Json>) => Promise<JsonObject>;
  readonly #replies = new Timeline();
  readonly #onChange: () => void;
  readonly #stops: Unsubscribe[];
  #begun: Message | undefined;
  #loading: Promise<void> | undefined;
  #ready = false;

  /** @internal */
  constructor(
    room: Room,
    head: number,
    fetch: (params: Record<string, Json>) => Promise<JsonObject>,
    me: () => string | undefined,
    onChange: () => void,
  ) {
    this.room = room;
    this.head = head;
    this.#fetch = fetch;
    this.#onChange = onChange;
    this.#stops = [
      room.on('event', (event) => {
        if (event.type === 'message' && event.message.thread !== head) return;
        if (this.#replies.handle(event, me())) onChange();
      }),
      // The head's edits and reactions, and what is on its way.
      room.on('messages', onChange),
    ];
    void this.loadOlder().catch(() => undefined);
    void this.#findHead().catch(() => undefined);
  }

  /** Whether its first page is there. */
  get ready(): boolean {
    return this.#ready;
  }

  /** The message it is about, and the answers known, oldest first. */
  get messages(): readonly Message[] {
    const head = this.room.get(this.head) ?? this.#begun;
    return head ? [head, ...this.#replies.messages] : this.#replies.messages;
  }

  /** One's own answers that are not acknowledged yet. */
  get outgoing(): readonly Outgoing[] {
    return this.room.outgoing.filter(({ thread }) => thread === this.head);
  }

  /** Whether {@link loadOlder} brings more answers. */
  get more(): boolean {
    return this.#replies.more;
  }

  /** Brings a page of older answers; several calls at once are one. */
  loadOlder(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
    });
    return this.#loading;
  }

  /** Stops following. */
  close(): void {
    for (const stop of this.#stops) stop();
  }

  async #load(): Promise<void> {
    const oldest = this.#replies.messages[0]?.seq;
    if (this.#ready && (!this.more || oldest === undefined)) return;
    const page = await this.#fetch({
      thread: this.head,
      limit: PAGE,
      ...(oldest === undefined ? {} : { before: oldest }),
    });
    const older = parseMessages(page);
    this.#replies.handleOlder(older, page.more === true && older.length > 0);
    this.#ready = true;
    this.#onChange();
  }

  async #findHead(): Promise<void> {
    if (this.room.get(this.head)) return;
    const page = await this.#fetch({ before: this.head + 1, limit: 1 });
    this.#begun = parseMessages(page).find(({ seq }) => seq === this.head);
    this.#onChange();
  }
}
