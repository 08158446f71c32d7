/** The player's worklet script in Chromium, as fast as it goes. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { bundleScript } from '../../packages/client/scripts/inline-scripts.mjs';
import type { ChromiumTab } from '../harness/chromium.ts';
import { decodeSamples } from '../harness/samples.ts';
import type { ReceiverStats } from '../../packages/client/src/messages.ts';
import type { Run } from './measured.ts';
import { SCENARIO_S, type Scenario } from './scenarios.ts';

/** What the page loads, by path. */
export type Files = ReadonlyMap<string, Uint8Array | string>;

/** The player's script behind the one that measures it. */
export async function measuredScript(script: string): Promise<string> {
  const measured = await bundleScript(`${import.meta.dirname}/measured-worklet.ts`, false);
  return `${measured}\n${script}`;
}

/** Serves these files in a way that lets threads share memory, and so a clock. */
export async function serve(files: Files): Promise<{ url: string; server: Server }> {
  const server = createServer(({ url }, response) => {
    const file = url === '/' ? '<!doctype html><title>bench</title>' : files.get(url ?? '');
    response.setHeader('cross-origin-opener-policy', 'same-origin');
    response.setHeader('cross-origin-embedder-policy', 'require-corp');
    const type = url === '/' ? 'text/html' : 'text/javascript';
    response.setHeader('content-type', type);
    response.statusCode = file === undefined ? 404 : 200;
    response.end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

/** Runs a scenario once in a page of {@link serve}'s. */
export async function runInChromium(
  tab: ChromiumTab,
  scenario: Scenario,
  packets: string,
): Promise<Run> {
  const seconds = SCENARIO_S;
  const found = await tab.run(inPage, { scenario, packets, seconds });
  const { stats, stretchedMs } = found;
  const [process, datagram] = [found.process, found.datagram].map(decodeSamples);
  if (!process || !datagram) throw new Error('the page measured nothing');
  return { process, datagram, stats, stretchedMs };
}

/** Sees nothing but its argument and the page. */
async function inPage({
  scenario,
  packets,
  seconds,
}: {
  scenario: Scenario;
  packets: string;
  seconds: number;
}): Promise<{ process: string; datagram: string; stats: ReceiverStats; stretchedMs: number }> {
  const load = async (url: string): Promise<ArrayBuffer> => (await fetch(url)).arrayBuffer();
  const [wasm, bytes] = await Promise.all([load('/player.wasm'), load(packets)]);
  const view = new DataView(bytes);
  const datagrams: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength; at += 4 + view.getUint32(at, true)) {
    datagrams.push(new Uint8Array(bytes, at + 4, view.getUint32(at, true)).slice());
  }
  // The time, and how often it was written down.
  const clock = new SharedArrayBuffer(16);
  const ticks = `onmessage = ({ data }) => {
    const [time, count] = [new Float64Array(data, 0, 1), new Int32Array(data, 8, 1)];
    for (;;) {
      time[0] = performance.now();
      Atomics.add(count, 0, 1);
    }
  }`;
  const ticker = new Worker(URL.createObjectURL(new Blob([ticks])));
  ticker.postMessage(clock);
  const count = new Int32Array(clock, 8, 1);
  while (Atomics.load(count, 0) === 0) await new Promise((resolve) => setTimeout(resolve, 10));

  const { rate } = scenario;
  const context = new OfflineAudioContext(2, (seconds + 1) * rate, rate);
  await context.audioWorklet.addModule('/worklet.js');
  const preferences = { latency: 'live', repair: 'auto', bundled: false };
  const node = new AudioWorkletNode(context, 'skywave-receiver', {
    numberOfInputs: 0,
    outputChannelCount: [2],
    processorOptions: { wasm, preferences, task: { scenario, datagrams }, clock },
  });
  const run = new Promise<{
    process: Float32Array;
    datagram: Float32Array;
    stats: ReceiverStats;
    stretchedMs: number;
  }>((resolve, reject) => {
    node.port.onmessage = ({ data }) => {
      resolve(data as never);
    };
    node.onprocessorerror = (event) => {
      reject(new Error(event.message));
    };
  });
  node.connect(context.destination);
  await context.startRendering();
  const { process, datagram, stats, stretchedMs } = await run;
  ticker.terminate();
  const text = (values: Float32Array): string => {
    const raw = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    let binary = '';
    for (let i = 0; i < raw.length; i += 8_192) {
      binary += String.fromCharCode(...raw.subarray(i, i + 8_192));
    }
    return btoa(binary);
  };
  return { process: text(process), datagram: text(datagram), stats, stretchedMs };
}
