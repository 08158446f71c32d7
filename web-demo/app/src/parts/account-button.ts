/** Who one is, in the header: opens what one says about oneself. */
import { ask, labelled } from './form-dialog.ts';
import { avatar, showAvatar } from './avatar.ts';
import { h, setText } from '../dom.ts';
import type { Radio } from '../radio.ts';

/** See the file's head; {@link update} it. */
export class AccountButton {
  /** A button with one's name; hidden for visitors. */
  readonly element: HTMLButtonElement;
  readonly #radio: Radio;
  readonly #face = avatar('', '');
  readonly #name = h('span', { class: 'who-name' });

  constructor(radio: Radio) {
    this.#radio = radio;
    const click = (): void => {
      this.#ask();
    };
    this.element = h(
      'button',
      { type: 'button', class: 'who', title: 'Your status', on: { click } },
      this.#face,
      this.#name,
      h('span', { class: 'spoken', text: ', your status' }),
    );
  }

  /** Shows who one is now. */
  update(): void {
    const { me, presence } = this.#radio.chat;
    this.element.hidden = me === undefined;
    if (!me) return;
    const name = me.name ?? me.sub;
    showAvatar(this.#face, me.sub, name);
    setText(this.#name, name);
    this.#face.dataset.status = presence?.own.status ?? 'online';
  }

  #ask(): void {
    const { presence } = this.#radio.chat;
    if (!presence) return;
    const status = h('select');
    for (const [value, words] of [
      ['online', 'Online'],
      ['away', 'Away'],
    ] as const) {
      const selected = presence.own.status === value;
      status.append(h('option', { value, text: words, selected }));
    }
    const text = h('input', {
      maxlength: 128,
      value: presence.own.text ?? '',
      autocomplete: 'off',
    });
    ask({
      title: 'Your status',
      lead: 'Shown to those you share a room or a conversation with, while you are here.',
      fields: [...labelled('You are', status), ...labelled('In your words', text)],
      submit: 'Save',
      run: async () => {
        const said = text.value.trim();
        await presence.set(status.value === 'away' ? 'away' : 'online', said);
        this.update();
      },
    });
  }
}
