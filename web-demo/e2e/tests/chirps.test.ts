/** Every moment of a station is heard in Chromium once, in its turn, in its place and soon. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CHIRPS, chirpsWav, findChirps, MIDDLES, ROUND } from '../harness/chirps.ts';
import { launchChromium, type Chromium } from '../harness/chromium.ts';
import { look, openStation, play, untilPlaying } from '../harness/listening.ts';
import { Server } from '../harness/server.ts';
import { contextTimeAt, positionAt, watched, watchedTab, type Watched } from '../harness/watch.ts';

const RATE = 48_000;
const SECONDS = 6;
// A thread that comes too late on a busy machine is no fault of ours; a fault comes again.
const TRIES = 5;

/** How far chirps may be from their place in the stream, in samples: 2 ms. */
const OFF_MAX = 96;

/** How far what leaves may be behind what came, in samples of the stream: half a second. */
const BEHIND_MAX = RATE / 2;

let browser: Chromium;
let server: Server;

before(async () => {
  browser = await launchChromium();
  server = await Server.start();
  await server.publish('chirps', 'Chirps', chirpsWav());
});

after(async () => {
  await server.close();
  await browser.close();
});

/** What is wrong with the last seconds; nothing, if all is well. */
function faults(seen: Watched): string[] {
  const from = Math.max(0, seen.samples.length - SECONDS * RATE);
  const found: string[] = [];
  const heard = findChirps(seen.samples.subarray(from));
  if (heard.length < 8) found.push(`${heard.length} chirps`);
  const numbers = heard.map(({ number }) => number);
  const inTurn = numbers.every((number, i) => {
    const before = numbers[i - 1];
    return number !== undefined && (i === 0 || number === ((before ?? NaN) + 1) % CHIRPS);
  });
  if (!inTurn) found.push(`out of turn: ${numbers.join(' ')}`);
  // Where the file began on the station's timeline; the same by each of them.
  const origins = heard.map(({ at, number }) => {
    const origin = positionAt(seen, from + at) - (MIDDLES[number ?? 0] ?? NaN);
    return ((origin % ROUND) + ROUND) % ROUND;
  });
  const first = origins[0] ?? NaN;
  const off = origins.map((origin) => {
    const apart = Math.abs(origin - first);
    return Math.min(apart, ROUND - apart);
  });
  if (!off.every((samples) => samples <= OFF_MAX)) found.push(`out of place: ${off.join(' ')}`);
  const since = contextTimeAt(seen, from);
  const told = seen.positions.filter(([contextTime]) => contextTime >= since);
  const behind = told.map(([contextTime, position]) => {
    const came = seen.atWorklet.filter((arrival) => arrival.contextTime <= contextTime);
    return Math.max(...came.map(({ timestamp }) => timestamp)) - position;
  });
  const late = Math.max(...behind);
  if (!(late <= BEHIND_MAX)) found.push(`${late} samples behind`);
  return found;
}

test('chirps are heard once, in turn, in place and soon', { timeout: 120_000 }, async () => {
  const tab = await watchedTab(browser);
  try {
    await openStation(tab, server.url, 'chirps');
    await play(tab);
    await untilPlaying(tab, 60_000);
    const reports: string[] = [];
    for (let attempt = 0; attempt < TRIES; attempt++) {
      await sleep(SECONDS * 1_000 + 1_000);
      const found = faults(await watched(tab));
      if (found.length === 0) return;
      reports.push(JSON.stringify({ found, stats: (await look(tab)).stats }));
    }
    assert.fail(`the chirps were not heard without a fault:\n${reports.join('\n')}`);
  } finally {
    await tab.close();
  }
});
