import { describe, expect, test } from 'vitest';
import { Harness } from './relay.ts';
import { failure } from '../src/errors.ts';

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
