/** A room's page: its chat, who is in it, and what one may do. */
import { avatar, showAvatar } from '../parts/avatar.ts';
import { button } from '../parts/buttons.ts';
import { h, setText } from '../dom.ts';
import { Notice } from '../parts/talk/notice.ts';
import { RoomTools } from '../parts/room/room-tools.ts';
import { stationHue } from '../parts/station-colors.ts';
import { TalkPanel } from '../parts/talk/talk-panel.ts';
import type { Notification, RoomInfo } from '@skywave/client';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

type Invitation = Notification & { readonly kind: 'invitation' };

/** Builds it. */
export function roomView(
  radio: Radio,
  channel: string,
  at: number | undefined,
  go: (path: string) => void,
): View {
  const panel = new TalkPanel({ radio, channel, go, ...(at === undefined ? {} : { at }) });
  const { room } = panel;
  const tools = new RoomTools({
    radio,
    room,
    attempt: (doing) => panel.attempt(doing),
    onLeft: () => {
      go('/rooms');
    },
  });
  const face = avatar(channel, '');
  const title = h('h1', { id: 'room-title' });
  const about = h('p', { class: 'talk-people' });
  const invited = invitation(radio, room.join.bind(room), async () => {
    await room.decline();
    go('/rooms');
  });
  const card = h(
    'section',
    { class: 'talk-card', 'aria-labelledby': 'room-title' },
    h(
      'header',
      { class: 'talk-head' },
      h('a', { class: 'back back-always', href: '/rooms', 'aria-label': 'All rooms', text: '‹' }),
      face,
      h('div', { class: 'talk-names' }, title, about),
      tools.element,
    ),
    invited.element,
    panel.element,
  );
  card.style.setProperty('--hue', String(stationHue(channel)));
  const element = h('div', { class: 'page room-page' }, card);

  const update = (): void => {
    const { info, online, phase } = room;
    tools.update();
    const asked = phase === 'refused' ? findInvitation(radio, channel) : undefined;
    invited.show(asked);
    panel.element.hidden = asked !== undefined;
    const name = info?.name ?? asked?.name ?? 'Room';
    setText(title, name);
    showAvatar(face, channel, name);
    setText(about, info ? aboutWords(info, online) : '');
    document.title = `${name} · Skywave`;
  };
  const stops = [
    room.on('room', update),
    radio.chat.on('user', () => {
      update();
      follow();
    }),
  ];
  const follow = (): void => {
    const { inbox } = radio.chat;
    if (inbox) stops.push(inbox.on('notifications', update));
  };
  follow();
  update();
  return {
    element,
    title: 'Room · Skywave',
    close: () => {
      for (const stop of stops) stop();
      panel.close();
    },
  };
}

function aboutWords({ topic, members, kind }: RoomInfo, online: number | undefined): string {
  const count = `${members.toLocaleString('en')} ${members === 1 ? 'member' : 'members'}`;
  const here = online === undefined ? [] : [`${online.toLocaleString('en')} here`];
  const closed = kind === 'private' ? ['private'] : [];
  const said = topic === '' ? [] : [topic];
  return [...said, count, ...here, ...closed].join(' · ');
}

function findInvitation(radio: Radio, channel: string): Invitation | undefined {
  const all = radio.chat.inbox?.notifications ?? [];
  return all.find(
    (told): told is Invitation => told.kind === 'invitation' && told.channel === channel,
  );
}

/** Asks whoever is invited whether they come. */
function invitation(radio: Radio, accept: () => Promise<void>, decline: () => Promise<void>) {
  const words = h('p', {});
  const notice = new Notice(() => {
    notice.clear();
  });
  let shown: Invitation | undefined;
  const answer = (run: () => Promise<void>) => (): void => {
    const seqs = shown ? [shown.seq] : [];
    const done = run().then(() => radio.chat.inbox?.markRead({ seqs }));
    void notice.attempt(done);
  };
  const element = h(
    'div',
    { class: 'invitation', hidden: true },
    words,
    h(
      'p',
      { class: 'form-buttons' },
      button('Decline', answer(decline), { class: 'button button-quiet' }),
      button('Accept', answer(accept), { class: 'button' }),
    ),
    notice.element,
  );
  return {
    element,
    show: (asked: Invitation | undefined): void => {
      shown = asked;
      element.hidden = asked === undefined;
      if (!asked) return;
      const name = asked.from.name ?? asked.from.sub;
      setText(words, `${name} invites you to ${asked.name}.`);
    },
  };
}
