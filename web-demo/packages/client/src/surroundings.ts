/** What a page tells about its machine: sleep, network, storage. */
import type { Storage } from './remembered.ts';
import type { Unsubscribe } from './emitter.ts';

/** `localStorage`, where the browser allows it. */
export function browserStorage(): Storage | undefined {
  try {
    return globalThis.localStorage;
  } catch {
    return undefined;
  }
}

/** What the browser tells about the network (Chromium: `wifi`, `cellular`); may be empty. */
export function networkName(): string {
  const { connection } = navigator as { connection?: { type?: string } };
  return connection?.type ?? '';
}

/**
 * Calls `wake` when a connection may have died unnoticed or may be possible again: the
 * page becomes visible or returns from the back-forward cache, or the network changes.
 */
export function watchWakeUps(wake: (networkChanged: boolean) => void): Unsubscribe {
  const onVisible = (): void => {
    if (document.visibilityState === 'visible') wake(false);
  };
  const onShow = (event: PageTransitionEvent): void => {
    if (event.persisted) wake(false);
  };
  const onNetwork = (): void => {
    wake(true);
  };
  // Chromium also fires `change` whenever it has measured the network anew.
  let network = networkName();
  const onConnection = (): void => {
    const now = networkName();
    if (now === network) return;
    network = now;
    wake(true);
  };
  const { connection } = navigator as { connection?: EventTarget };
  document.addEventListener('visibilitychange', onVisible);
  window.addEventListener('pageshow', onShow);
  window.addEventListener('online', onNetwork);
  connection?.addEventListener('change', onConnection);
  return () => {
    document.removeEventListener('visibilitychange', onVisible);
    window.removeEventListener('pageshow', onShow);
    window.removeEventListener('online', onNetwork);
    connection?.removeEventListener('change', onConnection);
  };
}
