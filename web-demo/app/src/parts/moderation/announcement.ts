/** Tells everybody something, or a station's listeners; for administrators. */
import { labelled } from '../form-dialog.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import type { Radio } from '../../radio.ts';

/** Builds the form. */
export function announcement(radio: Radio): HTMLElement {
  const text = h('input', { required: true, maxlength: 512, autocomplete: 'off' });
  const station = h('input', { maxlength: 64, autocomplete: 'off', spellcheck: 'false' });
  const told = h('p', { class: 'soft', role: 'status' });
  const send = async (): Promise<void> => {
    try {
      const to = station.value.trim();
      await radio.chat.moderation.announce(text.value.trim(), to === '' ? undefined : to);
      text.value = '';
      setText(told, 'Announced.');
    } catch (error) {
      setText(told, errorWords(error));
    }
  };
  return h(
    'section',
    {},
    h('h2', { text: 'Announce' }),
    h(
      'form',
      {
        class: 'plain-form',
        on: {
          submit: (event) => {
            event.preventDefault();
            void send();
          },
        },
      },
      ...labelled('What', text),
      ...labelled('To the followers and the room of a station; to everybody when empty', station),
      h('p', {}, h('button', { type: 'submit', class: 'button button-small', text: 'Announce' })),
    ),
    told,
  );
}
