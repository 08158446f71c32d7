/**
 * Measures the receiver in the browser and writes the report.
 *
 *   npm run bench -- EXAMPLES REPORT
 *
 * EXAMPLES is the folder of the built examples of the Rust side, `vectors` and `microphone`.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { launchChromium } from '../harness/chromium.ts';
import { measuredScript, runInChromium, serve } from './chromium.ts';
import { runInNode } from './node.ts';
import { mouthToEar, WAYS, type Measured, type Way } from './mouth-to-ear.ts';
import { costOf, document, type Cost } from './report.ts';
import { IN_CHROMIUM, SCENARIO_S, SCENARIOS, type Stream } from './scenarios.ts';

const DIST = join(import.meta.dirname, '..', '..', 'packages', 'client', 'dist');
// Of each call the least of all runs counts: the more, the less of the machine is in it.
const RUNS = 10;

const [examples, report] = process.argv.slice(2);
if (examples === undefined || report === undefined) throw new Error('needs EXAMPLES and REPORT');
const [vectors, microphone] = [join(examples, 'vectors'), join(examples, 'microphone')];

const script = readFileSync(join(DIST, 'worklet.js'), 'utf8');
const wasm = Uint8Array.from(readFileSync(join(DIST, 'player.wasm')));
const packets = new Map<string, Buffer>();
for (const { stream } of SCENARIOS) {
  const args = [SCENARIO_S, stream.bitrate, stream.frameUs].map(String);
  const bytes = execFileSync(vectors, args, { maxBuffer: 1 << 28 });
  packets.set(pathOf(stream), bytes);
}

function pathOf({ bitrate, frameUs }: Stream): string {
  return `/packets-${bitrate}-${frameUs}`;
}

function split(bytes: Buffer): Uint8Array[] {
  const datagrams = [];
  for (let at = 0; at < bytes.length; at += 4 + bytes.readUInt32LE(at)) {
    datagrams.push(Uint8Array.from(bytes.subarray(at + 4, at + 4 + bytes.readUInt32LE(at))));
  }
  return datagrams;
}

function costsInNode(): Cost[] {
  return SCENARIOS.map((scenario) => {
    const datagrams = split(packets.get(pathOf(scenario.stream)) ?? Buffer.alloc(0));
    const run = () => runInNode(script, wasm.buffer, { scenario, datagrams });
    console.log(`Node: ${scenario.name}`);
    return costOf(scenario, Array.from({ length: RUNS }, run));
  });
}

const chromium = await launchChromium();
try {
  const files = new Map<string, Uint8Array | string>(packets);
  files.set('/player.wasm', wasm).set('/worklet.js', await measuredScript(script));
  const { url, server } = await serve(files);
  const tab = await chromium.tab();
  await tab.open(url);
  const offline: Cost[] = [];
  for (const scenario of IN_CHROMIUM) {
    console.log(`Chromium: ${scenario.name}`);
    const runs = [];
    for (let n = 0; n < RUNS; n++) {
      runs.push(await runInChromium(tab, scenario, pathOf(scenario.stream)));
    }
    offline.push(costOf(scenario, runs));
  }
  await tab.close();
  server.close();
  const ways: [Way, Measured][] = [];
  for (const way of WAYS) {
    console.log(`mouth to ear: ${way.name}`);
    ways.push([way, await mouthToEar(chromium, microphone, way)]);
  }
  const [cpu] = cpus();
  const machine = `${cpus().length} processors of ${cpu?.model.trim() ?? 'unknown kind'}`;
  const text = document(costsInNode(), offline, ways, machine);
  writeFileSync(report, text);
  console.log(text);
} finally {
  await chromium.close();
}
