/** The stations on air, without rebuilding what has not changed. */
import { h } from '../dom.ts';
import { StationCard } from './station-card.ts';
import type { Station } from '@skywave/client';
import type { Radio } from '../radio.ts';

/** See the file's head. */
export class StationList {
  /** A list. */
  readonly element = h('ul', { class: 'cards' });
  readonly #radio: Radio;
  readonly #order: string[] = [];
  readonly #cards = new Map<string, StationCard>();

  constructor(radio: Radio) {
    this.#radio = radio;
  }

  /** Shows what the directory holds now. */
  update(): void {
    const stations = this.#inOrder(this.#radio.directory.onAir());
    const ids = new Set(stations.map(({ id }) => id));
    for (const [id, card] of this.#cards) {
      if (ids.has(id)) continue;
      card.element.remove();
      this.#cards.delete(id);
    }
    stations.forEach((station, place) => {
      const { id } = station;
      let card = this.#cards.get(id);
      if (!card) {
        card = new StationCard(id, () => {
          this.#radio.toggle(id);
        });
        this.#cards.set(id, card);
      }
      card.show(station, this.#radio.isWanted(id));
      // Moving a focused card would lose the focus: only what is out of place is moved.
      const there = this.element.children.item(place);
      if (there !== card.element) this.element.insertBefore(card.element, there);
    });
  }

  /**
   * The most heard first, as it was when the list was first shown: cards that change places
   * with every listener would slip from under the finger. New stations come last.
   */
  #inOrder(stations: Station[]): Station[] {
    for (const { id } of stations) {
      if (!this.#order.includes(id)) this.#order.push(id);
    }
    return stations.sort(
      (left, right) => this.#order.indexOf(left.id) - this.#order.indexOf(right.id),
    );
  }
}
