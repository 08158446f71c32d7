import { describe, expect, test } from 'vitest';
import { afterwards, closeCodeName } from '../src/wire.ts';
import { backoffMs } from '../src/backoff.ts';
import { ClockEstimator } from '../src/clock.ts';
import { planRace, race, type Course } from '../src/race.ts';
import { RememberedTransport } from '../src/remembered.ts';
import { settle, VirtualTime } from './virtual-time.ts';
import type { TransportKind } from '../src/transport/transport.ts';

describe('backoff', () => {
  test('the upper bound doubles from half a second to half a minute', () => {
    const bounds = [0, 1, 2, 5, 6, 7, 1000].map((attempt) => backoffMs(attempt, 0.999_999));
    expect(bounds).toEqual([499, 999, 1999, 15_999, 29_999, 29_999, 29_999]);
  });

  test('jitter is full: the wait may be nothing', () => {
    expect(backoffMs(5, 0)).toBe(0);
    expect(backoffMs(5, 0.5)).toBe(8_000);
  });
});

describe('clock', () => {
  test('the shortest round trip of the recent ones is believed', () => {
    const clock = new ClockEstimator();
    expect(clock.estimate()).toBeUndefined();
    // The true offset is 1000; the way back of the first sample was slow.
    clock.add({ sentMs: 0, receivedMs: 100, serverMs: 1010 });
    expect(clock.estimate()).toMatchObject({ offsetMs: 960, errorMs: 50 });
    clock.add({ sentMs: 200, receivedMs: 204, serverMs: 1202 });
    clock.add({ sentMs: 300, receivedMs: 360, serverMs: 1302 });
    expect(clock.estimate()).toEqual({ offsetMs: 1000, roundTripMs: 60, errorMs: 2 });
  });

  test('old samples are forgotten', () => {
    const clock = new ClockEstimator();
    clock.add({ sentMs: 0, receivedMs: 2, serverMs: 501 });
    for (let at = 0; at < 16; at++) {
      clock.add({ sentMs: at * 1000, receivedMs: at * 1000 + 20, serverMs: at * 1000 + 510 + at });
    }
    expect(clock.estimate()?.offsetMs).not.toBe(500);
  });

  test('a clock that was set makes older samples void', () => {
    const clock = new ClockEstimator();
    clock.add({ sentMs: 0, receivedMs: 2, serverMs: 1 });
    clock.add({ sentMs: 100_000, receivedMs: 100_040, serverMs: 40_020 });
    expect(clock.estimate()).toMatchObject({ offsetMs: -60_000, errorMs: 20 });
  });

  test('a sample in which time ran backwards is ignored', () => {
    const clock = new ClockEstimator();
    clock.add({ sentMs: 10, receivedMs: 5, serverMs: 0 });
    expect(clock.estimate()).toBeUndefined();
  });
});

describe('race', () => {
  const both: TransportKind[] = ['webtransport', 'websocket'];

  /** Connections that open or fail after given times; `undefined` hangs until aborted. */
  function course(times: Partial<Record<TransportKind, number | 'fails' | undefined>>) {
    const time = new VirtualTime();
    const log: string[] = [];
    const run: Course<string> = {
      start: (kind, signal) =>
        new Promise((resolve, reject) => {
          log.push(`${kind} starts at ${time.now()}`);
          const after = times[kind];
          signal.addEventListener('abort', () => {
            log.push(`${kind} aborted`);
            reject(new Error('aborted'));
          });
          if (after === 'fails') {
            time.after(100, () => {
              reject(new Error(`${kind} failed`));
            });
          } else if (after !== undefined) {
            time.after(after, () => {
              resolve(kind);
            });
          }
        }),
      discard: (value) => log.push(`${value} discarded`),
    };
    return { time, log, run };
  }

  async function result(
    times: Parameters<typeof course>[0],
    remembered?: TransportKind,
  ): Promise<{ winner: string; at: number; log: string[] }> {
    const { time, log, run } = course(times);
    let winner = 'none';
    let at = -1;
    race(planRace(both, remembered), run, time, new AbortController().signal).then(
      ({ kind }) => {
        winner = kind;
        at = time.now();
      },
      (error: unknown) => {
        winner = String(error);
        at = time.now();
      },
    );
    await time.advance(10_000);
    return { winner, at, log };
  }

  test('a WebTransport that works wins and no WebSocket is opened', async () => {
    const { winner, at, log } = await result({ webtransport: 300, websocket: 10 });
    expect({ winner, at }).toEqual({ winner: 'webtransport', at: 300 });
    expect(log).toEqual(['webtransport starts at 0']);
  });

  test('a silent network costs the head start and no more', async () => {
    const { winner, at, log } = await result({ webtransport: undefined, websocket: 50 });
    expect({ winner, at }).toEqual({ winner: 'websocket', at: 850 });
    expect(log).toContain('webtransport aborted');
  });

  test('a refused WebTransport starts the WebSocket at once', async () => {
    const { winner, at } = await result({ webtransport: 'fails', websocket: 50 });
    expect({ winner, at }).toEqual({ winner: 'websocket', at: 150 });
  });

  test('a late WebTransport still wins when the WebSocket is slower', async () => {
    const { winner, at } = await result({ webtransport: 900, websocket: 500 });
    expect({ winner, at }).toEqual({ winner: 'webtransport', at: 900 });
  });

  test('a remembered WebSocket is immediate', async () => {
    const { winner, at, log } = await result({ webtransport: 5, websocket: 50 }, 'websocket');
    expect({ winner, at }).toEqual({ winner: 'websocket', at: 50 });
    expect(log).toEqual(['websocket starts at 0']);
  });

  test('a remembered winner that fails falls back', async () => {
    const { winner, at } = await result({ webtransport: 70, websocket: 'fails' }, 'websocket');
    expect({ winner, at }).toEqual({ winner: 'webtransport', at: 170 });
    const late = await result({ webtransport: undefined, websocket: 50 }, 'webtransport');
    expect({ winner: late.winner, at: late.at }).toEqual({ winner: 'websocket', at: 2050 });
  });

  test('when all fail the first error is told', async () => {
    const { winner } = await result({ webtransport: 'fails', websocket: 'fails' });
    expect(winner).toBe('Error: webtransport failed');
  });

  test('an aborted race closes what comes too late', async () => {
    const { time, log, run } = course({ websocket: 50 });
    const stubborn: Course<string> = {
      ...run,
      start: (kind) => run.start(kind, new AbortController().signal),
    };
    const stop = new AbortController();
    const outcome = race(planRace(['websocket'], undefined), stubborn, time, stop.signal);
    outcome.catch(() => undefined);
    await time.advance(20);
    stop.abort(new Error('enough'));
    await expect(outcome).rejects.toThrow('enough');
    await time.advance(100);
    await settle();
    expect(log).toContain('websocket discarded');
  });

  test('where there is one transport there is no race', () => {
    expect(planRace(['websocket'], 'webtransport')).toEqual([{ kind: 'websocket', startMs: 0 }]);
    expect(planRace([], undefined)).toEqual([]);
  });
});

describe('remembered transport', () => {
  function storage() {
    const kept = new Map<string, string>();
    return {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    };
  }

  test('a winner is remembered by server and network, for a while', () => {
    const shared = storage();
    const memory = new RememberedTransport(shared, 'https://a', 'wifi');
    expect(memory.read(0)).toBeUndefined();
    memory.write('websocket', 0);
    expect(memory.read(3_599_999)).toBe('websocket');
    expect(memory.read(3_600_000)).toBeUndefined();
    expect(new RememberedTransport(shared, 'https://a', 'cellular').read(0)).toBeUndefined();
    expect(new RememberedTransport(shared, 'https://b', 'wifi').read(0)).toBeUndefined();
    memory.write(undefined, 0);
    expect(memory.read(0)).toBeUndefined();
  });

  test('a broken storage forgets and does not throw', () => {
    const broken = {
      getItem: () => {
        throw new Error('forbidden');
      },
      setItem: () => {
        throw new Error('full');
      },
      removeItem: () => undefined,
    };
    const memory = new RememberedTransport(broken, 'https://a', '');
    memory.write('websocket', 0);
    expect(memory.read(0)).toBeUndefined();
    expect(new RememberedTransport(undefined, 'https://a', '').read(0)).toBeUndefined();
    const garbage = { ...storage(), getItem: () => 'carrier-pigeon NaN' };
    expect(new RememberedTransport(garbage, 'https://a', '').read(0)).toBeUndefined();
  });
});

describe('ends', () => {
  test('every close number of the protocol has its word and its consequence', () => {
    const told = Array.from({ length: 13 }, (_, number) => {
      const name = closeCodeName(number) ?? '';
      return `${number} ${name} ${afterwards(name)}`;
    });
    expect(told).toEqual([
      '0 done stop',
      '1 hello_timeout reconnect',
      '2 protocol_error stop',
      '3 frame_too_large stop',
      '4 unsupported_protocol stop',
      '5 unauthorized new_token',
      '6 token_expired new_token',
      '7 idle_timeout reconnect',
      '8 slow_consumer reconnect',
      '9 flooding reconnect',
      '10 draining reconnect',
      '11 overloaded reconnect',
      '12 internal reconnect',
    ]);
    expect(afterwards('from_the_future')).toBe('reconnect');
  });
});
