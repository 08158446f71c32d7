/** Two people in two browsers' profiles talk beside a station and with each other. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { act, DESKTOP, field, message, PHONE, say, signIn, SOON } from '../harness/people.ts';
import { assertAccessible, assertFits, RESULTS } from '../harness/looks.ts';
import { launchChromium, type Chromium, type ChromiumTab } from '../harness/chromium.ts';
import { Cleanup } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

const MARKUP = '<img src=x onerror="document.title=1"><b>bold</b> & "quoted"';

let server: Server;
let browser: Chromium;
let ann: ChromiumTab;
let bob: ChromiumTab;
let talkPath = '';

before(async () => {
  mkdirSync(RESULTS, { recursive: true });
  server = await Server.start({ args: ['--demo'] });
  await server.live('demo');
  browser = await launchChromium();
  ann = await browser.tab(DESKTOP);
  bob = await browser.tab(PHONE);
  await signIn(ann, `${server.url}/station/demo`, 'Ann');
  await signIn(bob, `${server.url}/station/demo`, 'Bob');
});

after(async () => {
  const cleanup = new Cleanup();
  cleanup.add(() => server.close());
  cleanup.add(() => browser.close());
  await cleanup.run();
});

test('a message reaches the other at once, and as text', { timeout: 90_000 }, async () => {
  await say(ann, 'Good morning');
  await message(bob, 'Good morning').waitFor(SOON);
  await say(bob, MARKUP);
  await message(ann, 'bold').waitFor(SOON);
  assert.equal(await message(ann, 'bold').locator('.message-text').textContent(), MARKUP);
  assert.equal(await ann.page.locator('.messages img, .messages b').count(), 0);
  assert.notEqual(await ann.page.title(), '1');
  // Stored once, shown once.
  assert.equal(await message(ann, 'Good morning').count(), 1);
  assert.equal(await ann.page.locator('.is-pending').count(), 0);
});

test('typing is told and wears off', { timeout: 60_000 }, async () => {
  await field(bob).pressSequentially('I am');
  await ann.page.getByText('Bob is writing…').waitFor(SOON);
  await field(bob).fill('');
  await ann.page.getByText('Bob is writing…').waitFor({ state: 'hidden', ...SOON });
});

test('reactions, replies, edits and deletions', { timeout: 120_000 }, async () => {
  await act(bob, 'Good morning', 'React with heart');
  const chip = message(ann, 'Good morning').locator('.chip');
  await chip.waitFor(SOON);
  assert.equal(await chip.getAttribute('aria-pressed'), 'false');
  await chip.click();
  await ann.page.locator('.chip[aria-pressed="true"]', { hasText: '2' }).waitFor(SOON);

  await act(bob, 'Good morning', 'Reply');
  await say(bob, 'And to you');
  const quote = message(ann, 'And to you').locator('.quote');
  await quote.waitFor(SOON);
  assert.match((await quote.textContent()) ?? '', /Ann: Good morning/);

  await act(bob, 'And to you', 'Edit');
  await say(bob, 'And to all of you');
  await message(ann, 'And to all of you').getByText('edited').waitFor(SOON);
  await act(bob, 'And to all of you', 'Delete');
  await message(ann, 'Message deleted').waitFor(SOON);
});

test('a station is liked, by everybody once', { timeout: 60_000 }, async () => {
  const like = (tab: ChromiumTab) => tab.page.getByRole('button', { name: /^Like/ });
  await like(ann).click();
  await bob.page.getByRole('button', { name: 'Like 1' }).waitFor(SOON);
  await like(bob).click();
  await ann.page.getByRole('button', { name: 'Like 2' }).waitFor(SOON);
  assert.equal(await like(ann).getAttribute('aria-pressed'), 'true');
});

test('the chat keeps the place of who reads back', { timeout: 60_000 }, async () => {
  for (let count = 1; count <= 8; count++) await say(ann, `Line ${count}\nof\nseveral`);
  await message(bob, 'Line 8').waitFor(SOON);
  const log = bob.page.locator('.message-scroll');
  const top = () => log.evaluate((element) => element.scrollTop);
  await log.evaluate((element) => element.scrollTo(0, 0));
  await bob.page.locator('.jump').waitFor(SOON);
  const before = await top();
  await say(ann, 'While you read');
  await bob.page.getByRole('button', { name: /1 new message/ }).waitFor(SOON);
  assert.ok(Math.abs((await top()) - before) < 2, 'the place was lost');
  await bob.page.getByRole('button', { name: /1 new message/ }).click();
  await message(bob, 'While you read').waitFor(SOON);
});

test('nothing is lost when the server is killed and comes back', { timeout: 180_000 }, async () => {
  await server.kill();
  await say(ann, 'Said into the void');
  await ann.page.getByText('Waiting for the connection').waitFor({ timeout: 60_000 });
  await server.restart();
  await message(bob, 'Said into the void').waitFor({ timeout: 90_000 });
  await ann.page.locator('.is-pending').waitFor({ state: 'detached', ...SOON });
  for (const tab of [ann, bob]) {
    const texts = await tab.page.locator('.message-text').allTextContents();
    const lines = texts.filter((text) => /^Line|^While|^Said/.test(text));
    const wanted = Array.from({ length: 8 }, (_, at) => `Line ${at + 1}\nof\nseveral`);
    assert.deepEqual(lines, [...wanted, 'While you read', 'Said into the void']);
  }
  await say(bob, 'Welcome back');
  await message(ann, 'Welcome back').waitFor(SOON);
});

test(
  'a conversation of two, with receipts, unread counts and a toast',
  { timeout: 150_000 },
  async () => {
    await act(ann, 'Welcome back', 'Message');
    await ann.page.waitForURL(/\/conversations\/.+/, SOON);
    talkPath = new URL(ann.page.url()).pathname;
    await say(ann, 'Just between us');
    await bob.page.locator('.toast', { hasText: 'Message from Ann' }).waitFor(SOON);
    const receipt = message(ann, 'Just between us').locator('.ticks');
    await ann.page.locator('.ticks[data-delivery="delivered"]').waitFor(SOON);
    await bob.page.getByRole('link', { name: /Conversations\s*1/ }).click();
    const row = bob.page.locator('.conversation-list a', { hasText: 'Ann' });
    await row.locator('.count').waitFor(SOON);
    await bob.page.locator('.row-preview', { hasText: 'Just between us' }).waitFor(SOON);
    await row.click();
    await message(bob, 'Just between us').waitFor(SOON);
    await ann.page.locator('.ticks[data-delivery="read"]').waitFor(SOON);
    assert.equal(await receipt.getAttribute('title'), 'Read');
    await say(bob, 'I can read it');
    await message(ann, 'I can read it').waitFor(SOON);
    await bob.page.locator('.nav .count:visible').waitFor({ state: 'detached', ...SOON });
  },
);

for (const [name, path] of [
  ['station-chat', '/station/demo'],
  ['conversation', undefined],
  ['conversations', '/conversations'],
  ['notifications', '/notifications'],
] as const) {
  test(`${name}: accessible, fits and looked at`, { timeout: 120_000 }, async () => {
    for (const [screen, tab] of Object.entries({ desktop: ann, phone: bob })) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await tab.page.emulateMedia({ colorScheme });
        await tab.open(server.url + (path ?? talkPath));
        await tab.page.getByRole('button', { name: 'Sign out' }).waitFor(SOON);
        if (name === 'station-chat') await message(tab, 'Welcome back').waitFor(SOON);
        if (name === 'conversation') await message(tab, 'Just between us').waitFor(SOON);
        if (name === 'conversations') await tab.page.locator('.row-preview').first().waitFor(SOON);
        await tab.screenshot(`${join(RESULTS, `${name}-${screen}-${colorScheme}`)}.png`);
        await assertFits(tab);
        await assertAccessible(tab);
      }
    }
  });
}
