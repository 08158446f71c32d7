/** What happens elsewhere, told in a corner of the page for a moment. */
import { channelPath, stationPath } from '../router.ts';
import { h } from '../dom.ts';
import type { Notification, NotificationEvent } from '@skywave/client';
import type { Radio } from '../radio.ts';

const SHOWN_MS = 8_000;
const SHOWN_MAX = 3;

/** A notification in words, and where it leads. */
export interface Told {
  /** What happened. */
  readonly title: string;
  /** What was said. */
  readonly text: string;
  /** Where to see it. */
  readonly href?: string;
}

/** Puts a notification into words. */
export function tell(event: NotificationEvent): Told {
  switch (event.kind) {
    case 'mention':
    case 'message': {
      const name = event.from.name ?? event.from.sub;
      const title = event.kind === 'mention' ? `${name} mentioned you` : `Message from ${name}`;
      return { title, text: event.preview, href: channelPath(event.channel, event.message) };
    }
    case 'invitation': {
      const name = event.from.name ?? event.from.sub;
      return { title: `${name} invited you`, text: event.name, href: channelPath(event.channel) };
    }
    case 'station_live':
      return { title: `${event.name} is on air`, text: '', href: stationPath(event.station) };
    case 'announcement':
      return { title: 'Announcement', text: event.text };
    case 'other':
      return { title: 'Something new', text: '' };
  }
}

/** Takes away what leads to the page that is shown now. */
export function dismissToasts(corner: HTMLElement, path: string): void {
  for (const link of corner.querySelectorAll('a')) {
    if (link.pathname === path) link.closest('.toast')?.remove();
  }
}

/** Builds the corner; it follows the inbox by itself. */
export function toasts(radio: Radio): HTMLElement {
  const corner = h('section', { class: 'toasts', 'aria-label': 'News', 'aria-live': 'polite' });
  const show = (notification: Notification): void => {
    const told = tell(notification);
    // What is said where one is looking needs no second telling.
    if (told.href?.split('?')[0] === location.pathname && document.visibilityState === 'visible')
      return;
    corner.append(toast(told));
    while (corner.childElementCount > SHOWN_MAX) corner.firstElementChild?.remove();
  };
  const follow = (): void => {
    radio.chat.inbox?.on('notification', show);
  };
  radio.chat.on('user', follow);
  follow();
  return corner;
}

function toast({ title, text, href }: Told): HTMLElement {
  const body = [h('strong', { text: title }), h('span', { class: 'toast-text', text })];
  const close = h('button', {
    type: 'button',
    class: 'icon-button',
    'aria-label': 'Dismiss',
    text: '×',
    on: {
      click: () => {
        element.remove();
      },
    },
  });
  const element = h(
    'div',
    { class: 'toast' },
    href === undefined ? h('p', {}, ...body) : h('a', { href }, ...body),
    close,
  );
  const leave = (): void => {
    // Whoever points at it or has reached it by keyboard is reading it.
    if (element.matches(':hover, :focus-within')) setTimeout(leave, SHOWN_MS / 4);
    else element.remove();
  };
  setTimeout(leave, SHOWN_MS);
  return element;
}
