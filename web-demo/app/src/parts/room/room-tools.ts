/** The buttons in a room's head: what one may do with the room as who one is. */
import { askSettings } from './settings.ts';
import { button, buttonLink } from '../buttons.ts';
import { h } from '../../dom.ts';
import { moderationPath, searchPath } from '../../router.ts';
import { showMembers } from './members.ts';
import type { Radio } from '../../radio.ts';
import type { Room } from '@skywave/client';

/** What the buttons lead to. */
export interface RoomToolOptions {
  /** Session, chat and account. */
  readonly radio: Radio;
  /** The room. */
  readonly room: Room;
  /** Says what went wrong. */
  readonly attempt: (doing: Promise<unknown>) => Promise<void>;
  /** Called after one has left. */
  readonly onLeft: () => void;
}

/** See the file's head; {@link update} it. */
export class RoomTools {
  /** A row of buttons. */
  readonly element = h('div', { class: 'room-tools' });
  readonly #options: RoomToolOptions;
  #signature = '';

  constructor(options: RoomToolOptions) {
    this.#options = options;
  }

  /** Shows what one may do now. */
  update(): void {
    const { radio, room } = this.#options;
    const { info, rank, moderates } = room;
    const signedIn = radio.chat.me !== undefined;
    const signature = JSON.stringify([info?.kind, info?.mine?.role, rank, signedIn]);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.element.replaceChildren(...(info && signedIn ? this.#buttons(moderates) : []));
  }

  #buttons(moderates: boolean): HTMLElement[] {
    const { radio, room, attempt, onLeft } = this.#options;
    const { info } = room;
    const buttons: HTMLElement[] = [];
    const add = (text: string, run: () => Promise<unknown>): void => {
      const click = (): void => {
        void attempt(run());
      };
      buttons.push(button(text, click));
    };
    const isStation = info?.kind === 'station';
    if (!info?.mine && !isStation) add('Join', () => room.join());
    if (!isStation && info?.kind !== 'direct') {
      add('Members', () => {
        showMembers(radio, room);
        return Promise.resolve();
      });
    }
    if (moderates) {
      add('Settings', () => askSettings(radio, room));
      buttons.push(buttonLink('Moderation', moderationPath(room.channel)));
    }
    buttons.push(buttonLink('Search', searchPath(room.channel)));
    if (info?.kind === 'direct') {
      add('Delete', async () => {
        await radio.chat.inbox?.delete(room.channel);
        onLeft();
      });
    } else if (info?.mine && !isStation) {
      add('Leave', async () => {
        await room.leave();
        onLeft();
      });
    }
    return buttons;
  }
}
