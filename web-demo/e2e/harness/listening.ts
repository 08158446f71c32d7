import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { analyseTone, type ToneReport } from './audio.ts';
import type { Tab } from './browser.ts';
import { until } from './process.ts';
import { decodeSamples } from './samples.ts';
import { TONE } from './server.ts';

/** The part of `<skywave-player>` that the tests use; the page's own type is not theirs. */
interface PlayerElement extends HTMLElement {
  readonly state: string;
  readonly stats: Stats;
  play(): Promise<void>;
  capture(seconds: number): Promise<{
    sampleRate: number;
    left: Float32Array;
    right: Float32Array;
  }>;
}

/** Figures of a player, as far as the tests look at them. */
export interface Stats {
  transport?: 'webtransport' | 'websocket';
  packets: number;
  lost: number;
  recovered: number;
  retransmitted: number;
  late: number;
  concealedMs: number;
  underruns: number;
  restarts: number;
  bufferMs: number;
}

/** What a player does and why, in one look. */
export interface Look {
  state: string;
  stats: Stats;
}

/** Opens a station's page and waits until its player is there. */
export async function openStation(tab: Tab, server: string, station: string): Promise<void> {
  await tab.open(`${server}/station/${station}`);
  await until('the player is on the page', 30_000, () =>
    tab.run(
      () => typeof document.querySelector<PlayerElement>('skywave-player')?.play === 'function',
    ),
  );
}

/**
 * Plays, as a press of the button does, what the source sends: the automatic choice may take
 * a mono rendition on a machine that is too busy, and a tone tells of the way it came.
 */
export async function play(tab: Tab): Promise<void> {
  await tab.run(() => {
    const player = document.querySelector<PlayerElement>('skywave-player');
    player?.setAttribute('rendition', 'source');
    return player?.play();
  });
}

/** Looks at the player. */
export function look(tab: Tab): Promise<Look> {
  return tab.run(() => {
    const player = document.querySelector<PlayerElement>('skywave-player');
    if (!player) throw new Error('there is no player on the page');
    return { state: player.state, stats: player.stats };
  });
}

/** Waits until the player says that it plays. */
export async function untilPlaying(tab: Tab, timeoutMs: number): Promise<Look> {
  let last: Look | undefined;
  try {
    return await until('the player plays', timeoutMs, async () => {
      last = await look(tab);
      return last.state === 'playing' && last.stats.packets > 0 ? last : undefined;
    });
  } catch (error) {
    throw new Error(`${String(error)}\n${JSON.stringify(last)}\n${tab.complaints.join('\n')}`);
  }
}

/** What came out of the worklet during the last seconds. */
async function capture(
  tab: Tab,
  seconds: number,
): Promise<{ rate: number; channels: Float32Array[] }> {
  const { rate, texts } = await tab.run(async (wanted) => {
    const player = document.querySelector<PlayerElement>('skywave-player');
    if (!player) throw new Error('there is no player on the page');
    const { sampleRate, left, right } = await player.capture(wanted);
    const texts = [left, right].map((samples) => {
      const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
      let text = '';
      for (let i = 0; i < bytes.length; i += 8_192) {
        text += String.fromCharCode(...bytes.subarray(i, i + 8_192));
      }
      return btoa(text);
    });
    return { rate: sampleRate, texts };
  }, seconds);
  return { rate, channels: texts.map(decodeSamples) };
}

/** What is asked of a tone that went through Opus at 128 kb/s. */
const SNR_DB = 30;
const SECONDS = 3;
// Browsers, relay, source and whatever else runs share the cores of the machine: now and
// then a thread that fills the sound buffer comes too late, which is no fault of theirs.
// A fault of theirs comes again.
const TRIES = 5;

/**
 * Waits for three seconds of the test tone without a gap, both channels, loud as they were
 * sent. What was heard before does not count, so it is also the way to wait for sound to
 * come back.
 */
export async function hearTone(tab: Tab): Promise<void> {
  const heard: string[] = [];
  for (let attempt = 0; attempt < TRIES; attempt++) {
    await sleep(SECONDS * 1_000 + 500);
    const { rate, channels } = await capture(tab, SECONDS);
    const [left, right] = channels.map((samples) => {
      assert.equal(rate, 48_000);
      assert.equal(samples.length, SECONDS * rate, 'as much sound as was waited for');
      return analyseTone(samples, rate, TONE.hz);
    });
    assert.ok(left && right);
    if (isTone(left, TONE.left) && isTone(right, TONE.right)) return;
    heard.push(JSON.stringify({ left, right, stats: (await look(tab)).stats }));
  }
  assert.fail(`the tone was not heard without a fault:\n${heard.join('\n')}`);
}

function isTone(report: ToneReport, amplitude: number): boolean {
  const level = report.amplitude / amplitude;
  return report.snrDb > SNR_DB && report.gaps.length === 0 && level > 0.95 && level < 1.05;
}
