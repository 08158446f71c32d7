/** Web Push as typed requests: devices that are told while their user has no session. Pure. */
import { failure } from '../errors.ts';
import { text } from '../wire/json.ts';
import type { ChatSession } from './context.ts';

/** A browser's `PushSubscription`, as its `toJSON` gives it. */
export interface Subscription {
  /** Where the device's push service takes messages. */
  readonly endpoint: string;
  /** What messages are encrypted with, base64url. */
  readonly keys: { readonly p256dh: string; readonly auth: string };
}

/** See the file's head. Part of a `Chat`. */
export class Devices {
  readonly #session: ChatSession;

  /** @internal */
  constructor(session: ChatSession) {
    this.#session = session;
  }

  /**
   * The relay's key, base64url, for `pushManager.subscribe`.
   *
   * @throws SkywaveError `not_found` where there is no Web Push.
   */
  async key(): Promise<string> {
    const key = text(await this.#session.request('push_key'), 'public_key');
    if (key === undefined) throw failure('internal', 'the relay told no key');
    return key;
  }

  /** Has a device told of one's notifications from now on, and of nobody else's. */
  async add({ endpoint, keys }: Subscription): Promise<void> {
    const { p256dh, auth } = keys;
    await this.#session.request('push_subscribe', { endpoint, keys: { p256dh, auth } });
  }

  /** Has a device of one's own told no more. */
  async remove(endpoint: string): Promise<void> {
    await this.#session.request('push_unsubscribe', { endpoint });
  }
}
