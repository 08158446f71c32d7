/** A station heard in three browsers, judged by the samples that leave the worklet. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Browser } from '../harness/browser.ts';
import { launchChromium } from '../harness/chromium.ts';
import { launchFirefox } from '../harness/firefox.ts';
import { hearTone, openStation, play, untilPlaying } from '../harness/listening.ts';
import { Server } from '../harness/server.ts';
import { inBrowser } from '../harness/trial.ts';
import { launchWebKit } from '../harness/webkit.ts';

const CASES: [launch: () => Promise<Browser>, name: string, transport: string][] = [
  [launchChromium, 'Chromium', 'webtransport'],
  [launchFirefox, 'Firefox', 'webtransport'],
  // WebKitGTK has no WebTransport.
  [launchWebKit, 'WebKitGTK', 'websocket'],
];

let server: Server;

before(async () => {
  server = await Server.start();
  await server.publishTone('pitch');
});

after(() => server.close());

for (const [launch, name, transport] of CASES) {
  test(`${name} plays a station over ${transport}`, { timeout: 180_000 }, () =>
    inBrowser(launch, async (browser, cleanup) => {
      const tab = await browser.tab();
      cleanup.add(() => tab.close());
      await openStation(tab, server.url, 'pitch');
      await play(tab);
      const { stats } = await untilPlaying(tab, 60_000);
      assert.equal(stats.transport, transport);
      await hearTone(tab);
    }),
  );
}
