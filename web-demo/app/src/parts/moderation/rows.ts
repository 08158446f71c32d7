/** Entries of what moderators read, with what can be done about them. */
import { button } from '../buttons.ts';
import { channelPath } from '../../router.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import { longTime } from '../talk/words.ts';
import type { AuditEntry, Report, Sanction } from '@skywave/client';
import type { Radio } from '../../radio.ts';

/** What the entries need. */
export interface ModerationContext {
  /** Session, chat and account. */
  readonly radio: Radio;
  /** The room it is about; everything without it. */
  readonly channel?: string;
  /** Something was done: what is listed is old. */
  readonly changed: () => void;
}

/** A report: settled with or without the message. */
export function reportRow(context: ModerationContext, report: Report): HTMLElement {
  const { radio } = context;
  const name = (sub: string): string => radio.chat.people.name(sub);
  const settle = (remove: boolean) => () => radio.chat.moderation.resolve(report.id, remove);
  return row(
    h(
      'p',
      {},
      h('strong', { text: name(report.author) }),
      ' wrote: ',
      h('q', { class: 'said', text: report.text === '' ? '(no text)' : report.text }),
    ),
    h('p', { text: `${name(report.by)}: ${report.reason}` }),
    foot(context, longTime(report.at), report.channel, [
      ['Keep the message', settle(false)],
      ['Delete the message', settle(true)],
    ]),
    h('a', { href: channelPath(report.channel, report.seq), text: 'See it in the room' }),
  );
}

/** A mute or a ban in force. */
export function sanctionRow(context: ModerationContext, sanction: Sanction): HTMLElement {
  const { kind, user, network, until, reason, id } = sanction;
  const whom =
    user === undefined ? (network ?? 'Some addresses') : context.radio.chat.people.name(user);
  const end = until === undefined ? 'until it is lifted' : `until ${longTime(until)}`;
  return row(
    h('p', {}, h('strong', { text: whom }), ` is ${kind === 'mute' ? 'muted' : 'banned'} ${end}`),
    ...(reason === undefined ? [] : [h('p', { text: reason })]),
    foot(context, '', undefined, [['Lift', () => context.radio.chat.moderation.lift(id)]]),
  );
}

const ACTIONS: Record<string, string> = {
  announce: 'announced',
  ban: 'banned',
  delete: 'deleted a message of',
  delete_room: 'deleted the room',
  kick: 'sent away',
  lift: 'lifted sanction',
  mute: 'muted',
  resolve_report: 'settled report',
  set_role: 'gave another role to',
  set_words: 'set blocked words, number:',
  update_room: 'changed the room',
};

/** A line of the log. */
export function auditRow(context: ModerationContext, entry: AuditEntry): HTMLElement {
  const { people } = context.radio.chat;
  const action = ACTIONS[entry.action] ?? entry.action;
  const subject = entry.action === 'update_room' ? '' : people.name(entry.subject);
  return row(
    h('p', {}, h('strong', { text: people.name(entry.by) }), ` ${action} ${subject}`),
    foot(context, longTime(entry.at), entry.channel, []),
  );
}

type Action = readonly [text: string, run: () => Promise<void>];

function foot(
  context: ModerationContext,
  time: string,
  channel: string | undefined,
  actions: readonly Action[],
): HTMLElement {
  const told = h('span', { class: 'form-error', role: 'status' });
  const buttons = actions.map(([text, run]) =>
    button(text, () => {
      run().then(context.changed, (error: unknown) => {
        setText(told, errorWords(error));
      });
    }),
  );
  // Among many rooms it matters which one.
  const where =
    context.channel === undefined && channel !== undefined
      ? [h('a', { href: channelPath(channel), text: channel })]
      : [];
  return h(
    'p',
    { class: 'log-foot' },
    h('span', { class: 'soft', text: time }),
    ...where,
    ...buttons,
    told,
  );
}

function row(...content: Node[]): HTMLElement {
  return h('article', { class: 'log-entry' }, ...content);
}
