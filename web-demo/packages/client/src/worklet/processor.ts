/**
 * The audio worklet: the receiver's WebAssembly, pulled by the audio clock. Datagrams come
 * straight from the session's worker; the page only learns how it goes.
 */
import { CaptureRing } from '../capture-ring.ts';
import { PROCESSOR, type FromWorklet, type ProcessorOptions } from '../messages.ts';
import { Receiver } from './receiver.ts';
import { SourceClock } from './source-clock.ts';
import { WallClock } from './wall-clock.ts';
import type { ReceiverState, ToWorklet, ToWorkletAudio, WorkletStatus } from '../messages.ts';

// The scope of a worklet is not among the types of a page.
declare const currentTime: number;
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const CAPTURE_SECONDS = 10;
const STATUS_SECONDS = 0.25;

class ReceiverProcessor extends AudioWorkletProcessor {
  readonly #receiver: Receiver;
  readonly #capture = new CaptureRing(CAPTURE_SECONDS * sampleRate);
  readonly #wallClock = new WallClock();
  readonly #sourceClock = new SourceClock();
  #audio: MessagePort | undefined;
  #serverOffsetMs: number | undefined;
  #toldAt = 0;
  #toldState: ReceiverState = 'buffering';
  #open = true;

  constructor({ processorOptions }: { processorOptions: ProcessorOptions }) {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToWorklet>) => {
      this.#handle(data);
    };
    this.#receiver = new Receiver(processorOptions.wasm, sampleRate);
  }

  // Called for every 128 frames; must not allocate.
  process(_inputs: unknown, outputs: readonly (readonly Float32Array[])[]): boolean {
    const left = outputs[0]?.[0];
    if (!left || !this.#open) return this.#open;
    const right = outputs[0]?.[1] ?? left;
    this.#wallClock.observe(currentTime * 1000, Date.now());
    this.#receiver.pull(currentTime * 1000, left, right);
    this.#capture.write(left, right);
    const { state } = this.#receiver;
    if (state !== this.#toldState || currentTime - this.#toldAt >= STATUS_SECONDS) {
      this.#tellStatus(left.length);
    }
    return true;
  }

  #tellStatus(framesLeft: number): void {
    const receiver = this.#receiver;
    this.#toldAt = currentTime;
    this.#toldState = receiver.state;
    // The position is that of the sample after this block.
    const contextTime = currentTime + framesLeft / sampleRate;
    const { position } = receiver;
    const delayMs = this.#delayMs(position, contextTime);
    const status: WorkletStatus = {
      type: 'status',
      state: receiver.state,
      ...(position === undefined ? {} : { position }),
      contextTime,
      stats: receiver.stats(),
      ...(delayMs === undefined ? {} : { delayMs }),
    };
    this.#post(status);
  }

  #delayMs(position: number | undefined, contextTime: number): number | undefined {
    if (position === undefined || this.#serverOffsetMs === undefined) return undefined;
    const serverMs = contextTime * 1000 + this.#wallClock.offsetMs + this.#serverOffsetMs;
    return this.#sourceClock.delayMs(position, serverMs);
  }

  #handle(message: ToWorklet): void {
    switch (message.type) {
      case 'audio':
        this.#audio?.close();
        this.#audio = message.port;
        this.#audio.onmessage = ({ data }: MessageEvent<ToWorkletAudio>) => {
          this.#handleAudio(data);
        };
        break;
      case 'capture': {
        const { left, right } = this.#capture.latest(message.frames);
        const captured: FromWorklet = { type: 'captured', key: message.key, left, right };
        this.port.postMessage(captured, [left.buffer, right.buffer]);
        break;
      }
      case 'close':
        this.#open = false;
        this.#audio?.close();
        break;
    }
  }

  #handleAudio(message: ToWorkletAudio): void {
    if (message instanceof ArrayBuffer) {
      // Arrival is counted on the audio clock, which is what play-out can make use of: a
      // packet that comes between two bursts of the audio device is as late as the next.
      const bytes = new Uint8Array(message);
      this.#receiver.datagram(bytes, currentTime * 1000);
      this.#sourceClock.observe(bytes);
    } else if (message.type === 'clock') this.#serverOffsetMs = message.offsetMs;
    else {
      this.#receiver.begin(message.track?.id ?? 0);
      this.#sourceClock.reset();
    }
  }

  #post(message: FromWorklet): void {
    this.port.postMessage(message);
  }
}

registerProcessor(PROCESSOR, ReceiverProcessor);
