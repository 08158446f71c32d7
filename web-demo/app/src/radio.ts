/** What all pages share: the session, the stations on air and the one player. */
import { connect, createChat } from '@skywave/client';
import type { Chat, Directory, Player, Session } from '@skywave/client';
import '@skywave/client/define';
import worker from '../../packages/client/src/session/worker.ts?scriptfile';
import worklet from '../../packages/client/src/worklet/processor.ts?scriptfile';
import { Account } from './account.ts';
import { DevicePush } from './device-push.ts';
import { h } from './dom.ts';
import { keep, recall } from './memory.ts';

// Files of the site's own origin: so it runs under a policy that forbids `blob:`.
const assets = worker === undefined || worklet === undefined ? {} : { worker, worklet };

const VOLUME = 'skywave.volume';

/** See the file's head. One for the page's life. */
export class Radio {
  /** Who one is. */
  readonly account = new Account();
  /** The session of everything on the page. */
  readonly session: Session = connect({
    assets,
    refreshToken: this.account.refresh,
    ...(this.account.token === undefined ? {} : { token: this.account.token }),
  });
  /** Rooms, conversations and people. */
  readonly chat: Chat = createChat(this.session);
  /** Being told while no page is open. */
  readonly push = new DevicePush(this.chat);
  /** The stations on air. */
  readonly directory: Directory = this.session.stations();
  /** The player at the foot of every page. */
  readonly dock = h('skywave-player', { volume: recall(VOLUME) });
  /** What holds it; hidden until a station was chosen. */
  readonly foot = h('section', { class: 'dock', 'aria-label': 'Player', hidden: true }, this.dock);

  constructor() {
    this.dock.assets = assets;
    this.dock.session = this.session;
    this.dock.addEventListener('volumechange', () => {
      keep(VOLUME, String(this.player?.volume ?? 1));
    });
  }

  /** The player, once a station was chosen. */
  get player(): Player | undefined {
    return this.dock.player;
  }

  /** Whether this station is the one that plays or is about to. */
  isWanted(id: string): boolean {
    return this.dock.station === id && (this.player?.wanted ?? false);
  }

  /** Puts a station into the player without playing it, unless another plays. */
  offer(id: string): void {
    if (this.player?.wanted) return;
    this.#choose(id);
  }

  /** Plays a station, or pauses it when it plays. What goes wrong shows in the player. */
  toggle(id: string): void {
    if (this.isWanted(id)) {
      this.dock.pause();
      return;
    }
    this.#choose(id);
    this.dock.play().catch(() => undefined);
  }

  #choose(id: string): void {
    this.dock.station = id;
    this.foot.hidden = false;
  }
}
