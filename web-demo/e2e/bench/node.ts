/** The player's worklet script under Node, among globals made to look like a worklet's. */
import { runInThisContext } from 'node:vm';
import { Measurement, type ProcessorClass, type Run, type Task } from './measured.ts';

/** What a worklet's scope has and Node has not. */
interface WorkletScope {
  AudioWorkletProcessor: unknown;
  registerProcessor: (name: string, processor: ProcessorClass) => void;
  sampleRate: number;
  currentTime: number;
}

/** Runs a scenario once; one at a time, as the globals are shared. */
export function runInNode(script: string, wasm: ArrayBuffer, task: Task): Run {
  let made: ProcessorClass | undefined;
  const { rate } = task.scenario;
  const scope = globalThis as unknown as WorkletScope;
  scope.AudioWorkletProcessor = class {
    readonly port = { onmessage: null, postMessage: (): void => undefined };
  };
  scope.registerProcessor = (_name, processor) => (made = processor);
  scope.sampleRate = rate;
  scope.currentTime = 0;
  runInThisContext(script, { filename: 'worklet.js' });
  if (!made) throw new Error('the script registered no processor');
  const preferences = { latency: 'live', repair: 'auto', bundled: false };
  const processor = new made({ processorOptions: { wasm, preferences } });
  const measurement = new Measurement(processor, task, () => performance.now());
  const outputs = [[new Float32Array(128), new Float32Array(128)]];
  for (let quantum = 0; !measurement.isDone; quantum++) {
    scope.currentTime = (quantum * 128) / rate;
    measurement.quantum(scope.currentTime * 1000, () => processor.process([], outputs));
  }
  return measurement.result();
}
