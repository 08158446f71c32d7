/** Conversations: the list of all, and one of them beside it. */
import { avatar, showAvatar } from '../parts/avatar.ts';
import { channelPath } from '../router.ts';
import { ConversationList } from '../parts/conversation-list.ts';
import { h, setText } from '../dom.ts';
import { NewConversation } from '../parts/new-conversation.ts';
import { RoomTools } from '../parts/room/room-tools.ts';
import { shortTime } from '../parts/talk/words.ts';
import { TalkPanel } from '../parts/talk/talk-panel.ts';
import type { Presence } from '@skywave/client';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

/** Builds it, with one open if `channel` is given. */
export function conversationsView(
  radio: Radio,
  channel: string | undefined,
  at: number | undefined,
  go: (path: string) => void,
): View {
  const list = new ConversationList(radio);
  const begin = new NewConversation(radio, (begun) => {
    go(channelPath(begun));
  });
  const open = channel === undefined ? undefined : new Conversation(radio, channel, at, go);
  const none = h('p', { class: 'soft conversation-none' });
  const start = h('button', {
    type: 'button',
    class: 'button button-small',
    text: 'New',
    'aria-label': 'New conversation',
    on: {
      click: () => {
        if (radio.account.require()) begin.ask();
      },
    },
  });
  const side = h(
    'section',
    { class: 'conversation-side', 'aria-labelledby': 'conversations-title' },
    h(
      'header',
      { class: 'side-head' },
      // With one open, that one is what the page is about.
      h(open ? 'h2' : 'h1', { id: 'conversations-title', text: 'Conversations' }),
      start,
    ),
    none,
    list.element,
  );
  const placeholder = h('p', { class: 'soft conversation-choose', text: 'Choose a conversation.' });
  const element = h(
    'div',
    { class: 'page conversations' },
    side,
    open?.element ?? placeholder,
    begin.element,
  );
  element.classList.toggle('has-open', open !== undefined);

  const update = (): void => {
    const { inbox } = radio.chat;
    list.update(channel);
    open?.update();
    const empty = inbox?.ready === true && inbox.conversations.length === 0;
    const signedOut = radio.chat.connected && inbox === undefined;
    none.hidden = !empty && !signedOut;
    placeholder.hidden = !none.hidden;
    list.element.hidden = !none.hidden;
    const words = signedOut
      ? 'Sign in to talk to others.'
      : 'Nobody yet. Begin one here, or by a message in the chat of a station.';
    setText(none, words);
  };
  const stops: (() => void)[] = [radio.chat.on('connected', update)];
  const follow = (): void => {
    radio.chat.inbox?.on('conversations', update);
    radio.chat.presence?.on('change', update);
    update();
  };
  stops.push(radio.chat.on('user', follow));
  const { inbox, presence } = radio.chat;
  if (inbox) stops.push(inbox.on('conversations', update));
  if (presence) stops.push(presence.on('change', update));
  update();
  return {
    element,
    title: 'Conversations · Skywave',
    close: () => {
      for (const stop of stops) stop();
      open?.close();
    },
  };
}

/** One conversation. */
class Conversation {
  readonly element: HTMLElement;
  readonly #radio: Radio;
  readonly #channel: string;
  readonly #panel: TalkPanel;
  readonly #face = avatar('', '');
  readonly #title = h('h1', { id: 'thread-title' });
  readonly #status = h('p', { class: 'talk-people' });
  readonly #tools: RoomTools;

  constructor(radio: Radio, channel: string, at: number | undefined, go: (path: string) => void) {
    this.#radio = radio;
    this.#channel = channel;
    this.#panel = new TalkPanel({ radio, channel, go, ...(at === undefined ? {} : { at }) });
    this.#tools = new RoomTools({
      radio,
      room: this.#panel.room,
      attempt: (doing) => this.#panel.attempt(doing),
      onLeft: () => {
        go('/conversations');
      },
    });
    const head = h(
      'header',
      { class: 'talk-head' },
      h('a', {
        class: 'back',
        href: '/conversations',
        'aria-label': 'All conversations',
        text: '‹',
      }),
      this.#face,
      h('div', { class: 'talk-names' }, this.#title, this.#status),
      this.#tools.element,
    );
    this.element = h(
      'section',
      { class: 'talk-card thread', 'aria-labelledby': 'thread-title' },
      head,
      this.#panel.element,
    );
    this.#panel.room.on('room', () => {
      this.update();
    });
  }

  update(): void {
    const { people, presence, me } = this.#radio.chat;
    const { room } = this.#panel;
    this.#tools.update();
    const others = room.members.filter(({ sub }) => sub !== me?.sub);
    const names = others.map(({ sub }) => people.name(sub)).join(', ');
    const title = room.info?.name === '' ? names : (room.info?.name ?? '');
    setText(this.#title, title === '' ? 'Conversation' : title);
    const [first] = others;
    showAvatar(
      this.#face,
      room.info?.kind === 'direct' ? (first?.sub ?? '') : this.#channel,
      title,
    );
    const direct = room.info?.kind === 'direct' && first;
    if (direct) setText(this.#status, presence ? presenceWords(presence.get(first.sub)) : '');
    else setText(this.#status, names);
    if (room.info) document.title = `${title} · Skywave`;
  }

  close(): void {
    this.#panel.close();
  }
}

function presenceWords({ status, text, lastSeen }: Presence): string {
  const said = text === undefined ? '' : ` · ${text}`;
  if (status !== 'offline') return `${status === 'online' ? 'Online' : 'Away'}${said}`;
  return lastSeen === undefined ? '' : `Last seen ${shortTime(lastSeen, Date.now())}`;
}
