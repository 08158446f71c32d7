/**
 * Web Push on this device: being told while no page is open. The browser's side of it, and who
 * it is for: a device that changes hands is told nothing of its former user's.
 */
import { forget, keep, recall } from './memory.ts';
import type { Chat, Subscription } from '@skywave/client';

/** Whose notifications this device is told. */
const USER = 'skywave.push.user';

const WORKER = '/service-worker.js';

/** How it is, or why it cannot be. */
export type PushState =
  // The relay has no Web Push, or nobody is signed in.
  | 'absent'
  // This browser has none.
  | 'unsupported'
  // Browsers want a secure connection.
  | 'insecure'
  // The person forbade this site to notify.
  | 'blocked'
  | 'off'
  | 'on';

/** See the file's head. One for the page's life. */
export class DevicePush {
  readonly #chat: Chat;
  #key: string | undefined;
  #endpoint: string | undefined;

  constructor(chat: Chat) {
    this.#chat = chat;
    const follow = (): void => {
      // Whoever never turned it on is asked nothing.
      if (chat.me && recall(USER) !== undefined) this.state().catch(() => undefined);
    };
    chat.on('user', follow);
    follow();
  }

  /** How it is now. Also tells the relay of this device again, in case it forgot. */
  async state(): Promise<PushState> {
    const { me } = this.#chat;
    if (!me || !(await this.#hasKey())) return 'absent';
    if (!isSecureContext) return 'insecure';
    if (!isSupported()) return 'unsupported';
    const subscription = await current();
    if (Notification.permission === 'denied') return 'blocked';
    if (!subscription) return 'off';
    if (recall(USER) !== me.sub || !this.#fits(subscription)) {
      await subscription.unsubscribe();
      forget(USER);
      return 'off';
    }
    await this.#chat.devices.add(describe(subscription));
    this.#endpoint = subscription.endpoint;
    return 'on';
  }

  /** Turns it on; call it from a click. Tells what came of it, and rejects when that failed. */
  async turnOn(): Promise<PushState> {
    const { me } = this.#chat;
    if (!me || !(await this.#hasKey())) return 'absent';
    const permission = await Notification.requestPermission();
    if (permission !== 'granted') return permission === 'denied' ? 'blocked' : 'off';
    await navigator.serviceWorker.register(WORKER);
    const { pushManager } = await navigator.serviceWorker.ready;
    // Before there is a subscription: whoever looks meanwhile must not take it for another's.
    keep(USER, me.sub);
    const subscription = await pushManager.subscribe({
      userVisibleOnly: true,
      applicationServerKey: this.#key ?? '',
    });
    await this.#chat.devices.add(describe(subscription));
    this.#endpoint = subscription.endpoint;
    return 'on';
  }

  /** Turns it off: at the relay at once, and in the browser. */
  async turnOff(): Promise<PushState> {
    const endpoint = this.#endpoint;
    this.#endpoint = undefined;
    forget(USER);
    // What the relay does not hear now it learns from the push service.
    if (endpoint !== undefined) this.#chat.devices.remove(endpoint).catch(() => undefined);
    if (isSupported()) await (await current())?.unsubscribe();
    return 'off';
  }

  /** Whether the relay has Web Push; rejects when it does not say. */
  async #hasKey(): Promise<boolean> {
    try {
      this.#key ??= await this.#chat.devices.key();
      return true;
    } catch (error) {
      if ((error as { code?: string }).code === 'not_found') return false;
      throw error;
    }
  }

  /** A subscription under another key is worth nothing. */
  #fits({ options }: PushSubscription): boolean {
    const key = options.applicationServerKey;
    return key === null || base64url(new Uint8Array(key)) === this.#key;
  }
}

function isSupported(): boolean {
  return 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window;
}

async function current(): Promise<PushSubscription | null> {
  const registration = await navigator.serviceWorker.getRegistration();
  return (await registration?.pushManager.getSubscription()) ?? null;
}

function describe(subscription: PushSubscription): Subscription {
  const { keys } = subscription.toJSON();
  return {
    endpoint: subscription.endpoint,
    keys: { p256dh: keys?.p256dh ?? '', auth: keys?.auth ?? '' },
  };
}

function base64url(bytes: Uint8Array): string {
  const text = btoa(String.fromCharCode(...bytes));
  return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
