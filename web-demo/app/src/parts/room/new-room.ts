/** Makes a room of one's own. */
import { ask, checkbox, labelled } from '../form-dialog.ts';
import { channelPath } from '../../router.ts';
import { h } from '../../dom.ts';
import type { Radio } from '../../radio.ts';

/** Asks for its name and goes there. */
export function askNewRoom(radio: Radio, go: (path: string) => void): void {
  const name = h('input', { required: true, maxlength: 80, autocomplete: 'off' });
  const topic = h('input', { maxlength: 512, autocomplete: 'off' });
  const closed = checkbox('Private: only who is invited comes in');
  const transient = checkbox('Gone when the last one leaves');
  ask({
    title: 'New room',
    fields: [
      ...labelled('Name', name),
      ...labelled('What it is about', topic),
      closed.row,
      transient.row,
    ],
    submit: 'Make it',
    run: async () => {
      const room = await radio.chat.createRoom(name.value.trim(), {
        topic: topic.value.trim(),
        private: closed.box.checked,
        transient: transient.box.checked,
      });
      go(channelPath(room.channel));
    },
  });
}
