import { describe, expect, test } from 'vitest';
import { Harness, station, track } from './relay.ts';

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
