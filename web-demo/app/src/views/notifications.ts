/** What happened while one was away, and since. */
import { h, setText } from '../dom.ts';
import { shortTime } from '../parts/talk/words.ts';
import { PushSwitch } from '../parts/push-switch.ts';
import { tell } from '../told.ts';
import type { Notification } from '@skywave/client';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

/** Builds it. */
export function notificationsView(radio: Radio): View {
  const list = h('ul', { class: 'notification-list' });
  const none = h('p', { class: 'soft' });
  const all = h('button', {
    type: 'button',
    class: 'button button-small',
    text: 'Mark all read',
    on: {
      click: () => {
        const { inbox } = radio.chat;
        const [newest] = inbox?.notifications ?? [];
        if (newest) inbox?.markRead({ upTo: newest.seq }).catch(() => undefined);
      },
    },
  });
  const more = h('button', {
    type: 'button',
    class: 'button button-quiet',
    text: 'Older',
    hidden: true,
    on: {
      click: () => {
        radio.chat.inbox?.loadOlder().catch(() => undefined);
      },
    },
  });
  const update = (): void => {
    const { inbox } = radio.chat;
    const notifications = inbox?.notifications ?? [];
    list.replaceChildren(...notifications.map((notification) => row(radio, notification)));
    all.hidden = (inbox?.unreadNotifications ?? 0) === 0;
    more.hidden = inbox?.more !== true;
    none.hidden = notifications.length > 0 || !radio.chat.connected;
    list.hidden = notifications.length === 0;
    setText(none, inbox ? 'Nothing yet.' : 'Sign in, and what concerns you is kept here.');
  };
  const stops: (() => void)[] = [radio.chat.on('connected', update)];
  const follow = (): void => {
    radio.chat.inbox?.on('notifications', update);
    update();
  };
  stops.push(radio.chat.on('user', follow));
  const { inbox } = radio.chat;
  if (inbox) stops.push(inbox.on('notifications', update));
  const push = new PushSwitch(radio);
  stops.push(() => {
    push.close();
  });
  update();
  const head = h('header', { class: 'side-head' }, h('h1', { text: 'Notifications' }), all);
  return {
    element: h('div', { class: 'page narrow' }, head, push.element, none, list, more),
    title: 'Notifications · Skywave',
    close: () => {
      for (const stop of stops) stop();
    },
  };
}

function row(radio: Radio, notification: Notification): HTMLElement {
  const { title, text, href } = tell(notification);
  const read = (): void => {
    if (notification.read) return;
    radio.chat.inbox?.markRead({ seqs: [notification.seq] }).catch(() => undefined);
  };
  const parts = [
    h('strong', { text: title }),
    h('span', { class: 'row-time', text: shortTime(notification.at, Date.now()) }),
    h('span', { class: 'row-preview', text }),
  ];
  const body =
    href === undefined
      ? h('button', { type: 'button', class: 'notification', on: { click: read } }, ...parts)
      : h('a', { class: 'notification', href, on: { click: read } }, ...parts);
  if (!notification.read) body.append(h('span', { class: 'spoken', text: 'Unread' }));
  return h('li', { class: notification.read ? '' : 'is-unread' }, body);
}
