/** How long to wait before the next try to connect. */

/** Bounds of the wait, in milliseconds. */
export interface BackoffConfig {
  /** Upper bound of the first wait. */
  readonly baseMs: number;
  /** Upper bound of every wait. */
  readonly maxMs: number;
}

/** The protocol's figures: between 0 and min(30 s, 0.5 s x 2^n). */
export const BACKOFF: BackoffConfig = { baseMs: 500, maxMs: 30_000 };

/**
 * The wait before try `attempt` (0 for the first) with full jitter: uniform between zero
 * and an upper bound that doubles, so that clients of a server that went down together do
 * not come back together.
 *
 * @param random uniform in [0, 1).
 */
export function backoffMs(attempt: number, random: number, config = BACKOFF): number {
  // 2^31 and beyond would be Infinity some day; the cap is reached long before.
  const bound = Math.min(config.maxMs, config.baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random * bound);
}
