/** Going back and going live in the player, by keyboard, in Chromium. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { launchChromium, type Chromium, type ChromiumTab } from '../harness/chromium.ts';
import { hearTone, openStation, play, untilPlaying } from '../harness/listening.ts';
import { assertAccessible, assertFits, RESULTS } from '../harness/looks.ts';
import { until } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

/** The part of the player that is looked at here. */
interface PlayerElement extends HTMLElement {
  readonly state: string;
  readonly player: { readonly behindMs: number; readonly rewind: number };
}

let browser: Chromium;
let server: Server;

before(async () => {
  browser = await launchChromium();
  server = await Server.start({ settings: { REWIND_MINUTES: '1' } });
  await server.publishTone('pitch');
});

after(async () => {
  await server.close();
  await browser.close();
});

function look(tab: ChromiumTab) {
  return tab.run(() => {
    const element = document.querySelector<PlayerElement>('skywave-player');
    const label = element?.shadowRoot?.querySelector('.state')?.textContent ?? '';
    const pressed = element?.shadowRoot?.querySelector('.present')?.getAttribute('aria-pressed');
    return { state: element?.state, behindMs: element?.player.behindMs ?? 0, label, pressed };
  });
}

async function press(tab: ChromiumTab, name: string): Promise<void> {
  await tab.page.getByRole('button', { name }).focus();
  await tab.page.keyboard.press('Enter');
}

test('one goes back by keyboard, hears the past, and goes live', { timeout: 180_000 }, async () => {
  const tab = await browser.tab({ viewport: { width: 1280, height: 800 } });
  try {
    await openStation(tab, server.url, 'pitch');
    await play(tab);
    await untilPlaying(tab, 60_000);
    await hearTone(tab);
    assert.deepEqual(await look(tab), {
      state: 'playing',
      behindMs: 0,
      label: 'Live',
      pressed: 'true',
    });

    await press(tab, 'Back 30 s');
    const past = await until('the past plays', 20_000, async () => {
      const seen = await look(tab);
      return seen.state === 'playing' && seen.behindMs > 0 ? seen : undefined;
    });
    // The station is not half a minute old: as far back as there is something.
    assert.ok(past.behindMs > 2_000 && past.behindMs <= 30_100, JSON.stringify(past));
    assert.match(past.label, /behind live$/);
    assert.equal(past.pressed, 'false');
    await hearTone(tab);
    mkdirSync(RESULTS, { recursive: true });
    await assertAccessible(tab);
    await tab.screenshot(`${join(RESULTS, 'player-behind-desktop')}.png`);
    await tab.page.setViewportSize({ width: 375, height: 740 });
    await assertFits(tab);
    await tab.screenshot(`${join(RESULTS, 'player-behind-phone')}.png`);

    await press(tab, 'Go live');
    await until('the present plays', 20_000, async () => {
      const seen = await look(tab);
      return seen.state === 'playing' && seen.behindMs === 0 && seen.label === 'Live';
    });
    await hearTone(tab);
  } finally {
    await tab.close();
  }
});
