/** What moderators do to somebody, and what everybody can report. */
import { ask, labelled } from '../form-dialog.ts';
import { h } from '../../dom.ts';
import type { Author, Message } from '@skywave/client';
import type { TalkContext } from './context.ts';

const DURATIONS: readonly (readonly [seconds: number, words: string])[] = [
  [600, '10 minutes'],
  [3_600, 'an hour'],
  [86_400, 'a day'],
  [604_800, 'a week'],
  [0, 'until it is lifted'],
];

/** Asks how long somebody may not write, or not even read, and does it. */
export function sanction(context: TalkContext, kind: 'mute' | 'ban', user: Author): void {
  const { radio, room } = context;
  const name = radio.chat.people.name(user.sub);
  const duration = h('select');
  for (const [seconds, words] of DURATIONS) {
    duration.append(h('option', { value: seconds, text: words, selected: seconds === 3_600 }));
  }
  const reason = h('input', { maxlength: 512, autocomplete: 'off' });
  ask({
    title: kind === 'mute' ? `Mute ${name}?` : `Ban ${name}?`,
    lead:
      kind === 'mute'
        ? 'Whoever is muted reads here and does not write.'
        : 'Whoever is banned is sent away and neither reads nor writes here.',
    fields: [...labelled('For how long', duration), ...labelled('Why, for the log', reason)],
    submit: kind === 'mute' ? 'Mute' : 'Ban',
    run: async () => {
      const durationS = Number(duration.value);
      await radio.chat.moderation[kind]({
        channel: room.channel,
        user: user.sub,
        ...(durationS === 0 ? {} : { durationS }),
        ...(reason.value.trim() === '' ? {} : { reason: reason.value.trim() }),
      });
      void context.attempt(Promise.resolve(), `${name} is ${kind === 'mute' ? 'muted' : 'banned'}`);
    },
  });
}

/** Asks what is wrong with a message, and tells the moderators. */
export function report(context: TalkContext, message: Message): void {
  const reason = h('input', { required: true, maxlength: 512, autocomplete: 'off' });
  ask({
    title: 'Report this message?',
    lead: 'The moderators see the message, who wrote it, and who you are.',
    fields: labelled('What is wrong with it?', reason),
    submit: 'Report',
    run: async () => {
      await context.room.report(message.seq, reason.value.trim());
      void context.attempt(Promise.resolve(), 'Reported to the moderators');
    },
  });
}
