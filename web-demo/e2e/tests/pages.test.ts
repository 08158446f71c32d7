/** The site as people meet it: on a desktop and a phone, by keyboard, by screen reader. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertAccessible, assertFits, RESULTS } from '../harness/looks.ts';
import { launchChromium, type Chromium, type ChromiumTab } from '../harness/chromium.ts';
import { look, openStation, untilPlaying } from '../harness/listening.ts';
import { Cleanup, until } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

const SCREENS = {
  desktop: { viewport: { width: 1280, height: 800 } },
  phone: {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
  },
} as const;
const SCHEMES = ['light', 'dark'] as const;

let server: Server;
let browser: Chromium;

before(async () => {
  mkdirSync(RESULTS, { recursive: true });
  server = await Server.start({ args: ['--demo'] });
  await server.live('demo');
  await server.publishTone('pitch', 'Concert pitch');
  browser = await launchChromium();
});

after(async () => {
  const cleanup = new Cleanup();
  cleanup.add(() => server.close());
  cleanup.add(() => browser.close());
  await cleanup.run();
});

/** Opens the home page and waits until both stations are listed. */
async function openHome(tab: ChromiumTab): Promise<void> {
  await tab.open(`${server.url}/`);
  for (const station of ['demo', 'pitch']) {
    await tab.page.locator(`a[href$="/station/${station}"]`).first().waitFor({ timeout: 30_000 });
  }
}

for (const [screen, options] of Object.entries(SCREENS)) {
  for (const colorScheme of SCHEMES) {
    test(`home and station page, ${screen}, ${colorScheme}`, { timeout: 120_000 }, async () => {
      const tab = await browser.tab({ ...options, colorScheme });
      try {
        const picture = (page: string): `${string}.png` =>
          `${join(RESULTS, `${page}-${screen}-${colorScheme}`)}.png`;
        await openHome(tab);
        await tab.screenshot(picture('home'));
        await assertFits(tab);
        await assertAccessible(tab);

        await openStation(tab, server.url, 'demo');
        await tab.page.getByRole('button', { name: /^play/i }).first().click();
        await untilPlaying(tab, 60_000);
        await tab.screenshot(picture('station'));
        await assertFits(tab);
        await assertAccessible(tab);
        assert.deepEqual(tab.complaints, []);
      } finally {
        await tab.close();
      }
    });
  }
}

/** The role-bearing element that has the focus, looked for through shadow roots. */
function focused(tab: ChromiumTab): Promise<string> {
  return tab.run(() => {
    let element = document.activeElement;
    while (element?.shadowRoot?.activeElement) element = element.shadowRoot.activeElement;
    const name = element?.getAttribute('aria-label') ?? element?.textContent ?? '';
    return `${element?.localName ?? 'nothing'}: ${name.trim()}`;
  });
}

test('the keyboard alone finds, plays and pauses a station', { timeout: 120_000 }, async () => {
  const tab = await browser.tab(SCREENS.desktop);
  try {
    await openHome(tab);
    const { keyboard } = tab.page;
    const tabTo = async (what: RegExp): Promise<void> => {
      const passed: string[] = [];
      for (let presses = 0; presses < 40; presses++) {
        await keyboard.press('Tab');
        const now = await focused(tab);
        if (what.test(now)) return;
        passed.push(now);
      }
      assert.fail(`Tab never reached ${what}, only ${passed.join(' | ')}`);
    };
    await tabTo(/^a: .*pitch/is);
    await keyboard.press('Enter');
    await tab.page.waitForURL(/\/station\/pitch$/, { timeout: 10_000 });
    await until('the player is on the page', 30_000, () =>
      tab.run(() => customElements.get('skywave-player') !== undefined),
    );
    await tabTo(/^button: play/i);
    await keyboard.press('Space');
    await untilPlaying(tab, 60_000);
    // What is playing and how many listen is told on the page, not only heard.
    await tab.page.getByText('Concert pitch').first().waitFor({ timeout: 20_000 });
    assert.match(await focused(tab), /^button: pause/i);
    await keyboard.press('Space');
    await until('the player pauses', 10_000, async () => (await look(tab)).state === 'idle');
  } finally {
    await tab.close();
  }
});

test('a station that is not there says so', { timeout: 60_000 }, async () => {
  const tab = await browser.tab(SCREENS.desktop);
  try {
    await openStation(tab, server.url, 'nowhere');
    await tab.page.getByRole('button', { name: /^play/i }).first().click();
    await until('the player says that it is off air', 30_000, async () => {
      const { state } = await look(tab);
      return state === 'offline';
    });
  } finally {
    await tab.close();
  }
});
