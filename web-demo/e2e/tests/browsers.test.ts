/**
 * The ground the other browser tests stand on: each browser starts here, its audio clock
 * runs at the pace of real time, and samples come back from a worklet unharmed. When this
 * fails, look at the machine before looking at Skywave.
 */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { analyseTone } from '../harness/audio.ts';
import type { Browser } from '../harness/browser.ts';
import { launchChromium } from '../harness/chromium.ts';
import { launchFirefox } from '../harness/firefox.ts';
import type { Cleanup } from '../harness/process.ts';
import { decodeSamples } from '../harness/samples.ts';
import { inBrowser } from '../harness/trial.ts';
import { launchWebKit } from '../harness/webkit.ts';

/** Plays a tone that it makes itself, and keeps the last second of it. */
const WORKLET = `
registerProcessor("tone", class extends AudioWorkletProcessor {
  ring = new Float32Array(48000);
  frames = 0;
  constructor() {
    super();
    this.port.onmessage = () => {
      const n = Math.min(this.frames, this.ring.length);
      const out = Float32Array.from({ length: n }, (_, i) => this.ring[(this.frames - n + i) % this.ring.length]);
      this.port.postMessage({ out, frames: this.frames });
    };
  }
  process(_, [[channel]]) {
    for (let i = 0; i < channel.length; i++) {
      channel[i] = 0.25 * Math.sin((2 * Math.PI * 440 * this.frames) / sampleRate);
      this.ring[this.frames++ % this.ring.length] = channel[i];
    }
    return true;
  }
});`;

async function playInPage(
  seconds: number,
): Promise<{ base64: string; rate: number; pace: number }> {
  const context = new AudioContext({ sampleRate: 48_000 });
  await context.audioWorklet.addModule('/tone.js');
  const node = new AudioWorkletNode(context, 'tone', { numberOfInputs: 0 });
  node.connect(context.destination);
  await context.resume();
  const ask = (): Promise<{ out: Float32Array; frames: number; at: number }> =>
    new Promise((resolve) => {
      node.port.onmessage = ({ data }: MessageEvent<{ out: Float32Array; frames: number }>) =>
        resolve({ ...data, at: performance.now() });
      node.port.postMessage(0);
    });
  const wait = (ms: number): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, ms));
  // The device takes its time to open; the pace counts from when sound flows.
  let first = await ask();
  for (let tries = 0; first.frames === 0 && tries < 100; tries++) {
    await wait(100);
    first = await ask();
  }
  await wait(seconds * 1_000);
  const last = await ask();
  await context.close();
  const bytes = new Uint8Array(last.out.buffer, last.out.byteOffset, last.out.byteLength);
  let text = '';
  for (let i = 0; i < bytes.length; i += 8_192)
    text += String.fromCharCode(...bytes.subarray(i, i + 8_192));
  const pace = (last.frames - first.frames) / context.sampleRate / ((last.at - first.at) / 1_000);
  return { base64: btoa(text), rate: context.sampleRate, pace };
}

async function servePage(cleanup: Cleanup): Promise<string> {
  const server = createServer((request, response) => {
    const script = request.url === '/tone.js';
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html');
    response.end(script ? WORKLET : '<!doctype html><title>tone</title>');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(() => {
    server.closeAllConnections();
    server.close();
    return Promise.resolve();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const launchers: Record<string, () => Promise<Browser>> = {
  chromium: launchChromium,
  firefox: launchFirefox,
  webkit: launchWebKit,
};

for (const [name, launch] of Object.entries(launchers)) {
  test(`${name} plays a worklet at the pace of real time`, { timeout: 180_000 }, () =>
    inBrowser(launch, async (browser, cleanup) => {
      const url = await servePage(cleanup);
      const tab = await browser.tab();
      await tab.open(url);
      const { base64, rate, pace } = await tab.run(playInPage, 3);
      const report = analyseTone(decodeSamples(base64), rate, 440);
      assert.ok(report.snrDb > 80, `${report.snrDb} dB`);
      // A loaded machine may fall behind; a clock without a device stands still or races.
      assert.ok(pace > 0.5 && pace < 1.5, `the audio clock ran at ${pace} of real time`);
    }),
  );
}
