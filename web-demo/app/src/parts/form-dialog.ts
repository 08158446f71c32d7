/** A dialog with a form in it. */
import { h } from '../dom.ts';

/**
 * Builds it, closed.
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
