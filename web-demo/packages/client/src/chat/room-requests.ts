/** What one can ask of a room beside reading and writing in it. Pure. */
import { asMember, type ChatContext } from './context.ts';
import { Emitter } from '../emitter.ts';
import {
  parseContent,
  type Author,
  type Content,
  type Interactions,
  type Role,
} from '../wire/chat.ts';
import { number, objects, text, type Json, type JsonObject } from '../wire/json.ts';
import type { Outgoing } from './outbox.ts';
import type { Room } from './room.ts';
import type { RoomEvent } from '../wire/chat-events.ts';

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

/** What of a room can be changed. */
export interface RoomChange {
  /** Its name. */
  readonly name?: string;
  /** What it is about. */
  readonly topic?: string;
  /** Seconds each member waits between two messages; 0 for none. */
  readonly slowModeS?: number;
  /** Whether only the station's followers write; in a station's room. */
  readonly followersOnly?: boolean;
}

/** What a message said until somebody changed it. */
export interface Version {
  /** The message's version at that time. */
  readonly version: number;
  /** What it said; absent when it is of a kind this version does not know. */
  readonly content?: Content;
  /** Who edited or deleted it then. */
  readonly by: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** The requests of a {@link Room}. */
export class RoomRequests extends Emitter<RoomEvents> {
  /** Its channel, such as `room:@demo` or `conversation:...`. */
  readonly channel: string;
  /** @internal */
  protected readonly context: ChatContext;

  /** @internal */
  constructor(channel: string, context: ChatContext) {
    super();
    this.channel = channel;
    this.context = context;
  }

  /** One's own messages that are not acknowledged yet, in order. */
  get outgoing(): readonly Outgoing[] {
    return this.context.outbox?.of(this.channel) ?? [];
  }

  /** Tries a message again that failed for good. */
  retry(clientId: string): void {
    this.context.outbox?.retry(this.channel, clientId);
  }

  /** Gives a message up that was not acknowledged. */
  discard(clientId: string): void {
    this.context.outbox?.discard(this.channel, clientId);
  }

  /** Changes one's own text. */
  async edit(seq: number, text: string): Promise<void> {
    await this.request('edit', { seq, text });
  }

  /** Deletes one's own message, or anybody's for moderators. */
  async delete(seq: number): Promise<void> {
    await this.request('delete', { seq });
  }

  /** Gives a reaction or takes it back. */
  async react(seq: number, reaction: string, on: boolean): Promise<void> {
    const { channel } = this;
    await asMember(this.context.session, channel, 'react', { channel, seq, reaction, on });
  }

  /** Reports a message to the moderators. */
  async report(seq: number, reason: string): Promise<void> {
    await this.request('report', { seq, reason });
  }

  /** What a message said before it was changed, newest first; for its author and moderators. */
  async versions(
    seq: number,
    before?: number,
  ): Promise<{ versions: readonly Version[]; more: boolean }> {
    const params = { seq, ...(before === undefined ? {} : { before }) };
    const result = await this.request('versions', params);
    const versions = objects(result, 'versions').map(parseVersion);
    return { versions, more: result.more === true };
  }

  /** Invites somebody; in a group they are in at once. */
  async invite(user: string): Promise<void> {
    await this.request('invite', { user });
  }

  /** Turns an invitation down. */
  async decline(): Promise<void> {
    await this.request('decline');
  }

  /** Sends a member away. */
  async kick(user: string): Promise<void> {
    await this.request('kick', { user });
  }

  /** Makes a member a moderator, or no more than a member; `owner` hands the room over. */
  async setRole(user: string, role: Role): Promise<void> {
    await this.request('set_role', { user, role });
  }

  /** Deletes the room with all that was said in it. */
  async remove(): Promise<void> {
    await this.request('delete_room');
  }

  /** @internal Sends a request about this room. */
  protected request(method: string, params: Record<string, Json> = {}): Promise<JsonObject> {
    return this.context.session.request(method, { channel: this.channel, ...params });
  }
}

function parseVersion(json: JsonObject): Version {
  const content = parseContent(json.content);
  return {
    version: number(json, 'version') ?? 0,
    by: text(json, 'by') ?? '',
    at: (number(json, 'at') ?? 0) / 1000,
    ...(content === undefined ? {} : { content }),
  };
}
