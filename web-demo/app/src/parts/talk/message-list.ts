/** Messages that scroll with what is new, unless the reader has gone back to read. */
import { dayName } from './words.ts';
import { h, setText } from '../../dom.ts';
import { MessageItem, type Shown } from './message-item.ts';
import { previewOf, type Author } from '@skywave/client';
import type { TalkContext } from './context.ts';

// This near to the end counts as being there.
const NEAR_PX = 48;
const OLDER_PX = 160;
const POINTED_MS = 2_500;
// Messages of one author within this time stand together.
const TOGETHER_MS = 5 * 60_000;

/** See the file's head. */
export class MessageList {
  /** The list with its button. */
  readonly element: HTMLElement;
  readonly #context: TalkContext;
  readonly #list = h('ol', { class: 'message-list' });
  readonly #scroller: HTMLElement;
  readonly #jump: HTMLButtonElement;
  readonly #empty = h('p', { class: 'talk-empty soft' });
  readonly #items = new Map<string, MessageItem>();
  readonly #dividers = new Map<string, HTMLElement>();
  readonly #sizes: ResizeObserver;
  readonly #seen: IntersectionObserver;
  #atEnd = true;
  #inView = false;
  #newBelow = 0;
  #lastKey = '';
  #wasNewer = false;
  #unreadAfter: number | undefined;
  #unreadFixed = false;

  constructor(context: TalkContext) {
    this.#context = context;
    this.#jump = h('button', {
      type: 'button',
      class: 'jump',
      hidden: true,
      on: {
        click: () => {
          this.toEnd();
        },
      },
    });
    this.#scroller = h(
      'div',
      {
        class: 'message-scroll',
        tabindex: '0',
        role: 'log',
        'aria-label': 'Messages',
        on: {
          scroll: () => {
            this.#handleScroll();
          },
        },
      },
      this.#empty,
      this.#list,
    );
    this.element = h('div', { class: 'messages' }, this.#scroller, this.#jump);
    // Pictures arrive later than their messages, and panels grow and shrink.
    this.#sizes = new ResizeObserver(() => {
      if (this.#atEnd) this.#scrollToEnd();
    });
    this.#sizes.observe(this.#list);
    this.#sizes.observe(this.#scroller);
    this.#seen = new IntersectionObserver(([entry]) => {
      this.#inView = entry?.isIntersecting ?? false;
      this.#markRead();
    });
    this.#seen.observe(this.#scroller);
    document.addEventListener('visibilitychange', this.#markRead);
    this.#list.addEventListener('click', (event) => {
      this.#followQuote(event);
    });
  }

  /** Shows the room as it is now. */
  update(): void {
    const { room, radio, source } = this.#context;
    this.#fixUnread();
    const shown = this.#shown();
    const anchor = this.#atEnd ? undefined : this.#anchor();
    this.#draw(shown);
    const last = shown.at(-1);
    const isNew = last !== undefined && last.key !== this.#lastKey;
    // Whoever sends something wants to see it.
    if (isNew && last.outgoing && last.own) {
      this.#atEnd = true;
      source.toEnd();
    }
    // What stood here was another stretch of history.
    const moved = this.#wasNewer !== source.newer;
    this.#wasNewer = source.newer;
    if (this.#atEnd && !source.newer) this.#scrollToEnd();
    else {
      if (anchor) this.#scroller.scrollTop += anchor.element.offsetTop - anchor.top;
      if (isNew && !source.newer && !moved) this.#newBelow++;
    }
    this.#lastKey = last?.key ?? '';
    this.#empty.hidden = shown.length > 0;
    const words = radio.chat.me ? 'No messages yet. Say the first word.' : 'No messages yet.';
    setText(this.#empty, room.phase === 'loading' ? 'Loading messages…' : words);
    this.#showJump();
    this.#markRead();
  }

  /** Scrolls to the newest message. */
  toEnd(): void {
    this.#atEnd = true;
    this.#context.source.toEnd();
    this.#scrollToEnd();
    this.#newBelow = 0;
    this.#showJump();
    this.#markRead();
  }

  /** Scrolls to a message and marks it for a moment; `false` when it is not here. */
  point(seq: number): boolean {
    const target = this.#list.querySelector<HTMLElement>(`[data-seq="${seq}"]`);
    if (!target) return false;
    this.#atEnd = false;
    target.scrollIntoView({ block: 'center' });
    target.classList.add('is-pointed-at');
    setTimeout(() => {
      target.classList.remove('is-pointed-at');
    }, POINTED_MS);
    return true;
  }

  /** Stops watching. */
  close(): void {
    this.#sizes.disconnect();
    this.#seen.disconnect();
    document.removeEventListener('visibilitychange', this.#markRead);
  }

  #shown(): Shown[] {
    const { room, radio, source } = this.#context;
    const { me } = radio.chat;
    const talks = room.channel.startsWith('conversation:');
    let before: { sub: string | undefined; at: number } = { sub: undefined, at: 0 };
    const continues = (sub: string | undefined, at: number): boolean => {
      const together = sub !== undefined && sub === before.sub && at - before.at < TOGETHER_MS;
      before = { sub, at };
      return together;
    };
    const stored = source.messages.map((message): Shown => {
      const { from, clientId, seq } = message;
      const own = from !== undefined && from.sub === me?.sub;
      return {
        key: own && clientId !== undefined ? `own:${clientId}` : `seq:${seq}`,
        message,
        own,
        continued: continues(from?.sub, message.at),
        ...(from === undefined ? {} : { from }),
        ...(own && talks ? { delivery: room.delivery(seq) } : {}),
        ...this.#quote(message.replyTo),
      };
    });
    if (source.newer) return stored;
    const outgoing = source.outgoing.map((message): Shown => {
      const from: Author | undefined = me;
      return {
        key: `own:${message.clientId}`,
        outgoing: message,
        connected: radio.chat.connected,
        own: true,
        continued: continues(me?.sub, message.queuedAt),
        ...(from === undefined ? {} : { from }),
        ...this.#quote(message.replyTo),
      };
    });
    return [...stored, ...outgoing];
  }

  #quote(seq: number | undefined): { quote?: string } {
    if (seq === undefined) return {};
    const message = this.#context.room.get(seq);
    if (!message) return { quote: 'An earlier message' };
    const name = message.from?.name ?? message.from?.sub ?? '';
    return { quote: `${name}: ${previewOf(message.content)}` };
  }

  #draw(shown: readonly Shown[]): void {
    const wanted: HTMLElement[] = [];
    let day = '';
    let unread = this.#unreadAfter;
    for (const entry of shown) {
      const at = entry.message?.at ?? entry.outgoing?.queuedAt ?? 0;
      const name = dayName(at, Date.now());
      if (name !== day) {
        day = name;
        wanted.push(this.#divider(`day:${name}`, name, 'day'));
      }
      if (unread !== undefined && !entry.own && (entry.message?.seq ?? 0) > unread) {
        unread = undefined;
        wanted.push(this.#divider('unread', 'New messages', 'unread'));
      }
      wanted.push(this.#item(entry).element);
    }
    const keys = new Set(shown.map(({ key }) => key));
    for (const key of this.#items.keys()) if (!keys.has(key)) this.#items.delete(key);
    place(this.#list, wanted);
  }

  #item(entry: Shown): MessageItem {
    let item = this.#items.get(entry.key);
    if (!item) {
      item = new MessageItem(this.#context);
      this.#items.set(entry.key, item);
    }
    item.show(entry);
    return item;
  }

  #divider(key: string, text: string, kind: string): HTMLElement {
    let element = this.#dividers.get(key);
    if (!element) {
      element = h('li', { class: `divider divider-${kind}` }, h('span', { text }));
      this.#dividers.set(key, element);
    }
    return element;
  }

  /** Where the reader stopped last time; it stays where it was while they read on. */
  #fixUnread(): void {
    const { info, phase } = this.#context.room;
    if (this.#unreadFixed || phase !== 'open' || this.#context.thread !== undefined) return;
    this.#unreadFixed = true;
    if (info?.mine && info.mine.unread > 0) this.#unreadAfter = info.mine.read;
  }

  #anchor(): { element: HTMLElement; top: number } | undefined {
    const { scrollTop } = this.#scroller;
    const children = [...this.#list.children] as HTMLElement[];
    const element = children.find((child) => child.offsetTop + child.offsetHeight > scrollTop);
    return element && { element, top: element.offsetTop };
  }

  #handleScroll(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroller;
    const { source } = this.#context;
    const near = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.#atEnd = near && !source.newer;
    if (near && source.newer) source.loadNewer().catch(() => undefined);
    if (this.#atEnd) this.#newBelow = 0;
    this.#showJump();
    this.#markRead();
    if (scrollTop < OLDER_PX && source.more) {
      // What fails is tried again at the next scroll.
      source.loadOlder().catch(() => undefined);
    }
  }

  #scrollToEnd(): void {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  #showJump(): void {
    this.#jump.hidden = this.#atEnd;
    const count = this.#newBelow;
    const news = `${count} new ${count === 1 ? 'message' : 'messages'}`;
    setText(this.#jump, count === 0 ? 'To the newest ↓' : `${news} ↓`);
  }

  readonly #markRead = (): void => {
    const { room, source, thread } = this.#context;
    const last = room.messages.at(-1);
    if (!last || thread !== undefined || source.newer) return;
    if (!this.#atEnd || !this.#inView || document.visibilityState !== 'visible') return;
    if (room.phase === 'open') room.markRead(last.seq);
  };

  #followQuote(event: MouseEvent): void {
    const quote = (event.target as Element).closest<HTMLElement>('.quote');
    const seq = Number(quote?.dataset.to);
    if (seq > 0 && !this.point(seq)) this.#context.jump(seq);
  }
}

/** Makes the list's children these, moving only what is out of place. */
function place(list: HTMLElement, wanted: readonly HTMLElement[]): void {
  const keep = new Set(wanted);
  for (const child of [...list.children]) if (!keep.has(child as HTMLElement)) child.remove();
  wanted.forEach((element, at) => {
    const there = list.children.item(at);
    if (there !== element) list.insertBefore(element, there);
  });
}
