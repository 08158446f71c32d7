/** Subscriptions and their places, kept across connections so that they can be resumed. */
import { decodeError, decodePush, type Push } from '../wire/control.ts';
import { isRecord, number, text, type JsonObject } from '../wire/json.ts';
import type { ChannelUpdate } from '../messages.ts';

interface Place {
  epoch?: string;
  offset?: number;
}

/** What to do about a push. */
export type PushVerdict =
  /** It is the next one, or volatile. */
  | 'deliver'
  /** It was seen, or nobody subscribed to its channel. */
  | 'ignore'
  /** Others are missing before it: subscribe again from the place held. */
  | 'gap';

/** The channels wanted, each with the place up to which it is known. */
export class ChannelTable {
  readonly #places = new Map<string, Place>();

  /** Wants a channel, from its state on. */
  add(channel: string): void {
    this.#places.set(channel, {});
  }

  /** Wants it no more. */
  delete(channel: string): void {
    this.#places.delete(channel);
  }

  /** Wants all channels from their state on, as somebody else may see others of it. */
  restart(): void {
    for (const channel of this.#places.keys()) this.#places.set(channel, {});
  }

  /** Parameters of a `subscribe` that goes on where the channel is known to be. */
  params(channel: string): JsonObject {
    const { epoch, offset } = this.#places.get(channel) ?? {};
    return {
      channel,
      ...(epoch === undefined || offset === undefined ? {} : { epoch, offset }),
    };
  }

  /** The same for all, as `hello` takes them. */
  all(): JsonObject[] {
    return [...this.#places.keys()].map((channel) => this.params(channel));
  }

  /** Takes a `Subscribed` and gives what it tells, in order. */
  handleSubscribed(subscribed: JsonObject): { channel: string; updates: ChannelUpdate[] } {
    const channel = text(subscribed, 'channel') ?? '';
    const place = this.#places.get(channel);
    if (!place) return { channel, updates: [] };
    if (isRecord(subscribed.error)) {
      this.#places.delete(channel);
      return { channel, updates: [{ type: 'refused', error: decodeError(subscribed.error) }] };
    }
    const epoch = text(subscribed, 'epoch');
    const offset = number(subscribed, 'offset');
    this.#places.set(channel, {
      ...(epoch === undefined ? {} : { epoch }),
      ...(offset === undefined ? {} : { offset }),
    });
    if (subscribed.recovered !== true) {
      return { channel, updates: [{ type: 'state', state: subscribed.state ?? null }] };
    }
    const events = Array.isArray(subscribed.events) ? subscribed.events : [];
    const updates = events
      .map(decodePush)
      .filter((push) => push !== undefined)
      .map((push): ChannelUpdate => ({ type: 'push', push }));
    return { channel, updates };
  }

  /** Takes note of a push. */
  handlePush({ channel, offset }: Push): PushVerdict {
    const place = this.#places.get(channel);
    if (!place) return 'ignore';
    if (offset === undefined) return 'deliver';
    // Before the subscription's reply there is no telling what the push follows.
    if (place.offset === undefined || offset <= place.offset) return 'ignore';
    if (offset > place.offset + 1) return 'gap';
    place.offset = offset;
    return 'deliver';
  }
}
