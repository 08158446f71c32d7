/** Asks for a name to be known by. */
import { formDialog } from './form-dialog.ts';
import { h, setText } from '../dom.ts';
import type { Account } from '../account.ts';

/** A dialog; {@link ask} opens it. */
export class SignInDialog {
  /** Put it anywhere in the page. */
  readonly element: HTMLDialogElement;
  readonly #account: Account;
  readonly #name: HTMLInputElement;
  readonly #told = h('p', { class: 'form-error', role: 'alert' });
  readonly #submit = h('button', { type: 'submit', class: 'button', text: 'Sign in' });

  constructor(account: Account) {
    this.#account = account;
    this.#name = h('input', {
      id: 'guest-name',
      name: 'name',
      required: true,
      maxlength: 40,
      autocomplete: 'nickname',
    });
    this.element = formDialog(
      'sign-in-title',
      () => this.#signIn(),
      h('h2', { id: 'sign-in-title', text: 'What shall we call you?' }),
      h('p', { class: 'soft', text: 'Others see this name beside what you write.' }),
      h('label', { for: 'guest-name', text: 'Name' }),
      this.#name,
      this.#told,
      h(
        'p',
        { class: 'form-buttons' },
        h('button', {
          type: 'button',
          class: 'button button-quiet',
          text: 'Not now',
          on: {
            click: () => {
              this.element.close();
            },
          },
        }),
        this.#submit,
      ),
    );
  }

  /** Opens it. */
  readonly ask = (): void => {
    setText(this.#told, '');
    this.#name.value = this.#account.name;
    this.element.showModal();
    this.#name.select();
  };

  async #signIn(): Promise<void> {
    const name = this.#name.value.trim();
    if (name === '') return;
    this.#submit.disabled = true;
    try {
      await this.#account.signIn(name);
      this.element.close();
    } catch (error) {
      setText(this.#told, error instanceof Error ? error.message : 'That did not work.');
    } finally {
      this.#submit.disabled = false;
    }
  }
}
