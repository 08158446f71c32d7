/** From a microphone's sample to the speaker, stage by stage, through Chromium. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHIRPS, chirpsWav, findChirps, MIDDLES, ROUND, type Heard } from '../harness/chirps.ts';
import type { Chromium } from '../harness/chromium.ts';
import { openStation, play, untilPlaying } from '../harness/listening.ts';
import { Child, Cleanup } from '../harness/process.ts';
import { Server } from '../harness/server.ts';
import type { LinkOptions } from '../harness/shaper.ts';
import { positionAt, watched, watchedTab, type Arrival, type Watched } from '../harness/watch.ts';

/** A row of the table. */
export interface Way {
  readonly name: string;
  readonly latency: 'interactive' | 'live' | 'safe';
  readonly network?: LinkOptions;
}

/** What is measured. */
export const WAYS: readonly Way[] = [
  { name: 'loopback, `interactive`', latency: 'interactive' },
  { name: 'loopback, `live`', latency: 'live' },
  {
    name: '5 % loss and 15 ms each way between relay and browser, `live`',
    latency: 'live',
    network: { loss: 0.05, delayMs: 15, jitterMs: 1, seed: 7 },
  },
];

/** The stages, in order; each begins where the one before ends. */
export const STAGES = [
  'the rest of the frame of 20 ms, the encoder (6.5 ms of it look-ahead)',
  'source, relay, network, the session’s worker',
  'from the worker to the worklet',
  'receiver: jitter buffer and decoder',
] as const;

/** How one way fared: per chirp each stage in ms, and what follows the worklet. */
export interface Measured {
  readonly chirps: readonly (readonly number[])[];
  readonly outputMs: number;
}

/** Seconds that are not counted: the delay finds its place. */
const SETTLE_S = 15;
const LISTEN_S = 30;
const RATE = 48_000;

/** Plays chirps from a microphone to a browser. `microphone` is the program that records. */
export async function mouthToEar(
  chromium: Chromium,
  microphone: string,
  { latency, network }: Way,
): Promise<Measured> {
  const cleanup = new Cleanup();
  try {
    const server = await Server.start(network === undefined ? {} : { network });
    cleanup.add(() => server.close());
    const dir = await mkdtemp(join(tmpdir(), 'skywave-chirps-'));
    cleanup.add(() => rm(dir, { recursive: true }));
    const file = join(dir, 'chirps.wav');
    writeFileSync(file, chirpsWav());
    const SKYWAVE_TOKEN = await server.token('chirps');
    const args = [server.url, 'chirps', file];
    const source = Child.start({ command: microphone, args, env: { SKYWAVE_TOKEN } });
    cleanup.add(() => source.stop());
    await server.live('chirps', source);
    const [, began] = await source.says(/"began_us":(\d+)/, 5_000);
    const tab = await watchedTab(chromium);
    cleanup.add(() => tab.close());
    await openStation(tab, server.url, 'chirps');
    await tab.run((profile) => {
      const player = document.querySelector('skywave-player');
      player?.setAttribute('latency', profile);
      player?.setAttribute('transport', 'webtransport');
    }, latency);
    await play(tab);
    await untilPlaying(tab, 60_000);
    await sleep((SETTLE_S + LISTEN_S) * 1_000);
    return stages(await watched(tab), Number(began) / 1_000);
  } finally {
    await cleanup.run();
  }
}

/** Holds what was heard against when it was said. */
function stages(seen: Watched, beganMs: number): Measured {
  const byPacket = (arrivals: readonly Arrival[]): Map<number, Arrival> => {
    const first = new Map<number, Arrival>();
    for (const arrival of arrivals) {
      if (!first.has(arrival.timestamp)) first.set(arrival.timestamp, arrival);
    }
    return first;
  };
  const [atWorker, atWorklet] = [byPacket(seen.atWorker), byPacket(seen.atWorklet)];
  const starts = [...atWorklet.keys()].sort((a, b) => a - b);
  const chirps = certain(findChirps(seen.samples)).flatMap(({ at, number }) => {
    if (at < SETTLE_S * RATE) return [];
    // The wall clock of a worklet shows whole milliseconds: half of one is left out on average.
    const leftMs = (seen.leftMs[Math.floor(at / 128)] ?? NaN) + 0.5;
    const spokenMs = spoken(number, leftMs, beganMs);
    const position = positionAt(seen, at);
    const start = starts.findLast((timestamp) => timestamp <= position) ?? NaN;
    const [worker, worklet] = [atWorker.get(start), atWorklet.get(start)];
    if (!worker || !worklet) return [];
    const sentMs = worker.atMs - wrap(worker.atMs * 1_000 - worker.sentUs) / 1_000;
    const moments = [spokenMs, sentMs, worker.atMs, worklet.atMs + 0.5, leftMs];
    return [moments.slice(1).map((moment, i) => moment - (moments[i] ?? NaN))];
  });
  return { chirps, outputMs: seen.outputMs };
}

/** Those whose place in the row both neighbours confirm. */
function certain(heard: readonly Heard[]): { at: number; number: number }[] {
  const after = (number: number | undefined): number => ((number ?? NaN) + 1) % CHIRPS;
  return heard.flatMap(({ at, number }, i) => {
    const [before, next] = [heard[i - 1]?.number, heard[i + 1]?.number];
    const known = number !== undefined && number === after(before) && next === after(number);
    return known ? [{ at, number }] : [];
  });
}

/** When the middle of this chirp was recorded last before `leftMs`. */
function spoken(number: number, leftMs: number, beganMs: number): number {
  const firstMs = beganMs + ((MIDDLES[number] ?? NaN) / RATE) * 1_000;
  const roundMs = (ROUND / RATE) * 1_000;
  return firstMs + Math.floor((leftMs - firstMs) / roundMs) * roundMs;
}

/** Signed difference of times that count modulo 2^32 µs. */
function wrap(us: number): number {
  const wrapped = ((us % 2 ** 32) + 2 ** 32) % 2 ** 32;
  return wrapped < 2 ** 31 ? wrapped : wrapped - 2 ** 32;
}
