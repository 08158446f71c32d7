/** Who is there, of those one shares a conversation or a small room with. Pure. */
import { Emitter, type Unsubscribe } from '../emitter.ts';
import { isRecord } from '../wire/json.ts';
import { parsePresence, type Presence } from '../wire/chat.ts';
import { parsePresenceEvent } from '../wire/chat-events.ts';
import type { ChannelUpdate } from '../messages.ts';
import type { ChatContext } from './context.ts';

/** What one says about oneself. */
export interface OwnStatus {
  /** Whether one is to be had. */
  readonly status: 'online' | 'away';
  /** In one's own words. */
  readonly text?: string;
}

/** What it tells. */
export interface PresenceEvents {
  /** Somebody came, went or changed; or, without a user, anybody may have. */
  change: { readonly user?: string };
}

const OFFLINE: Presence = { status: 'offline', devices: 0 };

/** See the file's head. Part of a `Chat`. */
export class PresenceList extends Emitter<PresenceEvents> {
  readonly #context: ChatContext;
  readonly #unsubscribe: Unsubscribe;
  #users = new Map<string, Presence>();
  #own: OwnStatus = { status: 'online' };

  /** @internal */
  constructor(context: ChatContext) {
    super();
    this.#context = context;
    this.#unsubscribe = context.session.subscribe('presence', (update) => {
      this.#handle(update);
    });
  }

  /** How somebody is; offline when nothing is known. */
  get(user: string): Presence {
    return this.#users.get(user) ?? OFFLINE;
  }

  /** Everybody of whom something is known. */
  all(): ReadonlyMap<string, Presence> {
    return this.#users;
  }

  /** Asks about users, as of the last time somebody offline was seen. */
  async look(users: readonly string[]): Promise<void> {
    const result = await this.#context.session.request('presence', { users: [...users] });
    for (const [user, presence] of entries(result.users)) this.#users.set(user, presence);
    this.emit('change', {});
  }

  /** What one last said about oneself, here or on another device. */
  get own(): OwnStatus {
    return this.#own;
  }

  /** Says how oneself is, on all devices, for as long as one has a session. */
  async set(status: 'online' | 'away', text?: string): Promise<void> {
    const own = { status, ...(text === undefined || text === '' ? {} : { text }) };
    await this.#context.session.request('set_presence', own);
    this.#own = own;
    this.emit('change', {});
  }

  /** @internal The relay forgets it with the last session: it is told again. */
  async handleReconnected(): Promise<void> {
    if (this.#own.status === 'online' && this.#own.text === undefined) return;
    await this.#context.session.request('set_presence', { ...this.#own }).catch(() => undefined);
  }

  /** @internal */
  close(): void {
    this.#unsubscribe();
    this.removeAllListeners();
  }

  #handle(update: ChannelUpdate): void {
    if (update.type === 'state' && isRecord(update.state)) {
      this.#users = new Map(entries(update.state.users));
      const own = this.#mine();
      // A relay that was started anew knows nothing: it is told again.
      if (own?.status === 'away' || own?.text !== undefined) this.#takeOwn(own);
      this.emit('change', {});
    }
    if (update.type !== 'push') return;
    const event = parsePresenceEvent(update.push);
    if (!event) return;
    this.#users.set(event.user, event.presence);
    if (event.user === this.#context.me?.sub) this.#takeOwn(event.presence);
    this.emit('change', { user: event.user });
  }

  #mine(): Presence | undefined {
    const { me } = this.#context;
    return me && this.#users.get(me.sub);
  }

  #takeOwn({ status, text }: Presence): void {
    if (status === 'offline') return;
    this.#own = { status, ...(text === undefined ? {} : { text }) };
  }
}

function entries(users: unknown): [string, Presence][] {
  const list = Object.entries(isRecord(users) ? users : {});
  return list.map(([user, json]) => [user, parsePresence(isRecord(json) ? json : {})]);
}
