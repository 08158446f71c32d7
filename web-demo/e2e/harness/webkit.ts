import { writeFile } from 'node:fs/promises';
import { libraryPaths, locate } from './locate.ts';
import type { Browser, Tab } from './browser.ts';
import { freeTcpPort } from './net.ts';
import { Child, Cleanup } from './process.ts';
import { startSound } from './sound.ts';
import { driverReady, WebDriver } from './webdriver.ts';

/** Starts WebKitGTK's MiniBrowser on a virtual screen with a sound server of its own. */
export async function launchWebKit(): Promise<Browser> {
  const cleanup = new Cleanup();
  try {
    const driver = await startDriver(cleanup);
    return {
      name: 'webkit',
      tab: () => Promise.resolve(webkitTab(driver)),
      alive: () => driver.alive(),
      close: () => cleanup.run(),
    };
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}

async function startDriver(cleanup: Cleanup): Promise<WebDriver> {
  const miniBrowser = locate(
    'MINIBROWSER_BIN',
    libraryPaths('/usr/lib', /^webkit2gtk-4\.\d$/, 'MiniBrowser'),
  );
  const driverPath = locate('WEBKIT_DRIVER_BIN', ['/usr/bin/WebKitWebDriver']);
  const sound = await startSound();
  cleanup.add(() => sound.close());
  const screen = Child.start({
    command: locate('XVFB_BIN', ['/usr/bin/Xvfb']),
    args: ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp'],
  });
  cleanup.add(() => screen.stop());
  const display = (await screen.says(/^(\d+)$/m, 20_000))[1] ?? '';
  const port = await freeTcpPort();
  const server = Child.start({
    command: driverPath,
    args: [`--port=${port}`, '--host=127.0.0.1'],
    env: {
      ...sound.env,
      DISPLAY: `:${display}`,
      GDK_BACKEND: 'x11',
      NO_AT_BRIDGE: '1',
      LIBGL_ALWAYS_SOFTWARE: '1',
    },
  });
  cleanup.add(() => server.stop());
  const base = `http://127.0.0.1:${port}`;
  await driverReady(base, 20_000);
  const driver = await WebDriver.connect(base, {
    browserName: 'MiniBrowser',
    'webkitgtk:browserOptions': {
      binary: miniBrowser,
      args: ['--automation', '--autoplay-policy=allow'],
    },
  });
  cleanup.add(() => driver.close());
  return driver;
}

function webkitTab(driver: WebDriver): Tab {
  return {
    complaints: [],
    open: (url) => driver.open(url),
    run: <A extends readonly unknown[], R>(call: (...args: A) => R | Promise<R>, ...args: A) =>
      driver.run(call, args) as Promise<R>,
    screenshot: async (path) => writeFile(path, await driver.screenshot()),
    // The driver has one window for the whole session: leave the page, so that it falls silent.
    close: () => driver.open('about:blank'),
  };
}
