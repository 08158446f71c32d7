/** The clocks and timers of a page or a worker. */
import type { Timers } from './timers.ts';

/** See the file's head. */
export const systemTimers: Timers = {
  now: () => performance.now(),
  wallClock: () => Date.now(),
  after: (ms, run) => {
    const handle = setTimeout(run, ms);
    return {
      cancel: () => {
        clearTimeout(handle);
      },
    };
  },
};
