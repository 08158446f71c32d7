import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { tone, wav } from './audio.ts';
import { freeTcpPort, freeUdpPort, openBlackHole, type BlackHole } from './net.ts';
import { Child, until } from './process.ts';
import { openShaper, type LinkOptions, type Shaper } from './shaper.ts';

/** The binary under test: `SKYWAVE_BIN`, or what `cargo build` leaves. */
export const SKYWAVE = resolve(
  process.env.SKYWAVE_BIN ??
    join(import.meta.dirname, '..', '..', '..', 'target', 'debug', 'skywave'),
);

/** The tone that test stations play: 440 Hz, the right channel half as loud as the left. */
export const TONE = { hz: 440, left: 0.5, right: 0.25 } as const;

/** How a relay is started. */
export interface ServerOptions {
  /**
   * Lets no UDP through, as a firewall that drops it: the relay's QUIC socket is bound to
   * another loopback address, and the address told to clients swallows what they send.
   */
  udpBlocked?: boolean;
  /** Puts this network between browsers and the relay's QUIC socket. */
  network?: LinkOptions;
  /** Further arguments of `skywave serve`. */
  args?: readonly string[];
  /** Settings by their variables, without `SKYWAVE_`: `{ RATES_MANAGE: '60/min burst 20' }`. */
  settings?: Readonly<Record<string, string>>;
}

/** A real relay on ports and in a data folder of its own. */
export class Server {
  /** Where the site is, without a slash at the end. */
  readonly url: string;
  /** The UDP port, shut when `udpBlocked`. */
  readonly hole: BlackHole | undefined;
  /** The network of `network`. */
  readonly shaper: Shaper | undefined;
  #args: readonly string[];
  #env: Record<string, string>;
  #dir: string;
  #process: Child;
  #publishers: Child[] = [];

  private constructor(
    url: string,
    dir: string,
    args: readonly string[],
    env: Record<string, string>,
    between: { hole?: BlackHole; shaper?: Shaper },
  ) {
    this.url = url;
    this.hole = between.hole;
    this.shaper = between.shaper;
    this.#dir = dir;
    this.#args = args;
    this.#env = env;
    this.#process = this.#spawn();
  }

  /** Starts a relay and waits until it is healthy. */
  static async start(options: ServerOptions = {}): Promise<Server> {
    const dir = await mkdtemp(join(tmpdir(), 'skywave-e2e-'));
    const http = `127.0.0.1:${await freeTcpPort()}`;
    const hole = options.udpBlocked === true ? await openBlackHole('127.0.0.1') : undefined;
    const free = hole?.port ?? (await freeUdpPort());
    // Clients are told the port at the address they know; what is between takes it there.
    const shaper =
      options.network &&
      (await openShaper({ host: '127.0.0.2', port: free }, options.network, free));
    const quic = hole || shaper ? `127.0.0.2:${free}` : `127.0.0.1:${free}`;
    const data = join(dir, 'data');
    const args = ['serve', '--http', http, '--quic', quic, '--data-dir', data];
    const env = Object.fromEntries(
      Object.entries(options.settings ?? {}).map(([name, value]) => [`SKYWAVE_${name}`, value]),
    );
    const server = new Server(`http://${http}`, dir, [...args, ...(options.args ?? [])], env, {
      ...(hole === undefined ? {} : { hole }),
      ...(shaper === undefined ? {} : { shaper }),
    });
    try {
      await server.healthy();
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  /** What the relay printed, for failure messages. */
  get output(): string {
    return this.#process.output;
  }

  #spawn(): Child {
    return Child.start({ command: SKYWAVE, args: this.#args, env: this.#env });
  }

  /** Waits until `/healthz` answers. */
  async healthy(): Promise<void> {
    await until('the relay is healthy', 30_000, async () => {
      if (this.#process.code !== undefined) {
        throw new Error(`skywave serve ended with ${this.#process.code}:\n${this.output}`);
      }
      const answer = await fetch(`${this.url}/healthz`, {
        signal: AbortSignal.timeout(2_000),
      }).catch(() => undefined);
      return answer?.ok;
    });
  }

  /** Ends the relay without a word, as a crash does. */
  async kill(): Promise<void> {
    await this.#process.stop('SIGKILL');
  }

  /** Starts it again after `kill`, on the same ports and data. */
  async restart(): Promise<void> {
    await this.#process.stop('SIGKILL');
    this.#process = this.#spawn();
    await this.healthy();
  }

  /** Mints a token that may publish the station. */
  token(station: string): Promise<string> {
    return this.mint('e2e', ['--publish', station]);
  }

  /** Mints a token for somebody, with these rights. */
  async mint(sub: string, rights: readonly string[]): Promise<string> {
    const out = await Child.run({
      command: SKYWAVE,
      args: ['token', '--sub', sub, ...rights, '--data-dir', join(this.#dir, 'data')],
      quiet: true,
    });
    return out.trim();
  }

  /** Says something in a channel as a program does, by the HTTP API. */
  async post(token: string, channel: string, text: string): Promise<void> {
    const answer = await fetch(`${this.url}/api/v1/channels/${channel}/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ client_id: `e2e ${text}`, content: { type: 'text', text } }),
    });
    if (!answer.ok) throw new Error(`${answer.status} to a message: ${await answer.text()}`);
  }

  /** Puts the test tone on a station, on a loop, and waits until it is live. */
  publishTone(station: string, title = 'Concert pitch'): Promise<Child> {
    // Whole periods of the tone: where the file begins again there is no leap.
    const seconds = 10;
    const sound = [tone(TONE.hz, TONE.left, seconds), tone(TONE.hz, TONE.right, seconds)];
    return this.publish(station, title, wav(sound));
  }

  /** Puts a WAV file on a station, on a loop, and waits until it is live. */
  async publish(station: string, title: string, bytes: Buffer): Promise<Child> {
    const file = join(this.#dir, `${station}.wav`);
    writeFileSync(file, bytes);
    const token = await this.token(station);
    const args = ['publish', '--server', this.url, '--station', station, '--bitrate', '128k'];
    const publisher = Child.start({
      command: SKYWAVE,
      args: [...args, '--title', title, '--loop', file],
      env: { SKYWAVE_TOKEN: token },
    });
    this.#publishers.push(publisher);
    await this.live(station, publisher);
    return publisher;
  }

  /** Waits until a station is on air. */
  async live(station: string, publisher?: Child): Promise<void> {
    await until(`station ${station} is live`, 30_000, async () => {
      if (publisher?.code !== undefined) {
        throw new Error(`skywave publish ended with ${publisher.code}:\n${publisher.output}`);
      }
      const answer = await fetch(`${this.url}/api/v1/stations/${station}`).catch(() => undefined);
      if (answer?.ok !== true) return false;
      return ((await answer.json()) as { state?: string }).state === 'live';
    });
  }

  /** Ends everything and removes the data. */
  async close(): Promise<void> {
    for (const publisher of this.#publishers) await publisher.stop();
    await this.#process.stop();
    await this.hole?.close();
    await this.shaper?.close();
    await rm(this.#dir, { recursive: true, force: true });
  }
}
