/** The real WebAssembly, driven as the worklet drives it: by 128 frames and the audio clock. */
import { beforeAll, describe, expect, test } from 'vitest';
import { decodeRepair, encodeDatagram } from '../src/wire.ts';
import { readWasm } from '../scripts/wasm.mjs';
import { Receiver } from '../src/worklet/receiver.ts';

const BLOCK_MS = 128 / 48;
// 20 ms of stereo silence as any Opus encoder writes it.
const SILENCE = new Uint8Array([0xfc, 0xff, 0xfe]);

let wasm: ArrayBuffer;

beforeAll(async () => {
  const { bytes } = await readWasm();
  wasm = Uint8Array.from(bytes).buffer;
});

function packet(sequence: number, track = 7) {
  return encodeDatagram({
    track,
    sequence: BigInt(sequence),
    timestamp: BigInt(sequence * 960),
    sendTime: 0,
    copies: [],
    packet: SILENCE,
  });
}

/** A second of audio, with a packet every 20 ms unless `drop` says otherwise. */
function play(
  receiver: Receiver,
  fromMs: number,
  drop: (sequence: number) => boolean = () => false,
) {
  const left = new Float32Array(128);
  const right = new Float32Array(128);
  let next = Math.round(fromMs / 20);
  for (let nowMs = fromMs; nowMs < fromMs + 1000; nowMs += BLOCK_MS) {
    while (next * 20 <= nowMs) {
      if (!drop(next)) receiver.datagram(packet(next), nowMs);
      next++;
    }
    receiver.pull(nowMs, left, right);
  }
}

describe('the receiver', () => {
  test('asks for what is missing while it can still be played, unless told not to', () => {
    const ask = (repair: 'off' | 'auto') => {
      const receiver = new Receiver(wasm, 48_000);
      receiver.begin(7);
      receiver.prefer({ latency: 'safe', repair, bundled: false });
      receiver.setServer(10, 0);
      play(receiver, 0, (sequence) => sequence % 10 === 5);
      expect(receiver.redundancyWanted).toBeGreaterThanOrEqual(0);
      receiver.datagram(packet(51), 1_000);
      // A loss that just showed, with all of the buffer before its turn.
      const request = receiver.pollRequest(1_015);
      return request && decodeRepair(request);
    };
    expect(ask('off')).toBeUndefined();
    expect(ask('auto')).toEqual({ track: 7, sequences: [50n] });
  });

  test('plays what comes and tells where it is', () => {
    const receiver = new Receiver(wasm, 48_000);
    receiver.begin(7);
    expect(receiver.state).toBe('buffering');
    expect(receiver.position).toBeUndefined();
    play(receiver, 0);
    expect(receiver.state).toBe('playing');
    // A second less what is buffered: the position follows the packets' own time.
    expect(receiver.position).toBeGreaterThan(40_000);
    expect(receiver.position).toBeLessThan(48_000);
    const stats = receiver.stats();
    expect(stats).toMatchObject({ packets: 50, lost: 0, late: 0, rejected: 0 });
    expect(stats.bufferMs).toBeGreaterThan(0);
    expect(stats.targetMs).toBeGreaterThan(0);
  });

  test('conceals what is lost, and says so', () => {
    const receiver = new Receiver(wasm, 48_000);
    receiver.begin(7);
    play(receiver, 0);
    play(receiver, 1000, (sequence) => sequence % 10 === 3);
    const stats = receiver.stats();
    expect(stats.lost).toBe(5);
    expect(stats.concealedMs).toBeGreaterThan(90);
    expect(receiver.state).toBe('playing');
  });

  test('falls silent when nothing comes, and goes on by itself', () => {
    const receiver = new Receiver(wasm, 48_000);
    receiver.begin(7);
    play(receiver, 0);
    play(receiver, 1000, () => true);
    expect(receiver.state).toBe('interrupted');
    play(receiver, 2000);
    expect(receiver.state).toBe('playing');
  });

  test('a stream that begins anew is heard at once, also with the same numbers', () => {
    const receiver = new Receiver(wasm, 48_000);
    receiver.begin(7);
    for (let second = 0; second < 5; second++) play(receiver, second * 1000);
    receiver.begin(7);
    expect(receiver.state).toBe('buffering');
    play(receiver, 1000);
    expect(receiver.state).toBe('playing');
    expect(receiver.position).toBeLessThan(2 * 48_000);
  });

  test('plays the track it is set to and no other', () => {
    const receiver = new Receiver(wasm, 48_000);
    receiver.begin(8);
    play(receiver, 0);
    expect(receiver.state).toBe('buffering');
    expect(receiver.stats().packets).toBe(0);
  });

  test('takes garbage without harm', () => {
    const receiver = new Receiver(wasm, 44_100);
    receiver.begin(7);
    receiver.datagram(new Uint8Array(0), 0);
    receiver.datagram(new Uint8Array(5_000).fill(1), 0);
    receiver.datagram(new Uint8Array([1, 7, 0xff]), 0);
    play(receiver, 0);
    expect(receiver.state).toBe('playing');
  });

  test('another file is refused', () => {
    expect(() => new Receiver(new ArrayBuffer(8), 48_000)).toThrow();
  });
});
