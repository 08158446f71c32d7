import { chromium, type BrowserContextOptions, type Page } from 'playwright-core';
import { type Browser, callSource, type Tab } from './browser.ts';
import { locate } from './locate.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--autoplay-policy=no-user-gesture-required',
  '--use-fake-device-for-media-stream',
  '--use-fake-ui-for-media-stream',
  // Lets WebTransport take the certificate hashes of a local relay.
  '--webtransport-developer-mode',
];

/** A Chromium tab, with Playwright's own page for keyboard, viewport and accessibility. */
export interface ChromiumTab extends Tab {
  readonly page: Page;
}

export interface Chromium extends Browser {
  readonly name: 'chromium';
  /** Each tab has its own context: its own storage, viewport and colour scheme. */
  tab(options?: BrowserContextOptions): Promise<ChromiumTab>;
}

/** Starts Debian's Chromium, headless. */
export async function launchChromium(): Promise<Chromium> {
  const executablePath = locate('CHROMIUM_BIN', [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
  ]);
  const browser = await chromium.launch({
    executablePath,
    args: FLAGS,
    headless: true,
    timeout: 60_000,
  });
  return {
    name: 'chromium',
    async tab(options) {
      const context = await browser.newContext(options);
      return chromiumTab(await context.newPage());
    },
    alive: () => Promise.resolve(browser.isConnected()),
    close: () => browser.close(),
  };
}

function chromiumTab(page: Page): ChromiumTab {
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  return {
    page,
    complaints,
    async open(url) {
      await page.goto(url, { timeout: 60_000 });
    },
    run: (call, ...args) => page.evaluate(callSource(call, args)),
    async screenshot(path) {
      await page.screenshot({ path });
    },
    close: () => page.context().close(),
  };
}
