/**
 * The audio worklet: the receiver's WebAssembly, pulled by the audio clock. Datagrams come
 * straight from the session's worker; the page only learns how it goes.
 */
import { CaptureRing } from '../capture-ring.ts';
import { PROCESSOR, type FromWorklet, type ProcessorOptions } from '../messages.ts';
import { Receiver } from './receiver.ts';
import { SourceClock } from './source-clock.ts';
import { WallClock } from './wall-clock.ts';
import type {
  FromWorkletAudio,
  ReceiverState,
  ReceiverStats,
  ToWorklet,
  ToWorkletAudio,
  WorkletStatus,
} from '../messages.ts';

// The scope of a worklet is not among the types of a page.
declare const currentTime: number;
declare const sampleRate: number;
declare function registerProcessor(name: string, processor: unknown): void;
declare class AudioWorkletProcessor {
  readonly port: MessagePort;
}

const CAPTURE_SECONDS = 10;
const STATUS_SECONDS = 0.25;
const RECEPTION_SECONDS = 5;

class ReceiverProcessor extends AudioWorkletProcessor {
  readonly #receiver: Receiver;
  readonly #capture = new CaptureRing(CAPTURE_SECONDS * sampleRate);
  readonly #wallClock = new WallClock();
  readonly #sourceClock = new SourceClock();
  #audio: MessagePort | undefined;
  #server: { readonly offsetMs: number; readonly roundTripMs: number } | undefined;
  // What comes late by intent is not late: delays are measured from when it was sent.
  #behindMs = 0;
  #toldAt = 0;
  #toldState: ReceiverState = 'buffering';
  #open = true;
  #redundancy = 0;
  #playedSeconds = 0;
  #reported: { at: number; stats: ReceiverStats } | undefined;

  constructor({ processorOptions }: { processorOptions: ProcessorOptions }) {
    super();
    this.port.onmessage = ({ data }: MessageEvent<ToWorklet>) => {
      this.#handle(data);
    };
    this.#receiver = new Receiver(processorOptions.wasm, sampleRate);
    this.#receiver.prefer(processorOptions.preferences);
  }

  // Called for every 128 frames; must not allocate.
  process(_inputs: unknown, outputs: readonly (readonly Float32Array[])[]): boolean {
    const left = outputs[0]?.[0];
    if (!left || !this.#open) return this.#open;
    const right = outputs[0]?.[1] ?? left;
    this.#wallClock.observe(currentTime * 1000, Date.now());
    this.#receiver.pull(currentTime * 1000, left, right);
    this.#capture.write(left, right);
    this.#repair();
    const { state } = this.#receiver;
    if (state === 'playing') this.#playedSeconds += left.length / sampleRate;
    if (state !== this.#toldState || currentTime - this.#toldAt >= STATUS_SECONDS) {
      this.#tellStatus(left.length);
    }
    return true;
  }

  // After every packet and every pull.
  #repair(): void {
    const request = this.#receiver.pollRequest(currentTime * 1000);
    if (request) this.#tellWorker(request.buffer, [request.buffer]);
    const level = this.#receiver.redundancyWanted;
    if (level !== this.#redundancy) {
      this.#redundancy = level;
      this.#tellWorker({ type: 'redundancy', level });
    }
  }

  #tellReception(): void {
    const stats = this.#receiver.stats();
    const before = this.#reported ?? { at: currentTime, stats };
    const interval = currentTime - before.at;
    if (this.#reported && interval < RECEPTION_SECONDS) return;
    if (interval > 0 && this.#playedSeconds > 0) {
      const [intervalMs, playedMs] = [interval * 1000, this.#playedSeconds * 1000];
      const reception = this.#receiver.reception(before.stats, intervalMs, playedMs);
      this.#tellWorker({ type: 'reception', reception });
    }
    this.#reported = { at: currentTime, stats };
    this.#playedSeconds = 0;
  }

  #tellWorker(message: FromWorkletAudio, transfer: Transferable[] = []): void {
    this.#audio?.postMessage(message, transfer);
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
    this.#tellReception();
  }

  #delayMs(position: number | undefined, contextTime: number): number | undefined {
    if (position === undefined || this.#server === undefined) return undefined;
    const serverMs = contextTime * 1000 + this.#wallClock.offsetMs + this.#server.offsetMs;
    return this.#sourceClock.delayMs(position, serverMs - this.#behindMs);
  }

  #handle(message: ToWorklet): void {
    switch (message.type) {
      case 'audio':
        this.#audio?.close();
        this.#audio = message.port;
        this.#audio.onmessage = ({ data }: MessageEvent<ToWorkletAudio>) => {
          this.#handleAudio(data);
        };
        // Another worker knows nothing of what was wanted of the last one.
        this.#redundancy = 0;
        break;
      case 'prefer':
        this.#receiver.prefer(message.preferences);
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
      this.#repair();
    } else if (message.type === 'clock') {
      this.#server = message;
      this.#tellClock();
    } else {
      this.#behindMs = message.behindMs;
      this.#tellClock();
      if (message.goesOn && message.track) {
        this.#receiver.change(message.track.id);
        return;
      }
      this.#receiver.begin(message.track?.id ?? 0);
      this.#sourceClock.reset();
    }
  }

  #tellClock(): void {
    if (!this.#server) return;
    const offsetMs = this.#wallClock.offsetMs + this.#server.offsetMs - this.#behindMs;
    this.#receiver.setServer(this.#server.roundTripMs, offsetMs);
  }

  #post(message: FromWorklet): void {
    this.port.postMessage(message);
  }
}

registerProcessor(PROCESSOR, ReceiverProcessor);
