import { describe, expect, test } from 'vitest';
import { greet, type EventStream } from '../src/transport/http.ts';
import { Harness, station } from './relay.ts';
import { parseConnectInfo } from '../src/connect-info.ts';
import { planRace } from '../src/race.ts';
import { settle } from './virtual-time.ts';
import type { TransportEnd } from '../src/transport/transport.ts';

/** A stream of events and a relay that answers each POST when the test says so. */
class Relay implements EventStream {
  readonly posts: { secret: string; lines: string[]; answer: (status: number) => void }[] = [];
  closed = false;
  readonly #listeners = new Map<string, ((event: { data?: unknown }) => void)[]>();

  addEventListener(type: string, listener: (event: { data?: unknown }) => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }

  close(): void {
    this.closed = true;
  }

  tell(type: string, data?: string): void {
    for (const listener of this.#listeners.get(type) ?? []) listener({ data });
  }

  readonly post = (secret: string, body: string): Promise<number> =>
    new Promise((resolve) => {
      const lines = body.split('\n').filter((line) => line !== '');
      this.posts.push({ secret, lines, answer: resolve });
    });
}

async function connected() {
  const relay = new Relay();
  const opening = greet(relay, relay.post, new AbortController().signal);
  relay.tell('session', 's3cret');
  const transport = await opening;
  const frames: string[] = [];
  const ends: TransportEnd[] = [];
  transport.start({
    onFrame: (text) => frames.push(text),
    onDatagram: () => undefined,
    onEnd: (end) => ends.push(end),
  });
  return { relay, transport, frames, ends };
}

describe('frames over server-sent events and POST', () => {
  test('go one request at a time, in order, and together when they come together', async () => {
    const { relay, transport, frames } = await connected();
    transport.sendFrame('1');
    transport.sendFrame('2');
    await settle();
    transport.sendFrame('3');
    await settle();
    expect(relay.posts.map(({ secret, lines }) => [secret, lines])).toEqual([
      ['s3cret', ['1', '2']],
    ]);
    relay.posts[0]?.answer(202);
    await settle();
    expect(relay.posts[1]?.lines).toEqual(['3']);
    relay.tell('message', '{"id":1}');
    expect(frames).toEqual(['{"id":1}']);
  });

  test('large ones travel by themselves, and a relay that takes none ends it', async () => {
    const { relay, transport, ends } = await connected();
    for (let count = 0; count < 3; count++) transport.sendFrame('x'.repeat(30_000));
    await settle();
    expect(relay.posts[0]?.lines.length).toBe(1);
    for (let count = 0; count < 20; count++) transport.sendFrame('x'.repeat(30_000));
    expect(ends).toEqual([{ reason: 'the relay takes nothing' }]);
    expect(relay.closed).toBe(true);
  });

  test('a session that is gone, a stream that ends: told once', async () => {
    const gone = await connected();
    gone.transport.sendFrame('1');
    await settle();
    gone.relay.posts[0]?.answer(404);
    await settle();
    gone.relay.tell('error');
    expect(gone.ends).toEqual([{ reason: 'the relay answered 404' }]);
    const ended = await connected();
    ended.relay.tell('error');
    ended.transport.sendFrame('1');
    await settle();
    expect([ended.ends.length, ended.relay.posts.length, ended.relay.closed]).toEqual([1, 0, true]);
  });

  test('opening fails by an answer in place of the secret, silence and an abort', async () => {
    const full = new Relay();
    const refused = greet(full, full.post, new AbortController().signal);
    full.tell('message', 'overloaded');
    await expect(refused).rejects.toThrow('overloaded');
    const stop = new AbortController();
    const silent = new Relay();
    const aborted = greet(silent, silent.post, stop.signal);
    stop.abort();
    await expect(aborted).rejects.toThrow('aborted');
    expect([full.closed, silent.closed]).toEqual([true, true]);
  });
});

describe('HTTP in the race', () => {
  test('comes last, long after what carries sound', () => {
    const all = planRace(['webtransport', 'websocket', 'http'], undefined);
    expect(all.map(({ kind, startMs }) => [kind, startMs])).toEqual([
      ['webtransport', 0],
      ['websocket', 800],
      ['http', 4_800],
    ]);
    expect(planRace(['http'], undefined)).toEqual([{ kind: 'http', startMs: 0 }]);
    expect(planRace(['websocket', 'http'], 'http').map(({ kind }) => kind)).toEqual([
      'websocket',
      'http',
    ]);
  });

  test('is where the server says', () => {
    const urls = { websocket: { url: 'ws://a/v1' }, http: { url: 'http://a' } };
    expect(parseConnectInfo(urls).http).toEqual({ url: 'http://a' });
  });
});

test('over HTTP a player is told why it hears nothing, and another network may help', async () => {
  const harness = new Harness();
  harness.kind = 'http';
  harness.core.handle({ type: 'listen', station: 'demo' });
  const relay = await harness.welcome();
  expect(relay.methods()).not.toContain('listen');
  expect(harness.listening).toMatchObject({ phase: 'refused', error: { code: 'no_sound' } });
  harness.kind = 'websocket';
  harness.core.handle({ type: 'wake', networkChanged: true });
  await harness.time.advance(1_000);
  const next = await harness.welcome();
  next.reply('listen', { station: station('demo'), track: null });
  await settle();
  expect(harness.listening).toMatchObject({ phase: 'listening' });
  harness.core.handle({ type: 'close' });
});
