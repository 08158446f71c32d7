/** Addresses of the site's pages. Pure. */
import { channelTarget } from '@skywave/client';

/** A page of the site. */
export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'station'; readonly id: string; readonly at?: number }
  | { readonly page: 'conversations'; readonly channel?: string; readonly at?: number }
  | { readonly page: 'rooms' }
  | { readonly page: 'room'; readonly channel: string; readonly at?: number }
  | { readonly page: 'moderation'; readonly channel?: string }
  | { readonly page: 'search'; readonly channel?: string }
  | { readonly page: 'notifications' }
  | { readonly page: 'not_found'; readonly path: string };

/** The protocol's rule for station ids. */
const STATION = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** What the ids of rooms and conversations consist of. */
const ROOM = /^[A-Za-z0-9_-]{1,64}$/;

const CHANNEL = /^(room:@?|conversation:)[A-Za-z0-9._-]{1,64}$/;

/** The page at a path, with what follows a question mark. */
export function parseRoute(address: string): Route {
  const [path = '', query = ''] = address.split('?');
  const params = new URLSearchParams(query);
  const message = Number(params.get('message') ?? 'none');
  const at = Number.isSafeInteger(message) && message > 0 ? { at: message } : {};
  const wanted = params.get('channel') ?? '';
  const channel = CHANNEL.test(wanted) ? { channel: wanted } : {};
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0) return { page: 'home' };
  const [section, id = ''] = parts;
  if (section === 'station' && parts.length === 2 && STATION.test(id)) {
    return { page: 'station', id, ...at };
  }
  if (section === 'conversations' && parts.length === 1) return { page: 'conversations' };
  if (section === 'conversations' && parts.length === 2 && ROOM.test(id)) {
    return { page: 'conversations', channel: `conversation:${id}`, ...at };
  }
  if (section === 'rooms' && parts.length === 1) return { page: 'rooms' };
  if (section === 'rooms' && parts.length === 2 && ROOM.test(id)) {
    return { page: 'room', channel: `room:${id}`, ...at };
  }
  if (section === 'moderation' && parts.length === 1) return { page: 'moderation', ...channel };
  if (section === 'search' && parts.length === 1) return { page: 'search', ...channel };
  if (section === 'notifications' && parts.length === 1) return { page: 'notifications' };
  return { page: 'not_found', path };
}

/** The address of a station's page. */
export function stationPath(id: string): string {
  return `/station/${id}`;
}

/** The address of what a channel belongs to, and of a message in it. */
export function channelPath(channel: string, message?: number): string {
  const { kind, id } = channelTarget(channel);
  const at = message === undefined ? '' : `?message=${message}`;
  switch (kind) {
    case 'station':
      return stationPath(id) + at;
    case 'conversation':
      return `/conversations/${id}${at}`;
    case 'room':
      return `/rooms/${id}${at}`;
  }
}

/** The address of what a room's moderators look after. */
export function moderationPath(channel: string): string {
  return `/moderation?channel=${encodeURIComponent(channel)}`;
}

/** The address of the search through a channel. */
export function searchPath(channel: string): string {
  return `/search?channel=${encodeURIComponent(channel)}`;
}
