/** Asks for a name to be known by. */
import { button } from './buttons.ts';
import { formDialog, labelled } from './form-dialog.ts';
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';
import type { Account } from '../account.ts';

/** A dialog; {@link ask} opens it. */
export class SignInDialog {
  /** Put it anywhere in the page. */
  readonly element: HTMLDialogElement;
  readonly #account: Account;
  readonly #name: HTMLInputElement;
  readonly #token = h('input', { type: 'password', autocomplete: 'off', spellcheck: 'false' });
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
      h(
        'details',
        { class: 'token-way' },
        h('summary', { text: 'I have a token' }),
        ...labelled('Token', this.#token),
        button('Sign in with the token', () => {
          this.#useToken();
        }),
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

  /** Publishers, moderators and administrators have theirs from whoever runs the server. */
  #useToken(): void {
    const token = this.#token.value.trim();
    if (token === '') return;
    this.#token.value = '';
    this.#account.signInWith(token);
    this.element.close();
  }

  async #signIn(): Promise<void> {
    const name = this.#name.value.trim();
    if (name === '') return;
    this.#submit.disabled = true;
    try {
      await this.#account.signIn(name);
      this.element.close();
    } catch (error) {
      setText(this.#told, errorWords(error));
    } finally {
      this.#submit.disabled = false;
    }
  }
}
