/** Where neither WebTransport nor WebSockets come through one still talks. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Cleanup } from '../harness/process.ts';
import { DESKTOP, message, say, signIn, SOON } from '../harness/people.ts';
import { launchChromium } from '../harness/chromium.ts';
import { openHttpOnly } from '../harness/http-only.ts';
import { Server } from '../harness/server.ts';

test(
  'rooms work over HTTP alone, and the player says why it is silent',
  { timeout: 180_000 },
  async () => {
    const cleanup = new Cleanup();
    try {
      const server = await Server.start({ udpBlocked: true, args: ['--demo'] });
      cleanup.add(() => server.close());
      await server.live('demo');
      const narrow = await openHttpOnly(server.url);
      cleanup.add(() => narrow.close());
      const browser = await launchChromium();
      cleanup.add(() => browser.close());
      const ann = await browser.tab(DESKTOP);
      const bob = await browser.tab(DESKTOP);
      await signIn(ann, `${narrow.url}/station/demo`, 'Ann');
      await signIn(bob, `${server.url}/station/demo`, 'Bob');
      assert.ok(narrow.refused() > 0, 'a WebSocket was tried first');
      for (let count = 1; count <= 5; count++) await say(ann, `By post ${count}`);
      await message(bob, 'By post 5').waitFor(SOON);
      await say(bob, 'By socket');
      await message(ann, 'By socket').waitFor(SOON);
      for (const tab of [ann, bob]) {
        const texts = await tab.page.locator('.message-text').allTextContents();
        assert.deepEqual(texts, [1, 2, 3, 4, 5].map((at) => `By post ${at}`).concat('By socket'));
      }
      await ann.page.getByRole('button', { name: /^play/i }).first().click();
      await ann.page.getByText(/lets neither WebTransport nor WebSockets through/).waitFor(SOON);
      // The stream of events breaks: the session comes back and has missed nothing.
      narrow.cut();
      await say(bob, 'During the cut');
      await say(ann, 'After the cut');
      await message(bob, 'After the cut').waitFor(SOON);
      await message(ann, 'During the cut').waitFor(SOON);
      await ann.page.locator('.is-pending').waitFor({ state: 'detached', ...SOON });
    } finally {
      await cleanup.run();
    }
  },
);
