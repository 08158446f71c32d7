import type { Browser } from './browser.ts';
import { Cleanup } from './process.ts';

/** Browsers started for one trial before the browser's own deaths are taken for a fault of ours. */
const BROWSERS = 3;

/**
 * Runs a trial in a browser of its own and closes what it opened. WebKitGTK's MiniBrowser now
 * and then dies under way or when it leaves a page with sound; that says nothing about the
 * page, so a trial cut short by it is run again. Everything else the trial throws is thrown.
 */
export async function inBrowser(
  launch: () => Promise<Browser>,
  trial: (browser: Browser, cleanup: Cleanup) => Promise<void>,
): Promise<void> {
  for (let number = 1; ; number++) {
    const end = await run(launch, trial);
    if (end === undefined) return;
    if (!end.died || number === BROWSERS) throw end.error;
    console.warn(`the browser died, another one is started: ${String(end.error)}`);
  }
}

/** How a trial failed, and whether its browser was gone by then. */
interface Failure {
  error: unknown;
  died: boolean;
}

async function run(
  launch: () => Promise<Browser>,
  trial: (browser: Browser, cleanup: Cleanup) => Promise<void>,
): Promise<Failure | undefined> {
  const browser = await launch();
  const cleanup = new Cleanup();
  let failure: Failure | undefined;
  try {
    await trial(browser, cleanup);
  } catch (error) {
    failure = { error, died: !(await browser.alive()) };
  }
  try {
    await cleanup.run();
  } catch (error) {
    // A trial that was done has said all it had to; its browser may be gone by now.
    if (failure === undefined && (await browser.alive())) failure = { error, died: false };
  }
  await browser.close().catch((error: unknown) => {
    if (failure === undefined) console.warn(`closing the browser: ${String(error)}`);
  });
  return failure;
}
