/** What moderators do, as typed requests. Pure. */
import { number, objects, text, type JsonObject } from '../wire/json.ts';
import type { ChatSession } from './context.ts';

/** Who may not write, or not even read, and for how long. */
export interface Sanction {
  /** Its id, to lift it. */
  readonly id: number;
  /** Whether writing is forbidden, or reading too. */
  readonly kind: 'mute' | 'ban';
  /** Whom it is for; absent when it is for addresses. */
  readonly user?: string;
  /** The addresses it is for. */
  readonly network?: string;
  /** Why. */
  readonly reason?: string;
  /** When it ends, in milliseconds since the Unix epoch; absent for never. */
  readonly until?: number;
}

/** For whom and how long. */
export interface SanctionOptions {
  /** The room; everywhere without it, which only administrators may. */
  readonly channel?: string;
  /** Whom. */
  readonly user?: string;
  /** An address range such as `203.0.113.0/24`; administrators only. */
  readonly network?: string;
  /** For how long, in seconds; for ever without it. */
  readonly durationS?: number;
  /** Why, for the audit log. */
  readonly reason?: string;
}

/** See the file's head. Part of a `Chat`. */
export class Moderation {
  readonly #session: ChatSession;

  /** @internal */
  constructor(session: ChatSession) {
    this.#session = session;
  }

  /** Forbids somebody to write. */
  mute(options: SanctionOptions): Promise<Sanction> {
    return this.#sanction('mute', options);
  }

  /** Forbids somebody to write and to read. */
  ban(options: SanctionOptions): Promise<Sanction> {
    return this.#sanction('ban', options);
  }

  /** Takes a sanction back. */
  async lift(id: number): Promise<void> {
    await this.#session.request('lift', { id });
  }

  /** The sanctions of a room, or of everywhere. */
  async sanctions(channel?: string): Promise<Sanction[]> {
    const result = await this.#session.request('sanctions', place(channel));
    return objects(result, 'sanctions').map(parseSanction);
  }

  /** The reports that wait, as the relay tells them. */
  async reports(channel?: string): Promise<JsonObject[]> {
    return objects(await this.#session.request('reports', place(channel)), 'reports');
  }

  /** Settles a report, with or without deleting the message. */
  async resolve(id: number, remove: boolean): Promise<void> {
    await this.#session.request('resolve_report', { id, delete: remove });
  }

  /** Words that may not be written. */
  async words(channel?: string): Promise<string[]> {
    const { words } = await this.#session.request('words', place(channel));
    return Array.isArray(words) ? words.filter((word) => typeof word === 'string') : [];
  }

  /** Replaces the words that may not be written. */
  async setWords(words: readonly string[], channel?: string): Promise<void> {
    await this.#session.request('set_words', { ...place(channel), words: [...words] });
  }

  async #sanction(method: 'mute' | 'ban', options: SanctionOptions): Promise<Sanction> {
    const { durationS, ...rest } = options;
    const params = { ...rest, ...(durationS === undefined ? {} : { duration_s: durationS }) };
    return parseSanction(await this.#session.request(method, params));
  }
}

function place(channel: string | undefined): JsonObject {
  return channel === undefined ? {} : { channel };
}

function parseSanction(json: JsonObject): Sanction {
  const until = number(json, 'expires_at') ?? number(json, 'until');
  const [user, network] = [text(json, 'user'), text(json, 'network')];
  const reason = text(json, 'reason');
  return {
    id: number(json, 'id') ?? 0,
    kind: json.kind === 'ban' ? 'ban' : 'mute',
    ...(user === undefined ? {} : { user }),
    ...(network === undefined ? {} : { network }),
    ...(reason === undefined ? {} : { reason }),
    ...(until === undefined ? {} : { until: until / 1000 }),
  };
}
