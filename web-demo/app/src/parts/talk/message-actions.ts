/** What can be done with a message: a row of buttons below it. */
import { h } from '../../dom.ts';
import { report, sanction } from './moderate.ts';
import { roving } from '../buttons.ts';
import { showVersions } from './versions.ts';
import type { Message, Room } from '@skywave/client';
import type { TalkContext } from './context.ts';

const REACTIONS = ['👍', '❤️', '😂', '🎉', '😮', '😢'] as const;
const NAMES: Record<string, string> = {
  '👍': 'thumbs up',
  '❤️': 'heart',
  '😂': 'laughing',
  '🎉': 'celebration',
  '😮': 'surprise',
  '😢': 'sadness',
};

/** A reaction in words, for screen readers. */
export function reactionName(reaction: string): string {
  return NAMES[reaction] ?? reaction;
}

/** Builds the row. `done` is called once something was chosen. */
export function messageActions(
  context: TalkContext,
  message: Message,
  done: () => void,
): HTMLElement {
  const { room, radio } = context;
  const own = message.from?.sub === radio.chat.me?.sub;
  const buttons = REACTIONS.map((reaction) =>
    action(reaction, `React with ${reactionName(reaction)}`, () => {
      done();
      void context.attempt(react(room, message, reaction));
    }),
  );
  const words: HTMLElement[] = [];
  const say = (label: string, run: () => void): void => {
    const button = action(label, undefined, () => {
      done();
      run();
    });
    button.classList.add('action-word');
    words.push(button);
  };
  say('Reply', () => {
    context.reply(message);
  });
  if (context.openThread) {
    say('Thread', () => {
      context.openThread?.(message);
    });
  }
  if (own && message.content?.type === 'text') {
    say('Edit', () => {
      context.edit(message);
    });
  }
  if (message.editedAt !== undefined && (own || room.moderates)) {
    say('History', () => {
      showVersions(context, message);
    });
  }
  if (own || room.moderates) {
    say('Delete', () => {
      void context.attempt(room.delete(message.seq));
    });
  }
  if (!own && message.from && !room.channel.startsWith('conversation:')) {
    const { from } = message;
    say('Message', () => {
      void context.attempt(context.converse(from));
    });
  }
  if (!own && message.from) {
    say('Report', () => {
      report(context, message);
    });
  }
  if (!own && message.from && room.moderates && room.info?.kind !== 'direct') {
    const { from } = message;
    say('Mute', () => {
      sanction(context, 'mute', from);
    });
    say('Ban', () => {
      sanction(context, 'ban', from);
    });
  }
  const row = h(
    'div',
    { class: 'actions', role: 'toolbar', 'aria-label': 'Actions' },
    ...buttons,
    ...words,
  );
  roving(row, done);
  return row;
}

/** Gives a reaction, or takes it back when it is one's own. */
export function react(room: Room, message: Message, reaction: string): Promise<void> {
  return room.react(message.seq, reaction, !message.mine.includes(reaction));
}

function action(text: string, label: string | undefined, run: () => void): HTMLButtonElement {
  return h('button', {
    type: 'button',
    class: 'action',
    text,
    'aria-label': label,
    on: { click: run },
  });
}
