/** One message, or one on its way. */
import { avatar } from '../avatar.ts';
import { clockTime, repliesWords } from './words.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import { mediaView } from './media-view.ts';
import { messageActions, react, reactionName } from './message-actions.ts';
import { previewOf, type Author, type Content, type Delivery } from '@skywave/client';
import type { Message, Outgoing } from '@skywave/client';
import type { TalkContext } from './context.ts';

/** What an item shows. */
export interface Shown {
  /** What tells it from all others, before and after it is acknowledged. */
  readonly key: string;
  /** The message, once it is stored. */
  readonly message?: Message;
  /** The message on its way. */
  readonly outgoing?: Outgoing;
  /** Who wrote it. */
  readonly from?: Author;
  /** Whether that is oneself. */
  readonly own: boolean;
  /** Whether the one before is by the same author, just now. */
  readonly continued: boolean;
  /** How far it has come; in conversations, for one's own. */
  readonly delivery?: Delivery;
  /** Whether there is a connection to send it by. */
  readonly connected?: boolean;
  /** What it answers, in a line. */
  readonly quote?: string;
}

const TICKS: Record<Delivery, readonly [string, string]> = {
  sent: ['✓', 'Sent'],
  delivered: ['✓✓', 'Delivered'],
  read: ['✓✓', 'Read'],
};

/** See the file's head. */
export class MessageItem {
  /** A list item. */
  readonly element = h('li', { class: 'message' });
  readonly #context: TalkContext;
  #shown: Shown | undefined;
  #signature = '';
  #open = false;

  constructor(context: TalkContext) {
    this.#context = context;
  }

  /** Shows a message; what has not changed is left alone. */
  show(shown: Shown): void {
    const signature = JSON.stringify(shown);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#shown = shown;
    this.#draw(shown);
  }

  #draw(shown: Shown): void {
    const { element } = this;
    const { message, outgoing, own, continued } = shown;
    const content = message ? message.content : outgoing?.content;
    element.className = 'message';
    element.classList.toggle('is-own', own);
    element.classList.toggle('is-continued', continued);
    element.classList.toggle('is-system', content?.type === 'system');
    element.classList.toggle('is-pending', outgoing !== undefined);
    element.classList.toggle('is-failed', outgoing?.state === 'failed');
    if (message) element.dataset.seq = String(message.seq);
    // Whoever is in the middle of choosing keeps the focus where it was.
    const had = element.contains(document.activeElement);
    element.replaceChildren(...this.#parts(shown, content));
    if (had) element.querySelector<HTMLElement>('.more')?.focus({ preventScroll: true });
  }

  #parts(shown: Shown, content: Content | undefined): HTMLElement[] {
    const { from, own, continued, message } = shown;
    if (content?.type === 'system') return [h('p', { class: 'system', text: content.text })];
    const parts: HTMLElement[] = [];
    const name = from?.name ?? from?.sub ?? '';
    if (!own && !continued) parts.push(avatar(from?.sub ?? '', name));
    const head = h(
      'p',
      { class: continued ? 'spoken' : 'message-head' },
      h('span', { class: 'message-author', text: own ? 'You' : name }),
    );
    const bubble = h(
      'div',
      { class: 'bubble' },
      ...this.#quote(shown),
      ...this.#content(shown, content),
    );
    const row = h('div', { class: 'bubble-row' }, bubble);
    if (message?.content) row.append(this.#moreButton());
    const marks = [...this.#reactions(message), ...this.#thread(message)];
    const body = h('div', { class: 'message-body' }, head, row, ...marks);
    body.append(this.#foot(shown));
    if (this.#open && message?.content) body.append(this.#actions(message));
    parts.push(body);
    return parts;
  }

  #quote({ quote, message }: Shown): HTMLElement[] {
    if (quote === undefined) return [];
    const to = message?.replyTo;
    return [
      h(
        'p',
        { class: 'quote', 'data-to': to },
        h('span', { class: 'spoken', text: 'In reply to: ' }),
        quote,
      ),
    ];
  }

  #content({ from }: Shown, content: Content | undefined): HTMLElement[] {
    switch (content?.type) {
      case 'text':
      case 'system':
        return [h('p', { class: 'message-text', text: content.text })];
      case 'location':
        return [location(content)];
      case 'media':
        return [mediaView(this.#context.radio.session, content, from?.name ?? 'somebody')];
      case undefined:
        return [h('p', { class: 'message-text is-gone', text: previewOf(undefined) })];
    }
  }

  #reactions(message: Message | undefined): HTMLElement[] {
    const counts = Object.entries(message?.reactions ?? {});
    if (!message || counts.length === 0) return [];
    const chips = counts.map(([reaction, count]) => {
      const mine = message.mine.includes(reaction);
      const people = `${count} ${count === 1 ? 'person' : 'people'}`;
      return h('button', {
        type: 'button',
        class: 'chip',
        'aria-pressed': String(mine),
        'aria-label': `${reactionName(reaction)}, ${people}${mine ? ', you too' : ''}`,
        text: `${reaction} ${count}`,
        on: {
          click: () => {
            if (!this.#context.radio.account.require()) return;
            void this.#context.attempt(react(this.#context.room, message, reaction));
          },
        },
      });
    });
    return [h('p', { class: 'chips' }, ...chips)];
  }

  #thread(message: Message | undefined): HTMLElement[] {
    const { openThread } = this.#context;
    if (!message || message.replies === 0 || !openThread) return [];
    const click = (): void => {
      openThread(message);
    };
    const text = repliesWords(message.replies);
    return [h('button', { type: 'button', class: 'link-button replies', text, on: { click } })];
  }

  #foot({ message, outgoing, delivery, connected }: Shown): HTMLElement {
    const at = message?.at ?? outgoing?.queuedAt ?? 0;
    const foot = h(
      'p',
      { class: 'message-foot' },
      h('time', { datetime: new Date(at).toISOString(), text: clockTime(at) }),
    );
    if (message?.editedAt !== undefined && message.content) {
      foot.append(h('span', { text: 'edited' }));
    }
    if (delivery && message?.content) foot.append(ticks(delivery));
    if (outgoing) foot.append(...this.#outgoing(outgoing, connected ?? false));
    return foot;
  }

  #outgoing({ clientId, state, error }: Outgoing, connected: boolean): HTMLElement[] {
    const { room } = this.#context;
    if (state !== 'failed') {
      const text = connected ? 'Sending…' : 'Waiting for the connection';
      return [h('span', { class: 'sending', text })];
    }
    const button = (text: string, click: () => void): HTMLElement =>
      h('button', { type: 'button', class: 'link-button', text, on: { click } });
    return [
      h('span', { class: 'failed', text: `Not sent. ${errorWords(error)}` }),
      button('Try again', () => {
        room.retry(clientId);
      }),
      button('Discard', () => {
        room.discard(clientId);
      }),
    ];
  }

  #moreButton(): HTMLElement {
    return h('button', {
      type: 'button',
      class: 'more',
      'aria-label': 'Message actions',
      'aria-expanded': String(this.#open),
      text: '⋯',
      on: {
        click: () => {
          this.#toggle(!this.#open);
        },
      },
    });
  }

  #actions(message: Message): HTMLElement {
    return messageActions(this.#context, message, () => {
      this.#toggle(false);
    });
  }

  #toggle(open: boolean): void {
    if (open && !this.#context.radio.account.require()) return;
    this.#open = open;
    if (this.#shown) this.#draw(this.#shown);
    if (!open) return;
    this.element.querySelector('.actions')?.scrollIntoView({ block: 'nearest' });
    // Whoever came by keyboard goes on from here; a pointer needs no focus there.
    if (this.element.querySelector('.more:focus-visible')) {
      this.element.querySelector<HTMLElement>('.action')?.focus();
    }
  }
}

function ticks(delivery: Delivery): HTMLElement {
  const [sign, words] = TICKS[delivery];
  const element = h(
    'span',
    { class: 'ticks', title: words },
    h('span', { 'aria-hidden': 'true', text: sign }),
    h('span', { class: 'spoken', text: words }),
  );
  element.dataset.delivery = delivery;
  return element;
}

function location(content: Content & { readonly type: 'location' }): HTMLElement {
  const { latitude, longitude, label } = content;
  const place = `${latitude.toFixed(5)}, ${longitude.toFixed(5)}`;
  const text = h('p', { class: 'message-text' });
  setText(text, label === undefined ? `📍 ${place}` : `📍 ${label} (${place})`);
  return text;
}
