import puppeteer, { type Page } from 'puppeteer-core';
import { type Browser, callSource, type Tab } from './browser.ts';
import { locate } from './locate.ts';
import { startSound } from './sound.ts';

const PREFS = {
  'media.autoplay.default': 0,
  'media.autoplay.blocking_policy': 0,
  'media.navigator.streams.fake': true,
  'media.navigator.permission.disabled': true,
};

/** Starts Debian's Firefox ESR, headless, with a sound server of its own. */
export async function launchFirefox(): Promise<Browser> {
  const executablePath = locate('FIREFOX_BIN', ['/usr/bin/firefox-esr', '/usr/bin/firefox']);
  const sound = await startSound();
  try {
    const browser = await puppeteer.launch({
      browser: 'firefox',
      executablePath,
      headless: true,
      extraPrefsFirefox: PREFS,
      env: { ...process.env, ...sound.env },
      timeout: 90_000,
      protocolTimeout: 120_000,
    });
    return {
      name: 'firefox',
      tab: async () => firefoxTab(await browser.newPage()),
      alive: () => Promise.resolve(browser.connected),
      async close() {
        await browser.close();
        await sound.close();
      },
    };
  } catch (error) {
    await sound.close();
    throw error;
  }
}

function firefoxTab(page: Page): Tab {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warn') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return {
    complaints,
    async open(url) {
      await page.goto(url, { timeout: 60_000 });
    },
    run: <A extends readonly unknown[], R>(call: (...args: A) => R | Promise<R>, ...args: A) =>
      page.evaluate(callSource(call, args)) as Promise<R>,
    async screenshot(path) {
      await page.screenshot({ path });
    },
    close: () => page.close(),
  };
}
