import { describe, expect, test } from 'vitest';
import { Harness, station, track } from './relay.ts';
import { failure } from '../src/errors.ts';

describe('a session', () => {
  test('says hello and tells the page that it is connected', async () => {
    const harness = new Harness({ token: 't' });
    await harness.welcome({ user: { sub: 'ann', name: 'Ann', expires_at: 4_000_000_000 } });
    expect(harness.relay.last('hello').params).toEqual({
      protocol: 1,
      token: 't',
      client: { name: 'test', version: '0' },
    });
    expect(harness.status).toMatchObject({
      phase: 'connected',
      transport: 'webtransport',
      sessionId: 's1',
      user: { sub: 'ann', name: 'Ann', expiresAt: 4_000_000_000_000 },
    });
    expect(harness.told('winner')).toEqual([{ type: 'winner', winner: 'webtransport' }]);
  });

  test('becomes another user by a session of its own, without waiting', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    harness.core.handle({ type: 'identity', token: 'new' });
    await harness.time.advance(10);
    expect(relay.closedWith).toBe(0);
    expect(harness.connections).toHaveLength(2);
    expect(harness.relay.last('hello').params).toMatchObject({ token: 'new' });
  });

  test('becomes another user while hello is on its way', async () => {
    const harness = new Harness();
    await harness.time.advance(1);
    harness.relay.last('hello');
    harness.core.handle({ type: 'identity', token: 'new' });
    await harness.time.advance(10);
    expect(harness.connections).toHaveLength(2);
    expect(harness.relay.last('hello').params).toMatchObject({ token: 'new' });
    harness.relay.reply('hello', { session: 's2', user: { sub: 'ann', expires_at: 4e9 } });
    await harness.time.advance(10);
    expect(harness.status).toMatchObject({ phase: 'connected', user: { sub: 'ann' } });
  });

  test('becomes another user before there is a connection', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'identity', token: 'new' });
    await harness.time.advance(10);
    expect(harness.relay.last('hello').params).toMatchObject({ token: 'new' });
  });

  test('goes on without a token when the page has no other', async () => {
    const harness = new Harness({ token: 'stale' });
    await harness.time.advance(10);
    harness.relay.refuse('hello', 'unauthorized');
    await harness.time.advance(10);
    harness.core.handle({ type: 'token', token: null });
    await harness.time.advance(2_000);
    expect(harness.connections).toHaveLength(2);
    expect(harness.relay.last('hello').params).not.toHaveProperty('token');
  });

  test('measures the clock by pings and keeps the session from idling', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    await harness.run(30_000);
    const pings = relay.methods().filter((method) => method === 'ping').length;
    expect(pings).toBeGreaterThanOrEqual(8);
    expect(harness.status?.clock?.offsetMs).toBeCloseTo(0, -2);
    expect(harness.connections).toHaveLength(1);
  });

  test('a relay that stops answering is left after five seconds', async () => {
    const harness = new Harness();
    await harness.welcome();
    await harness.time.advance(5_400);
    expect(harness.connections.length).toBe(2);
    expect(harness.connections[0]?.closedWith).toBe(0);
  });

  test('audio that keeps coming proves a connection whose replies are late', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    for (let passed = 0; passed < 12_000; passed += 20) {
      await harness.time.advance(20);
      relay.audio(9, passed / 20);
    }
    expect(harness.connections).toHaveLength(1);
  });

  test('a hello that gets no reply is given up', async () => {
    const harness = new Harness();
    await harness.time.advance(8_400);
    expect(harness.connections).toHaveLength(2);
  });

  test('frames of later versions and garbage change nothing', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    relay.sendText('{"channel":"from:the:future","type":"sings","data":{}}');
    relay.sendText('not json');
    relay.send({ id: 4_711, result: {} });
    await harness.run(2_000);
    expect(harness.status?.phase).toBe('connected');
    expect(harness.connections).toHaveLength(1);
  });
});

describe('reconnecting', () => {
  test('waits with full jitter, doubling while the server is away', async () => {
    const harness = new Harness();
    harness.kind = undefined;
    const waits: number[] = [];
    let before = 0;
    await harness.time.advance(0);
    while (waits.length < 9) {
      const count = harness.dialled.length;
      while (harness.dialled.length === count) await harness.time.advance(50);
      waits.push(harness.time.now() - before);
      before = harness.time.now();
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    expect(harness.status).toMatchObject({
      phase: 'reconnecting',
      error: { code: 'unreachable', temporary: true },
    });
  });

  test('starts small again after a session that lasted', async () => {
    const harness = new Harness();
    harness.kind = undefined;
    await harness.time.advance(20_000);
    harness.kind = 'webtransport';
    while (harness.connections.length === 0) await harness.time.advance(50);
    await harness.welcome();
    await harness.run(15_000);
    const count = harness.connections.length;
    harness.relay.breakOff();
    await harness.time.advance(260);
    expect(harness.connections.length).toBe(count + 1);
  });

  test('does not hurry when sessions keep dying young', async () => {
    const harness = new Harness();
    const waits: number[] = [];
    for (let round = 1; round < 7; round++) {
      while (harness.connections.length < round) await harness.time.advance(50);
      await harness.welcome();
      harness.relay.breakOff();
      await harness.time.advance(0);
      waits.push((harness.status?.retryAt ?? 0) - harness.time.wallClock());
    }
    expect(waits).toEqual([250, 500, 1000, 2000, 4000, 8000]);
  });

  test('comes back when the relay says, not before', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    relay.push('session', 'bye', { code: 'draining', reason: 'bye', reconnect_after_ms: 4_000 });
    await harness.time.advance(3_900);
    expect(harness.connections).toHaveLength(1);
    expect(harness.status).toMatchObject({ phase: 'reconnecting', error: { code: 'draining' } });
    await harness.time.advance(200);
    expect(harness.connections).toHaveLength(2);
  });

  test.each(['protocol_error', 'frame_too_large', 'unsupported_protocol', 'done'])(
    'stays away after %s',
    async (code) => {
      const harness = new Harness();
      const relay = await harness.welcome();
      relay.push('session', 'bye', { code, reason: 'so be it' });
      await harness.time.advance(60_000);
      expect(harness.connections).toHaveLength(1);
      expect(harness.status).toMatchObject({ phase: 'closed', error: { code, temporary: false } });
      expect(harness.running).toBe(false);
    },
  );

  test('a close number stands in for a bye that did not arrive', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    relay.breakOff(4);
    await harness.time.advance(1_000);
    expect(harness.status).toMatchObject({
      phase: 'closed',
      error: { code: 'unsupported_protocol' },
    });
  });

  test('being woken tries at once', async () => {
    const harness = new Harness();
    harness.kind = undefined;
    await harness.time.advance(50_000);
    harness.kind = 'websocket';
    harness.core.handle({ type: 'wake', networkChanged: false });
    await harness.time.advance(0);
    expect(harness.connections).toHaveLength(1);
  });

  test('a machine that slept probes its connection and leaves a dead one quickly', async () => {
    const harness = new Harness();
    await harness.welcome();
    await harness.run(10_000);
    harness.time.sleepMachine(3_600_000);
    await harness.time.advance(3_000);
    expect(harness.connections).toHaveLength(2);
  });

  test('a browser without any transport is told once', async () => {
    const harness = new Harness();
    harness.kind = undefined;
    harness.dialError = failure('unsupported_browser', 'no transport');
    await harness.time.advance(60_000);
    expect(harness.dialled).toHaveLength(1);
    expect(harness.status).toMatchObject({
      phase: 'closed',
      error: { code: 'unsupported_browser' },
    });
  });

  test('after close there is silence', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    harness.core.handle({ type: 'close' });
    await harness.time.advance(60_000);
    expect(relay.closedWith).toBe(0);
    expect(harness.connections).toHaveLength(1);
    expect(harness.status).toEqual({ phase: 'closed' });
    expect(harness.running).toBe(false);
  });
});

describe('subscriptions', () => {
  const first = { channel: 'stations', epoch: 'e', offset: 4, recovered: false };

  test('are made in hello, delivered in order and resumed where they were', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'subscribe', channel: 'stations' });
    await harness.time.advance(0);
    expect(harness.relay.last('hello').params.subscriptions).toEqual([{ channel: 'stations' }]);
    await harness.welcome({ subscriptions: [{ ...first, state: { stations: [] } }] });
    harness.relay.push('stations', 'started', station('a'), 5);
    harness.relay.push('stations', 'counts', { a: { count: 2, peak: 2 } });
    harness.relay.push('stations', 'started', station('a'), 5);
    harness.relay.breakOff();
    await harness.time.advance(300);
    expect(harness.relay.last('hello').params.subscriptions).toEqual([
      { channel: 'stations', epoch: 'e', offset: 5 },
    ]);
    await harness.welcome({
      subscriptions: [
        {
          ...first,
          offset: 6,
          recovered: true,
          events: [{ channel: 'stations', offset: 6, type: 'stopped', data: station('a') }],
        },
      ],
    });
    const updates = harness.told('channel').map(({ update }) => update);
    expect(updates.map((update) => (update.type === 'push' ? update.push.type : update))).toEqual([
      { type: 'state', state: { stations: [] } },
      'started',
      'counts',
      'stopped',
    ]);
  });

  test('a gap is closed by subscribing again from the place held', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'subscribe', channel: 'stations' });
    const relay = await harness.welcome({ subscriptions: [{ ...first, state: {} }] });
    relay.push('stations', 'started', station('b'), 6);
    relay.push('stations', 'stopped', station('b'), 7);
    await harness.time.advance(0);
    expect(relay.methods().filter((method) => method === 'subscribe')).toHaveLength(1);
    expect(relay.last('subscribe').params).toEqual({ channel: 'stations', epoch: 'e', offset: 4 });
    const events = [5, 6, 7].map((offset) => ({
      channel: 'stations',
      offset,
      type: `t${offset}`,
      data: {},
    }));
    relay.reply('subscribe', { ...first, offset: 7, recovered: true, events });
    await harness.time.advance(0);
    const types = harness.told('channel').map(({ update }) => update);
    expect(
      types.map((update) => (update.type === 'push' ? update.push.type : update.type)),
    ).toEqual(['state', 't5', 't6', 't7']);
  });

  test('a right that ends while the channel is followed reaches the page', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'subscribe', channel: 'stations' });
    const relay = await harness.welcome({ subscriptions: [{ ...first, state: {} }] });
    relay.push('stations', 'unsubscribed', { error: { code: 'forbidden', message: 'kicked' } });
    relay.push('stations', 'started', station('a'), 5);
    expect(harness.told('channel').map(({ update }) => update.type)).toEqual(['state', 'refused']);
    relay.breakOff();
    await harness.time.advance(300);
    expect(harness.relay.last('hello').params.subscriptions).toBeUndefined();
  });

  test('later subscriptions and refusals reach the page', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    harness.core.handle({ type: 'subscribe', channel: 'nope' });
    relay.reply('subscribe', {
      channel: 'nope',
      error: { code: 'unknown_channel', message: 'no such', temporary: false },
    });
    await harness.time.advance(0);
    expect(harness.told('channel')).toMatchObject([
      { channel: 'nope', update: { type: 'refused', error: { code: 'unknown_channel' } } },
    ]);
    relay.breakOff();
    await harness.time.advance(300);
    expect(harness.relay.last('hello').params.subscriptions).toBeUndefined();
  });
});

describe('listening', () => {
  async function listen() {
    const harness = new Harness();
    harness.core.handle({ type: 'listen', station: 'demo' });
    const relay = await harness.welcome();
    relay.reply('listen', { station: station('demo'), track: track(4) });
    await harness.time.advance(0);
    return { harness, relay };
  }

  test('is asked for right behind hello, without waiting for its reply', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'listen', station: 'demo', rendition: 'low' });
    await harness.time.advance(0);
    expect(harness.relay.methods()).toEqual(['hello', 'listen']);
    expect(harness.relay.last('listen').params).toEqual({ station: 'demo', rendition: 'low' });
  });

  test('passes on the datagrams of the track and of no other', async () => {
    const { harness, relay } = await listen();
    relay.audio(4, 1);
    relay.audio(3, 2);
    relay.audio(4, 3);
    expect(harness.played.slice(-3)).toMatchObject([{ id: 4 }, 1, 3]);
    expect(harness.listening).toMatchObject({
      station: 'demo',
      phase: 'listening',
      info: { id: 'demo', name: 'DEMO', state: 'live' },
      track: { id: 4, frameUs: 20_000 },
    });
  });

  test('keeps datagrams that overtake the reply', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'listen', station: 'demo' });
    const relay = await harness.welcome();
    relay.audio(4, 1);
    relay.audio(4, 2);
    relay.reply('listen', { station: station('demo'), track: track(4) });
    await harness.time.advance(0);
    relay.audio(4, 3);
    expect(harness.played.slice(-4)).toMatchObject([{ id: 4 }, 1, 2, 3]);
  });

  test('another rendition is switched to without a gap', async () => {
    const { harness, relay } = await listen();
    harness.core.handle({ type: 'listen', station: 'demo', rendition: 'low' });
    relay.audio(4, 1);
    relay.audio(5, 2);
    relay.reply('listen', { station: station('demo'), track: track(5) });
    await harness.time.advance(0);
    relay.audio(5, 3);
    expect(harness.played.slice(-4)).toMatchObject([1, { id: 5 }, 2, 3]);
    expect(harness.goesOn).toBe(true);
  });

  test('asking for what is heard already changes nothing', async () => {
    const { harness, relay } = await listen();
    harness.core.handle({ type: 'listen', station: 'demo' });
    relay.reply('listen', { station: station('demo'), track: track(4) });
    await harness.time.advance(0);
    relay.audio(4, 1);
    expect(harness.played.slice(-2)).toMatchObject([{ id: 4 }, 1]);
    expect(harness.played.filter((played) => typeof played === 'object' && played)).toHaveLength(1);
  });

  test('going back begins the track anew, and going live again', async () => {
    const { harness, relay } = await listen();
    relay.audio(4, 2_000);
    harness.core.handle({ type: 'listen', station: 'demo', rewindMs: 20_000 });
    expect(relay.last('listen').params).toEqual({ station: 'demo', rewind_ms: 20_000 });
    relay.audio(4, 2_001);
    const past = { station: station('demo'), track: track(4), rewind_ms: 19_980 };
    relay.reply('listen', { ...past, timestamp: 1_002 * 960 });
    await harness.time.advance(0);
    // Packets of the moment before are still under way.
    relay.audio(4, 2_002);
    relay.audio(4, 1_002);
    relay.audio(4, 1_003);
    expect(harness.played.slice(-4)).toMatchObject([
      2_001 & 0xff,
      { id: 4 },
      1_002 & 0xff,
      1_003 & 0xff,
    ]);
    expect(harness.behindMs).toBe(19_980);
    expect(harness.listening).toMatchObject({ phase: 'listening', behindMs: 19_980 });

    // A lost connection goes on where it was.
    relay.breakOff();
    await harness.time.advance(300);
    await harness.welcome();
    expect(harness.relay.last('listen').params).toMatchObject({ rewind_ms: 20_000 });
    harness.relay.reply('listen', { ...past, timestamp: 1_020 * 960 });
    await harness.time.advance(0);

    harness.core.handle({ type: 'listen', station: 'demo' });
    expect(harness.relay.last('listen').params).toEqual({ station: 'demo' });
    const live = { station: station('demo'), track: track(4), timestamp: 2_030 * 960 };
    harness.relay.reply('listen', live);
    await harness.time.advance(0);
    harness.relay.audio(4, 1_021);
    harness.relay.audio(4, 2_031);
    expect(harness.played.slice(-2)).toMatchObject([{ id: 4 }, 2_031 & 0xff]);
    expect(harness.behindMs).toBe(0);

    // A station that pauses may go on anywhere.
    harness.core.handle({ type: 'listen', station: 'demo', rewindMs: 20_000 });
    harness.relay.reply('listen', { ...past, timestamp: 1_050 * 960 });
    await harness.time.advance(1_001);
    harness.relay.audio(4, 1_400);
    expect(harness.played.at(-1)).toBe(1_400 & 0xff);
  });

  test('the same track on another connection begins anew', async () => {
    const { harness, relay } = await listen();
    relay.audio(4, 500);
    relay.breakOff();
    await harness.time.advance(300);
    await harness.welcome();
    harness.relay.reply('listen', { station: station('demo'), track: track(4) });
    await harness.time.advance(0);
    harness.relay.audio(4, 1);
    expect(harness.played.slice(-2)).toMatchObject([{ id: 4 }, 1]);
  });

  test('another station is silent until its track flows', async () => {
    const { harness, relay } = await listen();
    harness.core.handle({ type: 'listen', station: 'other' });
    relay.audio(4, 1);
    relay.reply('listen', { station: station('other', { state: 'offline' }), track: null });
    await harness.time.advance(0);
    relay.push('station:demo', 'stopped');
    relay.push('station:other', 'started', { track: track(6) });
    relay.audio(6, 2);
    expect(harness.played.slice(-4)).toMatchObject([null, null, { id: 6 }, 2]);
    expect(harness.listening).toMatchObject({ station: 'other', track: { id: 6 } });
    expect(harness.told('station').map(({ push }) => push.type)).toEqual(['started']);
  });

  test('a reply that was overtaken by a newer request is ignored', async () => {
    const { harness, relay } = await listen();
    harness.core.handle({ type: 'listen', station: 'b' });
    const overtaken = relay.last('listen').id;
    harness.core.handle({ type: 'listen', station: 'c' });
    relay.send({ id: overtaken, result: { station: station('b'), track: track(7) } });
    relay.reply('listen', { station: station('c'), track: track(8) });
    await harness.time.advance(0);
    expect(harness.listening).toMatchObject({ station: 'c', track: { id: 8 } });
    expect(harness.played).not.toContainEqual(expect.objectContaining({ id: 7 }));
  });

  test('silence on a live track for three seconds means a dead session', async () => {
    const { harness } = await listen();
    await harness.run(10_000, 4);
    expect(harness.connections).toHaveLength(1);
    await harness.run(2_900);
    expect(harness.connections).toHaveLength(1);
    await harness.time.advance(1_200);
    expect(harness.connections).toHaveLength(2);
    expect(harness.relay.last('listen').params).toEqual({ station: 'demo' });
  });

  test('silence of an interrupted or stopped station is patience', async () => {
    const { harness, relay } = await listen();
    relay.push('station:demo', 'interrupted');
    await harness.run(9_000);
    relay.push('station:demo', 'resumed');
    await harness.run(2_000);
    relay.push('station:demo', 'stopped');
    await harness.run(9_000);
    expect(harness.connections).toHaveLength(1);
    expect(harness.listening?.track).toBeUndefined();
  });

  test('datagrams that never arrive make the next try go by WebSocket', async () => {
    const { harness } = await listen();
    await harness.run(4_500);
    expect(harness.dialled.at(-1)?.remembered).toBe('websocket');
    expect(harness.told('winner').map(({ winner }) => winner)).toContain('websocket');
  });

  test('an unknown station is asked for again, and at once when it starts', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'subscribe', channel: 'stations' });
    harness.core.handle({ type: 'listen', station: 'demo' });
    const relay = await harness.welcome({
      subscriptions: [{ channel: 'stations', epoch: 'e', offset: 0, recovered: false, state: {} }],
    });
    const asked = () => relay.methods().filter((method) => method === 'listen').length;
    relay.refuse('listen', 'unknown_station');
    await harness.run(100);
    expect(harness.listening).toMatchObject({
      phase: 'refused',
      error: { code: 'unknown_station' },
    });
    await harness.run(1_000);
    expect(asked()).toBe(2);
    relay.refuse('listen', 'unknown_station');
    await harness.time.advance(0);
    relay.push('stations', 'started', station('demo'), 1);
    await harness.time.advance(0);
    expect(asked()).toBe(3);
  });

  test('an unknown rendition is told and not asked for again', async () => {
    const harness = new Harness();
    harness.core.handle({ type: 'listen', station: 'demo', rendition: 'huge' });
    const relay = await harness.welcome();
    relay.refuse('listen', 'unknown_rendition');
    await harness.run(20_000);
    expect(relay.methods().filter((method) => method === 'listen')).toHaveLength(1);
    expect(harness.listening?.error?.code).toBe('unknown_rendition');
  });

  test('unlisten is told to relay, worklet and page', async () => {
    const { harness, relay } = await listen();
    harness.core.handle({ type: 'unlisten' });
    relay.audio(4, 9);
    await harness.run(5_000);
    expect(relay.methods()).toContain('unlisten');
    expect(harness.played.at(-1)).toBeNull();
    expect(harness.listening).toBeNull();
    expect(harness.connections).toHaveLength(1);
  });
});

describe('requests', () => {
  function ask(harness: Harness, key: number, timeoutMs = 1_000) {
    harness.core.handle({ type: 'request', key, method: 'future', params: { a: 1 }, timeoutMs });
  }

  test('are answered, refused, timed out or cut off', async () => {
    const harness = new Harness();
    const relay = await harness.welcome();
    ask(harness, 1);
    relay.reply('future', { b: 2 });
    ask(harness, 2);
    relay.refuse('future', 'rate_limited', { temporary: true, retry_after_ms: 70 });
    ask(harness, 3);
    await harness.time.advance(1_100);
    ask(harness, 4);
    relay.breakOff();
    await harness.time.advance(0);
    ask(harness, 5);
    await harness.time.advance(0);
    expect(harness.told('answer')).toMatchObject([
      { key: 1, result: { b: 2 } },
      { key: 2, error: { code: 'rate_limited', temporary: true, retryAfterMs: 70 } },
      { key: 3, error: { code: 'timeout' } },
      { key: 4, error: { code: 'disconnected' } },
      { key: 5, error: { code: 'disconnected' } },
    ]);
  });

  test('are bounded while the relay does not answer', async () => {
    const harness = new Harness();
    await harness.welcome();
    for (let key = 0; key < 65; key++) ask(harness, key);
    await harness.time.advance(0);
    expect(harness.told('answer')).toMatchObject([{ key: 64, error: { code: 'overloaded' } }]);
  });
});

describe('tokens', () => {
  test('a refused token is replaced and the session goes on', async () => {
    const harness = new Harness({ token: 'old' });
    await harness.time.advance(0);
    harness.relay.refuse('hello', 'unauthorized');
    await harness.time.advance(0);
    expect(harness.told('token_needed')).toHaveLength(1);
    harness.core.handle({ type: 'token', token: 'new' });
    await harness.time.advance(400);
    expect(harness.relay.last('hello').params.token).toBe('new');
  });

  test.each([undefined, 'old'])('without a better one (%s) it ends', async (token) => {
    const harness = new Harness({ token: 'old' });
    const relay = await harness.welcome();
    relay.push('session', 'bye', { code: 'token_expired', reason: 'too old' });
    await harness.time.advance(0);
    harness.core.handle({ type: 'token', ...(token === undefined ? {} : { token }) });
    await harness.time.advance(1_000);
    expect(harness.status).toMatchObject({ phase: 'closed', error: { code: 'token_expired' } });
  });

  test('the next token is asked for before the old one runs out', async () => {
    const harness = new Harness({ token: 'old' });
    await harness.time.advance(0);
    const expiresAt = Math.floor(harness.time.wallClock() / 1000) + 600;
    const relay = await harness.welcome({ user: { sub: 'ann', expires_at: expiresAt } });
    await harness.run(530_000);
    expect(harness.told('token_needed')).toHaveLength(0);
    await harness.run(15_000);
    expect(harness.told('token_needed')).toHaveLength(1);
    harness.core.handle({ type: 'token', token: 'new' });
    expect(relay.last('authenticate').params).toEqual({ token: 'new' });
    relay.reply('authenticate', { user: { sub: 'ann', expires_at: expiresAt + 600 } });
    await harness.time.advance(0);
    expect(harness.status?.user?.expiresAt).toBe((expiresAt + 600) * 1000);
    expect(harness.connections).toHaveLength(1);
  });
});
