/** Addresses of the site's pages. Pure. */

/** A page of the site. */
export type Route =
  | { readonly page: 'home' }
  | { readonly page: 'station'; readonly id: string }
  | { readonly page: 'not_found'; readonly path: string };

/** The protocol's rule for station ids. */
const STATION = /^[a-z0-9][a-z0-9._-]{0,63}$/;

/** The page at a path. */
export function parseRoute(path: string): Route {
  const parts = path.split('/').filter((part) => part !== '');
  if (parts.length === 0) return { page: 'home' };
  const [section, id = ''] = parts;
  if (section === 'station' && parts.length === 2 && STATION.test(id)) {
    return { page: 'station', id };
  }
  return { page: 'not_found', path };
}

/** The address of a station's page. */
export function stationPath(id: string): string {
  return `/station/${id}`;
}
