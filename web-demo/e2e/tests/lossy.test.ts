/** What a listener in Chromium hears through a network that loses a packet in twenty. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { launchChromium, type Chromium } from '../harness/chromium.ts';
import { hearTone, look, openStation, play, untilPlaying } from '../harness/listening.ts';
import { Cleanup } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

const SECONDS = 10;

let browser: Chromium;

before(async () => {
  browser = await launchChromium();
});

after(() => browser.close());

test(
  'at 5 % loss the tone is heard, and hardly any of it made up',
  { timeout: 180_000 },
  async () => {
    const cleanup = new Cleanup();
    try {
      const network = { loss: 0.05, delayMs: 15, jitterMs: 1, seed: 7 };
      const server = await Server.start({ network });
      cleanup.add(() => server.close());
      await server.publishTone('pitch');
      const tab = await browser.tab();
      cleanup.add(() => tab.close());
      await openStation(tab, server.url, 'pitch');
      // A handshake that loses packets must not end on the WebSocket.
      await tab.run(() => {
        document.querySelector('skywave-player')?.setAttribute('transport', 'webtransport');
      });
      await play(tab);
      await untilPlaying(tab, 60_000);
      // What is lost at first teaches the receiver how much to wait for.
      await sleep(5_000);
      const before = (await look(tab)).stats;
      await sleep(SECONDS * 1_000);
      const { stats } = await look(tab);
      const repaired = (from: typeof stats): number => from.recovered + from.retransmitted;
      const concealedMs = stats.concealedMs - before.concealedMs;
      const figures = JSON.stringify({ before, stats, lost: server.shaper?.lost });
      console.log(`concealed ${concealedMs} ms of ${SECONDS} s: ${figures}`);
      assert.equal(stats.transport, 'webtransport');
      assert.ok(repaired(stats) - repaired(before) >= 5, figures);
      // Without repair 5 % would be made up; what the machine does to the clock is not its fault.
      assert.ok(concealedMs < SECONDS * 10, figures);
      await hearTone(tab);
    } finally {
      await cleanup.run();
    }
  },
);
