/** A station's page. */
import { ConnectionPanel } from '../parts/connection-panel.ts';
import { embedPanel } from '../parts/embed-panel.ts';
import { followPlayer } from '../parts/play-follower.ts';
import { h, setText } from '../dom.ts';
import { InteractionBar } from '../parts/interaction-bar.ts';
import { QualityChoice } from '../parts/quality-choice.ts';
import { Sea } from '../parts/sea.ts';
import { showState, stateBadge } from '../parts/station-state.ts';
import { StationChat } from '../parts/station-chat.ts';
import { stationHue } from '../parts/station-colors.ts';
import { SunButton } from '../parts/sun-button.ts';
import { listenersLabel, type Metadata, type Station } from '@skywave/client';
import type { Radio } from '../radio.ts';
import type { View } from './view.ts';

/** Builds it for any id: a station that is not on air yet may come. */
export function stationView(
  radio: Radio,
  id: string,
  at: number | undefined,
  go: (path: string) => void,
): View {
  radio.offer(id);
  const sea = new Sea();
  const sun = new SunButton(() => {
    radio.toggle(id);
  });
  const head = new StationHead();
  const quality = new QualityChoice((rendition) => {
    radio.dock.rendition = rendition;
  });
  const connection = new ConnectionPanel(() => (radio.isWanted(id) ? radio.player : undefined));
  const hero = h(
    'section',
    { class: 'sky sky-tall', 'aria-label': 'Station' },
    head.element,
    h('div', { class: 'sky-sun' }, sun.element),
    sea.element,
  );
  hero.style.setProperty('--hue', String(stationHue(id)));
  const chat = new StationChat(radio, id, at, go);
  const interactions = new InteractionBar(radio, id, chat.room);
  const panels = h('div', { class: 'panels' }, quality.element, connection.element, embedPanel(id));

  const update = (): void => {
    const wanted = radio.isWanted(id);
    const offered = radio.dock.station === id ? radio.player : undefined;
    const station = offered?.station ?? radio.directory.get(id);
    const name = station?.name ?? id;
    document.title = `${name} · Skywave`;
    sun.show({ name, wanted, state: wanted ? radio.dock.state : 'idle' });
    sea.follow(wanted ? radio.player?.audioNode : undefined);
    head.show(id, station, wanted ? radio.player?.nowPlaying : station?.metadata);
    quality.show(station?.renditions ?? [], radio.dock.rendition);
  };
  const stops = [followPlayer(radio, update), radio.session.on('status', update)];
  return {
    element: h(
      'div',
      { class: 'page station' },
      h('div', { class: 'station-top' }, hero, interactions.element),
      chat.element,
      panels,
    ),
    title: `${radio.directory.get(id)?.name ?? id} · Skywave`,
    close: () => {
      for (const stop of stops) stop();
      connection.close();
      interactions.close();
      chat.close();
      sea.close();
    },
  };
}

/** What a station says about itself. */
class StationHead {
  readonly #badge = stateBadge();
  readonly #listeners = h('span', { class: 'sky-listeners' });
  readonly #name = h('h1');
  readonly #description = h('p', { class: 'sky-lead' });
  readonly #title = h('p', { class: 'now-title' });
  readonly #artist = h('p', { class: 'now-artist' });
  readonly element = h(
    'div',
    { class: 'sky-text' },
    h('p', { class: 'sky-state' }, this.#badge, this.#listeners),
    this.#name,
    this.#description,
    h('div', { class: 'now' }, this.#title, this.#artist),
  );

  show(id: string, station: Station | undefined, metadata: Metadata | undefined): void {
    const state = station?.state ?? 'offline';
    showState(this.#badge, state);
    setText(this.#name, station?.name ?? id);
    setText(this.#listeners, state === 'offline' ? '' : counts(station));
    const absent = 'Not on air. Press play and it starts by itself when the station does.';
    setText(this.#description, state === 'offline' ? absent : (station?.description ?? ''));
    setText(this.#title, state === 'offline' ? '' : (metadata?.title ?? ''));
    const { artist, album } = metadata ?? {};
    const by = [artist, album].filter((part) => part !== undefined && part !== '').join(' · ');
    setText(this.#artist, state === 'offline' ? '' : by);
  }
}

function counts(station: Station | undefined): string {
  const { listeners = 0, listenersPeak = 0 } = station ?? {};
  const now = listenersLabel(listeners);
  return listenersPeak > listeners ? `${now}, ${listenersPeak} at most` : now;
}
