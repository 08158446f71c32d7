/** The custom element: a player that any page can place. */
import { failure, SkywaveError } from '../errors.ts';
import { Player } from '../player.ts';
import { View } from './view.ts';
import type { Assets } from '../assets.ts';
import type { Capture } from '../audio-output.ts';
import type { Bundle, Latency, RepairBudget } from '../messages.ts';
import type { PlayerState } from '../player-state.ts';
import type { PlayerStats } from '../player-stats.ts';
import type { Session } from '../session.ts';
import type { TransportChoice } from '../transport/transport.ts';
import type { Unsubscribe } from '../emitter.ts';

/** Where this script came from: the server it plays from unless told otherwise. */
const HOME = import.meta.url.startsWith('http') ? new URL(import.meta.url).origin : '';

/** How far one press of the button goes back. */
const BACK_SECONDS = 30;

/** An event of the element's, fired after the change. */
export type SkywavePlayerEvent = 'statechange' | 'nowplaying' | 'stationchange' | 'volumechange';

/**
 * `<skywave-player station="demo" server="https://radio.example"></skywave-player>`
 *
 * Attributes, all observed: `station` (required), `server` (where the script came from by
 * default), `rendition` (`auto`), `rewind` (seconds to begin back, 0), `transport` (`auto`), `latency` (`interactive`, `live` or
 * `safe`), `repair` (`off`, `economy`, `auto` or `robust`), `bundle` (packets in a datagram, 1 to 4 or
 * `auto`; 1), `autoplay` (plays as soon as the
 * browser allows it), `muted`, `volume` (0 to 1).
 *
 * Fires `statechange`, `nowplaying`, `stationchange`, `volumechange`. Parts to style:
 * `player`, `button`, `text`, `station`, `indicator`, `title`, `status`, `delay`, `past`,
 * `back`, `live`, `volume`, `mute`, `slider`.
 */
export class SkywavePlayerElement extends HTMLElement {
  /** The attributes that are followed. */
  static readonly observedAttributes = [
    'station',
    'server',
    'rendition',
    'rewind',
    'transport',
    'latency',
    'repair',
    'bundle',
    'autoplay',
    'muted',
    'volume',
  ];

  readonly #view: View;
  #player: Player | undefined;
  #session: Session | undefined;
  #assets: Assets | undefined;
  #stops: Unsubscribe[] = [];
  #scheduled = false;
  // What the player was made with; another value needs another player.
  #madeWith = '';
  #awaitGesture: AbortController | undefined;

  constructor() {
    super();
    this.#view = new View(this.attachShadow({ mode: 'open' }), {
      onToggle: () => {
        // What went wrong shows in the player's state.
        this.#player?.toggle().catch(() => undefined);
      },
      onBack: () => {
        const player = this.#player;
        if (!player) return;
        const most = (player.station?.rewindMs ?? 0) / 1000;
        player.rewind = Math.min(Math.round(player.behindMs / 1000) + BACK_SECONDS, most);
      },
      onLive: () => {
        if (this.#player) this.#player.rewind = 0;
      },
      onMute: () => {
        if (this.#player) this.#player.muted = !this.#player.muted;
      },
      onVolume: (volume) => {
        if (!this.#player) return;
        this.#player.volume = volume;
        this.#player.muted = false;
      },
    });
    this.#view.show(undefined);
  }

  /** The player, once the element is in a document and has a station. */
  get player(): Player | undefined {
    return this.#player;
  }

  /** A session to share with others of the page, in place of one of its own. */
  get session(): Session | undefined {
    return this.#session;
  }

  set session(session: Session | undefined) {
    if (session === this.#session) return;
    this.#session = session;
    this.#closePlayer();
    this.#schedule();
  }

  /** Where worker, worklet and WebAssembly come from, if not from the script itself. */
  get assets(): Assets | undefined {
    return this.#assets;
  }

  set assets(assets: Assets | undefined) {
    this.#assets = assets;
    this.#closePlayer();
    this.#schedule();
  }

  /** The station's id, as the attribute. */
  get station(): string {
    return this.getAttribute('station') ?? '';
  }

  set station(station: string) {
    this.setAttribute('station', station);
  }

  /** The server's address, as the attribute. */
  get server(): string {
    return this.getAttribute('server') ?? HOME;
  }

  set server(server: string) {
    this.setAttribute('server', server);
  }

  /** The rendition, as the attribute. */
  get rendition(): string {
    return this.getAttribute('rendition') ?? 'auto';
  }

  set rendition(rendition: string) {
    this.setAttribute('rendition', rendition);
  }

  /** How far back to begin in seconds, as the attribute; see {@link Player.rewind}. */
  get rewind(): number {
    return Number(this.getAttribute('rewind') ?? 0);
  }

  set rewind(seconds: number) {
    this.setAttribute('rewind', String(seconds));
  }

  /** `auto`, `webtransport` or `websocket`, as the attribute. */
  get transport(): TransportChoice {
    const choice = this.getAttribute('transport');
    return choice === 'webtransport' || choice === 'websocket' ? choice : 'auto';
  }

  set transport(transport: TransportChoice) {
    this.setAttribute('transport', transport);
  }

  /** `interactive`, `live` or `safe`, as the attribute. */
  get latency(): Latency {
    const latency = this.getAttribute('latency');
    return latency === 'interactive' || latency === 'safe' ? latency : 'live';
  }

  set latency(latency: Latency) {
    this.setAttribute('latency', latency);
  }

  /** `off`, `economy`, `auto` or `robust`, as the attribute. */
  get repair(): RepairBudget {
    const repair = this.getAttribute('repair');
    return repair === 'off' || repair === 'economy' || repair === 'robust' ? repair : 'auto';
  }

  set repair(repair: RepairBudget) {
    this.setAttribute('repair', repair);
  }

  /** 1 to 4 packets in a datagram, or `auto`, as the attribute. */
  get bundle(): Bundle {
    const bundle = this.getAttribute('bundle');
    if (bundle === 'auto') return bundle;
    return ([2, 3, 4] as const).find((packets) => String(packets) === bundle) ?? 1;
  }

  set bundle(bundle: Bundle) {
    this.setAttribute('bundle', String(bundle));
  }

  /** What the player is doing. */
  get state(): PlayerState {
    return this.#player?.state ?? 'idle';
  }

  /** The player's figures. */
  get stats(): PlayerStats | undefined {
    return this.#player?.stats;
  }

  /** See {@link Player.play}. */
  async play(): Promise<void> {
    this.#apply();
    if (!this.#player) throw failure('bad_request', 'the player has no station');
    await this.#player.play();
  }

  /** See {@link Player.pause}. */
  pause(): void {
    this.#awaitGesture?.abort();
    this.#player?.pause();
  }

  /** The latest `seconds` of sound; see {@link Player.capture}. */
  capture(seconds: number): Promise<Capture> {
    return (
      this.#player?.capture(seconds) ??
      Promise.reject(failure('not_playing', 'nothing has been played yet'))
    );
  }

  /** @internal */
  connectedCallback(): void {
    this.#schedule();
  }

  /** @internal */
  disconnectedCallback(): void {
    // Moved within the document it is back before this runs, and plays on.
    queueMicrotask(() => {
      if (!this.isConnected) this.#closePlayer();
    });
  }

  /** @internal */
  attributeChangedCallback(name: string): void {
    // These are also the user's to change: only a change of theirs is followed.
    if (name === 'muted' && this.#player) this.#player.muted = this.hasAttribute('muted');
    else if (name === 'volume' && this.#player) this.#player.volume = this.#volume;
    else if (name === 'rewind' && this.#player) this.#player.rewind = this.rewind;
    else this.#schedule();
  }

  get #volume(): number {
    return Number(this.getAttribute('volume') ?? 1);
  }

  // Several attributes set in a row make one change.
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.isConnected) this.#apply();
    });
  }

  #apply(): void {
    const { station } = this;
    const made = JSON.stringify([this.server, this.transport]);
    const wanted = this.#player?.wanted ?? false;
    if (station === '' || made !== this.#madeWith) this.#closePlayer();
    if (station === '') return;
    if (!this.#player) {
      this.#makePlayer(station);
      this.#madeWith = made;
      if (wanted || this.hasAttribute('autoplay')) void this.#autoplay();
    } else {
      this.#player.stationId = station;
      this.#player.rendition = this.rendition;
      this.#player.latency = this.latency;
      this.#player.repair = this.repair;
      this.#player.bundle = this.bundle;
    }
  }

  #makePlayer(station: string): void {
    const player = new Player({
      station,
      server: this.server,
      rendition: this.rendition,
      rewind: this.rewind,
      transport: this.transport,
      latency: this.latency,
      repair: this.repair,
      bundle: this.bundle,
      volume: this.#volume,
      muted: this.hasAttribute('muted'),
      ...(this.#session === undefined ? {} : { session: this.#session }),
      ...(this.#assets === undefined ? {} : { assets: this.#assets }),
    });
    this.#player = player;
    const changed = (event: SkywavePlayerEvent) => () => {
      this.#view.show(player);
      this.dispatchEvent(new CustomEvent(event, { bubbles: true, composed: true }));
    };
    this.#stops = [
      player.on('state', changed('statechange')),
      player.on('nowplaying', changed('nowplaying')),
      player.on('station', changed('stationchange')),
      player.on('volume', changed('volumechange')),
      player.on('stats', () => {
        this.#view.showDelay(player);
      }),
    ];
    this.#view.show(player);
  }

  #closePlayer(): void {
    this.#awaitGesture?.abort();
    for (const stop of this.#stops.splice(0)) stop();
    this.#player?.close();
    this.#player = undefined;
    this.#view.show(undefined);
  }

  /** Plays now if the browser lets it, else at the first touch of the page. */
  async #autoplay(): Promise<void> {
    try {
      await this.#player?.play();
    } catch (error) {
      const blocked = error instanceof SkywaveError && error.code === 'autoplay_blocked';
      if (!blocked) return;
      const gesture = new AbortController();
      this.#awaitGesture = gesture;
      const { signal } = gesture;
      const play = (event: Event): void => {
        // Our own buttons do by themselves what they are pressed for.
        if (event.composedPath().includes(this)) return;
        gesture.abort();
        if (!this.#player?.wanted) this.#player?.play().catch(() => undefined);
      };
      document.addEventListener('pointerup', play, { signal });
      document.addEventListener('keydown', play, { signal });
    }
  }
}
