/** A relay for tests: records what a session sends, and lets the test answer. */
import { SessionCore, type DialRequest, type Surroundings } from '../src/session/core.ts';
import { VirtualTime } from './virtual-time.ts';
import { encodeDatagram, isRecord, type Json, type JsonObject, type Track } from '../src/wire.ts';
import type { FromWorker, OpenMessage } from '../src/messages.ts';
import type { Transport, TransportEvents, TransportKind } from '../src/transport/transport.ts';

/** A request as the relay sees it. */
export interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: JsonObject;
}

/** One connection from the relay's side. */
export class Connection implements Transport {
  readonly kind: TransportKind;
  readonly requests: Request[] = [];
  readonly datagrams: Uint8Array[] = [];
  closedWith: number | undefined;
  #events: TransportEvents | undefined;

  constructor(kind: TransportKind) {
    this.kind = kind;
  }

  start(events: TransportEvents): void {
    this.#events = events;
  }

  sendFrame(text: string): void {
    const { id, method, params } = JSON.parse(text) as Partial<Request>;
    this.requests.push({ id: id ?? -1, method: method ?? '', params: params ?? {} });
  }

  sendDatagram(bytes: Uint8Array): void {
    this.datagrams.push(bytes);
  }

  close(code: number): void {
    this.closedWith = code;
    this.#events?.onEnd({ reason: 'closed here' });
  }

  /** The latest request of that method. */
  last(method: string): Request {
    const request = this.requests.findLast((sent) => sent.method === method);
    if (!request) throw new Error(`no ${method} among ${this.methods().join()}`);
    return request;
  }

  methods(): string[] {
    return this.requests.map(({ method }) => method);
  }

  send(frame: JsonObject): void {
    this.#events?.onFrame(JSON.stringify(frame));
  }

  sendText(text: string): void {
    this.#events?.onFrame(text);
  }

  reply(method: string, result: JsonObject): void {
    this.send({ id: this.last(method).id, result });
  }

  refuse(method: string, code: string, more: JsonObject = {}): void {
    const error = { code, message: `no ${method}`, temporary: false, ...more };
    this.send({ id: this.last(method).id, error });
  }

  push(channel: string, type: string, data: JsonObject = {}, offset?: number): void {
    this.send({ channel, type, data, ...(offset === undefined ? {} : { offset }) });
  }

  audio(track: number, sequence: number): void {
    const datagram = encodeDatagram({
      track,
      sequence: BigInt(sequence),
      timestamp: BigInt(sequence * 960),
      sendTime: 0,
      copies: [],
      packet: new Uint8Array([0xfc, sequence & 0xff]),
    });
    this.#events?.onDatagram(datagram);
  }

  /** The connection breaks, as when the relay is killed. */
  breakOff(code?: number): void {
    this.#events?.onEnd({ reason: 'broken off', ...(code === undefined ? {} : { code }) });
  }
}

/** A session core over connections of the test's making. */
export class Harness {
  readonly time = new VirtualTime();
  readonly messages: FromWorker[] = [];
  readonly dialled: DialRequest[] = [];
  readonly connections: Connection[] = [];
  readonly played: (number | Track | null)[] = [];
  /** How much later than live the track is said to be sent. */
  behindMs = 0;
  /** Whether the track is said to follow the one before without a seam. */
  goesOn = false;
  readonly core: SessionCore;
  /** What the next connections travel on; `undefined` when the relay cannot be reached. */
  kind: TransportKind | undefined = 'webtransport';
  dialError = new Error('unreachable');
  running = true;

  constructor(open: Partial<OpenMessage> = {}) {
    const around: Surroundings = {
      timers: this.time,
      random: () => 0.5,
      dial: async (request) => {
        this.dialled.push(request);
        // So that a test can set `kind` right after making the harness.
        await Promise.resolve();
        if (!this.kind) throw this.dialError;
        const connection = new Connection(this.kind);
        this.connections.push(connection);
        return connection;
      },
      post: (message) => this.messages.push(message),
      sink: {
        datagram: (bytes) => this.played.push(bytes.at(-1) ?? -1),
        track: (track, behindMs, goesOn) => {
          this.played.push(track);
          this.goesOn = goesOn;
          this.behindMs = behindMs;
        },
        clock: () => undefined,
      },
    };
    const client = { name: 'test', version: '0' };
    this.core = new SessionCore(
      { type: 'open', server: 'http://relay', choice: 'auto', client, ...open },
      around,
    );
    void this.core.run().then(() => {
      this.running = false;
    });
  }

  /** The connection made last. */
  get relay(): Connection {
    const connection = this.connections.at(-1);
    if (!connection) throw new Error('never connected');
    return connection;
  }

  /** Waits for the connection and accepts its `hello`. */
  async welcome(more: JsonObject = {}): Promise<Connection> {
    await this.time.advance(0);
    this.relay.reply('hello', {
      protocol: 1,
      session: `s${this.connections.length}`,
      ping_interval_ms: 10_000,
      server_time: this.time.wallClock() * 1000,
      subscriptions: [],
      ...more,
    });
    await this.time.advance(0);
    return this.relay;
  }

  /** Lets time pass in which pings are answered and `audio` flows every 20 ms. */
  async run(ms: number, audio?: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 20) {
      await this.time.advance(20);
      const ping = this.relay.requests.at(-1);
      if (ping?.method === 'ping') {
        this.relay.send({ id: ping.id, result: { server_time: this.time.wallClock() * 1000 } });
      }
      if (audio !== undefined) this.relay.audio(audio, passed / 20);
    }
  }

  /** Messages of one type to the page. */
  told<Type extends FromWorker['type']>(type: Type): Extract<FromWorker, { type: Type }>[] {
    return this.messages.filter(
      (message): message is Extract<FromWorker, { type: Type }> => message.type === type,
    );
  }

  /** The latest status told. */
  get status() {
    return this.told('status').at(-1)?.status;
  }

  /** The latest listening told. */
  get listening() {
    return this.told('listening').at(-1)?.listening;
  }
}

/** A station as the relay writes it. */
export function station(id: string, more: JsonObject = {}): JsonObject {
  const demo = { id, name: id.toUpperCase(), state: 'live', listeners: 1, listeners_peak: 2 };
  return { ...demo, description: '', renditions: ['source'], ...more };
}

/** A track as the relay writes it. */
export function track(id: number): JsonObject {
  return {
    id,
    rendition: 'source',
    codec: 'opus',
    channels: 2,
    frame_us: 20_000,
    bitrate: 128_000,
  };
}

/** A key of a record in a list of messages, for short assertions. */
export function pick(value: Json | undefined, key: string): Json | undefined {
  return isRecord(value) ? value[key] : undefined;
}
