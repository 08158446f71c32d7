/** Web Push: turned on in the page, sent by the relay, shown by the service worker. */
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { DESKTOP, message, PHONE, say, signIn, SOON } from '../harness/people.ts';
import { assertAccessible, assertFits, RESULTS } from '../harness/looks.ts';
import { launchChromium, type Chromium, type ChromiumTab } from '../harness/chromium.ts';
import { openPushService, type Device, type PushService } from '../harness/push-service.ts';
import { Cleanup, until } from '../harness/process.ts';
import { Server } from '../harness/server.ts';

let server: Server;
let browser: Chromium;
let pushService: PushService;

before(async () => {
  mkdirSync(RESULTS, { recursive: true });
  const settings = { PUSH_CONTACT: 'mailto:radio@example.org', PUSH_ANY_ENDPOINT: 'true' };
  server = await Server.start({ args: ['--demo'], settings });
  await server.live('demo');
  browser = await launchChromium();
  pushService = await openPushService();
});

after(async () => {
  const cleanup = new Cleanup();
  cleanup.add(() => server.close());
  cleanup.add(() => browser.close());
  cleanup.add(() => {
    pushService.close();
    return Promise.resolve();
  });
  await cleanup.run();
});

const box = ({ page }: ChromiumTab) =>
  page.getByRole('switch', { name: 'Notify me also when the page is closed' });

/**
 * Gives a browser this device. Chromium under test has no line to a push service, and none at
 * all in the private windows that tests use; everything else is the browser's own.
 */
async function give(tab: ChromiumTab, device: Device): Promise<void> {
  // As text: what the compiler adds to functions with names is not there in the page.
  const content = `{
    const device = ${JSON.stringify(device)};
    const subscription = {
      ...device,
      options: { applicationServerKey: null },
      toJSON: () => device,
      unsubscribe: async () => {
        localStorage.removeItem('e2e.device');
        return true;
      },
    };
    PushManager.prototype.subscribe = async () => {
      localStorage.setItem('e2e.device', 'subscribed');
      return subscription;
    };
    PushManager.prototype.getSubscription = async () =>
      localStorage.getItem('e2e.device') === null ? null : subscription;
  }`;
  await tab.page.addInitScript({ content });
}

test('who cannot be told is told why', { timeout: 90_000 }, async () => {
  // A list that is given, were it empty, forbids what is not in it.
  const tab = await browser.tab({ ...PHONE, permissions: [] });
  await signIn(tab, `${server.url}/notifications`, 'Eve');
  await tab.page.getByText('Notifications are blocked for this site').waitFor(SOON);
  assert.equal(await box(tab).isDisabled(), true);
  await tab.screenshot(`${join(RESULTS, 'push-blocked-phone')}.png`);
  await assertFits(tab);
  await assertAccessible(tab);
  await tab.page.context().grantPermissions(['notifications']);
  await tab.page.getByText('Notifications are blocked for this site').waitFor({
    state: 'detached',
    ...SOON,
  });
  await box(tab).click();
  await tab.page.getByText('this browser did not reach its push service').waitFor(SOON);
  assert.equal(await box(tab).isChecked(), false);
  await tab.close();
});

test('whoever closed the page is told, and led back', { timeout: 150_000 }, async () => {
  const ann = await browser.tab({ ...DESKTOP, permissions: ['notifications'] });
  const bob = await browser.tab(DESKTOP);
  await give(ann, pushService.device);
  await signIn(ann, `${server.url}/station/demo`, 'Ann');
  await signIn(bob, `${server.url}/station/demo`, 'Bob');
  await say(ann, 'I am Ann');
  await message(bob, 'I am Ann').waitFor(SOON);
  await ann.open(`${server.url}/notifications`);
  await box(ann).check();
  await ann.page.getByText('This browser tells you of').waitFor(SOON);
  await ann.screenshot(`${join(RESULTS, 'push-on-desktop')}.png`);
  await assertAccessible(ann);
  await ann.page.reload();
  await ann.page.getByText('This browser tells you of').waitFor(SOON);
  assert.equal(await box(ann).isChecked(), true);

  const cdp = await ann.page.context().newCDPSession(ann.page);
  let registrationId = '';
  cdp.on('ServiceWorker.workerRegistrationUpdated', ({ registrations }) => {
    registrationId = registrations.at(-1)?.registrationId ?? registrationId;
  });
  await cdp.send('ServiceWorker.enable');
  await say(bob, '@Ann are you listening?');
  await ann.page.getByText('Bob mentioned you').first().waitFor(SOON);
  assert.deepEqual(pushService.told, [], 'she sees it in the page');

  // Nothing of the site's is open any more, only a picture.
  await ann.open(`${server.url}/favicon.svg`);
  await until('the relay tells the device', 30_000, async () => {
    // It may take the relay a moment to see that she is gone.
    await say(bob, `@Ann wake up ${Date.now()}`);
    await new Promise((resolve) => setTimeout(resolve, 700));
    return pushService.told.length > 0;
  });
  const [data = ''] = pushService.told;
  await cdp.send('ServiceWorker.deliverPushMessage', { origin: server.url, registrationId, data });
  const shown = (): Promise<string[]> =>
    ann.run(async () => {
      const all = await (await navigator.serviceWorker.ready).getNotifications();
      return all.map(({ title, body }) => `${title}: ${body}`);
    });
  await until('the device shows it', 10_000, async () => (await shown()).length > 0);
  assert.match((await shown()).join('\n'), /^Bob mentioned you: @Ann wake up \d+$/);

  await ann.open(server.url);
  const [worker] = ann.page.context().serviceWorkers();
  assert.ok(worker, 'the service worker runs');
  await worker.evaluate(`(async () => {
    const [notification] = await self.registration.getNotifications();
    self.dispatchEvent(new NotificationEvent('notificationclick', { notification }));
  })()`);
  await ann.page.waitForURL(/\/station\/demo\?message=\d+$/, SOON);
  await message(ann, 'wake up').first().waitFor(SOON);

  await ann.page.getByRole('button', { name: 'Sign out' }).click();
  await until('the device is given up', 10_000, () =>
    ann.run(() => localStorage.getItem('e2e.device') === null),
  );
});
