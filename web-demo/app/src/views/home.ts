/** The home page: the stations on air, the most heard one first. */
import { followPlayer } from '../parts/play-follower.ts';
import { h, setText } from '../dom.ts';
import { Sea } from '../parts/sea.ts';
import { stationHue } from '../parts/station-colors.ts';
import { StationList } from '../parts/station-list.ts';
import { stationPath } from '../router.ts';
import { SunButton } from '../parts/sun-button.ts';
import { nowPlayingLabel, type Station } from '@skywave/client';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

/** Builds it. `announce` speaks to screen readers. */
export function homeView(radio: Radio, announce: (text: string) => void): View {
  const list = new StationList(radio);
  const sea = new Sea();
  let featured: Station | undefined;
  const sun = new SunButton(() => {
    if (featured) radio.toggle(featured.id);
  });
  const link = h('a', { class: 'sky-link', href: '/' });
  const playing = h('p', { class: 'sky-playing' });
  const invitation = h('div', { class: 'sky-station' }, link, playing);
  const hero = h(
    'section',
    { class: 'sky', 'aria-label': 'Now on air' },
    h(
      'div',
      { class: 'sky-text' },
      h('h1', { text: 'Live radio, as\u00a0it\u00a0happens' }),
      h('p', {
        class: 'sky-lead',
        text: 'What is said in the studio now, you hear now: a fraction of a second later, anywhere.',
      }),
      invitation,
    ),
    h('div', { class: 'sky-sun' }, sun.element),
    sea.element,
  );
  const empty = emptyNotice();
  const element = h(
    'div',
    { class: 'page' },
    hero,
    h(
      'section',
      { class: 'on-air', 'aria-labelledby': 'on-air' },
      h('h2', { id: 'on-air', text: 'On air' }),
      list.element,
      empty,
    ),
  );

  const update = (): void => {
    const stations = radio.directory.onAir();
    list.update();
    empty.hidden = stations.length > 0 || radio.session.status.phase !== 'connected';
    // What plays stays in the sky; else the station that most people hear.
    featured = stations.find(({ id }) => radio.isWanted(id)) ?? stations[0];
    hero.classList.toggle('is-empty', featured === undefined);
    if (!featured) return;
    const { id, name, metadata } = featured;
    const wanted = radio.isWanted(id);
    sun.show({ name, wanted, state: wanted ? radio.dock.state : 'idle' });
    sea.follow(wanted ? radio.player?.audioNode : undefined);
    hero.style.setProperty('--hue', String(stationHue(id)));
    link.href = stationPath(id);
    setText(link, name);
    setText(playing, nowPlayingLabel(wanted ? radio.player?.nowPlaying : metadata));
  };
  const stops = [
    followPlayer(radio, update),
    radio.session.on('status', update),
    radio.session.on('stations', ({ change }) => {
      if (change.type === 'started') announce(`${change.station.name} is on air`);
      if (change.type === 'stopped') announce(`${change.station.name} went off air`);
    }),
  ];
  return {
    element,
    title: 'Skywave · Live radio, as it happens',
    close: () => {
      for (const stop of stops) stop();
      sea.close();
    },
  };
}

function emptyNotice(): HTMLElement {
  return h(
    'div',
    { class: 'empty', hidden: true },
    h('p', { text: 'Nobody is on air right now. Stations appear here the moment they start.' }),
    h('p', { text: 'To be the first:' }),
    h(
      'pre',
      {},
      h('code', { text: `skywave publish --server ${location.origin} --station demo …` }),
    ),
  );
}
