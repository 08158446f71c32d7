/**
 * What the service worker uses of its global scope. TypeScript's own types of it do not go
 * together with those of a page.
 */
interface WorkerEvent extends Event {
  waitUntil(doing: Promise<unknown>): void;
}

interface PushMessageEvent extends WorkerEvent {
  readonly data: { json(): unknown } | null;
}

interface NotificationClickEvent extends WorkerEvent {
  readonly notification: Notification;
}

interface WindowClient {
  focus(): Promise<WindowClient>;
  postMessage(message: unknown): void;
}

interface ServiceWorkerScope {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    matchAll(which: { type: 'window'; includeUncontrolled: boolean }): Promise<WindowClient[]>;
    openWindow(path: string): Promise<WindowClient | null>;
  };
  addEventListener(type: 'push', listener: (event: PushMessageEvent) => void): void;
  addEventListener(
    type: 'notificationclick',
    listener: (event: NotificationClickEvent) => void,
  ): void;
}
