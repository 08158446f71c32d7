/** The worker: the session and its connection, out of reach of a busy page. */
import { ALIVE_MS, type FromWorker, type ToWorker, type ToWorkletAudio } from '../messages.ts';
import type { FromWorkletAudio } from '../messages.ts';
import { dial } from '../transport/dial.ts';
import { SessionCore, type Surroundings } from './core.ts';
import { systemTimers } from '../system-timers.ts';
import type { Track } from '../wire/objects.ts';

// The types of a worker's scope and a page's cannot be had in one program.
const scope = globalThis as unknown as {
  onmessage: ((event: MessageEvent<ToWorker>) => void) | null;
  postMessage(message: FromWorker): void;
  close(): void;
};

/** The way to the worklet, which may come late and be replaced. */
class PortSink {
  #port: MessagePort | undefined;
  #track: Track | null = null;
  #behindMs = 0;
  #clock: { offsetMs: number; roundTripMs: number } | undefined;

  connect(port: MessagePort): void {
    this.#port?.close();
    this.#port = port;
    port.onmessage = ({ data }: MessageEvent<FromWorkletAudio>) => {
      core?.handleWorklet(data);
    };
    this.track(this.#track, this.#behindMs, false);
    if (this.#clock !== undefined) this.clock(this.#clock);
  }

  datagram(bytes: Uint8Array<ArrayBuffer>): void {
    // Transferred, not copied; a view into a larger buffer must not take that along.
    const whole = bytes.byteLength === bytes.buffer.byteLength;
    const buffer = whole ? bytes.buffer : bytes.slice().buffer;
    this.#post(buffer, [buffer]);
  }

  track(track: Track | null, behindMs: number, goesOn: boolean): void {
    this.#track = track;
    this.#behindMs = behindMs;
    this.#post({ type: 'track', track, behindMs, goesOn });
  }

  clock(clock: { offsetMs: number; roundTripMs: number }): void {
    this.#clock = clock;
    const { offsetMs, roundTripMs } = clock;
    this.#post({ type: 'clock', offsetMs, roundTripMs });
  }

  #post(message: ToWorkletAudio, transfer: Transferable[] = []): void {
    this.#port?.postMessage(message, transfer);
  }
}

const sink = new PortSink();
let core: SessionCore | undefined;

const surroundings: Surroundings = {
  timers: systemTimers,
  random: Math.random,
  dial,
  post: (message) => {
    scope.postMessage(message);
  },
  sink,
};

scope.onmessage = ({ data: message }) => {
  switch (message.type) {
    case 'open':
      core = new SessionCore(message, surroundings);
      void core.run();
      break;
    case 'audio':
      sink.connect(message.port);
      break;
    case 'close':
      core?.handle(message);
      // The close frame leaves with this turn of the event loop; then nothing is left to do.
      setTimeout(() => {
        scope.close();
      }, 100);
      break;
    default:
      core?.handle(message);
  }
};

setInterval(() => {
  scope.postMessage({ type: 'alive' });
}, ALIVE_MS);
