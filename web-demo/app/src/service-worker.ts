/**
 * Shows notifications that come by Web Push while the page is closed. It caches nothing and
 * answers no requests.
 */
import { parseNotification } from '../../packages/client/src/wire/chat.ts';
import { tell } from './told.ts';
import type { Json } from '@skywave/client';

declare const self: ServiceWorkerScope;

/** Where a notification leads that leads nowhere else. */
const LIST = '/notifications';

self.addEventListener('push', (event) => {
  event.waitUntil(show(event.data));
});

self.addEventListener('notificationclick', (event) => {
  event.notification.close();
  const path: unknown = event.notification.data;
  event.waitUntil(go(typeof path === 'string' ? path : LIST));
});

async function show(data: PushMessageEvent['data']): Promise<void> {
  const notification = parseNotification(read(data));
  // Browsers ask that something is shown for every push.
  const { title, text, href } = notification
    ? tell(notification)
    : { title: 'Something new', text: '' };
  await self.registration.showNotification(title, {
    body: text,
    data: href ?? LIST,
    // One that comes twice is shown once.
    tag: `skywave-${notification?.seq ?? 'new'}`,
  });
}

function read(data: PushMessageEvent['data']): Json | undefined {
  try {
    return data?.json() as Json | undefined;
  } catch {
    return undefined;
  }
}

/** A page that is open goes there itself, and plays on. */
async function go(path: string): Promise<void> {
  const [page] = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
  if (!page) {
    await self.clients.openWindow(path);
    return;
  }
  page.postMessage({ go: path });
  // Some systems do not let pages come to the front.
  await page.focus().catch(() => undefined);
}
