/**
 * Messages on their way: kept until the relay has acknowledged them, through lost
 * connections and reloads of the page. Sending is safe to repeat, as the relay knows a
 * message again by its client id. Pure.
 */
import { BACKOFF, backoffMs } from '../backoff.ts';
import { Emitter } from '../emitter.ts';
import { failure, messageOf, SkywaveError } from '../errors.ts';
import { parseContent, encodeContent, type Content } from '../wire/chat.ts';
import { isRecord, number, text, type JsonObject } from '../wire/json.ts';
import type { ErrorObject } from '../wire/control.ts';
import type { Sent } from './timeline.ts';
import type { Storage } from '../remembered.ts';
import type { Timer, Timers } from '../timers.ts';

/** A message as it is handed in. */
export interface Draft {
  /** The room or conversation it goes to. */
  readonly channel: string;
  /** What it says. */
  readonly content: Content;
  /** The message it answers. */
  readonly replyTo?: number;
  /** The message whose thread it belongs to. */
  readonly thread?: number;
  /** Who is mentioned, by sub; at most 20. */
  readonly mentions?: readonly string[];
}

/** How far a message on its way is. */
export type OutgoingState =
  /** Waits for a connection, or for the one before it. */
  | 'queued'
  /** Was sent and not answered yet. */
  | 'sending'
  /** Was refused for now, or not answered; tried again by itself. */
  | 'waiting'
  /** Was refused for good; {@link Outbox.retry} or {@link Outbox.discard} it. */
  | 'failed';

/** A message on its way. */
export interface Outgoing extends Draft {
  /** What makes it the same message however often it is sent. */
  readonly clientId: string;
  /** When it was handed in, in milliseconds since the Unix epoch. */
  readonly queuedAt: number;
  /** How far it is. */
  readonly state: OutgoingState;
  /** Why it is not sent. */
  readonly error?: ErrorObject;
}

/** What an outbox tells. */
export interface OutboxEvents {
  /** What is on its way to a channel changed. */
  change: { readonly channel: string };
  /** A message was acknowledged: it is stored. */
  sent: { readonly message: Outgoing } & Sent;
}

/** What an outbox needs from where it runs. */
export interface OutboxSurroundings {
  /** Clocks and timers. */
  readonly timers: Timers;
  /** Uniform in [0, 1). */
  random(): number;
  /** A new id nobody else has. */
  newId(): string;
  /** Sends once; rejects with a {@link SkywaveError}. */
  send(message: Outgoing): Promise<Sent>;
  /** The part of `localStorage` that keeps messages over a reload; none keeps them in memory. */
  readonly storage?: OutboxStorage;
}

/** A storage whose keys can be listed. */
export interface OutboxStorage extends Storage {
  /** How many keys there are. */
  readonly length: number;
  /** The key at a place. */
  key(index: number): string | null;
}

/** Messages on their way to one channel at most; more are refused as `outbox_full`. */
export const OUTGOING_MAX = 100;

const PREFIX = 'skywave.outbox:';
// Whoever comes back after a day does not expect yesterday's words to be sent.
const KEPT_MS = 24 * 3_600_000;
// The relay may have stored the message although its answer never came.
const UNSURE = ['disconnected', 'timeout', 'closed', 'worker_failed'];

/** See the file's head. One message of a channel is under way at a time, which keeps their order. */
export class Outbox extends Emitter<OutboxEvents> {
  readonly #around: OutboxSurroundings;
  readonly #prefix: string;
  readonly #lanes = new Map<string, Lane>();
  #connected = false;
  #closed = false;

  /** @param owner whose messages these are: other users of the browser never send them. */
  constructor(owner: string, around: OutboxSurroundings) {
    super();
    this.#around = around;
    this.#prefix = `${PREFIX}${owner}:`;
    this.#restore();
  }

  /** What is on its way to a channel, in order. */
  of(channel: string): readonly Outgoing[] {
    return this.#lanes.get(channel)?.messages ?? [];
  }

  /**
   * Takes a message, to be sent as soon as that is possible.
   *
   * @throws SkywaveError `outbox_full` when {@link OUTGOING_MAX} wait for that channel.
   */
  add(draft: Draft): Outgoing {
    const lane = this.#lane(draft.channel);
    if (lane.messages.length >= OUTGOING_MAX) {
      throw failure('outbox_full', 'too many messages wait to be sent', true);
    }
    const clientId = this.#around.newId();
    const { timers } = this.#around;
    const message: Outgoing = { ...draft, clientId, queuedAt: timers.wallClock(), state: 'queued' };
    lane.messages = [...lane.messages, message];
    this.#keep(message);
    this.#changed(draft.channel);
    this.#pump(lane);
    return message;
  }

  /** The connection was made or lost. */
  handleConnected(connected: boolean): void {
    this.#connected = connected;
    if (!connected) return;
    for (const lane of this.#lanes.values()) {
      lane.timer?.cancel();
      lane.timer = undefined;
      lane.attempt = 0;
      this.#pump(lane);
    }
  }

  /** The message itself came back from its channel: so it is stored, whatever the answer. */
  handleSeen(channel: string, clientId: string): void {
    const lane = this.#lanes.get(channel);
    if (lane && this.#take(lane, clientId)) this.#changed(channel);
  }

  /** Tries a failed message again. */
  retry(channel: string, clientId: string): void {
    const lane = this.#lanes.get(channel);
    if (!lane) return;
    this.#set(lane, clientId, 'queued');
    this.#pump(lane);
  }

  /** Gives a message up. One that is under way may arrive nevertheless. */
  discard(channel: string, clientId: string): void {
    this.handleSeen(channel, clientId);
  }

  /** Stops sending; what is kept is sent by the next outbox of the same owner. */
  close(): void {
    this.#closed = true;
    for (const lane of this.#lanes.values()) lane.timer?.cancel();
    this.removeAllListeners();
  }

  #pump(lane: Lane): void {
    if (this.#closed || !this.#connected || lane.busy || lane.timer) return;
    const next = lane.messages.find(({ state }) => state !== 'failed');
    if (next) void this.#send(lane, next);
  }

  async #send(lane: Lane, message: Outgoing): Promise<void> {
    lane.busy = true;
    const { clientId } = message;
    this.#set(lane, clientId, 'sending');
    try {
      const sent = await this.#around.send(message);
      lane.attempt = 0;
      if (!this.#closed && this.#take(lane, clientId)) {
        this.emit('sent', { message, ...sent });
        this.#changed(lane.channel);
      }
    } catch (error) {
      if (!this.#closed) this.#handleFailure(lane, clientId, error);
    } finally {
      lane.busy = false;
    }
    this.#pump(lane);
  }

  #handleFailure(lane: Lane, clientId: string, error: unknown): void {
    const known = error instanceof SkywaveError ? error : failure('internal', messageOf(error));
    const again = known.temporary || UNSURE.includes(known.code);
    this.#set(lane, clientId, again ? 'waiting' : 'failed', known.toObject());
    if (!again) return;
    const jitter = backoffMs(lane.attempt, this.#around.random());
    lane.attempt++;
    const wait = Math.max(known.retryAfterMs ?? 0, jitter, BACKOFF.baseMs / 2);
    lane.timer = this.#around.timers.after(wait, () => {
      lane.timer = undefined;
      this.#pump(lane);
    });
  }

  #lane(channel: string): Lane {
    let lane = this.#lanes.get(channel);
    if (!lane) {
      lane = { channel, messages: [], busy: false, attempt: 0, timer: undefined };
      this.#lanes.set(channel, lane);
    }
    return lane;
  }

  #set(lane: Lane, clientId: string, state: OutgoingState, error?: ErrorObject): void {
    lane.messages = lane.messages.map((message) => {
      if (message.clientId !== clientId) return message;
      const changed: { -readonly [Key in keyof Outgoing]: Outgoing[Key] } = { ...message, state };
      delete changed.error;
      if (error) changed.error = error;
      return changed;
    });
    this.#changed(lane.channel);
  }

  #take(lane: Lane, clientId: string): boolean {
    const before = lane.messages.length;
    lane.messages = lane.messages.filter((message) => message.clientId !== clientId);
    this.#forget(clientId);
    return lane.messages.length < before;
  }

  #changed(channel: string): void {
    this.emit('change', { channel });
  }

  // A key for each message: several tabs share the storage and none overwrites the others'.

  #keep(message: Outgoing): void {
    try {
      const json = JSON.stringify({ ...message, content: encodeContent(message.content) });
      this.#around.storage?.setItem(this.#prefix + message.clientId, json);
    } catch {
      // Full or forbidden: the message lives as long as the page.
    }
  }

  #forget(clientId: string): void {
    try {
      this.#around.storage?.removeItem(this.#prefix + clientId);
    } catch {
      // See above.
    }
  }

  #restore(): void {
    const found = this.#stored();
    found.sort((left, right) => left.queuedAt - right.queuedAt);
    for (const message of found) {
      const lane = this.#lane(message.channel);
      if (lane.messages.length < OUTGOING_MAX) lane.messages = [...lane.messages, message];
    }
  }

  #stored(): Outgoing[] {
    const found: Outgoing[] = [];
    const { storage, timers } = this.#around;
    try {
      const keys = Array.from({ length: storage?.length ?? 0 }, (_, at) => storage?.key(at) ?? '');
      for (const key of keys.filter((name) => name.startsWith(this.#prefix))) {
        const message = parseStored(storage?.getItem(key) ?? '');
        if (message && timers.wallClock() - message.queuedAt < KEPT_MS) found.push(message);
        else storage?.removeItem(key);
      }
    } catch {
      // A storage that cannot be read holds nothing.
    }
    return found;
  }
}

interface Lane {
  readonly channel: string;
  messages: readonly Outgoing[];
  busy: boolean;
  attempt: number;
  timer: Timer | undefined;
}

function parseStored(stored: string): Outgoing | undefined {
  let json: unknown;
  try {
    json = JSON.parse(stored);
  } catch {
    return undefined;
  }
  if (!isRecord(json)) return undefined;
  const [channel, clientId] = [text(json, 'channel'), text(json, 'clientId')];
  const content = parseContent(json.content);
  const queuedAt = number(json, 'queuedAt');
  if (channel === undefined || clientId === undefined || queuedAt === undefined || !content) {
    return undefined;
  }
  const [replyTo, thread] = [number(json, 'replyTo'), number(json, 'thread')];
  const mentions = Array.isArray(json.mentions)
    ? json.mentions.filter((sub) => typeof sub === 'string')
    : undefined;
  return {
    channel,
    clientId,
    content,
    queuedAt,
    state: 'queued',
    ...(replyTo === undefined ? {} : { replyTo }),
    ...(thread === undefined ? {} : { thread }),
    ...(mentions === undefined ? {} : { mentions }),
  };
}

/** Parameters of `send` for a message. */
export function sendParams(message: Outgoing): JsonObject {
  const { channel, clientId, content, replyTo, thread, mentions } = message;
  return {
    channel,
    client_id: clientId,
    content: encodeContent(content),
    ...(replyTo === undefined ? {} : { reply_to: replyTo }),
    ...(thread === undefined ? {} : { thread }),
    ...(mentions === undefined || mentions.length === 0 ? {} : { mentions }),
  };
}
