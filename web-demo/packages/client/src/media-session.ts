/** The card that the system shows: on the lock screen, in the notification area, for media keys. */
import type { Metadata, Station } from './wire/objects.ts';
import type { PlayerState } from './player-state.ts';

/** The part of a player it steers. */
export interface Steered {
  play(): Promise<void>;
  pause(): void;
}

/** One player's hold on the page's media session; the one that played last has it. */
export class MediaSessionCard {
  static #holder: MediaSessionCard | undefined;
  readonly #player: Steered;
  #shown: { station: Station | undefined; metadata: Metadata | undefined } | undefined;

  constructor(player: Steered) {
    this.#player = player;
  }

  /** Takes the media session: media keys come here from now on. */
  activate(): void {
    if (!('mediaSession' in navigator)) return;
    MediaSessionCard.#holder = this;
    const play = (): void => {
      this.#player.play().catch(() => undefined);
    };
    const pause = (): void => {
      this.#player.pause();
    };
    navigator.mediaSession.setActionHandler('play', play);
    navigator.mediaSession.setActionHandler('pause', pause);
    navigator.mediaSession.setActionHandler('stop', pause);
    if (this.#shown) this.show(this.#shown.station, this.#shown.metadata);
  }

  /** Shows what is heard. */
  show(station: Station | undefined, metadata: Metadata | undefined): void {
    this.#shown = { station, metadata };
    if (MediaSessionCard.#holder !== this) return;
    navigator.mediaSession.metadata = new MediaMetadata({
      title: metadata?.title ?? station?.name ?? '',
      artist: metadata?.artist ?? station?.name ?? '',
      album: metadata?.album ?? station?.name ?? '',
      artwork: metadata?.artworkUrl === undefined ? [] : [{ src: metadata.artworkUrl }],
    });
  }

  /** Tells the system whether it plays. */
  tell(state: PlayerState): void {
    if (MediaSessionCard.#holder !== this) return;
    const silent = state === 'idle' || state === 'error';
    navigator.mediaSession.playbackState = silent ? 'paused' : 'playing';
  }

  /** Lets go of the media session. */
  close(): void {
    if (MediaSessionCard.#holder !== this) return;
    MediaSessionCard.#holder = undefined;
    navigator.mediaSession.metadata = null;
    navigator.mediaSession.playbackState = 'none';
    for (const action of ['play', 'pause', 'stop'] as const) {
      navigator.mediaSession.setActionHandler(action, null);
    }
  }
}
