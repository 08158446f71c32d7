/** A room or a conversation: messages, who writes, and where one writes oneself. */
import { Composer } from './composer.ts';
import { h, setText } from '../../dom.ts';
import { MessageList } from './message-list.ts';
import { typingWords } from './words.ts';
import type { Room } from '@skywave/client';
import type { Radio } from '../../radio.ts';
import type { TalkContext } from './context.ts';

const TOLD_MS = 6_000;

/** How a panel is made. */
export interface TalkOptions {
  /** Session, chat and account. */
  readonly radio: Radio;
  /** The channel to follow. */
  readonly channel: string;
  /** Goes to another page of the site. */
  readonly go: (path: string) => void;
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
  readonly #typing = h('p', { class: 'typing soft' });
  readonly #told = h('p', { class: 'told', role: 'status' });
  readonly #stops: (() => void)[];
  #telling: ReturnType<typeof setTimeout> | undefined;

  constructor({ radio, channel, go }: TalkOptions) {
    this.#radio = radio;
    const room = radio.chat.open(channel);
    this.room = room;
    const attempt = (doing: Promise<unknown>, told?: string) => this.#attempt(doing, told);
    const context: TalkContext = {
      radio,
      room,
      attempt,
      reply: (message) => {
        this.#composer.reply(message);
      },
      edit: (message) => {
        this.#composer.edit(message);
      },
      converse: async ({ sub }) => {
        const talk = await radio.chat.inbox?.begin([sub]);
        if (talk !== undefined) go(`/conversations/${talk.slice(talk.indexOf(':') + 1)}`);
      },
    };
    this.#list = new MessageList(context);
    this.#composer = new Composer(radio, room, attempt);
    this.element = h(
      'div',
      { class: 'talk' },
      this.#list.element,
      this.#typing,
      this.#told,
      this.#composer.element,
    );
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

  /** Stops following. */
  close(): void {
    clearTimeout(this.#telling);
    for (const stop of this.#stops) stop();
    this.#list.close();
    this.#composer.close();
    this.room.close();
  }

  #update(): void {
    this.#list.update();
    this.#composer.update();
    const { phase, error } = this.room;
    this.element.classList.toggle('is-refused', phase === 'refused');
    if (phase === 'refused') this.#tell(refusal(error?.code, error?.message), true);
    else if (!this.#radio.chat.connected && this.#radio.session.status.phase !== 'connecting') {
      this.#tell('No connection. What you write is sent when it is back.', true);
    } else if (!this.#telling) setText(this.#told, '');
  }

  async #attempt(doing: Promise<unknown>, told?: string): Promise<void> {
    try {
      await doing;
      if (told !== undefined) this.#tell(told);
    } catch (error) {
      this.#tell(error instanceof Error ? error.message : String(error));
    }
  }

  #tell(text: string, stays = false): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    setText(this.#told, text);
    if (stays) return;
    this.#telling = setTimeout(() => {
      this.#telling = undefined;
      this.#update();
    }, TOLD_MS);
  }
}

function refusal(code: string | undefined, message: string | undefined): string {
  switch (code) {
    case 'unknown_room':
      return 'There is no chat here yet. It opens when the station first goes on air.';
    case 'banned':
      return 'You may not take part here.';
    default:
      return message ?? 'This chat cannot be shown.';
  }
}
