/** The answers to one message, beside or above the room they are in. */
import { Composer } from './composer.ts';
import { h } from '../../dom.ts';
import { MessageList } from './message-list.ts';
import { Notice } from './notice.ts';
import type { MessageSource, TalkContext } from './context.ts';
import type { Thread } from '@skywave/client';

/** See the file's head. */
export class ThreadPanel {
  /** A section with a heading. */
  readonly element: HTMLElement;
  readonly #thread: Thread;
  readonly #list: MessageList;
  readonly #composer: Composer;
  readonly #heading = h('h2', { tabindex: '-1', text: 'Thread' });
  readonly #notice = new Notice(() => {
    this.#notice.clear();
  });
  #at: number | undefined;

  /**
   * @param around the room it is in.
   * @param head the message it is about.
   * @param how `close` is called to leave it; `at` is the answer to point at.
   */
  constructor(around: TalkContext, head: number, how: { close: () => void; at?: number }) {
    this.#at = how.at;
    const { radio, room } = around;
    this.#thread = room.thread(head, () => {
      this.#update();
    });
    const context: TalkContext = {
      radio,
      room,
      jump: around.jump,
      converse: around.converse,
      source: threadSource(this.#thread),
      thread: head,
      attempt: (doing, told) => this.#notice.attempt(doing, told),
      reply: (message) => {
        this.#composer.reply(message);
      },
      edit: (message) => {
        this.#composer.edit(message);
      },
    };
    this.#list = new MessageList(context);
    this.#composer = new Composer(radio, room, context.attempt, head);
    const close = h('button', {
      type: 'button',
      class: 'icon-button',
      'aria-label': 'Close the thread',
      text: '×',
      on: { click: how.close },
    });
    this.element = h(
      'section',
      {
        class: 'thread-panel',
        'aria-label': 'Thread',
        on: {
          keydown: (event) => {
            if (event.key === 'Escape' && !event.defaultPrevented) how.close();
          },
        },
      },
      h('header', { class: 'thread-head' }, this.#heading, close),
      this.#list.element,
      this.#notice.element,
      this.#composer.element,
    );
    this.#update();
  }

  /** Puts the focus where it can be read on. */
  focus(): void {
    this.#heading.focus({ preventScroll: true });
  }

  /** Stops following. */
  close(): void {
    this.#notice.close();
    this.#thread.close();
    this.#list.close();
    this.#composer.close();
  }

  #update(): void {
    this.#list.update();
    this.#composer.update();
    if (this.#at !== undefined && this.#list.point(this.#at)) this.#at = undefined;
  }
}

function threadSource(thread: Thread): MessageSource {
  return {
    get messages() {
      return thread.messages;
    },
    get outgoing() {
      return thread.outgoing;
    },
    get more() {
      return thread.more;
    },
    newer: false,
    loadOlder: () => thread.loadOlder(),
    loadNewer: () => Promise.resolve(),
    toEnd: () => undefined,
  };
}
