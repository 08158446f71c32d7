/** The header's links to conversations and notifications, and who one is. */
import { AccountButton } from './account-button.ts';
import { h, icon, setText } from '../dom.ts';
import type { Radio } from '../radio.ts';

const TALK = 'M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H10l-5 4v-4H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z';
const ROOMS =
  'M4 4h10a1 1 0 0 1 1 1v6a1 1 0 0 1-1 1H8l-4 3v-3.2A1 1 0 0 1 3 11V5a1 1 0 0 1 1-1zm13 4h3a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1v3l-4-3h-6a1 1 0 0 1-1-1v-2h7a1 1 0 0 0 1-1z';
const GLASS =
  'M10.5 3a7.5 7.5 0 1 0 4.6 13.4l4.7 4.7 1.4-1.4-4.7-4.7A7.5 7.5 0 0 0 10.5 3zm0 2.2a5.3 5.3 0 1 1 0 10.6 5.3 5.3 0 0 1 0-10.6z';
const BELL =
  'M12 3a6 6 0 0 0-6 6v4.2L4.3 16a.7.7 0 0 0 .6 1h14.2a.7.7 0 0 0 .6-1L18 13.2V9a6 6 0 0 0-6-6zM9.8 19a2.3 2.3 0 0 0 4.4 0z';

/** Builds it; it keeps itself up to date. */
export function headerNav(radio: Radio): HTMLElement {
  const rooms = navLink('/rooms', 'Rooms', ROOMS);
  const search = navLink('/search', 'Search', GLASS);
  const talk = navLink('/conversations', 'Conversations', TALK);
  const bell = navLink('/notifications', 'Notifications', BELL);
  const who = new AccountButton(radio);
  const button = h('button', {
    type: 'button',
    class: 'button button-small',
    on: {
      click: () => {
        if (!radio.account.user) radio.account.require();
        else {
          // Before the session is nobody's.
          radio.push.turnOff().catch(() => undefined);
          radio.account.signOut();
        }
      },
    },
  });
  const show = (): void => {
    const { me, inbox } = radio.chat;
    talk.show(inbox?.unreadMessages ?? 0);
    bell.show(inbox?.unreadNotifications ?? 0);
    who.update();
    setText(button, me ? 'Sign out' : 'Sign in');
    button.classList.toggle('button-quiet', me !== undefined);
  };
  const follow = (): void => {
    // An inbox forgets its listeners when its user leaves.
    radio.chat.inbox?.on('conversations', show);
    radio.chat.inbox?.on('notifications', show);
    radio.chat.presence?.on('change', () => {
      who.update();
    });
    show();
  };
  radio.chat.on('user', follow);
  follow();
  return h(
    'nav',
    { class: 'nav', 'aria-label': 'You' },
    rooms.element,
    search.element,
    talk.element,
    bell.element,
    who.element,
    button,
  );
}

function navLink(href: string, name: string, paths: string) {
  const label = h('span', { class: 'nav-label', text: name });
  const badge = h('span', { class: 'count', hidden: true });
  const element = h('a', { class: 'nav-link', href }, icon(paths), label, badge);
  return {
    element,
    show: (unread: number): void => {
      badge.hidden = unread === 0;
      badge.replaceChildren(
        unread >= 1000 ? '999+' : String(unread),
        h('span', { class: 'spoken', text: ' unread' }),
      );
    },
  };
}
