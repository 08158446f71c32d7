/** How the sound gets here: transport, delay, buffer and loss, with the last minute drawn. */
import { delayLabel, type Player, type PlayerStats } from '@skywave/client';
import { h, setText } from '../dom.ts';
import { HistoryGraph } from './history-graph.ts';

const TRANSPORTS = {
  webtransport: 'WebTransport (QUIC)',
  websocket: 'WebSocket (TCP)',
  http: 'HTTP, without sound',
};

const ROWS: readonly [name: string, value: (stats: PlayerStats) => string | undefined][] = [
  ['Transport', ({ transport }) => transport && TRANSPORTS[transport]],
  ['Delay, studio to ear', ({ delayMs }) => milliseconds(delayMs)],
  ['of it, audio device', ({ outputMs }) => milliseconds(outputMs)],
  ['Round trip', ({ roundTripMs }) => milliseconds(roundTripMs)],
  [
    'Buffer (aim)',
    ({ bufferMs, targetMs }) => `${Math.round(bufferMs)} (${Math.round(targetMs)}) ms`,
  ],
  ['Packets', ({ packets }) => packets.toLocaleString('en')],
  ['Lost, late', (stats) => `${stats.lost}, ${stats.late} (${lossLabel(stats)})`],
  ['Repaired', (stats) => (stats.recovered + stats.retransmitted).toLocaleString('en')],
  ['Concealed', ({ concealedMs }) => delayLabel(concealedMs)],
  [
    'Bitrate',
    ({ bitrate }) => (bitrate === undefined ? undefined : `${Math.round(bitrate / 1000)} kb/s`),
  ],
];

/** A panel that unfolds. */
export class ConnectionPanel {
  /** The `details` element. */
  readonly element: HTMLDetailsElement;
  readonly #values = ROWS.map(() => h('dd'));
  readonly #graph = new HistoryGraph();
  readonly #timer: ReturnType<typeof setInterval>;

  /** @param player gives the player whose figures are shown, while it plays this station. */
  constructor(player: () => Player | undefined) {
    const list = h('dl', { class: 'figures' });
    ROWS.forEach(([name], row) => {
      list.append(h('div', {}, h('dt', { text: name }), this.#values[row] ?? ''));
    });
    const legend = h(
      'p',
      { class: 'legend' },
      h('span', { class: 'key key-delay', text: 'Delay' }),
      h('span', { class: 'key key-buffer', text: 'Buffer' }),
      'over the last minute',
    );
    this.element = h(
      'details',
      { class: 'panel' },
      h('summary', {}, h('h2', { text: 'Connection' })),
      list,
      this.#graph.element,
      legend,
    );
    this.#timer = setInterval(() => {
      this.#update(player());
    }, 250);
    this.#update(player());
  }

  /** Stops following. */
  close(): void {
    clearInterval(this.#timer);
  }

  #update(player: Player | undefined): void {
    const stats = player?.state === 'playing' ? player.stats : undefined;
    this.#graph.add(stats?.delayMs, stats?.bufferMs);
    if (!this.element.open) return;
    ROWS.forEach(([, value], row) => {
      const element = this.#values[row];
      if (element) setText(element, (stats && value(stats)) ?? '–');
    });
  }
}

function milliseconds(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : delayLabel(ms);
}

function lossLabel({ packets, lost }: PlayerStats): string {
  const share = packets + lost === 0 ? 0 : lost / (packets + lost);
  return `${(share * 100).toFixed(share > 0 && share < 0.01 ? 2 : 1)} %`;
}
