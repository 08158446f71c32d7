/** The player's own audio processor with a clock around each of its calls. */
import type {
  FromWorklet,
  FromWorkletAudio,
  ReceiverStats,
  WorkletStatus,
} from '../../packages/client/src/messages.ts';
import { SCENARIO_S, type Scenario } from './scenarios.ts';
import { Simulation } from './simulation.ts';

/** What a processor is measured with. */
export interface Task {
  readonly scenario: Scenario;
  /** The stream's datagrams. */
  readonly datagrams: readonly Uint8Array[];
}

/** What a run gave. */
export interface Run {
  /** Time of every `process()`, in ms. */
  readonly process: Float32Array;
  /** Time of every datagram's handling, in ms. */
  readonly datagram: Float32Array;
  readonly stats: ReceiverStats;
  /** Sound left out or repeated by stretching, in ms. */
  readonly stretchedMs: number;
}

/** A processor as the player's script registers it, as far as it is used here. */
interface Processor {
  readonly port: {
    onmessage: ((event: { data: unknown }) => void) | null;
    postMessage(message: unknown): void;
  };
  process(inputs: unknown, outputs: readonly (readonly Float32Array[])[]): boolean;
}
/** Its class. */
export type ProcessorClass = new (options: { processorOptions: unknown }) => Processor;

/** The worker's end of the port that sound comes by. */
class WorkersPort {
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly #told: (message: FromWorkletAudio) => void;

  constructor(told: (message: FromWorkletAudio) => void) {
    this.#told = told;
  }

  postMessage(message: FromWorkletAudio): void {
    this.#told(message);
  }

  close(): void {
    this.onmessage = null;
  }
}

/** Calls after which an engine has compiled what is called. */
const WARM_CALLS = 500;

function timed<T>(clock: () => number, call: () => T): { took: number; result: T } {
  const begun = clock();
  const result = call();
  return { took: clock() - begun, result };
}

/** Drives one processor through a scenario and keeps what each call took. */
export class Measurement {
  readonly #clock: () => number;
  readonly #simulation: Simulation;
  readonly #port: WorkersPort;
  readonly #process: Float32Array<ArrayBuffer>;
  #quanta = 0;
  #datagrams: number[] = [];
  #nowMs = 0;
  #status: WorkletStatus | undefined;
  #stretchedMs = 0;

  /** @param clock a clock in ms. */
  constructor({ port }: Processor, { scenario, datagrams }: Task, clock: () => number) {
    this.#clock = clock;
    this.#simulation = new Simulation(scenario, datagrams);
    this.#process = new Float32Array(Math.floor((SCENARIO_S * scenario.rate) / 128));
    this.#port = new WorkersPort((message) => {
      this.#handle(message);
    });
    port.postMessage = (message) => {
      this.#note(message as FromWorklet);
    };
    const tell = (data: unknown): void => port.onmessage?.({ data });
    tell({ type: 'audio', port: this.#port });
    const preferences = { latency: 'live', repair: scenario.repair, bundled: false };
    tell({ type: 'prefer', preferences });
    const tellAudio = (data: unknown): void => this.#port.onmessage?.({ data });
    tellAudio({ type: 'track', track: { id: 7 }, behindMs: 0, goesOn: false });
    const { roundTripMs } = this.#simulation;
    tellAudio({ type: 'clock', offsetMs: 0, roundTripMs });
    // What measures is compiled before there is something to measure.
    for (let n = 0; n < WARM_CALLS; n++) timed(clock, () => true);
  }

  /** Whether the scenario is over. */
  get isDone(): boolean {
    return this.#quanta === this.#process.length;
  }

  /** One quantum: what came since the last, then the sound. `processed` is the real call. */
  quantum(nowMs: number, processed: () => boolean): boolean {
    this.#nowMs = nowMs;
    for (const bytes of this.#simulation.arrivals(nowMs)) {
      const begun = this.#clock();
      this.#port.onmessage?.({ data: bytes.buffer });
      this.#datagrams.push(this.#clock() - begun);
    }
    const { took, result } = timed(this.#clock, processed);
    if (!this.isDone) this.#process[this.#quanta++] = took;
    return result;
  }

  /** What was measured. */
  result(): Run {
    if (!this.#status) throw new Error('the processor told nothing');
    return {
      process: this.#process,
      datagram: Float32Array.from(this.#datagrams),
      stats: this.#status.stats,
      stretchedMs: this.#stretchedMs,
    };
  }

  #handle(message: FromWorkletAudio): void {
    if (message instanceof ArrayBuffer) {
      this.#simulation.request(new Uint8Array(message), this.#nowMs);
    } else if (message.type === 'redundancy') {
      this.#simulation.setLevel(message.level);
    }
  }

  #note(message: FromWorklet): void {
    if (message.type !== 'status') return;
    const before = this.#status;
    this.#status = message;
    const [then, now] = [before?.position, message.position];
    // Where nothing else moved media time against the clock, stretching did.
    const same = (name: 'skippedMs' | 'restarts' | 'underruns' | 'concealedMs'): boolean =>
      before?.stats[name] === message.stats[name];
    if (!before || then === undefined || now === undefined) return;
    if (!(same('skippedMs') && same('restarts') && same('underruns') && same('concealedMs')))
      return;
    const movedMs = (now - then) / 48;
    const tookMs = (message.contextTime - before.contextTime) * 1000;
    const off = Math.abs(movedMs - tookMs);
    // What a changed speed does in a quarter of a second is no stretching.
    if (off > 1) this.#stretchedMs += off;
  }
}
