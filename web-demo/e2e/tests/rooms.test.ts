/** Rooms that people make: found, entered, moderated, searched, with threads. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { act, DESKTOP, field, message, PHONE, say, signIn, SOON } from '../harness/people.ts';
import { assertAccessible, assertFits, RESULTS } from '../harness/looks.ts';
import { launchChromium, type Chromium, type ChromiumTab } from '../harness/chromium.ts';
import { Cleanup } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

let server: Server;
let browser: Chromium;
let ann: ChromiumTab;
let bob: ChromiumTab;
let roomPath = '';

before(async () => {
  mkdirSync(RESULTS, { recursive: true });
  // Before the private room Ann makes about a dozen changes as fast as the machine goes: by
  // default ten pass at once and one more every two seconds.
  const settings = { RATES_MANAGE: '600/min burst 100' };
  server = await Server.start({ args: ['--demo'], settings });
  await server.live('demo');
  browser = await launchChromium();
  ann = await browser.tab(DESKTOP);
  bob = await browser.tab(PHONE);
  await signIn(ann, `${server.url}/station/demo`, 'Ann');
  await signIn(bob, `${server.url}/station/demo`, 'Bob');
  // Whom one has met one can invite.
  await say(bob, 'I am Bob');
  await message(ann, 'I am Bob').waitFor(SOON);
});

after(async () => {
  const cleanup = new Cleanup();
  cleanup.add(() => server.close());
  cleanup.add(() => browser.close());
  await cleanup.run();
});

/** Shows and takes pictures of a page in both schemes, for both people. */
async function looked(
  name: string,
  path: string,
  ready: (tab: ChromiumTab) => Promise<unknown>,
  tabs: Partial<Record<'desktop' | 'phone', ChromiumTab>> = { desktop: ann, phone: bob },
): Promise<void> {
  for (const [screen, tab] of Object.entries(tabs)) {
    for (const colorScheme of ['light', 'dark'] as const) {
      await tab.page.emulateMedia({ colorScheme });
      await tab.open(server.url + path);
      await tab.page.getByRole('button', { name: 'Sign out' }).waitFor(SOON);
      await ready(tab);
      await tab.screenshot(`${join(RESULTS, `${name}-${screen}-${colorScheme}`)}.png`);
      await assertFits(tab);
      await assertAccessible(tab);
    }
  }
}

test('a room is made, found by its name and joined', { timeout: 120_000 }, async () => {
  await ann.page.getByRole('link', { name: 'Rooms' }).click();
  await ann.page.getByRole('button', { name: 'New room' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'New room' });
  await dialog.getByLabel('Name').fill('Tea and biscuits');
  await dialog.getByLabel('What it is about').fill('Crumbs welcome');
  await dialog.getByRole('button', { name: 'Make it' }).click();
  await ann.page.waitForURL(/\/rooms\/.+/, SOON);
  roomPath = new URL(ann.page.url()).pathname;
  await ann.page.getByRole('heading', { name: 'Tea and biscuits' }).waitFor(SOON);
  await say(ann, 'First crumb');
  await bob.page.getByRole('link', { name: 'Rooms' }).click();
  await bob.page.getByLabel('Find a room by name').fill('biscuit');
  await bob.page.getByRole('link', { name: /Tea and biscuits/ }).click();
  await message(bob, 'First crumb').waitFor(SOON);
  await bob.page.getByRole('button', { name: 'Join' }).click();
  await bob.page.getByRole('button', { name: 'Leave' }).waitFor(SOON);
  await say(bob, 'May I have one?');
  await message(ann, 'May I have one?').waitFor(SOON);
  await ann.page.getByText('2 members').waitFor(SOON);
});

test('threads stay beside the room', { timeout: 120_000 }, async () => {
  await act(ann, 'May I have one?', 'Thread');
  const panel = (tab: ChromiumTab) => tab.page.getByRole('region', { name: 'Thread' });
  const reply = (tab: ChromiumTab) =>
    tab.page.getByRole('textbox', { name: 'Reply in the thread' });
  await reply(ann).fill('Of course');
  await reply(ann).press('Enter');
  await panel(ann).locator('.message-text', { hasText: 'Of course' }).waitFor(SOON);
  await message(bob, 'May I have one?').getByRole('button', { name: '1 reply' }).click();
  await panel(bob).locator('.message-text', { hasText: 'Of course' }).waitFor(SOON);
  await reply(bob).fill('You are too kind');
  await reply(bob).press('Enter');
  await panel(ann).locator('.message-text', { hasText: 'You are too kind' }).waitFor(SOON);
  await message(ann, 'May I have one?').getByRole('button', { name: '2 replies' }).waitFor(SOON);
  assert.equal(await message(ann, 'You are too kind').count(), 0);
  for (const [screen, tab] of Object.entries({ desktop: ann, phone: bob })) {
    await tab.screenshot(`${join(RESULTS, `thread-${screen}`)}.png`);
    await assertAccessible(tab);
    await reply(tab).press('Escape');
    await panel(tab).waitFor({ state: 'detached', ...SOON });
  }
});

test(
  'what a message said before is for its author and moderators',
  { timeout: 90_000 },
  async () => {
    await say(bob, 'I like tee');
    await act(bob, 'I like tee', 'Edit');
    await say(bob, 'I like tea');
    await message(ann, 'I like tea').getByText('edited').waitFor(SOON);
    await act(ann, 'I like tea', 'History');
    const dialog = ann.page.getByRole('dialog', { name: 'What it said' });
    await dialog.locator('.versions', { hasText: 'I like tee' }).waitFor(SOON);
    await ann.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached', ...SOON });
  },
);

test('who is muted cannot write until it is lifted', { timeout: 150_000 }, async () => {
  await act(ann, 'I like tea', 'Mute');
  const dialog = ann.page.getByRole('dialog', { name: 'Mute Bob?' });
  await dialog.getByLabel('For how long').selectOption('an hour');
  await dialog.getByLabel('Why, for the log').fill('too much tea');
  await dialog.getByRole('button', { name: 'Mute' }).click();
  await ann.page.getByText('Bob is muted').waitFor(SOON);
  await say(bob, 'More tea!');
  await bob.page.getByText(/Not sent\. You may read here/).waitFor(SOON);
  await act(bob, 'First crumb', 'Report');
  const report = bob.page.getByRole('dialog', { name: 'Report this message?' });
  await report.getByLabel('What is wrong with it?').fill('No crumbs, please');
  await report.getByRole('button', { name: 'Report' }).click();
  await bob.page.getByText('Reported to the moderators').waitFor(SOON);

  await ann.page.getByRole('link', { name: 'Moderation' }).click();
  const entry = (text: string) => ann.page.locator('.log-entry', { hasText: text });
  await entry('No crumbs, please').waitFor(SOON);
  await entry('too much tea')
    .getByText(/Bob is muted until/)
    .waitFor(SOON);
  await ann.screenshot(`${join(RESULTS, 'moderation-desktop')}.png`);
  await assertAccessible(ann);
  await entry('No crumbs, please').getByRole('button', { name: 'Delete the message' }).click();
  await message(bob, 'Message deleted').waitFor(SOON);
  await ann.page.getByText('Nobody has complained.').waitFor(SOON);
  await entry('too much tea').getByRole('button', { name: 'Lift' }).click();
  await ann.page.getByText('Nobody is muted or banned.').waitFor(SOON);
  await entry('Ann muted Bob').waitFor(SOON);
  await bob.page.getByRole('button', { name: 'Try again' }).click();
  await ann.page.getByRole('link', { name: 'Back to the room' }).click();
  await message(ann, 'More tea!').waitFor(SOON);
});

test('the owner sets name, rules and a word filter', { timeout: 120_000 }, async () => {
  await ann.page.getByRole('button', { name: 'Settings' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'This room' });
  await dialog.getByLabel('Name').fill('Tea only');
  await dialog.getByLabel('Slow mode').selectOption('one message every 5 s');
  await dialog.getByLabel(/Words that may not/).fill('coffee\ncold brew');
  await ann.screenshot(`${join(RESULTS, 'room-settings-desktop')}.png`);
  await assertAccessible(ann);
  await dialog.getByRole('button', { name: 'Save' }).click();
  await bob.page.getByRole('heading', { name: 'Tea only' }).waitFor(SOON);
  await bob.page.getByText('Slow mode: one message every 5 s.').waitFor(SOON);
  await say(bob, 'I would rather have COFFEE');
  await bob.page.getByText(/Not sent\. That holds a word/).waitFor(SOON);
  await bob.page.getByRole('button', { name: 'Discard' }).click();
  await ann.page.getByRole('button', { name: 'Settings' }).click();
  await dialog.getByLabel('Slow mode').selectOption('no');
  assert.equal(await dialog.getByLabel(/Words that may not/).inputValue(), 'coffee\ncold brew');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await bob.page.getByText('Slow mode').waitFor({ state: 'hidden', ...SOON });
});

test('members are made moderators, sent away and banned', { timeout: 150_000 }, async () => {
  await ann.page.getByRole('button', { name: 'Members' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'Members' });
  await dialog.getByRole('button', { name: 'Make moderator: Bob' }).click();
  await bob.page.getByRole('link', { name: 'Moderation' }).waitFor(SOON);
  await dialog.getByRole('button', { name: 'Make member: Bob' }).click();
  await bob.page.getByRole('link', { name: 'Moderation' }).waitFor({ state: 'detached', ...SOON });
  await ann.screenshot(`${join(RESULTS, 'members-desktop')}.png`);
  await assertAccessible(ann);
  await dialog.getByRole('button', { name: 'Remove: Bob' }).click();
  await bob.page.getByRole('button', { name: 'Join' }).waitFor(SOON);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await act(ann, 'I like tea', 'Ban');
  const ban = ann.page.getByRole('dialog', { name: 'Ban Bob?' });
  await ban.getByLabel('For how long').selectOption('10 minutes');
  await ban.getByRole('button', { name: 'Ban' }).click();
  await bob.page.getByText('You may not take part here.').waitFor(SOON);
  await ann.page.getByRole('link', { name: 'Moderation' }).click();
  await ann.page.getByRole('button', { name: 'Lift' }).click();
  await ann.page.getByText('Nobody is muted or banned.').waitFor(SOON);
});

test('into a private room one comes by invitation', { timeout: 150_000 }, async () => {
  await ann.open(`${server.url}/rooms`);
  await ann.page.getByRole('button', { name: 'New room' }).click();
  const make = ann.page.getByRole('dialog', { name: 'New room' });
  await make.getByLabel('Name').fill('Behind the curtain');
  await make.getByLabel(/^Private/).check();
  await make.getByRole('button', { name: 'Make it' }).click();
  await ann.page.waitForURL(/\/rooms\/.+/, SOON);
  const path = new URL(ann.page.url()).pathname;
  // After a reload of the page whom one has met is who was met on it.
  await ann.open(`${server.url}/station/demo`);
  await message(ann, 'I am Bob').waitFor(SOON);
  await ann.page.getByRole('link', { name: 'Rooms' }).click();
  await ann.page.getByRole('button', { name: 'Mine' }).click();
  await ann.page.getByRole('link', { name: /Behind the curtain/ }).click();
  await bob.open(server.url + path);
  await bob.page.getByText('There is nothing here').waitFor(SOON);
  await ann.page.getByRole('button', { name: 'Members' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'Members' });
  await dialog.getByRole('checkbox', { name: 'Bob' }).check();
  await dialog.getByRole('button', { name: 'Invite' }).click();
  await dialog.getByText('Invited.').waitFor(SOON);
  await dialog.getByRole('button', { name: 'Close' }).click();
  await bob.page.getByText('Ann invites you to Behind the curtain.').waitFor(SOON);
  await bob.screenshot(`${join(RESULTS, 'invitation-phone')}.png`);
  await assertAccessible(bob);
  await bob.page.getByRole('button', { name: 'Accept' }).click();
  await field(bob).waitFor(SOON);
  await say(bob, 'What is behind it?');
  await message(ann, 'What is behind it?').waitFor(SOON);
  await bob.page.getByRole('button', { name: 'Leave' }).click();
  await bob.page.waitForURL(/\/rooms$/, SOON);
  // A room that is deleted is gone for whoever looks at it.
  await ann.page.getByRole('button', { name: 'Settings' }).click();
  const settings = ann.page.getByRole('dialog', { name: 'This room' });
  await settings.getByRole('button', { name: 'Delete the room' }).click();
  await settings.getByRole('button', { name: /for good/ }).click();
  await ann.page.getByText('There is nothing here').waitFor(SOON);
});

test('what is found is jumped to, however far back', { timeout: 180_000 }, async () => {
  const channel = `room:${roomPath.split('/').at(-1) ?? ''}`;
  const admin = await server.mint('admin', ['--admin']);
  await server.post(admin, channel, 'The needle is here, Zebra');
  for (let count = 1; count <= 150; count++) await server.post(admin, channel, `Hay ${count}`);
  await ann.open(server.url + roomPath);
  await message(ann, 'Hay 150').waitFor(SOON);
  assert.equal(await message(ann, 'Zebra').count(), 0);
  await ann.page.locator('.room-tools').getByRole('link', { name: 'Search' }).click();
  await ann.page.getByLabel('Words to look for').fill('zebra');
  await ann.page.getByLabel('Words to look for').press('Enter');
  await ann.page.locator('mark', { hasText: 'Zebra' }).waitFor(SOON);
  await ann.screenshot(`${join(RESULTS, 'search-desktop')}.png`);
  await assertAccessible(ann);
  await ann.page.getByRole('link', { name: /Zebra/ }).click();
  const needle = message(ann, 'Zebra');
  await needle.waitFor(SOON);
  const inView = await needle.evaluate((element) => {
    const box = element.getBoundingClientRect();
    return box.top >= 0 && box.bottom <= innerHeight;
  });
  assert.ok(inView, 'the message is not in view');
  // Reading on from there leads to the end again, page by page.
  const log = ann.page.locator('.message-scroll');
  for (let pages = 0; pages < 12 && (await message(ann, 'Hay 150').count()) === 0; pages++) {
    await log.evaluate((element) => {
      element.scrollTo(0, element.scrollHeight);
    });
    await ann.page.waitForTimeout(300);
  }
  const texts = await ann.page.locator('.talk-main .message-text').allTextContents();
  const hay = texts.filter((text) => text.startsWith('Hay'));
  assert.deepEqual(
    hay,
    Array.from({ length: 150 }, (_, at) => `Hay ${at + 1}`),
  );
});

test('who moderates a station signs in with a token', { timeout: 90_000 }, async () => {
  const token = await server.mint('eve', ['--name', 'Eve', '--moderate', 'demo']);
  const eve = await browser.tab(DESKTOP);
  try {
    await eve.open(`${server.url}/station/demo`);
    await eve.page.getByRole('button', { name: 'Sign in', exact: true }).click();
    await eve.page.getByText('I have a token').click();
    await eve.page.getByLabel('Token').fill(token);
    await eve.page.getByRole('button', { name: 'Sign in with the token' }).click();
    await eve.page.getByRole('button', { name: 'Sign out' }).waitFor(SOON);
    await act(eve, 'I am Bob', 'Delete');
    await message(eve, 'Message deleted').waitFor(SOON);
    await eve.page.getByRole('link', { name: 'Moderation' }).click();
    await eve.page.locator('.log-entry', { hasText: 'Eve deleted' }).waitFor(SOON);
  } finally {
    await eve.close();
  }
});

test(
  'a message is reached and its actions are chosen by keyboard',
  { timeout: 90_000 },
  async () => {
    await ann.open(server.url + roomPath);
    const last = message(ann, 'Hay 150');
    await last.waitFor(SOON);
    await last.getByRole('button', { name: 'Message actions' }).focus();
    await ann.page.keyboard.press('Enter');
    const focused = (): Promise<string> =>
      ann.run(() => document.activeElement?.getAttribute('aria-label') ?? '');
    assert.equal(await focused(), 'React with thumbs up');
    await ann.page.keyboard.press('ArrowRight');
    assert.equal(await focused(), 'React with heart');
    await ann.page.keyboard.press('Escape');
    assert.equal(await focused(), 'Message actions');
    assert.equal(await last.getByRole('toolbar').count(), 0);
  },
);

test('rooms, room and search: accessible, fit and looked at', { timeout: 240_000 }, async () => {
  await looked('rooms', '/rooms', (tab) =>
    tab.page.getByRole('link', { name: /Tea only/ }).waitFor(SOON),
  );
  await looked('room', roomPath, (tab) => message(tab, 'Hay 150').waitFor(SOON));
  await looked('search', '/search', (tab) =>
    tab.page.getByLabel('Words to look for').waitFor(SOON),
  );
  const channel = encodeURIComponent(`room:${roomPath.split('/').at(-1) ?? ''}`);
  await looked('moderation', `/moderation?channel=${channel}`, (tab) =>
    tab.page.getByRole('heading', { name: 'Log' }).waitFor(SOON),
  );
});
