import { describe, expect, test } from 'vitest';
import { Harness, station } from './relay.ts';

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
