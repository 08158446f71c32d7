import { setTimeout as sleep } from 'node:timers/promises';
import { callSource } from './browser.ts';

/** The few commands of W3C WebDriver that the tests need, over its HTTP interface. */
export class WebDriver {
  readonly #session: string;

  private constructor(session: string) {
    this.#session = session;
  }

  /** Opens a session at a driver that listens on `base`. */
  static async connect(base: string, capabilities: Record<string, unknown>): Promise<WebDriver> {
    const answer = (await post(`${base}/session`, {
      capabilities: { alwaysMatch: capabilities },
    })) as { sessionId: string };
    const driver = new WebDriver(`${base}/session/${answer.sessionId}`);
    await post(`${driver.#session}/timeouts`, { script: 120_000, pageLoad: 60_000 });
    return driver;
  }

  async open(url: string): Promise<void> {
    await post(`${this.#session}/url`, { url });
  }

  /** Calls a function in the page and waits for what it promises. */
  async run(call: (...args: never[]) => unknown, args: readonly unknown[]): Promise<unknown> {
    const script = `
      const done = arguments[arguments.length - 1];
      (async () => ${callSource(call, args)})().then(
        (value) => done({ value }),
        (error) => done({ error: String(error && error.stack || error) }));`;
    const answer = (await post(`${this.#session}/execute/async`, { script, args: [] })) as {
      value?: unknown;
      error?: string;
    };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.value;
  }

  /** A PNG of what is visible. */
  async screenshot(): Promise<Buffer> {
    return Buffer.from((await request('GET', `${this.#session}/screenshot`)) as string, 'base64');
  }

  /** Whether the browser behind the session is still there. */
  alive(): Promise<boolean> {
    return request('GET', `${this.#session}/url`).then(
      () => true,
      () => false,
    );
  }

  async close(): Promise<void> {
    await request('DELETE', this.#session);
  }
}

/** Waits until a driver just started takes sessions. */
export async function driverReady(base: string, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const ready = await request('GET', `${base}/status`).catch(() => undefined);
    if (ready !== undefined) return;
    if (Date.now() > end) throw new Error(`no WebDriver at ${base} after ${timeoutMs} ms`);
    await sleep(100);
  }
}

const post = (url: string, body: unknown): Promise<unknown> => request('POST', url, body);

async function request(method: string, url: string, body?: unknown): Promise<unknown> {
  const response = await fetch(url, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: AbortSignal.timeout(150_000),
  });
  const { value } = (await response.json()) as { value: unknown };
  if (!response.ok) {
    const { error, message } = value as { error?: string; message?: string };
    throw new Error(`WebDriver: ${error ?? response.status}: ${message ?? ''}`);
  }
  return value;
}
