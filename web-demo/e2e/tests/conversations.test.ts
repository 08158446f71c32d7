/** Groups, pictures, voice messages and one user in two tabs. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { assertAccessible, assertFits, RESULTS } from '../harness/looks.ts';
import { Cleanup } from '../harness/process.ts';
import { DESKTOP, message, PHONE, say, signIn, SOON } from '../harness/people.ts';
import { launchChromium, type Chromium, type ChromiumTab } from '../harness/chromium.ts';
import { Server } from '../harness/server.ts';

let server: Server;
let browser: Chromium;
let ann: ChromiumTab;
let bob: ChromiumTab;
let eve: ChromiumTab;
let groupPath = '';

before(async () => {
  mkdirSync(RESULTS, { recursive: true });
  server = await Server.start({ args: ['--demo'] });
  await server.live('demo');
  browser = await launchChromium();
  const microphone = { permissions: ['microphone'] };
  ann = await browser.tab({ ...DESKTOP, ...microphone });
  bob = await browser.tab({ ...PHONE, ...microphone });
  eve = await browser.tab(DESKTOP);
  const people = { Ann: ann, Bob: bob, Eve: eve };
  for (const [name, tab] of Object.entries(people)) {
    await signIn(tab, `${server.url}/station/demo`, name);
    await say(tab, `I am ${name}`);
  }
  for (const name of Object.keys(people)) await message(ann, `I am ${name}`).waitFor(SOON);
});

after(async () => {
  const cleanup = new Cleanup();
  cleanup.add(() => server.close());
  cleanup.add(() => browser.close());
  await cleanup.run();
});

/** A page that keeps the blobs it made addresses for. */
interface Keeping {
  blobs?: Map<string, Blob>;
}

/**
 * Has the page keep its blobs from now on, by their addresses. The site's
 * Content-Security-Policy lets `blob:` be played but not fetched, so to see what is played
 * a test must have it from where it is made.
 */
function keepBlobs(tab: ChromiumTab): Promise<void> {
  return tab.run(() => {
    const blobs = new Map<string, Blob>();
    (window as Keeping).blobs = blobs;
    const make = URL.createObjectURL.bind(URL);
    URL.createObjectURL = (source) => {
      const url = make(source);
      if (source instanceof Blob) blobs.set(url, source);
      return url;
    };
  });
}

test('a group is begun, renamed, grows and shrinks', { timeout: 150_000 }, async () => {
  await ann.page.getByRole('link', { name: 'Conversations' }).click();
  await ann.page.getByRole('button', { name: 'New conversation' }).click();
  const dialog = ann.page.getByRole('dialog', { name: 'New conversation' });
  await dialog.getByRole('checkbox', { name: 'Bob' }).check();
  await dialog.getByLabel(/Name of the group/).fill('Plans');
  await dialog.getByRole('button', { name: 'Begin' }).click();
  await ann.page.waitForURL(/\/conversations\/.+/, SOON);
  groupPath = new URL(ann.page.url()).pathname;
  await say(ann, 'What shall we do?');
  await bob.page.getByRole('link', { name: /Conversations\s*1/ }).click();
  await bob.page.getByRole('link', { name: /Plans/ }).click();
  await message(bob, 'What shall we do?').waitFor(SOON);
  await ann.page.locator('.ticks[data-delivery="read"]').waitFor(SOON);

  await ann.page.getByRole('button', { name: 'Settings' }).click();
  const settings = ann.page.getByRole('dialog', { name: 'This group' });
  await settings.getByLabel('Name').fill('Great plans');
  await settings.getByRole('button', { name: 'Save' }).click();
  await bob.page.getByRole('heading', { name: 'Great plans' }).waitFor(SOON);

  await ann.page.getByRole('button', { name: 'Members' }).click();
  const members = ann.page.getByRole('dialog', { name: 'In this group' });
  await members.getByRole('checkbox', { name: 'Eve' }).check();
  await members.getByRole('button', { name: 'Add' }).click();
  await members.getByRole('button', { name: 'Remove: Eve' }).waitFor(SOON);
  await eve.open(server.url + groupPath);
  await message(eve, 'What shall we do?').waitFor(SOON);
  await members.getByRole('button', { name: 'Close' }).click();
  await say(ann, 'Welcome, Eve');
  await message(eve, 'Welcome, Eve').waitFor(SOON);
  const receipt = message(ann, 'Welcome, Eve').locator('.ticks[data-delivery="read"]');
  await receipt.waitFor(SOON);
  await ann.page.getByRole('button', { name: 'Members' }).click();
  await members.getByRole('button', { name: 'Remove: Eve' }).click();
  await eve.page.getByText('You are not in here any more.').waitFor(SOON);
  await members.getByRole('button', { name: 'Close' }).click();
});

test('one user in two tabs sees the same', { timeout: 120_000 }, async () => {
  const page = await bob.page.context().newPage();
  try {
    await bob.open(`${server.url}/notifications`);
    await page.goto(`${server.url}/notifications`);
    const badges = [bob.page, page].map((tab) =>
      tab.getByRole('link', { name: /Conversations\s*2/ }),
    );
    await say(ann, 'Are you there?');
    await say(ann, 'Both of you?');
    for (const badge of badges) await badge.waitFor(SOON);
    await page.goto(server.url + groupPath);
    await page.locator('.message-text', { hasText: 'Both of you?' }).waitFor(SOON);
    const none = bob.page.locator('.nav .count:visible');
    await none.first().waitFor({ state: 'detached', ...SOON });
  } finally {
    await page.close();
  }
});

test('a picture is sent, or given up on its way', { timeout: 120_000 }, async () => {
  await bob.open(server.url + groupPath);
  const choose = (tab: ChromiumTab) => tab.page.locator('.talk-main input[type="file"]');
  const picture = await ann.page.locator('.top').screenshot();
  const file = { name: 'header.png', mimeType: 'image/png', buffer: picture };
  // A network that has stopped: the upload hangs until it is given up.
  await ann.page.route('**/api/v1/uploads*', () => undefined);
  await choose(ann).setInputFiles(file);
  await ann.page.getByRole('progressbar', { name: 'Upload' }).waitFor(SOON);
  await ann.page.getByRole('button', { name: 'Cancel the upload' }).click();
  await ann.page.getByRole('progressbar', { name: 'Upload' }).waitFor({ state: 'hidden', ...SOON });
  await ann.page.unroute('**/api/v1/uploads*');
  assert.equal(await ann.page.locator('.media-image').count(), 0);
  await choose(ann).setInputFiles(file);
  const shown = bob.page.locator('.media-image img');
  await shown.waitFor(SOON);
  const width = await shown.evaluate((image: HTMLImageElement) => image.naturalWidth);
  assert.ok(width > 300, `a picture ${width} px wide`);
});

test(
  'a voice message is recorded as Opus and heard by the other',
  { timeout: 120_000 },
  async () => {
    await keepBlobs(bob);
    await ann.page.getByRole('button', { name: 'Record a voice message' }).click();
    await ann.page.getByText('0:02').waitFor(SOON);
    await ann.page.getByRole('button', { name: 'Send the voice message' }).click();
    const sound = bob.page.locator('.media-voice audio');
    await sound.waitFor(SOON);
    // Chromium's false microphone beeps: what is decoded must hold that, not silence.
    const heard = await bob.run(async () => {
      const audio = document.querySelector<HTMLAudioElement>('.media-voice audio');
      const blob = (window as Keeping).blobs?.get(audio?.src ?? '');
      if (!blob) throw new Error(`it plays "${audio?.src}", no blob that the page made`);
      const bytes = await blob.arrayBuffer();
      const head = new TextDecoder('latin1').decode(bytes.slice(0, 4_000));
      const decoded = await new AudioContext().decodeAudioData(bytes);
      const samples = decoded.getChannelData(0);
      const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      return {
        type: blob.type,
        opus: /OpusHead|A_OPUS/.test(head),
        seconds: decoded.duration,
        peak,
      };
    });
    assert.match(heard.type, /^audio\/(webm|ogg)/);
    assert.ok(heard.opus, 'it is no Opus');
    assert.ok(heard.seconds > 1.5 && heard.seconds < 20, `${heard.seconds} s`);
    assert.ok(heard.peak > 0.01, `a peak of ${heard.peak}`);
    // And it plays in the page.
    await sound.evaluate((audio: HTMLAudioElement) => audio.play());
    await bob.page.waitForFunction(
      () =>
        (document.querySelector<HTMLAudioElement>('.media-voice audio')?.currentTime ?? 0) > 0.2,
      undefined,
      SOON,
    );
  },
);

test('a status in one’s own words is seen by the other', { timeout: 90_000 }, async () => {
  await bob.page.getByRole('button', { name: /your status/ }).click();
  const dialog = bob.page.getByRole('dialog', { name: 'Your status' });
  await dialog.getByLabel('You are').selectOption('Away');
  await dialog.getByLabel('In your words').fill('gone for tea');
  await dialog.getByRole('button', { name: 'Save' }).click();
  await dialog.waitFor({ state: 'detached', ...SOON });
  await ann.open(`${server.url}/station/demo`);
  const row = message(ann, 'I am Bob');
  await row.getByRole('button', { name: 'Message actions' }).click();
  await row.getByRole('button', { name: 'Message', exact: true }).click();
  await ann.page.getByText('Away · gone for tea').waitFor(SOON);
  // The relay knows it, so a page that is loaded anew shows it.
  await bob.page.reload();
  await bob.page.locator('.who [data-status="away"]').waitFor(SOON);
  await bob.page.getByRole('button', { name: /your status/ }).click();
  assert.equal(await dialog.getByLabel('In your words').inputValue(), 'gone for tea');
  await bob.page.keyboard.press('Escape');
});

test(
  'a group: accessible, fits and looked at; who leaves is out',
  { timeout: 150_000 },
  async () => {
    for (const [screen, tab] of Object.entries({ desktop: ann, phone: bob })) {
      for (const colorScheme of ['light', 'dark'] as const) {
        await tab.page.emulateMedia({ colorScheme });
        await tab.open(server.url + groupPath);
        await tab.page.locator('.media-voice audio').waitFor(SOON);
        await tab.screenshot(`${join(RESULTS, `group-${screen}-${colorScheme}`)}.png`);
        await assertFits(tab);
        await assertAccessible(tab);
      }
    }
    await bob.page.getByRole('button', { name: 'Leave' }).click();
    await bob.page.waitForURL(/\/conversations$/, SOON);
    assert.equal(await bob.page.getByRole('link', { name: /Great plans/ }).count(), 0);
  },
);
