/**
 * Which transport to use: WebTransport first, WebSocket a little later, HTTP alone when
 * neither comes through, and the winner remembered.
 *
 * A network that lets no UDP through does not refuse it, it stays silent: Chromium gives
 * up after 4 s, Firefox after 30 s. Nobody waits that long for a radio, so the WebSocket
 * starts after a head start that nearly every working handshake fits in.
 */
import type { TransportKind } from './transport/transport.ts';
import type { Timer, Timers } from './timers.ts';

/** Head start of WebTransport in milliseconds: some three round trips to the far side of the world. */
export const HEAD_START_MS = 800;

/** Head start where WebTransport is known to work: a lost packet may cost a second. */
export const HEAD_START_REMEMBERED_MS = 2_000;

/**
 * How long HTTP alone waits for the others: it carries no sound, so it is for networks that
 * let neither through, not for slow ones.
 */
export const HTTP_AFTER_MS = 4_000;

/** One transport in the race and when it starts, in milliseconds from the beginning. */
export interface Entrant {
  /** Which transport. */
  readonly kind: TransportKind;
  /** When it starts; earlier when all before it have failed. */
  readonly startMs: number;
}

/**
 * Lays out the race.
 *
 * Without a memory WebTransport gets its head start. A remembered winner starts alone:
 * the other joins when it fails, or late.
 *
 * @param available what browser and relay both have.
 */
export function planRace(
  available: readonly TransportKind[],
  remembered: TransportKind | undefined,
): Entrant[] {
  const entrants = planSound(available, remembered);
  if (!available.includes('http')) return entrants;
  const last = entrants.at(-1)?.startMs;
  const startMs = last === undefined ? 0 : last + HTTP_AFTER_MS;
  return [...entrants, { kind: 'http', startMs }];
}

/** The race of those that carry sound. */
function planSound(
  available: readonly TransportKind[],
  remembered: TransportKind | undefined,
): Entrant[] {
  const webtransport = available.includes('webtransport');
  const websocket = available.includes('websocket');
  if (!webtransport || !websocket) {
    const kinds = available.filter((kind) => kind !== 'http');
    return kinds.map((kind) => ({ kind, startMs: 0 }));
  }
  if (remembered === 'websocket') {
    return [
      { kind: 'websocket', startMs: 0 },
      { kind: 'webtransport', startMs: HEAD_START_REMEMBERED_MS },
    ];
  }
  const headStart = remembered === 'webtransport' ? HEAD_START_REMEMBERED_MS : HEAD_START_MS;
  return [
    { kind: 'webtransport', startMs: 0 },
    { kind: 'websocket', startMs: headStart },
  ];
}

/** Who won, and whether another was tried and failed or was slower. */
export interface Outcome<T> {
  /** The winner's connection. */
  readonly value: T;
  /** Which transport it is. */
  readonly kind: TransportKind;
}

/** What the race needs to know about a kind of connection. */
export interface Course<T> {
  /** Connects; must reject when `signal` aborts. */
  start(kind: TransportKind, signal: AbortSignal): Promise<T>;
  /** Closes a connection that came too late. */
  discard(value: T): void;
}

/**
 * Runs the race; the first to connect wins and the others are aborted.
 *
 * Rejects with the first entrant's error when all fail, or when `signal` aborts.
 */
export function race<T>(
  entrants: readonly Entrant[],
  course: Course<T>,
  timers: Timers,
  signal: AbortSignal,
): Promise<Outcome<T>> {
  return new Promise((resolve, reject) => {
    const runners = new Map<Entrant, AbortController>();
    const waiting = [...entrants];
    const errors: unknown[] = [];
    let running = 0;
    let over = false;
    let next: Timer | undefined;

    function finish(): void {
      over = true;
      next?.cancel();
      signal.removeEventListener('abort', abort);
      for (const runner of runners.values()) runner.abort();
    }
    function abort(): void {
      if (over) return;
      finish();
      reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    }
    function fail(error: unknown): void {
      running--;
      errors.push(error);
      if (over) return;
      if (waiting.length > 0) startNext();
      else if (running === 0) {
        finish();
        reject(errors[0] instanceof Error ? errors[0] : new Error(String(errors[0])));
      }
    }
    function startNext(): void {
      next?.cancel();
      const entrant = waiting.shift();
      if (!entrant || over) return;
      running++;
      const following = waiting[0];
      if (following) next = timers.after(following.startMs - entrant.startMs, startNext);
      const runner = new AbortController();
      runners.set(entrant, runner);
      course.start(entrant.kind, runner.signal).then((value) => {
        runners.delete(entrant);
        if (over) {
          course.discard(value);
          return;
        }
        finish();
        resolve({ value, kind: entrant.kind });
      }, fail);
    }

    if (signal.aborted) abort();
    else if (waiting.length === 0) reject(new Error('no transport'));
    else {
      signal.addEventListener('abort', abort);
      startNext();
    }
  });
}
