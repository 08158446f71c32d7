/** Chooses among people one has met. */
import { h } from '../dom.ts';
import type { Radio } from '../radio.ts';

/** See the file's head. */
export class PeoplePicker {
  /** Boxes to tick. */
  readonly element = h('div', { class: 'people' });
  readonly #radio: Radio;

  constructor(radio: Radio) {
    this.#radio = radio;
  }

  /** Whom one chose. */
  get chosen(): string[] {
    const boxes = [...this.element.querySelectorAll<HTMLInputElement>('input:checked')];
    return boxes.map(({ value }) => value);
  }

  /** Offers everybody but oneself and those left out; tells how many that are. */
  offer(without: readonly string[] = []): number {
    const { people, me } = this.#radio.chat;
    const others = [...people.all()].filter(([sub]) => sub !== me?.sub && !without.includes(sub));
    others.sort(([, left], [, right]) => left.localeCompare(right));
    this.element.replaceChildren(
      ...others.map(([sub, name]) =>
        h('label', { class: 'person' }, h('input', { type: 'checkbox', value: sub }), name),
      ),
    );
    return others.length;
  }
}
