import { describe, expect, test } from 'vitest';
import { bundleOf } from '../src/bundle.ts';
import { CaptureRing } from '../src/capture-ring.ts';
import { Directory } from '../src/directory.ts';
import { Emitter } from '../src/emitter.ts';
import { encodeDatagram, isRecord, parseMetadata, parseStation, parseTrack } from '../src/wire.ts';
import { delayLabel, listenersLabel, nowPlayingLabel, stateLabel } from '../src/labels.ts';
import { NowPlayingTimeline } from '../src/now-playing.ts';
import { parseConnectInfo } from '../src/connect-info.ts';
import { playerState, type Circumstances } from '../src/player-state.ts';
import { SourceClock } from '../src/worklet/source-clock.ts';
import { station, track } from './relay.ts';
import { WallClock } from '../src/worklet/wall-clock.ts';
import type { JsonObject } from '../src/wire.ts';

describe('now playing', () => {
  const at = (timestamp: number, title: string) => ({ timestamp, title });

  test('is shown when its sample plays, not when it is told', () => {
    const timeline = new NowPlayingTimeline();
    timeline.add(at(96_000, 'Second'));
    timeline.add(at(48_000, 'First'));
    expect(timeline.advance(47_999)).toBe(false);
    expect(timeline.current).toBeUndefined();
    expect(timeline.next).toBe(48_000);
    expect(timeline.advance(48_000)).toBe(true);
    expect(timeline.current?.title).toBe('First');
    expect(timeline.advance(500_000)).toBe(true);
    expect(timeline.current?.title).toBe('Second');
    expect(timeline.next).toBeUndefined();
  });

  test('a correction replaces what was announced for the same moment', () => {
    const timeline = new NowPlayingTimeline();
    timeline.add(at(10, 'Tpyo'));
    timeline.add(at(10, 'Typo'));
    timeline.advance(10);
    expect(timeline.current?.title).toBe('Typo');
  });

  test('without a timestamp it holds at once, and announcements are bounded', () => {
    const timeline = new NowPlayingTimeline();
    timeline.add({ title: 'Now' });
    expect(timeline.current?.title).toBe('Now');
    for (let piece = 1; piece <= 200; piece++) timeline.add(at(piece, `${piece}`));
    expect(timeline.next).toBe(1);
    timeline.clear();
    expect(timeline.advance(1000)).toBe(false);
    expect(timeline.current?.title).toBe('Now');
    for (let piece = 200; piece >= 1; piece--) timeline.add(at(piece, `${piece}`));
    timeline.advance(1000);
    expect(timeline.current?.title).toBe('128');
  });
});

describe('capture ring', () => {
  const block = (from: number, count: number) =>
    Float32Array.from({ length: count }, (_, index) => from + index);

  test('gives the latest samples, oldest first, across its seam', () => {
    const ring = new CaptureRing(10);
    expect(ring.latest(4).left).toHaveLength(0);
    for (let from = 0; from < 24; from += 4) ring.write(block(from, 4), block(-from, 4));
    expect([...ring.latest(6).left]).toEqual([18, 19, 20, 21, 22, 23]);
    expect([...ring.latest(99).left]).toEqual([14, 15, 16, 17, 18, 19, 20, 21, 22, 23]);
    expect([...ring.latest(2).right]).toEqual([-18, -17]);
    expect(ring.latest(-1).left).toHaveLength(0);
  });
});

describe('directory', () => {
  const started = (id: string, more: JsonObject = {}, type = 'started') => ({
    channel: 'stations',
    type,
    data: station(id, more),
  });

  test('follows state, changes and counts', () => {
    const directory = new Directory();
    directory.handleState({ stations: [station('a'), station('b', { listeners: 5 })] });
    expect(directory.onAir().map(({ id }) => id)).toEqual(['b', 'a']);
    directory.handlePush(started('c', { listeners: 9 }));
    expect(directory.onAir().map(({ id }) => id)).toEqual(['c', 'b', 'a']);
    directory.handlePush(started('c', { state: 'interrupted' }, 'interrupted'));
    expect(directory.get('c')?.state).toBe('interrupted');
    directory.handlePush(started('c', { state: 'offline' }, 'stopped'));
    expect(directory.onAir().map(({ id }) => id)).toEqual(['b', 'a']);
    expect(directory.get('c')?.state).toBe('offline');
    const counts = { a: { count: 7, peak: 8 }, gone: { count: 1, peak: 1 } };
    directory.handlePush({ channel: 'stations', type: 'counts', data: counts });
    expect(directory.onAir()[0]).toMatchObject({ id: 'a', listeners: 7, listenersPeak: 8 });
    expect(directory.handlePush(started('x', {}, 'sings'))).toBeUndefined();
  });

  test('a new state takes off air what it does not name', () => {
    const directory = new Directory();
    directory.handleState({ stations: [station('a'), station('b')] });
    directory.handleState({ stations: [station('b')] });
    expect(directory.get('a')).toMatchObject({ state: 'offline', listeners: 0 });
    directory.handleState(null);
    expect(directory.onAir()).toEqual([]);
  });
});

describe('bundles', () => {
  test('are what was chosen, and by themselves none where delay matters most', () => {
    expect(bundleOf(3, 'interactive')).toBe(3);
    expect(bundleOf('auto', 'interactive')).toBe(1);
    expect(bundleOf('auto', 'live')).toBe(2);
    expect(bundleOf('auto', 'safe')).toBe(4);
  });
});

describe('parsing', () => {
  test('is lenient with what is missing and strict with what becomes a link', () => {
    expect(parseStation({ id: 'x', name: '', renditions: ['source', 3] })).toEqual({
      id: 'x',
      name: 'x',
      description: '',
      state: 'offline',
      listeners: 0,
      listenersPeak: 0,
      renditions: ['source'],
      rewindMs: 0,
    });
    expect(parseStation({ name: 'no id' })).toBeUndefined();
    expect(parseStation({ id: 'x', started_at: 1_790_000_000_000_000 })?.startedAt).toBe(
      1_790_000_000_000,
    );
    expect(parseTrack({ ...track(4), codec: 'mp3' })).toBeUndefined();
    expect(
      parseMetadata({ title: 't', url: 'javascript:alert(1)', artwork_url: 'https://a/b.png' }),
    ).toEqual({ title: 't', artworkUrl: 'https://a/b.png' });
    expect(parseMetadata({ artist: 'nobody' })).toBeUndefined();
  });

  test('connect info names transports, or the server speaks something else', () => {
    expect(
      parseConnectInfo({
        webtransport: {
          url: 'https://h:4433/v1',
          certificateHashes: [{ algorithm: 'sha-256', value: 'AA==' }, { algorithm: 'sha-256' }],
        },
        websocket: { url: 'ws://h:8080/v1' },
      }),
    ).toEqual({
      webtransport: {
        url: 'https://h:4433/v1',
        hashes: [{ algorithm: 'sha-256', value: 'AA==' }],
      },
      websocket: { url: 'ws://h:8080/v1' },
    });
    expect(() => parseConnectInfo({})).toThrow('does not speak Skywave');
    expect(() => parseConnectInfo('<html>')).toThrow('does not speak Skywave');
  });

  test('a list is no record', () => {
    expect(isRecord([])).toBe(false);
    expect(isRecord(null)).toBe(false);
  });
});

describe('player state', () => {
  const listening = { station: 'a', phase: 'listening' } as const;
  const good: Circumstances = {
    wanted: true,
    failed: false,
    session: { phase: 'connected' },
    listening,
    station: 'live',
    receiver: 'playing',
  };
  const refused = (code: string, temporary: boolean): Partial<Circumstances> => ({
    receiver: 'buffering',
    listening: { ...listening, phase: 'refused', error: { code, message: '', temporary } },
  });

  test.each<[string, Partial<Circumstances>]>([
    ['playing', {}],
    ['idle', { wanted: false, receiver: 'playing' }],
    ['error', { failed: true }],
    ['error', { session: { phase: 'closed' } }],
    ['playing', { session: { phase: 'reconnecting' } }],
    ['reconnecting', { session: { phase: 'reconnecting' }, receiver: 'interrupted' }],
    ['connecting', { session: { phase: 'connecting' }, receiver: 'buffering' }],
    ['connecting', { listening: null, receiver: 'buffering' }],
    ['buffering', { receiver: 'buffering' }],
    ['buffering', { receiver: 'interrupted' }],
    ['interrupted', { receiver: 'interrupted', station: 'interrupted' }],
    ['offline', { receiver: 'buffering', station: 'offline' }],
    ['offline', refused('unknown_station', false)],
    ['error', refused('unknown_rendition', false)],
    ['connecting', refused('overloaded', true)],
  ])('is %s', (state, change) => {
    expect(playerState({ ...good, ...change })).toBe(state);
  });
});

describe('clocks of the worklet', () => {
  function datagram(timestamp: number, sendTime: number) {
    return encodeDatagram({
      track: 70_000,
      sequence: 3n,
      timestamp: BigInt(timestamp),
      sendTime: sendTime >>> 0,
      copies: [],
      packet: new Uint8Array(4),
    });
  }

  test('the delay of a sample follows from when its packet was sent', () => {
    const clock = new SourceClock();
    expect(clock.delayMs(0, 0)).toBeUndefined();
    const serverMs = 1_790_000_000_000;
    const sentUs = (serverMs * 1000) % 2 ** 32;
    clock.observe(datagram(480_000, sentUs));
    expect(clock.delayMs(480_000, serverMs + 80)).toBeCloseTo(80, 3);
    // Half a second of media later, half a second of time later.
    expect(clock.delayMs(504_000, serverMs + 580)).toBeCloseTo(80, 3);
    clock.reset();
    expect(clock.delayMs(480_000, serverMs)).toBeUndefined();
  });

  test('survives the wrap of the send time, and evens out a jittery source', () => {
    const clock = new SourceClock();
    for (let packet = 0; packet < 100; packet++) {
      const jitterUs = packet % 2 === 0 ? 2_000 : -2_000;
      clock.observe(datagram(packet * 960, 2 ** 32 - 1_000_000 + packet * 20_000 + jitterUs));
    }
    const delay = clock.delayMs(99 * 960, (2 ** 32 - 1_000_000 + 99 * 20_000) / 1000 + 50);
    expect(Math.abs((delay ?? 0) - 50)).toBeLessThan(0.6);
  });

  test('no bytes make it throw', () => {
    const clock = new SourceClock();
    const whole = datagram(1, 1);
    for (let cut = 0; cut < 9; cut++) clock.observe(whole.subarray(0, cut));
    clock.observe(new Uint8Array(1200).fill(255));
    expect(clock.delayMs(0, 0)).toBeUndefined();
  });

  test('the wall clock is averaged, and followed at once when it jumps', () => {
    const clock = new WallClock();
    for (let block = 0; block < 2000; block++) {
      // Four blocks at a time, as an audio device of 512 samples asks for them.
      const audioMs = (block * 128) / 48;
      const wallMs = 5000 + (Math.floor(block / 4) * 512) / 48;
      clock.observe(audioMs, wallMs);
    }
    expect(Math.abs(clock.offsetMs - 4996)).toBeLessThan(1.5);
    clock.observe(0, 90_000);
    expect(clock.offsetMs).toBe(90_000);
  });
});

describe('labels', () => {
  test('read well', () => {
    expect(nowPlayingLabel({ title: 'Air', artist: 'Bach' })).toBe('Air — Bach');
    expect(nowPlayingLabel(undefined)).toBe('');
    expect([0, 1, 1200].map(listenersLabel)).toEqual([
      '0 listeners',
      '1 listener',
      '1,200 listeners',
    ]);
    expect([85.6, 999, 1430].map(delayLabel)).toEqual(['86 ms', '999 ms', '1.4 s']);
    expect(stateLabel('idle', false)).toBe('Off air');
  });
});

describe('emitter', () => {
  class Bell extends Emitter<{ ring: number }> {
    ring(times: number): void {
      this.emit('ring', times);
    }
  }

  test('calls everyone, once each, until told to stop', () => {
    const bell = new Bell();
    const heard: string[] = [];
    const listener = (times: number): void => {
      heard.push(`a${times}`);
    };
    const stop = bell.on('ring', listener);
    bell.on('ring', listener);
    bell.on('ring', (times) => heard.push(`b${times}`));
    bell.ring(1);
    stop();
    stop();
    bell.ring(2);
    expect(heard).toEqual(['a1', 'a1', 'b1', 'a2', 'b2']);
  });
});
