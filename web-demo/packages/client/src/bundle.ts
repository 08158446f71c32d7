/** How many packets share a datagram. */
import type { Bundle, Latency } from './messages.ts';

// Each of them waits for the last; the native client has the same figures.
const BY_LATENCY: Record<Latency, number> = { interactive: 1, live: 2, safe: 4 };

/** What that choice comes to at that latency, 1 to 4. */
export function bundleOf(bundle: Bundle, latency: Latency): number {
  return bundle === 'auto' ? BY_LATENCY[latency] : bundle;
}
