/** Where in a channel one reads: at its end, or somewhere back in its history. Pure. */
import { parseMessages, type Message } from '../wire/chat.ts';
import { Timeline } from './timeline.ts';
import type { Json, JsonObject } from '../wire/json.ts';
import type { RoomEvent } from '../wire/chat-events.ts';

/** Asks for a page of the channel's history. */
export type FetchHistory = (params: Record<string, Json>) => Promise<JsonObject>;

const PAGE = 50;
const AROUND = 30;

/**
 * The end of a channel, always followed, and beside it at most one stretch of its past that
 * does not reach the end yet. What is shown is the stretch while there is one.
 */
export class Reading {
  /** The channel's end. */
  readonly end = new Timeline();
  readonly #fetch: FetchHistory;
  #past: Timeline | undefined;
  #older: Promise<void> | undefined;
  #newer: Promise<void> | undefined;

  /** @param fetch asks for history. */
  constructor(fetch: FetchHistory) {
    this.#fetch = fetch;
  }

  /** What is shown, oldest first. */
  get messages(): readonly Message[] {
    return this.#shown.messages;
  }

  /** Whether {@link loadOlder} brings more. */
  get more(): boolean {
    return this.#shown.more;
  }

  /** Whether what is shown ends before the channel does. */
  get newer(): boolean {
    return this.#past !== undefined;
  }

  /** One message, wherever it is known. */
  get(seq: number): Message | undefined {
    return this.#past?.get(seq) ?? this.end.get(seq);
  }

  /** Takes the channel's state in place of everything. */
  handleState(messages: readonly Message[], more: boolean): void {
    this.end.handleState(messages, more);
    this.#past = undefined;
  }

  /** Takes an event; `false` when it changes no message. */
  handle(event: RoomEvent, me: string | undefined): boolean {
    const changed = event.type !== 'message' && (this.#past?.handle(event, me) ?? false);
    return this.end.handle(event, me) || changed;
  }

  /** Brings a page of older messages; several calls at once are one. */
  loadOlder(): Promise<void> {
    this.#older ??= this.#loadOlder().finally(() => {
      this.#older = undefined;
    });
    return this.#older;
  }

  /** Brings a page of newer ones, back towards the end; several calls at once are one. */
  loadNewer(): Promise<void> {
    this.#newer ??= this.#loadNewer().finally(() => {
      this.#newer = undefined;
    });
    return this.#newer;
  }

  /** Shows the channel's end. */
  toEnd(): void {
    this.#past = undefined;
  }

  /**
   * Shows the neighbourhood of a message.
   *
   * @returns whether it is there.
   */
  async jumpTo(seq: number): Promise<boolean> {
    if (this.end.get(seq)) {
      this.#past = undefined;
      return true;
    }
    if (this.#past?.get(seq)) return true;
    const [before, after] = [
      await this.#fetch({ before: seq + 1, limit: AROUND }),
      await this.#fetch({ after: seq, limit: AROUND }),
    ];
    const messages = [...parseMessages(before), ...parseMessages(after)];
    if (!messages.some((message) => message.seq === seq)) return false;
    const past = new Timeline();
    past.handleState(messages, before.more === true);
    this.#past = past;
    this.#join(after.more === true);
    return true;
  }

  get #shown(): Timeline {
    return this.#past ?? this.end;
  }

  async #loadOlder(): Promise<void> {
    const shown = this.#shown;
    const oldest = shown.messages[0]?.seq;
    if (!shown.more || oldest === undefined) return;
    const page = await this.#fetch({ before: oldest, limit: PAGE });
    const older = parseMessages(page);
    shown.handleOlder(older, page.more === true && older.length > 0);
  }

  async #loadNewer(): Promise<void> {
    const past = this.#past;
    const newest = past?.messages.at(-1)?.seq;
    if (!past || newest === undefined) return;
    const page = await this.#fetch({ after: newest, limit: PAGE });
    if (past !== this.#past) return;
    past.handleNewer(parseMessages(page));
    this.#join(page.more === true);
  }

  /** Once the stretch reaches what is known of the end, both are one. */
  #join(more: boolean): void {
    const past = this.#past;
    if (!past) return;
    const oldest = this.end.messages[0]?.seq ?? Infinity;
    const newest = past.messages.at(-1)?.seq ?? 0;
    if (more && newest < oldest) return;
    this.end.handleOlder(past.messages, past.more);
    this.#past = undefined;
  }
}
