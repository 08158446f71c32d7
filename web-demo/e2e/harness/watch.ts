/**
 * Watches a player from inside: when datagrams come to the session's worker and to the worklet,
 * and every sample that leaves it. The player's own scripts run unchanged behind these.
 */
import type { Chromium, ChromiumTab } from './chromium.ts';
import { decodeSamples } from './samples.ts';

/** A datagram as it came somewhere. */
export interface Arrival {
  readonly sequence: number;
  /** Media time of its first sample, at 48 kHz. */
  readonly timestamp: number;
  /** Server time in µs modulo 2^32. */
  readonly sentUs: number;
  /** Unix time in ms. */
  readonly atMs: number;
}

/** What was seen since the player began. */
export interface Watched {
  /** The left channel as it left the worklet. */
  readonly samples: Float32Array;
  /** Unix time in ms at which each 128 of them left, in whole ms: a worklet has no better. */
  readonly leftMs: readonly number[];
  /** The context's time of each 128, in seconds: a browser may pass over some at the start. */
  readonly contextTimes: readonly number[];
  /** Context time in seconds and the media time of the sample that left then. */
  readonly positions: readonly (readonly [contextTime: number, position: number])[];
  /** Arrivals at the session's worker. */
  readonly atWorker: readonly Arrival[];
  /** Arrivals at the worklet, with the context's time then, in seconds. */
  readonly atWorklet: readonly (Arrival & { readonly contextTime: number })[];
  /** From the worklet to the speaker, as the browser tells, in ms. */
  readonly outputMs: number;
}

/** Of media time, and of the player's audio context. */
const SAMPLE_RATE = 48_000;

/** Longest watch, in seconds; what comes later is not kept. */
const SECONDS_MAX = 60;

/** Opens a tab whose players are watched. */
export async function watchedTab(chromium: Chromium): Promise<ChromiumTab> {
  // The site lets only its own files run as scripts; these are texts.
  const tab = await chromium.tab({ bypassCSP: true });
  const [worklet, worker] = [script(watchWorklet, SECONDS_MAX), script(watchWorker)];
  await tab.page.addInitScript(script(watchPage, worklet, worker));
  return tab;
}

/** What was seen so far. */
export async function watched(tab: ChromiumTab): Promise<Watched> {
  const { samples, ...rest } = await tab.run(askPage);
  return { ...rest, samples: decodeSamples(samples) };
}

/** The context's time of the sample `at`, in seconds. */
export function contextTimeAt({ contextTimes }: Watched, at: number): number {
  return (contextTimes[Math.floor(at / 128)] ?? NaN) + (at % 128) / SAMPLE_RATE;
}

/** Media time of the sample `at`, by what was told last before it left. */
export function positionAt(seen: Watched, at: number): number {
  const contextTime = contextTimeAt(seen, at);
  const told = seen.positions.findLast(([time]) => time <= contextTime);
  return told ? told[1] + (contextTime - told[0]) * SAMPLE_RATE : NaN;
}

/** A function of ours as a script, with what reads datagrams beside it. */
function script<A extends readonly unknown[]>(call: (...args: A) => void, ...args: A): string {
  // The TypeScript loader wraps nested functions in `__name(...)`, which no page knows.
  return `(() => { const __name = (f) => f; ${readHeader.toString()};
    (${call.toString()})(...${JSON.stringify(args)}); })();`;
}

/** Sequence, timestamp and send time; runs in all scopes. */
function readHeader(buffer: ArrayBuffer): [number, number, number] {
  const bytes = new Uint8Array(buffer);
  let at = 1;
  const varint = (): number => {
    const first = bytes[at] ?? 0;
    const end = at + (1 << (first >> 6));
    let value = first & 0x3f;
    for (at++; at < end; at++) value = value * 256 + (bytes[at] ?? 0);
    return value;
  };
  varint();
  const [sequence, timestamp] = [varint(), varint()];
  return [sequence, timestamp, new DataView(buffer).getUint32(at)];
}

/** Runs in the worker, before the player's script. */
function watchWorker(): void {
  const arrivals: object[] = [];
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own object
  const post = MessagePort.prototype.postMessage as (...args: unknown[]) => void;
  MessagePort.prototype.postMessage = function (this: MessagePort, ...args: unknown[]) {
    const [message] = args;
    if (message instanceof ArrayBuffer) {
      const [sequence, timestamp, sentUs] = readHeader(message);
      const atMs = performance.timeOrigin + performance.now();
      arrivals.push({ sequence, timestamp, sentUs, atMs });
    }
    post.apply(this, args);
  };
  const channel = new BroadcastChannel('watched');
  channel.onmessage = () => {
    channel.postMessage(arrivals);
  };
}

/** Runs in the worklet's scope, before the player's script. */
function watchWorklet(secondsMax: number): void {
  interface Port {
    onmessage: ((event: { data: unknown }) => void) | null;
    postMessage(message: unknown, transfer?: unknown[]): void;
  }
  interface Processor {
    readonly port: Port;
    process(inputs: unknown, outputs: Float32Array[][]): boolean;
  }
  const scope = globalThis as unknown as {
    readonly currentTime: number;
    readonly sampleRate: number;
    registerProcessor: (name: string, processor: unknown) => void;
  };
  const register = scope.registerProcessor.bind(globalThis);
  scope.registerProcessor = (name, processor) => {
    const Player = processor as new (options: unknown) => Processor;
    class Watching extends Player {
      readonly samples = new Float32Array(secondsMax * scope.sampleRate);
      readonly leftMs: number[] = [];
      readonly positions: [number, number][] = [];
      readonly atWorklet: object[] = [];
      readonly contextTimes: number[] = [];

      constructor(options: unknown) {
        super(options);
        const { port } = this;
        const handle = port.onmessage;
        const post = port.postMessage.bind(port);
        port.postMessage = (message, transfer) => {
          const status = message as { contextTime?: number; position?: number };
          if (status.contextTime !== undefined && status.position !== undefined) {
            this.positions.push([status.contextTime, status.position]);
          }
          post(message, transfer);
        };
        port.onmessage = (event) => {
          const message = event.data as { type?: string; port?: MessagePort };
          if (message.type === 'watched') {
            const { leftMs, positions, atWorklet, contextTimes } = this;
            const samples = this.samples.slice(0, leftMs.length * 128);
            post({ type: 'watched', samples, leftMs, positions, atWorklet, contextTimes });
            return;
          }
          message.port?.addEventListener('message', ({ data }: MessageEvent<unknown>) => {
            if (!(data instanceof ArrayBuffer)) return;
            const [sequence, timestamp, sentUs] = readHeader(data);
            const [atMs, contextTime] = [Date.now(), scope.currentTime];
            this.atWorklet.push({ sequence, timestamp, sentUs, atMs, contextTime });
          });
          handle?.(event);
        };
      }

      override process(inputs: unknown, outputs: Float32Array[][]): boolean {
        const goesOn = super.process(inputs, outputs);
        const left = outputs[0]?.[0];
        const at = this.leftMs.length * 128;
        if (left && at + 128 <= this.samples.length) {
          this.contextTimes.push(scope.currentTime);
          this.samples.set(left, at);
          this.leftMs.push(Date.now());
        }
        return goesOn;
      }
    }
    register(name, Watching);
  };
}

/** Runs in the page, before its scripts. */
function watchPage(worklet: string, worker: string): void {
  const address = (text: string): string =>
    URL.createObjectURL(new Blob([text], { type: 'text/javascript' }));
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own object
  const add = AudioWorklet.prototype.addModule;
  AudioWorklet.prototype.addModule = async function (this: AudioWorklet, url, options) {
    await add.call(this, address(worklet));
    await add.call(this, url, options);
  };
  const scope = globalThis as unknown as {
    AudioWorkletNode: typeof AudioWorkletNode;
    Worker: typeof Worker;
    watchedNode: AudioWorkletNode;
  };
  scope.AudioWorkletNode = class extends AudioWorkletNode {
    constructor(context: BaseAudioContext, name: string, options?: AudioWorkletNodeOptions) {
      super(context, name, options);
      scope.watchedNode = this;
    }
  };
  scope.Worker = class extends Worker {
    constructor(url: string | URL, options?: WorkerOptions) {
      const own = JSON.stringify(new URL(url, location.href).href);
      super(address(`${worker}\nimportScripts(${own});`), options);
    }
  };
}

/** Runs in the page. */
async function askPage(): Promise<Omit<Watched, 'samples'> & { samples: string }> {
  const { watchedNode: node } = globalThis as unknown as { watchedNode: AudioWorkletNode };
  const once = (target: MessagePort | BroadcastChannel, ask: () => void): Promise<unknown> =>
    new Promise((resolve) => {
      const listen = ({ data }: MessageEvent<{ type?: string } | unknown[]>): void => {
        if (!Array.isArray(data) && data.type !== 'watched') return;
        target.removeEventListener('message', listen as EventListener);
        resolve(data);
      };
      target.addEventListener('message', listen as EventListener);
      ask();
    });
  const worklet = (await once(node.port, () => {
    node.port.postMessage({ type: 'watched' });
  })) as Omit<Watched, 'samples'> & { samples: Float32Array };
  const channel = new BroadcastChannel('watched');
  const atWorker = (await once(channel, () => {
    channel.postMessage(0);
  })) as Arrival[];
  channel.close();
  const { baseLatency, outputLatency } = node.context as AudioContext;
  const { leftMs, positions, atWorklet, contextTimes } = worklet;
  const raw = new Uint8Array(worklet.samples.buffer);
  let binary = '';
  for (let i = 0; i < raw.length; i += 8_192) {
    binary += String.fromCharCode(...raw.subarray(i, i + 8_192));
  }
  const outputMs = 1000 * (outputLatency || baseLatency);
  const samples = btoa(binary);
  return { samples, leftMs, positions, atWorklet, contextTimes, atWorker, outputMs };
}
