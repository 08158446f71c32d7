/** What moderators do, as typed requests. Pure. */
import { isRecord, number, objects, text, type JsonObject } from '../wire/json.ts';
import type { ChatSession, People } from './context.ts';

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

/** A message somebody complained about. */
export interface Report {
  /** Its id, to settle it. */
  readonly id: number;
  /** Where the message is. */
  readonly channel: string;
  /** Which one. */
  readonly seq: number;
  /** Who wrote it. */
  readonly author: string;
  /** What it said when it was reported. */
  readonly text: string;
  /** Who complained. */
  readonly by: string;
  /** Why. */
  readonly reason: string;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
}

/** What a moderator did. */
export interface AuditEntry {
  /** Its id; newer ones are higher. */
  readonly id: number;
  /** When, in milliseconds since the Unix epoch. */
  readonly at: number;
  /** Who. */
  readonly by: string;
  /** The method, such as `ban`. */
  readonly action: string;
  /** Where; absent for everywhere. */
  readonly channel?: string;
  /** To whom or what. */
  readonly subject: string;
}

/** As many as a page of a log has at most. */
export const LOG_PAGE = 50;

/** See the file's head. Part of a `Chat`. */
export class Moderation {
  readonly #session: ChatSession;
  readonly #people: People;

  /** @internal */
  constructor(session: ChatSession, people: People) {
    this.#session = session;
    this.#people = people;
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

  /** The sanctions in force in a room, or everywhere; newest first, {@link LOG_PAGE} at a time. */
  async sanctions(channel?: string, before?: number): Promise<Sanction[]> {
    const result = await this.#page('sanctions', channel, before);
    return objects(result, 'sanctions').map(parseSanction);
  }

  /** The reports that wait; newest first, {@link LOG_PAGE} at a time. */
  async reports(channel?: string, before?: number): Promise<Report[]> {
    const result = await this.#page('reports', channel, before);
    return objects(result, 'reports').map(parseReport);
  }

  /** What moderators did; newest first, {@link LOG_PAGE} at a time. */
  async audit(channel?: string, before?: number): Promise<AuditEntry[]> {
    const result = await this.#page('audit', channel, before);
    return objects(result, 'entries').map(parseEntry);
  }

  /** Tells all users something, or a station's followers and room; administrators only. */
  async announce(text: string, station?: string): Promise<void> {
    await this.#session.request('announce', {
      text,
      ...(station === undefined ? {} : { station }),
    });
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

  async #page(method: string, channel?: string, before?: number): Promise<JsonObject> {
    const params = { ...place(channel), ...(before === undefined ? {} : { before }) };
    const result = await this.#session.request(method, params);
    for (const [sub, name] of Object.entries(isRecord(result.names) ? result.names : {})) {
      if (typeof name === 'string') this.#people.meet({ sub, name });
    }
    return result;
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

function parseReport(json: JsonObject): Report {
  return {
    id: number(json, 'id') ?? 0,
    channel: text(json, 'channel') ?? '',
    seq: number(json, 'seq') ?? 0,
    author: text(json, 'author') ?? '',
    text: text(json, 'text') ?? '',
    by: text(json, 'by') ?? '',
    reason: text(json, 'reason') ?? '',
    at: (number(json, 'at') ?? 0) / 1000,
  };
}

function parseEntry(json: JsonObject): AuditEntry {
  const channel = text(json, 'channel');
  return {
    id: number(json, 'id') ?? 0,
    at: (number(json, 'at') ?? 0) / 1000,
    by: text(json, 'by') ?? '',
    action: text(json, 'action') ?? '',
    subject: text(json, 'subject') ?? '',
    ...(channel === undefined ? {} : { channel }),
  };
}

function parseSanction(json: JsonObject): Sanction {
  const until = number(json, 'until');
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
