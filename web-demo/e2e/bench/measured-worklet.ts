/**
 * Put before the player's worklet script, this takes the place of `registerProcessor`: what is
 * measured is the script that the site serves.
 */
import { Measurement, type ProcessorClass, type Task } from './measured.ts';

declare const currentTime: number;

/** What the page hands over besides what the player's processor takes. */
interface Options {
  readonly processorOptions: { readonly task: Task; readonly clock: SharedArrayBuffer };
}

const scope = globalThis as unknown as {
  registerProcessor: (name: string, processor: unknown) => void;
};
const register = scope.registerProcessor.bind(globalThis);

scope.registerProcessor = (name, processor) => {
  const Player = processor as ProcessorClass;
  class Measured extends Player {
    readonly #measurement: Measurement;
    readonly #post: (message: unknown) => void;
    #told = false;

    constructor(options: Options) {
      super(options);
      this.#post = this.port.postMessage.bind(this.port);
      const { task, clock } = options.processorOptions;
      // A worklet has no clock but the date; a thread beside it writes one down all the time.
      const [time, count] = [new Float64Array(clock, 0, 1), new Int32Array(clock, 8, 1)];
      this.#measurement = new Measurement(this, task, () => {
        // That thread may be held up. What it wrote before this does not count: then a call
        // seems longer than it was, and never shorter.
        const before = Atomics.load(count, 0);
        while (Atomics.load(count, 0) === before);
        return time[0] ?? 0;
      });
    }

    override process(inputs: unknown, outputs: readonly (readonly Float32Array[])[]): boolean {
      const goesOn = this.#measurement.quantum(currentTime * 1000, () =>
        super.process(inputs, outputs),
      );
      if (this.#measurement.isDone && !this.#told) {
        this.#told = true;
        this.#post(this.#measurement.result());
      }
      return goesOn;
    }
  }
  register(name, Measured);
};
