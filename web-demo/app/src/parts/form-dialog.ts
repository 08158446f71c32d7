/** Dialogs: with a form in them, or to look something up. */
import { button } from './buttons.ts';
import { errorWords } from '../error-words.ts';
import { h, setText } from '../dom.ts';

/**
 * Builds one with a form, closed.
 *
 * @param title the id of the heading among `content`.
 * @param submit is called instead of closing it; close it when that went well.
 */
export function formDialog(
  title: string,
  submit: () => Promise<void>,
  ...content: Node[]
): HTMLDialogElement {
  const form = h(
    'form',
    {
      method: 'dialog',
      on: {
        submit: (event) => {
          event.preventDefault();
          void submit();
        },
      },
    },
    ...content,
  );
  return h('dialog', { class: 'dialog', 'aria-labelledby': title }, form);
}

/** What a dialog asks for. */
export interface Question {
  /** Its heading. */
  readonly title: string;
  /** What stands above the fields. */
  readonly lead?: string;
  /** Labels and fields. */
  readonly fields: readonly Node[];
  /** The word on the button. */
  readonly submit: string;
  /** Does it; what it throws is shown, else the dialog closes. */
  readonly run: () => Promise<unknown>;
}

let made = 0;

/** Asks, at once. The dialog is gone when it is closed. */
export function ask({ title, lead, fields, submit, run }: Question): HTMLDialogElement {
  const id = `dialog-${++made}`;
  const told = h('p', { class: 'form-error', role: 'alert' });
  const go = h('button', { type: 'submit', class: 'button', text: submit });
  const cancel = button(
    'Cancel',
    () => {
      dialog.close();
    },
    { class: 'button button-quiet' },
  );
  const dialog = formDialog(
    id,
    async () => {
      go.disabled = true;
      try {
        await run();
        dialog.close();
      } catch (error) {
        setText(told, errorWords(error));
      } finally {
        go.disabled = false;
      }
    },
    h('h2', { id, text: title }),
    ...(lead === undefined ? [] : [h('p', { class: 'soft', text: lead })]),
    ...fields,
    told,
    h('p', { class: 'form-buttons' }, cancel, go),
  );
  return open(dialog);
}

/** Shows something in a dialog of its own. */
export function show(title: string, ...content: Node[]): HTMLDialogElement {
  const id = `dialog-${++made}`;
  const close = button(
    'Close',
    () => {
      dialog.close();
    },
    { class: 'button' },
  );
  const body = h(
    'div',
    { class: 'dialog-body' },
    h('h2', { id, text: title }),
    ...content,
    h('p', { class: 'form-buttons' }, close),
  );
  const dialog = h('dialog', { class: 'dialog', 'aria-labelledby': id }, body);
  return open(dialog);
}

/** A label with its field below. */
export function labelled(text: string, field: HTMLElement): Node[] {
  field.id = `field-${++made}`;
  return [h('label', { for: field.id, text }), field];
}

/** A box to tick, with its label. */
export function checkbox(text: string, checked = false): { box: HTMLInputElement; row: Node } {
  const box = h('input', { type: 'checkbox', checked });
  return { box, row: h('label', { class: 'person' }, box, text) };
}

function open(dialog: HTMLDialogElement): HTMLDialogElement {
  dialog.addEventListener('close', () => {
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
