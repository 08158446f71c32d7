/** What moderators look after: reports, sanctions, the log; for administrators of everything. */
import { announcement } from '../parts/moderation/announcement.ts';
import { channelPath } from '../router.ts';
import { channelTarget } from '@skywave/client';
import { h, setText } from '../dom.ts';
import { LogList } from '../parts/moderation/log-list.ts';
import { auditRow, reportRow, sanctionRow } from '../parts/moderation/rows.ts';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

/** Builds it, for one room or, without a channel, for everything. */
export function moderationView(radio: Radio, channel: string | undefined): View {
  const { moderation } = radio.chat;
  const context = {
    radio,
    ...(channel === undefined ? {} : { channel }),
    changed: () => {
      for (const list of lists) void list.load();
    },
  };
  const reports = new LogList(
    { title: 'Reports', none: 'Nobody has complained.' },
    (before) => moderation.reports(channel, before),
    (report) => reportRow(context, report),
  );
  const sanctions = new LogList(
    { title: 'Muted and banned', none: 'Nobody is muted or banned.' },
    (before) => moderation.sanctions(channel, before),
    (sanction) => sanctionRow(context, sanction),
  );
  const audit = new LogList(
    { title: 'Log', none: 'Nothing was done yet.' },
    (before) => moderation.audit(channel, before),
    (entry) => auditRow(context, entry),
  );
  const lists = [reports, sanctions, audit];
  const place = h('p', { class: 'soft' });
  const show = (): void => {
    if (channel === undefined) setText(place, 'Of all rooms; for administrators.');
    else {
      const { kind, id } = channelTarget(channel);
      const words = kind === 'station' ? `The chat of ${id}` : 'Back to the room';
      place.replaceChildren(h('a', { href: channelPath(channel), text: words }));
    }
    for (const list of lists) void list.load();
  };
  const stops = [radio.chat.on('user', show), radio.chat.on('connected', show)];
  show();
  return {
    element: h(
      'div',
      { class: 'page narrow moderation' },
      h('header', { class: 'side-head' }, h('h1', { text: 'Moderation' })),
      place,
      ...(channel === undefined ? [announcement(radio)] : []),
      ...lists.map(({ element }) => element),
    ),
    title: 'Moderation · Skywave',
    close: () => {
      for (const stop of stops) stop();
    },
  };
}
