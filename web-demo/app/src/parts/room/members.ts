/** Who is in a room or a group, with what one may do about it. */
import { avatar } from '../avatar.ts';
import { button } from '../buttons.ts';
import { ask, show } from '../form-dialog.ts';
import { errorWords } from '../../error-words.ts';
import { h, setText } from '../../dom.ts';
import { PeoplePicker } from '../people-picker.ts';
import type { Member, Role, Room } from '@skywave/client';
import type { Radio } from '../../radio.ts';

const ROLES: Record<Role, string> = { owner: 'Owner', moderator: 'Moderator', member: '' };

/** Opens a dialog with them. */
export function showMembers(radio: Radio, room: Room): void {
  const panel = new Members(radio, room);
  const dialog = show(room.info?.kind === 'group' ? 'In this group' : 'Members', panel.element);
  dialog.classList.add('dialog-wide');
  dialog.addEventListener('close', () => {
    panel.close();
  });
}

class Members {
  readonly element: HTMLElement;
  readonly #radio: Radio;
  readonly #room: Room;
  readonly #list = h('ul', { class: 'member-list' });
  readonly #told = h('p', { class: 'form-error', role: 'status' });
  readonly #more: HTMLButtonElement;
  readonly #picker: PeoplePicker;
  readonly #inviting: HTMLElement;
  readonly #stop: () => void;
  #members: Member[] = [];
  #next: string | undefined;

  constructor(radio: Radio, room: Room) {
    this.#radio = radio;
    this.#room = room;
    this.#picker = new PeoplePicker(radio);
    this.#more = button('More', () => {
      void this.#attempt(this.#load(this.#next));
    });
    this.#inviting = this.#invitation();
    this.element = h('div', {}, this.#list, this.#more, this.#inviting, this.#told);
    const events = ['member_joined', 'member_changed', 'member_left'];
    this.#stop = room.on('event', ({ type }) => {
      if (events.includes(type)) void this.#attempt(this.#load());
    });
    void this.#attempt(this.#load());
  }

  close(): void {
    this.#stop();
  }

  async #load(after?: string): Promise<void> {
    const { members, next } = await this.#radio.chat.members(this.#room.channel, after);
    this.#members = after === undefined ? members : [...this.#members, ...members];
    this.#next = next;
    this.#more.hidden = next === undefined;
    this.#list.replaceChildren(...this.#members.map((member) => this.#row(member)));
    const count = this.#picker.offer(this.#members.map(({ sub }) => sub));
    this.#inviting.hidden = !this.#mayInvite() || count === 0;
  }

  #row(member: Member): HTMLElement {
    const { people, me } = this.#radio.chat;
    const name = people.name(member.sub);
    const role = ROLES[member.role];
    const actions = member.sub === me?.sub ? [] : this.#actions(member, name);
    const own = member.sub === me?.sub ? ' (you)' : '';
    return h(
      'li',
      { class: 'member' },
      avatar(member.sub, name),
      h('span', { class: 'member-name', text: `${name}${own}` }),
      ...(role === '' ? [] : [h('span', { class: 'tag', text: role })]),
      ...actions,
    );
  }

  #actions({ sub, role }: Member, name: string): HTMLElement[] {
    const room = this.#room;
    const actions: HTMLElement[] = [];
    const add = (text: string, run: () => Promise<void>): void => {
      const label = `${text}: ${name}`;
      const click = (): void => {
        void this.#attempt(run().then(() => this.#load()));
      };
      actions.push(button(text, click, { class: 'link-button', label }));
    };
    if (room.rank === 'owner') {
      if (role === 'member') add('Make moderator', () => room.setRole(sub, 'moderator'));
      if (role === 'moderator') add('Make member', () => room.setRole(sub, 'member'));
      if (role !== 'owner') actions.push(this.#handOver(sub, name));
    }
    if (room.moderates && role !== 'owner') add('Remove', () => room.kick(sub));
    return actions;
  }

  /** One cannot take it back, so it is asked once more. */
  #handOver(sub: string, name: string): HTMLElement {
    const click = (): void => {
      ask({
        title: `Hand over to ${name}?`,
        lead: `${name} becomes the owner, and you a moderator.`,
        fields: [],
        submit: 'Hand over',
        run: async () => {
          await this.#room.setRole(sub, 'owner');
          await this.#load();
        },
      });
    };
    return button('Hand over', click, { class: 'link-button', label: `Hand over: ${name}` });
  }

  /** In a private room moderators invite, elsewhere every member does. */
  #mayInvite(): boolean {
    const { info, moderates, rank } = this.#room;
    return info?.kind === 'private' ? moderates : rank !== undefined;
  }

  #invitation(): HTMLElement {
    const room = this.#room;
    const group = room.info?.kind === 'group';
    const invite = async (): Promise<void> => {
      const chosen = this.#picker.chosen;
      for (const sub of chosen) await room.invite(sub);
      await this.#load();
      if (!group && chosen.length > 0) setText(this.#told, 'Invited.');
    };
    const legend = group ? 'Add people you have met' : 'Invite people you have met';
    const run = button(group ? 'Add' : 'Invite', () => {
      void this.#attempt(invite());
    });
    const people = h('fieldset', {}, h('legend', { text: legend }), this.#picker.element);
    return h('div', { class: 'inviting', hidden: true }, people, run);
  }

  async #attempt(doing: Promise<unknown>): Promise<void> {
    setText(this.#told, '');
    try {
      await doing;
    } catch (error) {
      setText(this.#told, errorWords(error));
    }
  }
}
