/** The stations on air, kept up to date from the `stations` channel. */
import { isRecord, type Json } from './wire/json.ts';
import { parseListeners, parseStation, parseStations, type Station } from './wire/objects.ts';
import type { Push } from './wire/control.ts';

/** What changed, for who wants to say so. */
export type DirectoryChange =
  | { readonly type: 'state' }
  | {
      readonly type: 'started' | 'interrupted' | 'resumed' | 'stopped' | 'updated';
      readonly station: Station;
    }
  | { readonly type: 'counts' };

/** Live and interrupted stations by id. Stations that stopped are kept, as offline. */
export class Directory {
  #stations = new Map<string, Station>();

  /** The stations on air, most listeners first, then by name. */
  onAir(): Station[] {
    return [...this.#stations.values()]
      .filter((station) => station.state !== 'offline')
      .sort(
        (left, right) => right.listeners - left.listeners || left.name.localeCompare(right.name),
      );
  }

  /** One station, also when it went off air since this directory began. */
  get(id: string): Station | undefined {
    return this.#stations.get(id);
  }

  /** Takes the whole state. */
  handleState(state: Json): DirectoryChange {
    const stations = new Map<string, Station>();
    for (const station of this.#stations.values()) stations.set(station.id, offAir(station));
    if (isRecord(state)) {
      for (const station of parseStations(state)) stations.set(station.id, station);
    }
    this.#stations = stations;
    return { type: 'state' };
  }

  /** Takes a push of the channel; `undefined` when it changes nothing. */
  handlePush({ type, data }: Push): DirectoryChange | undefined {
    switch (type) {
      case 'started':
      case 'interrupted':
      case 'resumed':
      case 'stopped':
      case 'updated': {
        const station = parseStation(data);
        if (!station) return undefined;
        this.#stations.set(station.id, type === 'stopped' ? offAir(station) : station);
        return { type, station };
      }
      case 'counts':
        return this.#count(data) ? { type: 'counts' } : undefined;
      default:
        return undefined;
    }
  }

  #count(data: Push['data']): boolean {
    let changed = false;
    for (const [id, json] of Object.entries(data)) {
      const station = this.#stations.get(id);
      const listeners = parseListeners(json);
      if (!station || !listeners) continue;
      const { count, peak } = listeners;
      this.#stations.set(id, { ...station, listeners: count, listenersPeak: peak });
      changed = true;
    }
    return changed;
  }
}

function offAir(station: Station): Station {
  return { ...station, state: 'offline', listeners: 0 };
}
