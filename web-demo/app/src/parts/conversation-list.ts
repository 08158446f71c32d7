/** One's conversations, the last written to first. */
import { avatar } from './avatar.ts';
import { channelPath } from '../router.ts';
import { h } from '../dom.ts';
import { previewOf, type Conversation, type Inbox } from '@skywave/client';
import { shortTime } from './talk/words.ts';
import type { Radio } from '../radio.ts';

/** See the file's head; {@link update} it. */
export class ConversationList {
  /** A list of links. */
  readonly element = h('ul', { class: 'conversation-list' });
  readonly #radio: Radio;
  #signature = '';

  constructor(radio: Radio) {
    this.#radio = radio;
  }

  /** Shows the inbox as it is now. */
  update(current: string | undefined): void {
    const { inbox, presence } = this.#radio.chat;
    const conversations = inbox?.conversations ?? [];
    const rows = conversations.map((conversation) => ({
      conversation,
      status: this.#status(conversation),
    }));
    const signature = JSON.stringify([rows, current]);
    if (signature === this.#signature || !inbox || !presence) return;
    this.#signature = signature;
    // A link that has the focus keeps it.
    const focused = (document.activeElement as HTMLAnchorElement | null)?.getAttribute('href');
    const had = this.element.contains(document.activeElement);
    this.element.replaceChildren(
      ...rows.map(({ conversation, status }) => this.#row(inbox, conversation, status, current)),
    );
    if (!had) return;
    const links = [...this.element.querySelectorAll('a')];
    links.find((link) => link.getAttribute('href') === focused)?.focus();
  }

  #status({ room, others }: Conversation): string {
    const [other] = others;
    if (room.kind !== 'direct' || !other) return '';
    return this.#radio.chat.presence?.get(other.sub).status ?? '';
  }

  #row(
    inbox: Inbox,
    { room, unread, last, others }: Conversation,
    status: string,
    current: string | undefined,
  ): HTMLElement {
    const title = inbox.title(room.channel);
    const own = last?.from?.sub === this.#radio.chat.me?.sub;
    const author = room.kind === 'group' && last?.from ? (last.from.name ?? last.from.sub) : '';
    const who = own ? 'You: ' : author === '' ? '' : `${author}: `;
    const preview = last ? `${who}${previewOf(last.content)}` : '';
    const face = avatar(others[0]?.sub ?? room.channel, title);
    if (status !== '') face.dataset.status = status;
    const name = h('span', { class: 'row-name', text: title });
    if (status === 'online' || status === 'away') {
      name.append(h('span', { class: 'spoken', text: `, ${status}` }));
    }
    const top = h('span', { class: 'row-top' }, name);
    if (last) top.append(h('span', { class: 'row-time', text: shortTime(last.at, Date.now()) }));
    const bottom = h(
      'span',
      { class: 'row-bottom' },
      h('span', { class: 'row-preview', text: preview }),
    );
    if (unread > 0) {
      const words = h('span', { class: 'spoken', text: ' unread' });
      bottom.append(h('span', { class: 'count' }, String(unread), words));
    }
    const link = h(
      'a',
      {
        class: 'row',
        href: channelPath(room.channel),
        'aria-current': room.channel === current ? 'page' : undefined,
      },
      face,
      h('span', { class: 'row-text' }, top, bottom),
    );
    return h('li', {}, link);
  }
}
