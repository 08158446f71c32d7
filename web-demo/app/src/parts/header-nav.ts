/** The header's links to conversations and notifications, and who one is. */
import { h, icon, setText } from '../dom.ts';
import type { Radio } from '../radio.ts';

const TALK = 'M4 5h16a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H10l-5 4v-4H4a1 1 0 0 1-1-1V6a1 1 0 0 1 1-1z';
const BELL =
  'M12 3a6 6 0 0 0-6 6v4.2L4.3 16a.7.7 0 0 0 .6 1h14.2a.7.7 0 0 0 .6-1L18 13.2V9a6 6 0 0 0-6-6zM9.8 19a2.3 2.3 0 0 0 4.4 0z';

/** Builds it; it keeps itself up to date. */
export function headerNav(radio: Radio): HTMLElement {
  const talk = navLink('/conversations', 'Conversations', TALK);
  const bell = navLink('/notifications', 'Notifications', BELL);
  const who = h('span', { class: 'who' });
  const button = h('button', {
    type: 'button',
    class: 'button button-small',
    on: {
      click: () => {
        if (radio.account.user) radio.account.signOut();
        else radio.account.require();
      },
    },
  });
  const show = (): void => {
    const { me, inbox } = radio.chat;
    talk.show(inbox?.unreadMessages ?? 0);
    bell.show(inbox?.unreadNotifications ?? 0);
    setText(who, me ? (me.name ?? me.sub) : '');
    setText(button, me ? 'Sign out' : 'Sign in');
    button.classList.toggle('button-quiet', me !== undefined);
  };
  const follow = (): void => {
    // An inbox forgets its listeners when its user leaves.
    radio.chat.inbox?.on('conversations', show);
    radio.chat.inbox?.on('notifications', show);
    show();
  };
  radio.chat.on('user', follow);
  follow();
  return h('nav', { class: 'nav', 'aria-label': 'You' }, talk.element, bell.element, who, button);
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
