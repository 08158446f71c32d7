/** What happens elsewhere, told in a corner of the page for a moment. */
import { h } from '../dom.ts';
import { tell, type Told } from '../told.ts';
import type { Notification } from '@skywave/client';
import type { Radio } from '../radio.ts';

const SHOWN_MS = 8_000;
const SHOWN_MAX = 3;

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
