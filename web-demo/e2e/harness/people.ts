/** People who use the site: signing in, saying something, choosing what to do with a message. */
import type { Locator } from 'playwright-core';
import type { ChromiumTab } from './chromium.ts';

/** A desktop screen. */
export const DESKTOP = { viewport: { width: 1280, height: 800 }, colorScheme: 'light' } as const;
/** A phone's. */
export const PHONE = {
  viewport: { width: 390, height: 844 },
  deviceScaleFactor: 2,
  isMobile: true,
  hasTouch: true,
  colorScheme: 'dark',
} as const;

/** How long to wait for what should happen at once: the machine may be busy with much else. */
export const SOON = { timeout: 30_000 };

/** Opens a page of the site and signs in as a guest. */
export async function signIn(tab: ChromiumTab, url: string, name: string): Promise<void> {
  const { page } = tab;
  await tab.open(url);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByLabel('Name').fill(name);
  await page.getByRole('dialog').getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('button', { name: 'Sign out' }).waitFor(SOON);
}

/** Where one writes. */
export function field({ page }: ChromiumTab): Locator {
  return page.getByRole('textbox', { name: 'Message', exact: true });
}

/** Writes something and sends it. */
export async function say(tab: ChromiumTab, text: string): Promise<void> {
  await field(tab).fill(text);
  await field(tab).press('Enter');
}

/** The messages whose own text, not a quote in them, holds `text`. */
export function message({ page }: ChromiumTab, text: string): Locator {
  return page.locator('.talk-main .message', {
    has: page.locator('.message-text', { hasText: text }),
  });
}

/** Chooses what to do with a message. */
export async function act(tab: ChromiumTab, text: string, action: string): Promise<void> {
  const row = message(tab, text);
  await row.getByRole('button', { name: 'Message actions' }).click();
  await row.getByRole('button', { name: action, exact: true }).click();
}
