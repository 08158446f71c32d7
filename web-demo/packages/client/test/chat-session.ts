/** A session for tests of the chat: records requests, and lets the test answer. */
import { failure } from '../src/errors.ts';
import { settle, VirtualTime } from './virtual-time.ts';
import { Chat } from '../src/chat/chat.ts';
import type { ChannelUpdate, SessionStatus } from '../src/messages.ts';
import type { ChatSession } from '../src/chat/context.ts';
import type { Json, JsonObject } from '../src/wire/json.ts';
import type { OutboxStorage } from '../src/chat/outbox.ts';

type Answer = (params: JsonObject) => JsonObject | Promise<JsonObject>;

/** See the file's head. What has no answer yet is answered with `{}`. */
export class ScriptedSession implements ChatSession {
  status: SessionStatus = { phase: 'connecting' };
  readonly requests: { method: string; params: JsonObject }[] = [];
  readonly answers = new Map<string, Answer>();
  readonly #status = new Set<(status: SessionStatus) => void>();
  readonly #channels = new Map<string, Set<(update: ChannelUpdate) => void>>();

  on(_: 'status', listener: (status: SessionStatus) => void) {
    this.#status.add(listener);
    return () => this.#status.delete(listener);
  }

  subscribe(channel: string, listener: (update: ChannelUpdate) => void) {
    const listeners = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, listeners.add(listener));
    return () => listeners.delete(listener);
  }

  request(method: string, params: JsonObject = {}): Promise<JsonObject> {
    this.requests.push({ method, params });
    if (this.status.phase !== 'connected') {
      return Promise.reject(failure('disconnected', 'there is no connection', true));
    }
    try {
      return Promise.resolve(this.answers.get(method)?.(params) ?? {});
    } catch (error) {
      return Promise.reject(error instanceof Error ? error : new Error(String(error)));
    }
  }

  sent(method: string): JsonObject[] {
    return this.requests.filter((sent) => sent.method === method).map(({ params }) => params);
  }

  connect(sub?: string): void {
    const user = sub === undefined ? {} : { user: { sub, name: sub.toUpperCase() } };
    this.#tell({ phase: 'connected', ...user });
  }

  disconnect(): void {
    this.#tell({ phase: 'reconnecting' });
  }

  follows(channel: string): boolean {
    return (this.#channels.get(channel)?.size ?? 0) > 0;
  }

  state(channel: string, state: Json): void {
    this.#update(channel, { type: 'state', state });
  }

  push(channel: string, type: string, data: JsonObject, offset?: number): void {
    const push = { channel, type, data, ...(offset === undefined ? {} : { offset }) };
    this.#update(channel, { type: 'push', push });
  }

  refuse(channel: string, code: string): void {
    this.#update(channel, { type: 'refused', error: { code, message: '', temporary: false } });
  }

  #update(channel: string, update: ChannelUpdate): void {
    for (const listener of [...(this.#channels.get(channel) ?? [])]) listener(update);
  }

  #tell(status: SessionStatus): void {
    this.status = status;
    for (const listener of [...this.#status]) listener(status);
  }
}

/** `localStorage` in memory. */
export class MemoryStorage implements OutboxStorage {
  readonly #items = new Map<string, string>();

  get length(): number {
    return this.#items.size;
  }

  key(index: number): string | null {
    return [...this.#items.keys()][index] ?? null;
  }

  getItem(key: string): string | null {
    return this.#items.get(key) ?? null;
  }

  setItem(key: string, value: string): void {
    this.#items.set(key, value);
  }

  removeItem(key: string): void {
    this.#items.delete(key);
  }
}

/** A chat over a scripted session in virtual time. */
export function scripted(storage = new MemoryStorage()) {
  const time = new VirtualTime();
  const session = new ScriptedSession();
  let ids = 0;
  const chat = new Chat(session, {
    timers: time,
    random: () => 0.5,
    newId: () => `c${++ids}`,
    storage,
  });
  return { time, session, chat, storage, settle };
}

/** A message as the relay tells it. */
export function message(seq: number, from: string, text: string, more: JsonObject = {}) {
  const author = { sub: from, name: from.toUpperCase() };
  return {
    seq,
    from: author,
    at: seq * 1000,
    version: 1,
    content: { type: 'text', text },
    ...more,
  };
}

/** A room as the relay tells it. */
export function room(channel: string, kind: string, more: JsonObject = {}) {
  const created = { created_at: 1, version: 1, last_message: 0 };
  const blank = { name: '', topic: '', members: 2, slow_mode_s: 0, followers_only: false };
  return { channel, kind, ...blank, ...created, ...more };
}
