/** A room or a conversation: messages, who writes, and where one writes oneself. */
import { Composer } from './composer.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import { MessageList } from './message-list.ts';
import { Notice } from './notice.ts';
import { ruleWords, typingWords } from './words.ts';
import { ThreadPanel } from './thread-panel.ts';
import type { ErrorObject, Message, Room } from '@skywave/client';
import type { MessageSource, TalkContext } from './context.ts';
import type { Radio } from '../../radio.ts';

/** How a panel is made. */
export interface TalkOptions {
  /** Session, chat and account. */
  readonly radio: Radio;
  /** The channel to follow. */
  readonly channel: string;
  /** Goes to another page of the site. */
  readonly go: (path: string) => void;
  /** The message to show first; the newest without it. */
  readonly at?: number;
}

/** See the file's head. Close it with the page. */
export class TalkPanel {
  /** Messages and the field, without a heading. */
  readonly element: HTMLElement;
  /** What it follows. */
  readonly room: Room;
  readonly #radio: Radio;
  readonly #list: MessageList;
  readonly #composer: Composer;
  readonly #context: TalkContext;
  readonly #main: HTMLElement;
  readonly #typing = h('p', { class: 'typing soft' });
  readonly #rules = h('p', { class: 'rules soft' });
  readonly #notice = new Notice(() => {
    this.#update();
  });
  readonly #stops: (() => void)[];
  #thread: ThreadPanel | undefined;
  #at: number | undefined;

  constructor({ radio, channel, go, at }: TalkOptions) {
    this.#radio = radio;
    this.#at = at;
    const room = radio.chat.open(channel);
    this.room = room;
    this.#context = {
      radio,
      room,
      source: roomSource(room),
      attempt: (doing, told) => this.#notice.attempt(doing, told),
      reply: (message) => {
        this.#composer.reply(message);
      },
      edit: (message) => {
        this.#composer.edit(message);
      },
      openThread: ({ seq }) => {
        this.#openThread(seq);
      },
      jump: (seq) => {
        void this.#notice.attempt(this.#jump(seq));
      },
      converse: async ({ sub }) => {
        const talk = await radio.chat.inbox?.begin([sub]);
        if (talk !== undefined) go(`/conversations/${talk.slice(talk.indexOf(':') + 1)}`);
      },
    };
    const { attempt } = this.#context;
    this.#list = new MessageList(this.#context);
    this.#composer = new Composer(radio, room, attempt);
    this.#main = h(
      'div',
      { class: 'talk-main' },
      this.#list.element,
      this.#typing,
      this.#rules,
      this.#notice.element,
      this.#composer.element,
    );
    this.element = h('div', { class: 'talk' }, this.#main);
    const update = (): void => {
      this.#update();
    };
    this.#stops = [
      room.on('messages', update),
      room.on('room', update),
      room.on('typing', ({ users }) => {
        setText(this.#typing, typingWords(users));
      }),
      radio.chat.on('user', update),
      radio.chat.on('connected', update),
    ];
    this.#update();
  }

  /** Says what went wrong with something. */
  attempt(doing: Promise<unknown>): Promise<void> {
    return this.#notice.attempt(doing);
  }

  /** Stops following. */
  close(): void {
    this.#notice.close();
    for (const stop of this.#stops) stop();
    this.#thread?.close();
    this.#list.close();
    this.#composer.close();
    this.room.close();
  }

  #update(): void {
    this.#list.update();
    this.#composer.update();
    const { phase, error, info } = this.room;
    setText(this.#rules, info ? ruleWords(info.slowModeS, info.followersOnly) : '');
    this.element.classList.toggle('is-refused', phase === 'refused');
    if (phase === 'open' && this.#at !== undefined) {
      const at = this.#at;
      this.#at = undefined;
      this.#context.jump(at);
    }
    if (phase === 'refused') {
      this.#notice.stay(refusal(this.room.channel, error));
    } else if (!this.#radio.chat.connected && this.#radio.session.status.phase !== 'connecting') {
      this.#notice.stay('No connection. What you write is sent when it is back.');
    } else this.#notice.clear();
  }

  async #jump(seq: number): Promise<void> {
    const { room } = this;
    if (!(await room.jumpTo(seq))) throw new Error('That message is not here any more.');
    const { thread } = room.get(seq) ?? {};
    if (thread === undefined) this.#list.point(seq);
    else {
      room.toEnd();
      this.#openThread(thread, seq);
    }
  }

  #openThread(head: number, at?: number): void {
    this.#closeThread();
    const close = (): void => {
      this.#closeThread();
      const opener = this.#main.querySelector<HTMLElement>(`[data-seq="${head}"] .more`);
      opener?.focus({ preventScroll: true });
    };
    this.#thread = new ThreadPanel(this.#context, head, {
      close,
      ...(at === undefined ? {} : { at }),
    });
    this.element.append(this.#thread.element);
    this.element.classList.add('has-thread');
    this.#thread.focus();
  }

  #closeThread(): void {
    this.#thread?.close();
    this.#thread?.element.remove();
    this.#thread = undefined;
    this.element.classList.remove('has-thread');
  }
}

/** What a room's own list shows: everything but the answers in threads. */
function roomSource(room: Room): MessageSource {
  const outside = ({ thread }: Pick<Message, 'thread'>): boolean => thread === undefined;
  return {
    get messages() {
      return room.messages.filter(outside);
    },
    get outgoing() {
      return room.outgoing.filter(outside);
    },
    get more() {
      return room.more;
    },
    get newer() {
      return room.newer;
    },
    loadOlder: () => room.loadOlder(),
    loadNewer: () => room.loadNewer(),
    toEnd: () => {
      room.toEnd();
    },
  };
}

function refusal(channel: string, error: ErrorObject | undefined): string {
  switch (error?.code) {
    case undefined:
      return 'This chat cannot be shown.';
    case 'unknown_room':
      return channel.startsWith('room:@')
        ? 'There is no chat here yet. It opens when the station first goes on air.'
        : errorWords(error);
    case 'not_member':
      return 'You are not in here any more.';
    default:
      return errorWords(error);
  }
}
