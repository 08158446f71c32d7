/** The way to the ear: audio context, the worklet with the receiver, and the volume. */
import { failure, messageOf, type SkywaveError } from './errors.ts';
import { fetchWasm, workletUrl, type Assets } from './assets.ts';
import { PROCESSOR, type FromWorklet, type ProcessorOptions } from './messages.ts';
import type { Preferences, ToWorklet, WorkletStatus } from './messages.ts';

/** What was played last. */
export interface Capture {
  /** Samples per second. */
  readonly sampleRate: number;
  /** The left channel, -1 to 1, before the volume. */
  readonly left: Float32Array<ArrayBuffer>;
  /** The right channel. */
  readonly right: Float32Array<ArrayBuffer>;
}

/** What an output tells its owner. */
export interface OutputEvents {
  /** Four times a second and at every change. */
  onStatus(status: WorkletStatus): void;
  /** Another processor took the place of a broken one: it needs audio again. */
  onRenewed(): void;
  /** It cannot be repaired. */
  onFailed(error: SkywaveError): void;
}

// Long enough not to click, short enough not to be noticed.
const RAMP_SECONDS = 0.03;
// A browser that lets sound start does so within a few hundred ms; longer only when it is
// busy, which is no matter where nobody has touched the page and it is not going to.
const START_MS_MAX = 8_000;
const START_UNTOUCHED_MS_MAX = 3_000;
const CAPTURE_MS_MAX = 5_000;
const RENEWALS_MAX = 3;

/** An audio context with one receiver in it. */
export class AudioOutput {
  /** The context; suspended while nothing is to be heard. */
  readonly context: AudioContext;
  /** The last node before the speakers, behind the volume: what a visualisation looks at. */
  readonly node: GainNode;
  readonly #assets: Assets;
  readonly #events: OutputEvents;
  readonly #captures = new Map<number, (capture: Capture) => void>();
  #worklet: AudioWorkletNode | undefined;
  #ready: Promise<void> | undefined;
  #renewals = 0;
  #nextKey = 0;
  #level = 1;
  #open = false;
  #latency = 0;
  #preferences: Preferences;
  #suspending: ReturnType<typeof setTimeout> | undefined;

  /**
   * Must be made while a user's gesture is handled, or the browser may keep it silent.
   *
   * @throws SkywaveError `unsupported_browser` without AudioWorklet: an old browser, or a
   * page that is neither https nor localhost.
   */
  constructor(assets: Assets, preferences: Preferences, events: OutputEvents) {
    // The class alone is there on plain http, too; what it needs is not.
    if (!isSecureContext || !('AudioWorkletNode' in globalThis)) {
      throw failure(
        'unsupported_browser',
        isSecureContext
          ? 'this browser has no AudioWorklet'
          : 'sound needs https: browsers allow it only there and on localhost',
      );
    }
    this.#assets = assets;
    this.#events = events;
    this.#preferences = preferences;
    this.context = new AudioContext({ sampleRate: 48_000, latencyHint: 'interactive' });
    this.node = new GainNode(this.context, { gain: 0 });
    this.node.connect(this.context.destination);
  }

  /** Seconds from the worklet to the ear, as far as the browser tells; 0 before sound flows
   * and in Firefox, which cannot be asked safely. */
  get latency(): number {
    return this.#latency;
  }

  /**
   * Lets sound out.
   *
   * @throws SkywaveError `autoplay_blocked` when the browser wants a gesture first, or
   * whatever keeps the receiver from being loaded.
   */
  async start(): Promise<void> {
    clearTimeout(this.#suspending);
    this.#open = true;
    // Both begin now, inside the gesture if there is one.
    const running = this.#run();
    const ready = (this.#ready ??= this.#load());
    ready.catch(() => (this.#ready = undefined));
    await running;
    await ready;
    this.#ramp();
  }

  /** Fades out and suspends the context: a player that is paused costs nothing. */
  stop(): void {
    this.#open = false;
    this.#ramp();
    clearTimeout(this.#suspending);
    this.#suspending = setTimeout(() => {
      // Refused only for a context that is closed.
      this.context.suspend().catch(() => undefined);
    }, RAMP_SECONDS * 4_000);
  }

  /** Tries to run again, as after a phone call or a change of device. */
  resume(): void {
    if (this.#open && this.context.state !== 'running') {
      this.context.resume().catch(() => undefined);
    }
  }

  /** Loudness from 0 to 1; changes softly. */
  setLevel(level: number): void {
    this.#level = level;
    this.#ramp();
  }

  /** Weighs delay, faults and bytes like this from now on. */
  prefer(preferences: Preferences): void {
    this.#preferences = preferences;
    this.#post({ type: 'prefer', preferences });
  }

  /** A port into the receiver, in place of any before. */
  audioPort(): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#post({ type: 'audio', port: port1 }, [port1]);
    return port2;
  }

  /** The latest `seconds` that were played; fewer when there are not as many. */
  capture(seconds: number): Promise<Capture> {
    const worklet = this.#worklet;
    if (!worklet) return Promise.reject(failure('not_playing', 'nothing has been played yet'));
    const key = this.#nextKey++;
    const frames = Math.round(seconds * this.context.sampleRate);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#captures.delete(key);
        reject(failure('timeout', 'the worklet did not answer', true));
      }, CAPTURE_MS_MAX);
      this.#captures.set(key, (capture) => {
        clearTimeout(timer);
        resolve(capture);
      });
      this.#post({ type: 'capture', key, frames });
    });
  }

  /** Ends it. */
  close(): void {
    clearTimeout(this.#suspending);
    this.#drop();
    this.context.close().catch(() => undefined);
  }

  #run(): Promise<void> {
    const { userActivation } = navigator as Partial<Navigator>;
    const untouched = userActivation?.hasBeenActive === false;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => {
          if (this.context.state === 'running') resolve();
          else
            reject(failure('autoplay_blocked', 'the browser wants a gesture before sound', true));
        },
        untouched ? START_UNTOUCHED_MS_MAX : START_MS_MAX,
      );
      this.context.resume().then(
        () => {
          clearTimeout(timer);
          resolve();
        },
        (error: unknown) => {
          clearTimeout(timer);
          reject(failure('autoplay_blocked', messageOf(error), true));
        },
      );
    });
  }

  async #load(): Promise<void> {
    const [wasm] = await Promise.all([
      fetchWasm(this.#assets),
      this.context.audioWorklet.addModule(workletUrl(this.#assets)),
    ]);
    const options: ProcessorOptions = { wasm, preferences: this.#preferences };
    const worklet = new AudioWorkletNode(this.context, PROCESSOR, {
      numberOfInputs: 0,
      outputChannelCount: [2],
      processorOptions: options,
    });
    worklet.port.onmessage = ({ data }: MessageEvent<FromWorklet>) => {
      this.#handle(data);
    };
    worklet.onprocessorerror = () => {
      this.#renew('the audio processor failed');
    };
    worklet.connect(this.node);
    this.#worklet = worklet;
  }

  #handle(message: FromWorklet): void {
    switch (message.type) {
      case 'status':
        this.#latency = latencyOf(this.context);
        this.#events.onStatus(message);
        break;
      case 'captured': {
        const { key, left, right } = message;
        this.#captures.get(key)?.({ sampleRate: this.context.sampleRate, left, right });
        this.#captures.delete(key);
        break;
      }
      case 'failed':
        this.#renew(message.message);
        break;
    }
  }

  #renew(reason: string): void {
    this.#drop();
    this.#renewals++;
    if (this.#renewals > RENEWALS_MAX) {
      this.#events.onFailed(failure('internal', reason));
      return;
    }
    this.#ready = this.#load();
    this.#ready.then(
      () => {
        this.#events.onRenewed();
      },
      (error: unknown) => {
        this.#events.onFailed(failure('internal', messageOf(error)));
      },
    );
  }

  #drop(): void {
    const worklet = this.#worklet;
    if (!worklet) return;
    this.#post({ type: 'close' });
    worklet.onprocessorerror = null;
    worklet.disconnect();
    this.#worklet = undefined;
  }

  #ramp(): void {
    const now = this.context.currentTime;
    // The ear hears ratios: a square makes the middle of a slider sound like the middle.
    const target = this.#open ? this.#level ** 2 : 0;
    this.node.gain.cancelScheduledValues(now);
    this.node.gain.setTargetAtTime(target, now, RAMP_SECONDS / 3);
  }

  #post(message: ToWorklet, transfer: Transferable[] = []): void {
    this.#worklet?.port.postMessage(message, transfer);
  }
}

function latencyOf(context: AudioContext): number {
  // Firefox freezes the page for good when it is asked while it opens the sound device, and
  // nothing tells when it does: it opens anew with every other headphone.
  if (navigator.userAgent.includes('Firefox/')) return 0;
  const { outputLatency, baseLatency } = context as Partial<AudioContext>;
  // Zero means unknown in some browsers.
  return [outputLatency, baseLatency].find((seconds) => (seconds ?? 0) > 0) ?? 0;
}
