/** Addresses of the site's pages. Pure. */
import { channelTarget } from '@skywave/client';

/** A page of the site. */
export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'station'; readonly id: string }
  | { readonly page: 'conversations'; readonly channel?: string }
  | { readonly page: 'notifications' }
  | { readonly page: 'not_found'; readonly path: string };

/** The protocol's rule for station ids. */
const STATION = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** What the ids of conversations consist of. */
const CONVERSATION = /^[A-Za-z0-9_-]{1,64}$/;

/** The page at a path. */
export function parseRoute(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0) return { page: 'home' };
  const [section, id = ''] = parts;
  if (section === 'station' && parts.length === 2 && STATION.test(id)) {
    return { page: 'station', id };
  }
  if (section === 'conversations' && parts.length === 1) return { page: 'conversations' };
  if (section === 'conversations' && parts.length === 2 && CONVERSATION.test(id)) {
    return { page: 'conversations', channel: `conversation:${id}` };
  }
  if (section === 'notifications' && parts.length === 1) return { page: 'notifications' };
  return { page: 'not_found', path };
}

/** The address of a station's page. */
export function stationPath(id: string): string {
  return `/station/${id}`;
}

/** The address of what a channel belongs to: a station's page or a conversation. */
export function channelPath(channel: string): string {
  const { kind, id } = channelTarget(channel);
  switch (kind) {
    case 'station':
      return stationPath(id);
    case 'conversation':
      return `/conversations/${id}`;
    case 'room':
      return '/';
  }
}
