/** Where one writes: text, pictures, voice. */
import { canRecordVoice, previewOf, type Message, type Room } from '@skywave/client';
import { h, icon, setText } from '../../dom.ts';
import { UploadBar } from './upload-bar.ts';
import { VoiceButton } from './voice-button.ts';
import type { Radio } from '../../radio.ts';

const SEND = 'M3.4 20.4 21 12 3.4 3.6 3.3 10l11 2-11 2z';
const PICTURE =
  'M5 4h14a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zm0 13h14l-4.6-6.2-3.5 4.6-2.5-3zM8 10.2a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4z';
const TEXT_MAX = 4_000;
const IMAGES = 'image/png,image/jpeg,image/gif,image/webp,image/avif';
const MENTIONS_MAX = 20;

type Mode =
  { readonly type: 'new' } | { readonly type: 'reply' | 'edit'; readonly message: Message };

/** See the file's head. */
export class Composer {
  /** A form, or the way to one. */
  readonly element: HTMLElement;
  readonly #radio: Radio;
  readonly #room: Room;
  readonly #attempt: (doing: Promise<unknown>) => Promise<void>;
  readonly #field: HTMLTextAreaElement;
  readonly #form: HTMLFormElement;
  readonly #invitation: HTMLElement;
  readonly #mode = h('p', { class: 'composer-mode', hidden: true });
  readonly #uploads: UploadBar;
  readonly #thread: { thread?: number };
  readonly #voice: VoiceButton | undefined;
  #state: Mode = { type: 'new' };

  /** @param thread the message whose thread one writes in. */
  constructor(
    radio: Radio,
    room: Room,
    attempt: (doing: Promise<unknown>) => Promise<void>,
    thread?: number,
  ) {
    this.#radio = radio;
    this.#uploads = new UploadBar(radio.session);
    this.#thread = thread === undefined ? {} : { thread };
    this.#room = room;
    this.#attempt = attempt;
    this.#field = h('textarea', {
      rows: 1,
      maxlength: TEXT_MAX,
      'aria-label': thread === undefined ? 'Message' : 'Reply in the thread',
      placeholder: thread === undefined ? 'Write a message' : 'Reply in the thread',
      enterkeyhint: 'send',
      on: {
        input: () => {
          this.#grow();
          if (this.#field.value.trim() === '') room.handleInputStopped();
          else room.handleInput();
        },
        keydown: (event) => {
          this.#handleKey(event);
        },
        paste: (event) => {
          const [file] = event.clipboardData?.files ?? [];
          if (file?.type.startsWith('image/')) void attempt(this.#sendImage(file));
        },
      },
    });
    if (canRecordVoice()) {
      this.#voice = new VoiceButton((blob, ms) => attempt(this.#sendVoice(blob, ms)), attempt);
    }
    this.#form = this.#makeForm();
    this.#invitation = h(
      'p',
      { class: 'composer-invitation' },
      h('button', {
        type: 'button',
        class: 'button',
        text: 'Sign in to write',
        on: {
          click: () => {
            radio.account.require();
          },
        },
      }),
    );
    this.element = h('div', { class: 'composer' }, this.#mode, this.#form, this.#invitation);
    this.update();
  }

  /** Shows what one may do as who one is. */
  update(): void {
    const { me } = this.#radio.chat;
    this.#form.hidden = me === undefined;
    this.#invitation.hidden = me !== undefined;
    if (!me) this.#setMode({ type: 'new' });
  }

  /** Begins an answer. */
  reply(message: Message): void {
    this.#setMode({ type: 'reply', message });
  }

  /** Begins a change of one's own message. */
  edit(message: Message): void {
    if (message.content?.type !== 'text') return;
    this.#field.value = message.content.text;
    this.#setMode({ type: 'edit', message });
  }

  /** Stops what is under way. */
  close(): void {
    this.#voice?.cancel();
    this.#uploads.cancel();
    this.#room.handleInputStopped();
  }

  #makeForm(): HTMLFormElement {
    const file = h('input', {
      type: 'file',
      accept: IMAGES,
      class: 'spoken',
      tabindex: '-1',
      'aria-label': 'Picture',
      on: {
        change: () => {
          const [chosen] = file.files ?? [];
          file.value = '';
          if (chosen) void this.#attempt(this.#sendImage(chosen));
        },
      },
    });
    const picture = h(
      'button',
      {
        type: 'button',
        class: 'icon-button',
        'aria-label': 'Send a picture',
        on: {
          click: () => {
            file.click();
          },
        },
      },
      icon(PICTURE),
    );
    const send = h(
      'button',
      { type: 'submit', class: 'icon-button send', 'aria-label': 'Send' },
      icon(SEND),
    );
    const tools = [file, picture, ...(this.#voice ? [this.#voice.element] : [])];
    return h(
      'form',
      {
        on: {
          submit: (event) => {
            event.preventDefault();
            this.#submit();
          },
        },
      },
      this.#uploads.element,
      ...tools,
      this.#field,
      send,
    );
  }

  #handleKey(event: KeyboardEvent): void {
    if (event.key === 'Escape' && this.#state.type !== 'new') {
      this.#leaveMode();
      event.preventDefault();
    }
    // Enter ends a word chosen by an input method, too.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #submit(): void {
    const text = this.#field.value.trim();
    if (text === '') return;
    const state = this.#state;
    if (state.type === 'edit') void this.#attempt(this.#room.edit(state.message.seq, text));
    else {
      const options = {
        ...this.#thread,
        mentions: this.#mentions(text),
        ...(state.type === 'reply' ? { replyTo: state.message.seq } : {}),
      };
      // What is thrown here, as by a full outbox, is told like a refusal.
      void this.#attempt(Promise.resolve().then(() => this.#room.say(text, options)));
    }
    this.#leaveMode();
  }

  /** Everybody known whose name follows an `@`. */
  #mentions(text: string): string[] {
    if (!text.includes('@')) return [];
    const people = [...this.#radio.chat.people.all()];
    const named = people.filter(
      ([sub, name]) => text.includes(`@${name}`) && sub !== this.#radio.chat.me?.sub,
    );
    return named.map(([sub]) => sub).slice(0, MENTIONS_MAX);
  }

  async #sendImage(file: File): Promise<void> {
    const id = await this.#uploads.send(file, file.name);
    if (id === undefined) return;
    this.#room.send({ type: 'media', upload: id, kind: 'image' }, this.#thread);
  }

  async #sendVoice(blob: Blob, durationMs: number): Promise<void> {
    const id = await this.#uploads.send(blob, 'voice-message');
    if (id === undefined) return;
    this.#room.send({ type: 'media', upload: id, kind: 'voice', durationMs }, this.#thread);
  }

  #leaveMode(): void {
    this.#field.value = '';
    this.#room.handleInputStopped();
    this.#setMode({ type: 'new' });
  }

  #setMode(mode: Mode): void {
    this.#state = mode;
    this.#mode.hidden = mode.type === 'new';
    if (mode.type !== 'new') {
      const { from, content } = mode.message;
      const what = mode.type === 'edit' ? 'Editing' : `Reply to ${from?.name ?? from?.sub ?? ''}`;
      const text = h('span', { class: 'composer-what' });
      setText(text, `${what}: ${previewOf(content)}`);
      const cancel = h('button', {
        type: 'button',
        class: 'link-button',
        text: 'Cancel',
        on: {
          click: () => {
            this.#leaveMode();
          },
        },
      });
      this.#mode.replaceChildren(text, cancel);
      this.#field.focus();
    }
    this.#grow();
  }

  #grow(): void {
    this.#field.style.blockSize = 'auto';
    if (this.#field.value !== '') this.#field.style.blockSize = `${this.#field.scrollHeight + 2}px`;
  }
}
