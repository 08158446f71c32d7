/** Begins a conversation with people one has met. */
import { formDialog } from './form-dialog.ts';
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';
import { PeoplePicker } from './people-picker.ts';
import type { Radio } from '../radio.ts';

/** A dialog; {@link ask} opens it. */
export class NewConversation {
  /** Put it anywhere in the page. */
  readonly element: HTMLDialogElement;
  readonly #radio: Radio;
  readonly #people: PeoplePicker;
  readonly #told = h('p', { class: 'form-error', role: 'alert' });
  readonly #name: HTMLInputElement;
  readonly #open: (channel: string) => void;

  /** @param open is called with the conversation's channel. */
  constructor(radio: Radio, open: (channel: string) => void) {
    this.#radio = radio;
    this.#people = new PeoplePicker(radio);
    this.#open = open;
    this.#name = h('input', { id: 'group-name', maxlength: 80, autocomplete: 'off' });
    const cancel = h('button', {
      type: 'button',
      class: 'button button-quiet',
      text: 'Cancel',
      on: {
        click: () => {
          this.element.close();
        },
      },
    });
    this.element = formDialog(
      'new-title',
      () => this.#begin(),
      h('h2', { id: 'new-title', text: 'New conversation' }),
      h('fieldset', {}, h('legend', { text: 'With whom?' }), this.#people.element),
      h('label', { for: 'group-name', text: 'Name of the group, for more than one' }),
      this.#name,
      this.#told,
      h(
        'p',
        { class: 'form-buttons' },
        cancel,
        h('button', { type: 'submit', class: 'button', text: 'Begin' }),
      ),
    );
  }

  /** Opens it. */
  ask(): void {
    const count = this.#people.offer();
    const nobody = 'You have met nobody yet. Say hello in the chat of a station first.';
    setText(this.#told, count === 0 ? nobody : '');
    this.#name.value = '';
    this.element.showModal();
  }

  async #begin(): Promise<void> {
    const users = this.#people.chosen;
    const name = this.#name.value.trim();
    if (users.length === 0 || (users.length > 1 && name === '')) {
      setText(this.#told, users.length === 0 ? 'Choose somebody.' : 'A group needs a name.');
      return;
    }
    try {
      const channel = await this.#radio.chat.inbox?.begin(users, name === '' ? undefined : name);
      this.element.close();
      if (channel !== undefined) this.#open(channel);
    } catch (error) {
      setText(this.#told, errorWords(error));
    }
  }
}
