/** What the parts of a chat share: the session, who one is, and who the others are. Pure. */
import { SkywaveError } from '../errors.ts';
import type { Author } from '../wire/chat.ts';
import type { ChannelUpdate, SessionStatus, User } from '../messages.ts';
import type { JsonObject } from '../wire/json.ts';
import type { Outbox } from './outbox.ts';
import type { Timers } from '../timers.ts';
import type { Unsubscribe } from '../emitter.ts';

/** The part of a session that a chat needs; `Session` is one. */
export interface ChatSession {
  /** How far it is. */
  readonly status: SessionStatus;
  /** Tells of every change of it. */
  on(event: 'status', listener: (status: SessionStatus) => void): Unsubscribe;
  /** Follows a channel. */
  subscribe(channel: string, listener: (update: ChannelUpdate) => void): Unsubscribe;
  /** Sends a request. */
  request(method: string, params?: JsonObject): Promise<JsonObject>;
}

/** See the file's head. */
export interface ChatContext {
  /** The session. */
  readonly session: ChatSession;
  /** Clocks and timers. */
  readonly timers: Timers;
  /** Names by sub, of everybody met. */
  readonly people: People;
  /** Whom the session is of; `undefined` for visitors. */
  readonly me: User | undefined;
  /** What is on its way; `undefined` for visitors. */
  readonly outbox: Outbox | undefined;
}

const KNOWN_MAX = 5_000;

/** Names of users by sub, as far as they were met. The longest unseen are forgotten first. */
export class People {
  readonly #names = new Map<string, string>();

  /** Takes note of somebody. */
  meet({ sub, name }: Author): void {
    if (name === undefined) return;
    this.#names.delete(sub);
    this.#names.set(sub, name);
    if (this.#names.size <= KNOWN_MAX) return;
    const [oldest] = this.#names.keys();
    if (oldest !== undefined) this.#names.delete(oldest);
  }

  /** A name for people; the sub when there is no other. */
  name(sub: string): string {
    return this.#names.get(sub) ?? sub;
  }

  /** Everybody met who has a name, by sub. */
  all(): ReadonlyMap<string, string> {
    return this.#names;
  }
}

/**
 * Sends a request that members alone may; joins first where that is all it takes, as in
 * the room of a station.
 */
export async function asMember(
  session: ChatSession,
  channel: string,
  method: string,
  params: JsonObject,
): Promise<JsonObject> {
  try {
    return await session.request(method, params);
  } catch (error) {
    if (!(error instanceof SkywaveError) || error.code !== 'not_member') throw error;
    await session.request('join_room', { channel });
    return session.request(method, params);
  }
}
