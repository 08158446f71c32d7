/** What a listener in a browser hears of broken networks and servers: nothing, soon. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launchChromium, type Chromium } from '../harness/chromium.ts';
import { hearTone, look, openStation, play, untilPlaying } from '../harness/listening.ts';
import { Cleanup, until } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

let browser: Chromium;

before(async () => {
  browser = await launchChromium();
});

after(() => browser.close());

test('where UDP is blocked, the WebSocket carries the sound', { timeout: 180_000 }, async () => {
  const cleanup = new Cleanup();
  try {
    const server = await Server.start({ udpBlocked: true });
    cleanup.add(() => server.close());
    await server.publishTone('pitch');
    const earlier = server.hole?.swallowed ?? 0;
    const tab = await browser.tab();
    cleanup.add(() => tab.close());
    await openStation(tab, server.url, 'pitch');
    await play(tab);
    const { stats } = await untilPlaying(tab, 60_000);
    assert.equal(stats.transport, 'websocket');
    await hearTone(tab);
    const swallowed = (server.hole?.swallowed ?? 0) - earlier;
    assert.ok(swallowed > 0, 'the browser did try WebTransport');
  } finally {
    await cleanup.run();
  }
});

test('a killed and restarted server is heard again by itself', { timeout: 240_000 }, async () => {
  const cleanup = new Cleanup();
  try {
    const server = await Server.start();
    cleanup.add(() => server.close());
    await server.publishTone('pitch');
    const tab = await browser.tab();
    cleanup.add(() => tab.close());
    await openStation(tab, server.url, 'pitch');
    await play(tab);
    await untilPlaying(tab, 60_000);
    await hearTone(tab);

    await server.kill();
    await until('the player notices', 60_000, async () => (await look(tab)).state !== 'playing');
    await server.restart();
    // The source, too, comes back by itself.
    await server.live('pitch');
    await untilPlaying(tab, 90_000);
    await hearTone(tab);
  } finally {
    await cleanup.run();
  }
});
