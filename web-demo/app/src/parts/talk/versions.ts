/** What a message said before it was edited, for its author and moderators. */
import { h, setText } from '../../dom.ts';
import { show } from '../form-dialog.ts';
import { errorWords } from '../../error-words.ts';
import { longTime } from './words.ts';
import { previewOf, type Message, type Version } from '@skywave/client';
import type { TalkContext } from './context.ts';

/** Opens a dialog with it. */
export function showVersions(context: TalkContext, message: Message): void {
  const list = h('ol', { class: 'versions' });
  const told = h('p', { class: 'soft', text: 'Loading…' });
  const now = h('p', { class: 'message-text', text: saidBy(message.content) });
  show('What it said', h('h3', { text: 'Now' }), now, h('h3', { text: 'Before' }), list, told);
  context.room
    .versions(message.seq)
    .then(({ versions, more }) => {
      list.replaceChildren(...versions.map((version) => row(context, version)));
      const some = more ? 'There are older versions, too.' : '';
      setText(told, versions.length === 0 ? 'It was never changed.' : some);
    })
    .catch((error: unknown) => {
      setText(told, errorWords(error));
    });
}

function row(context: TalkContext, { content, by, at }: Version): HTMLElement {
  const name = context.radio.chat.people.name(by);
  return h(
    'li',
    {},
    h('p', { class: 'message-text', text: saidBy(content) }),
    h('p', { class: 'soft', text: `until ${longTime(at)}, changed by ${name}` }),
  );
}

function saidBy(content: Message['content']): string {
  return content?.type === 'text' ? content.text : previewOf(content);
}
