/** What can be set of a room: its owner its name and rules, moderators its word filter. */
import { ask, checkbox, labelled } from '../form-dialog.ts';
import { button } from '../buttons.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import type { Radio } from '../../radio.ts';
import type { Room, RoomChange } from '@skywave/client';

const SLOW_MODES: readonly (readonly [seconds: number, words: string])[] = [
  [0, 'no'],
  [5, 'one message every 5 s'],
  [30, 'one message every 30 s'],
  [60, 'one message a minute'],
  [600, 'one message every 10 minutes'],
];

/** Opens a dialog with them. */
export async function askSettings(radio: Radio, room: Room): Promise<void> {
  const { info, channel } = room;
  if (!info) return;
  const words = room.moderates ? await radio.chat.moderation.words(channel) : [];
  const owns = room.rank === 'owner';
  const isConversation = info.kind === 'group';
  const name = h('input', { required: true, maxlength: 80, value: info.name, autocomplete: 'off' });
  const topic = h('input', { maxlength: 512, value: info.topic, autocomplete: 'off' });
  const slow = slowModes(info.slowModeS);
  const followers = checkbox('Only followers of the station write', info.followersOnly);
  const filter = h('textarea', { rows: 4, spellcheck: 'false' });
  filter.value = words.join('\n');
  const owned = [
    ...labelled('Name', name),
    ...labelled('What it is about', topic),
    ...(isConversation ? [] : labelled('Slow mode', slow)),
    ...(info.kind === 'station' ? [followers.row] : []),
  ];
  const dialog = ask({
    title: isConversation ? 'This group' : 'This room',
    fields: [
      ...(owns ? owned : []),
      ...labelled('Words that may not be written, one a line', filter),
      ...(owns && !isConversation && info.kind !== 'station' ? [removal(room, () => dialog)] : []),
    ],
    submit: 'Save',
    run: async () => {
      if (owns) {
        const change: RoomChange = {
          ...(name.value.trim() === info.name ? {} : { name: name.value.trim() }),
          ...(topic.value.trim() === info.topic ? {} : { topic: topic.value.trim() }),
          ...(Number(slow.value) === info.slowModeS ? {} : { slowModeS: Number(slow.value) }),
          ...(followers.box.checked === info.followersOnly
            ? {}
            : { followersOnly: followers.box.checked }),
        };
        if (Object.keys(change).length > 0) await room.update(change);
      }
      const wanted = filter.value.split('\n').map((word) => word.trim());
      const filled = wanted.filter((word) => word !== '');
      if (filled.join('\n') !== words.join('\n')) {
        await radio.chat.moderation.setWords(filled, channel);
      }
    },
  });
}

function slowModes(now: number): HTMLSelectElement {
  const select = h('select');
  const known = SLOW_MODES.some(([seconds]) => seconds === now);
  const all = known ? SLOW_MODES : [...SLOW_MODES, [now, `one message every ${now} s`] as const];
  for (const [seconds, words] of all) {
    select.append(h('option', { value: seconds, text: words, selected: seconds === now }));
  }
  return select;
}

/** Deleting takes two clicks: all that was said goes with it. */
function removal(room: Room, dialog: () => HTMLDialogElement): HTMLElement {
  let sure = false;
  const told = h('span', { class: 'form-error', role: 'status' });
  const remove = button('Delete the room', () => {
    if (!sure) {
      sure = true;
      setText(remove, 'Delete it with all messages, for good');
      return;
    }
    room.remove().then(
      () => {
        dialog().close();
      },
      (error: unknown) => {
        setText(told, errorWords(error));
      },
    );
  });
  remove.classList.add('button-danger');
  return h('p', {}, remove, told);
}
