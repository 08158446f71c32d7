import { describe, expect, test } from 'vitest';
import {
  datagramTrack,
  decodeDatagram,
  decodeFrame,
  decodeRepair,
  decodeVarint,
  encodeDatagram,
  encodeFrame,
  encodeRepair,
  encodeRequest,
  encodeVarint,
  FrameSplitter,
  FrameTooLarge,
  type Datagram,
} from '../src/wire.ts';
import { fromHex, toHex, vectors } from './vectors.ts';

const random = seeded(Number(process.env.SEED ?? Date.now() % 100_000));

describe('varint', () => {
  const cases = vectors<{
    decode: { bytes: string; value: string; canonical: boolean }[];
    truncated: string[];
  }>('varint');

  test.each(cases.decode)('$bytes is $value', ({ bytes, value, canonical }) => {
    expect(decodeVarint(fromHex(bytes))).toEqual({
      value: BigInt(value),
      next: bytes.length / 2,
    });
    const encoded = new Uint8Array(8);
    const length = encodeVarint(BigInt(value), encoded);
    if (canonical) expect(toHex(encoded.subarray(0, length))).toBe(bytes);
  });

  test.each(cases.truncated)('"%s" is cut short', (bytes) => {
    expect(decodeVarint(fromHex(bytes))).toBeUndefined();
  });

  test('what does not fit is refused', () => {
    expect(() => encodeVarint(1n << 62n, new Uint8Array(8))).toThrow(RangeError);
    expect(() => encodeVarint(-1n, new Uint8Array(8))).toThrow(RangeError);
    expect(() => encodeVarint(64n, new Uint8Array(1))).toThrow(RangeError);
  });
});

describe('repair', () => {
  const cases = vectors<{
    decode: {
      name: string;
      bytes: string;
      canonical: boolean;
      request: { track: number; sequences: string[] };
    }[];
    refuse: { name: string; bytes: string; error: string }[];
  }>('repair');

  test.each(cases.decode)('$name', ({ bytes, canonical, request }) => {
    const repair = { track: request.track, sequences: request.sequences.map(BigInt) };
    expect(decodeRepair(fromHex(bytes))).toEqual(repair);
    expect(toHex(encodeRepair(repair)) === bytes).toBe(canonical);
  });

  test.each(cases.refuse)('$name is refused', ({ bytes, error }) => {
    expect(decodeRepair(fromHex(bytes))).toBe(error);
  });

  test('what cannot be asked is refused', () => {
    const bad = [[], [4n, 4n], [5n, 4n], [1n << 62n], [-1n]];
    for (const sequences of bad) {
      expect(() => encodeRepair({ track: 5, sequences })).toThrow(RangeError);
    }
    expect(() => encodeRepair({ track: 0, sequences: [1n] })).toThrow(RangeError);
  });
});

describe('datagram', () => {
  interface Listed {
    track: number;
    sequence: string;
    timestamp: string;
    send_time: number;
    copies: { distance: number; age: string; packet: string }[];
    packet: string;
  }
  const cases = vectors<{
    decode: { name: string; bytes: string; canonical: boolean; datagram: Listed }[];
    refuse: { name: string; bytes: string; error: string }[];
  }>('audio');

  test.each(cases.decode)('$name', ({ bytes, canonical, datagram }) => {
    const decoded = decodeDatagram(fromHex(bytes));
    expect(decoded).toEqual({
      track: datagram.track,
      sequence: BigInt(datagram.sequence),
      timestamp: BigInt(datagram.timestamp),
      sendTime: datagram.send_time,
      copies: datagram.copies.map(({ distance, age, packet }) => ({
        distance,
        age: BigInt(age),
        packet: fromHex(packet),
        next: expect.any(Number) as number,
      })),
      packet: fromHex(datagram.packet),
    });
    expect(datagramTrack(fromHex(bytes))).toBe(datagram.track);
    if (canonical) expect(toHex(encodeDatagram(decoded as Datagram))).toBe(bytes);
  });

  test.each(cases.refuse)('$name is refused', ({ bytes, error }) => {
    expect(decodeDatagram(fromHex(bytes))).toBe(error);
  });

  test('no cut and no flipped bit makes decoding throw', () => {
    for (const { bytes } of [...cases.decode, ...cases.refuse]) {
      const whole = fromHex(bytes);
      for (let length = 0; length < Math.min(whole.length, 80); length++) {
        decodeDatagram(whole.subarray(0, length));
      }
      for (let round = 0; round < 200 && whole.length > 0; round++) {
        const damaged = whole.slice();
        const at = Math.floor(random() * Math.min(damaged.length, 40));
        damaged[at] = (damaged[at] ?? 0) ^ (1 << Math.floor(random() * 8));
        const decoded = decodeDatagram(damaged);
        // What is accepted can be written again, and then reads the same.
        if (typeof decoded === 'object') {
          expect(decodeDatagram(encodeDatagram(decoded))).toEqual({
            ...decoded,
            copies: decoded.copies.map((copy) => ({ ...copy, next: expect.any(Number) as number })),
          });
        }
      }
    }
  });

  test('datagrams nobody may send cannot be written', () => {
    const good: Datagram = {
      track: 1,
      sequence: 10n,
      timestamp: 9600n,
      sendTime: 0,
      copies: [],
      packet: new Uint8Array(3),
    };
    const copy = { distance: 1, age: 960n, packet: new Uint8Array(1) };
    const bad: Partial<Datagram>[] = [
      { track: 0 },
      { track: 2 ** 30 },
      { packet: new Uint8Array(0) },
      { packet: new Uint8Array(1200) },
      { copies: Array.from({ length: 8 }, () => copy) },
      { copies: [{ ...copy, distance: 0 }] },
      { copies: [{ ...copy, distance: 11 }] },
      { copies: [{ ...copy, age: 9601n }] },
      { copies: [{ ...copy, packet: new Uint8Array(0) }] },
    ];
    for (const change of bad) expect(() => encodeDatagram({ ...good, ...change })).toThrow();
    expect(encodeDatagram(good)).toHaveLength(13);
  });
});

describe('control frames', () => {
  const cases = vectors<{
    server: {
      json: string;
      kind: 'reply' | 'push';
      id?: number;
      ok?: boolean;
      temporary?: boolean;
      retry_after_ms?: number;
      channel?: string;
      offset?: number | null;
      type?: string;
    }[];
    refuse_server: string[];
    stream: { name: string; bytes: string; frames: string[]; rest?: boolean; error?: boolean }[];
  }>('frames');

  test.each(cases.server)('$json', (expected) => {
    const frame = decodeFrame(expected.json);
    if (frame?.kind === 'push') {
      const { channel, offset, type } = frame.push;
      expect({ channel, offset: offset ?? null, type }).toEqual({
        channel: expected.channel,
        offset: expected.offset,
        type: expected.type,
      });
      return;
    }
    expect(expected.kind).toBe('reply');
    expect(frame?.id).toBe(expected.id);
    expect(frame?.kind).toBe(expected.ok ? 'result' : 'error');
    if (frame?.kind === 'error') {
      expect(frame.error.temporary).toBe(expected.temporary);
      expect(frame.error.retryAfterMs).toBe(expected.retry_after_ms);
    }
  });

  test.each(cases.refuse_server)('%s is no frame', (json) => {
    expect(decodeFrame(json)).toBeUndefined();
  });

  test('requests read as the relay expects them', () => {
    expect(encodeRequest(1, 'ping', {})).toBe('{"id":1,"method":"ping"}');
    expect(encodeRequest(2, 'listen', { station: 'demo' })).toBe(
      '{"id":2,"method":"listen","params":{"station":"demo"}}',
    );
  });

  test.each(cases.stream)('a stream of $name', ({ bytes, frames, error }) => {
    const whole = fromHex(bytes);
    if (error) {
      expect(() => new FrameSplitter().push(whole)).toThrow(FrameTooLarge);
      return;
    }
    // However it is cut, the same frames come out.
    for (let size = 1; size <= whole.length; size++) {
      const splitter = new FrameSplitter();
      const out: string[] = [];
      for (let at = 0; at < whole.length; at += size) {
        for (const frame of splitter.push(whole.subarray(at, at + size))) {
          out.push(new TextDecoder().decode(frame));
        }
      }
      expect(out).toEqual(frames);
    }
  });

  test('a frame that is encoded splits off again', () => {
    for (const length of [0, 1, 63, 64, 16_383, 16_384, 65_536]) {
      const frame = new Uint8Array(length).fill(length % 251);
      expect(new FrameSplitter().push(encodeFrame(frame))).toEqual([frame]);
    }
  });
});

/** A small generator (mulberry32), so that a failure can be repeated with its seed. */
function seeded(seed: number): () => number {
  console.info(`SEED=${seed}`);
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}
